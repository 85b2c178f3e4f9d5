"""The tree: everything that the state holds, and all that is known of the thing selected in it."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.widget import Widget

from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Detail, Entity, Value
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText
from kho_tui.views.tui.after_layout import after_layout
from kho_tui.views.tui.background import Newest, Stoppable
from kho_tui.views.tui.body import Body, Stage
from kho_tui.views.tui.check_rows import faults, marks_of
from kho_tui.views.tui.lines import Role
from kho_tui.views.tui.meaning import owner_text
from kho_tui.views.tui.navigate import FINDINGS, Location, MapPlace, Spot, Where, address_of, path_of
from kho_tui.views.tui.reading import read_children, read_detail
from kho_tui.views.tui.right_side import RightSide
from kho_tui.views.tui.table_view import TableView
from kho_tui.views.tui.tree_pane import TreePane

_PATIENCE = 0.01
"""Seconds for which a key waits for the detail of an entity; most are read in less than one thousandth."""


class TreeBody(Body):
    """Selecting in the tree reads the entity's detail beside the screen; everything else follows the selection."""

    WHERE = Where.TREE
    HINTS = (("Enter", "follow"), ("Bksp", "back"), ("/", "search"), ("@", "goto"), ("m", "map"), ("]", "finding"), ("y", "copy"))

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._model = stage.tree_model
        self.entities = TreePane(stage.tree_model, stage.changes, id="tree")
        self.right = RightSide(id="right")
        self._detail = Newest(self, _PATIENCE)
        self._walk = Stoppable(self)

    def compose(self) -> ComposeResult:
        """Tree left, detail right."""
        yield self.entities
        yield self.right

    def on_mount(self) -> None:
        """Give the tree its rows, and the right side what it needs to know of the state."""
        loaded = self.stage.loaded
        self.right.platform = loaded.state.machine.platform
        self.right.owner_of = self._owner
        with self.prevent(TableView.Moved):
            self.entities.rows_changed()
        self._mark()
        loaded.checking.ask(self, self._mark)

    def _mark(self) -> None:
        """Of what was met while reading the marks are there at once, of broken rules when they are known."""
        self.entities.mark(marks_of(faults(self.stage.loaded)))

    def _owner(self, address: int) -> SafeText | None:
        """Who owns an address, by a map that is there already; None: not known."""
        entity = self.right.entity
        memory = self.stage.loaded.maps.made(self._side_of(entity.path)) if entity is not None else None
        return owner_text(memory, address) if memory is not None else None

    # Where one is

    @property
    def busy(self) -> bool:
        """True while something is read beside the screen or not yet laid out."""
        return self._detail.is_running or self._walk.is_running or self.entities.busy or not self.right.is_settled

    @property
    def here(self) -> Spot | None:
        """The entity shown, and what is selected of it."""
        entity = self.right.entity
        if entity is None:
            return None
        focused = self.screen.focused
        pane = focused.id if isinstance(focused, TableView) and focused in self.panes else None
        return Location(entity.path, self.right.fields.cursor, self.right.table.cursor, pane)

    @property
    def trail(self) -> tuple[SafeText, ...]:
        """The path of the entity at the cursor."""
        entity = self.entities.entity
        return tuple(SafeText(part) for part in entity.path.parts) if entity is not None else ()

    @property
    def panes(self) -> Sequence[Widget]:
        """Tree, fields, rows and bytes, those that the entity has."""
        return [pane for pane in (self.entities, self.right.fields, self.right.table, self.right.hex) if pane.display]

    def arrive(self, spot: Spot | None) -> None:
        """Open the way to an entity and show it."""
        if not isinstance(spot, Location):
            if self.right.entity is None:
                self._select(self.entities.entity, None)
            return

        def opened(_result: None) -> None:
            with self.prevent(TableView.Moved):
                there = self.entities.go(spot.path)
            if there:
                self._select(self.entities.entity, spot)
                return
            if self.right.entity is None:
                self._select(self.entities.entity, None)
            self.stage.bottom.say(f"{spot.path.text} is not in this state", Role.WARN)

        if self._model.is_way_fetched(spot.path):
            opened(None)
        else:
            self._walk.run(f"opening {spot.path.text}", lambda _stop: self._model.fetch_way(spot.path), opened, self.stage.bottom)

    def _select(self, entity: Entity | None, location: Location | None) -> None:
        self.stage.moved()
        if entity is None:
            return

        def done(detail: Detail) -> None:
            self.stage.bottom.clear()
            self.right.show(entity, detail, location if self.display else None)
            self._keep_focus()

        self._detail.run(lambda: read_detail(entity), done, lambda text: self.stage.bottom.say(text, Role.BAD))

    def on_resize(self) -> None:
        """A pane may have had to go."""
        after_layout(self, self._keep_focus)

    def _keep_focus(self) -> None:
        focused = self.screen.focused
        if isinstance(focused, TableView) and self in focused.ancestors and focused not in self.panes:
            self.screen.set_focus(self.entities)

    @on(TableView.Moved)
    def _moved(self, message: TableView.Moved) -> None:
        message.stop()
        if message.view is not self.entities:
            self.stage.bottom.clear()
        elif self.entities.entity is not self.right.entity or self._detail.is_running:
            self._select(self.entities.entity, None)

    # Following

    @on(TableView.Chosen)
    def _chosen(self, message: TableView.Chosen) -> None:
        message.stop()
        right = self.right
        if message.view is self.entities:
            self._choose_entity()
        elif message.view is right.table:
            target = right.table.row_target()
            if target is None:
                self.stage.bottom.say("this row points nowhere", Role.DIM)
            else:
                self.stage.go_to_address(target)
        elif (value := right.fields.value if message.view is right.fields else right.selected) is not None:
            self._follow(value)

    def _choose_entity(self) -> None:
        entity = self.entities.entity
        if entity is None:
            return
        if entity.path.parent == FINDINGS and self.right.entity is entity:
            where = next((value for value in self.right.values if value.name == "where"), None)
            if where is not None:
                self._follow(where)
                return
        if not self.entities.model.rows[self.entities.cursor].leaf:
            self.entities.action_open_or_close()
        elif len(self.panes) > 1:
            self.screen.set_focus(self.panes[1])

    def _follow(self, value: Value) -> None:
        address = address_of(value, self.stage.loaded.page_size)
        if address is not None:
            self.stage.go_to_address(address)
        elif (path := path_of(value)) is not None:
            self.stage.travel(Location(path))
        else:
            self.stage.bottom.say(f"{value.name} points nowhere", Role.DIM)

    def stop(self) -> bool:
        """Stop opening the way to something."""
        was_running = self._walk.is_running
        self._walk.stop()
        return was_running

    # The selected thing

    @property
    def selection(self) -> Value | None:
        """Of the tree the address, of a row its address, else the value."""
        entity = self.right.entity
        if self.screen.focused is self.entities and entity is not None and entity.address is not None:
            return Value(name="address", unit=Unit.PHYS, value=entity.address)
        return self.right.selected

    @property
    def command(self) -> tuple[str, ...]:
        """``show``, of the side that is selected in; with ``--blocks`` where a list is selected."""
        entity = self.right.entity
        side = entity.path.parts[0] if entity is not None and entity.path.parts[0] in self._sides else None
        listed = entity is not None and self.right.table.display
        return ("show", *(("--side", side) if side in ("in", "out") else ()), *(("--blocks",) if listed else ()))

    @property
    def _sides(self) -> list[str]:
        return [one.path.parts[0] for one in read_children(self.stage.loaded.root) if one.kind == "side"]

    def _side_of(self, path: EntityPath) -> str:
        """The side that a path lies in; of what lies in none the first side there is, empty where there is none."""
        sides = self._sides
        own = path.parts[0] if path.parts else ""
        return own if own in sides else next(iter(sides), "")

    @property
    def place(self) -> MapPlace | None:
        """Of a row or a pointer what it speaks of, else the entity and all below it."""
        right, page_size = self.right, self.stage.loaded.page_size
        entity = right.entity
        if entity is None:
            return None
        # A finding has no place of its own but speaks of something that has.
        subject = next((path for value in right.values if (path := path_of(value)) is not None), entity.path)
        side = self._side_of(subject)
        if not side:
            return None
        target: int | None = None
        if self.screen.focused is right.table:
            target = right.table.row_target()
        elif self.screen.focused is right.fields and right.fields.value is not None:
            target = address_of(right.fields.value, page_size)
        if target is not None:
            return MapPlace(side=side, address=target, size=page_size)
        return MapPlace(side=side, address=entity.address, size=max(entity.size, 1), subject=subject)

    def base_changed(self) -> None:
        """Write the values anew."""
        self.right.set_base(self.stage.base)
