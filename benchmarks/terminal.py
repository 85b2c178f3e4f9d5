"""A program on a pseudo terminal, with the time at which each of its bytes came."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import tempfile
import termios
import time
from pathlib import Path
from types import TracebackType
from typing import Self

CHECKOUT = Path(__file__).resolve().parents[1]
FIRST_FRAME_BYTES = 1000
"""What a full-screen app has written when its first frame is out; terminal set-up alone is a few hundred bytes."""
FRAME_GAP = 0.015
"""Silence in seconds that ends a frame: its bytes come in one write."""


def as_installed() -> None:
    """Let programs started from here on have their bytecode, as installed ones do, also where the environment forbids to write it."""
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / "kho-tui-benchmark-bytecode")


class Program:
    """A running program; ``started`` is when it was. A context manager that ends it."""

    def __init__(self, words: list[str], columns: int = 80, lines: int = 24) -> None:
        self.started = time.perf_counter()
        self._child, self._terminal = pty.fork()
        if self._child == 0:
            os.chdir(CHECKOUT)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.environ.update(TERM="xterm-256color", COLUMNS=str(columns), LINES=str(lines))
            os.execvp(words[0], words)

    def write(self, data: bytes) -> float:
        """Type; when that was."""
        now = time.perf_counter()
        os.write(self._terminal, data)
        return now

    def worked(self) -> float:
        """Processor seconds that the program's first thread, the screen's, has had: what a busy machine does not stretch."""
        return int(Path(f"/proc/{self._child}/schedstat").read_text().split()[0]) / 1e9

    def read(self, quiet: float, first: float, limit: float) -> tuple[bytes, float]:
        """What comes until nothing has come for ``quiet`` seconds, and when its last byte came.

        ``first``: seconds of patience for the first byte; ``limit``: seconds in all.
        """
        end = time.perf_counter() + limit
        seen, last, patience = b"", time.perf_counter(), first
        while time.perf_counter() < end and select.select([self._terminal], [], [], patience)[0]:
            try:
                part = os.read(self._terminal, 65536)
            except OSError:
                break
            last = time.perf_counter()
            if not part:
                break
            seen, patience = seen + part, quiet
        return seen, last

    def until(self, mark: bytes, limit: float = 120.0) -> float:
        """Wait until ``mark`` is drawn; when that was. Raises TimeoutError."""
        end = time.perf_counter() + limit
        seen = b""
        while mark not in seen:
            part, last = self.read(0.0, 0.5, limit)
            seen = seen[-4096:] + part
            if time.perf_counter() > end:
                raise TimeoutError(f"{mark!r} was not drawn")
        return last

    def first_frame(self) -> float:
        """When the last byte of the first frame came."""
        seen = 0
        while True:
            part, last = self.read(FRAME_GAP, 10.0, 60.0)
            seen += len(part)
            if seen > FIRST_FRAME_BYTES or not part:
                return last

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        os.close(self._terminal)
