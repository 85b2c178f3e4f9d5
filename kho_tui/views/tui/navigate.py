"""Finding things in a state: what lies at an address, what a search meets, where one has been."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice

from kho_tui.errors import Cancelled, InputError
from kho_tui.layout.place import Blob
from kho_tui.layout.struct import Unit
from kho_tui.model.entities.tables import FolioRows
from kho_tui.model.entity import Detail, Entity, Value, find, walk
from kho_tui.model.facts import Status
from kho_tui.model.path import EntityPath, parse_path
from kho_tui.text import NO_TEXT, SafeText
from kho_tui.views.format import format_value, parse_address
from kho_tui.views.tui.reading import read_detail

FINDINGS = EntityPath(("findings",))
_HITS = 10_000
_MOST_ROWS_SEARCHED = 10_000
_SMALL = 64 << 10


class Where(Enum):
    """The places of the app in the order of their digit keys. The value is the word shown."""

    OVERVIEW = "overview"
    TREE = "tree"
    MAP = "map"
    LUO = "LUO"
    BLOCKS = "blocks"
    SCRATCH = "scratch"
    FINDINGS = "findings"
    SOURCES = "sources"
    DIFF = "diff"


@dataclass(frozen=True, slots=True)
class Location:
    """A place in the tree: an entity, the value or table row selected in it, and the pane that had the focus."""

    path: EntityPath
    value: int | None = None
    row: int | None = None
    pane: str | None = None

    @property
    def where(self) -> Where:
        """The tree."""
        return Where.TREE

    def is_shown_by(self, here: Location) -> bool:
        """True where one who is ``here`` sees this place already."""
        same = (self.value is None or self.value == here.value) and (self.row is None or self.row == here.row)
        return self.path == here.path and same


@dataclass(frozen=True, slots=True, kw_only=True)
class MapPlace:
    """A place in the memory map of a side.

    Where one goes to: ``subject`` or ``size`` bytes at ``address`` (None: nowhere in particular). Where one was: the bytes of a cell,
    the first address of the window, and the name of the lane or kind that was chosen; ``cell`` 0 leaves all that to the map.
    """

    side: str
    address: int | None = None
    size: int = 1
    subject: EntityPath | None = None
    cell: int = 0
    low: int = 0
    stop: str = ""

    @property
    def where(self) -> Where:
        """The map."""
        return Where.MAP


@dataclass(frozen=True, slots=True)
class ListSpot:
    """A place in one of the lists: the row at the cursor, what the list is filtered by, what it is sorted by, the pane with the focus.

    Of the tree or the map it means: as it was left.
    """

    where: Where
    row: int = 0
    words: str = ""
    sort: str = ""
    pane: str | None = None


Spot = Location | MapPlace | ListSpot
"""Anywhere in the app; ``where`` says in which of its places."""


@dataclass(slots=True)
class History:
    """Where one has been, like a browser's: going somewhere new forgets what was ahead."""

    _back: list[Spot] = field(default_factory=list)
    _ahead: list[Spot] = field(default_factory=list)

    def leave(self, here: Spot) -> None:
        """Remember ``here`` before going somewhere new."""
        if not self._back or self._back[-1] != here:
            self._back.append(here)
        self._ahead.clear()

    def back(self, here: Spot) -> Spot | None:
        """The place before; ``here`` can be come back to."""
        return self._step(self._back, self._ahead, here)

    def ahead(self, here: Spot) -> Spot | None:
        """The place that was left by going back."""
        return self._step(self._ahead, self._back, here)

    @staticmethod
    def _step(source: list[Spot], other: list[Spot], here: Spot) -> Spot | None:
        while source and source[-1] == here:
            source.pop()
        if not source:
            return None
        other.append(here)
        return source.pop()


@dataclass(slots=True)
class Hits:
    """What a search met, stepped through in a ring. ``query`` is shown."""

    query: SafeText = NO_TEXT
    places: Sequence[Location] = ()
    _at: int = -1

    def step(self, direction: int) -> Location | None:
        """The next (1) or previous (-1) hit; None where there are none."""
        if not self.places:
            return None
        self._at = (self._at + direction) % len(self.places)
        return self.places[self._at]

    @property
    def note(self) -> SafeText:
        """Which hit of how many."""
        return SafeText(f"{self._at + 1}/{len(self.places)} {self.query}")


def address_of(value: Value, page_size: int) -> int | None:
    """The physical address a value points at; None where it is no pointer or points nowhere (0)."""
    if not isinstance(value.value, int) or value.value == 0:
        return None
    if value.unit is Unit.PHYS:
        return value.value
    return value.value * page_size if value.unit is Unit.PFN else None


def path_of(value: Value) -> EntityPath | None:
    """The entity a value names (what a finding speaks of); None where it names none."""
    if value.name != "where" or not isinstance(value.value, bytes):
        return None
    return parse_path(value.value.decode("utf-8", "surrogateescape"))


def location_of(root: Entity, path: EntityPath) -> Location:
    """Where the tree shows what a path names: an entity, a row of one's table (``out/preserved/37``), else the nearest entity above."""
    if find(root, path) is not None:
        return Location(path)
    row = path.parts[-1] if path.parts else ""
    above = path.parent
    while above.parts and find(root, above) is None:
        above, row = above.parent, ""
    if not (row.isascii() and row.isdigit()):
        return Location(above)
    entity = find(root, above)
    table = None if entity is None else read_detail(entity).table
    at = table.table.row_of(int(row)) if isinstance(table, FolioRows) else int(row)
    return Location(above) if at is None else Location(above, row=at, pane="rows")


