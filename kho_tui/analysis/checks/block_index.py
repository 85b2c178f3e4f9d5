"""Where preserved blocks begin, for many addresses at once; also right where blocks overlap."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kho_tui.layout.arrays import I16s, U64s
from kho_tui.model.runs import Runs


@dataclass(frozen=True, eq=False)
class BlockIndex:
    """The blocks of some runs by where they begin."""

    runs: Runs

    def begins(self, addresses: U64s, order: int) -> npt.NDArray[np.bool_]:
        """Whether a block of exactly this order begins at each address; shape of ``addresses``."""
        if order not in self._by_order:
            return np.zeros(len(addresses), np.bool_)
        start, end = self._by_order[order]
        at = np.maximum(np.searchsorted(start, addresses, side="right"), 1) - 1
        mask = np.uint64((1 << (order + self.runs.page_shift)) - 1)
        found: npt.NDArray[np.bool_] = (addresses >= start[at]) & (addresses < end[at]) & ((addresses - start[at]) & mask == 0)
        return found

    def orders(self, addresses: U64s) -> tuple[I16s, I16s]:
        """Lowest and highest order of the blocks that begin at each address, -1 where none does. They differ only where blocks overlap."""
        if len(self.runs) and not self.runs.overlapping:
            return self._only_orders(addresses)
        low, high = np.full(len(addresses), -1, np.int16), np.full(len(addresses), -1, np.int16)
        for order in self._by_order:  # ascending
            here = self.begins(addresses, order)
            low[here & (low < 0)] = order
            high[here] = order
        return low, high

    def _only_orders(self, addresses: U64s) -> tuple[I16s, I16s]:
        runs = self.runs
        at = np.maximum(np.searchsorted(runs.start, addresses, side="right"), 1) - 1
        size = np.uint64(1) << (runs.order[at].astype(np.uint64) + np.uint64(runs.page_shift))
        begins = (addresses >= runs.start[at]) & (addresses < runs.ends[at]) & ((addresses - runs.start[at]) & (size - np.uint64(1)) == 0)
        orders = np.where(begins, runs.order[at].astype(np.int16), np.int16(-1))
        return orders, orders

    @cached_property
    def _by_order(self) -> dict[int, tuple[U64s, U64s]]:
        runs = self.runs
        return {order: (runs.start[runs.order == order], runs.ends[runs.order == order]) for order in runs.by_order}
