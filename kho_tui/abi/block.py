"""Serialization blocks: chains of pages that hold entries of one size (7.2 on; entry size is implied by the user)."""

from __future__ import annotations

from kho_tui.layout.struct import Layout, Unit, u64
from kho_tui.layout.table import PageArray

SOURCE = "include/linux/kho/abi/block.h 7.2-7.3"

KHO_BLOCK_HEADER_SER = Layout(
    "KhoBlockHeaderSer",
    (
        u64("next", Unit.PHYS, "next block, 0 ends the chain; a loop makes the next kernel panic or fail"),
        u64("count", Unit.COUNT, "entries in this block; 0 or too many is fatal to the next kernel"),
    ),
    SOURCE,
    "one page of a chain of entries",
)

MAX_BLOCKS = 10_000
"""Blocks in a chain that a kernel takes (kernel/liveupdate/kho_block.c 7.2-7.3)."""


def block_of(element: Layout) -> PageArray:
    """The page that holds entries of this layout."""
    return PageArray(KHO_BLOCK_HEADER_SER, element)
