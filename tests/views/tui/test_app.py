"""What a user of the app can count on, on a state without a decoder."""

from __future__ import annotations

import threading

import pytest
from fake_state import BrokenRows, fake_state
from textual.widgets import Input
from views.app_user import using, using_state

from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.views.tui.loaded import Loaded
from kho_tui.views.tui.loading import LoadingScreen

SIZES = [(80, 24), (160, 48), (60, 20), (30, 8)]


def load_fake(_context: Context) -> Loaded:
    return fake_state()


async def test_opens_with_the_verdict_and_the_overview() -> None:
    async with using_state(load_fake) as user:
        assert "kho-v4, 3 sessions" in user.panel("top")
        assert user.path == "overview"
        assert "what was opened" in user.info
        for word in ("scratch", "stale", "damaged", "partial", "unknown"):
            await user.sees(word)


@pytest.mark.parametrize("size", SIZES)
async def test_every_entity_can_be_shown_at_every_size(size: tuple[int, int]) -> None:
    async with using_state(load_fake, size=size) as user:
        rows = user.tree.entities.model.rows
        at = 0
        while at < len(rows):
            user.tree.entities.model.expand(at)
            user.tree.entities.rows_changed(at)
            await user.settle()
            assert all(len(line) <= size[0] for line in user.screen.split("\n"))
            at += 1
        await user.press("tab", "tab", "tab", "tab", "z", "z", "question_mark", "escape")
        assert at > 20


async def test_hostile_names_are_only_text() -> None:
    async with using_state(load_fake, size=(160, 48)) as user:
        await user.search("LUO")
        await user.press("l")
        assert "\x1b" not in user.screen
        await user.sees("\\x1b[31mred\\x1b[0m", "[bold red]markup[/] $panic", "bidi \\u{202e}gpj.exe", "\\xff\\xfe broken utf-8")


async def test_a_selected_field_tells_meaning_place_and_bytes() -> None:
    async with using_state(load_fake) as user:
        await user.search("sessions_pa")
        assert user.field == "sessions_pa"
        assert "first block of the session list" in user.info
        assert "phys 0x7f801018" in user.info
        await user.sees("[00 20 80 7f 00 00 00 00]")


async def test_enter_on_a_pointer_goes_there_and_backspace_returns_to_the_field() -> None:
    async with using_state(load_fake) as user:
        await user.search("sessions_pa")
        await user.press("tab", "enter")
        assert user.path == "out/LUO/vm-alpha"
        await user.press("backspace")
        assert user.path == "out/LUO"
        assert user.field == "sessions_pa"
        await user.press("alt+right")
        assert user.path == "out/LUO/vm-alpha"


async def test_a_page_frame_number_leads_to_its_row_of_a_list() -> None:
    async with using_state(load_fake) as user:
        await user.search("vm-alpha")
        await user.press("tab", "G", "enter")
        assert user.path == "out/preserved"
        assert user.rows.cursor == 2


async def test_a_list_of_100_million_rows_goes_anywhere_at_once() -> None:
    async with using_state(load_fake) as user:
        await user.go_to_address("pfn:0x100006")
        rows = user.rows
        assert (user.path, rows.cursor) == ("out/preserved", 3)
        await user.press("G")
        assert rows.cursor == 99_999_999
        await user.sees(f"{0x1_0000_0000 + 99_999_999 * 8192:#x}")
        await user.press("ctrl+u", "g", "g")
        assert rows.cursor == 0
        await user.press("y")
        assert user.bar.strip() == "copied 0x100000000  sent by OSC 52"


async def test_what_cannot_be_read_is_said_where_it_would_stand() -> None:
    async with using_state(lambda context: fake_state(BrokenRows())) as user:
        await user.search("preserved memory")
        await user.press("n")
        await user.sees("cannot be read: the file has shrunk")
        await user.search("broken")
        await user.press("n")
        assert user.path == "out/broken"
        assert "ValueError: bug \\x1b[31m" in user.info


async def test_search_steps_through_hits_and_says_when_there_are_none() -> None:
    async with using_state(load_fake) as user:
        await user.search("VM-")
        assert user.path == "out/LUO/vm-alpha"
        assert "1/3" in user.bar
        await user.press("n")
        assert user.path == "out/LUO/vm-beta"
        await user.press("N", "N")
        assert user.path == "findings/KHO101-1"
        await user.search("no such thing [red]")
        assert "nothing matches no such thing [red]" in user.bar


async def test_brackets_step_through_findings_and_enter_goes_to_the_culprit() -> None:
    async with using_state(load_fake) as user:
        await user.press("right_square_bracket", "right_square_bracket")
        assert user.path == "findings/KHO101-1"
        await user.press("right_square_bracket", "left_square_bracket", "enter")
        assert user.path == "out/LUO/vm-beta"


async def test_an_address_that_nothing_holds_or_that_is_none() -> None:
    async with using_state(load_fake) as user:
        await user.go_to_address("0xdead0000")
        assert "nothing in this state holds 0xdead0000" in user.bar
        await user.go_to_address("zebra")
        assert "not an address: zebra" in user.bar
        await user.press("at", "escape", "j")
        assert user.path == "scratch"


async def test_letters_typed_into_a_search_are_no_keys() -> None:
    async with using_state(load_fake) as user:
        await user.pilot.press("slash", "q", "r", "z")
        assert user.app.screen.query_one(Input).value == "qrz"
        await user.press("tab", "escape")
        assert user.path == "overview"
        assert not user.state.has_class("-zoomed")


async def test_number_base_changes_by_x() -> None:
    async with using_state(load_fake) as user:
        await user.press("G", "slash")
        await user.type("sessions_pa")
        await user.sees("0x7f802000")
        await user.press("x", "x")
        await user.sees(str(0x7F802000))


async def test_left_goes_up_and_closes() -> None:
    async with using_state(load_fake) as user:
        await user.search("vm-alpha")
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
        await user.opened()
        await user.search("vm-beta")
        await user.press("r")
        await user.until(lambda: isinstance(user.app.screen, LoadingScreen) and "the capture is gone" in user.panel("loading"))
        await user.press("escape")
        await user.opened()
        assert user.path == "out/LUO/vm-beta"
        await user.press("r")
        await user.until(lambda: loads == 3)
        await user.opened()
        assert user.path == "out/LUO/vm-beta"
        assert len(user.app.screen_stack) == 2


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "linux", "COLORTERM": ""}, {"LANG": "C"}])
async def test_plain_terminals_tell_the_same(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    async with using_state(load_fake) as user:
        await user.search("sessions_pa")
        await user.sees("[00 20 80 7f 00 00 00 00]")
        await user.sees("stale")
        if environ.get("LANG") == "C":
            assert user.app.look.glyphs.follow == ">"


async def test_every_binding_has_an_id_and_a_description() -> None:
    async with using_state(load_fake) as user:
        for active in user.app.screen.active_bindings.values():
            assert active.binding.id and active.binding.description


async def test_hex_view_follows_the_width() -> None:
    async with using_state(load_fake) as user:
        await user.search("sessions_pa")
        dump = user.hex
        assert dump.row_count() == 256 // 8
        await user.pilot.resize_terminal(160, 48)
        await user.until(lambda: dump.row_count() == 256 // 16)
        await user.settle()
        await user.sees("[00 20 80 7f 00 00 00 00]")
