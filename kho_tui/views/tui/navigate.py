"""Finding things in a state: what lies at an address, what a search meets, where one has been."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from kho_tui.errors import Cancelled, InputError
from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Detail, Entity, Value, entity_at, walk
from kho_tui.model.facts import Status
from kho_tui.model.path import EntityPath
from kho_tui.views.format import format_value, parse_address
from kho_tui.views.tui.reading import read_detail

FINDINGS = EntityPath(("findings",))
_HITS = 10_000
_SMALL = 64 << 10


@dataclass(frozen=True, slots=True)
class Location:
    """A place in the app: an entity, the value or table row selected in it, and the pane that had the focus."""

    path: EntityPath
    value: int | None = None
    row: int | None = None
    pane: str | None = None


@dataclass(slots=True)
class History:
    """Where one has been, like a browser's: going somewhere new forgets what was ahead."""

    _back: list[Location] = field(default_factory=list)
    _ahead: list[Location] = field(default_factory=list)

    def leave(self, here: Location) -> None:
        """Remember ``here`` before going somewhere new."""
        if not self._back or self._back[-1] != here:
            self._back.append(here)
        self._ahead.clear()

    def back(self, here: Location) -> Location | None:
        """The place before; ``here`` can be come back to."""
        return self._step(self._back, self._ahead, here)

    def ahead(self, here: Location) -> Location | None:
        """The place that was left by going back."""
        return self._step(self._ahead, self._back, here)

    @staticmethod
    def _step(source: list[Location], other: list[Location], here: Location) -> Location | None:
        if not source:
            return None
        other.append(here)
        return source.pop()


def address_of(value: Value, page_size: int) -> int | None:
    """The physical address a value points at; None where it is no pointer or points nowhere (0)."""
    if not isinstance(value.value, int) or value.value == 0:
        return None
    if value.unit is Unit.PHYS:
        return value.value
    return value.value * page_size if value.unit is Unit.PFN else None


def locate(root: Entity, address: int, cancelled: Callable[[], bool]) -> Location | None:
    """What holds a physical address: a small entity, else the row of the most specific table, else a large entity.

    Rows of tables that can be trusted come before stale ones. Raises Cancelled.
    """
    holder = entity_at(root, address)
    if holder is not None and 0 < holder.size <= _SMALL:
        return Location(holder.path)
    best: tuple[bool, int] | None = None
    found: Location | None = None
    for entity in walk(root):
        _check(cancelled)
        rank = (entity.status is not Status.STALE, len(entity.path.parts))
        if best is not None and rank <= best:
            continue
        row = _row_at(read_detail(entity), address)
        if row is not None:
            best, found = rank, Location(entity.path, row=row, pane="rows")
    if found is None and holder is not None:
        found = Location(holder.path)
    return found


def _row_at(detail: Detail, address: int) -> int | None:
    try:
        return detail.table.row_at(address) if detail.table is not None else None
    except Exception:  # a damaged table must not hide what the others hold
        return None


def search(root: Entity, query: str, page_size: int, cancelled: Callable[[], bool]) -> list[Location]:
    """Everything whose title, summary, own part of the path or a value contains the query, in order of the walk.

    A query that reads as an address also meets what holds it and values equal to it. At most 10,000 hits. Raises Cancelled.
    """
    wanted = query.casefold()
    try:
        address = parse_address(query, page_size)
    except InputError:
        address = None
    hits: list[Location] = []
    for entity in walk(root):
        _check(cancelled)
        if len(hits) >= _HITS:
            break
        if not entity.path.parts:
            continue
        if _entity_matches(entity, wanted, address):
            hits.append(Location(entity.path))
            continue
        values = read_detail(entity).values
        index = next((i for i, value in enumerate(values) if _value_matches(value, wanted, address)), None)
        if index is not None:
            hits.append(Location(entity.path, value=index))
    return hits


def _entity_matches(entity: Entity, wanted: str, address: int | None) -> bool:
    if any(wanted in text.casefold() for text in (entity.title, entity.summary, entity.kind, entity.path.parts[-1])):
        return True
    if "/" in wanted and wanted in str(entity.path).casefold():
        # All below a matching entity contains the query too; only where the match reaches its own part it is meant.
        return wanted not in str(entity.path.parent).casefold()
    return address is not None and entity.address is not None and entity.address <= address < entity.address + max(entity.size, 1)


def _value_matches(value: Value, wanted: str, address: int | None) -> bool:
    if address is not None and isinstance(value.value, int) and value.value == address:
        return True
    return wanted in value.name.casefold() or wanted in format_value(value.value, value.unit).casefold()


def _check(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise Cancelled("cancelled")
