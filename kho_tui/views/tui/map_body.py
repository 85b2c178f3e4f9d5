"""The memory map: its sums, the map, the cell under its cursor in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Event

from textual import events, on
from textual.app import ComposeResult
from textual.widget import Widget

from kho_tui.analysis.memory_map import MemoryMap
from kho_tui.context import Context
from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Entity, Value, find
from kho_tui.model.path import EntityPath
from kho_tui.text import NO_TEXT, SafeText
from kho_tui.views.tui.after_layout import after_layout
from kho_tui.views.tui.background import Stoppable
from kho_tui.views.tui.body import Body, Stage
from kho_tui.views.tui.check_rows import faults, marks_of
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.lines import Line, Role, indented, spans, width_of, wrap
from kho_tui.views.tui.map_cell import Part, cell_lines, sums_text, target_of
from kho_tui.views.tui.map_lanes import Chart, make_chart
from kho_tui.views.tui.map_view import MapView
from kho_tui.views.tui.navigate import Location, MapPlace, Spot, Where
from kho_tui.views.tui.paint import Panel, look_of
from kho_tui.views.tui.reading import read_children, read_detail

_LEAST_WORDS = 8
"""Lines kept for the cell in words before kinds get lanes of their own."""
_TALL = 30
"""Lines of a screen from which the sums may take two."""


class MapBody(Body):
    """Shown at once; the map comes from a thread."""

    WHERE = Where.MAP
    HINTS = (("Enter", "owner"), ("+ -", "zoom"), ("]", "next"), ("Bksp", "back"), ("o", "side"), ("@", "goto"), ("Tab", "kind"))

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("o", "side", "the map of the other side", "map.side"),
    ]

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._sides = {one.path.parts[0]: one.title for one in read_children(stage.loaded.root) if one.kind == "side"}
        self._place: MapPlace | None = None
        self._sums = NO_TEXT
        self._has_room = False
        """Whether the room is shared since the last map came: before that the sums are not in sight."""
        self._charts: dict[str, Chart] = {}
        self.sums = Panel(id="sums")
        self.view = MapView(id="map")
        self.words = Panel(id="cell")
        self._parts: list[Part] = []
        self._work = Stoppable(self)

    def compose(self) -> ComposeResult:
        """Sums, map, the cell in words."""
        yield self.sums
        yield self.view
        yield self.words

    # Where one is

    @property
    def busy(self) -> bool:
        """True while the map is not there, or has no room yet."""
        return self._work.is_running or (self.view.chart is not None and (self.view.place is None or not self._has_room))

    @property
    def here(self) -> Spot | None:
        """Where one is, or where one will be."""
        return self.view.place or self._place

    @property
    def trail(self) -> tuple[SafeText, ...]:
        """Side, address and what is known to lie there."""
        here = self.view.place or self._place
        if here is None:
            return ()
        at = () if self.view.place is None else (SafeText(f"{self.view.address:#x}"),)
        target = target_of(self._parts) if self._parts else None
        return (SafeText(here.side), *at, *((target.path.text,) if target is not None else ()))

    @property
    def panes(self) -> Sequence[Widget]:
        """The map."""
        return (self.view,)

    def arrive(self, spot: Spot | None) -> None:
        """Show a place; the map of another side is asked for."""
        if isinstance(spot, MapPlace):
            if spot != self.view.place:
                self._draw_map(spot)
        elif self._place is None and self._sides:
            self._draw_map(MapPlace(side=next(iter(self._sides))))
        elif not self._sides:
            self.words.show([spans((" no side in this state, so no map of one", Role.DIM))])

    def _draw_map(self, place: MapPlace) -> None:
        loaded, side = self.stage.loaded, place.side
        self._place = place

        def done(chart: Chart) -> None:
            self._charts[side] = chart
            self._sums, self._has_room = sums_text(chart.memory), False
            self.view.show(chart, SafeText(f"memory map of {self._sides.get(side, side)}"), place)
            if place.address is not None and not place.cell:
                self._say_if_outside(chart.memory, place.address)
            self._share_height()
            loaded.checking.ask(self, self._tell_cell)

        known = self._charts.get(side)
        if known is not None:
            done(known)
            return

        def work(stop: Event) -> Chart:
            return make_chart(loaded.maps(side, Context(cancelled=stop)), scratch_names(loaded.root))

        self._work.run(f"collecting who claims which page of {side}", work, done, self.stage.bottom)

    def _say_if_outside(self, memory: MemoryMap, address: int) -> None:
        start, end = memory.extent
        if not start <= address < end:
            self.stage.bottom.say(f"{address:#x} is outside of all that is known ({start:#x} to {end:#x})", Role.WARN)

    def on_resize(self, _event: events.Resize) -> None:
        """Share the new size."""
        after_layout(self, self._share_height)

    def _share_height(self) -> None:
        if not self.size:
            return
        self._has_room = True
        glyphs = look_of(self).glyphs
        sums = wrap(self._sums, self.size.width - 2, 2 if self.screen.size.height >= _TALL else 1, Role.TEXT, glyphs.ellipsis)
        self.sums.show(indented(sums, 1))
        self.sums.styles.height = len(sums)
        room = self.size.height - len(sums)
        self.view.styles.height = max(1, min(self.view.needed_height(room - _LEAST_WORDS), room - 2))
        self.view.redraw()
        after_layout(self, self._tell_cell)

    @on(Panel.Resized)
    def _panel_resized(self, message: Panel.Resized) -> None:
        message.stop()
        self._tell_cell()

    @on(MapView.Moved)
    def _moved(self, message: MapView.Moved) -> None:
        if message.by_key:
            self.stage.bottom.clear()
        self._tell_cell()

    @on(MapView.Told)
    def _told(self, message: MapView.Told) -> None:
        self.stage.bottom.say(message.text, Role.DIM)

    def _tell_cell(self) -> None:
        chart = self.view.chart
        if chart is None or self.view.place is None:
            return
        self._parts = self.view.parts()
        low, high = self.view.cell
        size = self.words.size
        glyphs = look_of(self).glyphs
        marks = marks_of(faults(self.stage.loaded))
        cell = cell_lines(chart, self._parts, low, high, size.width, size.height - 1, glyphs, marks)
        self.words.show([self._cell_title(low, high, size.width), *cell])
        self.stage.moved()

    def _cell_title(self, low: int, high: int, width: int) -> Line:
        address = self.view.address
        at = f" at {address:#x}" if address != low else ""
        left = spans((f" {low:#x} - {high - 1:#x}", Role.ADDRESS), (f"{at} ", Role.DIM))
        return (*left, *spans((look_of(self).glyphs.rule * (width - width_of(left)), Role.RULE)))

    # What keys mean here

    def next_pane(self, direction: int) -> bool:
        """The panes of a map are its kinds."""
        if self.view.place is not None:
            self.view.action_stop(direction)
        return True

    def step(self, direction: int) -> bool:
        """To the next or previous region of what is chosen."""
        if self.view.place is not None:
            self.view.action_region(direction)
        return True

    @on(MapView.Chosen)
    def _follow(self) -> None:
        target = target_of(self._parts)
        if target is None:
            self.stage.bottom.say("nobody is known to own anything here", Role.DIM)
            return
        root = self.stage.loaded.root
        self._work.run(f"opening {target.path}", lambda _stop: location_of_part(root, target), self.stage.travel, self.stage.bottom)

    def action_side(self) -> None:
        """Show the same place on the next side."""
        names = list(self._sides)
        here = self.view.place or self._place
        if here is None or len(names) < 2:
            self.stage.bottom.say("this state has only one side" if names else "no side in this state", Role.DIM)
            return
        at = names.index(here.side) if here.side in names else 0
        self._draw_map(replace(here, side=names[(at + 1) % len(names)]))

    def show_address(self, address: int) -> bool:
        """Go to an address of the map."""
        chart = self.view.chart
        if chart is None or self.view.place is None:
            return False
        if not self.view.go(address):
            self._say_if_outside(chart.memory, address)
        return True

    def stop(self) -> bool:
        """Stop what runs."""
        was_running = self._work.is_running
        self._work.stop()
        return was_running

    @property
    def selection(self) -> Value | None:
        """The address at the cursor."""
        return None if self.view.place is None else Value(name="address", unit=Unit.PHYS, value=self.view.address)

    @property
    def command(self) -> tuple[str, ...]:
        """``map`` of this side and of what the window shows."""
        here = self.view.place
        if here is None:
            return ("map",)
        low, high = self.view.window
        return ("map", *(("--side", here.side) if here.side in ("in", "out") else ()), "--range", f"{low:#x}-{high:#x}")


def location_of_part(root: Entity, part: Part) -> Location:
    """Where the tree shows what lies in a cell: the row of a list where one speaks of it."""
    row = part.row
    if row is None and (entity := find(root, part.path)) is not None:
        table = read_detail(entity).table
        row = table.row_at(part.start) if table is not None else None
    return Location(part.path) if row is None else Location(part.path, row=row, pane="rows")


def scratch_names(root: Entity) -> Mapping[EntityPath, SafeText]:
    """What each scratch area is called, by its path."""
    scratch = find(root, EntityPath(("scratch",)))
    return {} if scratch is None else {area.path: area.title for area in read_children(scratch)}
