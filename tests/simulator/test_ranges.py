"""Free ranges against a set of addresses."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from kho_tui.simulator.ranges import Ranges

_SPAN = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda pair: (min(pair), max(pair)))


@given(st.lists(st.tuples(st.booleans(), _SPAN)), _SPAN, st.integers(0, 6), st.sampled_from([1, 2, 4]))
def test_ranges_are_the_set_of_their_addresses(
    changes: list[tuple[bool, tuple[int, int]]], window: tuple[int, int], size: int, align: int
) -> None:
    ranges, truth = Ranges(), set[int]()
    for add, (start, end) in changes:
        (ranges.add if add else ranges.remove)(start, end)
        truth = truth | set(range(start, end)) if add else truth - set(range(start, end))
    held = list(ranges)
    assert {address for start, end in held for address in range(start, end)} == truth
    assert all(low[1] < high[0] for low, high in itertools.pairwise(held))
    assert ranges.bytes == len(truth)
    low, high = window
    assert ranges.touches(low, high) == bool(truth & set(range(low, high)))
    assert ranges.covers(low, high) == (set(range(low, high)) <= truth) or low == high
    if size:
        places = [at for at in range(low, high) if at % align == 0 and at + size <= high and set(range(at, at + size)) <= truth]
        assert ranges.top(size, align, low, high) == max(places, default=None)


def test_memblock_places_an_area_without_size_in_the_highest_range_that_holds_an_aligned_address() -> None:
    ranges = Ranges([(0, 0x1000), (0x2000, 0x2800), (0x3001, 0x3FFF)])
    assert ranges.top(0, 0x1000) == 0x2000
