"""Preserved memory as runs: 10^8 pages fit, and blocks are made only for the window that is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush

import numpy as np
import numpy.typing as npt

from kho_tui.layout.arrays import I64s, U8s, U32s, U64s

_MAX_COUNT = 2**32 - 1
_STEP = 1 << 16
_WINDOW = 1 << 12


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of neighbouring blocks of one order, sorted by address, then order.

    ``start`` is the physical address of the first block (u64), ``count`` the number of blocks (u32), ``order`` their
    order (u8); all of shape (n,), not writeable. A block is ``page_size << order`` bytes.
    """

    start: U64s
    count: U32s
    order: U8s
    page_shift: int

    def __len__(self) -> int:
        return len(self.start)

    def same_as(self, other: Runs) -> bool:
        """Whether both are the same runs."""
        pairs = ((self.start, other.start), (self.count, other.count), (self.order, other.order))
        return all(np.array_equal(mine, theirs) for mine, theirs in pairs)

    @cached_property
    def blocks(self) -> int:
        """Blocks in all runs."""
        return int(self.count.sum(dtype=np.uint64))

    @cached_property
    def bytes(self) -> int:
        """Bytes in all blocks, as the tracker counts them (a block that is listed twice counts twice)."""
        return sum(number << (order + self.page_shift) for order, number in self.by_order.items())

    @cached_property
    def by_order(self) -> dict[int, int]:
        """Blocks of each order, ascending by order."""
        totals = np.bincount(self.order, weights=None, minlength=0)
        orders = np.flatnonzero(totals)
        return {int(o): int(self.count[self.order == o].sum(dtype=np.uint64)) for o in orders}

    @cached_property
    def _before(self) -> I64s:
        """Blocks before each run, and in all at the end: shape (n + 1,)."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.count, dtype=np.int64)])

    @cached_property
    def ends(self) -> U64s:
        """First address behind each run; wraps where a run ends at 2^64."""
        return self.start + (self.count.astype(np.uint64) << (self.order.astype(np.uint64) + np.uint64(self.page_shift)))

    def expand(self, first: int, count: int) -> tuple[U64s, U8s]:
        """Addresses and orders of blocks first..first+count-1, ascending by address as far as runs do not overlap."""
        first, last = max(first, 0), min(first + count, self.blocks)
        if first >= last:
            return np.empty(0, np.uint64), np.empty(0, np.uint8)
        number = np.arange(first, last)
        run = np.searchsorted(self._before, number, side="right") - 1
        rank = (number - self._before[run]).astype(np.uint64)
        return self.start[run] + (rank << (self.order[run].astype(np.uint64) + np.uint64(self.page_shift))), self.order[run]

    def ascending(self) -> Iterator[tuple[int, int]]:
        """(address, order) of every block, ascending, also where runs overlap."""
        if not self.overlapping:
            for first in range(0, self.blocks, _WINDOW):
                addresses, orders = self.expand(first, _WINDOW)
                yield from zip(addresses.tolist(), orders.tolist(), strict=True)
            return
        begun: list[tuple[int, int, int]] = []  # next address, order, blocks left: of the runs that have begun and not ended
        following = 0
        while begun or following < len(self):
            while following < len(self) and (not begun or int(self.start[following]) <= begun[0][0]):
                heappush(begun, (int(self.start[following]), int(self.order[following]), int(self.count[following])))
                following += 1
            address, order, left = heappop(begun)
            yield address, order
            if left > 1:
                heappush(begun, (address + (1 << (order + self.page_shift)), order, left - 1))

    def block_at(self, address: int) -> int | None:
        """The number of the block that holds ``address``; of overlapping ones the one that starts last."""
        behind = int(np.searchsorted(self.start, np.uint64(address), side="right"))
        # Where runs overlap, any run that starts before the address may reach it.
        near = slice(0 if self.overlapping else max(behind - 1, 0), behind)
        start, shift = self.start[near], self.order[near].astype(np.uint64) + np.uint64(self.page_shift)
        rank = (np.uint64(address) - start) >> shift
        holding = np.flatnonzero(rank < self.count[near])
        if not len(holding):
            return None
        row = int(holding[np.argmax((start + (rank << shift))[holding])])
        return int(self._before[near.start + row]) + int(rank[row])

    def covers(self, address: int, order: int | None = None) -> bool:
        """Whether a block holds ``address`` (of exactly this order where given)."""
        block = self.block_at(address)
        if block is None:
            return False
        return order is None or int(self.expand(block, 1)[1][0]) == order

    @cached_property
    def overlapping(self) -> bool:
        """Whether any page is listed twice."""
        if len(self) < 2:
            return False
        return bool((np.maximum.accumulate(self.ends)[:-1] > self.start[1:]).any())


class RunBuilder:
    """Pieces of runs as they are found, batch by batch, in 13 bytes each: a hostile tracker has millions."""

    def __init__(self) -> None:
        self._starts: list[U64s] = []
        self._counts: list[U32s] = []
        self._orders: list[U8s] = []

    def add(self, start: U64s, count: npt.NDArray[np.integer], order: npt.NDArray[np.integer]) -> None:
        """A batch, as ``make_runs`` takes it."""
        self._starts.append(start)
        self._counts.append(count.astype(np.uint32, copy=False))
        self._orders.append(order.astype(np.uint8, copy=False))

    def runs(self, page_shift: int) -> Runs:
        """The runs that they make; the pieces are gone then."""
        if not self._starts:
            return no_runs(page_shift)
        # One column after the other, so that no two of them are there twice.
        start = np.concatenate(self._starts)
        self._starts.clear()
        count = np.concatenate(self._counts)
        self._counts.clear()
        order = np.concatenate(self._orders)
        self._orders.clear()
        return make_runs(start, count, order, page_shift)


def make_runs(start: U64s, count: npt.NDArray[np.integer], order: npt.NDArray[np.integer], page_shift: int) -> Runs:
    """Runs from unsorted pieces, neighbours of one order joined. Shapes (n,); count in blocks, below 2^32 a piece."""
    orders: U8s = order.astype(np.uint8, copy=False)
    counts = count.astype(np.uint32, copy=False)
    by_address = np.lexsort((orders, start))
    start, counts, orders = start[by_address], counts[by_address], orders[by_address]
    del by_address
    joins = _joins(start, counts, orders, page_shift)
    if joins.any():
        heads = np.flatnonzero(~joins)
        summed = np.add.reduceat(counts, heads, dtype=np.uint64)
        if int(summed.max()) <= _MAX_COUNT:
            start, orders, counts = start[heads], orders[heads], summed.astype(np.uint32)
    runs = Runs(start, counts, orders, page_shift)
    for array in (runs.start, runs.count, runs.order):
        array.flags.writeable = False
    return runs


def _joins(start: U64s, count: U32s, order: U8s, page_shift: int) -> npt.NDArray[np.bool_]:
    """Whether each of the sorted runs goes on the one before it; in steps, for what a step makes is larger than a run."""
    joins = np.zeros(len(start), np.bool_)
    for at in range(1, len(start), _STEP):
        here, before = slice(at, at + _STEP), slice(at - 1, min(at + _STEP, len(start)) - 1)
        shift = order[before].astype(np.uint64) + np.uint64(page_shift)
        ends = start[before] + (count[before].astype(np.uint64) << shift)
        joins[here] = (ends == start[here]) & (order[before] == order[here])
    return joins


def no_runs(page_shift: int) -> Runs:
    """An empty list of runs."""
    return make_runs(np.empty(0, np.uint64), np.empty(0, np.uint32), np.empty(0, np.uint8), page_shift)
