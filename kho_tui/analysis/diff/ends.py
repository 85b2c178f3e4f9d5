"""Both ends of a handover, as those who tell a fate look at them, and how a fate is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kho_tui.analysis.diff.log import HandoverLog
from kho_tui.model.change import EntityFate, Fate, FieldChange
from kho_tui.model.entity import Entity
from kho_tui.model.facts import Missing
from kho_tui.model.path import EntityPath
from kho_tui.model.state import Side, State, Subtree
from kho_tui.releases.table import Release
from kho_tui.text import SafeText, visible

if TYPE_CHECKING:
    from kho_tui.analysis.diff.half import Half


@dataclass(frozen=True, eq=False, kw_only=True)
class Ends:
    """Both ends of a handover: A's outgoing side (``before``), and B's two sides.

    ``onward`` is what B hands on, None where it shows no such side. ``release`` is the next kernel's series, ``kho_off`` why KHO does not
    run in it. ``counterparts``: B's subtrees by name.
    """

    old: State
    new: State
    before: Half
    after: Half
    onward: Half | None
    log: HandoverLog
    release: Release | None
    kho_off: SafeText | None
    counterparts: Mapping[bytes, Subtree]


def made(fate: Fate, entity: Entity, reason: str, other: EntityPath | None = None, fields: Sequence[FieldChange] = ()) -> EntityFate:
    """The fate of an entity of A; ``other`` is where B shows it."""
    return EntityFate(
        fate=fate, entity=entity.kind, path=entity.path, other=other, title=entity.title, reason=SafeText(reason), fields=tuple(fields)
    )


def kept(entity: Entity, reason: str, other: EntityPath | None = None) -> EntityFate:
    """That it arrived, by the evidence in ``reason``."""
    return made(Fate.KEPT, entity, reason, other)


def unspoken(entity: Entity) -> EntityFate:
    """Of a thing that nothing speaks for or against."""
    return made(Fate.UNTOLD, entity, "nothing in B speaks of it")


def lost_with(kind: str) -> SafeText:
    """Why something is lost that is a part of a thing of this kind."""
    return SafeText(f"its {kind} is lost")


def handed_on(fate: Fate, one: Subtree, other: Subtree | None, reason: str, fields: Sequence[FieldChange] = ()) -> EntityFate:
    """What became of a subtree of A on the next kernel's own outgoing side, where ``other`` is it."""
    return EntityFate(
        fate=fate,
        entity="subtree",
        path=one.path,
        other=None if other is None else other.path,
        title=visible(one.name),
        reason=SafeText(reason),
        fields=tuple(fields),
    )


def cut_short(side: Side) -> str:
    """That a side's root FDT is not all there; empty where it is, or where none is known."""
    if isinstance(side.root, Missing) or not side.root.view.tree.truncated:
        return ""
    return f"{side.name}/fdt holds only {side.root.view.tree.extent}"


def lists_subtrees(side: Side) -> bool:
    """Whether a subtree that a side does not show is not there."""
    return side.subtrees_told and not cut_short(side)
