"""Body: one place of the app (overview, tree, map ...) as the inside of the one screen, between its top and its bottom line.

The screen owns what is the same everywhere: title, breadcrumb, verdict, bottom line, history, palette and the keys.
A body answers for what they mean here. Bodies are made when they are first visited and stay, so that each keeps its position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from textual.containers import Vertical
from textual.widget import Widget

from kho_tui.model.entity import Value
from kho_tui.text import NO_TEXT, SafeText
from kho_tui.views.format import Base
from kho_tui.views.tui.bottom import Bottom, Hint
from kho_tui.views.tui.changes import Changes
from kho_tui.views.tui.loaded import Loaded
from kho_tui.views.tui.navigate import MapPlace, Spot, Where
from kho_tui.views.tui.tree_model import TreeModel


class Stage(Protocol):
    """What the screen offers its bodies."""

    @property
    def loaded(self) -> Loaded:
        """The state that is shown."""

    @property
    def tree_model(self) -> TreeModel:
        """The rows of the tree, fetched in part before the state is shown."""

    @property
    def changes(self) -> Changes:
        """What changed since the read before."""

    @property
    def bottom(self) -> Bottom:
        """The line where things are said, and where a filter is typed: ``bottom.ask("filter", text)``."""

    @property
    def base(self) -> Base:
        """How integers are written."""

    def travel(self, spot: Spot) -> None:
        """Go somewhere new, in this body or another; Backspace returns."""

    def go_to_address(self, address: int) -> None:
        """Go to what the state says of a physical address."""

    def predict(self, path: str) -> None:
        """Kexec this state in the simulator as the one at ``path`` was booted, and compare what comes of it with that one."""

    def moved(self) -> None:
        """The selection is another one: breadcrumb and modes are drawn anew."""


class Body(Vertical):
    """One place. Subclasses compose their panes and answer the questions below; the defaults say that there is no answer here."""

    WHERE: ClassVar[Where]
    HINTS: ClassVar[tuple[Hint, ...]] = ()
    """Keys to know here, dearest first."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(id=f"body-{self.WHERE.name.lower()}")
        self.stage = stage

    def arrive(self, spot: Spot | None) -> None:
        """The body is shown now: go to ``spot``, or stay where one was here the last time (None).

        The body is mounted, but before its first layout its panes have no size yet.
        """

    @property
    def here(self) -> Spot | None:
        """Where one is: what Backspace, reload and watch come back to."""
        return None

    @property
    def trail(self) -> tuple[SafeText, ...]:
        """The breadcrumb: the selected thing's place in the state, outermost first."""
        return ()

    @property
    def busy(self) -> bool:
        """True while something is read beside the screen or not yet laid out."""
        return False

    @property
    def panes(self) -> Sequence[Widget]:
        """The panes that Tab goes through, those that are shown."""
        return ()

    def next_pane(self, direction: int) -> bool:
        """Tab (1) and Shift-Tab (-1) where they mean something else than ``panes``; False: they go through those."""
        return False

    def search(self, text: str) -> bool:
        """Search here; False: search the whole state."""
        return False

    def hit(self, direction: int) -> bool:
        """To the next (1) or previous (-1) hit of a search made here; False: of the search of the whole state."""
        return False

    def filtered(self, text: str) -> None:
        """A filter was typed after ``stage.bottom.ask("filter")``; empty: none wanted."""

    def show_address(self, address: int) -> bool:
        """``@``: go to a physical address here; False: the tree is asked for what holds it."""
        return False

    def step(self, direction: int) -> bool:
        """To the next (1) or previous (-1) of what this place is about; False: there is none here, the screen steps through findings."""
        return False

    def map(self) -> bool:
        """``m`` where it means something else here; False: the map of the state is shown at ``place``."""
        return False

    @property
    def selection(self) -> Value | None:
        """The selected value, which ``y`` copies."""
        return None

    @property
    def place(self) -> MapPlace | None:
        """Where the selected thing lies in memory, for ``m``."""
        return None

    @property
    def command(self) -> tuple[str, ...]:
        """The command that prints what is shown, as words after ``kho-tui``, the path left out (``show``, ``--side``, ``out``)."""
        return ("show",)

    def base_changed(self) -> None:
        """Integers are written in another base now (``stage`` tells which)."""

    def stop(self) -> bool:
        """Esc: stop what runs or close what is open here; False: nothing was."""
        return False

    @property
    def note(self) -> SafeText:
        """A mode of this place to keep in sight in the bottom line (a filter, a sort), empty for none."""
        return NO_TEXT
