"""The map itself: a window on physical memory with a cursor, and the keys that move both."""

from __future__ import annotations

from dataclasses import replace

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from kho_tui.text import SafeText, human_size
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.lines import Line, Role, fit, indented, spans, width_of
from kho_tui.views.tui.map_axis import Axis, whole_axis
from kho_tui.views.tui.map_cell import Part, cell_parts, target_of
from kho_tui.views.tui.map_draw import axis_lines, label, label_width, lane_line, legend
from kho_tui.views.tui.map_lanes import OWNERS, Chart, Stop, subject_range
from kho_tui.views.tui.navigate import MapPlace
from kho_tui.views.tui.paint import look_of, paint

_HEAD = 3
"""Lines above the lanes: title, addresses, marks."""
_MARGIN = 2
"""Blank columns between a lane's name and its cells, and right of these."""


_TALL = 36
"""Lines of a screen on which kinds may have lanes of their own; the design size looks the same with every state."""


class MapView(Widget, can_focus=True, inherit_bindings=False):
    """Lanes over an axis of addresses. The screen gives it a chart and hears of every move."""

    ALLOW_SELECT = False

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("plus,equals_sign", "zoom(1)", "zoom in, out, around the cursor", "map.zoom_in"),
        key("minus", "zoom(-1)", "zoom in, out, around the cursor", "map.zoom_out"),
        key("0", "whole", "all of memory", "map.whole"),
        key("left,h", "move(-1)", "a cell to the left, right", "map.left"),
        key("right,l", "move(1)", "a cell to the left, right", "map.right"),
        key("up,k", "lane(-1)", "the lane above, below", "map.up"),
        key("down,j", "lane(1)", "the lane above, below", "map.down"),
        key("ctrl+u", "pan(-2)", "half a window to the left, right", "map.half_left"),
        key("ctrl+d", "pan(2)", "half a window to the left, right", "map.half_right"),
        key("pageup,ctrl+b", "pan(-1)", "a window to the left, right", "map.page_left"),
        key("pagedown,ctrl+f", "pan(1)", "a window to the left, right", "map.page_right"),
        key("g", "first_chord", "first address (g twice)", "map.first_chord"),
        key("home", "go_to(0)", "first address (g twice)", "map.first"),
        key("G,end", "last", "last address", "map.last"),
        key("enter", "choose", "to the owner of what lies here", "map.choose"),
    ]

    class Moved(Message):
        """Cursor, window or chosen kind are others now; ``by_key``: somebody moved there, and the map was not only laid out anew."""

        def __init__(self, *, by_key: bool) -> None:
            super().__init__()
            self.by_key = by_key

    class Chosen(Message):
        """Enter or a double click on a cell."""

    class Told(Message):
        """Why a key did nothing."""

        def __init__(self, text: SafeText) -> None:
            super().__init__()
            self.text = text

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.chart: Chart | None = None
        self.address = 0
        self.unfolded = False
        self._airy = False
        self._axis = whole_axis(0, 0, 1, 1)
        self._stop = 0
        self._title = SafeText("memory map")
        self._awaited: MapPlace | None = None
        self._pending_g = False
        self._lines: list[Line] = []

    # What is shown

    def show(self, chart: Chart, title: SafeText, place: MapPlace) -> None:
        """Show a chart at a place."""
        self.chart = chart
        self._title = title
        self._awaited = place
        if self.size.width:
            self._arrive()

    @property
    def place(self) -> MapPlace | None:
        """Where one is; None before there is anything to be in."""
        if self.chart is None or self._awaited is not None:
            return None
        return MapPlace(side=self.chart.memory.side, address=self.address, cell=self._axis.cell, low=self._axis.low, stop=self.chosen.name)

    @property
    def window(self) -> tuple[int, int]:
        """The addresses in sight, the end exclusive."""
        axis = self._axis
        return max(axis.low, axis.start), min(axis.low + axis.width * axis.cell, axis.end)

    @property
    def chosen(self) -> Stop:
        """The lane or kind that keys act on."""
        assert self.chart is not None
        return self.chart.stops[self._stop]

    @property
    def cell(self) -> tuple[int, int]:
        """First address of the cell under the cursor, and the one behind its last."""
        return self._axis.cell_of(self.address)

    @property
    def shown(self) -> str:
        """The text of the map, for tests."""
        return "\n".join("".join(span.text for span in line) for line in self._lines)

    def parts(self) -> list[Part]:
        """What lies in the cell under the cursor, what Enter goes to first."""
        assert self.chart is not None
        return cell_parts(self.chart, *self.cell, self.address, self.chosen)

    def needed_height(self, room: int) -> int:
        """Lines to draw all; kinds get lanes of their own where they fit into ``room`` lines."""
        if self.chart is None:
            return 1
        self._airy = self.screen.size.height >= _TALL
        below = self._airy + len(legend(self.chart, self.chosen, self.size.width - 1, look_of(self).glyphs))
        self.unfolded = self._airy and _HEAD + len(self.chart.stops) + below <= room
        return _HEAD + len(self._lanes) + below

    def go(self, address: int) -> bool:
        """Put the cursor on an address; False where it lies outside of all that is known."""
        there = self._axis.start <= address < self._axis.end
        if there:
            self._set(self._axis.showing(address), address)
        return there

    def _arrive(self) -> None:
        """Go to where the screen was opened for, now that there is a width."""
        chart, place = self.chart, self._awaited
        assert chart is not None and place is not None
        self._awaited = None
        start, end = chart.memory.extent
        axis = whole_axis(start, end, chart.memory.page_size, self._cells)
        self._stop = chart.index(place.stop or OWNERS)
        address = start if place.address is None else place.address
        if place.cell:
            axis = replace(axis, cell=place.cell, low=place.low).showing(axis.clamped(address))
        elif place.subject is not None and (found := subject_range(chart, place.subject)) is not None:
            low, high, name = found
            axis, address, self._stop = axis.around(low, high), low, chart.index(name)
        elif place.address is not None and start <= place.address < end:
            axis = axis.around(address, address + max(place.size, 1))
            first = target_of(cell_parts(chart, address, address + 1, address, self.chosen))
            self._stop = chart.index(first.kind.name if first is not None else OWNERS)
        self._set(axis, axis.clamped(address), by_key=False)

    @property
    def _labels(self) -> int:
        stops = [self.chart.stops[index] for index in self._lanes] if self.chart is not None else []
        return max((label_width(stop) for stop in stops), default=0) + _MARGIN

    @property
    def _cells(self) -> int:
        return max(self.size.width - self._labels - _MARGIN, 1)

    @property
    def _lanes(self) -> tuple[int, ...]:
        """The stops that have a lane now."""
        assert self.chart is not None
        return tuple(range(len(self.chart.stops))) if self.unfolded else self.chart.lanes

    def _set(self, axis: Axis, address: int, *, by_key: bool = True) -> None:
        self._axis, self.address = axis, address
        self._pending_g = False
        self.redraw()
        self.post_message(self.Moved(by_key=by_key))

    def on_resize(self, _event: events.Resize) -> None:
        """The same place in another width."""
        if self.chart is None:
            self.redraw()
        elif self._awaited is not None:
            self._arrive()
        else:
            self.redraw()
            self.post_message(self.Moved(by_key=False))

    # Keys and mouse

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is nothing to do on a map that is not there yet."""
        return self.place is not None and bool(self.chart and self.chart.stops)

    def action_zoom(self, direction: int) -> None:
        """Zoom; what the cell shows of the chosen kind does not get lost on the way in."""
        address = self.address
        if direction > 0 and self.chosen.first_in(address, address + 1) is None:
            found = self.chosen.first_in(*self.cell)
            address = address if found is None else found
        self._set(self._axis.zoomed(direction, address).showing(address), address)

    def action_whole(self) -> None:
        """All of it in one window."""
        axis = self._axis
        self._set(whole_axis(axis.start, axis.end, axis.page, axis.width), self.address)

    def action_move(self, cells: int) -> None:
        """Move the cursor by cells."""
        address = self._axis.clamped(self.cell[0] + cells * self._axis.cell)
        self._set(self._axis.showing(address), address)

    def action_pan(self, part: int) -> None:
        """Move window and cursor by a part of the window: 1, -1 all of it, 2, -2 half."""
        cells = self._axis.width // part if part > 0 else -(self._axis.width // -part)
        address = self._axis.clamped(self.cell[0] + cells * self._axis.cell)
        self._set(self._axis.panned(cells).showing(address), address)

    def action_lane(self, step: int) -> None:
        """Choose the lane above or below."""
        assert self.chart is not None
        lanes = self._lanes
        at = lanes.index(self._stop if self._stop in lanes else self.chart.lane_of(self._stop))
        self._choose(lanes[max(0, min(at + step, len(lanes) - 1))])

    def action_stop(self, step: int) -> None:
        """Choose the next kind in the ring of lanes and kinds."""
        assert self.chart is not None
        self._choose((self._stop + step) % len(self.chart.stops))

    def _choose(self, stop: int) -> None:
        self._stop = stop
        self._set(self._axis, self.address)

    def action_region(self, step: int) -> None:
        """Go to the next or previous stretch of what is chosen that begins outside of the cell."""
        low, high = self.cell
        found = self.chosen.following(high - 1 if step > 0 else low, step)
        if found is None:
            self.post_message(self.Told(SafeText(f"no {self.chosen.name} {'further up' if step > 0 else 'further down'}")))
        else:
            self._set(self._axis.showing(found), found)

    def action_first_chord(self) -> None:
        """The second g of two goes to the first address."""
        if self._pending_g:
            self.action_go_to(0)
        else:
            self._pending_g = True

    def action_go_to(self, address: int) -> None:
        """Go to an address, or to the nearest there is."""
        self.go(self._axis.clamped(address))

    def action_last(self) -> None:
        """Go to the last address."""
        self.go(self._axis.clamped(self._axis.end))

    def action_choose(self) -> None:
        """Follow what lies in the cell."""
        self.post_message(self.Chosen())

    def on_click(self, event: events.Click) -> None:
        """A click puts the cursor there, a second one follows."""
        if self.place is None:
            return
        column, lane = event.x - self._labels, event.y - _HEAD
        if 0 <= lane < len(self._lanes):
            self._stop = self._lanes[lane]
        if 0 <= column < self._axis.width:
            self.go(self._axis.clamped(self._axis.low + column * self._axis.cell))
            if event.chain == 2:
                self.action_choose()

    # Drawing

    def redraw(self) -> None:
        """Draw anew, in the width there is now."""
        if self.chart is not None and self._awaited is None and self._axis.width != self._cells:
            self._axis = self._axis.resized(self._cells, self.address)
        self._lines = self._drawn()
        self.refresh()

    def _drawn(self) -> list[Line]:
        glyphs = look_of(self).glyphs
        chart = self.chart
        if chart is None or self._awaited is not None:
            return [self._title_line("")]
        kind = f"{self.chosen.name} {glyphs.dot} " if chart.stops and self._stop not in self._lanes else ""
        lines = [self._title_line(f"{kind}{human_size(self._axis.cell)} a cell")]
        blank = spans((" " * self._labels, Role.TEXT))
        lines += [(*blank, *line) for line in axis_lines(self._axis, glyphs)]
        if not chart.stops:
            return [*lines, spans((" nothing is known of where anything lies", Role.DIM))]
        chosen = self._stop if self.unfolded else chart.lane_of(self._stop)
        for index in self._lanes:
            stop = chart.stops[index]
            name = label(stop, self._labels - 1, glyphs, chosen=index == chosen, inner=self.unfolded and bool(stop.within))
            lines.append(
                (*name, *spans((" ", Role.TEXT)), *lane_line(chart, stop, self._axis, self.chosen, glyphs, unfolded=self.unfolded))
            )
        lines += [()] * self._airy
        lines += indented(legend(chart, self.chosen, self.size.width - 1, glyphs), 1)
        return lines

    def _title_line(self, note: str) -> Line:
        glyphs = look_of(self).glyphs
        left = fit(spans((f" {self._title} ", Role.DIM)), max(self.size.width - len(note) - 3, 0), glyphs.ellipsis)
        right = f" {note} " if note else ""
        rule = glyphs.rule * (self.size.width - width_of(left) - len(right))
        return (*left, *spans((rule, Role.RULE), (right, Role.DIM)))

    def render_line(self, y: int) -> Strip:
        """A line of the map, with the cursor's column set off in the lanes."""
        look = look_of(self)
        strip = paint(self._lines[y] if y < len(self._lines) else (), self.size.width, look)
        in_lanes = self.chart is not None and self.place is not None and _HEAD <= y < _HEAD + len(self._lanes)
        if not in_lanes or not self.chart or not self.chart.stops:
            return strip
        at = self._labels + self._axis.column(self.address)
        if not 0 <= at < self.size.width:
            return strip
        chosen = self._lanes[y - _HEAD] == (self._stop if self.unfolded else self.chart.lane_of(self._stop))
        style = look.palette.cursor if chosen else look.palette.cursor_blurred
        under = strip.crop(at, at + 1)
        cell = Strip([Segment(one.text, (one.style or look.palette.base) + style) for one in under], 1)
        return Strip.join([strip.crop(0, at), cell, strip.crop(at + 1)])
