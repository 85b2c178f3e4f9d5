"""What lies in one cell of the map, and the sums of the whole, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kho_tui.analysis.memory_map import MemoryMap
from kho_tui.model.facts import Missing, Status
from kho_tui.model.kinds import KIND_PRESERVED, KIND_SCRATCH, Kind, Lane
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText, human_size, join_safe, plural
from kho_tui.views.tui.check_rows import NO_MARKS, Marks, mark_line
from kho_tui.views.tui.lines import STATUS_ROLE, Line, Role, fit_end, indented, pad, spans, width_of, wrap
from kho_tui.views.tui.map_lanes import Chart, Stop, kind_role
from kho_tui.views.tui.theme import Glyphs

_NAMES_WIDTH = 14
_MOST_OWNERS = 1000
_WIDEST = 112
"""Characters of a line from which on a path and its size would lie too far apart to be read together."""
_SIZE_WIDTH = 9
_INDENT = 3
_PIECES_WIDTH = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one entity has in a cell.

    ``row`` is the row of its table where the stretch is one, ``start`` the address of that stretch, ``size`` the bytes in the
    cell, ``count`` the stretches they lie in.
    """

    kind: Kind
    path: EntityPath
    row: int | None
    start: int
    size: int
    count: int
    holds: bool
    """Whether the address at the cursor is in it."""


def cell_parts(chart: Chart, low: int, high: int, address: int, chosen: Stop) -> list[Part]:
    """All parts of [low, high), what the chosen stop speaks of first, then owners, those that hold ``address`` before larger ones."""
    memory = chart.memory
    found = [part for kind in memory.layers for part in _of_kind(chart, kind, low, high, address)]
    block = _block(memory, low, high, address, chosen)
    found += [block] if block is not None else []
    lanes = (Lane.OWNER, Lane.TRACKER, Lane.SCRATCH, Lane.PRESERVED, Lane.MACHINE)
    meant = () if chosen.name == "lost" else [kind for kind in chosen.kinds if kind.lane is not Lane.MACHINE]
    return sorted(found, key=lambda one: (one.kind not in meant, lanes.index(one.kind.lane), not one.holds, -one.size))


def _of_kind(chart: Chart, kind: Kind, low: int, high: int, address: int) -> Iterator[Part]:
    memory = chart.memory
    regions = memory.layers[kind]
    rows = regions.within(low, high)
    if not len(rows):
        return
    owner = chart.owners[regions.owner[rows]]
    start, end = regions.start[rows], regions.end[rows]
    inside = (np.minimum(end, np.uint64(high)) - np.maximum(start, np.uint64(low))).astype(np.float64)
    holding = (start <= np.uint64(address)) & (end > np.uint64(address))
    sizes, counts = np.bincount(owner, inside), np.bincount(owner)
    # Of assignments to one place the last one stays: the first stretch of each owner, better the first that holds the address.
    first = np.zeros(len(counts), np.int64)
    first[owner[::-1]] = np.arange(len(rows))[::-1]
    first[owner[holding][::-1]] = np.flatnonzero(holding)[::-1]
    there = np.flatnonzero(counts)
    for one in there[np.argsort(-sizes[there], kind="stable")][:_MOST_OWNERS].tolist():
        at, claim = int(first[one]), memory.claims[one]
        row = int(regions.row[rows[at]]) if claim.rows else None
        yield Part(
            kind=kind, path=claim.path, row=row, start=int(start[at]), size=int(sizes[one]), count=int(counts[one]), holds=bool(holding[at])
        )


def _block(memory: MemoryMap, low: int, high: int, address: int, chosen: Stop) -> Part | None:
    """The preserved block at the address, else the first one in the cell (of what is unowned where that is chosen)."""
    if isinstance(memory.preserved, Missing):
        return None
    size = _bytes(memory, KIND_PRESERVED, low, high)
    runs = memory.preserved.runs
    unowned = chosen if chosen.name == "unowned" else None
    at = unowned.first_in(low, high) if unowned is not None else address if low <= address < high else None
    block = runs.block_at(at) if at is not None else None
    if block is None and size:
        following = memory.following(KIND_PRESERVED, low, 1)
        block = runs.block_at(low if following is None or following >= high else following)
    if block is None:
        return None
    start = int(runs.expand(block, 1)[0][0])
    return Part(
        kind=KIND_PRESERVED, path=EntityPath((memory.side, "preserved")), row=block, start=start, size=size, count=1, holds=start <= address
    )


def cell_lines(
    chart: Chart, parts: list[Part], low: int, high: int, width: int, height: int, glyphs: Glyphs, marks: Marks = NO_MARKS
) -> list[Line]:
    """The cell in words: where it lies, what is preserved, whose it is and what is wrong there; Enter follows the line with the arrow."""
    target = target_of(parts)
    is_block = target is not None and target.kind is KIND_PRESERVED
    lines = [_where(parts, width, glyphs), *_kept(chart, low, high, width, glyphs, is_target=is_block)]
    listed = [part for part in parts if part.kind.lane in (Lane.OWNER, Lane.TRACKER, Lane.SCRATCH)]
    room = max(height - len(lines), 1)
    more = len(listed) - room + 1 if len(listed) > room else 0
    lines += [_part_line(chart, part, width, glyphs, marks, is_target=part is target) for part in listed[: len(listed) - more]]
    if more:
        lines.append(spans((f"{' ' * _INDENT}{glyphs.ellipsis} and {more} more: zoom in", Role.DIM)))
    if not listed:
        untold = chart.memory.why_untold(low, high)
        told = "nobody: no owner, no tracker, no scratch area lies here"
        if untold is not None:
            told = f"whose it is cannot be told: {untold.status.value}: {untold.reason}"
        wrapped = wrap(SafeText(told), width - _INDENT - 1, max(height - len(lines), 1), Role.DIM, glyphs.ellipsis)
        lines += indented(wrapped, _INDENT)
    return lines[:height]


