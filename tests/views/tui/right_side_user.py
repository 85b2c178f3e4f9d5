"""The right side of the tree place on its own, with somebody at its keyboard."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from kho_tui.model.entity import Detail, Entity
from kho_tui.views.tui.config import Config
from kho_tui.views.tui.paint import Panel
from kho_tui.views.tui.right_side import RightSide
from kho_tui.views.tui.theme import choose_look


class RightSideApp(App[None]):
    CSS_PATH = "../../../kho_tui/views/tui/app.tcss"

    def __init__(self, config: Config | None = None) -> None:
        self.look = choose_look(os.environ, config)
        super().__init__(ansi_color=self.look.theme.ansi)
        self.right = RightSide(id="right")

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return self.look.theme.variables

    def compose(self) -> ComposeResult:
        yield self.right

    def on_mount(self) -> None:
        self.register_theme(self.look.theme)
        self.theme = self.look.theme.name


class RightSideUser:
    def __init__(self, app: RightSideApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.right = app.right
        self.pilot = pilot

    async def show(self, entity: Entity, detail: Detail | None = None) -> None:
        self.right.show(entity, entity.detail() if detail is None else detail, None)
        await self.settle()

    async def settle(self) -> None:
        await self.pilot.pause()
        while not self.right.is_settled:
            await self.pilot.pause()
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    @property
    def info(self) -> str:
        return self.app.query_one("#info", Panel).shown.replace("\n   ", " ").strip()

    @property
    def screen(self) -> str:
        return "\n".join("".join(segment.text for segment in strip) for strip in self.app.screen._compositor.render_strips())

    @property
    def field(self) -> str | None:
        value = self.right.fields.value
        return None if value is None else value.name


@asynccontextmanager
async def using_right_side(size: tuple[int, int] = (80, 24), config: Config | None = None) -> AsyncIterator[RightSideUser]:
    app = RightSideApp(config)
    async with app.run_test(size=size) as pilot:
        yield RightSideUser(app, pilot)
