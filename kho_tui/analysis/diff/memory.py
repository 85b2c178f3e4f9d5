"""Preserved memory that differs, by owner: interval arithmetic on runs. Owners are looked up only where something differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kho_tui.analysis.claims import side_claims
from kho_tui.analysis.memory_map import layers_of
from kho_tui.analysis.unowned import owner_gap, unowned_reason
from kho_tui.context import Context
from kho_tui.layout.arrays import U64s
from kho_tui.model.change import MemoryChange, Part
from kho_tui.model.intervals import Intervals, intervals
from kho_tui.model.kinds import Kind
from kho_tui.model.path import EntityPath
from kho_tui.model.runs import Runs
from kho_tui.model.state import Side, State
from kho_tui.text import NO_TEXT, SafeText

MOST_RANGES = 8
"""Ranges of one owner that are told one by one; the rest is counted."""

UNOWNED = "unowned"
NOTHING = intervals(np.empty(0, np.uint64), np.empty(0, np.uint64))


@dataclass(frozen=True, eq=False)
class Differing:
    """Memory preserved in A alone, in B alone, and in both but in blocks of other orders.

    ``blocks``: by log2 of the size of a block, the blocks that only one of the two has just so.
    """

    old: Intervals
    new: Intervals
    order: Intervals
    blocks: tuple[tuple[int, Intervals], ...] = ()


def compare_runs(old: Runs, new: Runs, context: Context) -> Differing:
    """Two trackers, block by block: of the same address and order or not. Linear in the runs but for sorting those that differ."""
    context.step("comparing preserved memory")
    one, other = _Pieces.of(old), _Pieces.of(new)
    if not old.overlapping and not new.overlapping:
        # What stands in both as it is can neither differ nor lie over anything else.
        one, other = one.without(other), other.without(one)
    gone, came = NOTHING, NOTHING
    blocks: list[tuple[int, Intervals]] = []
    for size in sorted({*np.flatnonzero(np.bincount(one.size)).tolist(), *np.flatnonzero(np.bincount(other.size)).tolist()}):
        context.step("comparing preserved memory")
        before, after = one.of_size(size), other.of_size(size)
        less, more = before - after, after - before
        gone, came = gone | less, came | more
        blocks.append((size, less | more))
    before, after = (intervals(pieces.start, pieces.end) for pieces in (one, other))
    return Differing(gone - after, came - before, (gone & after) | (came & before), tuple(blocks))


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Runs as stretches [start, end) (u64) of blocks of 2^size bytes, by start; all of shape (n,)."""

    start: U64s
    end: U64s
    size: npt.NDArray[np.uint8]

    @staticmethod
    def of(runs: Runs) -> _Pieces:
        return _Pieces(runs.start, runs.ends, runs.order + np.uint8(runs.page_shift))

    def without(self, other: _Pieces) -> _Pieces:
        """The stretches that the other does not have just so."""
        if not len(other.start):
            return self
        at = np.minimum(np.searchsorted(other.start, self.start), len(other.start) - 1)
        differ = (other.start[at] != self.start) | (other.end[at] != self.end) | (other.size[at] != self.size)
        return _Pieces(self.start[differ], self.end[differ], self.size[differ])

    def of_size(self, size: int) -> Intervals:
        mine = self.size == size
        return intervals(self.start[mine], self.end[mine])


def owners_of(part: Part, memory: Intervals, side: Side, state: State, context: Context) -> Iterator[tuple[Kind | None, MemoryChange]]:
    """The memory that differs, owner by owner as ``side`` knows them; what nobody owns comes last."""
    if not len(memory):
        return
    claims = [claim for claim in side_claims(side, state, context) if claim.kind.is_owner]
    owned = NOTHING
    for kind, regions in layers_of(claims, context).items():
        overlap = memory.below(regions.end) - memory.below(regions.start)
        touched = np.flatnonzero(overlap)
        if not len(touched):
            continue
        start, end, owner = regions.start[touched], regions.end[touched], regions.owner[touched]
        owned = owned | intervals(start, end)
        order = np.argsort(owner, kind="stable")
        heads = np.flatnonzero(np.concatenate([[True], owner[order][1:] != owner[order][:-1]]))
        for rows in np.split(order, heads[1:]):
            context.step("finding whose memory differs")
            mine = memory & intervals(start[rows], end[rows])
            yield kind, _change(part, kind.name, claims[int(owner[rows[0]])].path, mine, NO_TEXT)
    rest = memory - owned
    if len(rest):
        yield None, _change(part, UNOWNED, None, rest, unowned_reason(side, owner_gap(side)))


def _change(part: Part, kind: str, path: EntityPath | None, mine: Intervals, reason: SafeText) -> MemoryChange:
    ranges = tuple(zip(mine.start[:MOST_RANGES].tolist(), mine.end[:MOST_RANGES].tolist(), strict=True))
    return MemoryChange(part=part, kind=kind, owner=path, size=mine.bytes, count=len(mine), ranges=ranges, reason=reason)
