"""What differs between two states, and what became of everything that was handed over."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from kho_tui.layout.struct import Unit
from kho_tui.model.facts import Missing
from kho_tui.model.path import EntityPath
from kho_tui.text import NO_TEXT, SafeText


class ChangeKind(Enum):
    """How something differs. The value is the word shown and typed; ``mark`` says the same in one character."""

    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"
    CHANGED = "changed"
    RESIZED = "resized"
    REORDERED = "reordered"
    CARRIED = "carried over"

    @property
    def mark(self) -> str:
        """``+`` added, ``-`` removed, ``>`` the same thing elsewhere, ``~`` another content."""
        return _MARKS[self]


_MARKS = {
    ChangeKind.ADDED: "+",
    ChangeKind.REMOVED: "-",
    ChangeKind.MOVED: ">",
    ChangeKind.CARRIED: ">",
    ChangeKind.CHANGED: "~",
    ChangeKind.RESIZED: "~",
    ChangeKind.REORDERED: "~",
}


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field, as it was and as it is; None where that state's format or list has no such field."""

    name: str
    unit: Unit
    old: int | bytes | Missing | None
    new: int | bytes | Missing | None


class Part(Enum):
    """In which way preserved memory differs. The value is the word used in JSON."""

    OLD = "only in A"
    NEW = "only in B"
    ORDER = "in blocks of other orders"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryChange:
    """Preserved memory of one owner that differs: ``size`` in bytes, ``count`` ranges, of which ``ranges`` are the first [start, end).

    ``kind`` is the owner's kind of memory, ``owner`` its path in the state that has the range (None: nobody's, for ``reason``).
    """

    part: Part
    kind: str
    owner: EntityPath | None
    size: int
    count: int
    ranges: tuple[tuple[int, int], ...]
    reason: SafeText = NO_TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that differs. ``entity`` is the kernel's word for it, ``path`` and ``other`` are where it is in A and in B.

    ``consequences`` and ``memory`` would not differ without it: the change at the top is their root. ``declared``: why it was to be
    expected, where one of the two is simulated and says so.
    """

    kind: ChangeKind
    entity: str
    path: EntityPath | None
    other: EntityPath | None
    title: SafeText
    fields: tuple[FieldChange, ...] = ()
    note: SafeText = NO_TEXT
    consequences: tuple[Change, ...] = ()
    memory: tuple[MemoryChange, ...] = ()
    declared: SafeText = NO_TEXT

    @property
    def where(self) -> EntityPath:
        """Its path in A, or in B where A does not have it."""
        found = self.path or self.other
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class Untold:
    """Something that could not be compared, and why. ``where`` is its path in the state that has it, else in A."""

    entity: str
    where: EntityPath
    title: SafeText
    reason: SafeText


@dataclass(frozen=True, slots=True)
class Diff:
    """Two states compared. ``sides`` are the names that stand against each other, A's first.

    ``changes`` are the roots of change, ``memory`` the ranges of preserved memory that no other change explains.
    """

    sides: tuple[tuple[str, str], ...]
    changes: tuple[Change, ...]
    memory: tuple[MemoryChange, ...]
    untold: tuple[Untold, ...]

    @property
    def same(self) -> bool:
        """Whether no difference was seen; what could not be compared is none."""
        return not self.changes and not self.memory

    @property
    def as_predicted(self) -> bool:
        """Whether every difference seen, if any, is one that a simulation declares."""
        return not self.memory and all(one.declared for one in self.changes)


class Fate(Enum):
    """What became of something that was handed over, worst first. The value is the word shown and typed, ``mark`` one character for it."""

    LOST = "lost"
    UNTOLD = "cannot tell"
    MAY = "as it may be"
    KEPT = "kept"
    MUST = "as it must be"

    @property
    def mark(self) -> str:
        """``-`` lost, ``?`` cannot tell, ``~`` it may differ, ``=`` there as it has to be."""
        return _FATE_MARKS[self]

    @property
    def is_whole(self) -> bool:
        """Whether it arrived, for certain."""
        return self in (Fate.KEPT, Fate.MUST)


_FATE_MARKS = {Fate.LOST: "-", Fate.UNTOLD: "?", Fate.MAY: "~", Fate.KEPT: "=", Fate.MUST: "="}


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityFate:
    """One entity of the outgoing side before, and its fate with the evidence or the reason.

    ``path`` is where it was in A, ``other`` where B shows it, if it does. ``fields`` are those that differ.
    """

    fate: Fate
    entity: str
    path: EntityPath
    other: EntityPath | None
    title: SafeText
    reason: SafeText
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason to take two states for the two ends of one handover: whether it holds, None where it cannot be told."""

    name: SafeText
    holds: bool | None
    text: SafeText


@dataclass(frozen=True, slots=True)
class HandoverFates:
    """One handover, seen from both ends. ``refused`` says why the next kernel took nothing, empty where it did take it.

    ``onward`` is the next kernel's own outgoing side, as far as it has to follow from what it was handed.
    """

    evidence: tuple[Evidence, ...]
    fates: tuple[EntityFate, ...]
    onward: tuple[EntityFate, ...]
    refused: SafeText = NO_TEXT

    def of(self, fate: Fate) -> tuple[EntityFate, ...]:
        """Everything with this fate, the successor's own side included."""
        return tuple(one for one in (*self.fates, *self.onward) if one.fate is fate)
