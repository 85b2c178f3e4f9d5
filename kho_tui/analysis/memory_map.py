"""The memory map of one side: which stretch of physical memory is what, and whose, with the sums that have to agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kho_tui.analysis.claims import machine_claims, side_claims
from kho_tui.analysis.unowned import owner_gap, unowned_reason
from kho_tui.context import Context
from kho_tui.layout.arrays import U32s, U64s
from kho_tui.model.claims import Claim
from kho_tui.model.facts import Missing, Status, Unavailable
from kho_tui.model.intervals import Intervals, Step, ascending, intervals, overlay
from kho_tui.model.kinds import KIND_PRESERVED, KINDS, Duty, Kind
from kho_tui.model.path import EntityPath
from kho_tui.model.state import Side, State
from kho_tui.model.tracker import PreservedMap
from kho_tui.text import SafeText

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
    def union(self) -> Intervals:
        """The addresses of all of them."""
        return intervals(self.start, self.end)

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


class Bound(Enum):
    """What is known of a sum to which parts may be missing. The value stands before the number."""

    EXACT = ""
    AT_LEAST = "at least "
    AT_MOST = "at most "
    UNKNOWN = "perhaps "
    """It may be more or less."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Sums:
    """Three sums of bytes, each from both ends.

    ``preserved`` is the decoder's own count, ``kept`` the addresses it stands for (fewer where blocks overlap); ``owned`` is found by
    sweeping the owners over the preserved, ``unowned`` by subtracting them: together they are ``kept``. ``lost`` must be preserved
    and is not. ``overlap`` is claimed by more than one owner, counted as often as it is claimed too much; ``shared`` are its addresses.
    """

    preserved: int
    kept: Intervals
    owned: int
    unowned: Intervals
    lost: Intervals
    overlap: int
    reason: SafeText
    """The likeliest reason for what is unowned."""
    shared: Intervals
    tracker_whole: bool
    """Whether all of the tracker could be read."""
    owners_whole: bool
    """Whether all structures that name owners could be read."""
    ambiguous: bool = False
    """Whether the tracker may as well be read in another way."""

    @property
    def bounds(self) -> Mapping[str, Bound]:
        """What is known of each sum by its name."""
        whole, owners = self.tracker_whole, self.owners_whole
        if self.ambiguous:
            return dict.fromkeys(("preserved", "owned", "unowned", "lost", "overlap"), Bound.UNKNOWN)
        # Who could not be read owns some of what seems unowned, some of what is lost already, or shares what others own.
        split = Bound.EXACT if whole and (owners or not self.unowned.bytes) else None
        return {
            "preserved": Bound.EXACT if whole else Bound.AT_LEAST,
            "owned": split or Bound.AT_LEAST,
            # The tracker tells how long a folio is.
            "unowned": split or (Bound.AT_MOST if whole else Bound.UNKNOWN),
            "lost": (Bound.EXACT if owners else Bound.AT_LEAST) if whole else (Bound.AT_MOST if owners else Bound.UNKNOWN),
            "overlap": Bound.EXACT if whole and owners else Bound.AT_LEAST,
        }

    @cached_property
    def covered(self) -> int:
        """Bytes that the tracker keeps, each counted once."""
        return self.kept.bytes

    @property
    def hold(self) -> bool:
        """Whether owned and unowned add up to what the tracker covers, and that to the decoder's count."""
        return self.owned + self.unowned.bytes == self.covered == self.preserved


