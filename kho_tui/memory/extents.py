"""Very many extents as columns: sorted, free of overlaps, merged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np
import numpy.typing as npt

from kho_tui.layout.arrays import U64s
from kho_tui.memory.physical import ADDRESS_END, Extent

_LAST_ADDRESS = np.uint64(ADDRESS_END - 1)
_ONE = np.uint64(1)


@dataclass(frozen=True, eq=False)
class Extents(Sequence[Extent]):
    """Ascending extents without overlaps; every column is u64 of shape (n,) and not writeable. ``Extent`` objects are made on demand."""

    starts: U64s
    """Physical addresses."""
    sizes: U64s
    """Bytes, never 0; ``starts + sizes`` may be 2^64 and so wrap to 0."""
    offsets: U64s
    """File offsets, bytes."""
    reach: U64s = field(init=False, repr=False)
    """The last address that can be reached from the extent without a gap, so over the extents that adjoin it."""

    def __post_init__(self) -> None:
        lasts = self.starts + (self.sizes - _ONE)
        before_gap = np.ones(len(lasts), dtype=np.bool_)
        before_gap[:-1] = self.starts[1:] != lasts[:-1] + _ONE
        reach: U64s = lasts
        if not before_gap.all():
            run_ends = np.flatnonzero(before_gap)
            reach = lasts[run_ends[np.searchsorted(run_ends, np.arange(len(lasts)))]]
        object.__setattr__(self, "reach", reach)
        for column in (self.starts, self.sizes, self.offsets, reach):
            column.flags.writeable = False

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[Extent]:
        for row in range(len(self)):
            yield self[row]

    @overload
    def __getitem__(self, index: int) -> Extent: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Extent]: ...
    def __getitem__(self, index: int | slice) -> Extent | Sequence[Extent]:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        return Extent(int(self.starts[index]), int(self.sizes[index]), int(self.offsets[index]))

    def row_of(self, address: int) -> int | None:
        """The row whose extent holds ``address``, None in a gap."""
        if not 0 <= address < ADDRESS_END:
            return None
        row = int(self.starts.searchsorted(np.uint64(address), side="right")) - 1
        return row if row >= 0 and address - int(self.starts[row]) < int(self.sizes[row]) else None

    def available(self, address: int, size: int) -> int:
        """How many of ``size`` bytes are there from ``address`` on before the first gap."""
        row = self.row_of(address)
        return 0 if row is None else min(size, int(self.reach[row]) - address + 1)

    @property
    def total_bytes(self) -> int:
        """Bytes in all."""
        return int(self.sizes.sum(dtype=np.uint64))


def arrange(starts: U64s, sizes: U64s, offsets: U64s) -> tuple[Extents, int]:
    """Segments in any order, as a file lists them, to extents; and how many of them overlap another.

    Where segments overlap, the one listed first keeps its addresses and the others are trimmed. Segments of size 0 are
    dropped; no segment may reach beyond 2^64.
    """
    kept = sizes > 0
    starts, sizes, offsets = starts[kept], sizes[kept], offsets[kept]
    order = np.argsort(starts, kind="stable")
    ascending, lengths = starts[order], sizes[order]
    farthest = np.maximum.accumulate(ascending + (lengths - _ONE))
    overlaps = int(np.count_nonzero(ascending[1:] <= farthest[:-1]))
    if overlaps:
        return _merged(*_first_wins(starts, sizes, offsets)), overlaps
    return _merged(ascending, lengths, offsets[order]), 0


def _merged(starts: U64s, sizes: U64s, offsets: U64s) -> Extents:
    first = np.ones(len(starts), dtype=np.bool_)
    first[1:] = (starts[1:] != starts[:-1] + sizes[:-1]) | (offsets[1:] != offsets[:-1] + sizes[:-1])
    heads = np.flatnonzero(first)
    if not len(heads):
        return Extents(starts.copy(), sizes.copy(), offsets.copy())
    return Extents(starts[heads], np.add.reduceat(sizes, heads), offsets[heads])


def _first_wins(starts: U64s, sizes: U64s, offsets: U64s) -> tuple[U64s, U64s, U64s]:
    """Cut at every edge of a segment into cells, ascending, each given to the segment listed first of those that cover it."""
    lasts = starts + (sizes - _ONE)
    to_the_end = lasts == _LAST_ADDRESS
    borders: U64s = np.sort(np.concatenate((starts, lasts[~to_the_end] + _ONE)))
    edges: U64s = borders[np.append(True, borders[1:] != borders[:-1])]
    low = np.searchsorted(edges, starts)
    high = np.where(to_the_end, len(edges), np.searchsorted(edges, lasts + _ONE))
    owners = _lowest_cover(low, high, len(edges))
    cells = np.flatnonzero(owners < len(starts))
    cell_starts, owners = edges[cells], owners[cells]
    cell_sizes: U64s = np.append(edges[1:] - _ONE, _LAST_ADDRESS)[cells] - cell_starts + _ONE
    return cell_starts, cell_sizes, offsets[owners] + (cell_starts - starts[owners])


def _lowest_cover(low: npt.NDArray[np.int64], high: npt.NDArray[np.int64], cells: int) -> npt.NDArray[np.int64]:
    """For each cell the lowest i with ``low[i] <= cell < high[i]``, else ``len(low)``.

    A hostile table may hold millions of nested ranges, so no loop over them: each range is the union of two stretches
    of a power of two, and stretches are halved from the longest down to single cells.
    """
    level = np.frexp((high - low).astype(np.float64))[1] - 1
    lowest = np.full(cells, len(low), dtype=np.int64)
    for power in range(int(level.max()), -1, -1):
        stretch = 1 << power
        halved = lowest.copy()
        np.minimum(halved[stretch:], lowest[:-stretch], out=halved[stretch:])
        lowest = halved
        mine = np.flatnonzero(level == power)
        np.minimum.at(lowest, low[mine], mine)
        np.minimum.at(lowest, high[mine] - stretch, mine)
    return lowest
