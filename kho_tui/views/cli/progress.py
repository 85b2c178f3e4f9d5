"""ProgressReport of a command on a terminal's stderr, for work that takes a while."""

from __future__ import annotations

import shutil
import sys
import time

from kho_tui.context import Unit
from kho_tui.views.progress import ProgressReport

_SILENT_SECONDS = 0.5
_REDRAW_SECONDS = 0.1


class StderrProgress:
    """One line that is drawn over itself; nothing at all where stderr is no terminal, or where the work is short."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _SILENT_SECONDS
        self._shown = False
        self._progress = ProgressReport()

    def report(self, what: str, done: int, total: int | None, unit: Unit) -> None:
        """Take a report; cheap enough to be called for every page."""
        self._progress.report(what, done, total, unit)
        if time.monotonic() < self._next or not sys.stderr.isatty():
            return
        self._next = time.monotonic() + _REDRAW_SECONDS
        self._shown = True
        # A line that wraps is not taken away by drawing over it.
        line = f"{self._progress.what} {self._progress.amount}".rstrip()[: shutil.get_terminal_size().columns - 1]
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
