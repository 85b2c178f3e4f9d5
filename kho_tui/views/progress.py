"""How far an action is, in words: the same for a command's stderr and for the app."""

from __future__ import annotations

import time
from collections.abc import Callable

from kho_tui.context import Unit
from kho_tui.text import SafeText, human_size, visible

_TOLD_AFTER = 0.5
"""Seconds before a rate says anything."""
_MINUTE = 60
_HOUR = 60 * _MINUTE


class ProgressReport:
    """The latest report of a running action; written by its thread, read by whoever shows it."""

    def __init__(self, what: str = "opening", clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._latest: tuple[str, int, int | None, Unit, float] = (what, 0, None, "steps", clock())

    def report(self, what: str, done: int, total: int | None, unit: Unit) -> None:
        """Take a report; may be called a million times a second."""
        before, done_before, _, _, since = self._latest
        goes_on = what == before and done >= done_before
        self._latest = (what, done, total, unit, since if goes_on else self._clock())

    @property
    def what(self) -> SafeText:
        """What is being done."""
        return visible(self._latest[0])

    @property
    def share(self) -> float | None:
        """How much of it is done, 0 to 1; None where that is not known."""
        _, done, total, _, _ = self._latest
        return min(done / total, 1.0) if total else None

    @property
    def amount(self) -> str:
        """``3 of 10``; of bytes ``1.2 GiB of 64 GiB, 1.1 GiB/s, 57 s left``; empty where nothing is counted."""
        _, done, total, unit, since = self._latest
        if unit == "steps" or not total:
            return f"{done} of {total}" if total else str(done or "")
        amount = f"{human_size(done)} of {human_size(total)}"
        seconds = self._clock() - since
        if not done or seconds < _TOLD_AFTER:
            return amount
        return f"{amount}, {human_size(int(done / seconds))}/s, {_duration(seconds * max(total - done, 0) / done)} left"


def _duration(seconds: float) -> str:
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE:.0f} min" if seconds < 2 * _HOUR else f"{seconds / _HOUR:.0f} h"
