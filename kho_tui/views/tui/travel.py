"""Going from place to place, from one thing of a state to another, and back."""

from __future__ import annotations

from asyncio import Lock
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widget import Widget

from kho_tui.context import Context
from kho_tui.model.entity import find
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText, visible
from kho_tui.views.format import Base
from kho_tui.views.reception import kernel_does
from kho_tui.views.tui.background import Finished, Stoppable
from kho_tui.views.tui.bodies import make_body
from kho_tui.views.tui.body import Body
from kho_tui.views.tui.bottom import Bottom
from kho_tui.views.tui.calm_screen import CalmScreen
from kho_tui.views.tui.changes import NO_CHANGES, Changes
from kho_tui.views.tui.lines import Role
from kho_tui.views.tui.loaded import Loaded
from kho_tui.views.tui.navigate import FINDINGS, History, Hits, ListSpot, Location, Spot, Where, locate
from kho_tui.views.tui.reading import read_children
from kho_tui.views.tui.top import Top
from kho_tui.views.tui.tree_model import TreeModel

if TYPE_CHECKING:
    from kho_tui.operations.held_state import Simulated
    from kho_tui.views.tui.app import KhoApp


@dataclass(slots=True, kw_only=True)
class Journey:
    """What outlives another read of the state: where one is (None: at the start), was, and left each place; the search; the base."""

    spot: Spot | None = None
    history: History = field(default_factory=History)
    spots: dict[Where, Spot] = field(default_factory=dict)
    hits: Hits = field(default_factory=Hits)
    base: Base = "natural"
    opened: Sequence[EntityPath] = ()
    """The rows of the tree that are open."""
    other: str = ""
    """The path of the state that is compared with, as it was typed; empty for none."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A state with what is computed before it is shown. ``changes`` are those since the read before."""

    loaded: Loaded
    tree: TreeModel
    changes: Changes = NO_CHANGES


