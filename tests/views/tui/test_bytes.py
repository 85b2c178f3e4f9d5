"""What really reaches the terminal: every byte that the program writes on a pty, on tame and on hostile states."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from captures import CHECKOUT
from states.catalogue import hostile_names

_PATIENCE = 60
_QUIET = 0.1
"""Seconds without a byte after which a key is taken to have been answered. Too short does no harm: keys take effect in order."""
_AFTER_ESCAPE = 0.5
"""Seconds after which an Esc is no beginning of a longer sequence any more."""
TAME = "samples/x86_64-7.3/2-pre"
KEYS = (
    *(
        "1",
        "G",
        "2",
        "/",
        "vm",
        "\r",
        "\t",
        "j",
        "\t",
        "l",
        "j",
        "y",
        "\x1b",
        "x",
        "z",
        "z",
        "m",
        "+",
        "\r",
        "3",
        "]",
        "\t",
        "4",
        "j",
        "G",
        "\r",
    ),
    *("5", "G", "6", "G", "7", "j", "\r", "8", "G", "?", "G", "\x1b", ":", "vm", "\x1b", "\x1b", "\x7f", "o", "@", "0x1000", "\r"),
)
"""Through all places, with help, palette, prompts, history and a copy on the way."""
SEQUENCE = re.compile(
    rb"\x1b\](?P<osc>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    rb"|\x1b\[(?P<private>[<=>?]?)[0-9;:]*(?P<between>[ -/]*)(?P<final>[@-~])"
    rb"|\x1b(?P<other>[^\[\]])"
)


class Program:
    """The program on a pty of its own; every byte that it writes is kept."""

    def __init__(self, path: str, environ: dict[str, str], size: tuple[int, int] = (80, 24), *options: str) -> None:
        self.written = b""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        kept = {name: value for name, value in os.environ.items() if name not in ("TMUX", "COLORTERM", "NO_COLOR", "LANG", "LC_ALL")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kho_tui", "open", *options, path],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=CHECKOUT,
            env={**kept, "TERM": "xterm-256color", "LANG": "C.UTF-8", "XDG_CONFIG_HOME": "/nonexistent", **environ},
            start_new_session=True,
        )
        os.close(slave)

    def read(self, quiet: float = _QUIET) -> bytes:
        """What is written until nothing comes for a while."""
        before = len(self.written)
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and select.select([self._master], [], [], quiet)[0]:
            try:
                self.written += os.read(self._master, 1 << 16)
            except OSError:  # the program has ended
                break
        return self.written[before:]

    def until(self, wanted: bytes) -> None:
        """Read until these bytes were written."""
        end = time.monotonic() + _PATIENCE
        while wanted not in self.written:
            assert time.monotonic() < end and self._process.poll() is None, self.written[-2000:]
            self.read(0.1)

    def press(self, keys: str) -> None:
        with contextlib.suppress(OSError):  # it may have ended
            os.write(self._master, keys.encode())
        self.read(_AFTER_ESCAPE if keys == "\x1b" else _QUIET)

    def leave(self) -> int:
        """Close what is open and quit; the exit code."""
        end = time.monotonic() + _PATIENCE
        while b"\x1b[?1049l" not in self.written and self._process.poll() is None and time.monotonic() < end:
            self.press("\x1b")
            self.press("q")
        self.read(_AFTER_ESCAPE)
        return self._process.wait(_PATIENCE)

    def end(self) -> None:
        """Leave nothing behind."""
        self._process.kill()
        self._process.wait()
        os.close(self._master)


def tour(path: str, environ: dict[str, str], *options: str) -> bytes:
    program = Program(path, environ, (80, 24), *options)
    try:
        program.until(b"overview")
        program.read()
        for key in KEYS:
            program.press(key)
        assert program.leave() == 0
    finally:
        program.end()
    return program.written


def kinds(written: bytes) -> set[tuple[str, bytes]]:
    """The control sequences and control characters, without their numbers."""
    found: set[tuple[str, bytes]] = set()
    for match in SEQUENCE.finditer(written):
        if match["osc"] is not None:
            found.add(("OSC", match["osc"].partition(b";")[0]))
        elif match["final"] is not None:
            found.add(("CSI", match["private"] + match["between"] + match["final"]))
        else:
            found.add(("ESC", match["other"]))
    rest = SEQUENCE.sub(b"", written)
    return found | {("C0", bytes([byte])) for byte in set(rest) if byte < 0x20 or byte == 0x7F}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("hostile") / "memory.elf"
    hostile_names().to_elf(path)
    return str(path)


@pytest.fixture(scope="module")
def usual() -> set[tuple[str, bytes]]:
    """What Textual writes where every name is tame."""
    return kinds(tour(TAME, {}))


def test_no_escape_comes_from_captured_names(hostile: str, usual: set[tuple[str, bytes]]) -> None:
    written = tour(hostile, {})
    met = kinds(written)
    assert met <= usual, met - usual
    assert not {one for one in met if one[0] == "OSC"} - {("OSC", b"52"), ("OSC", b"22")}  # clipboard, shape of the mouse pointer
    assert b"owned" in written  # the names were on the screen
    for control in ("\u202e", "\u2066", "\x9b", "\x85"):
        assert control.encode() not in written


def test_with_ascii_only_ascii_is_written(hostile: str) -> None:
    written = tour(hostile, {"TERM": "linux"}, "--ascii")
    assert b"owned" in written
    assert written.isascii(), sorted(set(written.decode(errors="replace")) - set(map(chr, range(128))))
