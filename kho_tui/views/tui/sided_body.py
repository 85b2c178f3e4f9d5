"""SidedBody: a place of the app that shows one side of the state at a time."""

from __future__ import annotations

from textual import on

from kho_tui.model.sides import sides_meant
from kho_tui.views.tui.background import Finished
from kho_tui.views.tui.body import Body, Stage
from kho_tui.views.tui.lines import Role


class SidedBody(Body):
    """``side`` is the one shown, empty before the first and in a state without any; what is read of it comes from threads."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.side = ""
        self._sides = sides_meant(stage.loaded.state)

    def show_side(self, side: str, row: int = 0) -> None:
        """Show a side with a row of it selected; empty: say why there is none."""
        raise NotImplementedError

    def side_for(self, asked: str | None) -> str:
        """The side that is asked for if the state has it, else the one shown, else the one that is meant; empty where there is none."""
        return asked if asked is not None and asked in self._sides else self.side or next(iter(self._sides), "")

    @property
    def side_option(self) -> tuple[str, ...]:
        """``--side`` for a command; nothing where the side shown is not known as one."""
        return ("--side", self.side) if self.side in ("in", "out") else ()

    def action_side(self) -> None:
        """The next side."""
        if len(self._sides) < 2:
            self.stage.bottom.say("this state has only one side", Role.DIM)
        else:
            self.show_side(self._sides[(self._sides.index(self.side) + 1) % len(self._sides)])

    @on(Finished)
    def _finished(self, message: Finished) -> None:
        message.stop()
        message.deliver()
