"""Runs of preserved blocks against a plain list of blocks."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_tui.model.runs import Runs, make_runs, no_runs

SHIFT = 12
Piece = tuple[int, int, int]
"""Address in blocks of its order, count, order."""


def runs_of(pieces: list[Piece], shift: int = SHIFT) -> Runs:
    start = np.array([at << (order + shift) for at, _, order in pieces], np.uint64)
    return make_runs(start, np.array([c for _, c, _ in pieces], np.int64), np.array([o for _, _, o in pieces], np.uint64), shift)


def blocks_of(pieces: list[Piece]) -> list[tuple[int, int]]:
    return sorted(((at + i) << (order + SHIFT), order) for at, count, order in pieces for i in range(count))


def expanded(runs: Runs, first: int, count: int) -> list[tuple[int, int]]:
    address, order = runs.expand(first, count)
    return list(zip(address.tolist(), order.tolist(), strict=True))


@st.composite
def disjoint(draw: st.DrawFn) -> list[Piece]:
    """Pieces that share no page, in any order; some touch, so that they have to be joined."""
    found, at = [], draw(st.integers(0, 40))
    for _ in range(draw(st.integers(0, 8))):
        order, count = draw(st.integers(0, 5)), draw(st.integers(1, 5))
        first = -(-at >> order)
        found.append((first, count, order))
        at = (first + count << order) + draw(st.sampled_from([0, 0, 1, 7, 32]))
    return draw(st.permutations(found))


anything = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 6), st.integers(0, 3)), max_size=8)


@given(disjoint())
def test_all_blocks_ascending(pieces: list[Piece]) -> None:
    runs, blocks = runs_of(pieces), blocks_of(pieces)
    assert expanded(runs, 0, len(blocks) + 5) == blocks
    assert runs.blocks == len(blocks)
    assert runs.bytes == sum(1 << (SHIFT + order) for _, order in blocks)
    orders = [order for _, order in blocks]
    assert runs.by_order == {order: orders.count(order) for order in sorted(set(orders))}
    assert not runs.overlapping


@given(disjoint())
def test_neighbours_of_one_order_are_one_run(pieces: list[Piece]) -> None:
    runs = runs_of(pieces)
    ends = runs.ends.tolist()
    for row in range(1, len(runs)):
        assert ends[row - 1] < int(runs.start[row]) or runs.order[row - 1] != runs.order[row]
    assert not any(array.flags.writeable for array in (runs.start, runs.count, runs.order))


@given(disjoint(), st.integers(-3, 60), st.integers(0, 20))
def test_a_window_is_a_part_of_the_whole(pieces: list[Piece], first: int, count: int) -> None:
    blocks = blocks_of(pieces)
    assert expanded(runs_of(pieces), first, count) == blocks[max(first, 0) : max(first + count, 0)]


@given(disjoint(), st.integers(0, 1 << 22))
def test_the_block_that_holds_an_address(pieces: list[Piece], address: int) -> None:
    runs, blocks = runs_of(pieces), blocks_of(pieces)
    holding = [i for i, (start, order) in enumerate(blocks) if start <= address < start + (1 << (SHIFT + order))]
    assert runs.block_at(address) == (holding[0] if holding else None)
    assert runs.covers(address) == bool(holding)
    for order in range(6):
        assert runs.covers(address, order) == (bool(holding) and blocks[holding[0]][1] == order)


@given(anything)
def test_the_list_of_blocks_ascends_also_where_they_overlap(pieces: list[Piece]) -> None:
    assert list(runs_of(pieces).ascending()) == blocks_of(pieces)


@given(anything)
def test_overlaps_are_seen(pieces: list[Piece]) -> None:
    pages = [page for start, order in blocks_of(pieces) for page in range(start >> SHIFT, (start >> SHIFT) + (1 << order))]
    assert runs_of(pieces).overlapping == (len(pages) != len(set(pages)))


@given(anything, st.integers(0, 60))
def test_of_overlapping_blocks_the_one_that_starts_last_holds_an_address(pieces: list[Piece], page: int) -> None:
    runs, address = runs_of(pieces), page << SHIFT
    holding = [start for start, order in blocks_of(pieces) if start <= address < start + (1 << (SHIFT + order))]
    block = runs.block_at(address)
    assert (None if block is None else expanded(runs, block, 1)[0][0]) == max(holding, default=None)


def test_a_block_below_many_others_still_holds_its_last_page() -> None:
    runs = runs_of([(0, 1, 18), *((2 * i, 1, 0) for i in range(1, 1000))])
    assert runs.block_at((1 << 30) - 4096) == 0
    assert runs.block_at(1 << 30) is None


@pytest.mark.parametrize("order", range(31))
def test_orders_up_to_30(order: int) -> None:
    runs = runs_of([(3, 2, order), (5, 1, order)])
    size = 4096 << order
    assert (len(runs), runs.blocks, runs.bytes, runs.by_order) == (1, 3, 3 * size, {order: 3})
    assert expanded(runs, 1, 2) == [(4 * size, order), (5 * size, order)]
    assert runs.block_at(5 * size + size - 1) == 2
    assert runs.block_at(6 * size) is None


@pytest.mark.parametrize("shift", [12, 14, 16])
def test_addresses_around_2_63_and_below_2_64(shift: int) -> None:
    middle, page = 1 << (63 - shift), 1 << shift
    runs = runs_of([(middle + 2, 3, 0), (middle - 2, 2, 0), (2 * middle - 4, 2, 0)], shift)
    assert expanded(runs, 0, 9) == [
        *(((1 << 63) + i * page, 0) for i in (-2, -1, 2, 3, 4)),
        *(((1 << 64) - i * page, 0) for i in (4, 3)),
    ]
    assert runs.covers((1 << 63) - 1)
    assert not runs.covers(1 << 63)
    assert not runs.covers((1 << 64) - 1)
    assert runs.block_at((1 << 64) - 3 * page) == 6


def test_a_window_of_one_run_of_10_to_the_8_blocks_takes_memory_for_the_window_only() -> None:
    runs = runs_of([(1 << 20, 100_000_000, 0)])
    tracemalloc.start()
    window = expanded(runs, 99_999_990, 512)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert window == [((1 << 20) + i << SHIFT, 0) for i in range(99_999_990, 100_000_000)]
    assert peak < 1 << 20


def test_10_to_the_8_blocks_in_many_runs() -> None:
    start = np.arange(195_313, dtype=np.uint64)[::-1] * np.uint64(4 << 20)
    runs = make_runs(start, np.full(195_313, 512, np.int64), np.zeros(195_313, np.int64), SHIFT)
    assert runs.blocks == 195_313 * 512
    assert expanded(runs, 512 * 100_000 - 1, 2) == [((4 << 20) * 99_999 + 511 * 4096, 0), ((4 << 20) * 100_000, 0)]
    assert runs.block_at((4 << 20) * 100_000 + 4096) == 512 * 100_000 + 1


def test_runs_longer_than_a_u32_stay_apart() -> None:
    most = 2**32 - 1
    runs = runs_of([(0, most, 0), (most, most, 0)])
    assert (len(runs), runs.blocks) == (2, 2 * most)
    assert expanded(runs, most - 1, 2) == [((most - 1) << SHIFT, 0), (most << SHIFT, 0)]


def test_nothing_preserved() -> None:
    runs = no_runs(SHIFT)
    assert (len(runs), runs.blocks, runs.bytes, runs.by_order, runs.overlapping) == (0, 0, 0, {}, False)
    assert expanded(runs, 0, 10) == []
    assert runs.block_at(0) is None
