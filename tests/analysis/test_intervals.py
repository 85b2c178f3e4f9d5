"""Interval arithmetic against sets of numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_tui.model.host import MemoryRange
from kho_tui.model.intervals import Intervals, intervals, spans
from kho_tui.text import SafeText

PIECES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=12)


def made(pieces: list[tuple[int, int]]) -> Intervals:
    return intervals([a for a, _ in pieces], [b for _, b in pieces])


def members(one: Intervals) -> set[int]:
    found: set[int] = set()
    for start, end in zip(one.start.tolist(), one.end.tolist(), strict=True):
        assert start < end
        assert not found & set(range(start, end))
        found |= set(range(start, end))
    assert (one.start[1:] > one.end[:-1]).all(), "ascending, and neighbours are joined"
    assert one.bytes == len(found)
    return found


def numbers(pieces: list[tuple[int, int]]) -> set[int]:
    return {n for a, b in pieces for n in range(a, b)}


@given(PIECES, PIECES)
def test_like_sets(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    one, other = made(a), made(b)
    assert members(one) == numbers(a)
    assert members(one | other) == numbers(a) | numbers(b)
    assert members(one & other) == numbers(a) & numbers(b)
    assert members(one - other) == numbers(a) - numbers(b)


@given(PIECES, st.integers(0, 60), st.integers(0, 60))
def test_clip(a: list[tuple[int, int]], low: int, high: int) -> None:
    assert members(made(a).clip(low, high)) == {n for n in numbers(a) if low <= n < high}


def test_high_addresses() -> None:
    top = 2**64 - 1
    one = intervals([2**63, 0], [top, 1])
    assert one.bytes == top - 2**63 + 1
    assert (one - intervals([2**63 + 5], [top])).end.tolist() == [1, 2**63 + 5]
    assert one.start.dtype == np.uint64


@given(PIECES, st.lists(st.integers(0, 70), max_size=8))
def test_below(a: list[tuple[int, int]], at: list[int]) -> None:
    assert made(a).below(np.array(at, np.uint64)).tolist() == [sum(n < edge for n in numbers(a)) for edge in at]


@given(PIECES, PIECES, st.integers(1, 4))
def test_work_in_pieces_gives_the_same(a: list[tuple[int, int]], b: list[tuple[int, int]], piece: int) -> None:
    whole = made(a), made(b), made(a) & made(b), made(a) - made(b)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kho_tui.model.intervals._PIECE", piece)
        patch.setattr("kho_tui.model.intervals._WINDOW", piece)
        pieces = made(a), made(b), made(a) & made(b), made(a) - made(b)
    for one, other in zip(whole, pieces, strict=True):
        assert one.start.tolist() == other.start.tolist() and one.end.tolist() == other.end.tolist()


def test_a_part_that_runs_out_of_the_address_space_ends_with_it() -> None:
    whole = spans([MemoryRange(2**63, 2**64 - 1, SafeText("damaged")), MemoryRange(0x1000, 0x1000, SafeText("RAM"))])
    assert (whole.start.tolist(), whole.end.tolist()) == ([0x1000, 2**63], [0x2000, 2**64 - 1])
    assert len(spans([])) == 0
