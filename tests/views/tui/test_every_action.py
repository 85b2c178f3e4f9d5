"""Every key of every place, as somebody finds them who tries everything: on each sample, and on a state of hostile names.

The keys are those that hold (``active_bindings``), so that a new one is walked without a word here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from captures import CHECKOUT, SAMPLES
from rich.console import RenderableType
from rich.segment import Segment
from states.catalogue import hostile_names
from textual._compositor import ChopsUpdate, Compositor, LayoutUpdate
from textual.message_pump import MessagePump
from textual.strip import Strip
from textual.widgets import Input
from views.app_user import User, opening, using_state

from kho_tui.context import Context
from kho_tui.views.tui.commands import commands_of
from kho_tui.views.tui.loaded import Loaded, Loader
from kho_tui.views.tui.navigate import ListSpot, Where
from kho_tui.views.tui.palette import Palette
from kho_tui.views.tui.state_screen import StateScreen

SAMPLE_NAMES = sorted(str(version.parent.relative_to(SAMPLES)) for version in SAMPLES.glob("**/version"))
HOSTILE_NAMES = "hostile names"
REAL_NAME = "x86_64-7.3/1-pre"
WALKED_WHOLE = (REAL_NAME, HOSTILE_NAMES)
"""Where every key is tried, not only one of those that do the same."""
BY_DAY = (*WALKED_WHOLE, "arm64-64k-7.3/1-pre", "x86_64-6.18/1-post", "x86_64-7.3/2-post")
"""Old and new releases, either side of a kexec, pages of another size; the others are walked nightly."""
WALKED = [pytest.param(name, marks=() if name in BY_DAY else pytest.mark.nightly) for name in SAMPLE_NAMES]
REAL = pytest.mark.parametrize("load", [REAL_NAME], indirect=True)
COMPARED = pytest.mark.parametrize(
    ("load", "other"), [(REAL_NAME, "x86_64-7.3/2-pre"), (HOSTILE_NAMES, REAL_NAME), (REAL_NAME, "x86_64-7.3/1-post")], indirect=["load"]
)
HOSTILE = pytest.mark.parametrize("load", [HOSTILE_NAMES], indirect=True)
ENDS = {
    "ctrl+c": "leaves at once",
    "q": "leaves",
    "ctrl+q": "leaves",
    "ctrl+z": "stops the process that runs the tests, on a terminal",
}
"""Tried by a test of their own, each in an app of its own."""
LEAVING = {"quit", "to the shell (fg returns)", "quit at once", "quit  leave the app"}
"""The same in the palette."""
CURSORS: tuple[tuple[str, ...], ...] = (("home",), ("end", "ctrl+u"), ("end",))
"""Ways to the first row, one between (of a list longer than half a page) and the last."""
TYPED = ("0x1931000", "0xffffffffffffffff", "9" * 40, "vm-", "size>=1M and owner~vm", "size>=", "(((", "[red]\\x1b", "é" * 200)
"""What is typed wherever something can be: each is good somewhere, and bad elsewhere."""


class Walker(User):
    """Somebody who tries every key. ``tried`` is what was pressed, for who has to find out what went wrong."""

    def __init__(self, user: User, faults: list[str]) -> None:
        super().__init__(user.app, user.pilot)
        self.faults = faults
        self.tried: list[str] = []
        self.walked: dict[Where, set[str]] = {place: set() for place in Where}

    async def handled(self) -> None:
        """The app took the keys, and what they started has ended. Cheaper than ``settle``: widgets may still have something to draw."""
        async with asyncio.timeout(60):
            while not await self._is_handled():
                await asyncio.sleep(0.002)

    async def _is_handled(self) -> bool:
        pumps: list[MessagePump] = [self.app, self.app.screen, *([self.app.focused] if self.app.focused else [])]
        for pump in pumps * 2:
            event = asyncio.Event()
            if pump.call_later(event.set):
                await event.wait()
        if not self.app.is_running or self.app._exception is not None:
            return True
        # A modal that closes or a place that is entered is not there yet when its key was handled.
        screen = self.app.screen
        return not self.is_busy if isinstance(screen, StateScreen | Palette) else screen.is_mounted and self.app.focused is not None

    async def tries(self, *keys: str) -> None:
        """Press, and look at what came of it."""
        self.tried.extend(keys)
        self.send(*keys)
        await self.handled()
        self.looks()

    def looks(self) -> None:
        """Nothing is wrong."""
        where = f"after {self.tried[-12:]}"
        assert self.app._exception is None, f"{self.app._exception!r} {where}"
        assert self.app.is_running, where
        assert not self.faults, f"{self.faults} {where}"
        if isinstance(self.app.screen, StateScreen) and self.state.body is not None:
            # The place where one is stands in one piece, of the others the digit has a colour of its own.
            assert self.named in {span.text for span in self.state.top._lines[0]}, where

    @property
    def named(self) -> str:
        return f" {list(Where).index(self.where) + 1} {self.where.value} "

    async def back_to(self, place: Where, pane: str | None = None) -> None:
        """From wherever a key led: nothing open, nothing searched or filtered, this place and pane."""
        for _ in range(10):
            if isinstance(self.app.screen, StateScreen) and not self.state.bottom.is_asking:
                break
            await self.tries("escape")
        assert isinstance(self.app.screen, StateScreen), f"Esc does not close {self.app.screen}, {self.tried[-12:]}"
        if self.where is not place:
            await self.tries(str(list(Where).index(place) + 1))
            assert self.where is place, self.tried[-12:]
        if self.state._zoomed:
            await self.tries("z")
        for _ in range(6):
            if pane is None or (self.app.focused is not None and self.app.focused.id == pane):
                return
            await self.tries("tab")
        # What is shown decides which panes there are; without this one now there is nothing to try.
        self.send("escape")
        await self.handled()

    async def panes(self, place: Where) -> list[str]:
        """The panes of the place that Tab leads to."""
        await self.back_to(place)
        met: list[str] = []
        while self.app.focused is not None and self.app.focused.id is not None and self.app.focused.id not in met:
            met.append(self.app.focused.id)
            await self.tries("tab")
        return met

    def holding(self) -> list[str]:
        """What holds now and does not end the app."""
        return [key for key in self.app.screen.active_bindings if key not in ENDS and self.app.screen.active_bindings[key].binding.id]


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What must not be on a screen, of everything that is drawn from now on."""
    found: list[str] = []
    draw = Compositor.render_update

    def watched(self: Compositor, *arguments: Any, **options: Any) -> RenderableType | None:
        update = draw(self, *arguments, **options)
        lines: list[Iterable[Segment]] = []
        if isinstance(update, LayoutUpdate):
            # Declared as lines of strips; each is one strip.
            lines = [cast(Strip, line) for line in update.strips]
        elif isinstance(update, ChopsUpdate):
            lines = [strip for line in update.chops for strip in line.values() if strip is not None]
        else:
            assert update is None, update
        text = "\n".join("".join(segment.text for segment in line) for line in lines)
        raw = {char for char in text.replace("\n", "") if not char.isprintable()}
        found.extend(repr(char) for char in sorted(raw))
        if "internal error" in text:
            found.append(text)
        return update

    monkeypatch.setattr(Compositor, "render_update", watched)
    return found


