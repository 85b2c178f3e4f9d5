"""The memory map of one side: which stretch of physical memory is what, and whose, with the sums that have to agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kho_tui.analysis.claims import Claim, machine_claims, side_claims
from kho_tui.analysis.intervals import Intervals, intervals
from kho_tui.analysis.kinds import Duty, Kind
from kho_tui.analysis.unowned import unowned_reason
from kho_tui.model.facts import Missing
from kho_tui.model.path import EntityPath
from kho_tui.model.state import Side, State
from kho_tui.model.tracker import PreservedMap
from kho_tui.text import SafeText

U64s = npt.NDArray[np.uint64]
U32s = npt.NDArray[np.uint32]

_MOST_HOLDING = 64
"""Regions of one kind named for one address: a sound state has one, a hostile one any number."""


@dataclass(frozen=True, eq=False)
class Regions:
    """Stretches of one kind, sorted by start; all of shape (n,), not writeable.

    ``owner`` is the index of the claim, ``row`` the row of the claim's table (meaningful where the claim has rows).
    """

    start: U64s
    end: U64s
    owner: U32s
    row: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    @cached_property
    def _reach(self) -> U64s:
        """Highest end up to each region: tells how far back one may still hold an address."""
        return np.maximum.accumulate(self.end)

    def holding(self, address: int) -> list[int]:
        """Regions that hold an address, the one that starts last first."""
        rows = self.within(address, address + 1)
        found: list[int] = rows[::-1][:_MOST_HOLDING].tolist()
        return found

    def within(self, low: int, high: int) -> npt.NDArray[np.int64]:
        """Regions that overlap [low, high), ascending."""
        last = int(np.searchsorted(self.start, np.uint64(min(high, 2**64 - 1)), side="left"))
        first = int(np.searchsorted(self._reach, np.uint64(low), side="right"))
        rows = np.arange(first, max(last, first), dtype=np.int64)
        return rows[self.end[rows] > np.uint64(low)]


@dataclass(frozen=True, slots=True)
class Hit:
    """One layer that holds an address: what it is, whose, from where to where, and the row of the owner's table."""

    kind: Kind
    path: EntityPath
    start: int
    end: int


@dataclass(frozen=True, eq=False)
class Sums:
    """Three sums of bytes, each from both ends.

    ``preserved`` is the decoder's own count, ``covered`` the addresses it stands for (less where blocks overlap); ``owned`` is found by
    sweeping the owners over the preserved, ``unowned`` by subtracting them: together they are ``covered``. ``lost`` must be preserved
    and is not. ``overlap`` is claimed by more than one owner, counted as often as it is claimed too much.
    """

    preserved: int
    covered: int
    owned: int
    unowned: Intervals
    lost: Intervals
    overlap: int
    reason: SafeText
    """The likeliest reason for what is unowned."""

    @property
    def hold(self) -> bool:
        """Whether owned and unowned add up to what the tracker covers, and that to the decoder's count."""
        return self.owned + self.unowned.bytes == self.covered == self.preserved


