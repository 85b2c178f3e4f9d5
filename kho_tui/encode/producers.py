"""The subtrees that are no LUO: memblock, kexec-metadata, test_kho (mm/memblock.c, kernel/liveupdate/kexec_handover.c, lib/test_kho.c)."""

from __future__ import annotations

from kho_tui.abi.memblock import MEMBLOCK_COMPATIBLE, MEMBLOCK_NODE, RESERVE_MEM_COMPATIBLE, RESERVE_MEM_NODE
from kho_tui.abi.metadata import KHO_KEXEC_METADATA
from kho_tui.abi.test_kho import KHO_TEST_COMPATIBLE, KHO_TEST_DATA_NODE, KHO_TEST_FOLIO, KHO_TEST_NODE
from kho_tui.abi.vmalloc import KHO_VMALLOC
from kho_tui.encode.facet import Buffer, Encoder, Encoding, no_pieces
from kho_tui.encode.fdts import NodeSpec, sequential
from kho_tui.encode.piece import Pieces, Values, rows
from kho_tui.encode.vmalloc import chunk_pieces, content_pieces, descriptor_values
from kho_tui.errors import EncodeError
from kho_tui.layout.platform import Platform
from kho_tui.model.contents.kexec_metadata import PlainMetadata
from kho_tui.model.contents.kho_test import PlainTest
from kho_tui.model.contents.memblock import PlainMemblock
from kho_tui.model.path import EntityPath


def _metadata(plain: PlainMetadata, encoder: Encoder) -> Buffer:
    values: Values = {"version": plain.version, "previous_release": plain.previous_release, "kexec_count": plain.kexec_count}
    data = KHO_KEXEC_METADATA.encode(values, encoder.platform.byte_order)
    return Buffer(data.ljust(encoder.platform.page_size, b"\0"), len(data))


def _memblock(plain: PlainMemblock, encoder: Encoder) -> Buffer:
    regions = tuple(
        NodeSpec(one.name, RESERVE_MEM_NODE, {"compatible": RESERVE_MEM_COMPATIBLE, "start": one.start, "size": one.size})
        for one in plain.regions
    )
    root = NodeSpec(b"", MEMBLOCK_NODE, {"compatible": MEMBLOCK_COMPATIBLE}, regions)
    return Buffer(sequential(encoder.platform.page_size, root, encoder.platform).data, 0)


def _test(plain: PlainTest, encoder: Encoder) -> Buffer:
    platform = encoder.platform
    info = _folio_list(plain, platform)
    if plain.area is not None:
        info = KHO_VMALLOC.encode(descriptor_values(plain.area), platform.byte_order)
    values: Values = {"nr_folios": len(plain.folios), "folios_info": info, "csum": plain.csum}
    data = NodeSpec(b"data", KHO_TEST_DATA_NODE, values)
    root = NodeSpec(b"", KHO_TEST_NODE, {"compatible": KHO_TEST_COMPATIBLE, "magic": plain.magic}, (data,))
    return Buffer(sequential(8 * len(plain.folios) + platform.page_size, root, platform).data, 0)


def _test_pieces(plain: PlainTest, encoder: Encoder, what: EntityPath) -> Pieces:
    if plain.area is not None:
        yield from chunk_pieces(plain.area, encoder.platform, what.child("area"))
        yield from content_pieces(plain.area, _folio_list(plain, encoder.platform), encoder.platform, what.child("folios"))


def _folio_list(plain: PlainTest, platform: Platform) -> bytes:
    if any(address % platform.page_size or order >= platform.page_size for address, order in plain.folios):
        raise EncodeError("a test folio's address holds bits that stand for its order")
    return rows(KHO_TEST_FOLIO, [{"phys_order": address | order} for address, order in plain.folios], platform)


METADATA_ENCODING = Encoding(plain=PlainMetadata, buffer=_metadata, pieces=no_pieces)
MEMBLOCK_ENCODING = Encoding(plain=PlainMemblock, buffer=_memblock, pieces=no_pieces)
KHO_TEST_ENCODING = Encoding(plain=PlainTest, buffer=_test, pieces=_test_pieces)
