"""The test module: its FDT, and the list of folios inside it or in vmalloc memory."""

from __future__ import annotations

from kho_tui.abi.test_kho import (
    KHO_TEST_COMPATIBLE,
    KHO_TEST_DATA_NODE,
    KHO_TEST_FOLIO,
    KHO_TEST_MAGIC,
    KHO_TEST_NODE,
    looks_like_descriptor,
)
from kho_tui.abi.vmalloc import KHO_VMALLOC
from kho_tui.decode.facet import SubtreeBlob
from kho_tui.decode.fdt_subtree import fdt_decoding
from kho_tui.decode.nodes import child_of, data_of
from kho_tui.decode.reader import Reader
from kho_tui.decode.vmalloc import area_rows, decode_vmalloc
from kho_tui.fdt.tree import Node
from kho_tui.layout.place import Blob
from kho_tui.layout.table import Table, table_of
from kho_tui.model.codes import COUNT_BAD, FIELD_BAD, PROPERTY_BAD
from kho_tui.model.facts import Damaged, Missing, Stale, Unavailable
from kho_tui.model.path import EntityPath
from kho_tui.model.state import FdtView
from kho_tui.model.vmalloc import VmallocArea
from kho_tui.subsystems.kho_test.content import KhoTest
from kho_tui.text import SafeText


def _decode(reader: Reader, one: SubtreeBlob, view: FdtView, root: Node) -> KhoTest:
    where, place = one.path, view.blob.place
    order, shift = reader.platform.byte_order, reader.platform.page_shift
    node = child_of(root, b"data")
    values = KHO_TEST_NODE.values(root, order, place)
    if node is None:
        node = Damaged(SafeText("no data node"))
        reader.findings.add(PROPERTY_BAD, where, str(node.reason))
    if isinstance(node, Missing):
        return KhoTest(path=where, properties=values, nr_folios=node, csum=node, folios=node, area=node, page_shift=shift)
    magic = reader.property(root, "magic", where, 4)
    if isinstance(magic, int) and magic != KHO_TEST_MAGIC:
        reader.findings.add(FIELD_BAD, where, f"magic is {magic:#x} where {KHO_TEST_MAGIC:#x} is right: the test module refuses it")
    values += KHO_TEST_DATA_NODE.values(node, order, place)
    nr_folios = reader.property(node, "nr_folios", where, 4)
    csum = reader.property(node, "csum", where, 4)
    info = data_of(node, "folios_info")
    if isinstance(info, Missing) or isinstance(nr_folios, Missing):
        gone = info if isinstance(info, Missing) else Unavailable(SafeText("without nr_folios its form is not known"))
        return KhoTest(path=where, properties=values, nr_folios=nr_folios, csum=csum, folios=gone, area=gone, page_shift=shift)
    if looks_like_descriptor(info.data, nr_folios, order):
        area, folios = _described(reader, Blob(info.data, place.at(info.data_offset)), nr_folios, where, one.behind)
        return KhoTest(path=where, properties=values, nr_folios=nr_folios, csum=csum, folios=folios, area=area, page_shift=shift)
    inline = table_of(KHO_TEST_FOLIO, order, info.data, (place.phys or 0) + info.data_offset, place.at(info.data_offset))
    if len(inline) != nr_folios:
        reader.findings.add(COUNT_BAD, where, f"nr_folios is {nr_folios}, folios_info holds {len(inline)}")
    return KhoTest(
        path=where,
        properties=values,
        nr_folios=nr_folios,
        csum=csum,
        folios=inline,
        area=Unavailable(SafeText("6.16 and 6.17 keep the list inside the FDT")),
        page_shift=shift,
    )


def _described(
    reader: Reader, info: Blob, nr_folios: int, where: EntityPath, stale: Stale | None
) -> tuple[VmallocArea | Missing, Table | Missing]:
    if stale is not None:
        return stale, stale
    record = KHO_VMALLOC.record(info.data, reader.platform.byte_order, info.place)
    first, total, flags, order = (record.integer(name) for name in ("first", "total_pages", "flags", "order"))
    area = decode_vmalloc(reader, first, total, flags, order, where)
    if not area.chunks:
        return area, Unavailable(area.reason)
    if nr_folios * KHO_TEST_FOLIO.size > total * reader.platform.page_size:
        said = SafeText(f"{nr_folios} folios do not fit the {total} pages of their list")
        reader.findings.add(COUNT_BAD, where, str(said), first)
        return area, Damaged(said)
    return area, area_rows(reader, area, KHO_TEST_FOLIO, nr_folios, where)


DECODING = fdt_decoding(KHO_TEST_COMPATIBLE, _decode, bytes_fixed=False)