def target_of(parts: list[Part]) -> Part | None:
    """The part whose owner Enter goes to; RAM and nodes have none."""
    return next((part for part in parts if part.kind.lane is not Lane.MACHINE), None)


def _where(parts: list[Part], width: int, glyphs: Glyphs) -> Line:
    names = [SafeText(part.path.parts[-1]) for part in parts if part.kind.lane is Lane.MACHINE]
    names.sort(key=lambda name: not name.startswith("node "))
    told = join_safe(f" {glyphs.dot} ", list(dict.fromkeys(names))) or SafeText("no RAM is known here")
    return (*spans((" " * _INDENT, Role.TEXT)), *next(iter(wrap(told, width - _INDENT - 1, 1, Role.TEXT, glyphs.ellipsis)), ()))


def _arrow(glyphs: Glyphs, *, is_target: bool) -> Line:
    return spans((f" {glyphs.follow if is_target else ' '} ", Role.KEY))


def _kept(chart: Chart, low: int, high: int, width: int, glyphs: Glyphs, *, is_target: bool) -> list[Line]:
    memory = chart.memory
    name = (*_arrow(glyphs, is_target=is_target), *spans((pad("preserved", _NAMES_WIDTH), Role.NAME)))
    if isinstance(memory.preserved, Missing):
        status = memory.preserved.status
        return [(*name, *spans((status.value, STATUS_ROLE[status])))]
    size = _bytes(memory, KIND_PRESERVED, low, high)
    partial = memory.preserved.status is not Status.DECODED
    bound = "at least " if partial else ""
    if size == high - low:
        told = "all of it"
    elif size:
        told = f"{bound}{human_size(size)} of {human_size(high - low)}"
    else:
        told = "nothing in the part of the tracker that could be read" if partial else "nothing"
    line = (*name, *spans((told, Role.NUMBER)))
    reason: list[Line] = []
    for stop in chart.stops:
        if stop.name in ("unowned", "lost") and (some := int(stop.share(low, high) * (high - low))):
            line += spans((f" {glyphs.dot} {human_size(some)} {stop.name}", stop.role))
            if stop.name == "unowned" and not isinstance(memory.sums, Missing):
                reason = wrap(memory.sums.reason, width - width_of(name) - 1, 2, Role.DIM, glyphs.ellipsis)
    return [line, *((*spans((" " * width_of(name), Role.TEXT)), *more) for more in reason)]


def _bytes(memory: MemoryMap, kind: Kind, low: int, high: int) -> int:
    return round(float(memory.density(kind, low, high, 1)[0]) * (high - low))


def _part_line(chart: Chart, part: Part, width: int, glyphs: Glyphs, marks: Marks, *, is_target: bool) -> Line:
    letter = part.kind.letter or " "
    own = spans((f"{letter} ", kind_role(part.kind)), (pad(part.kind.name, _NAMES_WIDTH - 2), Role.NAME))
    name = (*_arrow(glyphs, is_target=is_target), *own)
    pieces = f"in {plural(part.count, 'piece')}" if part.count > 1 else ""
    told_size = f" {human_size(part.size):>{_SIZE_WIDTH}} {pieces:{_PIECES_WIDTH}}"
    size = spans((told_size, Role.NUMBER))
    told = SafeText(f"{part.path}[{part.row}]") if part.row is not None and part.count == 1 else part.path.text
    if part.kind is KIND_SCRATCH:
        told = chart.name(part.path)
    name += mark_line(marks, part.path, with_below=True)
    room = min(width, _WIDEST) - width_of(name) - width_of(size)
    return (*name, *spans((pad(fit_end(told, room, glyphs.ellipsis), room), Role.TEXT)), *size)


def sums_text(memory: MemoryMap) -> SafeText:
    """The three sums in one line, or why there are none."""
    sums = memory.sums
    if isinstance(sums, Missing):
        return SafeText(f"preserved memory: {sums.status.value}: {sums.reason}")
    bound = {name: one.value for name, one in sums.bounds.items()}
    twice = "" if sums.covered == sums.preserved else f" ({human_size(sums.preserved - sums.covered)} of it listed twice)"
    equal = "=" if sums.owned + sums.unowned.bytes == sums.covered else "!="
    owned, unowned = (f"{bound[name]}{_amount(size)}" for name, size in (("owned", sums.owned), ("unowned", sums.unowned.bytes)))
    no_owner = "unowned" if memory.owner_gap is None else "with the owner not told"
    parts = [
        f"preserved {bound['preserved']}{_amount(sums.preserved)}{twice} {equal} {owned} owned + {unowned} {no_owner}",
        f"lost {bound['lost']}{_amount(sums.lost.bytes)}",
        f"overlaps {bound['overlap']}{_amount(sums.overlap)}",
    ]
    return SafeText(", ".join(parts))


def _amount(size: int) -> str:
    return human_size(size) if size else "0"
