"""Arithmetic on sets of addresses: sorted, disjoint, half-open intervals as numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

U64s = npt.NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Intervals:
    """Disjoint intervals [start, end), ascending, neighbours joined; u64 of shape (n,), not writeable."""

    start: U64s
    end: U64s

    def __len__(self) -> int:
        return len(self.start)

    @property
    def bytes(self) -> int:
        """Addresses in all intervals."""
        return int((self.end - self.start).sum(dtype=np.uint64))

    def below(self, addresses: U64s) -> U64s:
        """How many addresses of the intervals lie below each given one, u64 of the same shape. O(log n) each."""
        if not len(self):
            return np.zeros(len(addresses), np.uint64)
        at = np.searchsorted(self.start, addresses, side="right")
        last = np.maximum(at, 1) - 1
        inside = np.minimum(addresses, self.end[last]) - np.minimum(self.start[last], addresses)
        total: U64s = self._before[last] + np.where(at > 0, inside, np.uint64(0))
        return total

    @cached_property
    def _before(self) -> U64s:
        """Addresses in the intervals before each one."""
        return np.concatenate([np.zeros(1, np.uint64), np.cumsum(self.end - self.start, dtype=np.uint64)])[:-1]

    def __and__(self, other: Intervals) -> Intervals:
        """Addresses in both."""
        return _combine(self, other, 2)

    def __or__(self, other: Intervals) -> Intervals:
        """Addresses in either."""
        return _combine(self, other, 1)

    def __sub__(self, other: Intervals) -> Intervals:
        """Addresses of this that are not in the other."""
        first = _edges(self)
        second = _edges(other)
        return _sweep(np.concatenate([first[0], second[0]]), np.concatenate([first[1], -2 * second[1]]), 1)

    def clip(self, low: int, high: int) -> Intervals:
        """Addresses from ``low`` to below ``high``."""
        start, end = np.maximum(self.start, np.uint64(low)), np.minimum(self.end, np.uint64(high))
        keep = start < end
        return _frozen(start[keep], end[keep])


def intervals(start: npt.ArrayLike, end: npt.ArrayLike) -> Intervals:
    """Intervals from pieces in any order that may overlap; pieces without an address are left out."""
    first, last = np.asarray(start, np.uint64), np.asarray(end, np.uint64)
    keep = first < last
    first, last = first[keep], last[keep]
    order = np.argsort(first, kind="stable")
    first, reach = first[order], np.maximum.accumulate(last[order]) if len(last) else last
    if not len(first):
        return _frozen(first, reach)
    heads = np.flatnonzero(np.concatenate([[True], first[1:] > reach[:-1]]))
    tails = np.concatenate([heads[1:] - 1, [len(first) - 1]])
    return _frozen(first[heads], reach[tails])


def _combine(one: Intervals, other: Intervals, depth: int) -> Intervals:
    first, second = _edges(one), _edges(other)
    return _sweep(np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]]), depth)


def _edges(one: Intervals) -> tuple[U64s, npt.NDArray[np.int64]]:
    steps = np.ones(len(one), np.int64)
    return np.concatenate([one.start, one.end]), np.concatenate([steps, -steps])


def _sweep(at: U64s, step: npt.NDArray[np.int64], depth: int) -> Intervals:
    """Where the running sum of ``step`` is at least ``depth``."""
    order = np.argsort(at, kind="stable")
    at, level = at[order], np.cumsum(step[order])
    last_of_address = np.concatenate([at[1:] != at[:-1], [True]]) if len(at) else np.empty(0, np.bool_)
    at, level = at[last_of_address], level[last_of_address]
    inside = level >= depth
    before = np.concatenate([[False], inside[:-1]]) if len(inside) else inside
    return _frozen(at[inside & ~before], at[~inside & before])


def _frozen(start: U64s, end: U64s) -> Intervals:
    start.flags.writeable = end.flags.writeable = False
    return Intervals(start, end)
