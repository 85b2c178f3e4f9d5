"""The memory maps of two states one above the other, with a lane between of what differs, under one cursor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from kho_tui.analysis.memory_map import MemoryMap
from kho_tui.memory.physical import ADDRESS_END
from kho_tui.model.intervals import Intervals
from kho_tui.model.kinds import KIND_PRESERVED
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText, human_size
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.lines import Line, Role, Span, fit, pad, spans, width_of
from kho_tui.views.tui.map_axis import whole_axis
from kho_tui.views.tui.map_draw import axis_lines, lane_line
from kho_tui.views.tui.map_lanes import OWNERS, Chart, Stop, make_chart
from kho_tui.views.tui.paint import look_of, paint

_LABELS = 13
_HEAD = 4
_MOST_BUT_SCRATCH = 5
"""Lanes where scratch has none."""
_LANES = ("scratch", "preserved", OWNERS)
"""Of each state, in this order; of B the other way round, so that the two meet in the middle."""
MAPS_HEIGHT = _HEAD + 2 * len(_LANES) + 1
"""Lines that all of it takes."""
_DIFFERS = "differs"
Names = Mapping[EntityPath, SafeText]


@dataclass(frozen=True, eq=False)
class Charts:
    """Both maps ready to be drawn. ``gone`` is preserved in A alone, ``came`` in B alone; None: one of them cannot tell."""

    old: Chart
    new: Chart
    gone: Intervals | None
    came: Intervals | None


def make_charts(old: MemoryMap, new: MemoryMap, names: tuple[Names, Names]) -> Charts:
    """Slow on large maps, so that drawing is quick. ``names``: what scratch areas are called in each."""
    kept = [memory.unions.get(KIND_PRESERVED) for memory in (old, new)]
    one, other = kept
    charts = make_chart(old, names[0]), make_chart(new, names[1])
    if one is None or other is None:
        return Charts(*charts, None, None)
    return Charts(*charts, one - other, other - one)


class DiffMap(Widget, can_focus=True, inherit_bindings=False):
    """Cursor and window are the same for both maps."""

    ALLOW_SELECT = False

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("left,h", "move(-1)", "a cell to the left, right", "diffmap.left"),
        key("right,l", "move(1)", "a cell to the left, right", "diffmap.right"),
        key("plus,equals_sign", "zoom(1)", "zoom in, out", "diffmap.zoom_in"),
        key("minus", "zoom(-1)", "zoom in, out", "diffmap.zoom_out"),
        key("0", "whole", "all of it", "diffmap.whole"),
    ]

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.charts: Charts | None = None
        self.address = 0
        self._why: Line = ()
        self._axis = whole_axis(0, 0, 1, 1)
        self._rows: list[tuple[Chart, Stop] | None] = []
        self._lines: list[Line] = []

    def show(self, charts: Charts) -> None:
        """Show two maps, all of both in one window, the cursor on the first difference."""
        self.charts = charts
        extents = [one for one in (charts.old.memory.extent, charts.new.memory.extent) if one != (0, 0)]
        low, high = min((one[0] for one in extents), default=0), max((one[1] for one in extents), default=0)
        page = min(charts.old.memory.page_size, charts.new.memory.page_size)
        self._axis = whole_axis(low, high, page, self._cells)
        first = [int(one.start[0]) for one in (charts.gone, charts.came) if one is not None and len(one)]
        self.address = self._axis.clamped(min(first, default=low))
        self._rows = [
            *((charts.old, stop) for name in _LANES if (stop := _lane(charts.old, name)) is not None),
            None,
            *((charts.new, stop) for name in reversed(_LANES) if (stop := _lane(charts.new, name)) is not None),
        ]
        self.redraw()

    def show_nothing(self, why: Line) -> None:
        """Say why there is no map."""
        self.charts, self._why = None, why
        self.redraw()

    def go(self, address: int) -> None:
        """Put the cursor on an address."""
        self.address = self._axis.clamped(address)
        self._axis = self._axis.showing(self.address)
        self.redraw()

    def step(self, direction: int) -> bool:
        """To the next or previous stretch that differs, outside of the cell; False where there is none."""
        if self.charts is None or self.charts.gone is None or self.charts.came is None:
            return False
        low, high = self._axis.cell_of(self.address)
        starts = {int(at) for some in (self.charts.gone, self.charts.came) for at in _near(some, low, high, direction)}
        if not starts:
            return False
        self.go(min(starts) if direction > 0 else max(starts))
        return True

    @property
    def shown(self) -> str:
        """The text of the map, for tests."""
        return "\n".join("".join(span.text for span in line) for line in self._lines)

    @property
    def _cells(self) -> int:
        return max(self.size.width - _LABELS - 1, 1)

    def on_resize(self) -> None:
        """The same place in another width."""
        if self.charts is not None:
            self._axis = self._axis.resized(self._cells, self.address)
        self.redraw()

    def on_focus(self) -> None:
        """The title line shows the focus."""
        self.redraw()

    def on_blur(self) -> None:
        """The title line shows the focus."""
        self.redraw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is nothing to do on maps that are not there."""
        return self.charts is not None

    def action_move(self, cells: int) -> None:
        """Move the cursor by cells."""
        self.go(self._axis.cell_of(self.address)[0] + cells * self._axis.cell)

    def action_zoom(self, direction: int) -> None:
        """Zoom; the first difference in the cell does not get lost on the way in."""
        if direction > 0 and self.charts is not None:
            low, high = self._axis.cell_of(self.address)
            inside = [some.clip(low, high) for some in (self.charts.gone, self.charts.came) if some is not None]
            self.address = min((int(one.start[0]) for one in inside if len(one)), default=self.address)
        self._axis = self._axis.zoomed(direction, self.address).showing(self.address)
        self.redraw()

    def action_whole(self) -> None:
        """All of both in one window."""
        axis = self._axis
        self._axis = whole_axis(axis.start, axis.end, axis.page, axis.width)
        self.redraw()

    # Drawing

    def redraw(self) -> None:
        """Draw anew."""
        self._lines = self._drawn() if self.size.width else []
        self.refresh()

    def _drawn(self) -> list[Line]:
        glyphs = look_of(self).glyphs
        if self.charts is None:
            return [self._title(""), (*spans((" ", Role.TEXT)), *self._why)]
        blank = spans((" " * _LABELS, Role.TEXT))
        low, high = self._axis.cell_of(self.address)
        words = fit(spans((f" {low:#x}-{high:#x}  {self._words(low, high)}", Role.TEXT)), self.size.width, glyphs.ellipsis)
        lines = [self._title(f"{human_size(self._axis.cell)} a cell"), words]
        lines += [(*blank, *line) for line in axis_lines(self._axis, glyphs)]
        for row in self._lanes:
            if row is None:
                lines.append((*spans((pad(f" {_DIFFERS}", _LABELS), Role.TITLE)), *self._differs()))
                continue
            chart, stop = row
            name = f" {'A' if chart is self.charts.old else 'B'} {stop.name}"
            line = lane_line(chart, stop, self._axis, stop, glyphs, unfolded=False)
            lines.append((*spans((pad(name, _LABELS), Role.DIM)), *line))
        return lines

    @property
    def _lanes(self) -> list[tuple[Chart, Stop] | None]:
        """Those that there is room for: what is preserved is said to the last."""
        room = self.size.height - _HEAD
        dear = _LANES if room >= len(self._rows) else _LANES[1:] if room >= _MOST_BUT_SCRATCH else _LANES[1:2]
        return [row for row in self._rows if row is None or row[1].name in dear]

    def _differs(self) -> Line:
        """``-`` preserved in A alone, ``+`` in B alone, ``x`` both within one cell."""
        assert self.charts is not None
        gone, came = self.charts.gone, self.charts.came
        if gone is None or came is None:
            return spans(("cannot be told: one of the trackers is no fact", Role.UNKNOWN))
        found: list[Span] = []
        for at in range(self._axis.width):
            low, high = (min(self._axis.low + cells * self._axis.cell, ADDRESS_END - 1) for cells in (at, at + 1))
            marks = "".join(mark for mark, some in (("-", gone), ("+", came)) if len(some.clip(low, high)))
            sign, role = {"": (" ", Role.TEXT), "-": ("-", Role.BAD), "+": ("+", Role.STRING)}.get(marks, ("x", Role.WARN))
            found.append(Span(SafeText(sign), role))
        return tuple(found)

    def _words(self, low: int, high: int) -> str:
        assert self.charts is not None
        gone, came = self.charts.gone, self.charts.came
        if gone is None or came is None:
            return ""
        sizes = gone.clip(low, high).bytes, came.clip(low, high).bytes
        told = [f"{human_size(size)} preserved only in {name}" for size, name in zip(sizes, "AB", strict=True) if size]
        return ", ".join(told) or "the same memory is preserved in both, or none"

    def _title(self, note: str) -> Line:
        glyphs = look_of(self).glyphs
        role = Role.RULE_FOCUS if self.has_focus else Role.RULE
        left = spans((" memory of A over memory of B ", Role.RULE_FOCUS if self.has_focus else Role.DIM))
        right = f" {note} " if note else ""
        filler = " " if self.has_focus else glyphs.rule
        return (*left, *spans((filler * (self.size.width - width_of(left) - len(right)), role), (right, Role.DIM)))

    def render_line(self, y: int) -> Strip:
        """A line, with the cursor's column set off in the lanes."""
        look = look_of(self)
        strip = paint(self._lines[y] if y < len(self._lines) else (), self.size.width, look)
        at = _LABELS + self._axis.column(self.address)
        if self.charts is None or not _HEAD <= y < _HEAD + len(self._lanes) or not _LABELS <= at < self.size.width:
            return strip
        style = look.palette.cursor if self.has_focus else look.palette.cursor_blurred
        cell = Strip([Segment(one.text, (one.style or look.palette.base) + style) for one in strip.crop(at, at + 1)], 1)
        return Strip.join([strip.crop(0, at), cell, strip.crop(at + 1)])


def _lane(chart: Chart, name: str) -> Stop | None:
    return next((stop for stop in chart.stops if stop.name == name), None)


def _near(some: Intervals, low: int, high: int, direction: int) -> list[int]:
    """The start of the nearest interval that begins outside of [low, high)."""
    if direction > 0:
        at = int(np.searchsorted(some.start, np.uint64(high)))
        return [int(some.start[at])] if at < len(some) else []
    at = int(np.searchsorted(some.start, np.uint64(low))) - 1
    return [int(some.start[at])] if at >= 0 else []
