"""What `kho-tui capture` says: first what the capture will hold, last what it does not."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kho_tui.operations.capture_machine import MemoryTaken, capture_machine, default_name
from kho_tui.text import human_size, plural, visible
from kho_tui.views.cli.opened import telling

INCOMPLETE = 1


def capture(output: Path | None, memory: MemoryTaken, *, search: bool) -> int:
    """Capture this machine; 0, or 1 where something could not be read. Raises InputError, EncodeError or Cancelled."""
    path = output or Path(default_name())
    if os.geteuid() != 0:
        _say("not root: most of the state cannot be read")
    with telling() as context, _interrupted_by_signals():
        captured = capture_machine(path, memory, context, _say, search=search)
    for what, why in captured.unread:
        _say(f"could not read {what}: {why}")
    size = f", {human_size(path.stat().st_size)}" if path.is_file() else ""
    pages = f" and {plural(captured.pages, 'page')} of memory" if captured.pages else ""
    _say(f"{plural(captured.files, 'file')}{pages}{size}; look at it with  kho-tui {visible(str(path))}")
    print(path)
    return INCOMPLETE if captured.unread else 0


@contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """SIGTERM, and SIGHUP of a dropped connection, end the work as Ctrl-C does: what is half written is taken away."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(line: str) -> None:
    print(f"kho-tui: {line}", file=sys.stderr)
