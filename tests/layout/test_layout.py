"""Declared structs as rows, places and capacities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_tui.layout.place import Origin, Place
from kho_tui.layout.platform import ByteOrder, Platform
from kho_tui.layout.struct import Field, Layout, Part, Unit, chars, embed, u16, u32, u64
from kho_tui.layout.table import PageArray, join_tables, table_of

INNER = Layout("Inner", (u32("low", Unit.COUNT, "a small number"), u16("odd", Unit.FLAGS, "so that what follows is unaligned")), "inner.h")
OUTER = Layout("Outer", (chars("name", 5, "a name"), *embed("in", INNER), u64("phys", Unit.PHYS, "an address")), "outer.h")
PLACE = Place(Origin.MEMORY, "memory.elf", 64, 0x1000)
orders = pytest.mark.parametrize("byte_order", ["little", "big"])


def rows(byte_order: ByteOrder, first: int, count: int) -> bytes:
    return b"".join(
        OUTER.encode({"name": f"r{i}".encode(), "in.low": i, "in.odd": 0x0102, "phys": 1 << i}, byte_order)
        for i in range(first, first + count)
    )


def test_an_embedded_struct_keeps_its_source_and_gets_a_prefix() -> None:
    assert [(f.name, f.source) for f in OUTER.fields] == [("name", ""), ("in.low", "inner.h"), ("in.odd", "inner.h"), ("phys", "")]
    assert (OUTER.size, OUTER.span("phys")) == (19, (11, 8))


@orders
def test_rows_of_unaligned_fields_in_either_byte_order(byte_order: ByteOrder) -> None:
    table = table_of(OUTER, byte_order, rows(byte_order, 0, 3) + b"rest", 0x1000, PLACE)
    assert len(table) == 3
    assert table.column("phys").tolist() == [1, 2, 4]
    assert table.column("in.odd").tolist() == [0x0102] * 3
    assert table.addresses.tolist() == [0x1000, 0x1013, 0x1026]
    record = table.record(2)
    assert (record.text("name"), record.integer("in.low"), record.place.phys) == (b"r2", 2, 0x1026)
    assert not table.rows.flags.writeable


@orders
def test_joined_tables_keep_the_byte_order(byte_order: ByteOrder) -> None:
    parts = [table_of(OUTER, byte_order, rows(byte_order, at, 2), 0x1000 * (at + 1), PLACE) for at in (0, 2)]
    joined = join_tables(parts)
    assert joined.column("phys").tolist() == [1, 2, 4, 8]
    assert joined.addresses.tolist() == [0x1000, 0x1013, 0x3000, 0x3013]
    assert joined.record(3).integer("phys") == 8
    assert not joined.rows.flags.writeable


@given(st.lists(st.booleans(), max_size=6))
def test_written_rows_end_with_the_last_that_is_not_all_zeros(used: list[bool]) -> None:
    data = b"".join(b"x".ljust(OUTER.size, b"\0") if one else bytes(OUTER.size) for one in used)
    table = table_of(OUTER, "little", data, 0, PLACE).written()
    assert len(table) == len(table.addresses) == max((i + 1 for i, one in enumerate(used) if one), default=0)


def test_a_struct_whose_last_byte_alone_is_set_counts_as_written() -> None:
    assert len(table_of(OUTER, "little", bytes(OUTER.size * 2 - 1) + b"\1", 0, PLACE).written()) == 2


@given(size=st.sampled_from([512, 4096, 16384, 65536]), pages=st.integers(1, 16))
def test_a_page_array_is_never_longer_than_its_pages(size: int, pages: int) -> None:
    array = PageArray(INNER, OUTER, pages)
    used = array.header_size + array.capacity(size) * OUTER.size
    assert used <= array.bytes(size) == pages * size < used + OUTER.size


def test_no_header_no_bytes_before_the_first_entry() -> None:
    assert PageArray(None, INNER).header_size == 0


def test_parts_are_bits_of_their_field() -> None:
    part = Part("flags", 52, 12, Unit.FLAGS, "the top bits")
    values = [0, (1 << 52) - 1, 1 << 52, 2**64 - 1]
    assert [part.of(value) for value in values] == [0, 0, 1, 0xFFF]
    assert part.of_column(np.array(values, np.uint64)).tolist() == [0, 0, 1, 0xFFF]
    assert Part("middle", 4, 8, Unit.FLAGS, "inside").of_column(np.array([0xABCD], np.uint64)).tolist() == [0xBC]


@pytest.mark.parametrize(
    "fields", [(u32("twice", Unit.ID, "x"), u32("twice", Unit.ID, "y")), (Field("open", None, Unit.OPAQUE, "no size"),)]
)
def test_a_struct_needs_sizes_and_names_of_their_own(fields: tuple[Field, ...]) -> None:
    with pytest.raises(ValueError, match="size and a name"):
        Layout("Wrong", fields, "x.h")


@pytest.mark.parametrize(("size", "shift"), [(512, 9), (4096, 12), (16384, 14), (65536, 16)])
def test_page_shift(size: int, shift: int) -> None:
    assert Platform(page_size=size).page_shift == shift


@pytest.mark.parametrize("size", [0, 1, 256, 4095, 4097, -4096])
def test_page_sizes_that_no_machine_has(size: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        Platform(page_size=size)


def test_a_place_moves_in_file_and_memory_as_far_as_both_are_known() -> None:
    assert PLACE.at(8) == Place(Origin.MEMORY, "memory.elf", 72, 0x1008)
    assert Place(Origin.DEBUGFS, "out/fdt", 0).at(8) == Place(Origin.DEBUGFS, "out/fdt", 8, None)
    assert Place(Origin.MEMORY, "memory.elf", None, 0x1000).at(8) == Place(Origin.MEMORY, "memory.elf", None, 0x1008)


def test_addresses_of_rows_near_the_end_of_memory_do_not_become_floats() -> None:
    table = table_of(INNER, "little", bytes(12), 2**64 - 12, PLACE)
    assert table.addresses.dtype == np.uint64
    assert table.addresses.tolist() == [2**64 - 12, 2**64 - 6]
