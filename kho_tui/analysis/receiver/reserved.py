"""What a receiving kernel reserves and marks: the blocks as it reads them off the tracker, not as they were meant.

kho_mem_init and the walk behind it (kernel/kexec_handover.c 6.16-6.18, kernel/liveupdate/kexec_handover.c 6.19-7.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kho_tui.analysis.checks.block_index import BlockIndex
from kho_tui.analysis.receiver.handed import Handed
from kho_tui.analysis.receiver.target import Target
from kho_tui.decode.bitmaps import read_bitmaps
from kho_tui.decode.reader import Findings, Reader
from kho_tui.errors import BudgetError
from kho_tui.layout.arrays import U64s
from kho_tui.model.facts import Missing, Status
from kho_tui.model.intervals import Intervals, intervals
from kho_tui.model.runs import RunBuilder, Runs, no_runs
from kho_tui.model.tracker import ChunkList, PreservedMap
from kho_tui.releases.fixes import NARROW_BLOCK_SIZES

_INT_BITS = 32
_LAST = 2**64 - 1


@dataclass(frozen=True, eq=False)
class Reserved:
    """``runs``: the blocks as they are marked, which a restore has to name again; ``memory``: what of it is kept, whole pages.

    ``whole``: all of it is known, so that what is not among it is not preserved. ``misread``: the bitmaps are read in another size than
    they were written in. ``odd_shifts``: a block's size is shifted by more than an int has bits.
    """

    runs: Runs
    memory: Intervals
    whole: bool
    misread: bool = False
    odd_shifts: bool = False

    def covers(self, start: int, size: int = 1) -> bool:
        """Whether every page of [start, start + size) is known to be preserved. No page is visited: ``size`` may be anything."""
        first, end = self._pages(start, size)
        if first < 0 or end > _LAST:
            return False
        below = self.memory.below(np.array([first, end], np.uint64))
        return int(below[1] - below[0]) == end - first

    def lost(self, start: int | None, size: int = 1) -> bool:
        """Whether it is known that some page of a stretch is not preserved."""
        return start is not None and self.whole and not self.covers(start, size)

    def unmarked(self, addresses: npt.ArrayLike, order: int | None = None) -> int | None:
        """The first address at which no block begins (of exactly this order where given); None: there is none, or it is unknown."""
        asked = np.asarray(addresses, np.uint64)
        if not self.whole or not len(asked):
            return None
        missing = self.orders(asked) < 0 if order is None else ~self._index.begins(asked, order)
        rows = np.flatnonzero(missing)
        return int(asked[rows[0]]) if len(rows) else None

    def orders(self, addresses: U64s) -> npt.NDArray[np.int64]:
        """The order of the block that begins at each address, the lowest of several, -1 where none does; shape of ``addresses``."""
        if not len(self.runs) or not len(addresses):
            return np.full(len(addresses), -1, np.int64)
        return self._index.orders(addresses)[0].astype(np.int64)

    @cached_property
    def overlap(self) -> int | None:
        """Where a block begins inside another one; None where none does."""
        if not self.runs.overlapping:
            return None
        again = np.flatnonzero(np.maximum.accumulate(self.runs.ends)[:-1] > self.runs.start[1:]) + 1
        return int(self.runs.start[again[0]])

    def inside(self, start: int, size: int) -> int | None:
        """The first preserved address in a stretch."""
        held = self.memory.clip(max(start, 0), min(start + size, _LAST)) if size > 0 else ()
        return int(held.start[0]) if isinstance(held, Intervals) and len(held) else None

    def _pages(self, start: int, size: int) -> tuple[int, int]:
        page = 1 << self.runs.page_shift
        return start // page * page, -(-(start + max(size, 1)) // page) * page

    @cached_property
    def _index(self) -> BlockIndex:
        return BlockIndex(self.runs)


def reserve(handed: Handed, target: Target) -> Reserved:
    """What ``target`` reserves of a handover. Raises BudgetError and Cancelled of the context."""
    preserved, shift = handed.side.preserved, handed.state.machine.platform.page_shift
    if handed.names_no_map or isinstance(preserved, Missing):
        return Reserved(no_runs(shift), intervals([], []), handed.names_no_map)
    runs, structure = preserved.runs, preserved.structure
    whole, misread = preserved.status is Status.DECODED and not _may_be_others(handed, preserved), False
    if isinstance(structure, ChunkList):
        size = target.bitmap_bytes or handed.page_size
        if isinstance(size, Missing):
            whole = False
        elif structure.bitmap_bytes != size:
            runs, all_read = _read_as(structure, size, handed)
            whole, misread = whole and all_read, True
    narrow, end = NARROW_BLOCK_SIZES.affects(target.precise_version, target.registry.releases), _end_of_memory(handed)
    fits = runs.order < _INT_BITS - 1 - shift
    if fits.all() or narrow is False:
        return Reserved(runs, intervals(runs.start, _ends(runs)), whole, misread)
    if narrow is None:
        # What it reserves of these blocks is not known, and with it nothing is known not to be preserved.
        return Reserved(runs, intervals(runs.start[fits], _ends(runs)[fits]), False, misread)
    memory, odd = _narrow(runs, fits, _LAST if end is None else end)
    return Reserved(runs, memory, whole and end is not None, misread, odd)


def _may_be_others(handed: Handed, preserved: PreservedMap) -> bool:
    """Whether the bitmaps may be of another size, and with it all blocks."""
    return bool(preserved.others) and handed.state.registry.releases.of(handed.state.machine.release) is None


def _read_as(chunks: ChunkList, size: int, handed: Handed) -> tuple[Runs, bool]:
    """The chunk list with bitmaps of another size than they were written in, and whether all bytes were there."""
    platform = handed.state.machine.platform
    if handed.memory is None:
        return no_runs(platform.page_shift), False
    reader = Reader(memory=handed.memory, platform=platform, context=handed.context, findings=Findings(), registry=handed.state.registry)
    shift = np.uint64(platform.page_shift)
    pieces, whole = RunBuilder(), True
    try:
        for chunk in chunks.chunks:
            order = np.uint64(chunk.header.integer("order"))
            starts = chunk.elements.column("phys_start")
            for batch in read_bitmaps(reader, chunk.elements.column("bitmap"), size):
                whole = whole and bool(batch.present.all())
                first = starts[batch.rows][batch.bitmap] + (batch.first.astype(np.uint64) << (order + shift))
                pieces.add(first, batch.length, np.full(len(first), order))
    except BudgetError:
        # What was read until here is reserved, as far as it goes.
        whole = False
    return pieces.runs(platform.page_shift), whole


def _end_of_memory(handed: Handed) -> int | None:
    """Behind the last byte of the machine's memory; None where nothing tells it."""
    ram = handed.state.host.ram
    ends = [area.start + area.size for area in (*(() if isinstance(ram, Missing) else ram), *handed.state.host.nodes)]
    return max(ends, default=None)


