"""What of memory the next kernel keeps for whoever asks: all else is written over by the time that it is read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kho_tui.analysis.checks.block_index import BlockIndex
from kho_tui.analysis.intervals import Intervals, intervals
from kho_tui.model.facts import Missing, Status
from kho_tui.model.runs import Runs, no_runs
from kho_tui.model.state import Side, State
from kho_tui.model.tracker import PreservedMap
from kho_tui.releases.table import release_of

U64s = npt.NDArray[np.uint64]
_LAST = 2**64 - 1


@dataclass(frozen=True, eq=False)
class Kept:
    """The preserved blocks of a side. ``whole``: all are known, and surely as they are meant, so that what is not among them is lost."""

    runs: Runs
    whole: bool

    def lost(self, phys: int | None, size: int = 1) -> bool:
        """Whether it is known that some page of a stretch is not preserved. No page of it is visited: ``size`` may be anything."""
        if phys is None or not self.whole:
            return False
        page = 1 << self.runs.page_shift
        first, end = phys // page * page, -(-(phys + max(size, 1)) // page) * page
        if first < 0 or end > _LAST:
            return True
        below = self._memory.below(np.array([first, end], np.uint64))
        return int(below[1] - below[0]) != end - first

    def no_block(self, addresses: npt.ArrayLike, order: int | None = None) -> int | None:
        """The first address at which no block begins (of exactly this order where given); None where there is none, or it is not known."""
        asked = np.asarray(addresses, np.uint64)
        if not self.whole or not len(asked):
            return None
        missing = self._index.orders(asked)[0] < 0 if order is None else ~self._index.begins(asked, order)
        rows = np.flatnonzero(missing)
        return int(asked[rows[0]]) if len(rows) else None

    @cached_property
    def overlap(self) -> int | None:
        """Where a block begins inside another one; None where none does."""
        if not self.runs.overlapping:
            return None
        again = np.flatnonzero(np.maximum.accumulate(self.runs.ends)[:-1] > self.runs.start[1:]) + 1
        return int(self.runs.start[again[0]])

    def inside(self, start: int, size: int) -> int | None:
        """The first preserved address in a stretch."""
        found = self._memory.clip(max(start, 0), min(start + size, _LAST)) if size > 0 else ()
        return int(found.start[0]) if len(found) and isinstance(found, Intervals) else None

    @cached_property
    def _memory(self) -> Intervals:
        return intervals(self.runs.start, np.where(self.runs.ends < self.runs.start, np.uint64(_LAST), self.runs.ends))

    @cached_property
    def _index(self) -> BlockIndex:
        return BlockIndex(self.runs)


def kept_of(state: State, side: Side, *, nothing: bool) -> Kept:
    """What the side preserves. ``nothing``: its root is known to name no tracker."""
    kept = side.preserved
    shift = state.machine.platform.page_shift
    if nothing or isinstance(kept, Missing):
        return Kept(no_runs(shift), nothing)
    return Kept(kept.runs, kept.status is Status.DECODED and not _may_be_others(state, kept))


def _may_be_others(state: State, kept: PreservedMap) -> bool:
    """Whether the bitmaps may be of another size, and with it all blocks."""
    return bool(kept.others) and release_of(state.machine.release) is None