@asynccontextmanager
async def walking(load: Loader, faults: list[str], other: str = "") -> AsyncIterator[Walker]:
    # The names of nine places stand in full in a wide line only, which is what ``looks`` looks for.
    size, start = ((120, 40), Where.DIFF) if other else ((80, 24), Where.OVERVIEW)
    async with using_state(load, size, start=ListSpot(start), other=other) as user:
        yield Walker(user, faults)


@pytest.fixture(autouse=True)
def from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)


@pytest.fixture(scope="module", params=[*WALKED, HOSTILE_NAMES])
def load(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loader]:
    """Gives what was read once, also when it is read again: reading is not what is tried here."""
    path = f"samples/{request.param}"
    if request.param == HOSTILE_NAMES:
        directory: Path = tmp_path_factory.mktemp("hostile")
        hostile_names().to_elf(directory / "memory.elf")
        path = str(directory)
    before = Path.cwd()
    os.chdir(CHECKOUT)
    loaded = opening(path)(Context())
    os.chdir(before)

    def again(_context: Context) -> Loaded:
        return replace(loaded, close=lambda: None)

    yield again
    loaded.close()


async def test_every_key_of_every_place(load: Loader, faults: list[str], request: pytest.FixtureRequest) -> None:
    async with walking(load, faults) as user:
        for place in Where:
            for number, pane in enumerate(await user.panes(place)):
                await user.back_to(place, pane)
                keys = user.holding()
                if request.node.callspec.params["load"] not in WALKED_WHOLE:
                    keys = first_keys(user)
                elif number:
                    # The digits do the same in whatever pane.
                    keys = [key for key in keys if not key.isdigit()]
                # Some at the first row, some between, some at the last; which ones is another matter from pane to pane.
                for turn, cursor in enumerate(CURSORS):
                    await user.back_to(place, pane)
                    user.send(*cursor)
                    for key in keys[turn :: len(CURSORS)]:
                        await user.back_to(place, pane)
                        await user.tries(key)
                        user.walked[place].add(key)
        everywhere = {"slash", "at", "colon", "y", "Y", "m", "x", "z", "r", "n", "N", "question_mark", "enter", "right_square_bracket"}
        assert all(everywhere <= keys for keys in user.walked.values())


