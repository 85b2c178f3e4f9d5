"""``map`` as text: the three sums in words, a bar for each node, the stretches of a range."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from kho_tui.analysis.memory_map import Bound, MemoryMap, Sums
from kho_tui.layout.struct import Unit
from kho_tui.model.facts import Missing, Status
from kho_tui.model.intervals import Intervals
from kho_tui.model.kinds import (
    KIND_NODE,
    KIND_PRESERVED,
    KIND_RAM,
    KIND_SCRATCH,
    KIND_TRACKER,
    Kind,
)
from kho_tui.operations.map_state import Mapped, stretches
from kho_tui.text import human_size
from kho_tui.views.format import format_value

MOST_ROWS = 200
_MOST_RANGES = 5
_MOST_BARS = 16
_LABEL = 11
_INDENT = 13

_SHOWN_OTHERWISE = (KIND_RAM, KIND_NODE, KIND_PRESERVED)
"""Kinds that the bars show already: the table has them where the user names them."""

_UNOWNED = "?"
_NOTHING = "."
_NOT_TOLD = "cannot be told"


@dataclass(frozen=True, slots=True)
class _Window:
    """A stretch of the address axis that gets a bar."""

    name: str
    low: int
    high: int


def print_map(mapped: Mapped, window: tuple[int, int] | None, width: int, kinds: Collection[Kind]) -> None:
    """Write the map to stdout; ``window`` narrows bars and table, ``width`` is the length of a line in characters."""
    for line in map_lines(mapped, window, width, kinds):
        sys.stdout.write(f"{line}\n")


def map_lines(mapped: Mapped, window: tuple[int, int] | None, width: int, kinds: Collection[Kind]) -> Iterator[str]:
    """The lines of the map."""
    memory = mapped.memory
    yield f"memory map, side {memory.side}"
    for line in _sums(memory):
        yield from textwrap.wrap(line, width, initial_indent="  ", subsequent_indent=" " * _INDENT)
    yield ""
    yield from _bars(mapped, window, width)
    low, high = window or memory.extent
    yield from _table(mapped, low, high, kinds)
    unknown = [f"{kind.name} ({fact.status.value}: {fact.reason})" for kind, fact in mapped.unknown.items() if kind is not KIND_PRESERVED]
    if unknown:
        yield from textwrap.wrap(f"not known here: {', '.join(unknown)}", width)


def _sums(memory: MemoryMap) -> Iterator[str]:
    sums, kept = memory.sums, memory.preserved
    if isinstance(kept, Missing) or isinstance(sums, Missing):
        yield f"preserved, unowned and lost memory cannot be told: {kept.status.value}: {kept.reason}"
        return
    whole = kept.status is Status.DECODED
    if kept.damaged or kept.status is Status.DAMAGED:
        yield f"the tracker is damaged ({kept.reason}): the sums are of what could be made of it"
    elif not whole:
        yield f"only part of the tracker could be read ({kept.reason}): preserved is a lower bound, owned and unowned too"
    if memory.owner_gap is not None:
        yield f"not all that names owners could be read ({memory.owner_gap.reason}): owners that it names are missing here"
    if kept.doubt is not None:
        yield f"{kept.doubt.reason}; the sums are of the first"
    bound = {name: one.value for name, one in sums.bounds.items()}
    yield f"preserved  {bound['preserved']}{format_value(sums.preserved, Unit.BYTES)} by the tracker's count{_covered(sums)}"
    holds = "holds" if sums.hold else "DOES NOT HOLD"
    every = "" if len(sums.unowned) else ", all of it owned"
    split = f"{bound['owned']}{sums.owned} + unowned {bound['unowned']}{sums.unowned.bytes}"
    yield f"owned      {split} = {sums.owned + sums.unowned.bytes}: {holds}{every}"
    if len(sums.unowned):
        yield f"unowned    {bound['unowned']}{human_size(sums.unowned.bytes)}: {sums.reason}"
        yield from _ranges(sums.unowned)
    missing = "is not: the kexec loses it" if whole else "is not in what could be read of the tracker"
    known_owners = "" if memory.owner_gap is None else " of the owners that could be read"
    lost = f"must be preserved and {missing}" if len(sums.lost) else f"all that must be preserved{known_owners} is"
    yield f"lost       {bound['lost']}{format_value(sums.lost.bytes, Unit.BYTES)}: {lost}"
    yield from _ranges(sums.lost)
    overlap = "claimed by more than one owner" if sums.overlap else f"no two{known_owners or ' owners'} claim the same page"
    yield f"overlap    {bound['overlap']}{format_value(sums.overlap, Unit.BYTES)}: {overlap}"
    yield from _ranges(sums.shared)


def _covered(sums: Sums) -> str:
    return "" if sums.covered == sums.preserved else f", but they cover {sums.covered}: blocks overlap"


def _ranges(some: Intervals) -> Iterator[str]:
    for start, end in zip(some.start[:_MOST_RANGES].tolist(), some.end[:_MOST_RANGES].tolist(), strict=True):
        yield f"           {start:#x}-{end:#x} {human_size(end - start)}"
    if len(some) > _MOST_RANGES:
        yield f"           … {len(some) - _MOST_RANGES} more (--json prints all)"


def _bars(mapped: Mapped, window: tuple[int, int] | None, width: int) -> Iterator[str]:
    memory, unknown = mapped.memory, mapped.unknown
    every = _windows(memory)
    shown = every if window is None else _narrowed(every, *window)
    letters: set[str] = set()
    for bar in shown:
        columns = max(1, min(width - _LABEL, (bar.high - bar.low) // memory.page_size))
        each = human_size((bar.high - bar.low) // columns)
        there = sum(one.memory for one in mapped.state.host.nodes if one.name == bar.name) if window is None else 0
        size = f"{human_size(there)} of memory" if there else human_size(bar.high - bar.low)
        yield f"{bar.name}  {bar.low:#x}-{bar.high:#x}  {size}, {each} a column"
        owners = _owner_lane(memory, bar, columns)
        letters.update(owners)
        untold = KIND_SCRATCH in unknown and KIND_SCRATCH not in memory.layers
        yield f"  scratch  {_NOT_TOLD if untold else _lane(memory, KIND_SCRATCH, 'S', bar, columns)}"
        yield f"  kept     {_NOT_TOLD if KIND_PRESERVED in unknown else _heat(memory, bar, columns)}"
        if KIND_TRACKER in memory.layers:
            yield f"  tracker  {_lane(memory, KIND_TRACKER, 't', bar, columns)}"
        yield f"  owners   {owners}"
    yield f"kept: share of a column that is preserved, {_NOTHING} none, 1 to 8 some, 9 all"
    legend = [f"{kind.letter} {kind.name}" for kind in memory.kinds if kind.is_owner and kind.letter in letters]
    if _UNOWNED in letters:
        legend.append(f"{_UNOWNED} preserved, {'no owner' if memory.owner_gap is None else 'owner not told'}")
    if legend:
        yield f"owners, the largest of a column: {', '.join(legend)}"


def _windows(memory: MemoryMap) -> list[_Window]:
    """The nodes; where they are not known the RAM ranges, the largest; else all that the map speaks of."""
    low, high = memory.extent
    for kind in (KIND_NODE, KIND_RAM):
        regions = memory.layers.get(kind)
        if regions is None:
            continue
        found: dict[str, _Window] = {}
        for number in range(len(regions)):
            hit = memory.hit(kind, number)
            name = hit.path.parts[-1] if kind is KIND_NODE else f"RAM {number}"
            before = found.get(name, _Window(name, hit.start, hit.end))
            found[name] = _Window(name, min(before.low, hit.start), max(before.high, hit.end))
        largest = sorted(found.values(), key=lambda w: w.low - w.high)[:_MOST_BARS]
        return sorted(largest, key=lambda w: w.low)
    return [_Window("all", low, high)]


def _narrowed(every: list[_Window], low: int, high: int) -> list[_Window]:
    inside = [_Window(w.name, max(w.low, low), min(w.high, high)) for w in every if w.low < high and low < w.high]
    return inside or [_Window("range", low, high)]


def _lane(memory: MemoryMap, kind: Kind, letter: str, bar: _Window, columns: int) -> str:
    return "".join(letter if share else _NOTHING for share in memory.density(kind, bar.low, bar.high, columns))


def _heat(memory: MemoryMap, bar: _Window, columns: int) -> str:
    shares = memory.density(KIND_PRESERVED, bar.low, bar.high, columns).tolist()
    return "".join(_NOTHING if share <= 0 else "9" if share >= 1 else str(1 + int(share * 8)) for share in shares)


def _owner_lane(memory: MemoryMap, bar: _Window, columns: int) -> str:
    kinds = [kind for kind in memory.kinds if kind.is_owner and kind in memory.layers]
    shares = np.array([memory.density(kind, bar.low, bar.high, columns) for kind in kinds]).reshape(len(kinds), columns)
    kept = memory.density(KIND_PRESERVED, bar.low, bar.high, columns)
    return "".join(
        kinds[int(column.argmax())].letter if len(kinds) and column.any() else _UNOWNED if share > 0 else _NOTHING
        for column, share in zip(shares.T, kept, strict=True)
    )


def _table(mapped: Mapped, low: int, high: int, kinds: Collection[Kind]) -> Iterator[str]:
    listed = kinds or [kind for kind in mapped.memory.kinds if kind not in _SHOWN_OTHERWISE]
    found = stretches(mapped.memory, low, high, listed)
    at_least = Bound.AT_LEAST.value if _may_lack_some(mapped, listed) else ""
    yield ""
    if not len(found):
        yield "no stretch of these kinds in this range" if kinds else "nothing known in this range"
        return
    shown = found.rows(0, MOST_ROWS)
    width = max(len(f"{hit.end:#x}") for hit in shown)
    yield f"{'start':<{width}}  {'end':<{width}}  {'size':>9}  {'kind':<13}  owner"
    for hit in shown:
        size = human_size(hit.end - hit.start)
        yield f"{hex(hit.start):<{width}}  {hex(hit.end):<{width}}  {size:>9}  {hit.kind.name:<13}  {hit.path}"
    if len(found) > MOST_ROWS:
        yield f"… {at_least}{len(found) - MOST_ROWS} more (--range narrows, --json prints all)"


def _may_lack_some(mapped: Mapped, kinds: Collection[Kind]) -> bool:
    """Whether there may be stretches of these kinds that could not be read."""
    memory = mapped.memory
    if any(kind in mapped.unknown for kind in kinds):
        return True
    part = isinstance(memory.preserved, Missing) or memory.preserved.status is not Status.DECODED
    return (part and KIND_PRESERVED in kinds) or (memory.owner_gap is not None and any(kind.is_owner for kind in kinds))