@dataclass(frozen=True, eq=False, kw_only=True)
class MemoryMap:
    """All layers of one side.

    ``sums`` is Missing where the tracker is no fact. ``owner_gap``: why owners may be missing from the layers; None: they are all there.
    """

    side: str
    page_size: int
    claims: tuple[Claim, ...]
    layers: Mapping[Kind, Regions]
    preserved: PreservedMap | Missing
    sums: Sums | Missing
    owner_gap: Missing | None = None

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """All kinds in the order in which they are listed: KHO's own, then those that only a declaration has."""
        return tuple(dict.fromkeys((*KINDS, *self.layers)))

    def why_untold(self, low: int, high: int) -> Missing | None:
        """Why [low, high), where no owner is known, may have one all the same; None: nobody owns it."""
        kept, union = self.preserved, self.unions.get(KIND_PRESERVED)
        if isinstance(kept, Missing) or kept.doubt is not None:
            return kept if isinstance(kept, Missing) else kept.doubt
        if self.owner_gap is not None:
            # Also what is not preserved may be somebody's: he loses it.
            return self.owner_gap
        inside = 0 if union is None else union.clip(low, min(high, 2**64 - 1)).bytes
        if inside < high - low and kept.status is not Status.DECODED:
            return Unavailable(SafeText(f"not in the part of the tracker that could be read ({kept.reason})"))
        return None

    def at(self, address: int) -> list[Hit]:
        """Every layer that holds an address, outermost kind first."""
        found = []
        for kind in self.kinds:
            if kind is KIND_PRESERVED:
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
        return Hit(kind, claim.path_of(int(regions.row[region])), int(regions.start[region]), int(regions.end[region]))

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
        return [Hit(KIND_PRESERVED, path, first, first + (self.page_size << int(order[0])))]

    @cached_property
    def unions(self) -> Mapping[Kind, Intervals]:
        """The addresses of each kind."""
        found = {kind: regions.union for kind, regions in self.layers.items()}
        if not isinstance(self.sums, Missing):
            found[KIND_PRESERVED] = self.sums.kept
        return found

    @property
    def extent(self) -> tuple[int, int]:
        """From the lowest to behind the highest address of any kind; (0, 0) where nothing is known."""
        some = [one for one in self.unions.values() if len(one)]
        return (min(int(o.start[0]) for o in some), max(int(o.end[-1]) for o in some)) if some else (0, 0)

    def density(self, kind: Kind, low: int, high: int, bins: int) -> npt.NDArray[np.float64]:
        """Share of each of ``bins`` equal parts of [low, high) that is of a kind, 0..1, shape (bins,)."""
        union = self.unions.get(kind)
        if union is None or not len(union):
            return np.zeros(bins)
        edges = np.array([low + (high - low) * i // bins for i in range(bins + 1)], np.uint64)
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


def memory_map(state: State, side: Side, context: Context | None = None) -> MemoryMap:
    """The map of one side, with the machine's own layers. Says what it does, and raises Cancelled within a moment of a cancel."""
    context = context or Context()
    claims = (*machine_claims(state, context), *side_claims(side, state, context))
    layers = layers_of(claims, context)
    gap = owner_gap(side)
    sums = side.preserved if isinstance(side.preserved, Missing) else _sums(side, side.preserved, gap, layers, context)
    return MemoryMap(
        side=side.name,
        page_size=state.machine.platform.page_size,
        claims=claims,
        layers=layers,
        preserved=side.preserved,
        sums=sums,
        owner_gap=gap,
    )


def owned_memory(side: Side, state: State, context: Context) -> Intervals:
    """Memory that something of the side owns. Raises Cancelled."""
    return _owned(layers_of(side_claims(side, state, context), context))


def _owned(layers: Mapping[Kind, Regions]) -> Intervals:
    return _union_of(regions for kind, regions in layers.items() if kind.is_owner)


def layers_of(claims: Iterable[Claim], context: Context) -> Mapping[Kind, Regions]:
    """The claims by kind, each kind sorted. Raises Cancelled."""
    by_kind: dict[Kind, list[tuple[int, Claim]]] = {kind: [] for kind in KINDS}
    for index, claim in enumerate(claims):
        by_kind.setdefault(claim.kind, []).append((index, claim))
    return {kind: _regions(kind, mine, context) for kind, mine in by_kind.items() if mine}


def _regions(kind: Kind, mine: list[tuple[int, Claim]], context: Context) -> Regions:
    """The stretches of one kind; ``mine``: its claims with their numbers."""
    start = np.concatenate([claim.start for _, claim in mine])
    end = np.concatenate([claim.end for _, claim in mine])
    lengths = [len(claim.start) for _, claim in mine]
    owner = np.repeat(np.array([index for index, _ in mine], np.uint32), lengths)
    row = np.concatenate([np.arange(length, dtype=np.int64) for length in lengths])
    keep = end > start
    if not keep.all():
        start, end, owner, row = start[keep], end[keep], owner[keep], row[keep]
    order = ascending(start, _telling(context, f"sorting {kind.name}"))
    context.step(f"arranging {kind.name}")
    if order is not None:
        start, end, owner, row = start[order], end[order], owner[order], row[order]
    for array in (start, end, owner, row):
        array.flags.writeable = False
    regions = Regions(start, end, owner, row)
    context.step(f"joining {kind.name}")
    _ = regions.union  # made here, where it can be stopped, and not where it is first asked for
    return regions


def _telling(context: Context, what: str) -> Step:
    return lambda done, total: context.step(what, done, total)


def _sums(side: Side, preserved: PreservedMap, gap: Missing | None, layers: Mapping[Kind, Regions], context: Context) -> Sums:
    runs = preserved.runs
    kept = intervals(runs.start, runs.ends, _telling(context, "joining preserved blocks"))
    owners = {kind: regions for kind, regions in layers.items() if kind.is_owner}
    context.step("adding up owners")
    owned = _owned(layers)
    needed = _union_of(regions for kind, regions in owners.items() if kind.duty is Duty.MUST)
    overlap = sum(int((regions.end - regions.start).sum(dtype=np.uint64)) for regions in owners.values()) - owned.bytes
    step = _telling(context, "comparing owners with what is preserved")
    both = overlay(owned, kept, 1, 2, step)
    unowned = overlay(kept, owned, -2, 1, step)
    lost = overlay(needed, kept, -2, 1, step)
    shared = _shared(owners.values(), step) if overlap else intervals([], [])
    return Sums(
        preserved=runs.bytes,
        kept=kept,
        owned=both.bytes,
        unowned=unowned,
        lost=lost,
        overlap=overlap,
        reason=unowned_reason(side, gap),
        shared=shared,
        tracker_whole=preserved.status is Status.DECODED,
        owners_whole=gap is None,
        ambiguous=preserved.ambiguous,
    )


def _shared(layers: Iterable[Regions], step: Step) -> Intervals:
    """The addresses that lie in more than one region."""
    some = list(layers)
    start, end = np.concatenate([one.start for one in some]), np.concatenate([one.end for one in some])
    order = ascending(start, step)
    if order is not None:
        start, end = start[order], end[order]
    reach = np.maximum.accumulate(end)[:-1]
    return intervals(start[1:], np.minimum(end[1:], reach), step)


def _union_of(layers: Iterable[Regions]) -> Intervals:
    unions = [regions.union for regions in layers]
    nothing = np.empty(0, np.uint64)
    return intervals(np.concatenate([nothing, *(one.start for one in unions)]), np.concatenate([nothing, *(one.end for one in unions)]))