@COMPARED
async def test_every_key_of_a_comparison(load: Loader, other: str, faults: list[str]) -> None:
    """Two states: the comparison with what stands below it, fields, bytes or maps, at a change and at the last row."""
    async with walking(load, faults, other=f"samples/{other}") as user:
        shown = set()
        for below in ("c", "b", "m"):
            await user.back_to(Where.DIFF)
            await user.tries(below)
            for pane in await user.panes(Where.DIFF):
                shown.add(pane)
                for at, key in enumerate(user.holding()):
                    await user.back_to(Where.DIFF, pane)
                    if user.app.focused is None or user.app.focused.id != pane:
                        await user.tries(below)
                        await user.back_to(Where.DIFF, pane)
                    await user.tries("right_square_bracket" if at % 2 else "end", key)
        assert shown == {"diff-tree", "diff-fields", "diff-bytes", "diff-maps"}


def first_keys(user: Walker) -> list[str]:
    """The first key of every action that holds, and not those that lead from place to place: the walk does that itself."""
    first: dict[str, str] = {}
    for key in user.holding():
        name = user.app.screen.active_bindings[key].binding.id or ""
        if not name.startswith("go."):
            first.setdefault(name, key)
    return list(first.values())


@REAL
async def test_every_key_of_what_opens_over_a_place(load: Loader, faults: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys, the palette, a text to select: opened from each place, every key there, closed."""
    monkeypatch.setenv("TERM", "linux")
    async with walking(load, faults) as user:
        for place in Where:
            for opener in ("question_mark", "colon", "Y"):
                await user.back_to(place)
                await user.tries(opener)
                assert not isinstance(user.app.screen, StateScreen), opener
                for key in user.holding():
                    if isinstance(user.app.screen, StateScreen):
                        await user.back_to(place)
                        await user.tries(opener)
                    await user.tries(key)


@REAL
async def test_everything_the_palette_offers(load: Loader, faults: list[str]) -> None:
    """Each thing in the first place that offers it."""
    done = set(LEAVING)
    async with walking(load, faults) as user:
        for place in Where:
            await user.back_to(place)
            await user.tries("colon")
            offers = user.offers
            assert set(offers) >= LEAVING
            for at, words in enumerate(offers):
                if words not in done:
                    done.add(words)
                    await user.back_to(place)
                    await user.tries("colon", *["pagedown"] * (at // 10), *["down"] * (at % 10), "enter")
                    # What was chosen is done when the palette is gone.
                    await user.settle()


@HOSTILE
async def test_whatever_is_typed_is_answered(load: Loader, faults: list[str]) -> None:
    """Commands of the palette with good and bad arguments, searches, addresses, filters."""
    async with walking(load, faults) as user:
        for command in commands_of(user.state):
            for text in TYPED if command.argument else ():
                await user.back_to(Where.OVERVIEW)
                await user.tries("colon")
                user.app.screen.query_one(Input).value = f"{command.name} {text}"
                await user.tries("enter")
                await user.tries("enter")
                await user.settle()
        for place in Where:
            await user.back_to(place)
            for opener in ("slash", "at", "f"):
                for text in TYPED if opener in user.app.screen.active_bindings else ():
                    await user.back_to(place)
                    await user.tries(opener)
                    assert user.state.bottom.is_asking
                    user.app.screen.query_one(Input).value = text
                    await user.tries("enter")


@pytest.mark.parametrize("key", ENDS)
@pytest.mark.parametrize("place", Where)
async def test_the_keys_that_leave(place: Where, key: str) -> None:
    async with using_state(opening("samples/x86_64-7.3/1-pre/kho/out/fdt"), start=ListSpot(place)) as user:
        assert key in user.app.screen.active_bindings
        user.send(key)
        if key == "ctrl+z":
            await user.settle()
            assert user.app.is_running
        else:
            await user.until(lambda: not user.app.is_running)
            assert user.app.return_code == (130 if key == "ctrl+c" else 0)
