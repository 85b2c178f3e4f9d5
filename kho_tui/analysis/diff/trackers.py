"""The trackers themselves: damage, and pages of their own that moved while what they say and where they begin stayed."""

from __future__ import annotations

import numpy as np

from kho_tui.analysis.diff.node import Node
from kho_tui.analysis.diff.values import state_change
from kho_tui.layout.struct import Unit
from kho_tui.model.change import ChangeKind, FieldChange
from kho_tui.model.entity import Entity
from kho_tui.model.facts import Damaged, Missing, Status
from kho_tui.model.runs import Runs
from kho_tui.model.state import Side
from kho_tui.model.tracker import ChunkList, PreservedMap
from kho_tui.text import SafeText


def tracker_entity(side: Entity) -> Entity:
    """The tracker's own entity."""
    return next(child for child in side.children() if child.kind == "tracker")


def compare_trackers(old: Side, new: Side, one: Entity, other: Entity) -> Node | None:
    """How the trackers differ beside their blocks; None where they do not, or where that cannot be told."""
    broken = [_broken(side.preserved) for side in (old, new)]
    if broken[0] is not broken[1]:
        worse = one if broken[0] else other
        return Node(ChangeKind.CHANGED, one, other, [state_change(*_states(broken))], worse.reason)
    before, after = old.preserved, new.preserved
    if isinstance(before, Missing) or isinstance(after, Missing) or before.address != after.address:
        return None
    pages = _pages(before), _pages(after)
    if np.array_equal(*pages) or not _same_blocks(before.runs, after.runs):
        return None
    if len(pages[0]) != len(pages[1]):
        count = FieldChange("pages of the tracker", Unit.COUNT, len(pages[0]), len(pages[1]))
        return Node(ChangeKind.CHANGED, one, other, [count], SafeText("the same blocks, listed in more or fewer pages"))
    at = int(np.flatnonzero(pages[0] != pages[1])[0])
    field = FieldChange(f"page {at} of the tracker", Unit.PHYS, int(pages[0][at]), int(pages[1][at]))
    return Node(ChangeKind.MOVED, one, other, [field], SafeText("the same blocks, listed in other pages"))


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
