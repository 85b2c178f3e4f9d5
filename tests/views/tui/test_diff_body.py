"""Two states compared in the app, on real captures."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from shutil import copyfile

import pytest
from captures import CHECKOUT, SHARED
from views.app_user import User, opening, using_state

from kho_tui.views.tui.diff_below import Below
from kho_tui.views.tui.diff_body import DiffBody
from kho_tui.views.tui.navigate import ListSpot, Where

ONE_PRE = str(CHECKOUT / "samples/x86_64-7.3/1-pre")
TWO_PRE = str(CHECKOUT / "samples/x86_64-7.3/2-pre")
UPGRADE = SHARED / "upgrades/7.1-to-7.3"
NEXT = "right_square_bracket"


def comparing(old: str, new: str, size: tuple[int, int] = (120, 40)) -> AbstractAsyncContextManager[User]:
    return using_state(opening(old), size, old, ListSpot(Where.DIFF), other=new)


def body(user: User) -> DiffBody:
    assert isinstance(user.state.body, DiffBody)
    return user.state.body


def selected(user: User) -> str:
    node = body(user).node
    assert node is not None
    return f"{node.mark} {node.old or node.new or node.label}"


async def test_two_paths_open_where_they_are_compared() -> None:
    async with comparing(ONE_PRE, TWO_PRE) as user:
        assert user.where is Where.DIFF
        assert "9 diff" in user.screen
        await user.sees("no loss seen", "B's root FDT is A's, byte for byte", "what was handed over", "against what it was handed")


async def test_changes_are_stepped_through_and_shown_old_beside_new() -> None:
    async with comparing(ONE_PRE, TWO_PRE) as user:
        met = set()
        for _ in range(sum(node.is_change for node in body(user)._model.nodes)):
            met.add(selected(user))
            await user.press(NEXT)
        assert {"? out/LUO/vm-beta", "- out/kho_test", "+ out/LUO/vm-gamma", "> out/LUO/vm-alpha/0x1", "~ out/LUO"} <= met
        while selected(user) != "> out/LUO/vm-alpha/0x1":
            await user.press(NEXT)
        pairs = {pair.name: (pair.mark, pair.old, pair.new) for pair in body(user).below.both.pairs}
        assert pairs["token"] == ("~", 0x1, 0xB)
        assert pairs["compatible"][0] == " "
        stops = [node for node in body(user)._model.nodes if node.is_change]
        here = body(user).node
        assert here is not None
        assert f"{stops.index(here) + 1}/{len(stops)}" in user.bar
        await user.sees("to out/LUO/vm-alpha2/0xb")


async def test_what_cannot_be_told_is_not_called_removed() -> None:
    async with comparing(ONE_PRE, TWO_PRE) as user:
        while selected(user) != "? out/LUO/vm-beta/0xdeadbeef":
            await user.press(NEXT)
        assert {pair.mark for pair in body(user).below.both.pairs} == {" "}
        await user.sees("(not shown)")
        await user.press("b")
        await user.sees("6d 65 6d 66 64 2d 76 32")
        assert "*6d" not in user.screen


async def test_counts_are_rolled_up_and_a_filter_keeps_the_way_to_what_fits() -> None:
    async with comparing(ONE_PRE, TWO_PRE) as user:
        nodes = body(user)._model.nodes
        section = next(node for node in nodes if node.label.startswith("what B hands on, against"))
        below = [node for node in nodes[nodes.index(section) + 1 : section.end] if node.is_change]
        assert sum(section.counts.values()) == len(below) > 10
        await user.press("f")
        await user.type("carried")
        shown = [nodes[number] for number in body(user)._rows]
        assert [node.mark for node in shown if node.subject is not None and node.is_change][-1] == ">"
        assert "carried: 1 row" in user.bar
        await user.press("escape")
        assert len(body(user)._rows) > len(shown)


async def test_only_changes_can_be_turned_off() -> None:
    async with comparing(ONE_PRE, TWO_PRE) as user:
        before = len(body(user)._rows)
        await user.press("c")
        assert len(body(user)._rows) > before
        await user.sees("all shown")


async def test_bytes_of_both_with_those_that_differ_marked() -> None:
    async with comparing(ONE_PRE, TWO_PRE) as user:
        while selected(user) != "~ out/LUO":
            await user.press(NEXT)
        await user.press("b")
        await user.sees("*01 00 00 00 00 00 00 00", "*02 00 00 00 00 00 00 00", "liveupdate_num", "6c 75 6f 2d 76 35 00 00")
        await user.press("b")
        assert body(user).below.mode is Below.FIELDS


async def test_both_maps_under_one_cursor() -> None:
    async with comparing(ONE_PRE, TWO_PRE, (80, 24)) as user:
        await user.press("m")
        await user.sees("A preserved", "differs", "B preserved", "preserved only in A")
        await user.press("tab", "plus", "plus", "right")
        address = body(user).below.maps.address
        await user.press(NEXT)
        assert body(user).below.maps.address > address
        await user.press("escape")
        assert user.where is Where.DIFF and body(user).below.mode is Below.FIELDS


async def test_enter_goes_to_the_thing_and_backspace_returns() -> None:
    async with comparing(ONE_PRE, TWO_PRE) as user:
        while selected(user) != "- out/LUO/vm-beta":
            await user.press(NEXT)
        await user.press("enter")
        assert user.path == "out/LUO/vm-beta"
        await user.press("backspace")
        assert selected(user) == "- out/LUO/vm-beta"
        while selected(user) != "+ out/LUO/vm-gamma":
            await user.press(NEXT)
        await user.press("enter")
        await user.sees("out/LUO/vm-gamma is only in B")


async def test_a_reload_compares_again() -> None:
    async with comparing(ONE_PRE, TWO_PRE) as user:
        await user.press(NEXT, NEXT)
        here = selected(user)
        first = user.state
        await user.press("r")
        await user.until(lambda: isinstance(user.app.screen, type(first)) and user.app.screen is not first)
        await user.opened()
        assert user.where is Where.DIFF
        assert selected(user) == here


async def test_a_second_state_is_opened_from_the_palette() -> None:
    async with using_state(opening(ONE_PRE), (120, 40), start=ListSpot(Where.OVERVIEW)) as user:
        assert "9 diff" not in user.screen
        await user.press("9")
        await user.sees("only one state is open", "9 diff")
        await user.press("1")
        await user.command("diff /nowhere/at/all")
        await user.press("enter")
        await user.sees("/nowhere/at/all")
        await user.press("escape")
        await user.command(f"diff {TWO_PRE}")
        await user.press("enter")
        await user.until(lambda: user.app.screen is user.app._shown)
        await user.sees("no loss seen", "9 diff")
        await user.command(f"diff {ONE_PRE}")
        await user.press("enter")
        await user.until(lambda: user.app.screen is user.app._shown)
        await user.sees("no difference seen")


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (160, 48)])
async def test_every_size_holds_every_pane(size: tuple[int, int]) -> None:
    async with comparing(ONE_PRE, TWO_PRE, size) as user:
        for keys in ((NEXT,), ("b",), ("m",), ("m", "c")):
            await user.press(*keys)
            assert "what differs" in user.screen
            assert all(len(row) <= size[0] for row in user.screen.split("\n"))
            # A pane that comes into sight has its size with the next layout.
            await user.until(lambda: all(pane.size.height >= 4 for pane in body(user).panes))


@pytest.mark.shared
async def test_a_refused_handover_is_all_lost() -> None:
    async with comparing(str(UPGRADE / "1-pre"), str(UPGRADE / "1-post")) as user:
        await user.sees("refused, everything is lost", "▾ out  lost side")
        assert {node.mark for node in body(user)._model.nodes if node.subject is not None} == {"-"}


async def test_what_is_typed_stays_words() -> None:
    async with comparing(ONE_PRE, TWO_PRE) as user:
        await user.press("f")
        await user.type("[red]\\x1b[2J")
        await user.sees("nothing here matches [red]")


POST = CHECKOUT / "samples/x86_64-7.3/1-post"


async def test_a_kexec_is_simulated_and_compared_with_what_really_came_of_it() -> None:
    async with comparing(ONE_PRE, str(POST)) as user:
        await user.sees("no loss seen")
        await user.press("p")
        await user.sees("as predicted, but for", "two states of one boot, one of them simulated", "1-pre > 7.3.4")
        assert user.where is Where.DIFF
        while selected(user) != "> out/LUO":
            await user.press(NEXT)
        await user.sees("declared unpredictable: addresses of what")
        await user.press("less_than_sign")
        await user.opened()
        await user.sees("no loss seen")


async def test_a_prediction_is_made_from_the_palette_and_stopped() -> None:
    async with using_state(opening(ONE_PRE), (120, 40), start=ListSpot(Where.DIFF)) as user:
        await user.press("p")
        await user.sees(":predict PATH")
        await user.command(f"predict {POST}")
        await user.press("enter")
        await user.sees("as predicted, but for")
        await user.press("less_than_sign")
        await user.opened()
        await user.command("predict /nowhere/at/all")
        await user.press("enter")
        await user.sees("/nowhere/at/all: ")


async def test_a_kernel_that_is_not_told_cannot_be_predicted(tmp_path: Path) -> None:
    bare = tmp_path / "fdt"
    copyfile(POST / "kho/in/fdt", bare)
    async with using_state(opening(ONE_PRE), (120, 40)) as user:
        await user.command(f"predict {bare}")
        await user.press("enter")
        await user.sees("does not tell which kernel it shows")
