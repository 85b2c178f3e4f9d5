"""Disjoint ranges of addresses that grow and shrink: what is free, as memblock and the page allocator see it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class Ranges:
    """Disjoint half-open ranges [start, end), neighbours joined. Adding and removing search in O(log n)."""

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in ranges:
            self.add(start, end)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._starts, self._ends, strict=True))

    @property
    def bytes(self) -> int:
        """Addresses in all ranges."""
        return sum(self._ends) - sum(self._starts)

    def covers(self, start: int, end: int) -> bool:
        """Whether all of [start, end) is in one range."""
        at = bisect_right(self._starts, start) - 1
        return at >= 0 and end <= self._ends[at]

    def touches(self, start: int, end: int) -> bool:
        """Whether any address of [start, end) is in a range."""
        at = bisect_right(self._ends, start)
        return start < end and at < len(self._starts) and self._starts[at] < end

    def add(self, start: int, end: int) -> None:
        """Put [start, end) in, whatever of it is in already."""
        if start >= end:
            return
        first, last = bisect_left(self._ends, start), bisect_right(self._starts, end)
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def remove(self, start: int, end: int) -> None:
        """Take [start, end) out, whatever of it is in."""
        if start >= end:
            return
        first, last = bisect_right(self._ends, start), bisect_left(self._starts, end)
        if first >= last:
            return
        rests = [(self._starts[first], start), (end, self._ends[last - 1])]
        kept = [(low, high) for low, high in rests if low < high]
        self._starts[first:last] = [low for low, _ in kept]
        self._ends[first:last] = [high for _, high in kept]

    def downwards(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        """What of the ranges lies in [low, high), from the top down."""
        for at in range(bisect_left(self._starts, high) - 1, -1, -1):
            if self._ends[at] <= low:
                return
            yield max(self._starts[at], low), min(self._ends[at], high)

    def top(self, size: int, align: int, low: int = 0, high: int = 1 << 64) -> int | None:
        """The highest multiple of ``align`` in [low, high) from which ``size`` bytes are in; None where there is none.

        Like memblock, it answers for a size of 0 with an aligned address in the highest range that has one.
        """
        for start, end in self.downwards(low, high):
            # A mask as in memblock, also where align is no power of two.
            at = (end - size) & -align
            if at >= start:
                return at
        return None
