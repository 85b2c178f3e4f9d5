"""One entity as it was and as it is: fields beside each other, and the bytes of both. Knows no screen."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from kho_tui.analysis.diff.aligned import Span, Stretch, align
from kho_tui.layout.place import Blob
from kho_tui.layout.struct import Unit
from kho_tui.model.change import Change, EntityFate, MemoryChange, Part
from kho_tui.model.entity import Detail, Entity, Value, WireRows, find
from kho_tui.model.facts import Missing, Status
from kho_tui.model.path import EntityPath
from kho_tui.views.diff_words import value_mark
from kho_tui.views.tui.diff_tree import Node
from kho_tui.views.tui.hex_pane import offset_in
from kho_tui.views.tui.reading import read_detail

_NOTHING = Detail()
Datum = int | bytes | Missing | None


@dataclass(frozen=True, slots=True)
class Pair:
    """A field as it was and as it is; None where that state has none. ``told``: whether both states show what it is a field of."""

    name: str
    unit: Unit
    old: Datum
    new: Datum
    told: bool = True

    @property
    def mark(self) -> str:
        """Blank where it is the same, or where only one of the two can be seen."""
        return value_mark(self.old, self.new) if self.told or (self.old is not None and self.new is not None) else " "


@dataclass(frozen=True, slots=True, kw_only=True)
class HexRow:
    """Bytes of A beside bytes of B. ``old`` and ``new`` are offsets, None where that state has no such bytes."""

    name: str
    old: int | None
    new: int | None
    old_data: bytes
    new_data: bytes
    mark: str


@dataclass(frozen=True, slots=True, eq=False)
class Bytes:
    """Two byte strings in stretches. ``told``: False where one state shows none, which does not mean that there are none."""

    told: bool
    old: bytes
    new: bytes
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Both:
    """An entity in two states: what is shown of a node. ``bytes`` is None where neither state shows any."""

    pairs: tuple[Pair, ...] = ()
    bytes: Bytes | None = None
    found: tuple[EntityPath | None, EntityPath | None] = (None, None)


def both_of(node: Node, old: Entity, new: Entity) -> Both:
    """What the two states, given by their roots, say of a node; reads both."""
    entities = [None if path is None else find(root, path) for root, path in ((old, node.old), (new, node.new))]
    details = [_NOTHING if entity is None else read_detail(entity) for entity in entities]
    paths = [None if entity is None else entity.path for entity in entities]
    # What only one state shows came or went where the comparison says so; else the other may have it and not show it.
    told = node.mark in "+-"
    return Both(tuple(_pairs(node, *details, told=told)), _bytes(*details, told=told), (paths[0], paths[1]))


def _pairs(node: Node, old: Detail, new: Detail, *, told: bool) -> Iterator[Pair]:
    """What was told to differ first, then the fields as they stand in A, then those of B alone."""
    changes = [Pair(one.name, one.unit, one.old, one.new) for one in getattr(node.subject, "fields", ())]
    yield from changes
    yield from _memory(node)
    if isinstance(node.subject, MemoryChange):
        return
    before, after = _numbered(old.values), _numbered(new.values)
    names = {(one.name, one.old, one.new) for one in changes}
    for key in [*before, *(key for key in after if key not in before)]:
        was, now = before.get(key), after.get(key)
        one = was or now
        assert one is not None
        pair = Pair(one.name, one.unit, None if was is None else was.value, None if now is None else now.value, told)
        if (pair.name, pair.old, pair.new) not in names and not _is_idle(one, pair):
            yield pair


def _is_idle(value: Value, pair: Pair) -> bool:
    """Computed values that say the same are in the tree already."""
    return value.status is Status.DERIVED and pair.mark == " "


def _memory(node: Node) -> Iterator[Pair]:
    """Ranges of preserved memory that differ, on the side that has them."""
    some = node.subject.memory if isinstance(node.subject, Change) else (node.subject,) if isinstance(node.subject, MemoryChange) else ()
    for memory in some:
        told = [f"{low:#x}-{high:#x}" for low, high in memory.ranges]
        told += [f"and {memory.count - len(told)} more"] if memory.count > len(told) else []
        for text in (one.encode() for one in told):
            old, new = (None if memory.part is other else text for other in (Part.NEW, Part.OLD))
            yield Pair(f"{memory.kind} memory", Unit.TEXT, old, new)


def _numbered(values: Iterable[Value]) -> dict[tuple[str, int], Value]:
    found: dict[tuple[str, int], Value] = {}
    taken: dict[str, int] = {}
    for value in values:
        number = taken[value.name] = taken.get(value.name, 0) + 1
        found[value.name, number] = value
    return found


def _bytes(old: Detail, new: Detail, *, told: bool) -> Bytes | None:
    if not old.blobs and not new.blobs:
        return None
    one, other = (detail.blobs[0] if detail.blobs else None for detail in (old, new))
    table = old.table or new.table
    unit = table.row_bytes() if isinstance(table, WireRows) else 4
    data = [b"" if blob is None else blob.data for blob in (one, other)]
    told = told or (one is not None and other is not None)
    return Bytes(told, data[0], data[1], align(data[0], data[1], _spans(old, one), _spans(new, other), unit))


def _spans(detail: Detail, blob: Blob | None) -> Iterator[Span]:
    """Fields that lie in the bytes; the smallest parts of packed ones."""
    for value in detail.values if blob is not None else ():
        start = offset_in(blob, value.place) if blob is not None and value.place is not None and value.size else None
        if start is not None and start >= 0:
            yield Span(value.name, start, value.size)


class HexRows:
    """The rows of two byte strings, ``width`` bytes of each to a row; made when they are looked at."""

    def __init__(self, both: Bytes, width: int) -> None:
        self._both = both
        self._width = width
        lengths = [-(-max(one.old[1] - one.old[0], one.new[1] - one.new[0]) // width) for one in both.stretches]
        self._ends = list(accumulate(lengths))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, row: int) -> HexRow:
        at = bisect_right(self._ends, row)
        one = self._both.stretches[at]
        first = row - (self._ends[at - 1] if at else 0)
        (old, old_data), (new, new_data) = (
            self._part(data, span, first) for data, span in ((self._both.old, one.old), (self._both.new, one.new))
        )
        mark = " " if one.same or old_data == new_data or not self._both.told else "+" if not old_data else "-" if not new_data else "~"
        return HexRow(name="" if first else one.name, old=old, new=new, old_data=old_data, new_data=new_data, mark=mark)

    def _part(self, data: bytes, span: tuple[int, int], row: int) -> tuple[int | None, bytes]:
        start = span[0] + row * self._width
        return (start, data[start : min(start + self._width, span[1])]) if start < span[1] else (None, b"")

    def first_change(self) -> int:
        """The first row of the first stretch that differs, 0 where none does."""
        at = next((at for at, one in enumerate(self._both.stretches) if not one.same), 0)
        return self._ends[at - 1] if at else 0


def reason_of(node: Node) -> Sequence[str]:
    """What is said of a node in words, in the order in which it matters."""
    words = [f"{node.word}: {node.note}" if node.word and node.note else node.word or node.note]
    if isinstance(node.subject, EntityFate | Change) and node.new is not None and node.new != node.old and node.old is not None:
        words.append(f"in B: {node.new}")
    return [word for word in words if word]
