"""Scratch: the areas that the next kernel boots in, and why memory there is free and yet not usable."""

from __future__ import annotations

from dataclasses import dataclass

from textual import on

from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Value
from kho_tui.model.facts import Fact, Missing, Status, Unavailable
from kho_tui.model.kinds import KIND_PRESERVED
from kho_tui.model.path import EntityPath
from kho_tui.model.sides import sides_meant
from kho_tui.model.state import ScratchArea
from kho_tui.operations.map_state import Mapped
from kho_tui.operations.memory_cost import MemoryCost, memory_cost
from kho_tui.text import SafeText, human_size
from kho_tui.views.cli.memory_text import sentences
from kho_tui.views.format import Base, format_value, plain_value
from kho_tui.views.tui.background import Finished, Newest
from kho_tui.views.tui.body import Stage
from kho_tui.views.tui.lines import STATUS_ROLE, Line, Role, indented, pad, spans, wrap
from kho_tui.views.tui.list_body import ListBody
from kho_tui.views.tui.loaded import Loaded
from kho_tui.views.tui.meaning import place_text
from kho_tui.views.tui.navigate import Location, MapPlace, Spot, Where
from kho_tui.views.tui.paint import look_of
from kho_tui.views.tui.scratch_text import purpose, rounding

_SIZE = 10
_NODE = 4
_KIND = 7
_KEPT = 15
"""Cells of the last column."""


@dataclass(frozen=True, slots=True)
class _Mapped:
    """What the memory map adds: for each area the bytes of it that the tracker keeps, and what KHO costs the machine."""

    kept: Fact[tuple[int, ...]]
    bound: bool
    cost: MemoryCost | None


def _look_up(loaded: Loaded) -> _Mapped:
    """Computes the memory map; may take seconds."""
    state = loaded.state
    name = next(iter(sides_meant(state)), None)
    if name is None or isinstance(state.scratch, Missing):
        return _Mapped(Unavailable(SafeText("no side in this state")), False, None)
    mapped = Mapped(state, state.sides[name], loaded.maps(name))
    kept = mapped.memory.preserved
    cost = memory_cost(mapped)
    if isinstance(kept, Missing):
        return _Mapped(kept, False, cost)
    union = mapped.memory.unions[KIND_PRESERVED]
    areas = state.scratch.areas
    shares = tuple(union.clip(area.start, min(area.start + area.size, 2**64 - 1)).bytes for area in areas)
    return _Mapped(shares, kept.status is not Status.DECODED, cost)


