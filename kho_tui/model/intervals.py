"""Arithmetic on sets of addresses: sorted, disjoint, half-open intervals as numpy arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kho_tui.layout.arrays import U64s

Step = Callable[[int, int], None]
"""Called between pieces of work with (pieces done, of how many); ends the work by raising."""

_LAST = 2**64 - 1
_PIECE = 1 << 20
"""Elements of one piece of work: tens of milliseconds."""
_WINDOW = 1 << 18
"""Intervals that are laid over one another at a time: the work takes about 100 bytes for each."""


def _no_step(_done: int, _total: int) -> None:
    pass


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
        return int(self.end.sum(dtype=np.uint64)) - int(self.start.sum(dtype=np.uint64)) & 2**64 - 1

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
        before = np.zeros(len(self) + 1, np.uint64)
        np.subtract(self.end, self.start, out=before[1:])
        return np.cumsum(before, out=before)[:-1]

    def holds(self, address: int) -> bool:
        """Whether an address is in one of them. O(log n)."""
        return 0 <= address < _LAST and len(self.clip(address, address + 1)) > 0

    def __and__(self, other: Intervals) -> Intervals:
        """Addresses in both."""
        return overlay(self, other, 1, 2)

    def __or__(self, other: Intervals) -> Intervals:
        """Addresses in either."""
        return overlay(self, other, 1, 1)

    def __sub__(self, other: Intervals) -> Intervals:
        """Addresses of this that are not in the other."""
        return overlay(self, other, -2, 1)

    def clip(self, low: int, high: int) -> Intervals:
        """Addresses from ``low`` to below ``high``. O(log n) and what it gives."""
        first = int(np.searchsorted(self.end, np.uint64(low), side="right"))
        behind = int(np.searchsorted(self.start, np.uint64(high), side="left")) if low < high else first
        inside = slice(first, max(first, behind))
        return _frozen(np.maximum(self.start[inside], np.uint64(low)), np.minimum(self.end[inside], np.uint64(high)))


def intervals(start: npt.ArrayLike, end: npt.ArrayLike, step: Step = _no_step) -> Intervals:
    """Intervals from pieces in any order that may overlap; pieces without an address are left out."""
    first, last = np.asarray(start, np.uint64), np.asarray(end, np.uint64)
    order = ascending(first, step)
    return _joined(first, last, step) if order is None else _joined(first[order], last[order], step)


class Span(Protocol):
    """What has a start and a size, in bytes: RAM, a scratch area, a region."""

    @property
    def start(self) -> int:
        """The first byte."""
        ...

    @property
    def size(self) -> int:
        """How many bytes."""
        ...


def spans(parts: Iterable[Span]) -> Intervals:
    """The intervals of parts; one that runs out of the address space ends at the last address."""
    parts = tuple(parts)
    return intervals([part.start for part in parts], [min(part.start + part.size, _LAST) for part in parts])


def whole_pages(memory: Intervals, page_size: int) -> Intervals:
    """The whole pages in it."""
    page = np.uint64(page_size)
    return intervals((memory.start + page - np.uint64(1)) // page * page, memory.end // page * page)


def ascending(values: U64s, step: Step = _no_step) -> npt.NDArray[np.int64] | None:
    """Rows in ascending order of ``values``, equal ones as they stand; None where they stand so already.

    Sorted piece by piece, then merged: no single call takes long.
    """
    if bool((values[1:] >= values[:-1]).all()):
        return None
    order = np.arange(len(values), dtype=np.int64)
    for at in range(0, len(values), _PIECE):
        step(at, len(values))
        piece = slice(at, at + _PIECE)
        order[piece] = at + np.argsort(values[piece], kind="stable")
    if len(values) <= _PIECE:
        return order
    step(len(values), len(values))
    # numpy's stable sort finds the pieces that ascend and merges them.
    merged: npt.NDArray[np.int64] = order[np.argsort(values[order], kind="stable")]
    return merged


def _joined(start: U64s, end: U64s, step: Step = _no_step) -> Intervals:
    """Intervals from pieces that ascend by start."""
    starts: list[U64s] = []
    ends: list[U64s] = []
    reach = np.uint64(0)
    for at in range(0, len(start), _PIECE):
        step(at, len(start))
        first, last = start[at : at + _PIECE], end[at : at + _PIECE]
        keep = first < last
        if not keep.all():
            first, last = first[keep], last[keep]
        if not len(first):
            continue
        far = np.maximum(np.maximum.accumulate(last), reach)
        before = np.concatenate([[reach], far[:-1]])
        begins = first > before
        begins[0] |= not starts
        starts.append(first[begins])
        ends.append(before[begins])
        reach = far[-1]
    if not starts:
        return _frozen(np.empty(0, np.uint64), np.empty(0, np.uint64))
    return _frozen(np.concatenate(starts), np.append(np.concatenate(ends)[1:], reach))


def overlay(one: Intervals, other: Intervals, weight: int, depth: int, step: Step = _no_step) -> Intervals:
    """Where one (worth 1) and the other (worth ``weight``) add up to ``depth`` or more; window by window where there are many."""
    longer = one if len(one) >= len(other) else other
    if len(longer) <= _WINDOW:
        return _sweep(one, other, weight, depth)
    cuts = [0, *longer.start[_WINDOW::_WINDOW].tolist(), _LAST]
    starts: list[U64s] = []
    ends: list[U64s] = []
    for number, (low, high) in enumerate(pairwise(cuts)):
        step(number, len(cuts) - 1)
        part = _sweep(one.clip(low, high), other.clip(low, high), weight, depth)
        if not len(part):
            continue
        # A window begins where the one before ends: only there can two intervals be one.
        goes_on = bool(ends) and ends[-1][-1] == part.start[0]
        if goes_on:
            ends[-1] = ends[-1][:-1]
        starts.append(part.start[int(goes_on) :])
        ends.append(part.end)
    nothing = np.empty(0, np.uint64)
    start = np.concatenate([nothing, *starts])
    starts.clear()
    return _frozen(start, np.concatenate([nothing, *ends]))


def _sweep(one: Intervals, other: Intervals, weight: int, depth: int) -> Intervals:
    at = np.concatenate([one.start, one.end, other.start, other.end])
    steps = np.repeat(np.array([1, -1, weight, -weight], np.int64), [len(one), len(one), len(other), len(other)])
    order = np.argsort(at, kind="stable")
    at, level = at[order], np.cumsum(steps[order])
    last_of_address = np.concatenate([at[1:] != at[:-1], [True]]) if len(at) else np.empty(0, np.bool_)
    at, level = at[last_of_address], level[last_of_address]
    inside = level >= depth
    before = np.concatenate([[False], inside[:-1]]) if len(inside) else inside
    return _frozen(at[inside & ~before], at[~inside & before])


def _frozen(start: U64s, end: U64s) -> Intervals:
    start.flags.writeable = end.flags.writeable = False
    return Intervals(start, end)
