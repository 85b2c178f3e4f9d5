"""The states that the app can switch between: what was opened, and what simulated kexecs made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kho_tui.text import SafeText, visible
from kho_tui.views.tui.loaded import Loaded, Loader, Simulator

if TYPE_CHECKING:
    from kho_tui.context import Context
    from kho_tui.operations.held_state import HeldState, Simulated


@dataclass(slots=True, eq=False)
class Link:
    """A state of the chain. ``name`` is short; ``told`` is the kexec that led to it, None for what was opened.

    ``written``: the directory that it was written to, empty where it is only in memory.
    """

    name: SafeText
    title: SafeText
    load: Loader
    told: Simulated | None = None
    written: str = ""


class Chain:
    """What was opened, then one state a kexec; ``at`` is the one that is shown."""

    def __init__(self, title: SafeText, load: Loader) -> None:
        self.links = [Link(SafeText("opened"), title, load)]
        self.at = 0

    @property
    def here(self) -> Link:
        """The state that is shown."""
        return self.links[self.at]

    def grow(self, after: int, told: Simulated, simulator: Simulator) -> int:
        """Put what came of a kexec behind ``after`` in the place of what stood there; its number. There has to be a state."""
        held = told.state
        assert held is not None
        link = Link(visible(told.kernel), visible(held.path), lambda context: _load(link, held, simulator, context), told)
        del self.links[after + 1 :]
        self.links.append(link)
        return after + 1


def _load(link: Link, held: HeldState, simulator: Simulator, context: Context) -> Loaded:
    return simulator.show(held.open(context), link.written)
