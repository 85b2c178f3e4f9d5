"""What of the sessions comes back in a boot, file by file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kho_tui.analysis.receiver.ledger import Contest
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.analysis.receiver.verdict import Fails
from kho_tui.model.facts import Missing
from kho_tui.model.sessions import File, Session


@dataclass(frozen=True, eq=False)
class RestoredFile:
    """A file as its session gets it. ``own_fault``: what is wrong with it whoever comes first (without an outcome: it is lost), or unknown.

    ``contest``: the block that it does not get where files are asked for as they are listed. ``shared``: addresses of blocks that another
    owner restores too: whoever asks first gets them.
    """

    file: File
    own_fault: Fails | Missing | None
    contest: Contest | None = None
    shared: frozenset[int] = frozenset()
    contest_outcome: Outcome | None = None

    @property
    def fault(self) -> Fails | Missing | None:
        """What goes wrong when each file is asked for once, in the order in which they are listed."""
        lost_anyway = isinstance(self.own_fault, Fails) and self.own_fault.outcome is not Outcome.MISREAD
        if self.contest is None or lost_anyway:
            return self.own_fault
        met = f"its block {self.contest.address:#x} is restored by {self.contest.winner} before, and once only: -EIO"
        return Fails(met, self.contest_outcome, warns=True)

    @property
    def may_come_back(self) -> bool:
        """Whether nothing is known that keeps it from being retrieved, if it is the first to be asked for."""
        settled = self.contest is not None and self.contest.settled
        return not settled and (not isinstance(self.own_fault, Fails) or self.own_fault.outcome is Outcome.MISREAD)


@dataclass(frozen=True, eq=False)
class RestoredSession:
    """A session that is made. ``name`` is the one it gets; ``files`` are Missing where its list is not at hand."""

    session: Session
    name: bytes
    files: tuple[RestoredFile, ...] | Missing


@dataclass(frozen=True, eq=False)
class Restored:
    """What the consumers give back. ``fault``: why every open of /dev/liveupdate fails, or trips; unknown; or None.

    ``contested``: of the consumers that restore blocks while the kernel boots, by name, the first that somebody restores before.
    """

    sessions: tuple[RestoredSession, ...]
    fault: Fails | Missing | None
    contested: Mapping[bytes, Contest | None]