def locate(root: Entity, address: int, cancelled: Callable[[], bool]) -> list[Location]:
    """All that holds a physical address, most telling first. Raises Cancelled.

    Small structs that lie there (of one entity the very value), then rows of tables and larger memory, from the deepest in
    the walk up; what is stale or one of several readings comes last.
    """
    found: list[tuple[tuple[bool, bool, int, int], Location]] = []
    for entity in walk(root):
        _check(cancelled)
        detail = read_detail(entity)
        doubt = entity.status in (Status.STALE, Status.UNKNOWN)
        depth = -len(entity.path.parts)
        size = _size_at(entity, detail, address)
        if size:
            small = size <= _SMALL
            value = _value_at(detail, address)
            place = Location(entity.path) if value is None else Location(entity.path, value=value, pane="fields")
            found.append(((doubt, not small, size if small else depth, depth), place))
        row = _row_at(detail, address)
        if row is not None:
            found.append(((doubt, True, depth, 1), Location(entity.path, row=row, pane="rows")))
    return [place for _, place in sorted(found, key=lambda one: one[0])]


def _size_at(entity: Entity, detail: Detail, address: int) -> int:
    """Bytes of the smallest thing of the entity that holds the address, 0 where none does."""
    spans = [(blob.place.phys, len(blob.data)) for blob in detail.blobs if blob.place.phys is not None and _is_own(blob, detail)]
    if entity.address is not None:
        spans.append((entity.address, max(entity.size, 1)))
    return min((size for start, size in spans if start <= address < start + size), default=0)


def _is_own(blob: Blob, detail: Detail) -> bool:
    """False for bytes that are shown here only because a value or two lies in them: those of the whole FDT around a property."""
    return detail.table is not None or any(value.place is not None and value.place.phys == blob.place.phys for value in detail.values)


def _value_at(detail: Detail, address: int) -> int | None:
    """The first value that begins at the address, behind the start of the entity's own bytes."""
    if not detail.blobs or detail.blobs[0].place.phys == address:
        return None
    return next((i for i, value in enumerate(detail.values) if value.place is not None and value.place.phys == address), None)


def _row_at(detail: Detail, address: int) -> int | None:
    try:
        return detail.table.row_at(address) if detail.table is not None else None
    except Exception:  # a damaged table must not hide what the others hold
        return None


def search(root: Entity, query: str, page_size: int, cancelled: Callable[[], bool]) -> list[Location]:
    """Everything whose title, summary, own part of the path or value contains the query, in order of the walk; then rows of short tables.

    A query that reads as an address first meets what holds it. At most 10,000 hits. Raises Cancelled.
    """
    wanted = query.casefold()
    try:
        address = parse_address(query, page_size)
    except InputError:
        address = None
    hits = [] if address is None else locate(root, address, cancelled)
    held = {hit.path for hit in hits}
    in_rows: list[Location] = []
    for entity in walk(root):
        _check(cancelled)
        if len(hits) >= _HITS:
            break
        if not entity.path.parts or entity.path in held:
            continue
        detail = read_detail(entity)
        index = next((i for i, value in enumerate(detail.values) if _value_matches(value, wanted, address)), None)
        if _entity_matches(entity, wanted):
            hits.append(Location(entity.path))
        elif index is not None:
            hits.append(Location(entity.path, value=index))
        rows = (Location(entity.path, row=row, pane="rows") for row in _rows_matching(detail, wanted, cancelled))
        in_rows += islice(rows, _HITS - len(in_rows))
    return [*hits, *in_rows][:_HITS]


def _rows_matching(detail: Detail, wanted: str, cancelled: Callable[[], bool]) -> Iterator[int]:
    """Rows of a short table, such as the lines of the kernel log, in which a cell contains the query."""
    from kho_tui.model.entities.tables import PlainRows  # with numpy, which the first frame has no need of

    table = detail.table
    if not isinstance(table, PlainRows) or len(table) > _MOST_ROWS_SEARCHED:
        return
    units = [column.unit for column in table.columns]
    for number, row in enumerate(table.cells):
        if number % 1000 == 0:
            _check(cancelled)
        if any(wanted in format_value(cell, unit).casefold() for cell, unit in zip(row, units, strict=True)):
            yield number


def _entity_matches(entity: Entity, wanted: str) -> bool:
    if any(wanted in text.casefold() for text in (entity.title, entity.summary, entity.kind, entity.path.parts[-1])):
        return True
    if entity.status not in (Status.DECODED, Status.DERIVED) and wanted in f"{entity.status.value}: {entity.reason}".casefold():
        return True
    if "/" in wanted and wanted in f"/{entity.path}".casefold():
        # All below a matching entity contains the query too; only where the match reaches its own part it is meant.
        return wanted not in f"/{entity.path.parent}".casefold()
    return False


def _value_matches(value: Value, wanted: str, address: int | None) -> bool:
    if address is not None and isinstance(value.value, int) and value.value == address:
        return True
    return wanted in value.name.casefold() or wanted in format_value(value.value, value.unit).casefold()


def _check(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise Cancelled("cancelled")
