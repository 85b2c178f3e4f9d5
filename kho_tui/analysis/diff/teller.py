"""What became of one subtree that was handed over, and of what is in it: as of any subtree, where its module says no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from kho_tui.analysis.diff.ends import Ends, handed_on, unspoken
from kho_tui.analysis.diff.facet import Diffing
from kho_tui.analysis.diff.log import Failure
from kho_tui.layout.struct import Unit
from kho_tui.model.change import EntityFate, Fate, FieldChange
from kho_tui.model.entity import Entity
from kho_tui.model.facts import Missing
from kho_tui.model.state import Subtree
from kho_tui.text import SafeText


@dataclass(frozen=True, slots=True)
class Contradiction:
    """That the next kernel read something else than A handed over: how one knows, and the fields that differ."""

    reason: str
    fields: Sequence[FieldChange]


class Teller:
    """Made for one subtree of A in one handover. A subclass says what more can be told; what costs time is a cached property of it."""

    lost_if_altered: ClassVar[bool] = False
    """Whether all that is in the subtree is lost where its blob arrives altered, because nothing else leads to it."""

    named_restores: ClassVar[frozenset[str]] = frozenset()
    """``Failure.what`` of the lines that name a restore that failed: the kernel prints a WARNING with each."""

    def __init__(self, subtree: Subtree, ends: Ends) -> None:
        self.subtree, self.ends = subtree, ends

    @staticmethod
    def is_part(_entity: Entity) -> bool:
        """Whether what became of an entity is told with a thing that it is a part of."""
        return False

    def failures_of(self, _entity: Entity) -> Iterable[Failure]:
        """The lines that say that this very entity was not taken."""
        return ()

    def failures(self) -> Iterable[Failure]:
        """All lines that say that something of this subtree was not taken, in the order of the log. Those that no entity is lost by are
        told of the subtree."""
        return ()

    def contradiction(self) -> Contradiction | None:
        """Where the log says that something else was read; None: it does not."""
        return None

    def arrival(self) -> SafeText | None:
        """The line by which the next kernel says that it took the blob."""
        return None

    def unseen(self, _entity: Entity) -> EntityFate | None:
        """What became of the subtree itself, where B does not hold its bytes any more; None: only why B does not."""
        return None

    def fate(self, entity: Entity) -> EntityFate | None:
        """What became of a thing in it that no line names as lost; None for what has no fate."""
        return unspoken(entity)

    def settled(self, fates: Iterable[EntityFate]) -> Iterable[EntityFate]:
        """The fates of the whole handover, where some only follow from others."""
        return fates

    def follows(self) -> bool:
        """Whether a kernel that took it hands one on in its turn."""
        return False

    def followed(self, other: Subtree, *, must: bool) -> Iterator[EntityFate]:
        """By what the next kernel hands on under its name. ``must``: it has to be the one that follows."""
        if must:
            contents = (self.subtree.content, other.content)
            unread = next((content for content in contents if isinstance(content, Missing)), None)
            yield handed_on(Fate.UNTOLD, self.subtree, other, "of another format than before" if unread is None else unread.reason)

    def counted(self, other: Subtree, name: str, was: int, now: int) -> EntityFate:
        """Of what is one higher after each handover (kernel/liveupdate/kexec_handover.c, 7.1+, and luo_core.c)."""
        if now == was + 1:
            return handed_on(Fate.MUST, self.subtree, other, f"{name} {was}, then {now}")
        field = FieldChange(name, Unit.COUNT, was, now)
        return handed_on(Fate.LOST, self.subtree, other, f"{name} {now} does not follow {was}", [field])


def differing(*fields: FieldChange) -> list[FieldChange]:
    """Those that are no two of a kind."""
    return [field for field in fields if field.old != field.new]


def teller_of(diffing: Diffing) -> type[Teller]:
    """Who tells what became of a subtree."""
    return diffing.teller or Teller
