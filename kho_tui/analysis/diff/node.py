"""A change while it is being found: it may still become the consequence of another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kho_tui.fdt.header import FDT_HEADER
from kho_tui.layout.struct import Unit
from kho_tui.model.change import Change, ChangeKind, FieldChange, MemoryChange
from kho_tui.model.entity import Entity
from kho_tui.text import NO_TEXT, SafeText

Key = tuple[str, ...]
"""A path without its side: what is compared may stand on sides of other names."""

_ADDRESSES = frozenset({Unit.PHYS, Unit.PFN})
_OF_AN_FDT = frozenset(field.name for field in FDT_HEADER.fields if field.unit is Unit.BYTES)
"""Sizes and offsets, which follow from the sizes of what lies before."""
MEMBERSHIP = frozenset({ChangeKind.ADDED, ChangeKind.REMOVED, ChangeKind.CARRIED})


@dataclass(slots=True, eq=False, kw_only=True)
class Node:
    """``old`` and ``new`` are the entity in A and in B; at least one of them is there."""

    kind: ChangeKind
    old: Entity | None
    new: Entity | None
    fields: list[FieldChange] = field(default_factory=list)
    note: SafeText = NO_TEXT
    below: list[Node] = field(default_factory=list)
    memory: list[MemoryChange] = field(default_factory=list)
    resizes: bool = False
    """Whether rows of its list came or went."""

    @property
    def entity(self) -> Entity:
        """The entity in A, else in B."""
        found = self.old or self.new
        assert found is not None
        return found

    @property
    def old_key(self) -> Key | None:
        """Where it is in A."""
        return None if self.old is None else key_of(self.old)

    @property
    def new_key(self) -> Key | None:
        """Where it is in B."""
        return None if self.new is None else key_of(self.new)

    def change(self) -> Change:
        """The change as it stands, with all that follows from it."""
        one = self.entity
        return Change(
            kind=self.kind,
            entity=one.kind,
            path=None if self.old is None else self.old.path,
            other=None if self.new is None else self.new.path,
            title=one.title,
            fields=tuple(self.fields),
            note=self.note,
            consequences=tuple(node.change() for node in self.below),
            memory=tuple(self.memory),
        )


def key_of(entity: Entity) -> Key:
    """The path of an entity without its side."""
    return entity.path.parts[1:]


def kind_of(fields: Sequence[FieldChange]) -> ChangeKind:
    """Moved where only addresses differ, resized where only what is called a size does, else changed."""
    units = {one.unit for one in fields if one.old is not None and one.new is not None}
    whole = len(units) and all(one.old is not None and one.new is not None for one in fields)
    if whole and units <= _ADDRESSES:
        return ChangeKind.MOVED
    sizes = whole and units <= {Unit.BYTES} and all(one.name.endswith("size") or one.name in _OF_AN_FDT for one in fields)
    return ChangeKind.RESIZED if sizes else ChangeKind.CHANGED
