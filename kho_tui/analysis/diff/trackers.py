"""The trackers themselves: damage, words of their own that differ, and pages that moved while what they say stayed."""

from __future__ import annotations

import numpy as np

from kho_tui.analysis.diff.memory import Differing
from kho_tui.analysis.diff.node import Node, kind_of
from kho_tui.analysis.diff.rows import MOST_ROWS
from kho_tui.analysis.diff.values import state_change
from kho_tui.analysis.diff.words import bitmap_words, structure_words
from kho_tui.layout.struct import Unit
from kho_tui.model.change import ChangeKind, FieldChange, MemoryChange
from kho_tui.model.entity import Entity
from kho_tui.model.facts import Damaged, Missing, Status
from kho_tui.model.runs import Runs
from kho_tui.model.state import Root, Side
from kho_tui.model.tracker import ChunkList, PreservedMap
from kho_tui.text import NO_TEXT, SafeText


def tracker_entity(side: Entity) -> Entity:
    """The tracker's own entity."""
    return next(child for child in side.children() if child.kind == "tracker")


def compare_trackers(old: Side, new: Side, entities: tuple[Entity, Entity], differing: Differing, left: list[MemoryChange]) -> Node | None:
    """How the trackers differ beside what other changes explain; None where they do not, or where that cannot be told.

    ``left``: memory that differs and that nothing else explains. It follows from the tracker's own words where these are found, or
    from its damage, and is then taken out of the list.
    """
    broken = [_broken(side.preserved) for side in (old, new)]
    before, after = old.preserved, new.preserved
    fields = _words(old, new, differing, left) if isinstance(before, PreservedMap) and isinstance(after, PreservedMap) else []
    note = NO_TEXT
    if broken[0] is not broken[1]:
        worse = entities[0] if broken[0] else entities[1]
        fields, note = fields or [state_change(*_states(broken))], worse.reason
    elif not fields:
        return _elsewhere(before, after, *entities)
    node = Node(kind=_kind_of(fields), old=entities[0], new=entities[1], fields=fields, note=note, memory=left.copy())
    left.clear()
    return node


def _words(old: Side, new: Side, differing: Differing, left: list[MemoryChange]) -> list[FieldChange]:
    """Words of two trackers that begin at one address, where nothing but these words can be why they differ."""
    before, after = old.preserved, new.preserved
    assert isinstance(before, PreservedMap) and isinstance(after, PreservedMap)
    whole = before.status is after.status is Status.DECODED
    if before.address != after.address or (whole and not left):
        return []
    words = structure_words(before, after)
    if not whole or not left:
        return words
    marker_counted = isinstance(old.root, Root) and old.root.format is not None and old.root.format.marker_counted
    return (words + bitmap_words(before, after, differing, marker_counted=marker_counted))[:MOST_ROWS]


def _kind_of(fields: list[FieldChange]) -> ChangeKind:
    """A pointer that leads elsewhere has moved; one that led nowhere, or does now, has not."""
    return ChangeKind.CHANGED if any(0 in (one.old, one.new) for one in fields) else kind_of(fields)


def _elsewhere(before: PreservedMap | Missing, after: PreservedMap | Missing, one: Entity, other: Entity) -> Node | None:
    """The same blocks, in other pages of the tracker."""
    if isinstance(before, Missing) or isinstance(after, Missing) or before.address != after.address:
        return None
    pages = _pages(before), _pages(after)
    if np.array_equal(*pages) or not _same_blocks(before.runs, after.runs):
        return None
    fields, note = structure_words(before, after), SafeText("the same blocks, listed in other pages")
    if len(pages[0]) != len(pages[1]):
        note = SafeText("the same blocks, listed in more or fewer pages")
        fields.insert(0, FieldChange("pages of the tracker", Unit.COUNT, len(pages[0]), len(pages[1])))
    return Node(kind=_kind_of(fields), old=one, new=other, fields=fields, note=note)


def _broken(preserved: PreservedMap | Missing) -> bool:
    return isinstance(preserved, Damaged) or (isinstance(preserved, PreservedMap) and preserved.damaged)


def _states(broken: list[bool]) -> tuple[Status, Status]:
    words = [Status.DAMAGED if one else Status.DECODED for one in broken]
    return words[0], words[1]


def _same_blocks(one: Runs, other: Runs) -> bool:
    pairs = ((one.start, other.start), (one.count, other.count), (one.order, other.order))
    return all(np.array_equal(mine, theirs) for mine, theirs in pairs)


def _pages(preserved: PreservedMap) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Addresses of the tracker's pages in the order in which they are reached."""
    structure = preserved.structure
    if isinstance(structure, ChunkList):
        chunks = [chunk.header.place.phys or 0 for chunk in structure.chunks]
        return np.concatenate([np.array(chunks, np.uint64), *(chunk.elements.column("bitmap") for chunk in structure.chunks)])
    return np.concatenate([np.empty(0, np.uint64), *structure.addresses])
