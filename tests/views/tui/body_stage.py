"""One place of the app on a screen of its own, with a stage that only remembers what it was asked for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Generic, TypeVar

from states.catalogue import State as BuiltState
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Size

from kho_tui.analysis.memory_map import memory_map
from kho_tui.context import Context
from kho_tui.model.entities.state import state_entity
from kho_tui.model.state import State
from kho_tui.model.verdict import verdict
from kho_tui.operations.open_state import open_state
from kho_tui.views.format import Base
from kho_tui.views.tui.body import Body, Stage
from kho_tui.views.tui.bottom import Bottom
from kho_tui.views.tui.changes import NO_CHANGES
from kho_tui.views.tui.loaded import Loaded, Maps
from kho_tui.views.tui.navigate import Spot
from kho_tui.views.tui.theme import ASCII, Look, choose_look
from kho_tui.views.tui.tree_model import TreeModel

B = TypeVar("B", bound=Body)
_PATIENCE = 60
"""Seconds after which a condition will not come any more."""


def load(path: Path | str) -> Loaded:
    """A state as the commands open it."""
    with open_state(path, Context()) as opened:
        return loaded_of(opened.state)


def loaded_of(state: State) -> Loaded:
    """A state as the app shows it."""
    maps = Maps(lambda side, context: memory_map(state, state.sides[side], context))
    return Loaded(
        title=state.machine.path,
        verdict=verdict(state),
        root=state_entity(state),
        page_size=state.machine.platform.page_size,
        maps=maps,
        state=state,
    )


def load_built(built: BuiltState, directory: Path) -> Loaded:
    """A state of the catalogue, through a core file and a scratch table beside it."""
    out = directory / "kho" / "out"
    out.mkdir(parents=True)
    built.to_elf(directory / "memory.elf")
    (out / "scratch_phys").write_text("".join(f"{start:#x}\n" for start, _ in built.scratch))
    (out / "scratch_len").write_text("".join(f"{size:#x}\n" for _, size in built.scratch))
    return load(directory)


class FakeStage(App[None], Generic[B]):
    """A screen that holds one body. ``trips`` and ``addresses`` are where it was asked to go."""

    CSS_PATH = str(Path(__file__).parents[3] / "kho_tui" / "views" / "tui" / "app.tcss")

    def __init__(self, loaded: Loaded, make: Callable[[Stage], B], *, ascii: bool = False) -> None:
        look = choose_look(os.environ)
        self.look = Look(look.theme, look.palette, ASCII) if ascii else look
        super().__init__()
        self.loaded = loaded
        self.bottom = Bottom(id="bottom")
        self.base: Base = "natural"
        self.tree_model = TreeModel(loaded.root)
        self.changes = NO_CHANGES
        self.trips: list[Spot] = []
        self.addresses: list[int] = []
        self.body = make(self)

    def on_mount(self) -> None:
        self.register_theme(self.look.theme)
        self.theme = self.look.theme.name

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return self.look.theme.variables

    def compose(self) -> ComposeResult:
        yield self.body
        yield self.bottom

    def travel(self, spot: Spot) -> None:
        self.trips.append(spot)

    def predict(self, path: str) -> None:
        raise AssertionError(f"nothing here asks for a prediction of {path}")

    def go_to_address(self, address: int) -> None:
        self.addresses.append(address)

    def moved(self) -> None:
        assert all("\x1b" not in part for part in self.body.trail)

    # Eyes and hands

    @property
    def shown(self) -> list[str]:
        """The lines on the screen."""
        return ["".join(segment.text for segment in strip).rstrip() for strip in self.screen._compositor.render_strips()]

    @property
    def text(self) -> str:
        return "\n".join(self.shown)

    async def settle(self) -> None:
        """Everything that is under way has been handled and drawn."""
        async with asyncio.timeout(_PATIENCE):
            same, before = 0, ""
            while same < 4:
                await asyncio.sleep(0.01)
                now = self.text
                same = same + 1 if now == before and not self.body.busy else 0
                before = now

    async def resize(self, size: tuple[int, int]) -> None:
        """Another size of the terminal."""
        self.post_message(events.Resize(Size(*size), Size(*size)))
        await self.settle()

    async def press(self, *keys: str) -> None:
        for one in keys:
            self.post_message(events.Key(one, one if len(one) == 1 else None))
            await self.settle()


@asynccontextmanager
async def on_stage(
    loaded: Loaded, make: Callable[[Stage], B], size: tuple[int, int] = (80, 24), spot: Spot | None = None, *, ascii: bool = False
) -> AsyncIterator[FakeStage[B]]:
    """The body with the focus on its first pane, everything drawn. Three lines are left for what the screen has above it."""
    app = FakeStage(loaded, make, ascii=ascii)
    async with app.run_test(size=(size[0], size[1] - 3)):
        app.body.arrive(spot)
        app.screen.set_focus(app.body.panes[0])
        await app.settle()
        yield app
