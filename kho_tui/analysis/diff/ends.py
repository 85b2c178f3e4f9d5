"""Both ends of a handover, as those who tell a fate look at them, and how a fate is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kho_tui.abi.luo import LUO
from kho_tui.analysis.diff.carried import Contents
from kho_tui.analysis.diff.expected import expected
from kho_tui.analysis.diff.log import Failure, HandoverLog
from kho_tui.analysis.diff.match import Half
from kho_tui.analysis.diff.switched_off import SwitchedOff
from kho_tui.model.change import EntityFate, Fate, FieldChange
from kho_tui.model.contents.memblock import MemblockRegion
from kho_tui.model.entity import Entity
from kho_tui.model.facts import Missing
from kho_tui.model.path import EntityPath
from kho_tui.model.state import Side, State, Subtree
from kho_tui.releases.table import Release
from kho_tui.text import SafeText, c_string


@dataclass(frozen=True, eq=False, kw_only=True)
class Ends:
    """Both ends of a handover. ``again`` are the files that the next kernel preserves itself, by what they hold.

    ``holders``: the files of A that list the folio of a line that names one.

    ``release`` is the next kernel's series. ``regions`` are A's by path, ``regions_after`` and ``regions_onward`` those of B's two sides by
    name (None: not told).
    """

    old: State
    new: State
    before: Half
    after: Half
    log: HandoverLog
    release: Release | None
    off: SwitchedOff
    holders: Mapping[Failure, tuple[EntityPath, ...]]
    again: Mapping[Contents, EntityPath]
    counterparts: Mapping[bytes, Subtree]
    entities_after: Mapping[EntityPath, Entity]
    regions: Mapping[EntityPath, MemblockRegion]
    regions_after: Mapping[bytes, MemblockRegion] | None
    regions_onward: Mapping[bytes, MemblockRegion] | None

    @property
    def version(self) -> bytes | None:
        """The version of the handover, None where A's root FDT is not known."""
        root = self.before.side.root
        return None if isinstance(root, Missing) else root.compatible


def made(fate: Fate, entity: Entity, reason: str, other: EntityPath | None = None, fields: Sequence[FieldChange] = ()) -> EntityFate:
    """The fate of an entity of A; ``other`` is where B shows it."""
    return EntityFate(
        fate=fate, entity=entity.kind, path=entity.path, other=other, title=entity.title, reason=SafeText(reason), fields=tuple(fields)
    )


def kept(entity: Entity, reason: str, other: EntityPath | None = None) -> EntityFate:
    """That it arrived, by the evidence in ``reason``."""
    return made(Fate.KEPT, entity, reason, other)


def as_expected(entity: Entity, ends: Ends, kind: str | None = None) -> EntityFate:
    """As the table says of its kind, where nothing speaks for or against it."""
    row = expected(kind or entity.kind, ends.old.registry.formats(LUO).in_root(ends.version))
    return made(row.fate, entity, row.reason)


def cut_short(side: Side) -> str:
    """That a side's root FDT is not all there; empty where it is, or where none is known."""
    if isinstance(side.root, Missing) or not side.root.view.tree.truncated:
        return ""
    return f"{side.name}/fdt holds only {side.root.view.tree.extent}"


def lists_subtrees(side: Side) -> bool:
    """Whether a subtree that a side does not show is not there."""
    return side.subtrees_told and not cut_short(side)


def text_of(entity: Entity, field: str) -> bytes:
    """The text of one of an entity's fields, up to its NUL; empty where it has no such field."""
    values = (value.value for value in entity.detail().values if value.name == field)
    return next((c_string(value) for value in values if isinstance(value, bytes)), b"")
