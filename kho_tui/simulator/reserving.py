"""What a receiving kernel keeps of a tracker: the blocks as it reads them, not as they were meant (kho-abi.md 1.1, 3.3, section 9)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kho_tui.analysis.intervals import Intervals, intervals
from kho_tui.decode.bitmaps import bit_runs
from kho_tui.decode.reader import Reader
from kho_tui.model.runs import Runs, U64s, make_runs, no_runs
from kho_tui.model.tracker import ChunkList, PreservedMap
from kho_tui.model.unpredictable import Unpredictable
from kho_tui.releases.table import Release
from kho_tui.text import SafeText

_INT_BITS = 32
_BATCH_BYTES = 2 << 20


@dataclass(frozen=True, eq=False)
class Reserved:
    """``memory`` that is kept, whole pages; ``runs``: the blocks as they are marked, which a restore has to name again.

    ``unsure`` says what of it cannot be known.
    """

    memory: Intervals
    runs: Runs
    unsure: tuple[Unpredictable, ...] = ()

    def covers(self, start: int, size: int) -> bool:
        """Whether all of [start, start + size) is kept."""
        below = self.memory.below(np.array([start, start + size], np.uint64))
        return int(below[1] - below[0]) == size

    def has_blocks(self, addresses: U64s, order: int) -> bool:
        """Whether a block of exactly this order starts at each address, u64 of shape (n,)."""
        found = self.orders(addresses)
        return bool((found == order).all())

    def orders(self, addresses: U64s) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """The order of the block that starts at each address, -1 where none does; int64 of shape (n,)."""
        runs = self.runs
        none = np.full(len(addresses), -1, np.int64)
        if not len(runs) or not len(addresses):
            return none
        row = np.searchsorted(runs.start, addresses, side="right") - 1
        near = np.maximum(row, 0)
        shift = runs.order[near].astype(np.uint64) + np.uint64(runs.page_shift)
        distance = addresses - runs.start[near]
        hit = (row >= 0) & (distance >> shift < runs.count[near]) & (distance & ((np.uint64(1) << shift) - np.uint64(1)) == 0)
        found = np.where(hit, runs.order[near].astype(np.int64), none)
        # Where runs overlap, an earlier one may hold the block too.
        for one in np.flatnonzero(~hit).tolist() if runs.overlapping else ():
            address = int(addresses[one])
            holding = [order for order in runs.by_order if runs.covers(address, order) and address % (1 << (order + runs.page_shift)) == 0]
            found[one] = holding[0] if holding else -1
        return found


def reserve(preserved: PreservedMap, target: Release, reader: Reader, end: int) -> Reserved:
    """What ``target`` reserves. ``end``: behind the last byte of memory. Raises BudgetError of the reader."""
    unsure: list[Unpredictable] = []
    runs, structure = preserved.runs, preserved.structure
    own = target.bitmap_bytes or reader.platform.page_size
    if isinstance(structure, ChunkList) and structure.bitmap_bytes != own:
        runs, whole = _read_as(structure, own, reader)
        if not whole:
            told = f"bitmaps are read as {own} bytes, and not all of these are in the capture: the rest is taken for empty"
            unsure.append(Unpredictable(SafeText(told)))
    memory, odd = _kept(runs, target, end)
    if odd:
        told = "a shift by more than 31 bits has no meaning in C: taken as x86 and arm64 do it, by its lower 5 bits"
        unsure.append(Unpredictable(SafeText(told)))
    return Reserved(memory, runs, tuple(unsure))


def _read_as(chunks: ChunkList, size: int, reader: Reader) -> tuple[Runs, bool]:
    """The chunk list with bitmaps of another size than they were written in, and whether all bytes were there."""
    shift = np.uint64(reader.platform.page_shift)
    parts: list[tuple[U64s, U64s, U64s]] = []
    whole = True
    for chunk in chunks.chunks:
        order = np.uint64(chunk.header.integer("order"))
        starts, bitmaps = chunk.elements.column("phys_start"), chunk.elements.column("bitmap")
        for at in range(0, len(bitmaps), max(1, _BATCH_BYTES // size)):
            step = slice(at, at + max(1, _BATCH_BYTES // size))
            data, present = reader.pages(bitmaps[step], size)
            whole = whole and bool(present.all())
            bitmap, bit, length = bit_runs(reader.words(data))
            first = starts[step][bitmap] + (bit.astype(np.uint64) << (order + shift))
            parts.append((first, length.astype(np.uint64), np.full(len(bit), order)))
    if not parts:
        return no_runs(reader.platform.page_shift), whole
    joined = [np.concatenate([part[column] for part in parts]) for column in range(3)]
    return make_runs(joined[0], joined[1], joined[2].astype(np.int64), reader.platform.page_shift), whole


def _kept(runs: Runs, target: Release, end: int) -> tuple[Intervals, bool]:
    """Memory of the blocks, and whether a size that overflows an int is among them (until 7.1)."""
    shift = runs.order.astype(np.uint64) + np.uint64(runs.page_shift)
    fits = np.ones(len(runs), np.bool_) if target.wide_block_sizes else shift < _INT_BITS - 1
    if fits.all():
        return intervals(runs.start, runs.ends), False
    memory = intervals(runs.start[fits], runs.ends[fits])
    page = 1 << runs.page_shift
    odd = False
    for row in np.flatnonzero(~fits).tolist():
        first, bits = int(runs.start[row]), int(shift[row])
        if bits == _INT_BITS - 1:
            # The int is negative, as an unsigned size it reaches beyond all memory.
            memory |= intervals([first], [max(end, first + page)])
            continue
        odd = True
        count = min(int(runs.count[row]), (max(end - first, 0) >> bits) + 1)
        starts = np.uint64(first) + (np.arange(count, dtype=np.uint64) << np.uint64(bits))
        size = -(-(1 << (bits % _INT_BITS)) // page) * page
        memory |= intervals(starts, starts + np.uint64(size))
    return memory, odd
