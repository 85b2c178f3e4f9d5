"""A state that changes while one looks at it."""

from __future__ import annotations

import shutil
from pathlib import Path
from threading import Event

from captures import SAMPLES
from views.app_user import User, opening, using_state

from kho_tui.operations.watch import Watch as PathWatch
from kho_tui.views.tui.loaded import Watch


class Nudge:
    """Something that changed when a test says so."""

    def __init__(self) -> None:
        self._news = Event()
        self.baselines = 0

    def changed(self) -> bool:
        self.baselines += 1
        seen = self._news.is_set()
        self._news.clear()
        return seen

    def poke(self) -> None:
        self._news.set()

    @property
    def watch(self) -> Watch:
        return Watch(self.changed, 0.02)


def capture(tmp_path: Path) -> Path:
    """A capture without memory that a test can change."""
    path = tmp_path / "capture"
    shutil.copytree(SAMPLES / "x86_64-7.3" / "2-pre", path, ignore=shutil.ignore_patterns("memory.elf"))
    return path


async def another(user: User, screen: object) -> None:
    await user.until(lambda: user.app.screen is not screen)
    await user.opened()
    assert "since" in user.bar


async def test_what_changed_is_marked_and_the_place_is_kept(tmp_path: Path) -> None:
    path, nudge = capture(tmp_path), Nudge()
    async with using_state(opening(str(path)), watch=nudge.watch) as user:
        await user.search("/memblock")
        await user.press("tab", "tab", "shift+tab")
        there, first = user.path, user.app.screen
        (path / "cmdline").write_text("console=ttyS0 kho=on something=else\n")
        shutil.copy(path / "kho/out/sub_fdts/memblock", path / "kho/out/sub_fdts/later")
        nudge.poke()
        await another(user, first)
        assert user.path == there
        assert "changed" in user.bar and "new since " in user.bar
        await user.press("tab")
        rows = [str(row.entity.path) for row in user.tree.entities.model.rows]
        shown = ["".join(span.text for span in line) for line in user.tree.entities.lines(0, len(rows), 40)]
        assert "~ " in shown[rows.index("machine")]
        assert "+ " in next(line for path, line in zip(rows, shown, strict=True) if path.endswith("/later"))
        assert len(user.app.screen_stack) == 2


async def test_a_capture_that_cannot_be_read_now_keeps_what_is_shown(tmp_path: Path) -> None:
    path, nudge = capture(tmp_path), Nudge()
    async with using_state(opening(str(path)), watch=nudge.watch) as user:
        first = user.app.screen
        path.rename(tmp_path / "away")
        nudge.poke()
        await user.until(lambda: "cannot be read now, shown as of" in user.bar)
        assert user.app.screen is first
        (tmp_path / "away").rename(path)
        await another(user, first)
        assert "nothing changed since" in user.bar


async def test_what_is_typed_or_open_is_not_taken_away(tmp_path: Path) -> None:
    nudge = Nudge()
    async with using_state(opening(str(capture(tmp_path))), watch=nudge.watch) as user:
        first = user.app.screen
        await user.press("slash", "a")
        nudge.poke()
        count = nudge.baselines
        await user.until(lambda: nudge.baselines > count + 3)
        assert user.app.screen is first and user.state.bottom.is_asking
        await user.press("escape")
        await another(user, first)


async def test_a_changed_file_is_noticed_by_itself(tmp_path: Path) -> None:
    path = capture(tmp_path)
    async with using_state(opening(str(path)), watch=Watch(PathWatch(path).changed, 0.02)) as user:
        first = user.app.screen
        (path / "cmdline").write_text("console=ttyS0 kho=off\n")
        await another(user, first)
        assert "changed since" in user.bar
        await user.press("r")
        await user.opened()
        assert user.path == "machine"
