"""Progress of a command on a terminal's stderr, for work that takes a while."""

from __future__ import annotations

import sys
import time

_SILENT_SECONDS = 0.5
_REDRAW_SECONDS = 0.1


class StderrProgress:
    """One line that is drawn over itself; nothing at all where stderr is no terminal, or where the work is short."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _SILENT_SECONDS
        self._shown = False

    def report(self, what: str, done: int, total: int | None) -> None:
        """Take a report; cheap enough to be called for every page."""
        if time.monotonic() < self._next or not sys.stderr.isatty():
            return
        self._next = time.monotonic() + _REDRAW_SECONDS
        self._shown = True
        amount = f" {100 * done // total}%" if total else f" {done}" if done else ""
        sys.stderr.write(f"\r\x1b[K{what}{amount}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