@dataclass(frozen=True, eq=False)
class MemoryMap:
    """All layers of one side. ``sums`` is Missing where the tracker is no fact."""

    side: str
    page_size: int
    claims: tuple[Claim, ...]
    layers: Mapping[Kind, Regions]
    preserved: PreservedMap | Missing
    sums: Sums | Missing

    def at(self, address: int) -> list[Hit]:
        """Every layer that holds an address, outermost kind first."""
        found = []
        for kind in Kind:
            if kind is Kind.PRESERVED:
                found += self._block(address)
                continue
            regions = self.layers.get(kind)
            for region in [] if regions is None else regions.holding(address):
                found.append(self.hit(kind, region))
        return found

    def hit(self, kind: Kind, region: int) -> Hit:
        """A region as a hit."""
        regions = self.layers[kind]
        claim = self.claims[int(regions.owner[region])]
        path = claim.path.child(str(int(regions.row[region]))) if claim.rows else claim.path
        return Hit(kind, path, int(regions.start[region]), int(regions.end[region]))

    def _block(self, address: int) -> list[Hit]:
        if isinstance(self.preserved, Missing):
            return []
        runs = self.preserved.runs
        block = runs.block_at(address)
        if block is None:
            return []
        start, order = runs.expand(block, 1)
        first = int(start[0])
        path = EntityPath((self.side, "preserved", str(block)))
        return [Hit(Kind.PRESERVED, path, first, first + (self.page_size << int(order[0])))]

    @cached_property
    def unions(self) -> Mapping[Kind, Intervals]:
        """The addresses of each kind."""
        found = {kind: intervals(regions.start, regions.end) for kind, regions in self.layers.items()}
        if not isinstance(self.preserved, Missing):
            found[Kind.PRESERVED] = intervals(self.preserved.runs.start, self.preserved.runs.ends)
        return found

    @property
    def extent(self) -> tuple[int, int]:
        """From the lowest to behind the highest address of any kind; (0, 0) where nothing is known."""
        some = [one for one in self.unions.values() if len(one)]
        return (min(int(o.start[0]) for o in some), max(int(o.end[-1]) for o in some)) if some else (0, 0)

    def density(self, kind: Kind, low: int, high: int, bins: int) -> npt.NDArray[np.float64]:
        """Share of each of ``bins`` equal parts of [low, high) that is of a kind, 0..1, shape (bins,)."""
        edges = np.array([low + (high - low) * i // bins for i in range(bins + 1)], np.uint64)
        union = self.unions.get(kind)
        if union is None or not len(union):
            return np.zeros(bins)
        below = union.below(edges)
        inside = (below[1:] - below[:-1]).astype(np.float64)
        shares: npt.NDArray[np.float64] = inside / np.maximum(edges[1:] - edges[:-1], np.uint64(1)).astype(np.float64)
        return shares

    def following(self, kind: Kind, address: int, step: int) -> int | None:
        """Start of the next (``step`` 1) or previous (-1) stretch of a kind from an address; None where there is none."""
        union = self.unions.get(kind)
        if union is None or not len(union):
            return None
        if step > 0:
            at = int(np.searchsorted(union.start, np.uint64(address), side="right"))
            return int(union.start[at]) if at < len(union) else None
        at = int(np.searchsorted(union.start, np.uint64(address), side="left")) - 1
        return int(union.start[at]) if at >= 0 else None


def memory_map(state: State, side: Side) -> MemoryMap:
    """The map of one side, with the machine's own layers."""
    claims = (*machine_claims(state), *side_claims(side, state))
    layers = {kind: _regions(kind, claims) for kind in Kind if any(c.kind is kind for c in claims)}
    sums = side.preserved if isinstance(side.preserved, Missing) else _sums(state, side, side.preserved, claims)
    return MemoryMap(side.name, state.machine.platform.page_size, claims, layers, side.preserved, sums)


def _regions(kind: Kind, claims: Iterable[Claim]) -> Regions:
    mine = [(index, claim) for index, claim in enumerate(claims) if claim.kind is kind]
    start = np.concatenate([claim.start for _, claim in mine])
    end = np.concatenate([claim.end for _, claim in mine])
    owner = np.concatenate([np.full(len(claim.start), index, np.uint32) for index, claim in mine])
    row = np.concatenate([np.arange(len(claim.start), dtype=np.int64) for _, claim in mine])
    keep = end > start
    order = np.argsort(start[keep], kind="stable")
    arrays = (start[keep][order], end[keep][order], owner[keep][order], row[keep][order])
    for array in arrays:
        array.flags.writeable = False
    return Regions(*arrays)


def _sums(state: State, side: Side, preserved: PreservedMap, claims: Iterable[Claim]) -> Sums:
    owners = [claim for claim in claims if claim.kind.is_owner]
    start = np.concatenate([c.start for c in owners]) if owners else np.empty(0, np.uint64)
    end = np.concatenate([c.end for c in owners]) if owners else np.empty(0, np.uint64)
    owned = intervals(start, end)
    kept = intervals(preserved.runs.start, preserved.runs.ends)
    must = [c for c in owners if c.kind.value.duty is Duty.MUST]
    needed = intervals(np.concatenate([c.start for c in must]), np.concatenate([c.end for c in must])) if must else owned
    claimed = int((end - np.minimum(start, end)).sum(dtype=np.uint64))
    return Sums(
        preserved.runs.bytes,
        kept.bytes,
        (owned & kept).bytes,
        kept - owned,
        needed - kept,
        claimed - owned.bytes,
        unowned_reason(state, side),
    )
