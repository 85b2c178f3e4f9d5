"""The test module's FDT and the list of its folios (lib/test_kho.c)."""

from __future__ import annotations

from kho_tui.abi.test_kho import KHO_TEST_COMPATIBLE, KHO_TEST_DATA_NODE, KHO_TEST_FOLIO, KHO_TEST_NODE
from kho_tui.abi.vmalloc import KHO_VMALLOC
from kho_tui.encode.facet import Buffer, Encoder, Encoding
from kho_tui.encode.fdts import NodeSpec, sequential
from kho_tui.encode.piece import Pieces, Values, rows
from kho_tui.encode.vmalloc import chunk_pieces, content_pieces, descriptor_values
from kho_tui.errors import EncodeError
from kho_tui.layout.platform import Platform
from kho_tui.model.path import EntityPath
from kho_tui.subsystems.kho_test.plain import PlainTest


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


ENCODING = Encoding(plain=PlainTest, buffer=_test, pieces=_test_pieces)