class ScratchBody(ListBody):
    """The table of areas; below it what the selected one is for, and what all of them mean."""

    WHERE = Where.SCRATCH
    TITLE = "scratch areas"
    HINTS = (("Enter", "map"), ("]", "next area"), ("y", "copy start"), ("Bksp", "back"), ("@", "goto"))
    LEAST_ABOUT = 10

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._mapped: _Mapped | None = None
        self._address = 0
        self._work = Newest(self)

    @property
    def _areas(self) -> tuple[ScratchArea, ...]:
        scratch = self.stage.loaded.state.scratch
        return () if isinstance(scratch, Missing) else scratch.areas

    def on_mount(self) -> None:
        """Show the table at once; the memory map adds its part when it is there."""
        scratch = self.stage.loaded.state.scratch
        if isinstance(scratch, Missing):
            self.table.nothing = spans((f"{scratch.status.value}: {scratch.reason}", STATUS_ROLE[scratch.status]))
        loaded = self.stage.loaded
        self._work.run(lambda: _look_up(loaded), self._found, self._failed)

    @on(Finished)
    def _finished(self, message: Finished) -> None:
        message.stop()
        message.deliver()

    def _found(self, mapped: _Mapped) -> None:
        self._mapped = mapped
        self.table.contents_changed()
        self.tell()

    def _failed(self, text: SafeText) -> None:
        self._found(_Mapped(Unavailable(text), False, None))

    @property
    def busy(self) -> bool:
        """True while the memory map is computed."""
        return self._work.is_running

    # Rows

    def row_count(self) -> int:
        """Areas of the table."""
        return len(self._areas)

    def rows_changed(self, row: int | None = None) -> None:
        """Measure the columns."""
        texts = [_ends(area, self.stage.base) for area in self._areas]
        self._address = max((len(text) for pair in texts for text in pair), default=6)
        super().rows_changed(row)

    def _columns(self, width: int) -> tuple[bool, bool]:
        """Whether there is room for the end of an area, and for what is preserved in it."""
        free = width - (8 + _KIND + _NODE + self._address + _SIZE)
        kept = free > _KEPT + 2
        return free - (_KEPT + 2) * kept > self._address, kept

    def heading(self, width: int) -> Line:
        """The names of the columns."""
        end, kept = self._columns(width)
        words = [pad("#", 3, right=True), pad("kind", _KIND), pad("node", _NODE), pad("start", self._address)]
        words += [pad("end", self._address)] * end + [pad("size", _SIZE, right=True)]
        return spans((" " + " ".join(words) + ("  preserved" if kept else ""), Role.DIM))

    def line(self, row: int, width: int) -> Line:
        """An area. Its end is behind its last byte."""
        area = self._areas[row]
        with_end, with_kept = self._columns(width)
        node = str(area.node) if area.node is not None else "?" if area.kind == "node" else "-"
        start, end = (pad(text, self._address) + " " for text in _ends(area, self.stage.base))
        line = spans(
            (f" {pad(str(row), 3, right=True)} ", Role.DIM),
            (pad(area.kind, _KIND) + " ", Role.NAME),
            (pad(node, _NODE) + " ", Role.TEXT),
            (start, Role.ADDRESS),
            (end if with_end else "", Role.ADDRESS),
            (pad(human_size(area.size), _SIZE, right=True) + "  ", Role.NUMBER),
        )
        return (*line, *self._kept(row)) if with_kept else line

    def _kept(self, row: int) -> Line:
        """How much of the area the tracker keeps; it must be nothing."""
        found = self._mapped
        if found is None:
            return spans((look_of(self).glyphs.ellipsis, Role.DIM))
        if isinstance(found.kept, Missing):
            return spans((found.kept.status.value, STATUS_ROLE[found.kept.status]))
        if found.kept[row]:
            return spans((f"{human_size(found.kept[row])}: wrong", Role.BAD))
        return spans(("none so far" if found.bound else "none", Role.DIM))

    def about_lines(self, row: int | None, width: int, height: int) -> list[Line]:
        """The table's source, the selected area, and what all areas mean for the machine."""
        state = self.stage.loaded.state
        scratch = state.scratch
        inner = width - 4
        ellipsis = look_of(self).glyphs.ellipsis
        lines: list[Line] = []
        if isinstance(scratch, Missing):
            return indented(wrap(SafeText(f"{scratch.status.value}: {scratch.reason}"), inner, 3, STATUS_ROLE[scratch.status], ellipsis))
        if row is not None:
            area = scratch.areas[row]
            lines += wrap(SafeText(f"{_name(area)}: {purpose(area)}"), inner, 2, Role.TEXT, ellipsis)
            lines += self._about_kept(row, inner)
            lines += self._about_free(area, inner)
            made = rounding(area.kind, state.registry.releases.of(state.machine.release), state.machine.platform)
            older = " (this table may be of an older one)" if "in" in state.sides else ""
            lines += wrap(SafeText(made + older), inner, 3, Role.DIM, ellipsis)
            place = scratch.table.record(row).place if scratch.table is not None and row < len(scratch.table) else None
            at = f"; entry {row} at {place_text(place, 16, look_of(self).glyphs)}" if place is not None else ""
            bound = f" ({scratch.status.value}: {scratch.reason})" if not scratch.whole else ""
            role = STATUS_ROLE[scratch.status] if bound else Role.DIM
            lines += wrap(SafeText(f"the table: {scratch.source}{bound}{at}"), inner, 2, role, ellipsis)
        cost = self._mapped.cost if self._mapped is not None else None
        if cost is not None:
            means = wrap(SafeText(" ".join(sentences(cost))), inner, height, Role.TEXT, ellipsis)
            lines += [(), *means] if len(lines) + len(means) < height else means
        return indented(lines[:height])

    def _about_kept(self, row: int, inner: int) -> list[Line]:
        found = self._mapped
        ellipsis = look_of(self).glyphs.ellipsis
        if found is None:
            return [spans(("collecting what is preserved in it", Role.DIM))]
        if isinstance(found.kept, Missing):
            why = SafeText(f"whether anything preserved lies in it: {format_value(found.kept, Unit.BYTES)}")
            return wrap(why, inner, 2, STATUS_ROLE[found.kept.status], ellipsis)
        if not found.kept[row]:
            return []
        said = f"{format_value(found.kept[row], Unit.BYTES)} of it are preserved: the next kernel overwrites them while it boots"
        return wrap(SafeText(said), inner, 2, Role.BAD, ellipsis)

    def _about_free(self, area: ScratchArea, inner: int) -> list[Line]:
        free = self.stage.loaded.state.host.free_cma
        if area.node is None or isinstance(free, Missing) or area.node not in free:
            return []
        said = f"free CMA memory of node {area.node}: {format_value(free[area.node], Unit.BYTES)}, of all areas on that node together"
        return wrap(SafeText(said), inner, 1, Role.TEXT, look_of(self).glyphs.ellipsis)

    # What the screen asks

    def target(self, row: int) -> Spot | None:
        """The map at the area; without a map the area in the tree."""
        return self.place_of(row) or Location(_path(row))

    def place_of(self, row: int) -> MapPlace | None:
        """The whole area."""
        side = next(iter(sides_meant(self.stage.loaded.state)), None)
        area = self._areas[row]
        return None if side is None else MapPlace(side=side, address=area.start, size=max(area.size, 1), subject=_path(row))

    def value_of(self, row: int) -> Value | None:
        """The start."""
        return Value(name="start", unit=Unit.PHYS, value=self._areas[row].start)

    def name_of(self, row: int) -> SafeText:
        """As in the tree."""
        return _name(self._areas[row])

    @property
    def command(self) -> tuple[str, ...]:
        """What KHO costs."""
        return ("show", "--memory")

    def base_changed(self) -> None:
        """Addresses in the other base."""
        self.rows_changed(self.row)


def _ends(area: ScratchArea, base: Base) -> tuple[SafeText, SafeText]:
    return plain_value(area.start, Unit.PHYS, base), plain_value(area.start + area.size, Unit.PHYS, base)


def _name(area: ScratchArea) -> SafeText:
    return SafeText(area.kind if area.node is None else f"node {area.node}")


def _path(row: int) -> EntityPath:
    return EntityPath(("scratch", str(row)))
