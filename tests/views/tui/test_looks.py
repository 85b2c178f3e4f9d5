"""How the app looks on real captures, as pictures: a few, and only of what stands still."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from captures import CHECKOUT
from textual.pilot import Pilot
from views.app_user import User, opening

from kho_tui.text import SafeText
from kho_tui.views.tui.app import KhoApp
from kho_tui.views.tui.help import KeysView
from kho_tui.views.tui.navigate import ListSpot, Where

Act = Callable[[User], Awaitable[None]]
Compare = Callable[..., bool]

ONE_PRE = "samples/x86_64-7.3/1-pre"
TWO_PRE = "samples/x86_64-7.3/2-pre"
CUT_FDT = "samples/x86_64-7.3/1-pre/kho/out/fdt"


@pytest.fixture(autouse=True)
def from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)


def looks(compare: Compare, path: str, act: Act, size: tuple[int, int] = (80, 24)) -> bool:
    app = KhoApp(opening(path), SafeText(path), start=ListSpot(Where.TREE))

    async def before(pilot: Pilot[None]) -> None:
        user = User(app, pilot)
        await act(user)
        await user.stands_still()

    return compare(app, terminal_size=size, run_before=before)


async def open_it(user: User) -> None:
    await user.opened()
    await user.sees("a kexec now would hand over", "what was read", "derived, no bytes of its own", "Enter follow")


async def select_a_token(user: User) -> None:
    await user.opened()
    await user.search("/0xb")
    await user.select_field("token")
    await user.press("escape")
    await user.sees("[0b 00 00 00 00 00 00 00]")


def test_first_screen(snap_compare: Compare) -> None:
    assert looks(snap_compare, TWO_PRE, open_it)


def test_first_screen_wide(snap_compare: Compare) -> None:
    assert looks(snap_compare, TWO_PRE, open_it, (160, 48))


def test_a_file_with_its_bytes(snap_compare: Compare) -> None:
    assert looks(snap_compare, TWO_PRE, select_a_token)


def test_a_file_without_colours(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert looks(snap_compare, TWO_PRE, select_a_token)


def test_preserved_blocks(snap_compare: Compare) -> None:
    async def act(user: User) -> None:
        await user.opened()
        await user.go_to_address("0x3ee00000")
        await user.press("n", "n")
        assert user.path == "out/preserved"
        await user.sees("0x3ee00000     8", "row 3610", "3/3 0x3ee00000")

    assert looks(snap_compare, TWO_PRE, act)


def test_what_was_given_back(snap_compare: Compare) -> None:
    async def act(user: User) -> None:
        await user.opened()
        await user.go_to_address("0x721000")
        await user.sees("stale: reached through memory", "[20 00 00 00 00 00 00 00]", "Enter follow")

    assert looks(snap_compare, TWO_PRE, act)


def test_a_cut_root_fdt(snap_compare: Compare) -> None:
    async def act(user: User) -> None:
        await user.opened()
        await user.search("/out")
        await user.sees("partial: salvaged from 233 of 405 bytes", "[6b 68 6f 2d", "version of the whole handover")

    assert looks(snap_compare, CUT_FDT, act)


async def open_the_map(user: User) -> None:
    await user.opened()
    await user.press("m")
    await user.go_to_address("0x20829000")
    await user.sees("16 MiB a cell", "out/kho_test/folios")


def test_memory_map(snap_compare: Compare) -> None:
    assert looks(snap_compare, ONE_PRE, open_the_map)


def test_memory_map_wide(snap_compare: Compare) -> None:
    async def act(user: User) -> None:
        await user.opened()
        await user.press("m")
        await user.go_to_address("0x20829000")
        await user.sees("8 MiB a cell", "out/LUO/FLBs", "test-folio")

    assert looks(snap_compare, ONE_PRE, act, (160, 48))


def test_memory_map_without_colours(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert looks(snap_compare, ONE_PRE, open_the_map)


def test_memory_map_on_the_linux_console(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "linux")
    assert looks(snap_compare, ONE_PRE, open_the_map)


def test_keys(snap_compare: Compare) -> None:
    async def act(user: User) -> None:
        await user.opened()
        await user.stands_still()
        await user.press("question_mark")
        await user.sees("keys of this screen")
        await user.until(lambda: isinstance(user.app.focused, KeysView))

    assert looks(snap_compare, TWO_PRE, act)


def test_what_cannot_be_opened(snap_compare: Compare) -> None:
    async def act(user: User) -> None:
        await user.until(lambda: "try again" in user.panel("loading"))
        await user.sees("try again")

    assert looks(snap_compare, "README.md", act)
