"""Offsets and sizes of every wire struct, typed in by hand from the ABI description, and what every field says of itself."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kho_tui.abi
from kho_tui.abi.block import block_of
from kho_tui.abi.properties import NodeLayout
from kho_tui.abi.root import ROOT_FORMATS
from kho_tui.errors import EncodeError, ReadError
from kho_tui.layout.place import Origin, Place
from kho_tui.layout.platform import ByteOrder
from kho_tui.layout.struct import Field, Layout, Unit
from kho_tui.layout.table import PageArray, dtype_of

VMALLOC = [("first", 0, 8), ("total_pages", 8, 4), ("flags", 12, 2), ("order", 14, 2)]

STRUCTS: dict[str, tuple[int, list[tuple[str, int, int]]]] = {
    "KhoserMemChunkHdr": (16, [("next", 0, 8), ("order", 8, 4), ("num_elms", 12, 4)]),
    "KhoserMemBitmapPtr": (16, [("phys_start", 0, 8), ("bitmap", 8, 8)]),
    "KhoRadixEntry": (8, [("table", 0, 8)]),
    "KhoVmalloc": (16, VMALLOC),
    "KhoVmallocHdr": (8, [("next", 0, 8)]),
    "KhoVmallocPhys": (8, [("phys", 0, 8)]),
    "KhoBlockHeaderSer": (16, [("next", 0, 8), ("count", 8, 8)]),
    "LuoSer": (32, [("compatible", 0, 8), ("liveupdate_num", 8, 8), ("sessions_pa", 16, 8), ("flbs_pa", 24, 8)]),
    "LuoAbiHeader": (24, [("liveupdate_num", 0, 8), ("sessions_pa", 8, 8), ("flbs_pa", 16, 8)]),
    "LuoSessionHeaderSer": (8, [("count", 0, 8)]),
    "LuoSessionSer": (80, [("name", 0, 64), ("files", 64, 8), ("count", 72, 8)]),
    "LuoSessionSerV1": (64, [("name", 0, 64)]),
    "LuoFileSer": (64, [("compatible", 0, 48), ("data", 48, 8), ("token", 56, 8)]),
    "LuoFlbHeaderSer": (16, [("pgcnt", 0, 8), ("count", 8, 8)]),
    "LuoFlbSer": (64, [("name", 0, 48), ("data", 48, 8), ("count", 56, 8)]),
    "MemfdLuoSerV1": (
        40,
        [("pos", 0, 8), ("size", 8, 8), ("nr_folios", 16, 8), *((f"folios.{name}", 24 + at, size) for name, at, size in VMALLOC)],
    ),
    "MemfdLuoSerV2": (
        48,
        [
            ("pos", 0, 8),
            ("size", 8, 8),
            ("seals", 16, 4),
            ("flags", 20, 4),
            ("nr_folios", 24, 8),
            *((f"folios.{name}", 32 + at, size) for name, at, size in VMALLOC),
        ],
    ),
    "MemfdLuoFolioSer": (16, [("word0", 0, 8), ("index", 8, 8)]),
    "KhoKexecMetadata": (73, [("version", 0, 4), ("previous_release", 4, 65), ("kexec_count", 69, 4)]),
    "KhoScratch": (16, [("addr", 0, 8), ("size", 8, 8)]),
    "KhoData": (32, [("fdt_addr", 0, 8), ("fdt_size", 8, 8), ("scratch_addr", 16, 8), ("scratch_size", 24, 8)]),
    "linux,kho-fdt": (16, [("address", 0, 8), ("size", 8, 8)]),
    "linux,kho-scratch": (16, [("address", 0, 8), ("size", 8, 8)]),
    "KhoTestFolio": (8, [("phys_order", 0, 8)]),
}

NODES: dict[str, list[tuple[str, int | None]]] = {
    "root": [("compatible", None), ("preserved-memory-map", 8)],
    "subtree": [("fdt", 8), ("preserved-data", 8), ("blob-size", 8)],
    "memblock": [("compatible", None)],
    "reserve_mem": [("compatible", None), ("start", 8), ("size", 8)],
    "kho_test": [("compatible", None), ("magic", 4)],
    "kho_test data": [("nr_folios", 4), ("folios_info", None), ("csum", 4)],
    "LUO root": [("compatible", None), ("liveupdate-number", 8), ("luo-abi-header", 8)],
    "LUO sessions": [("compatible", None), ("luo-session-header", 8)],
    "LUO FLBs": [("compatible", None), ("luo-flb-header", 8)],
}


def declared() -> Iterator[object]:
    """Every object at module level of every module of abi, and the nodes that the versions of the root are made of."""
    for info in pkgutil.iter_modules(kho_tui.abi.__path__):
        yield from vars(importlib.import_module(f"kho_tui.abi.{info.name}")).values()
    yield ROOT_FORMATS.subtree


LAYOUTS = {one.name: one for one in declared() if isinstance(one, Layout)}
NODE_LAYOUTS = {one.name: one for one in declared() if isinstance(one, NodeLayout)}
each_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
each_order = pytest.mark.parametrize("byte_order", ["little", "big"])

FIELDS = [
    *((one.name, one.source, f) for one in LAYOUTS.values() for f in one.fields),
    *((one.name, one.source, f) for one in NODE_LAYOUTS.values() for f in one.properties),
]
PLACE = Place(Origin.MEMORY, "memory", 0, 0x1000)


def test_every_struct_and_node_that_is_declared_stands_in_the_tables() -> None:
    assert LAYOUTS.keys() == STRUCTS.keys()
    assert NODE_LAYOUTS.keys() == NODES.keys()


@each_layout
def test_offsets_and_sizes(layout: Layout) -> None:
    size, fields = STRUCTS[layout.name]
    assert layout.size == size
    assert [(f.name, *layout.span(f.name)) for f in layout.fields] == fields


@each_layout
@each_order
def test_bulk_rows_have_the_same_offsets(layout: Layout, byte_order: ByteOrder) -> None:
    size, fields = STRUCTS[layout.name]
    dtype = dtype_of(layout, byte_order)
    assert dtype.itemsize == size
    assert dtype.fields is not None
    assert [(name, dtype.fields[name][1], dtype.fields[name][0].itemsize) for name, _, _ in fields] == fields


@pytest.mark.parametrize(
    ("version", "properties"),
    [
        (b"kho-v1", ["fdt"]),
        (b"kho-v2", ["preserved-data"]),
        (b"kho-v3", ["preserved-data", "blob-size"]),
        (b"kho-v4", ["preserved-data", "blob-size"]),
    ],
)
def test_properties_of_a_subtree_by_version_of_the_root(version: bytes, properties: list[str]) -> None:
    form = ROOT_FORMATS[version]
    assert [field.name for field in form.subtree.properties] == properties
    assert (form.pointer, form.size) == (properties[0], "blob-size" if "blob-size" in properties else None)


@pytest.mark.parametrize("node", NODE_LAYOUTS.values(), ids=NODE_LAYOUTS)
def test_properties_of_the_nodes(node: NodeLayout) -> None:
    assert [(p.name, p.size) for p in node.properties] == NODES[node.name]


def test_the_folio_word_is_a_pfn_of_52_bits_below_12_flags() -> None:
    word0 = LAYOUTS["MemfdLuoFolioSer"].fields[0]
    assert [(part.name, part.low, part.width) for part in word0.parts] == [("pfn", 0, 52), ("flags", 52, 12)]
    assert [part.of(0x123456 | 3 << 52) for part in word0.parts] == [0x123456, 3]


def arrays() -> dict[str, PageArray]:
    from kho_tui.abi import chunks, flb, luo, radix, vmalloc

    return {
        "chunk elements": chunks.CHUNK,
        "radix entries": radix.KHO_RADIX_NODE,
        "vmalloc entries": vmalloc.VMALLOC_CHUNK,
        "sessions of a block": block_of(luo.LUO_SESSION_SER),
        "files of a block": block_of(luo.LUO_FILE_SER),
        "sessions of the array": luo.SESSION_ARRAY,
        "files of the array": luo.FILE_ARRAY,
        "FLBs": flb.FLB_PAGE,
    }


@pytest.mark.parametrize(
    ("what", "at_4k", "at_16k", "at_64k"),
    [
        ("chunk elements", 255, 1023, 4095),
        ("radix entries", 512, 2048, 8192),
        ("vmalloc entries", 511, 2047, 8191),
        ("sessions of a block", 51, 204, 819),
        ("files of a block", 63, 255, 1023),
        ("sessions of the array", 819, 3276, 13107),
        ("files of the array", 128, 512, 2048),
        ("FLBs", 63, 255, 1023),
    ],
)
def test_how_many_entries_fit(what: str, at_4k: int, at_16k: int, at_64k: int) -> None:
    array = arrays()[what]
    assert [array.capacity(size) for size in (4096, 16384, 65536)] == [at_4k, at_16k, at_64k]


def test_the_arrays_of_the_first_luo_are_16_and_2_pages() -> None:
    found = arrays()
    assert found["sessions of the array"].bytes(4096) == 65536
    assert found["files of the array"].bytes(4096) == 8192


@pytest.mark.parametrize(("struct", "source", "field"), FIELDS, ids=lambda one: one.name if isinstance(one, Field) else None)
def test_every_field_tells_an_operator_what_it_is(struct: str, source: str, field: Field) -> None:
    assert isinstance(field.unit, Unit)
    assert field.source or source
    assert 10 <= len(field.meaning) <= 80
    assert field.meaning.isprintable()
    in_words = re.sub(r"[^a-z0-9]+", " ", field.meaning.lower()).strip()
    assert in_words not in {re.sub(r"[^a-z0-9]+", " ", name.lower()).strip() for name in (field.name, field.name.rpartition(".")[2])}
    for part in field.parts:
        assert 10 <= len(part.meaning) <= 80
        assert part.low + part.width <= 8 * (field.size or 0)


def test_fields_of_one_struct_do_not_share_a_meaning() -> None:
    for name in LAYOUTS.keys() | NODE_LAYOUTS.keys():
        own = [f for struct, _, f in FIELDS if struct == name]
        said: dict[str, Field] = {}
        for field in own:
            first = said.setdefault(field.meaning, field)
            # preserved-data is the name that fdt got in 7.1.
            assert first is field or {first.name, field.name} == {"fdt", "preserved-data"}, (name, first.name, field.name)


@each_layout
def test_every_struct_says_what_it_is_and_where_that_was_read(layout: Layout) -> None:
    assert layout.meaning
    assert re.search(r"\.[ch]\b", layout.source), "names a kernel file"


@each_layout
@each_order
@given(data=st.data())
def test_encode_gives_back_what_record_read(layout: Layout, byte_order: ByteOrder, data: st.DataObject) -> None:
    raw = data.draw(st.binary(min_size=layout.size, max_size=layout.size))
    record = layout.record(raw + b"more", byte_order, PLACE)
    values = {f.field.name: f.value for f in record.values()}
    assert layout.encode(values, byte_order) == raw
    for one in record.values():
        offset, size = layout.span(one.field.name)
        assert (one.raw, one.place.phys) == (raw[offset : offset + size], 0x1000 + offset)
        assert one.source


@each_layout
def test_big_and_little_endian_differ_in_integers_of_several_bytes_only(layout: Layout) -> None:
    for field in layout.fields:
        assert field.size is not None
        raw = bytes(range(1, field.size + 1))
        little, big = field.decode(raw, "little"), field.decode(raw, "big")
        assert (little == big) == (field.unit is Unit.TEXT or field.size == 1)


@each_layout
def test_values_that_do_not_fit_are_refused(layout: Layout) -> None:
    sound: dict[str, int | bytes] = {f.name: 0 if f.is_integer else b"" for f in layout.fields}
    for field in layout.fields:
        assert field.size is not None
        wrong: list[int | bytes] = [1 << 8 * field.size, -1, b"text"] if field.is_integer else [bytes(field.size + 1), 7]
        for value in wrong:
            with pytest.raises(EncodeError, match=re.escape(field.name)):
                layout.encode({**sound, field.name: value}, "little")
        with pytest.raises(EncodeError, match=re.escape(field.name)):
            layout.encode({name: value for name, value in sound.items() if name != field.name}, "little")
    with pytest.raises(EncodeError, match="no_such_field"):
        layout.encode({**sound, "no_such_field": 1}, "little")


@each_layout
def test_too_few_bytes_are_an_error_and_no_zeros(layout: Layout) -> None:
    with pytest.raises(ReadError):
        layout.record(bytes(layout.size - 1), "little", PLACE)
