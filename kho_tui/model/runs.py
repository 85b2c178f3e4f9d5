"""Preserved memory as runs: 10^8 pages fit, and blocks are made only for the window that is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

U64s = npt.NDArray[np.uint64]
U32s = npt.NDArray[np.uint32]
U8s = npt.NDArray[np.uint8]
I64s = npt.NDArray[np.int64]

_MAX_COUNT = 2**32 - 1


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


def make_runs(start: U64s, count: npt.NDArray[np.integer], order: npt.NDArray[np.integer], page_shift: int) -> Runs:
    """Runs from unsorted pieces, neighbours of one order joined. Shapes (n,); count in blocks, below 2^32 a piece."""
    by_address = np.lexsort((order, start))
    start = start[by_address]
    orders: U8s = order[by_address].astype(np.uint8)
    blocks = count[by_address].astype(np.uint64)
    ends = start + (blocks << (orders.astype(np.uint64) + np.uint64(page_shift)))
    if len(start) > 1:
        joins = (ends[:-1] == start[1:]) & (orders[:-1] == orders[1:])
        heads = np.flatnonzero(np.concatenate([[True], ~joins]))
        summed = np.add.reduceat(blocks, heads)
        if not len(summed) or int(summed.max()) <= _MAX_COUNT:
            start, orders, blocks = start[heads], orders[heads], summed
    runs = Runs(start, blocks.astype(np.uint32), orders, page_shift)
    for array in (runs.start, runs.count, runs.order):
        array.flags.writeable = False
    return runs


def no_runs(page_shift: int) -> Runs:
    """An empty list of runs."""
    return make_runs(np.empty(0, np.uint64), np.empty(0, np.uint32), np.empty(0, np.uint8), page_shift)
