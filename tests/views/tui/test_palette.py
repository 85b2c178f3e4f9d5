"""The palette: everything that can be done, by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from captures import CHECKOUT
from fake_state import fake_state
from states.catalogue import hostile_names
from views.app_user import opening, using_state

from kho_tui.context import Context
from kho_tui.operations.map_state import Whois
from kho_tui.views.cli.open_app import load_request
from kho_tui.views.cli.request import Request
from kho_tui.views.tui.fuzzy import fit_of
from kho_tui.views.tui.loaded import Loaded
from kho_tui.views.tui.navigate import Where
from kho_tui.views.tui.palette import Palette
from kho_tui.views.tui.state_screen import StateScreen

ONE_PRE = "samples/x86_64-7.3/1-pre"


@pytest.fixture(autouse=True)
def from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)


def load_fake(_context: Context) -> Loaded:
    return fake_state()


async def test_all_actions_and_places_are_offered_and_can_be_run() -> None:
    async with using_state(load_fake) as user:
        await user.command("")
        offers = user.offers
        for words in ("copy the selected value", "to findings", "quit", "read the state again", "expand or collapse"):
            assert any(words in offer for offer in offers), words
        await user.press("escape")
        assert isinstance(user.app.screen, StateScreen)
        await user.command("to find")
        await user.press("enter")
        assert user.where is Where.FINDINGS


async def test_characters_in_order_are_enough() -> None:
    async with using_state(load_fake) as user:
        await user.command("nbase")
        assert user.offers[0].startswith("number base")
        await user.press("enter")
        assert user.state.base == "hex"


async def test_up_and_down_choose() -> None:
    async with using_state(load_fake) as user:
        await user.command("to ")
        second = user.offers[1]
        await user.press("down", "down", "up")
        await user.press("escape")
        assert second


async def test_what_fits_nothing_says_so() -> None:
    async with using_state(load_fake) as user:
        await user.command("zqzq\x1b[31m[red]")
        assert user.offers == []
        assert user.panel("palette-said").strip() == "nothing fits zqzq\\x1b[31m[red]"
        await user.press("enter", "down", "escape")
        assert user.path == "overview"


async def test_letters_typed_there_are_no_keys() -> None:
    async with using_state(load_fake) as user:
        await user.press("colon", "q", "r", "tab", "question_mark")
        assert user.palette
        await user.press("escape")
        assert user.path == "overview"


async def test_goto_goes_to_an_address_and_tells_what_is_none() -> None:
    async with using_state(load_fake) as user:
        await user.command("goto")
        await user.press("enter")
        await user.press("enter")
        assert "goto takes ADDRESS" in user.panel("palette-said")
        await user.press("escape")
        await user.command("goto zebra")
        await user.press("enter")
        assert "not an address: zebra" in user.panel("palette-said")
        await user.press("escape")
        await user.command("goto 0x7f801018")
        await user.press("enter")
        assert (user.path, user.field) == ("out/LUO", "sessions_pa")
        await user.press("backspace")
        assert user.path == "overview"


async def test_whois_answers_and_leads_to_the_owner() -> None:
    async with using_state(opening(ONE_PRE)) as user:
        await user.command("whois 0x1931000")
        await user.press("enter")
        assert "folio" in user.offers[0] or "vm-" in user.offers[0]
        assert "preserved" in user.panel("palette-said")
        await user.press("enter")
        assert (user.path, user.rows.cursor) == ("out/LUO/vm-alpha/0x1/folios", 1084)
        assert user.app.focused is user.rows


async def test_what_is_typed_in_one_go_is_what_is_done() -> None:
    """A paste, or a slow line: Enter comes before the palette has seen what was typed."""
    async with using_state(opening(ONE_PRE)) as user:
        user.send("colon", *"whois 0x1931000", "enter")
        await user.until(lambda: isinstance(user.app.screen, Palette) and "preserved" in user.panel("palette-said"))
        await user.press("escape")
        user.send("colon", *"goto 0x721000", "enter")
        await user.until(lambda: isinstance(user.app.screen, StateScreen) and user.path == "out/LUO")


async def test_whois_where_nothing_is_known() -> None:
    async with using_state(load_fake) as user:
        await user.command("whois 0x1000")
        await user.press("enter")
        assert "nothing is known of who owns 0x1000" in user.panel("palette-said")


async def test_session_finds_one_by_a_part_of_its_name() -> None:
    async with using_state(opening(ONE_PRE)) as user:
        await user.command("session vmbet")
        assert len(user.offers) == 1
        await user.press("enter")
        assert user.path == "out/LUO/vm-beta"
        await user.command("session nosuch")
        assert "nothing fits nosuch" in user.panel("palette-said")


@pytest.mark.shared
async def test_another_root_of_the_same_memory_is_offered_and_shown() -> None:
    case = CHECKOUT.parent / "shared" / "cases" / "roots-inlow"
    if not case.exists():
        pytest.skip("../shared/cases is not there")
    async with using_state(
        lambda context: load_request(Request(path=str(case), side=None, page_size=None, byte_order=None), context)
    ) as user:
        assert "another root FDT that its own tracker keeps is at 0x2800d000" in user.state.loaded.verdict
        await user.command("root 7.3.3")
        (offer,) = user.offers
        assert "0x2800d000" in offer and "3 kexecs in a row" in offer
        await user.press("enter")
        await user.until(lambda: isinstance(user.app.screen, StateScreen) and user.state.loaded.options == ("--root", "0x2800d000"))
        assert user.state.loaded.state.sides["unsided"].writer == "7.3.3"
        await user.press("r")
        await user.until(lambda: isinstance(user.app.screen, StateScreen) and not user.state.busy)
        assert user.state.loaded.state.sides["unsided"].writer == "7.3.3"


async def test_hostile_sessions_are_only_text(tmp_path: Path) -> None:
    hostile_names().to_elf(tmp_path / "memory.elf")
    async with using_state(opening(str(tmp_path / "memory.elf")), (160, 48)) as user:
        await user.command("session ")
        assert "\x1b" not in user.screen
        await user.sees("\\x1b[2J\\x1b]0;owned\\x07")
        await user.press("enter")
        assert user.path.startswith("unsided/LUO/")


async def test_search_and_reload() -> None:
    loads = 0

    def load(_context: Context) -> Loaded:
        nonlocal loads
        loads += 1
        return fake_state()

    async with using_state(load) as user:
        await user.command("search vm-b")
        await user.press("enter")
        assert user.path == "out/LUO/vm-beta"
        await user.command("reload")
        await user.press("enter")
        await user.until(lambda: loads == 2)
        await user.opened()
        assert user.path == "out/LUO/vm-beta"
        await user.command("quit")
        await user.press("enter")
    assert user.app.return_code == 0


@pytest.mark.parametrize("size", [(30, 8), (60, 20), (160, 48)])
async def test_it_fits_every_size(size: tuple[int, int]) -> None:
    async with using_state(load_fake, size) as user:
        await user.command("")
        for _ in range(60):
            await user.press("down")
        assert all(len(row) <= size[0] for row in user.screen.split("\n"))
        await user.sees(":")


def test_better_fits_come_first() -> None:
    def best(query: str, *texts: str) -> str:
        return max(texts, key=lambda text: -1000 if (fit := fit_of(query, text)) is None else fit)

    assert best("map", "to make a plan", "to the memory map") == "to the memory map"
    assert best("gs", "to gather all places", "go to session") == "go to session"
    assert fit_of("xyz", "abc") is None
    assert fit_of("", "abc") == 0


async def test_esc_ends_the_search_for_an_owner() -> None:
    begun, ended = Event(), Event()

    def never(_address: int, context: Context) -> Whois:
        begun.set()
        context.cancelled.wait(60)
        ended.set()
        context.step("map")
        raise AssertionError("the user stopped it")

    async with using_state(lambda _context: replace(fake_state(), whois=never)) as user:
        await user.command("whois 0x1000")
        user.send("enter")
        await user.until(begun.is_set)
        user.send("escape")
        await user.until(ended.is_set)
        await user.settle()
        assert user.panel("palette-said").strip() == "stopped"