class TravelScreen(CalmScreen, inherit_bindings=False):
    """Top and bottom line, the bodies between them, and all ways to get from one thing to another."""

    def __init__(self, prepared: Prepared, journey: Journey) -> None:
        super().__init__()
        self.prepared = prepared
        self.loaded = prepared.loaded
        self.base = journey.base
        self.top = Top(self.loaded.title, self.loaded.verdict, id="top")
        self.top.is_pair = self.loaded.against is not None
        self.bottom = Bottom(id="bottom")
        self.body: Body | None = None
        self._journey = journey
        self._places = Vertical(id="places")
        self._bodies: dict[Where, Body] = {}
        self._focused: dict[Where, Widget] = {}
        self._history = journey.history
        self._hits = journey.hits
        self._walk = Stoppable(self)
        self._moving = Lock()

    def compose(self) -> ComposeResult:
        """Where one is above, a place, one line below."""
        yield self.top
        yield self._places
        yield self.bottom

    async def on_mount(self) -> None:
        """Go to the start, or to where one was before another read."""
        await self._enter(self._journey.spot or ListSpot(Where.OVERVIEW))

    @property
    def tree_model(self) -> TreeModel:
        """The rows of the tree."""
        return self.prepared.tree

    @property
    def changes(self) -> Changes:
        """What changed since the read before."""
        return self.prepared.changes

    @property
    def busy(self) -> bool:
        """True while something is read beside the screen or not yet laid out."""
        return self.body is None or self.body.busy or self._walk.is_running or self._moving.locked()

    @property
    def journey(self) -> Journey:
        """What another read of the state goes on from."""
        spots = dict(self._journey.spots)
        spots.update({where: spot for where, body in self._bodies.items() if (spot := body.here) is not None})
        return Journey(
            spot=self.here,
            history=self._history,
            spots=spots,
            hits=self._hits,
            base=self.base,
            opened=self.prepared.tree.opened,
            other=self._other,
        )

    @property
    def _other(self) -> str:
        return self.loaded.against.path if self.loaded.against is not None else ""

    def set_beside(self, loaded: Loaded) -> None:
        """The same state, with another open beside it now: show what differs."""
        before, self.loaded = self.loaded.against, loaded
        if before is not None:
            before.loaded.close()
        self.top.is_pair = True
        self.travel(ListSpot(Where.DIFF))

    def predict(self, path: str) -> None:
        """Kexec this state in the simulator as the one at ``path`` was booted, and compare what comes of it with that one."""
        simulator = self.loaded.simulator
        if simulator is None:
            self.bottom.say("this state cannot be handed to a simulated kernel", Role.WARN)
            return

        def done(told: Simulated) -> None:
            app: KhoApp = self.app  # type: ignore[assignment]
            if told.state is None:
                self.bottom.say(f"{kernel_does(told.kernel, told.reception)}: there is nothing to compare", Role.WARN)
            else:
                app.show_prediction(told, path)

        what = f"simulating the kexec that led to {visible(path)}"
        self._walk.run(what, lambda stop: simulator.predict(path, Context(cancelled=stop)), done, self.bottom)

    def show_root(self, address: int) -> None:
        """Read the state again with the root FDT at an address."""
        app: KhoApp = self.app  # type: ignore[assignment]
        app.show_root(address)

    @property
    def journey_elsewhere(self) -> Journey:
        """What to begin from in another state: the same place, where nothing is selected yet."""
        return Journey(spot=ListSpot(self.body.WHERE) if self.body is not None else None, base=self.base, other=self._other)

    @on(Finished)
    def _finished(self, message: Finished) -> None:
        message.stop()
        message.deliver()

    # Places

    async def _enter(self, spot: Spot) -> None:
        """Show the place that a spot is in, and the spot there."""
        async with self._moving:
            where = spot.where
            body = self._bodies.get(where)
            wanted: Spot | None = spot
            if isinstance(spot, ListSpot) and spot == ListSpot(where):
                wanted = self._journey.spots.get(where) if body is None else None
            if body is None:
                body = make_body(where, self)
                body.display = False
                await self._places.mount(body)
                self._bodies[where] = body
                body.base_changed()
            if body is not self.body:
                self._swap(body)
            body.arrive(wanted)
            self._focus(body)
            self.bottom.show_hints(body.HINTS)
            self.moved()

    def _swap(self, body: Body) -> None:
        old = self.body
        if old is not None:
            if self.focused is not None and self.focused in old.panes:
                self._focused[old.WHERE] = self.focused
            old.display = False
        self.end_zoom()
        self.bottom.clear()
        self.body = body
        body.display = True

    def _focus(self, body: Body) -> None:
        if self.focused is not None and body in self.focused.ancestors:
            return
        last = self._focused.get(body.WHERE)
        panes = body.panes
        self.set_focus(last if last is not None and last in panes else panes[0] if panes else None)

    def end_zoom(self) -> None:
        """Show all panes again."""

    def moved(self) -> None:
        """Draw breadcrumb and modes anew."""
        if self.body is not None:
            self.top.tell(self.body.WHERE, self.body.trail)
            self.bottom.show_note(self.body.note)

    @property
    def here(self) -> Spot | None:
        """Where one is; None before there is anywhere."""
        if self.body is None:
            return self._journey.spot
        return self.body.here or ListSpot(self.body.WHERE)

    # Going

    def travel(self, spot: Spot) -> None:
        """Go somewhere new; Backspace returns."""
        self.call_next(self._leave_for, spot)

    async def _leave_for(self, spot: Spot) -> None:
        here = self.here
        if here is not None:
            self._history.leave(here)
        await self._enter(spot)

    async def action_place(self, number: int) -> None:
        """Go to a place by its digit."""
        await self._go_to_place(list(Where)[number - 1])

    @on(Top.Picked)
    async def _picked(self, message: Top.Picked) -> None:
        await self._go_to_place(message.where)

    async def _go_to_place(self, where: Where) -> None:
        if self.body is None or self.body.WHERE is not where:
            await self._leave_for(ListSpot(where))

    async def action_back(self) -> None:
        """Go back."""
        await self._step_history(-1)

    async def action_ahead(self) -> None:
        """Undo going back."""
        await self._step_history(1)

    async def _step_history(self, direction: int) -> bool:
        here = self.here
        if here is None:
            return False
        there = self._history.back(here) if direction < 0 else self._history.ahead(here)
        if there is None:
            self.bottom.say("nothing to go back to" if direction < 0 else "nothing ahead", Role.DIM)
            return False
        await self._enter(there)
        return True

    async def action_map(self) -> None:
        """Show where the selected thing lies in memory; from the map, go back."""
        body = self.body
        if body is None or body.map():
            return
        if body.WHERE is Where.MAP:
            if not await self._step_history(-1):
                await self._leave_for(ListSpot(Where.TREE))
            return
        place = body.place
        if place is None:
            self.bottom.say("nothing here lies anywhere in a map", Role.DIM)
        else:
            await self._leave_for(place)

    def go_to_address(self, address: int) -> None:
        """To what the address says most about, other than where one is; the rest is for ``n``."""
        root = self.loaded.root

        def done(places: list[Location]) -> None:
            here = self.here
            others = [place for place in places if not isinstance(here, Location) or not place.is_shown_by(here)]
            if len(others) == 1:
                self.travel(others[0])
            elif others:
                self.step_through(SafeText(f"{address:#x}"), others)
            elif places:
                self.bottom.say(f"{address:#x} lies here", Role.DIM)
            else:
                self.bottom.say(f"nothing in this state holds {address:#x}", Role.WARN)

        self._walk.run(f"looking for {address:#x}", lambda stop: locate(root, address, stop.is_set), done, self.bottom)

    def step_through(self, query: SafeText, places: Sequence[Location]) -> None:
        """Go to the first of what a search met; ``n`` goes on from there. Without any the search is over."""
        self._hits = Hits(query, places)
        if places:
            self._step_hits(1)
        else:
            self.bottom.show_hits("")

    def action_hit(self, direction: int) -> None:
        """Go to the next or previous hit, of the search in this place or of the whole state."""
        if self.body is None or not self.body.hit(direction):
            self._step_hits(direction)

    def _step_hits(self, direction: int) -> None:
        place = self._hits.step(direction)
        if place is None:
            self.bottom.say("no search yet: / starts one", Role.DIM)
            return
        self.bottom.show_hits(self._hits.note)
        self.travel(place)

    def action_step(self, direction: int) -> None:
        """Go to the next or previous of what this place is about, or finding."""
        if self.body is not None and self.body.step(direction):
            return
        holder = find(self.loaded.root, FINDINGS)
        paths = [finding.path for finding in read_children(holder)] if holder is not None else []
        if not paths:
            self.bottom.say("no findings", Role.DIM)
            return
        here = self.here.path if isinstance(self.here, Location) else None
        at = paths.index(here) + direction if here in paths else 0 if direction > 0 else -1
        self.travel(Location(paths[at % len(paths)]))
