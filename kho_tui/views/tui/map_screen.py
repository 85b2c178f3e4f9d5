"""The memory map screen: the map, the cell under its cursor in words, the sums of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from textual import events, on
from textual.app import ComposeResult
from textual.screen import Screen

from kho_tui.analysis.memory_map import MemoryMap
from kho_tui.errors import InputError
from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Entity, find
from kho_tui.model.path import EntityPath
from kho_tui.text import NO_TEXT, SafeText
from kho_tui.views.format import parse_address, plain_value
from kho_tui.views.tui.background import Finished, Stoppable
from kho_tui.views.tui.bottom import Bottom
from kho_tui.views.tui.clipboard import copy
from kho_tui.views.tui.help import HelpScreen
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.lines import Line, Role, spans, width_of
from kho_tui.views.tui.loaded import Loaded
from kho_tui.views.tui.map_cell import Part, cell_lines, sums_text, target_of
from kho_tui.views.tui.map_lanes import Chart, make_chart
from kho_tui.views.tui.map_view import MapView
from kho_tui.views.tui.navigate import Location, MapPlace
from kho_tui.views.tui.paint import Panel, look_of
from kho_tui.views.tui.prompt import Prompt
from kho_tui.views.tui.reading import explain, read_children, read_detail
from kho_tui.views.tui.top import Top

_HINTS = (("Enter", "owner"), ("+ -", "zoom"), ("]", "next"), ("Bksp", "back"), ("s", "side"), ("@", "goto"), ("Tab", "kind"))
_LEAST_WORDS = 9
"""Lines kept for the cell in words before kinds get lanes of their own."""


@dataclass(frozen=True, slots=True)
class Departure:
    """How the map was left, from where, and for which thing of the state."""

    way: Literal["back", "ahead", "follow", "reload"]
    place: MapPlace
    target: Location | None = None


class MapScreen(Screen[Departure], inherit_bindings=False):
    """Opens at once; the map comes from a thread. Whoever pushes it hears by a Departure how it was left."""

    AUTO_FOCUS = "#map"

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("s", "side", "the map of the other side", "memory.side"),
        key("at", "ask", "go to an address (0x…, 4G, pfn:0x…)", "memory.address"),
        key("m", "depart('back')", "back to the tree", "memory.tree"),
        key("backspace,alt+left", "depart('back')", "back to where you were, forward again", "memory.back"),
        key("alt+right", "depart('ahead')", "back to where you were, forward again", "memory.ahead"),
        key("y", "copy", "copy the address at the cursor", "memory.copy"),
        key("r", "depart('reload')", "read the state again", "memory.reload"),
        key("escape", "stop", "stop what runs", "memory.stop"),
        key("question_mark", "keys", "these keys", "memory.keys"),
        key("q,ctrl+q", "leave", "quit", "memory.quit"),
    ]

    def __init__(self, loaded: Loaded, place: MapPlace) -> None:
        super().__init__()
        self._loaded = loaded
        self._place = place
        self._sides = {one.path.parts[0]: one.title for one in read_children(loaded.root) if one.kind == "side"}
        self.top = Top(loaded.title, NO_TEXT, id="top")
        self.view = MapView(id="map")
        self.words = Panel(id="cell")
        self.bottom = Bottom(_HINTS, id="bottom")
        self._parts: list[Part] = []
        self._work = Stoppable(self)

    def compose(self) -> ComposeResult:
        """Title and sums above, the map, the cell in words, one line below."""
        yield self.top
        yield self.view
        yield self.words
        yield self.bottom

    @property
    def busy(self) -> bool:
        """True while the map is not there."""
        return self._work.is_running or (self.view.chart is not None and self.view.place is None)

    @property
    def here(self) -> MapPlace:
        """Where one is, or where one will be."""
        return self.view.place or self._place

    def on_mount(self) -> None:
        """Ask for the map."""
        self._draw_map(self._place)

    def _draw_map(self, place: MapPlace) -> None:
        side = place.side

        def work(_stop: object) -> Chart:
            return make_chart(self._loaded.maps(side), _scratch_names(self._loaded.root))

        def done(chart: Chart) -> None:
            self._place = place
            self.top.tell(sums_text(chart.memory))
            self.view.show(chart, SafeText(f"memory map of {self._sides.get(side, side)}"), place)
            if place.address is not None and not place.cell:
                self._say_if_outside(chart.memory, place.address)
            self._share_height()

        self._work.run(f"collecting who claims which page of {side}", work, done, self.bottom)

    def _say_if_outside(self, memory: MemoryMap, address: int) -> None:
        start, end = memory.extent
        if not start <= address < end:
            self.bottom.say(f"{address:#x} is outside of all that is known ({start:#x} to {end:#x})", Role.WARN)

    @on(Finished)
    def _finished(self, message: Finished) -> None:
        message.stop()
        message.deliver()

    def on_resize(self, _event: events.Resize) -> None:
        """Share the new size."""
        self.call_after_refresh(self._share_height)

    def _share_height(self) -> None:
        room = self.size.height - self.top.size.height - 1
        self.view.styles.height = max(1, min(self.view.needed_height(room - _LEAST_WORDS), room - 2))
        self.view.redraw()
        self.call_after_refresh(self._tell_cell)

    @on(MapView.Moved)
    def _moved(self) -> None:
        self.bottom.clear()
        self._tell_cell()

    @on(MapView.Told)
    def _told(self, message: MapView.Told) -> None:
        self.bottom.say(message.text, Role.DIM)

    def _tell_cell(self) -> None:
        chart = self.view.chart
        if chart is None or self.view.place is None:
            return
        self._parts = self.view.parts()
        low, high = self.view.cell
        size = self.words.size
        glyphs = look_of(self).glyphs
        self.words.show(
            [self._cell_title(low, high, size.width), *cell_lines(chart, self._parts, low, high, size.width, size.height - 1, glyphs)]
        )

    def _cell_title(self, low: int, high: int, width: int) -> Line:
        address = self.view.address
        at = f" at {address:#x}" if address != low else ""
        left = spans((f" {low:#x} - {high - 1:#x}", Role.ADDRESS), (f"{at} ", Role.DIM))
        return (*left, *spans((look_of(self).glyphs.rule * (width - width_of(left)), Role.RULE)))

    # Going places

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While something is typed, keys are letters."""
        return not self.bottom.is_asking

    def action_depart(self, way: Literal["back", "ahead", "reload"]) -> None:
        """Leave."""
        self._work.stop()
        self.dismiss(Departure(way, self.here))

    @on(MapView.Chosen)
    def _follow(self) -> None:
        target = target_of(self._parts)
        if target is None:
            self.bottom.say("nobody is known to own anything here", Role.DIM)
            return

        def done(location: Location) -> None:
            self.dismiss(Departure("follow", self.here, location))

        self._work.run(f"opening {target.path}", lambda _stop: location_of(self._loaded.root, target), done, self.bottom)

    def action_side(self) -> None:
        """Show the same place on the next side."""
        names = list(self._sides)
        if len(names) < 2:
            self.bottom.say("this state has only one side", Role.DIM)
            return
        at = names.index(self.here.side) if self.here.side in names else 0
        here = self.here
        self._draw_map(MapPlace(names[(at + 1) % len(names)], here.address, cell=here.cell, low=here.low, stop=here.stop))

    def action_ask(self) -> None:
        """Open the line where an address is typed."""
        self.bottom.ask("address")

    @on(Prompt.Closed)
    def _prompt_closed(self) -> None:
        self.set_focus(self.view)

    @on(Prompt.Answered)
    def _answered(self, message: Prompt.Answered) -> None:
        chart = self.view.chart
        if chart is None:
            return
        try:
            address = parse_address(message.text, self._loaded.page_size)
        except InputError as error:
            self.bottom.say(explain(error), Role.WARN)
            return
        if not self.view.go(address):
            self._say_if_outside(chart.memory, address)

    def action_stop(self) -> None:
        """Stop what runs; without a map there is nothing to stay for."""
        if not self._work.is_running:
            self.bottom.clear()
            return
        self._work.stop()
        if self.view.chart is None:
            self.action_depart("back")
        else:
            self.bottom.say("stopped", Role.DIM)

    def action_copy(self) -> None:
        """Copy the address at the cursor."""
        if self.view.place is not None:
            text = plain_value(self.view.address, Unit.PHYS)
            self.bottom.say(f"copied {text}  {copy(self.app, text)}")

    def action_keys(self) -> None:
        """Show the keys of the map."""
        self.app.push_screen(HelpScreen(self))

    def action_leave(self) -> None:
        """Quit."""
        self.app.exit()


def location_of(root: Entity, part: Part) -> Location:
    """Where the tree shows what lies in a cell: the row of a list where one speaks of it."""
    row = part.row
    if row is None and (entity := find(root, part.path)) is not None:
        table = read_detail(entity).table
        row = table.row_at(part.start) if table is not None else None
    return Location(part.path) if row is None else Location(part.path, row=row, pane="rows")


def _scratch_names(root: Entity) -> Mapping[EntityPath, SafeText]:
    scratch = find(root, EntityPath(("scratch",)))
    return {} if scratch is None else {area.path: area.title for area in read_children(scratch)}
