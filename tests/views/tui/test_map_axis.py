"""The axis of the map: whatever is done to it, it shows what it was asked to show and nothing that is not there."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kho_tui.views.tui.map_axis import Axis, whole_axis

PAGE = 4096
GIB = 1 << 30
ADDRESSES = st.integers(0, 2**64 - 2)
STEPS = st.lists(st.tuples(st.sampled_from(["in", "out", "pan", "show", "around", "resize"]), ADDRESSES, st.integers(1, 200)), max_size=12)


def step(axis: Axis, what: str, address: int, cells: int) -> tuple[Axis, int]:
    address = axis.clamped(address)
    match what:
        case "in":
            return axis.showing(address).zoomed(1, address).showing(address), address
        case "out":
            return axis.showing(address).zoomed(-1, address).showing(address), address
        case "pan":
            return axis.panned(cells if address % 2 else -cells).showing(address), address
        case "around":
            return axis.around(address, min(address + cells * PAGE, axis.end)).showing(address), address
        case "resize":
            return axis.resized(cells, address).showing(address), address
    return axis.showing(address), address


@given(ADDRESSES, ADDRESSES, st.integers(1, 200), STEPS)
def test_the_address_at_the_cursor_is_always_in_the_window(one: int, other: int, width: int, steps: list[tuple[str, int, int]]) -> None:
    start, end = min(one, other), max(one, other) + 1
    axis = whole_axis(start, end, PAGE, width)
    assert axis.low <= start and axis.low + axis.cell * axis.width >= end
    for what, address, cells in steps:
        axis, at = step(axis, what, address, cells)
        low, high = axis.cell_of(at)
        assert 0 <= axis.column(at) < axis.width
        assert low <= at < max(high, low + 1)
        assert axis.cell >= PAGE and axis.low % axis.cell == 0
        assert all(0 <= column < axis.width for column, _ in axis.ticks())


def test_all_of_a_small_machine_in_round_cells() -> None:
    axis = whole_axis(0x1000, 0x3FFE0000, PAGE, 66)
    assert (axis.low, axis.cell) == (0, 16 << 20)
    assert axis.is_whole
    assert [name for _, name in axis.ticks()] == ["0x0", "0x10000000", "0x20000000", "0x30000000", "0x40000000"]


def test_zooming_keeps_the_address_in_its_column_and_comes_back() -> None:
    axis = whole_axis(0, GIB, PAGE, 66)
    address = GIB // 2 + 5 * PAGE
    column = axis.column(address)
    near = axis.zoomed(1, address)
    assert (near.cell, near.column(address)) == (8 << 20, column)
    assert near.zoomed(-1, address) == axis
    for _ in range(40):
        near = near.zoomed(1, address)
    assert near.cell == PAGE and near.column(address) == column


def test_a_page_is_shown_with_what_lies_beside_it() -> None:
    axis = whole_axis(0, GIB, PAGE, 66).around(GIB // 2, GIB // 2 + PAGE)
    assert axis.cell == PAGE
    assert axis.column(GIB // 2) == 33


def test_addresses_on_the_axis_never_touch() -> None:
    axis = whole_axis(0, 12 << 40, PAGE, 66)
    for _ in range(32):
        shown = list(axis.ticks())
        assert shown
        for (column, name), (following, _) in pairwise(shown):
            assert column + len(name) < following
        axis = axis.zoomed(1, 6 << 40)
