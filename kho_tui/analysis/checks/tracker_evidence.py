"""What rules look at: the blocks that the tracker of a side lists."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kho_tui.analysis.checks.answer import TRACKER, Found
from kho_tui.analysis.checks.block_index import BlockIndex
from kho_tui.analysis.checks.side_evidence import SideEvidence
from kho_tui.layout.arrays import U64s
from kho_tui.model.codes import AMBIGUOUS
from kho_tui.model.facts import Fact, Missing, Status, Unavailable
from kho_tui.model.intervals import Intervals
from kho_tui.model.runs import Runs, no_runs
from kho_tui.model.tracker import PreservedMap
from kho_tui.text import SafeText


@dataclass(frozen=True, eq=False)
class TrackerEvidence(SideEvidence):
    """A side and its tracker."""

    @property
    def preserved(self) -> PreservedMap | Missing:
        """The tracker."""
        return self.side.preserved

    @cached_property
    def whole(self) -> Fact[PreservedMap]:
        """The tracker, where all of it is known; else why what it lacks means nothing."""
        kept = self.side.preserved
        if isinstance(kept, Missing):
            return kept
        if kept.status is not Status.DECODED:
            return Unavailable(kept.reason)
        doubt = self.doubt
        return kept if doubt is None else Unavailable(doubt)

    @cached_property
    def doubt(self) -> SafeText | None:
        """Why the blocks may not be what the tracker says, None where nothing speaks for that."""
        if isinstance(self.side.preserved, PreservedMap) and self.side.preserved.status is Status.DAMAGED:
            return self.side.preserved.reason
        found = next((f for f in self.findings if f.code == AMBIGUOUS.name and f.where == self.tracker_path), None)
        return None if found is None else SafeText("the size of the bitmaps is not known, and with it the blocks")

    def doubted(self, found: Found) -> bool:
        """Whether even a block that the tracker has may be none; noted as a lack."""
        if self.doubt is not None:
            found.lack(TRACKER, self.doubt)
        return self.doubt is not None

    def blocks(self, found: Found) -> Runs | None:
        """The preserved blocks, for a rule that each of them has to keep; that some are not known is noted as a lack.

        None also where they may stand elsewhere than the tracker was meant to say.
        """
        kept = found.need(self.side.preserved, TRACKER)
        if kept is None:
            return None
        whole = found.need(self.whole, TRACKER)
        return None if whole is None and self.doubt is not None else kept.runs

    def kept(self, found: Found) -> Intervals | None:
        """The preserved addresses, for a rule on what has to be among them."""
        if isinstance(self.memory.sums, Missing):
            found.lack(TRACKER, self.memory.sums.reason)
            return None
        return self.memory.sums.kept

    def not_kept(self, found: Found, start: U64s, end: U64s) -> npt.NDArray[np.int64]:
        """Rows of the stretches of which some byte is not preserved, or that begin where no RAM is.

        Where the tracker is not known whole that is noted as a lack, and only the latter are told.
        """
        nowhere = self.state.host.surely_no_ram(start)
        kept = self.kept(found)
        if kept is None or self.doubted(found) or not len(start):
            return np.flatnonzero(nowhere)
        lost = kept.below(end) - kept.below(start) != end - start
        if lost.any() and isinstance(self.whole, Missing):
            found.lack(TRACKER, self.whole.reason)
            return np.flatnonzero(nowhere)
        return np.flatnonzero(lost)

    def is_kept(self, found: Found, address: int, size: int) -> bool:
        """Whether all pages of ``size`` bytes at an address are preserved; True where that is noted as a lack."""
        first = address // self.page_size * self.page_size
        end = -(-(address + max(size, 1)) // self.page_size) * self.page_size
        if end >= 2**64:
            return False
        return not len(self.not_kept(found, np.array([first], np.uint64), np.array([end], np.uint64)))

    @cached_property
    def index(self) -> BlockIndex:
        """Where blocks begin; without a tracker nowhere."""
        kept = self.side.preserved
        return BlockIndex(no_runs(self.page_shift) if isinstance(kept, Missing) else kept.runs)

    def is_block(self, found: Found, address: int, order: int) -> bool:
        """Whether a block of exactly this order begins at an address; False where no RAM is, True where it is noted as a lack."""
        if self.no_ram(address):
            return False
        if isinstance(self.side.preserved, Missing):
            found.lack(TRACKER, self.side.preserved.reason)
            return True
        if self.doubted(found):
            return True
        if self.index.begins(np.array([address], np.uint64), order)[0]:
            return True
        if isinstance(self.whole, Missing):
            found.lack(TRACKER, self.whole.reason)
            return True
        return False
