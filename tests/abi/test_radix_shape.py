"""The arithmetic of both trackers against the worked examples of the ABI description, typed in by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_tui.abi.chunks import bitmap_span
from kho_tui.abi.radix import RadixShape

SHIFTS = {"4K": 12, "16K": 14, "64K": 16}


@pytest.mark.parametrize(
    ("page", "order0", "table", "leaf", "depth_v2", "depth_v3", "level_shifts"),
    [
        ("4K", 52, 9, 15, 6, 6, [15, 24, 33, 42, 51]),
        ("16K", 50, 11, 17, 4, 5, [17, 28, 39, 50]),
        ("64K", 48, 13, 19, 4, 4, [19, 32, 45]),
    ],
)
def test_constants(page: str, order0: int, table: int, leaf: int, depth_v2: int, depth_v3: int, level_shifts: list[int]) -> None:
    v2, v3 = RadixShape(SHIFTS[page], False), RadixShape(SHIFTS[page], True)
    assert (v3.order0_bit, v3.index_bits, v3.leaf_bits) == (order0, table, leaf)
    assert (v2.depth, v3.depth) == (depth_v2, depth_v3)
    assert [v3.level_shift(level) for level in range(1, v3.depth)] == level_shifts


def test_only_v2_on_16k_pages_loses_the_marker_of_order_0() -> None:
    lost = [(page, extra) for page, shift in SHIFTS.items() for extra in (False, True) if not RadixShape(shift, extra).holds_order0]
    assert lost == [("16K", False)]


@pytest.mark.parametrize("marker_counted", [True, False])
@pytest.mark.parametrize(
    ("page", "address", "order", "key", "indexes"),
    [
        ("4K", 0x1_2345_6000, 0, 0x0010_0000_0012_3456, (2, 0, 0, 0, 36, 13398)),
        ("4K", 0x4000_0000, 9, 0x0000_0800_0000_0200, (0, 2, 0, 0, 0, 512)),
        ("4K", 0x8000_0000, 18, 0x0000_0004_0000_0002, (0, 0, 2, 0, 0, 2)),
        ("16K", 0x1_2345_4000, 0, 0x0004_0000_0004_8D15, (1, 0, 0, 2, 36117)),
        ("16K", 0x4000_0000, 9, 0x0000_0200_0000_0080, (0, 4, 0, 0, 128)),
        ("64K", 0x1_2345_0000, 0, 0x0001_0000_0001_2345, (8, 0, 0, 74565)),
        ("64K", 0x4000_0000, 9, 0x0000_0080_0000_0020, (0, 128, 0, 32)),
    ],
)
def test_example_blocks(page: str, address: int, order: int, key: int, indexes: tuple[int, ...], marker_counted: bool) -> None:
    shape = RadixShape(SHIFTS[page], marker_counted)
    assert shape.key(address, order) == key
    assert shape.block(key) == (address, order)
    if marker_counted or page != "16K":
        assert shape.indexes(key) == indexes


def test_what_v2_on_16k_pages_reads_back() -> None:
    shape = RadixShape(14, False)
    *inner, bit = shape.indexes(shape.key(0x1_2345_4000, 0))
    back = bit + sum(slot << shape.level_shift(shape.depth - 1 - row) for row, slot in enumerate(inner))
    assert back == 0x48D15
    assert shape.block(back) == (0x2345_4000_0000_0000, 32)


@pytest.mark.parametrize(
    ("page", "order", "slots"),
    [
        ("4K", 0, (2,)),
        ("4K", 1, (1,)),
        *(("4K", k, (0, 1 << (10 - k))) for k in range(2, 11)),
        *(("4K", k, (0, 0, 1 << (19 - k))) for k in range(11, 20)),
        ("16K", 0, (1,)),
        *(("16K", k, (0, 1 << (11 - k))) for k in range(1, 12)),
        *(("64K", k, (8 >> k,)) for k in range(4)),
        *(("64K", k, (0, 1 << (16 - k))) for k in range(4, 17)),
    ],
)
def test_where_an_order_begins_in_the_tree(page: str, order: int, slots: tuple[int, ...]) -> None:
    shape = RadixShape(SHIFTS[page], True)
    assert shape.indexes(shape.key(0, order))[: len(slots)] == slots


@given(shift=st.sampled_from([12, 14, 16]), order=st.integers(0, 47), pfn=st.integers(0, 2**52 - 1))
def test_block_undoes_key(shift: int, order: int, pfn: int) -> None:
    shape = RadixShape(shift, True)
    order = min(order, shape.order0_bit - 1)
    address = (pfn % (1 << (shape.order0_bit - order))) << (shift + order)
    key = shape.key(address, order)
    assert shape.block(key) == (address, order)
    *inner, bit = shape.indexes(key)
    assert key == bit + sum(slot << shape.level_shift(shape.depth - 1 - row) for row, slot in enumerate(inner))


def test_keys_that_no_block_has() -> None:
    assert RadixShape(12, True).block(0) is None
    assert RadixShape(12, True).block(1 << 53) is None
    assert RadixShape(12, True).block((1 << 53) - 1) == (2**64 - 4096, 0)


@pytest.mark.parametrize(
    ("page", "bitmap_bytes", "address", "order", "phys_start", "bit"),
    [
        ("4K", 512, 0x1_2345_6000, 0, 0x1_2300_0000, 1110),
        ("4K", 4096, 0x1_2345_6000, 0, 0x1_2000_0000, 13398),
        ("4K", 512, 0x4000_0000, 9, 0, 512),
        ("4K", 4096, 0x4000_0000, 9, 0, 512),
        ("16K", 16384, 0x1_2345_4000, 0, 0x1_0000_0000, 36117),
        ("64K", 65536, 0x1_2345_0000, 0, 0, 74565),
    ],
)
def test_example_bitmaps_of_v1(page: str, bitmap_bytes: int, address: int, order: int, phys_start: int, bit: int) -> None:
    span = bitmap_span(bitmap_bytes, order, SHIFTS[page])
    assert address - address % span == phys_start
    assert (address - phys_start) >> (order + SHIFTS[page]) == bit


def test_memory_that_one_bitmap_speaks_of() -> None:
    assert bitmap_span(512, 0, 12) == 16 << 20
    assert bitmap_span(4096, 0, 12) == 128 << 20
    assert bitmap_span(512, 9, 12) == 8 << 30
    assert bitmap_span(4096, 9, 12) == 64 << 30
