"""What a user of the app can count on, on a state without a decoder."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input
from views.tui.fake_state import BrokenRows, fake_state

from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.text import SafeText
from kho_tui.views.tui.app import KhoApp
from kho_tui.views.tui.detail_panes import FieldsPane, RowsPane
from kho_tui.views.tui.hex_pane import HexPane
from kho_tui.views.tui.loaded import Loaded, Loader
from kho_tui.views.tui.loading import LoadingScreen
from kho_tui.views.tui.paint import Panel
from kho_tui.views.tui.state_screen import StateScreen

SIZES = [(80, 24), (160, 48), (60, 20), (30, 8)]


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMUX", "NO_COLOR", "LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("LANG", "C.UTF-8")


class User:
    """Hands and eyes of a test."""

    def __init__(self, app: KhoApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def state(self) -> StateScreen:
        assert isinstance(self.app.screen, StateScreen)
        return self.app.screen

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(500):
            await self.pilot.pause()
            if condition():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("nothing came of it")

    async def settle(self) -> None:
        await self.until(lambda: not isinstance(self.app.screen, StateScreen) or not self.app.screen.busy)

    async def press(self, *keys: str) -> None:
        """Keys as the driver sends them; a pilot would take 60 ms over each."""
        for key in keys:
            self.app.post_message(events.Key(key, key if len(key) == 1 else None))
            await self.settle()

    async def type(self, text: str) -> None:
        self.app.screen.query_one(Input).value = text
        await self.press("enter")

    def panel(self, name: str) -> str:
        return self.app.screen.query_one(f"#{name}", Panel).shown

    @property
    def bar(self) -> str:
        return self.panel("bar")

    @property
    def path(self) -> str:
        here = self.state.here
        assert here is not None
        return str(here.path)

    @property
    def screen(self) -> str:
        """All that is drawn, as text."""
        width, height = self.app.size
        return "\n".join("".join(segment.text for segment in strip) for strip in self.app.screen._compositor.render_strips())[
            : (width + 1) * height
        ]


@asynccontextmanager
async def using(load: Loader | None = None, size: tuple[int, int] = (80, 24)) -> AsyncIterator[User]:
    app = KhoApp(load or (lambda context: fake_state()), SafeText("x86_64-7.3/2-pre"))
    async with app.run_test(size=size) as pilot:
        user = User(app, pilot)
        if load is None:
            await user.until(lambda: isinstance(app.screen, StateScreen))
            await user.settle()
        yield user


async def test_opens_with_the_verdict_and_the_overview() -> None:
    async with using() as user:
        assert "kho-v4, 3 sessions" in user.panel("verdict")
        assert user.path == "overview"
        assert "what was opened" in user.panel("info")
        for word in ("scratch", "stale", "damaged", "partial", "unknown"):
            assert word in user.screen


@pytest.mark.parametrize("size", SIZES)
async def test_every_entity_can_be_shown_at_every_size(size: tuple[int, int]) -> None:
    async with using(size=size) as user:
        rows = user.state.entities.model.rows
        at = 0
        while at < len(rows):
            user.state.entities.model.expand(at)
            user.state.entities.rows_changed(at)
            await user.settle()
            assert all(len(line) <= size[0] for line in user.screen.split("\n"))
            at += 1
        await user.press("tab", "tab", "tab", "tab", "z", "z", "question_mark", "escape")
        assert at > 20


async def test_hostile_names_are_only_text() -> None:
    async with using(size=(160, 48)) as user:
        await user.press("slash")
        await user.type("LUO")
        await user.press("l")
        shown = user.screen
        assert "\x1b" not in shown
        assert "\\x1b[31mred\\x1b[0m" in shown
        assert "[bold red]markup[/] $panic" in shown
        assert "bidi \\u{202e}gpj.exe" in shown
        assert "\\xff\\xfe broken utf-8" in shown


async def test_a_selected_field_tells_meaning_place_and_bytes() -> None:
    async with using() as user:
        await user.press("slash")
        await user.type("sessions_pa")
        fields = user.app.screen.query_one(FieldsPane)
        assert fields.value is not None and fields.value.name == "sessions_pa"
        assert "first block of the session list" in user.panel("info")
        assert "phys 0x7f801018" in user.panel("info")
        assert "[00 20 80 7f 00 00 00 00]" in user.screen


async def test_enter_on_a_pointer_goes_there_and_backspace_returns_to_the_field() -> None:
    async with using() as user:
        await user.press("slash")
        await user.type("sessions_pa")
        await user.press("tab", "enter")
        assert user.path == "out/LUO/vm-alpha"
        await user.press("backspace")
        assert user.path == "out/LUO"
        fields = user.app.screen.query_one(FieldsPane)
        assert fields.value is not None and fields.value.name == "sessions_pa"
        await user.press("alt+right")
        assert user.path == "out/LUO/vm-alpha"


async def test_a_page_frame_number_leads_to_its_row_of_a_list() -> None:
    async with using() as user:
        await user.press("slash")
        await user.type("vm-alpha")
        await user.press("tab", "G", "enter")
        assert user.path == "out/preserved"
        assert user.app.screen.query_one(RowsPane).cursor == 2


async def test_a_list_of_100_million_rows_goes_anywhere_at_once() -> None:
    async with using() as user:
        await user.press("at")
        await user.type("pfn:0x100006")
        rows = user.app.screen.query_one(RowsPane)
        assert (user.path, rows.cursor) == ("out/preserved", 3)
        await user.press("G")
        assert rows.cursor == 99_999_999
        assert f"{0x1_0000_0000 + 99_999_999 * 8192:#x}" in user.screen
        await user.press("ctrl+u", "g", "g")
        assert rows.cursor == 0
        await user.press("y")
        assert user.bar.strip() == "copied 0x100000000  sent by OSC 52"


async def test_what_cannot_be_read_is_said_where_it_would_stand() -> None:
    async with using(lambda context: fake_state(BrokenRows())) as user:
        await user.until(lambda: isinstance(user.app.screen, StateScreen))
        await user.settle()
        await user.press("slash")
        await user.type("preserved memory")
        await user.press("n")
        assert "cannot be read: the file has shrunk" in user.screen
        await user.press("slash")
        await user.type("broken")
        await user.press("n")
        assert user.path == "out/broken"
        assert "ValueError: bug \\x1b[31m" in user.panel("info").replace("\n   ", " ")


async def test_search_steps_through_hits_and_says_when_there_are_none() -> None:
    async with using() as user:
        await user.press("slash")
        await user.type("VM-")
        assert user.path == "out/LUO/vm-alpha"
        assert "1/3" in user.bar
        await user.press("n")
        assert user.path == "out/LUO/vm-beta"
        await user.press("N", "N")
        assert user.path == "findings/KHO101-1"
        await user.press("slash")
        await user.type("no such thing [red]")
        assert "nothing matches no such thing [red]" in user.bar


async def test_brackets_step_through_findings_and_enter_goes_to_the_culprit() -> None:
    async with using() as user:
        await user.press("right_square_bracket", "right_square_bracket")
        assert user.path == "findings/KHO101-1"
        await user.press("right_square_bracket", "left_square_bracket", "enter")
        assert user.path == "out/LUO/vm-beta"


async def test_an_address_that_nothing_holds_or_that_is_none() -> None:
    async with using() as user:
        await user.press("at")
        await user.type("0xdead0000")
        assert "nothing in this state holds 0xdead0000" in user.bar
        await user.press("at")
        await user.type("zebra")
        assert "not an address: zebra" in user.bar
        await user.press("at", "escape", "j")
        assert user.path == "scratch"


async def test_letters_typed_into_a_search_are_no_keys() -> None:
    async with using() as user:
        await user.pilot.press("slash", "q", "r", "z")
        assert user.app.screen.query_one(Input).value == "qrz"
        await user.press("tab", "escape")
        assert user.path == "overview"
        assert not user.state.has_class("-zoomed")


async def test_number_base_changes_by_x() -> None:
    async with using() as user:
        await user.press("G", "slash")
        await user.type("sessions_pa")
        assert "0x7f802000" in user.screen
        await user.press("x", "x")
        assert str(0x7F802000) in user.screen


async def test_left_goes_up_and_closes() -> None:
    async with using() as user:
        await user.press("slash")
        await user.type("vm-alpha")
        await user.press("h")
        assert user.path == "out/LUO"
        await user.press("h", "h")
        assert user.path == "out"


async def test_loading_shows_progress_and_escape_cancels() -> None:
    started = threading.Event()

    def load(context: Context) -> Loaded:
        for i in range(100_000):
            context.step("reading bitmaps", i, 100_000)
            started.set()
            context.cancelled.wait(0.001)
        return fake_state()

    async with using(load) as user:
        await user.until(started.is_set)
        await user.until(lambda: "reading bitmaps" in user.panel("loading"))
        await user.press("escape")
        await user.until(lambda: "Cancelled." in user.panel("loading"))
        await user.press("q")
    assert user.app.return_code == 130


@pytest.mark.parametrize("error", [InputError("no KHO state in \x1b[31m[red]x"), MemoryError(), ZeroDivisionError("bug")])
async def test_a_load_error_is_one_line_and_exit_code_2(error: Exception) -> None:
    def load(_context: Context) -> Loaded:
        raise error

    async with using(load) as user:
        await user.until(lambda: "try again" in user.panel("loading"))
        assert "\x1b" not in user.panel("loading")
        await user.press("q")
    assert user.app.return_code == 2


async def test_reload_comes_back_to_the_same_place_and_survives_a_failure() -> None:
    loads = 0

    def load(_context: Context) -> Loaded:
        nonlocal loads
        loads += 1
        if loads == 2:
            raise InputError("the capture is gone")
        return fake_state()

    async with using(load) as user:
        await user.until(lambda: isinstance(user.app.screen, StateScreen))
        await user.settle()
        await user.press("slash")
        await user.type("vm-beta")
        await user.press("r")
        await user.until(lambda: isinstance(user.app.screen, LoadingScreen) and "the capture is gone" in user.panel("loading"))
        await user.press("escape")
        await user.until(lambda: isinstance(user.app.screen, StateScreen))
        assert user.path == "out/LUO/vm-beta"
        await user.press("r")
        await user.until(lambda: loads == 3 and isinstance(user.app.screen, StateScreen) and user.state.here is not None)
        await user.settle()
        assert user.path == "out/LUO/vm-beta"
        assert len(user.app.screen_stack) == 2


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "linux", "COLORTERM": ""}, {"LANG": "C"}])
async def test_plain_terminals_tell_the_same(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    async with using() as user:
        await user.press("slash")
        await user.type("sessions_pa")
        assert "[00 20 80 7f 00 00 00 00]" in user.screen
        assert "stale" in user.screen
        if environ.get("LANG") == "C":
            assert user.app.look.glyphs.follow == ">"


async def test_every_binding_has_an_id_and_a_description() -> None:
    async with using() as user:
        for active in user.app.screen.active_bindings.values():
            assert active.binding.id and active.binding.description


async def test_hex_view_follows_the_width() -> None:
    async with using() as user:
        await user.press("slash")
        await user.type("sessions_pa")
        dump = user.app.screen.query_one(HexPane)
        assert dump.row_count() == 256 // 8
        await user.pilot.resize_terminal(160, 48)
        await user.pilot.pause()
        assert dump.row_count() == 256 // 16
        assert "[00 20 80 7f 00 00 00 00]" in user.screen
