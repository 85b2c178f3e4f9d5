"""Whose every preserved block is: the tracker's runs, split where the owner changes. Nothing is built per block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kho_tui.analysis.memory_map import MemoryMap
from kho_tui.errors import ReadError
from kho_tui.layout.arrays import I64s, U64s
from kho_tui.model.intervals import intervals
from kho_tui.model.runs import Runs

NOBODY = -1
_MOST_LAYERS = 64
"""How often one page may be listed: a sound tracker lists it once, a hostile one as often as it likes."""


@dataclass(frozen=True, eq=False)
class OwnedBlocks:
    """Some blocks, all of shape (n,): first byte (u64), order, owner's number in the map's claims (NOBODY: none), further owners, and
    the block's number in the tracker."""

    address: U64s
    order: npt.NDArray[np.uint8]
    claim: I64s
    others: I64s
    number: I64s


@dataclass(frozen=True, eq=False, kw_only=True)
class OwnedRuns:
    """Pieces of neighbouring blocks of one order and owner, in any order; all of shape (n,), not writeable.

    ``start`` is the first byte of the first block (u64), ``count`` the blocks, ``claim`` the owner's number in the map's claims
    (NOBODY: none), ``others`` how many more claims reach into each of the blocks, ``number`` the first block's number in the tracker.
    """

    start: U64s
    count: I64s
    order: npt.NDArray[np.uint8]
    claim: I64s
    others: I64s
    number: I64s
    page_shift: int

    def __post_init__(self) -> None:
        for array in (self.start, self.count, self.order, self.claim, self.others, self.number):
            array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.start)

    @cached_property
    def blocks(self) -> int:
        """Blocks in all pieces."""
        return int(self.count.sum())

    @cached_property
    def bytes(self) -> int:
        """Bytes in all blocks."""
        return sum(
            int(self.count[self.order == o].sum()) << (o + self.page_shift) for o in np.flatnonzero(np.bincount(self.order)).tolist()
        )

    @property
    def sizes(self) -> U64s:
        """Bytes of a block of each piece, u64 of shape (n,)."""
        return np.uint64(1) << (self.order.astype(np.uint64) + np.uint64(self.page_shift))

    def expand(self, first: int, count: int) -> OwnedBlocks:
        """Blocks first..first+count-1 in the order of the pieces."""
        rows = np.arange(max(first, 0), min(first + count, self.blocks))
        piece = np.searchsorted(self._before, rows, side="right") - 1
        rank = rows - self._before[piece]
        order = self.order[piece]
        address = self.start[piece] + (rank.astype(np.uint64) << (order.astype(np.uint64) + np.uint64(self.page_shift)))
        return OwnedBlocks(address, order, self.claim[piece], self.others[piece], self.number[piece] + rank)

    def take(self, pieces: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> OwnedRuns:
        """The pieces that an index or a mask picks, in its order."""
        return OwnedRuns(
            start=self.start[pieces],
            count=self.count[pieces],
            order=self.order[pieces],
            claim=self.claim[pieces],
            others=self.others[pieces],
            number=self.number[pieces],
            page_shift=self.page_shift,
        )

    def split_at(self, addresses: Sequence[int]) -> OwnedRuns:
        """The same blocks in pieces of which each begins wholly below, at, or above each of the addresses."""
        found = self
        for address in sorted(set(addresses)):
            found = found._split(address, up=True)._split(address, up=False)
        return found

    def _split(self, address: int, *, up: bool) -> OwnedRuns:
        """Cut before the first block that begins at the address or behind it (``up``), or only behind it."""
        if not 0 <= address < 1 << 64:
            return self
        at, size = np.uint64(address), self.sizes
        below = np.where(self.start <= at, at - self.start, np.uint64(0))
        kept = (below // size).astype(np.int64) + ((below % size > 0) if up else (self.start <= at))
        cut = np.flatnonzero((kept > 0) & (kept < self.count))
        found = self.take(np.sort(np.concatenate([np.arange(len(self)), cut])))
        start, count, number = found.start.copy(), found.count.copy(), found.number.copy()
        tail = cut + np.arange(len(cut)) + 1
        start[tail] += kept[cut].astype(np.uint64) * size[cut]
        number[tail] += kept[cut]
        count[tail - 1], count[tail] = kept[cut], count[tail] - kept[cut]
        return OwnedRuns(
            start=start, count=count, order=found.order, claim=found.claim, others=found.others, number=number, page_shift=self.page_shift
        )

    def row_of(self, number: int) -> int | None:
        """The row of the tracker's block ``number`` in ``expand``; None where no piece has it."""
        at = int(np.searchsorted(self.number, number, side="right", sorter=self._by_number)) - 1
        if at < 0:
            return None
        piece = int(self._by_number[at])
        rank = number - int(self.number[piece])
        return int(self._before[piece]) + rank if rank < int(self.count[piece]) else None

    def change(self, row: int, step: int, wanted: npt.NDArray[np.bool_] | None = None) -> int | None:
        """The next (1) or previous (-1) row at which another owner's blocks begin; None where there is none.

        ``wanted``: only owners whose claim has True there, the last element speaking of nobody's blocks.
        """
        begins = np.append(True, self.claim[1:] != self.claim[:-1])[: len(self)]
        heads = self._before[:-1][begins if wanted is None else begins & wanted[self.claim]]
        at = int(np.searchsorted(heads, row, side="right")) if step > 0 else int(np.searchsorted(heads, row, side="left")) - 1
        return int(heads[at]) if 0 <= at < len(heads) else None

    @cached_property
    def _before(self) -> I64s:
        """Blocks before each piece, and in all at the end: shape (n + 1,)."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.count)])

    @cached_property
    def _by_number(self) -> I64s:
        return np.argsort(self.number, kind="stable")


def blocks_of(runs: Runs) -> OwnedRuns:
    """The tracker's blocks without a word on owners: what can be shown before these are known."""
    count = runs.count.astype(np.int64)
    nobody, none = np.full(len(runs), NOBODY, np.int64), np.zeros(len(runs), np.int64)
    return OwnedRuns(
        start=runs.start,
        count=count,
        order=runs.order,
        claim=nobody,
        others=none,
        number=np.cumsum(count) - count,
        page_shift=runs.page_shift,
    )


def owned_blocks(memory: MemoryMap, runs: Runs) -> OwnedRuns:
    """The blocks of a tracker with their owners, in the tracker's order.

    A claim owns a block that it reaches into. Of several the smallest (bytes in all) tells most and is named. Raises ReadError where the
    tracker lists the same memory too often for that.
    """
    claimed = _claimed(memory)
    parts = [_pieces(runs, layer, claimed) for layer in _layers(runs)]
    if not parts:
        return blocks_of(runs)
    run, skipped, count, best, holders = (np.concatenate(column) for column in zip(*parts, strict=True))
    number = (np.cumsum(runs.count, dtype=np.int64) - runs.count)[run] + skipped
    shift = runs.order[run].astype(np.uint64) + np.uint64(runs.page_shift)
    start = runs.start[run] + (skipped.astype(np.uint64) << shift)
    claim = np.append(claimed.by_rank, NOBODY)[np.minimum(best, len(claimed.by_rank))]
    found = OwnedRuns(
        start=start,
        count=count,
        order=runs.order[run],
        claim=claim,
        others=np.maximum(holders - 1, 0),
        number=number,
        page_shift=runs.page_shift,
    )
    return found if len(parts) == 1 else found.take(np.argsort(number, kind="stable"))


@dataclass(frozen=True, eq=False)
class _Claimed:
    """What owners claim: first and last byte of each stretch (u64) and the claim's rank, 0 for the smallest, all of shape (n,).

    ``by_rank``: the claim of each rank.
    """

    first: U64s
    last: U64s
    rank: I64s
    by_rank: I64s


def _claimed(memory: MemoryMap) -> _Claimed:
    total = [int((one.end - one.start).sum(dtype=np.uint64)) for one in memory.claims]
    by_rank = np.array(sorted(range(len(total)), key=lambda one: (total[one], one)), np.int64)
    rank_of = np.argsort(by_rank)
    parts = [(np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.int64))]
    for one in (regions for kind, regions in memory.layers.items() if kind.is_owner and len(regions)):
        # Neighbours of one claim as one: the folios of a file mostly lie side by side.
        breaks = (one.start[1:] != one.end[:-1]) | (one.owner[1:] != one.owner[:-1])
        heads, tails = np.concatenate([[True], breaks]), np.concatenate([breaks, [True]])
        parts.append((one.start[heads], one.end[tails] - np.uint64(1), rank_of[one.owner[heads]]))
    first, last, rank = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _Claimed(first, last, rank, by_rank)


def _layers(runs: Runs) -> Iterator[I64s]:
    """The runs as few lists of runs that do not overlap, each ascending: one list where no page is listed twice."""
    left = np.arange(len(runs))
    last = runs.ends - np.uint64(1)
    for _ in range(_MOST_LAYERS):
        if not len(left):
            return
        reach = np.maximum.accumulate(last[left])
        apart = np.concatenate([[True], runs.start[left][1:] > reach[:-1]])
        yield left[apart]
        left = left[~apart]
    if len(left):
        raise ReadError("the tracker lists the same memory too often to tell whose each block is")


def _pieces(runs: Runs, layer: I64s, claimed: _Claimed) -> tuple[I64s, I64s, I64s, I64s, I64s]:
    """Pieces of runs that do not overlap: run, blocks before the piece in it, blocks, lowest rank (a huge one: none), claims."""
    first_byte, last_byte = runs.start[layer], (runs.ends - np.uint64(1))[layer]
    shift = runs.order[layer].astype(np.uint64) + np.uint64(runs.page_shift)
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(runs.count[layer], dtype=np.int64)])
    # From its first block to its last a stretch holds every block there is: one interval of block numbers.
    head = np.searchsorted(last_byte, claimed.first, side="left")
    tail = np.searchsorted(first_byte, claimed.last, side="right") - 1
    met = head <= tail
    head, tail, first, last = head[met], tail[met], claimed.first[met], claimed.last[met]
    low = before[head] + ((np.maximum(first, first_byte[head]) - first_byte[head]) >> shift[head]).astype(np.int64)
    high = before[tail] + ((np.minimum(last, last_byte[tail]) - first_byte[tail]) >> shift[tail]).astype(np.int64) + 1
    edges = np.sort(np.concatenate([before, low, high]))
    edges = edges[np.concatenate([[True], edges[1:] != edges[:-1]])]
    best, holders = _lowest(np.searchsorted(edges, low), np.searchsorted(edges, high), claimed.rank[met], len(edges) - 1)
    run = np.searchsorted(before, edges[:-1], side="right") - 1
    heads = np.flatnonzero(np.concatenate([[True], (run[1:] != run[:-1]) | (best[1:] != best[:-1]) | (holders[1:] != holders[:-1])]))
    count = np.diff(np.append(edges[heads], edges[-1]))
    return layer[run[heads]], edges[heads] - before[run[heads]], count, best[heads], holders[heads]


def _lowest(low: I64s, high: I64s, rank: I64s, cells: int) -> tuple[I64s, I64s]:
    """Of intervals [low, high) of cells: the lowest rank over each cell and how many ranks lie over it; shape (cells,)."""
    line = cells + 1
    # Each rank on a stretch of its own, so that intervals of one rank join and count once.
    joined = intervals(rank * line + low, rank * line + high)
    begin, end = joined.start.astype(np.int64), joined.end.astype(np.int64)
    rank, low, high = begin // line, begin % line, end % line
    change = np.bincount(low, minlength=line) - np.bincount(high, minlength=line)
    # Each interval as two that overlap and are a power of two long; from the longest down each gives its rank to its halves.
    level = np.log2(high - low).astype(np.int64)
    best = np.full(cells, np.iinfo(np.int64).max)
    for step in range(int(level.max()) if len(level) else 0, -1, -1):
        mine = level == step
        np.minimum.at(best, low[mine], rank[mine])
        np.minimum.at(best, high[mine] - (1 << step), rank[mine])
        if step:
            half = 1 << (step - 1)
            upper = best[:-half].copy()
            np.minimum(best[half:], upper, out=best[half:])
    return best, np.cumsum(change)[:-1]
