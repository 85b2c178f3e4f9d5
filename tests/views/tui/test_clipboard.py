"""Copying: by tmux, by OSC 52, or by showing the text; the user is told which."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot
from views.tui.right_side_user import RightSideApp

from kho_tui.text import SafeText
from kho_tui.views.tui.clipboard import TextScreen, TextView, copy

ADDRESS = SafeText("0x1931000")


@pytest.fixture
def tmux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A tmux server of its own that the environment points at, as inside of it."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    socket = tmp_path / "tmux"
    subprocess.run(["tmux", "-S", str(socket), "-f", "/dev/null", "new-session", "-d", "cat"], check=True, timeout=20)
    monkeypatch.setenv("TMUX", f"{socket},1,0")
    yield socket
    subprocess.run(["tmux", "-S", str(socket), "kill-server"], check=False, capture_output=True, timeout=20)


async def test_inside_tmux_by_its_buffer(tmux: Path) -> None:
    async with RightSideApp().run_test() as pilot:
        assert "by tmux" in copy(pilot.app, ADDRESS)
        shown = subprocess.run(["tmux", "-S", str(tmux), "show-buffer"], check=True, capture_output=True, text=True, timeout=20)
        assert shown.stdout == ADDRESS


async def test_by_osc_52_and_no_more_is_promised() -> None:
    async with RightSideApp().run_test() as pilot:
        assert copy(pilot.app, ADDRESS) == "sent by OSC 52"
        assert pilot.app.clipboard == ADDRESS


async def test_a_tmux_that_is_gone_does_not_keep_the_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMUX", f"{tmp_path}/gone,1,0")
    async with RightSideApp().run_test() as pilot:
        assert copy(pilot.app, ADDRESS) == "sent by OSC 52"


@pytest.mark.parametrize("term", ["linux", "dumb"])
async def test_where_nothing_takes_a_copy_the_text_is_shown_whole(monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    monkeypatch.setenv("TERM", term)
    text = SafeText(" ".join(f"word{n}" for n in range(60)))
    async with RightSideApp().run_test(size=(60, 20)) as pilot:
        assert "select the text" in copy(pilot.app, text)
        await pilot.pause()
        assert isinstance(pilot.app.screen, TextScreen)
        assert shown(pilot) == text
        await pilot.press("escape")
        assert not isinstance(pilot.app.screen, TextScreen)


def shown(pilot: Pilot[None]) -> str:
    view = pilot.app.screen.query_one(TextView)
    return " ".join("".join(span.text for span in line) for line in view.lines(0, view.row_count(), 60))
