"""The map as lines: axis, lanes, legend. A pure function of chart, axis and what is chosen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kho_tui.model.kinds import KIND_KERNEL, KIND_NODE, KIND_RAM, KIND_SCRATCH
from kho_tui.text import SafeText
from kho_tui.views.tui.lines import Line, Role, Span, pad, spans, width_of
from kho_tui.views.tui.map_axis import Axis
from kho_tui.views.tui.map_lanes import Chart, Drawing, Shares, Stop, cell_shares, kind_role
from kho_tui.views.tui.theme import Glyphs

_KERNEL = "k"
_MOST_NAMES = 4096
_FULL = 1 - 1e-9
_LEGEND_GAP = 2
_MARK_ROOM = "> "
_INDENT = "  "

Cell = tuple[str, Role]
_BLANK: Cell = (" ", Role.TEXT)


def axis_lines(axis: Axis, glyphs: Glyphs) -> list[Line]:
    """Round addresses, and below each one the mark at the cell that holds it."""
    names, marks = [" "] * axis.width, [glyphs.rule] * axis.width
    for column, name in axis.ticks():
        marks[column] = glyphs.tick
        if column + len(name) <= axis.width:
            names[column : column + len(name)] = name
    return [spans(("".join(names), Role.DIM)), spans(("".join(marks), Role.RULE))]


def lane_line(chart: Chart, stop: Stop, axis: Axis, chosen: Stop, glyphs: Glyphs, *, unfolded: bool) -> Line:
    """A lane: as many characters as the axis has cells. ``chosen`` stands out of the others in its lane."""
    if stop.drawing is Drawing.NAMES:
        cells = _names(chart, stop, axis, chosen, glyphs)
    elif stop.drawing is Drawing.LETTERS:
        cells = _letters(stop, axis, None if unfolded else chosen, glyphs)
    else:
        cells = [(shade(share, glyphs), stop.role) if share > 0 else _BLANK for share in stop.shares(axis).tolist()]
    return _joined(cells)


def shade(share: float, glyphs: Glyphs) -> str:
    """The glyph of a share above 0; the last one only where nothing is left out."""
    steps = glyphs.shades
    return steps[-1] if share >= _FULL else steps[int(share * (len(steps) - 1))]


def legend(chart: Chart, chosen: Stop, width: int, glyphs: Glyphs) -> list[Line]:
    """What the letters and shades mean, in as many lines as it takes."""
    entries = [spans((f"{glyphs.shades[0]}{glyphs.shades[3]}{glyphs.shades[-1]}", Role.KEY), (" share", Role.DIM))]
    if any(stop.name == "kernel" for stop in chart.stops):
        entries.append(_entry(_KERNEL, "kernel", Role.NAME, chosen=chosen.name == "kernel"))
    present = [stop for stop in chart.stops if stop.drawing is Drawing.LETTERS]
    kinds = present[0].kinds if present else ()
    entries += [_entry(kind.letter, kind.name, kind_role(kind), chosen=chosen.kinds == (kind,)) for kind in kinds]
    lines: list[Line] = []
    line: Line = ()
    for entry in entries:
        if line and width_of(line) + _LEGEND_GAP + width_of(entry) > width:
            lines.append(line)
            line = ()
        line += (*spans((" " * _LEGEND_GAP if line else "", Role.TEXT)), *entry)
    return [*lines, line]


def _entry(letter: str, name: str, role: Role, *, chosen: bool) -> Line:
    return spans((letter, role), (" ", Role.TEXT), (name, Role.TITLE if chosen else Role.DIM))


def _names(chart: Chart, stop: Stop, axis: Axis, chosen: Stop, glyphs: Glyphs) -> list[Cell]:
    """Regions from edge to edge with their names in them; where there is no RAM, none of a node."""
    memory = stop.memory
    shares = stop.shares(axis)
    machine = stop.kinds[0] is not KIND_SCRATCH
    if stop.kinds[0] is KIND_NODE and KIND_RAM in memory.unions:
        shares = np.minimum(shares, cell_shares(memory, KIND_RAM, axis))
    fill = glyphs.rule if machine else glyphs.bar
    cells: list[Cell] = [(fill, stop.role) if share > 0 else _BLANK for share in shares.tolist()]
    regions = memory.layers[stop.kinds[0]]
    for region in regions.within(axis.low, axis.high)[:_MOST_NAMES].tolist():
        hit = memory.hit(stop.kinds[0], region)
        first, last = max(axis.column(hit.start), 0), min(axis.column(hit.end - 1), axis.width - 1)
        if machine and axis.column(hit.start) >= 0:
            cells[first] = (glyphs.begin, stop.role)
        name = _short_name(chart.name(hit.path), last - first)
        begin = first + (last - first + 1 - len(name)) // 2 if machine else first
        for at, char in enumerate(name):
            cells[begin + at] = (char, Role.TEXT if machine else Role.TITLE)
    if machine and KIND_KERNEL in memory.unions:
        role = Role.MARK if chosen.name == "kernel" else Role.NAME
        for column in np.flatnonzero(cell_shares(memory, KIND_KERNEL, axis) > 0).tolist():
            cells[column] = (_KERNEL, role)
    return cells


def _short_name(name: SafeText, room: int) -> str:
    """The name where it fits, else its number, else its first letter."""
    if len(name) <= room:
        return name
    last = name.rpartition(" ")[2]
    return last if last.isdecimal() and len(last) <= max(room, 1) else name[:1]


def _letters(stop: Stop, axis: Axis, chosen: Stop | None, glyphs: Glyphs) -> list[Cell]:
    """The densest kind's letter; where one kind is chosen, its own wherever it is, and a dot for all the others."""
    if chosen is not None and chosen.within == stop.name:
        kind = chosen.kinds[0]
        mine, all_shares = chosen.shares(axis).tolist(), stop.shares(axis).tolist()
        other = (glyphs.dot, Role.DIM)
        return [
            (kind.letter, kind_role(kind)) if share > 0 else other if total > 0 else _BLANK
            for share, total in zip(mine, all_shares, strict=True)
        ]
    shares: Shares = np.array([cell_shares(stop.memory, kind, axis) for kind in stop.kinds])
    densest, most = shares.argmax(axis=0).tolist(), shares.max(axis=0).tolist()
    return [
        (stop.kinds[kind].letter, kind_role(stop.kinds[kind])) if share > 0 else _BLANK for kind, share in zip(densest, most, strict=True)
    ]


def _joined(cells: Sequence[Cell]) -> Line:
    line: list[Span] = []
    start = 0
    for at in range(1, len(cells) + 1):
        if at == len(cells) or cells[at][1] is not cells[start][1]:
            line.append(Span(SafeText("".join(char for char, _ in cells[start:at])), cells[start][1]))
            start = at
    return tuple(line)


def label_width(stop: Stop) -> int:
    """Characters of a lane's name with its mark and indent."""
    return len(_MARK_ROOM) + len(stop.name) + len(_INDENT) * bool(stop.within)


def label(stop: Stop, width: int, glyphs: Glyphs, *, chosen: bool, inner: bool) -> Line:
    """The name of a lane, with a mark at the one that keys act on."""
    mark = glyphs.collapsed if chosen else " "
    indent = _INDENT if inner else ""
    return spans((f"{mark} ", Role.KEY), (pad(indent + stop.name, width - len(_MARK_ROOM)), Role.TITLE if chosen else Role.DIM))
