"""The places of the app, the keys that hold in all of them, and the ways between them."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import replace
from itertools import combinations

import pytest
from captures import CHECKOUT, sample
from fake_state import HOSTILE, fake_state
from textual import events
from views.app_user import User, opening, using_state

from kho_tui.context import Context
from kho_tui.text import SafeText
from kho_tui.views.tui.app import KhoApp
from kho_tui.views.tui.config import Config
from kho_tui.views.tui.keymap import meet
from kho_tui.views.tui.loaded import Loaded
from kho_tui.views.tui.navigate import ListSpot, Where
from kho_tui.views.tui.overview_body import OverviewBody

ONE_PRE = "samples/x86_64-7.3/1-pre"
OVERVIEW = ListSpot(Where.OVERVIEW)
SIZES = [(80, 24), (160, 48), (60, 20), (30, 8)]


@pytest.fixture(autouse=True)
def from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)


def load_fake(_context: Context) -> Loaded:
    return fake_state()


def place(user: User) -> str:
    return user.where.value


def line(user: User, number: int) -> str:
    return user.panel("top").split("\n")[number]


async def test_the_app_opens_on_the_overview() -> None:
    async with using_state(opening(ONE_PRE), start=OVERVIEW) as user:
        assert place(user) == "overview"


@pytest.mark.parametrize("size", SIZES)
async def test_digits_lead_to_every_place_at_every_size(size: tuple[int, int]) -> None:
    async with using_state(opening(ONE_PRE), size) as user:
        for number, where in enumerate(Where, 1):
            await user.press(str(number))
            assert user.where is where
            assert str(number) in line(user, 0)
            assert all(len(row) <= size[0] for row in user.screen.split("\n"))


async def test_places_are_named_where_there_is_room() -> None:
    async with using_state(load_fake) as user:
        assert line(user, 0).split()[:4] == ["1", "overview", "2", "tree"]
        await user.pilot.resize_terminal(60, 20)
        await user.until(lambda: "1 over  2 tree " in line(user, 0))
        await user.pilot.resize_terminal(30, 20)
        await user.until(lambda: "2 tree  3  4 " in line(user, 0))


async def test_a_place_that_is_laid_out_while_one_leaves_it_does_not_take_the_keys_along() -> None:
    async with using_state(opening(ONE_PRE), start=OVERVIEW) as user:
        await user.press("2", "1")
        body = user.state.body
        assert isinstance(body, OverviewBody)
        body._lay_out()
        await user.state.action_place(list(Where).index(Where.TREE) + 1)
        await user.settle()
        assert user.app.focused is not None
        assert user.app.focused.id == "tree"


async def test_history_goes_over_all_places() -> None:
    async with using_state(opening(ONE_PRE), start=OVERVIEW) as user:
        await user.press("2")
        await user.search("/vm-alpha")
        await user.press("3", "7", "backspace")
        assert place(user) == "map"
        await user.press("backspace")
        assert user.path == "out/LUO/vm-alpha"
        await user.press("backspace", "backspace")
        assert place(user) == "overview"
        await user.press("backspace")
        assert "nothing to go back to" in user.bar
        await user.press("alt+right", "alt+right", "alt+right")
        assert place(user) == "map"


async def test_a_place_is_found_as_it_was_left() -> None:
    async with using_state(opening(ONE_PRE)) as user:
        await user.search("/vm-alpha")
        await user.press("tab", "down", "down")
        field = user.field
        await user.press("7", "2")
        assert (user.path, user.field) == ("out/LUO/vm-alpha", field)
        assert user.app.focused is user.fields


async def test_the_breadcrumb_tells_where_one_is() -> None:
    async with using_state(opening(ONE_PRE)) as user:
        await user.search("/vm-alpha")
        assert line(user, 1).strip() == f"{ONE_PRE} > out > LUO > vm-alpha"
        await user.press("3")
        await user.go_to_address("0x3f000000")
        assert "out > 0x3f000000 > out/memblock/oops_trace" in line(user, 1)


async def test_the_breadcrumb_shows_captured_names_as_text() -> None:
    async with using_state(load_fake, (160, 48)) as user:
        await user.search("red")
        assert "out > LUO > \\x1b[31mred" in line(user, 1)


async def test_a_long_way_keeps_its_end() -> None:
    def load(_context: Context) -> Loaded:
        return replace(fake_state(), title=SafeText("/very/long" * 20 + "/2-pre"))

    async with using_state(load) as user:
        await user.search(HOSTILE[-1].decode())
        assert len(line(user, 1)) <= 80
        assert line(user, 1).endswith("x" * 60)
        await user.press("home")
        assert line(user, 1).endswith("/2-pre > overview")


async def test_the_verdict_takes_a_second_line_only_where_there_is_room() -> None:
    async with using_state(load_fake) as user:
        assert user.panel("top").count("\n") == 2
        await user.pilot.resize_terminal(80, 40)
        await user.until(lambda: user.panel("top").count("\n") == 3)


async def test_the_command_that_prints_this_is_copied_and_runs() -> None:
    async with using_state(opening(ONE_PRE)) as user:
        await user.search("/vm-alpha")
        await user.press("Y")
        assert f"copied kho-tui show {ONE_PRE} --side out  sent by OSC 52" in user.bar
        copied = user.app.clipboard
        await user.press("3", "Y")
        assert user.app.clipboard.startswith(f"kho-tui map {ONE_PRE} --side out --range 0x")
    words = shlex.split(copied)
    done = subprocess.run([sys.executable, "-m", words[0].replace("-", "_"), *words[1:]], capture_output=True, text=True, check=True)
    assert "vm-alpha" in done.stdout


async def test_a_path_of_several_words_is_quoted() -> None:
    def load(_context: Context) -> Loaded:
        return replace(fake_state(), path="my captures/$(reboot)", options=("--side", "in"))

    async with using_state(load) as user:
        await user.press("Y")
        assert user.app.clipboard == "kho-tui show 'my captures/$(reboot)' --side in"


async def test_the_number_base_holds_in_all_places() -> None:
    async with using_state(load_fake) as user:
        await user.press("7", "x", "x", "2")
        await user.search("sessions_pa")
        await user.sees(str(0x7F802000))


def places_part(user: User) -> list[str]:
    """The place without what is above it, and without the number base and whatever else the last line says."""
    return user.screen.split("\n")[3:-1]


@pytest.mark.parametrize("where", Where)
async def test_a_place_first_visited_later_has_the_number_base_too(where: Where) -> None:
    digit = str(list(Where).index(where) + 1)
    elsewhere = Where.SOURCES if where is not Where.SOURCES else Where.OVERVIEW
    async with using_state(opening(ONE_PRE), start=ListSpot(elsewhere)) as user:
        await user.press(digit, "x")
        await user.stands_still()
        there_already = places_part(user)
    async with using_state(opening(ONE_PRE), start=ListSpot(elsewhere)) as user:
        await user.press("x", digit)
        await user.stands_still()
        assert places_part(user) == there_already


async def test_the_number_base_of_the_config_holds_also_after_another_read() -> None:
    app = KhoApp(opening(ONE_PRE), SafeText("1-pre"), Config(numbers="hex"), start=ListSpot(Where.BLOCKS))
    async with app.run_test(size=(80, 24)) as pilot:
        user = User(app, pilot)
        await user.opened()
        await user.sees(" 0x1000 ")
        await user.press("r")
        await user.opened()
        assert place(user) == "blocks"
        await user.sees(" 0x1000 ")
    app.close_state()


async def test_zoom_shows_one_pane_and_ends_with_the_place() -> None:
    async with using_state(load_fake) as user:
        await user.search("LUO")
        await user.press("tab", "z")
        assert user.fields.display and not user.tree.entities.display and not user.hex.display
        await user.press("tab")
        assert user.hex.display and not user.fields.display
        await user.press("7", "2")
        assert user.tree.entities.display and user.fields.display


async def test_a_click_on_a_place_goes_there() -> None:
    async with using_state(load_fake) as user:
        await user.pilot.click("#top", offset=(line(user, 0).index("7 find"), 0))
        await user.settle()
        assert place(user) == "findings"


async def test_every_binding_has_an_id_and_a_description_and_no_key_two_meanings() -> None:
    async with using_state(opening(ONE_PRE)) as user:
        for number in range(1, len(Where) + 1):
            await user.press(str(number))
            body = user.state.body
            assert body is not None
            for pane in body.panes:
                user.state.set_focus(pane)
                await user.settle()
                chain = [bindings.key_to_bindings for _, bindings in user.state._binding_chain]
                for one, other in combinations(chain, 2):
                    assert not set(one) & set(other), (number, pane, set(one) & set(other))
                together = {binding.id for keys in chain for bindings in keys.values() for binding in bindings if binding.id}
                assert all(meet(one, other) for one, other in combinations(together, 2)), (number, pane)
                for active in user.state.active_bindings.values():
                    assert active.binding.id and active.binding.description


async def test_a_warning_about_the_reading_stays_in_sight() -> None:
    def load(_context: Context) -> Loaded:
        return replace(fake_state(), note=SafeText("the state changed while being read: kho/out/fdt"))

    async with using_state(load) as user:
        assert "changed while being read: kho/out/fdt" in user.bar
        await user.press("j", "j")
        assert "changed while being read: kho/out/fdt" in user.bar
        await user.press("escape")
        assert "changed while being read" not in user.bar


async def test_a_place_that_is_left_while_it_is_laid_out_anew_does_not_take_the_keys_back() -> None:
    """The overview is when a check ends; a key that leads elsewhere may come before all of that is done."""
    async with using_state(opening(str(sample("x86_64-7.3") / "1-pre")), start=ListSpot(Where.OVERVIEW)) as user:
        assert user.state.body is not None
        user.state.body.post_message(events.Resize(user.state.body.size, user.state.body.size))
        user.send("2")
        await user.settle()
        assert user.where is Where.TREE
        await user.press("j")
        assert user.app.focused is user.tree.entities
        assert user.tree.entities.cursor == 1
