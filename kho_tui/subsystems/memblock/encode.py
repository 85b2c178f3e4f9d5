"""memblock's FDT (mm/memblock.c)."""

from __future__ import annotations

from kho_tui.abi.memblock import MEMBLOCK_COMPATIBLE, MEMBLOCK_NODE, RESERVE_MEM_COMPATIBLE, RESERVE_MEM_NODE
from kho_tui.encode.facet import Buffer, Encoder, Encoding, no_pieces
from kho_tui.encode.fdts import NodeSpec, sequential
from kho_tui.subsystems.memblock.plain import PlainMemblock


def _memblock(plain: PlainMemblock, encoder: Encoder) -> Buffer:
    regions = tuple(
        NodeSpec(one.name, RESERVE_MEM_NODE, {"compatible": RESERVE_MEM_COMPATIBLE, "start": one.start, "size": one.size})
        for one in plain.regions
    )
    root = NodeSpec(b"", MEMBLOCK_NODE, {"compatible": MEMBLOCK_COMPATIBLE}, regions)
    return Buffer(sequential(encoder.platform.page_size, root, encoder.platform).data, 0)


ENCODING = Encoding(plain=PlainMemblock, buffer=_memblock, pieces=no_pieces)
