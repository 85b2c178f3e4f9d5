"""The simulator over a state: what each kernel would do, a kexec, stepping, opening the result, writing it only where asked to."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree
from threading import Event
from time import sleep

import pytest
from captures import sample
from textual.widgets import Input
from views.app_user import User, opening, using_state

from kho_tui.context import Context
from kho_tui.operations import held_state
from kho_tui.operations.held_state import Simulated
from kho_tui.operations.open_state import Opened
from kho_tui.views.tui import state_screen
from kho_tui.views.tui.navigate import ListSpot, Where
from kho_tui.views.tui.simulator_rows import KernelsView
from kho_tui.views.tui.simulator_screen import SimulatorScreen

STATE = opening(str(sample("x86_64-7.3") / "1-pre"))
TAKEN = "7.3.4 takes it: 4 subtrees"


async def simulated(user: User) -> SimulatorScreen:
    """Nothing is computed in the simulator any more."""
    await user.until(lambda: isinstance(user.app.screen, SimulatorScreen))
    screen = user.app.screen
    assert isinstance(screen, SimulatorScreen)
    await user.until(lambda: not screen.busy)
    await user.settle()
    return screen


async def press(user: User, *keys: str) -> SimulatorScreen:
    for key in keys:
        await user.press(key)
        await simulated(user)
    return await simulated(user)


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_each_kernel_says_what_it_would_do_and_a_kexec_is_stepped_and_opened(size: tuple[int, int]) -> None:
    async with using_state(STATE, size, start=ListSpot(Where.OVERVIEW)) as user:
        screen = await press(user, "s")
        kernels = screen.query_one(KernelsView)
        assert [(one.name, one.reception.worst.value) for one in kernels.prospects][-2:] == [("7.2", "taken"), ("7.3.4", "taken")]
        assert kernels.chosen is not None
        assert kernels.chosen.name == "7.3.4"
        await user.sees("7.3.4 (runs)", "handed over: kho-v4; this kernel takes only kho-v1", "liveupdate=on", "Enter kexec")
        await press(user, "enter")
        await user.sees(TAKEN, "cannot be predicted")
        await press(user, "less_than_sign")
        await user.sees(f"Enter: {TAKEN}")
        assert "cannot be predicted" not in user.screen
        await press(user, "greater_than_sign")
        await user.sees("cannot be predicted")
        await user.press("o")
        await user.opened()
        assert user.state.loaded.state.sides.keys() == {"in", "out"}
        await user.sees("1-pre > 7.3.4")
        await user.press("less_than_sign")
        await user.opened()
        assert "in" not in user.state.loaded.state.sides
        await user.press("greater_than_sign")
        await user.opened()
        assert "in" in user.state.loaded.state.sides


async def test_a_kernel_that_ignores_the_state_boots_cold_and_names_the_check() -> None:
    async with using_state(STATE) as user:
        await press(user, "s", "home", "enter")
        await user.sees("6.16.0 ignores it and boots cold: handed over: kho-v4", "decided by root-version")
        await user.press("o")
        await user.opened()
        assert "in" not in user.state.loaded.state.sides


async def test_the_command_line_counts() -> None:
    async with using_state(STATE) as user:
        screen = await press(user, "s", "c")
        screen.query_one(Input).value = "kho=off"
        screen = await press(user, "enter")
        chosen = screen.query_one(KernelsView).chosen
        assert chosen is not None
        assert (chosen.name, chosen.reception.worst.value) == ("7.3.4", "taken in part")
        await user.press("escape")
        await user.opened()


async def test_nothing_is_written_unless_asked(tmp_path: Path) -> None:
    async with using_state(STATE) as user:
        screen = await press(user, "s", "w")
        await user.sees("this state was opened, not simulated")
        await press(user, "enter", "w")
        screen.query_one(Input).value = str(tmp_path / "next")
        await press(user, "enter")
        await user.sees("written to")
        assert sorted(one.name for one in tmp_path.iterdir()) == ["next"]
        await press(user, "w")
        screen.query_one(Input).value = str(tmp_path / "next")
        await press(user, "enter")
        await user.sees("is not an empty directory")
    async with using_state(opening(str(tmp_path / "next"))) as user:
        assert user.state.loaded.state.sides.keys() == {"in", "out"}


async def test_a_kexec_from_an_earlier_state_takes_the_place_of_what_was_shown() -> None:
    async with using_state(STATE) as user:
        await press(user, "s", "enter")
        await user.press("o")
        await user.opened()
        await press(user, "s", "less_than_sign", "home", "enter")
        await user.press("escape")
        await user.opened()
        assert "in" not in user.state.loaded.state.sides
        await user.sees("> 6.16.0")


async def test_a_state_that_nobody_could_be_handed_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    # Where the line is broken must not depend on where the checkout lies.
    monkeypatch.chdir(sample("x86_64-7.3") / "1-pre")
    async with using_state(opening("kho")) as user:
        await press(user, "s")
        await user.sees("nothing in it tells what memory")
        await user.press("escape")
        await user.opened()
        await user.press("greater_than_sign")
        await user.sees("s simulates a kexec")


async def test_a_hostile_command_line_reaches_no_screen(tmp_path: Path) -> None:
    state = tmp_path / "\x1b[31mhostile"
    copytree(sample("x86_64-7.3") / "1-pre", state)
    (state / "cmdline").write_bytes(b"kho=on \x1b]0;owned\x07 liveupdate=on\n")
    async with using_state(opening(str(state))) as user:
        await press(user, "s", "enter", "c")
        await user.sees(r"\x1b]0;owned")
        assert all(char.isprintable() for char in user.screen.replace("\n", ""))
        await press(user, "escape")
        await user.press("o")
        await user.opened()
        assert all(char.isprintable() for char in user.screen.replace("\n", ""))


async def test_esc_stops_a_kexec(monkeypatch: pytest.MonkeyPatch) -> None:
    started = Event()

    def slowly(_opened: Opened, _release: str, _cmdline: str, context: Context) -> Simulated:
        started.set()
        while True:
            context.step("waiting")
            sleep(0.001)

    monkeypatch.setattr(held_state, "simulate_kexec", slowly)
    async with using_state(STATE) as user:
        await press(user, "s")
        await user.press("enter")
        await user.until(started.is_set)
        await press(user, "escape")
        await user.sees("stopped")
        await user.press("escape")
        await user.opened()


async def test_a_command_that_prints_a_simulated_state_needs_it_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_screen, "copy", lambda _app, _text: "copied")
    async with using_state(STATE) as user:
        await press(user, "s", "enter")
        await user.press("o")
        await user.opened()
        await user.press("Y")
        await user.sees("this state is only in memory")
        screen = await press(user, "s", "w")
        screen.query_one(Input).value = str(tmp_path / "next")
        await press(user, "enter")
        await user.press("o")
        await user.opened()
        await user.press("Y")
        await user.sees("kho-tui show")
        assert user.state.loaded.path == str(tmp_path / "next")
