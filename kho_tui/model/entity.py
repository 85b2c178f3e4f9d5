"""Entity: one thing of a state as everything that walks a state sees it.

Tree, search, goto, history and the text of the commands walk entities. JSON and the memory map read the model itself: they keep a
contract, or arrays. Blocks, folios and other long lists are rows of an entity's table, never entities of the walk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from kho_tui.layout.place import Blob, Place
from kho_tui.layout.struct import FieldValue, Unit
from kho_tui.model.facts import Missing, Status, Unavailable
from kho_tui.model.path import EntityPath
from kho_tui.text import NO_TEXT, SafeText, visible


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One line of an entity's detail.

    ``value`` is an integer, captured bytes (shown as text) or a Missing that says why there is none. ``size`` is the number of bytes
    the value takes at ``place``; 0 for a derived value. ``source`` names kernel header and releases.
    """

    name: str
    unit: Unit
    value: int | bytes | Missing
    meaning: str = ""
    source: str = ""
    place: Place | None = None
    size: int = 0
    status: Status = Status.DECODED


def value_of(field_value: FieldValue) -> Value:
    """A decoded field as a line of detail."""
    f, raw = field_value.field, field_value.raw
    if field_value.cut_from is None:
        return Value(
            name=f.name,
            unit=f.unit,
            value=field_value.value,
            meaning=f.meaning,
            source=field_value.source,
            place=field_value.place,
            size=len(raw),
        )
    begins = f'"{visible(raw)}"' if f.unit is Unit.TEXT else raw.hex(" ") or "nothing"
    cut = Unavailable(SafeText(f"begins with {begins}: {len(raw)} of {field_value.cut_from} bytes are in this capture"))
    return Value(
        name=f.name,
        unit=f.unit,
        value=cut,
        meaning=f.meaning,
        source=field_value.source,
        place=field_value.place,
        size=len(raw),
        status=cut.status,
    )


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a long list. ``width`` is in characters, enough for every value of the column."""

    name: str
    unit: Unit
    width: int


class RowSource(Protocol):
    """A long list, read a window at a time."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, left to right."""

    def __len__(self) -> int: ...

    def rows(self, start: int, count: int) -> list[tuple[int | bytes, ...]]:
        """The values of rows start..start+count-1; fewer at the end."""

    def place(self, row: int) -> Place | None:
        """Where the row itself lies on the wire, None for a derived row."""

    def target(self, row: int) -> int | None:
        """The physical address that the row speaks of, if any."""

    def row_at(self, address: int) -> int | None:
        """The row whose memory holds a physical address, if any."""


@runtime_checkable
class WireRows(RowSource, Protocol):
    """A long list whose rows lie in memory as such: entries of an array on the wire."""

    def row_bytes(self) -> int:
        """Bytes of a row, the same for all."""

    def row_holding(self, address: int) -> int | None:
        """The row whose own bytes hold a physical address, if any."""


@dataclass(frozen=True, slots=True)
class Detail:
    """What is shown for one entity. ``blobs`` are its bytes for the hex view, the first one holding the values' places."""

    values: tuple[Value, ...] = ()
    blobs: tuple[Blob, ...] = ()
    table: RowSource | None = None


def _no_detail() -> Detail:
    return Detail()


def _no_children() -> Sequence[Entity]:
    return ()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Entity:
    """A node of the walk. ``detail`` and ``children`` are computed when asked for.

    ``kind`` is the kernel's word (session, subtree, scratch ...), ``title`` its name, ``summary`` a few words (counts, sizes), ``reason``
    says why ``status`` is not decoded. ``address`` is where it begins in physical memory, ``size`` its bytes there (0: not known).
    """

    path: EntityPath
    kind: str
    title: SafeText
    status: Status = Status.DECODED
    summary: SafeText = NO_TEXT
    reason: SafeText = NO_TEXT
    address: int | None = None
    size: int = 0
    detail: Callable[[], Detail] = field(default=_no_detail, repr=False)
    children: Callable[[], Sequence[Entity]] = field(default=_no_children, repr=False)

    @property
    def is_leaf(self) -> bool:
        """True where it is known without asking that there are no children."""
        return self.children is _no_children


def walk(entity: Entity) -> Iterator[Entity]:
    """The entity and everything below it, parents first, without recursion."""
    stack = [entity]
    while stack:
        one = stack.pop()
        yield one
        stack.extend(reversed(one.children()))


def find(root: Entity, path: EntityPath) -> Entity | None:
    """The entity at ``path``, walking down only what lies on the way."""
    here = root
    while here.path != path:
        depth = len(here.path.parts)
        step = next((c for c in here.children() if c.path.parts == path.parts[: len(c.path.parts)] and len(c.path.parts) > depth), None)
        if step is None:
            return None
        here = step
    return here
