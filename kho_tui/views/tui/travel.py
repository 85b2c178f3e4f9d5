"""Going from one thing of a state to another, to its place in memory, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.screen import Screen

from kho_tui.model.entity import Detail, Entity, Value, find
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText
from kho_tui.views.tui.background import Finished, Newest, Stoppable
from kho_tui.views.tui.bottom import Bottom
from kho_tui.views.tui.lines import Role
from kho_tui.views.tui.loaded import Loaded
from kho_tui.views.tui.map_screen import Departure, MapScreen
from kho_tui.views.tui.navigate import FINDINGS, History, Hits, Location, MapPlace, Spot, address_of, locate, path_of
from kho_tui.views.tui.reading import read_children, read_detail
from kho_tui.views.tui.right_side import RightSide
from kho_tui.views.tui.table_view import TableView
from kho_tui.views.tui.tree_model import TreeModel
from kho_tui.views.tui.tree_pane import TreePane

if TYPE_CHECKING:
    from kho_tui.views.tui.app import KhoApp

_HINTS = (("Enter", "follow"), ("Bksp", "back"), ("/", "search"), ("@", "goto"), ("m", "map"), ("]", "finding"), ("y", "copy"))


class TravelScreen(Screen[None], inherit_bindings=False):
    """The panes that show one thing of a state, and all ways to make them show another one."""

    def __init__(self, loaded: Loaded, model: TreeModel) -> None:
        super().__init__()
        self._loaded = loaded
        self._model = model
        self.entities = TreePane(model, id="tree")
        self.right = RightSide(id="right")
        self.bottom = Bottom(_HINTS, id="bottom")
        self._history = History()
        self._hits = Hits()
        self._detail = Newest(self)
        self._walk = Stoppable(self)

    # Showing

    def _select(self, entity: Entity | None, location: Location | None) -> None:
        if entity is None:
            return

        def done(detail: Detail) -> None:
            self.bottom.clear()
            self.right.show(entity, detail, location)
            self._keep_focus()

        self._detail.run(lambda: read_detail(entity), done, lambda text: self.bottom.say(text, Role.BAD))

    @on(Finished)
    def _finished(self, message: Finished) -> None:
        message.stop()
        message.deliver()

    def _keep_focus(self) -> None:
        if self.focused is not None and not self.focused.display:
            self.set_focus(self.entities)

    # Going places

    @property
    def here(self) -> Location | None:
        """Where one is."""
        entity = self.right.entity
        if entity is None:
            return None
        pane = self.focused.id if isinstance(self.focused, TableView) else None
        return Location(entity.path, self.right.fields.cursor, self.right.table.cursor, pane)

    def _go(self, spot: Spot, leaving: Spot | None = None) -> None:
        """Open the way to a place and show it; ``leaving`` is what Backspace will return to."""
        if isinstance(spot, Location):
            self._go_in_tree(spot, leaving)
            return
        if leaving is not None:
            self._history.leave(leaving)
        self.app.push_screen(MapScreen(self._loaded, spot), self._came_from_map)

    def _go_in_tree(self, location: Location, leaving: Spot | None) -> None:
        def opened(_result: None) -> None:
            with self.prevent(TableView.Moved):
                there = self.entities.go(location.path)
            if not there:
                self.bottom.say(f"{location.path.text} is not in this state", Role.WARN)
                return
            if leaving is not None:
                self._history.leave(leaving)
            self._select(self.entities.entity, location)

        if self._model.is_way_fetched(location.path):
            opened(None)
        else:
            self._walk.run(f"opening {location.path.text}", lambda _stop: self._model.fetch_way(location.path), opened, self.bottom)

    def _travel(self, spot: Spot) -> None:
        """Go somewhere new; Backspace returns."""
        self._go(spot, self.here)

    def action_back(self) -> None:
        """Go back."""
        self._step_history(-1, self.here)

    def action_ahead(self) -> None:
        """Undo going back."""
        self._step_history(1, self.here)

    def _step_history(self, direction: int, here: Spot | None) -> None:
        if here is None:
            return
        there = self._history.back(here) if direction < 0 else self._history.ahead(here)
        if there is None:
            self.bottom.say("nothing to go back to" if direction < 0 else "nothing ahead", Role.DIM)
        else:
            self._go(there)

    def action_map(self) -> None:
        """Show where the selected thing lies in memory."""
        entity = self.right.entity
        sides = [one.path.parts[0] for one in read_children(self._loaded.root) if one.kind == "side"]
        if entity is None or not sides:
            self.bottom.say("no side in this state, so no map of one", Role.DIM)
            return
        # A finding has no place of its own but speaks of something that has.
        subject = next((path for value in self.right.values if (path := path_of(value)) is not None), entity.path)
        own = subject.parts[0] if subject.parts else ""
        self._travel(self._place_of(entity, subject, own if own in sides else sides[0]))

    def _place_of(self, entity: Entity, subject: EntityPath, side: str) -> MapPlace:
        """Of a row or a pointer what it speaks of, else the entity and all below it."""
        right, page_size = self.right, self._loaded.page_size
        target: int | None = None
        if self.focused is right.table:
            target = right.table.row_target()
        elif self.focused is right.fields and right.fields.value is not None:
            target = address_of(right.fields.value, page_size)
        if target is not None:
            return MapPlace(side, target, page_size)
        return MapPlace(side, entity.address, max(entity.size, 1), subject)

    def _came_from_map(self, departure: Departure | None) -> None:
        if departure is None:
            return
        if departure.way == "reload":
            app: KhoApp = self.app  # type: ignore[assignment]
            app.load(departure.place)
        elif departure.target is not None:
            self._go(departure.target, departure.place)
        else:
            self._step_history(1 if departure.way == "ahead" else -1, departure.place)

    def _follow(self, value: Value) -> None:
        address = address_of(value, self._loaded.page_size)
        if address is not None:
            self._go_to_address(address)
        elif (path := path_of(value)) is not None:
            self._travel(Location(path))
        else:
            self.bottom.say(f"{value.name} points nowhere", Role.DIM)

    def _go_to_address(self, address: int) -> None:
        """To what the address says most about, other than where one is; the rest is for ``n``."""

        def done(places: list[Location]) -> None:
            shown = self.right.entity
            here = self.here
            others = [place for place in places if here is None or not place.is_shown_by(here)]
            if len(others) == 1:
                self._travel(others[0])
            elif others:
                self._step_through(SafeText(f"{address:#x}"), others)
            elif places and shown is not None:
                self.bottom.say(f"{address:#x} lies here", Role.DIM)
            else:
                self.bottom.say(f"nothing in this state holds {address:#x}", Role.WARN)

        self._walk.run(f"looking for {address:#x}", lambda stop: locate(self._loaded.root, address, stop.is_set), done, self.bottom)

    def _step_through(self, query: SafeText, places: list[Location]) -> None:
        self._hits = Hits(query, places)
        self.action_hit(1)

    def action_hit(self, direction: int) -> None:
        """Go to the next or previous hit."""
        place = self._hits.step(direction)
        if place is None:
            self.bottom.say("no search yet: / starts one", Role.DIM)
            return
        self.bottom.show_hits(self._hits.note)
        self._travel(place)

    def action_finding(self, direction: int) -> None:
        """Go to the next or previous finding."""
        holder = find(self._loaded.root, FINDINGS)
        paths = [finding.path for finding in read_children(holder)] if holder is not None else []
        if not paths:
            self.bottom.say("no findings", Role.DIM)
            return
        here = self.right.entity.path if self.right.entity is not None else None
        at = paths.index(here) + direction if here in paths else 0 if direction > 0 else -1
        self._travel(Location(paths[at % len(paths)]))
