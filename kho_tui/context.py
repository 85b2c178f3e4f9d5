"""Budget, progress and cancel of one action, made by whoever starts it and passed down. Decode knows no screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Literal

from kho_tui.errors import BudgetError, Cancelled

Unit = Literal["steps", "bytes"]
Progress = Callable[[str, int, int | None, Unit], None]
"""Called with (what is being done, how much of it is done, how much it is in all or None, what that counts)."""


def _silent(_what: str, _done: int, _total: int | None, _unit: Unit) -> None:
    pass


@dataclass(slots=True)
class Budget:
    """What one action may spend on an untrusted state."""

    read_bytes: int = 8 << 30
    """Bytes read from captured memory."""
    temporary_bytes: int = 8 << 30
    """Bytes an archive may unpack to."""
    runs: int = 3_000_000
    """Runs of preserved blocks kept in memory. What a map, a check or a replay makes of one takes 120 bytes at most, so that no tracker
    makes the program larger than 500 MB. 12 TiB of order-0 pages in runs of 512 are 200,000.
    """
    entries: int = 5_000_000
    """Sessions, files, folios, chunks and other records decoded one by one or as rows."""


@dataclass(slots=True)
class Context:
    """One action's budget and its line to whoever started it."""

    budget: Budget = field(default_factory=Budget)
    progress: Progress = _silent
    cancelled: Event = field(default_factory=Event)

    def step(self, what: str, done: int = 0, total: int | None = None, unit: Unit = "steps") -> None:
        """Report progress and stop if the user asked to. Raises Cancelled."""
        if self.cancelled.is_set():
            raise Cancelled("cancelled")
        self.progress(what, done, total, unit)

    def spend_read(self, size: int) -> None:
        """Account ``size`` bytes read from memory. Raises BudgetError."""
        self.budget.read_bytes -= size
        if self.budget.read_bytes < 0:
            raise BudgetError("the state points at more memory than the budget allows to read")

    def spend_entries(self, count: int, what: str) -> None:
        """Account ``count`` records before they are decoded. Raises BudgetError; a claim that is refused costs nothing."""
        if count > self.budget.entries:
            raise BudgetError(f"more {what} than the budget allows")
        self.budget.entries -= count

    def spend_runs(self, count: int) -> None:
        """Account ``count`` runs of blocks before they are kept. Raises BudgetError; runs that are refused cost nothing."""
        if count > self.budget.runs:
            raise BudgetError("the tracker is split into more runs than the budget allows")
        self.budget.runs -= count

    def spend_temporary(self, size: int) -> None:
        """Account ``size`` bytes unpacked from an archive. Raises BudgetError."""
        self.budget.temporary_bytes -= size
        if self.budget.temporary_bytes < 0:
            raise BudgetError("the archive unpacks to more than the budget allows")
