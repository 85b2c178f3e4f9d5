"""The program on a real terminal: it draws, takes keys, leaves with its exit code and the terminal as it was."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from captures import CHECKOUT

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

_PATIENCE = 60


class Terminal:
    """A tmux server of its own with one window."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def tmux(self, *arguments: str) -> str:
        environment = {name: value for name, value in os.environ.items() if name not in ("TMUX", "COLORTERM", "NO_COLOR")}
        return subprocess.run(
            ["tmux", "-S", str(self._socket), "-f", "/dev/null", *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=_PATIENCE,
            cwd=CHECKOUT,
            env={**environment, "LANG": "C.UTF-8"},
        ).stdout

    def start(self, command: str) -> None:
        self.tmux("new-session", "-d", "-x", "80", "-y", "24", "sh", "-c", f"echo before; {command}; echo exit=$?; exec cat")

    @property
    def screen(self) -> str:
        return self.tmux("capture-pane", "-p")

    def keys(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def types(self, text: str) -> None:
        """Letters as they are: tmux would take ``0xb`` for a key code."""
        self.tmux("send-keys", "-l", text)

    def until(self, condition: Callable[[str], bool]) -> str:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            shown = self.screen
            if condition(shown):
                return shown
            time.sleep(0.05)
        raise AssertionError(f"nothing came of it:\n{self.screen}")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path / "tmux")
    yield made
    subprocess.run(["tmux", "-S", str(tmp_path / "tmux"), "kill-server"], check=False, capture_output=True)


def kho_tui(path: str) -> str:
    return f"{shlex.quote(sys.executable)} -m kho_tui {path}"


def test_looks_takes_keys_and_leaves_the_terminal_as_it_was(terminal: Terminal) -> None:
    terminal.start(kho_tui("samples/x86_64-7.3/2-pre"))
    shown = terminal.until(lambda screen: "vm-alpha2" in screen and "a kexec now would hand over kho-v4" in screen)
    assert "before" not in shown
    terminal.types("/0xb")
    terminal.keys("Enter")
    terminal.until(lambda screen: "memfd-v2, 5 MiB, 1280 folios · at 0xee4010" in screen)
    terminal.keys("Tab", "j", "j")
    shown = terminal.until(lambda screen: "[0b 00 00 00 00 00 00 00]" in screen)
    assert "by which user space asks for the file" in shown
    terminal.keys("q")
    shown = terminal.until(lambda screen: "exit=" in screen)
    assert [line for line in shown.split("\n") if line] == ["before", "exit=0"]
    # Main screen, cursor shown, no mouse reports, and what is typed is echoed again.
    assert terminal.tmux("display-message", "-p", "#{alternate_on}#{cursor_flag}#{mouse_any_flag}").strip() == "010"
    terminal.keys("echoed", "Enter")
    terminal.until(lambda screen: screen.count("echoed") == 2)


@pytest.mark.parametrize("typed", ["qr", "qs", "q?", "q:", "q5"])
def test_what_is_typed_behind_q_means_nothing(typed: str, terminal: Terminal) -> None:
    """Keys that come in one read with q, as over a slow line."""
    terminal.start(kho_tui("samples/x86_64-7.3/1-pre"))
    terminal.until(lambda screen: "a kexec now would hand over kho-v4" in screen and "vm-alpha" in screen)
    terminal.types(typed)
    shown = terminal.until(lambda screen: "exit=" in screen)
    assert [line for line in shown.split("\n") if line] == ["before", "exit=0"]


def test_what_cannot_be_opened_is_exit_code_2(terminal: Terminal) -> None:
    terminal.start(kho_tui("README.md"))
    terminal.until(lambda screen: "try again" in screen)
    terminal.keys("q")
    terminal.until(lambda screen: "exit=2" in screen)


def test_ctrl_c_is_exit_code_130(terminal: Terminal) -> None:
    terminal.start(kho_tui("samples/x86_64-7.3/2-pre"))
    terminal.until(lambda screen: "vm-alpha2" in screen)
    terminal.keys("C-c")
    terminal.until(lambda screen: "exit=130" in screen)


def has(text: str, screen: str) -> bool:
    return text in screen


def fills(height: int, name: str, screen: str) -> bool:
    """The place is named in the first line, and the last line has the last hint."""
    lines = screen.split("\n")
    return f" {name} " in lines[0] and "quit" in lines[height - 1]


@pytest.mark.parametrize("exported", ["", "COLUMNS=80 LINES=24 "])
def test_a_window_may_shrink_and_grow_while_one_looks(terminal: Terminal, exported: str) -> None:
    terminal.start(f"env {exported}TERM=linux {kho_tui('samples/x86_64-7.3/1-pre')}")
    terminal.until(lambda screen: "session vm-alpha" in screen)
    for place, name, told in (("3", "map", "k kernel"), ("4", "LUO", "sessions of out"), ("2", "tree", "vm-beta")):
        terminal.types(place)
        terminal.until(partial(has, told))
        for width, height in ((60, 20), (30, 8), (160, 48), (80, 24)):
            terminal.tmux("resize-window", "-x", str(width), "-y", str(height))
            shown = terminal.until(partial(fills, height, name))
            assert "before" not in shown and len(shown.rstrip("\n").split("\n")) == height
    terminal.keys("q")
    terminal.until(lambda screen: "exit=0" in screen)
