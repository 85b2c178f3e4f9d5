"""How the app looks on real captures, as pictures: a few, and only of what stands still."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from captures import CHECKOUT
from textual.pilot import Pilot
from views.app_user import User, opening

from kho_tui.text import SafeText
from kho_tui.views.tui.app import KhoApp
from kho_tui.views.tui.config import Config
from kho_tui.views.tui.help import KeysView
from kho_tui.views.tui.navigate import ListSpot, Where

Act = Callable[[User], Awaitable[None]]
Compare = Callable[..., bool]

ONE_PRE = "samples/x86_64-7.3/1-pre"
TWO_PRE = "samples/x86_64-7.3/2-pre"
WIDE = (160, 48)


@pytest.fixture(autouse=True)
def from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)


def looks(
    compare: Compare,
    where: Where,
    act: Act,
    path: str = ONE_PRE,
    size: tuple[int, int] = (80, 24),
    config: Config | None = None,
    *,
    ascii: bool = False,
) -> bool:
    app = KhoApp(opening(path), SafeText(path), config or Config(), start=ListSpot(where), ascii=ascii)

    async def before(pilot: Pilot[None]) -> None:
        user = User(app, pilot)
        await act(user)
        await user.stands_still()

    return compare(app, terminal_size=size, run_before=before)


def seeing(*texts: str) -> Act:
    """The place as one comes to it."""

    async def act(user: User) -> None:
        await user.opened()
        await user.sees(*texts)

    return act


async def select_a_token(user: User) -> None:
    await user.opened()
    await user.search("/0xb")
    await user.select_field("token")
    await user.press("escape")
    await user.sees("[0b 00 00 00 00 00 00 00]")


async def find_flbs(user: User) -> None:
    await user.opened()
    await user.go_to_address("0x20829000")
    await user.sees("a cell", "out/LUO/FLBs")


async def select_a_folio(user: User) -> None:
    await user.opened()
    await user.press("tab", "tab", "down")
    await user.sees("byte 4096 of the file")


async def filter_blocks(user: User) -> None:
    await user.opened()
    await user.press("f")
    await user.type("size>=64K")
    await user.sees("blocks of out: 10 of 2056", "memblock/oops_trace")


def test_overview(snap_compare: Compare) -> None:
    assert looks(snap_compare, Where.OVERVIEW, seeing("session vm-alpha", "Enter go there"))


def test_overview_wide(snap_compare: Compare) -> None:
    assert looks(snap_compare, Where.OVERVIEW, seeing("session vm-alpha2", "machine and evidence"), TWO_PRE, WIDE)


def test_tree_wide(snap_compare: Compare) -> None:
    assert looks(snap_compare, Where.TREE, seeing("vm-alpha2", "derived, no bytes of its own", "Enter follow"), TWO_PRE, WIDE)


def test_a_file_with_its_bytes(snap_compare: Compare) -> None:
    assert looks(snap_compare, Where.TREE, select_a_token, TWO_PRE)


def test_memory_map(snap_compare: Compare) -> None:
    assert looks(snap_compare, Where.MAP, find_flbs)


def test_memory_map_wide(snap_compare: Compare) -> None:
    assert looks(snap_compare, Where.MAP, find_flbs, size=WIDE)


def test_memory_map_on_the_linux_console(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "linux")
    monkeypatch.delenv("COLORTERM")
    assert looks(snap_compare, Where.MAP, find_flbs)


def test_luo(snap_compare: Compare) -> None:
    assert looks(snap_compare, Where.LUO, select_a_folio)


def test_luo_without_colours(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert looks(snap_compare, Where.LUO, select_a_folio)


def test_blocks(snap_compare: Compare) -> None:
    assert looks(snap_compare, Where.BLOCKS, filter_blocks)


def test_blocks_in_light_colours(snap_compare: Compare) -> None:
    assert looks(snap_compare, Where.BLOCKS, filter_blocks, config=Config(theme="light"))


def test_scratch(snap_compare: Compare) -> None:
    assert looks(snap_compare, Where.SCRATCH, seeing("lowmem", "CmaFree", "Enter map"))


def test_findings(snap_compare: Compare) -> None:
    assert looks(snap_compare, Where.FINDINGS, seeing("KHO109"))


def test_sources_in_ascii(snap_compare: Compare) -> None:
    assert looks(snap_compare, Where.SOURCES, seeing("scratch_phys", "memory.elf"), TWO_PRE, (80, 40), ascii=True)


def test_keys(snap_compare: Compare) -> None:
    async def act(user: User) -> None:
        await user.opened()
        await user.press("question_mark")
        await user.sees("keys of this screen")
        await user.until(lambda: isinstance(user.app.focused, KeysView))

    assert looks(snap_compare, Where.MAP, act)


def test_what_cannot_be_opened(snap_compare: Compare) -> None:
    async def act(user: User) -> None:
        await user.until(lambda: "try again" in user.panel("loading"))
        await user.sees("try again")

    assert looks(snap_compare, Where.OVERVIEW, act, "README.md")
