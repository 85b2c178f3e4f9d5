"""Hands and eyes on the app for tests: every wait is for a condition, none for a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rich.segment import Segment
from textual import events
from textual.message_pump import MessagePump
from textual.pilot import Pilot
from textual.widgets import Input

from kho_tui.context import Context
from kho_tui.operations.open_state import open_state
from kho_tui.text import SafeText
from kho_tui.views.cli.open_app import loaded_of
from kho_tui.views.tui.app import KhoApp
from kho_tui.views.tui.detail_panes import FieldsPane, RowsPane
from kho_tui.views.tui.hex_pane import HexPane
from kho_tui.views.tui.loaded import Loaded, Loader, Watch
from kho_tui.views.tui.map_body import MapBody
from kho_tui.views.tui.navigate import ListSpot, Location, MapPlace, Spot, Where
from kho_tui.views.tui.paint import Panel
from kho_tui.views.tui.palette import EntriesView, Palette
from kho_tui.views.tui.state_screen import StateScreen
from kho_tui.views.tui.tree_body import TreeBody

_HOPS = 6
"""Widgets a message may pass on its way up to the app."""
_PATIENCE = 60
"""Seconds after which a condition will not come any more, however busy the machine."""


class User:
    """Somebody at the keyboard."""

    def __init__(self, app: KhoApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def state(self) -> StateScreen:
        """The one screen."""
        assert isinstance(self.app.screen, StateScreen)
        return self.app.screen

    @property
    def where(self) -> Where:
        """The place that is shown."""
        assert self.state.body is not None
        return self.state.body.WHERE

    @property
    def tree(self) -> TreeBody:
        """The tree, which must be shown."""
        assert isinstance(self.state.body, TreeBody), self.state.body
        return self.state.body

    @property
    def map(self) -> MapBody:
        """The map, which must be shown."""
        assert isinstance(self.state.body, MapBody), self.state.body
        return self.state.body

    @property
    def spot(self) -> MapPlace:
        """Where one is in the map."""
        here = self.map.here
        assert isinstance(here, MapPlace)
        return here

    @property
    def palette(self) -> Palette:
        """The palette, which must be open."""
        assert isinstance(self.app.screen, Palette)
        return self.app.screen

    @property
    def offers(self) -> list[str]:
        """What the palette offers."""
        return [str(entry.words) for entry in self.palette.query_one(EntriesView).entries]

    async def command(self, text: str) -> None:
        """Type into the palette."""
        await self.press("colon")
        self.palette.query_one(Input).value = text
        await self.settle()

    @property
    def cell(self) -> str:
        """The cell under the cursor of the map, in words."""
        return self.panel("cell")

    async def delivered(self) -> None:
        """Every message that is under way has been handled."""
        for _ in range(_HOPS):
            pumps: list[MessagePump] = [self.app, self.app.screen, *self.app.screen.walk_children()]
            waiting = [asyncio.Event() for _ in pumps]
            for pump, event in zip(pumps, waiting, strict=True):
                if not pump.call_later(event.set):
                    event.set()
            await asyncio.wait_for(asyncio.gather(*(event.wait() for event in waiting)), _PATIENCE)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(_PATIENCE):
            while not condition():
                await asyncio.sleep(0.005)

    async def sees(self, *texts: str) -> None:
        """All of them come to be on the screen."""
        try:
            await self.until(lambda: all(text in self.screen for text in texts))
        except TimeoutError:
            raise AssertionError(f"{[text for text in texts if text not in self.screen]} not in\n{self.screen}") from None

    async def stands_still(self) -> None:
        """Nothing on the screen changes any more: all messages delivered, again and again, with the same picture after each."""
        same = 0
        before: list[list[Segment]] = []
        while same < 5:
            await self.settle()
            # What lies below a modal was drawn when that opened, be it laid out by then or not.
            self.app.screen.refresh()
            await asyncio.sleep(0.02)
            shown = [list(strip) for strip in self.app.screen._compositor.render_strips()]
            same = same + 1 if shown == before else 0
            before = shown

    async def settle(self) -> None:
        """What was asked for is on the screen."""
        await self.delivered()
        while self.is_busy:
            await self.until(lambda: not self.is_busy)
            await self.delivered()

    @property
    def is_busy(self) -> bool:
        """Something is read or drawn beside the screen, or laid out at the next frame: a list scrolls by the height it has then."""
        screen = self.app.screen
        is_reading = isinstance(screen, StateScreen | Palette) and screen.busy
        return is_reading or (not self.app._exit and (screen._layout_required or screen._scroll_required))

    async def opened(self) -> None:
        """The state is on the screen."""
        await self.until(lambda: isinstance(self.app.screen, StateScreen) and not self.state.busy)
        await self.settle()

    async def press(self, *keys: str) -> None:
        """Keys as the driver sends them; a pilot would take 60 ms over each."""
        for key in keys:
            self.send(key)
            await self.settle()

    def send(self, *keys: str) -> None:
        """Keys without waiting for what comes of them; they take effect in order."""
        for key in keys:
            self.app.post_message(events.Key(key, key if len(key) == 1 else None))

    async def type(self, text: str) -> None:
        self.app.screen.query_one(Input).value = text
        await self.press("enter")

    async def search(self, text: str) -> None:
        await self.press("slash")
        await self.type(text)

    async def go_to_address(self, text: str) -> None:
        await self.press("at")
        await self.type(text)

    def panel(self, name: str) -> str:
        return self.app.screen.query_one(f"#{name}", Panel).shown

    @property
    def info(self) -> str:
        """About the selected value, line breaks undone."""
        return self.panel("info").replace("\n   ", " ").strip()

    @property
    def bar(self) -> str:
        return self.panel("bar")

    @property
    def path(self) -> str:
        here = self.tree.here
        assert isinstance(here, Location)
        return str(here.path)

    @property
    def fields(self) -> FieldsPane:
        return self.tree.right.fields

    @property
    def rows(self) -> RowsPane:
        return self.tree.right.table

    @property
    def hex(self) -> HexPane:
        return self.tree.right.hex

    @property
    def field(self) -> str:
        """The name of the selected field."""
        assert self.fields.value is not None
        return self.fields.value.name

    async def select_field(self, name: str) -> None:
        """The first field of that name in the entity shown, by the keyboard."""
        index = [value.name for value in self.fields.values].index(name)
        while self.app.focused is not self.fields:
            await self.press("tab")
        await self.press("home", *["down"] * index)

    @property
    def screen(self) -> str:
        """All that is drawn, as text."""
        return "\n".join("".join(segment.text for segment in strip) for strip in self.app.screen._compositor.render_strips())


def opening(path: str) -> Loader:
    """Loads what lies at the path, as the command does."""

    def load(context: Context) -> Loaded:
        return loaded_of(open_state(path, context), path, ())

    return load


TREE = ListSpot(Where.TREE)


@asynccontextmanager
async def using(
    load: Loader,
    size: tuple[int, int] = (80, 24),
    title: str = "x86_64-7.3/2-pre",
    start: Spot = TREE,
    watch: Watch | None = None,
    other: str = "",
) -> AsyncIterator[User]:
    app = KhoApp(load, SafeText(title), start=start, watch=watch, other=other)
    async with app.run_test(size=size) as pilot:
        yield User(app, pilot)
    app.close_state()


@asynccontextmanager
async def using_state(
    load: Loader,
    size: tuple[int, int] = (80, 24),
    title: str = "x86_64-7.3/2-pre",
    start: Spot = TREE,
    watch: Watch | None = None,
    other: str = "",
) -> AsyncIterator[User]:
    """As ``using``, from when the state is on the screen."""
    async with using(load, size, title, start, watch, other) as user:
        await user.opened()
        yield user