def _ends(runs: Runs) -> U64s:
    """Behind each run; one that wraps ends at the last address."""
    return np.where(runs.ends < runs.start, np.uint64(_LAST), runs.ends)


def _narrow(runs: Runs, fits: npt.NDArray[np.bool_], end: int) -> tuple[Intervals, bool]:
    """Memory of the blocks where the size of one is an int, and whether a shift that has no meaning in C is among them.

    ``fits``: the runs whose blocks such a size can tell; ``end``: behind the last byte of memory.
    """
    memory = intervals(runs.start[fits], _ends(runs)[fits])
    page, odd = 1 << runs.page_shift, False
    for row in np.flatnonzero(~fits).tolist():
        first, bits = int(runs.start[row]), int(runs.order[row]) + runs.page_shift
        if bits == _INT_BITS - 1:
            # The int is negative, as an unsigned size it reaches beyond all memory.
            memory |= intervals([first], [max(end, first + page)])
            continue
        odd = True
        count = min(int(runs.count[row]), (max(end - first, 0) >> bits) + 1)
        starts = np.uint64(first) + (np.arange(count, dtype=np.uint64) << np.uint64(bits))
        # x86 and arm64 shift by the lower 5 bits.
        size = -(-(1 << (bits % _INT_BITS)) // page) * page
        memory |= intervals(starts, starts + np.uint64(size))
    return memory, odd
