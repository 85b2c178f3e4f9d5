"""The memory map as a user meets it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from captures import CHECKOUT
from fake_state import fake_state
from states.catalogue import hostile_names
from textual.widgets import Input
from views.app_user import User, opening, using, using_state

from kho_tui.analysis.memory_map import MemoryMap
from kho_tui.context import Context
from kho_tui.views.tui.loaded import Loaded, Maps
from kho_tui.views.tui.navigate import Where
from kho_tui.views.tui.state_screen import StateScreen

ONE_PRE = "samples/x86_64-7.3/1-pre"
TWO_PRE = "samples/x86_64-7.3/2-pre"
SIZES = [(80, 24), (160, 48), (60, 20), (30, 8)]


@pytest.fixture(autouse=True)
def from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)


def lane(user: User, name: str) -> str:
    """The cells of a lane."""
    line = next(line for line in user.map.view.shown.split("\n") if line[2:].strip().startswith(name))
    return line[2:].strip().removeprefix(name)


async def test_what_lies_at_an_address_is_told_in_words() -> None:
    async with using_state(opening(ONE_PRE)) as user:
        await user.press("m")
        assert "preserved 20.97 MiB = 20.97 MiB owned + 0 unowned, lost 0, overlaps 0" in user.panel("sums")
        await user.go_to_address("0x3f000000")
        cell = user.cell
        assert "0x3f000000 - 0x3fffffff" in cell and "node 1" in cell
        assert "4 MiB of 16 MiB" in cell
        assert "R reserve_mem out/memblock/oops_trace" in cell
        await user.press("enter")
        assert user.path == "out/memblock/oops_trace"
        await user.press("backspace")
        assert user.spot.address == 0x3F000000
        await user.press("backspace")
        assert user.path == "machine"


async def test_the_lanes_of_a_small_machine() -> None:
    async with using_state(opening(ONE_PRE)) as user:
        await user.press("m")
        await user.sees("16 MiB a cell", "0x10000000", "0x20000000", "node 0", "node 1", "F folio", "R reserve_mem")
        scratch = lane(user, "scratch").rstrip()
        assert scratch.endswith("1l━━━━") and scratch.lstrip().startswith("0━━ ")
        assert lane(user, "owners").split() == ["TF", "FT", "RR"]
        assert "unowned" not in user.map.view.shown and "lost" not in user.map.view.shown


async def test_from_a_memfd_to_its_folios_and_back() -> None:
    async with using_state(opening(ONE_PRE)) as user:
        await user.search("/vm-alpha")
        await user.press("l", "l", "m")
        assert user.map.view.chosen.name == "folio"
        await user.sees("folio · ")
        assert "F folio out/LUO/vm-alpha/0x1/folios" in " ".join(user.cell.split())
        there = user.spot
        await user.press("enter")
        assert user.path == "out/LUO/vm-alpha/0x1/folios"
        assert f"address {there.address:#x}" in " ".join(user.info.split())
        await user.press("backspace")
        assert user.spot == there
        await user.press("backspace")
        assert user.path == "out/LUO/vm-alpha/0x1"
        await user.press("alt+right")
        assert user.spot == there


async def test_a_row_of_a_list_is_one_page_in_the_map() -> None:
    async with using_state(opening(ONE_PRE)) as user:
        await user.search("/vm-alpha/0x1/folios")
        while user.app.focused is not user.rows:
            await user.press("tab")
        await user.press("home", "down", "down")
        target = user.rows.row_target()
        await user.press("m")
        assert user.spot.address == target
        await user.sees("4 KiB a cell")
        assert "F folio out/LUO/vm-alpha/0x1/folios[2]" in " ".join(user.cell.split())
        assert "all of it" in user.cell


async def test_from_a_finding_to_what_it_speaks_of() -> None:
    async with using_state(opening(ONE_PRE)) as user:
        await user.press("right_square_bracket")
        assert user.path.startswith("findings/")
        await user.press("m")
        assert user.map.view.chosen.name == "folio"
        assert "F folio out/LUO/vm-" in " ".join(user.cell.split())


async def test_brackets_step_through_what_is_chosen() -> None:
    async with using_state(opening(ONE_PRE)) as user:
        await user.press("m")
        while user.map.view.chosen.name != "scratch":
            await user.press("k")
        met = []
        for _ in range(2):
            await user.press("right_square_bracket")
            met.append(user.spot.address)
        assert met[0] == 0x1D000000
        assert met[1] == 0x39800000 and "scratch     node 1" in user.cell
        await user.press("left_square_bracket")
        assert user.spot.address == 0x1D000000
        await user.press("enter")
        assert user.path == "scratch/2"
        await user.press("backspace", "G", "right_square_bracket")
        assert "no scratch further up" in user.bar


async def test_enter_follows_what_has_the_arrow() -> None:
    async with using_state(opening(ONE_PRE)) as user:
        await user.press("m")
        await user.go_to_address("0x20829000")
        assert " → x flbs" in user.cell
        while user.map.view.chosen.name != "preserved":
            await user.press("k")
        assert " → preserved     5.609 MiB of 16 MiB" in user.cell
        await user.press("enter")
        assert user.path == "out/preserved"
        assert "address 0x20829000" in " ".join(user.info.split())
        await user.press("backspace", "k", "k")
        assert user.map.view.chosen.name == "node"
        assert " → x flbs" in user.cell
        await user.go_to_address("0x30000000")
        assert "→" not in user.cell
        await user.press("enter")
        assert "nobody is known to own anything here" in user.bar


async def test_zooming_in_does_not_lose_what_the_cell_showed() -> None:
    async with using_state(opening(ONE_PRE)) as user:
        await user.press("m")
        while user.map.view.chosen.name != "flbs":
            await user.press("tab")
        await user.press("right_square_bracket", "h", "l", *["plus"] * 14)
        await user.sees("flbs · 4 KiB a cell")
        assert user.spot.address == 0x20829000
        assert "x flbs out/LUO/FLBs" in " ".join(user.cell.split())
        await user.press("0")
        await user.sees("16 MiB a cell")


async def test_a_stale_side_says_so_and_shows_no_preserved_memory() -> None:
    async with using_state(opening(TWO_PRE)) as user:
        await user.press("m")
        assert "preserved" in user.map.view.shown
        await user.press("o")
        assert "memory map of in" in user.map.view.shown
        assert "preserved" not in user.map.view.shown and "tracker" not in user.map.view.shown
        assert "stale: the running kernel has given back" in user.panel("sums")
        assert "preserved     stale" in user.cell
        await user.press("o")
        assert "memory map of out" in user.map.view.shown


async def test_an_address_outside_of_all_memory() -> None:
    async with using_state(opening(ONE_PRE)) as user:
        await user.press("m")
        before = user.spot
        await user.go_to_address("1T")
        assert "0x10000000000 is outside of all that is known (0x1000 to 0x3ffe0000)" in user.bar
        await user.go_to_address("zebra")
        assert "not an address: zebra" in user.bar
        await user.pilot.press("at", "plus", "o", "q")
        assert user.app.screen.query_one(Input).value == "+oq"
        await user.press("escape")
        assert user.spot == before


@pytest.mark.parametrize("size", SIZES)
async def test_every_key_at_every_size(size: tuple[int, int]) -> None:
    async with using_state(opening(ONE_PRE), size) as user:
        await user.press("m")
        keys = ["G", "plus", "left", "ctrl+u", "g", "g", "j", "tab", "plus", "right_square_bracket", "pagedown", "k", "minus", "l", "home"]
        for key in keys:
            await user.press(key)
            assert all(len(line) <= size[0] for line in user.screen.split("\n"))
            axis = user.map.view._axis
            assert 0 <= axis.column(user.map.view.address) < axis.width
        await user.press("question_mark", "escape", "y")
        assert "copied 0x1000" in user.bar


async def test_the_map_keeps_its_place_when_the_terminal_changes() -> None:
    async with using_state(opening(ONE_PRE)) as user:
        await user.press("m")
        await user.go_to_address("0x20829000")
        await user.press("plus", "plus")
        await user.pilot.resize_terminal(160, 48)
        await user.until(lambda: user.map.view.unfolded)
        await user.settle()
        assert user.spot.address == 0x20829000
        assert "x flbs" in user.cell
        await user.sees("4 MiB a cell")


async def test_reload_comes_back_to_the_place_in_the_map() -> None:
    async with using_state(opening(ONE_PRE)) as user:
        await user.press("m")
        await user.go_to_address("0x3f000000")
        first = user.app.screen
        await user.press("r")
        await user.until(lambda: isinstance(user.app.screen, StateScreen) and user.app.screen is not first)
        await user.opened()
        assert user.spot.address == 0x3F000000
        await user.press("m")
        assert user.where is Where.TREE
        assert user.path == "machine"
        assert len(user.app.screen_stack) == 2


async def test_hostile_names_are_only_text(tmp_path: Path) -> None:
    hostile_names().to_elf(tmp_path / "memory.elf")
    async with using_state(opening(str(tmp_path / "memory.elf")), (160, 48)) as user:
        await user.search("owned")
        await user.press("m")
        for _ in range(30):
            await user.press("right_square_bracket")
            assert "\x1b" not in user.screen and "internal error" not in user.screen
        await user.press("0")
        await user.sees("\\x1b[2J\\x1b]0;owned\\x07")


async def test_a_map_that_cannot_be_made_says_why_and_can_be_left() -> None:
    def load(_context: Context) -> Loaded:
        def broken(_side: str, _context: Context) -> MemoryMap:
            raise ZeroDivisionError("bug \x1b[31m")

        return replace(fake_state(), maps=Maps(broken))

    async with using(load) as user:
        await user.opened()
        await user.press("m")
        assert "internal error: ZeroDivisionError: bug \\x1b[31m" in user.bar
        await user.press("plus", "enter", "tab", "backspace")
        await user.opened()
        assert user.path == "overview"


@pytest.mark.parametrize(("environ", "shade"), [({"NO_COLOR": "1"}, "▂"), ({"TERM": "linux", "COLORTERM": ""}, "2"), ({"LANG": "C"}, "2")])
async def test_plain_terminals_tell_the_same(environ: dict[str, str], shade: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    async with using_state(opening(ONE_PRE)) as user:
        await user.press("m")
        assert lane(user, "preserved").split()[0] == shade * 2
        assert lane(user, "owners").split() == ["TF", "FT", "RR"]
        if "LANG" in environ:
            assert user.map.view.shown.isascii()


async def test_every_binding_has_an_id_and_a_description() -> None:
    async with using_state(opening(ONE_PRE)) as user:
        await user.press("m")
        for active in user.app.screen.active_bindings.values():
            assert active.binding.id and active.binding.description


async def test_what_was_said_of_an_address_stays_while_the_map_is_laid_out_anew() -> None:
    async with using_state(opening(ONE_PRE), (100, 30)) as user:
        await user.press("m")
        await user.go_to_address("1T")
        assert "is outside of all that is known" in user.bar
        # As a resize that comes late does: the prompt that closed gave its line back.
        await user.pilot.resize_terminal(90, 28)
        await user.settle()
        assert "is outside of all that is known" in user.bar
        await user.press("l")
        assert "is outside of all that is known" not in user.bar
