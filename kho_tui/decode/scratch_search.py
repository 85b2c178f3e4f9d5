"""The scratch table of a kernel in its memory, where nothing names it: known by its form, and by what can never lie in scratch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from kho_tui.abi.scratch import FIRST_NODE_ENTRY, KHO_SCRATCH, LOW_LIMIT
from kho_tui.layout.arrays import U64s
from kho_tui.model.facts import Missing, known
from kho_tui.model.state import Side
from kho_tui.model.tracker import ChunkList, PreservedMap

ALIGNMENT = 2 << 20
"""Bytes that areas begin and end at multiples of: the smallest block of pages of one migrate type (x86-64 and arm64 with 4K pages, all
releases). Other page sizes and 7.1 and later have multiples of it.
"""
_PAGE = 4096
"""A kernel allocates its table page-aligned (memblock_alloc in kho_reserve_scratch), and passes it on 64-KiB-aligned."""
_FEWEST = FIRST_NODE_ENTRY + 1
_WORDS_LOOKED_AT = 2 * _FEWEST
_HIGHEST = 1 << 52
"""Physical addresses lie below it."""

Areas = tuple[tuple[int, int], ...]
"""(address, size) of each area in bytes, in the order of the table."""


@dataclass(frozen=True, slots=True)
class TableInMemory:
    """What has the form of a scratch table, at a physical address."""

    phys: int
    areas: Areas


def tables_in(address: int, data: bytes) -> Iterator[TableInMemory]:
    """What looks like a scratch table in ``data``, which lies at a physical address: whole tables of at most 255 areas in one page.

    Little-endian, as both architectures with KHO are.
    """
    first = -address % _PAGE
    count = max(len(data) - first, 0) // _PAGE
    if not count:
        return
    pages = np.frombuffer(data, "<u8", count * (_PAGE // 8), first).reshape(count, _PAGE // 8)
    heads = pages[:, :_WORDS_LOOKED_AT]
    fitting = ((heads & np.uint64(ALIGNMENT - 1)) == 0).all(axis=1) & (heads[:, 0] > 0) & (heads[:, 1] > 0)
    for page in np.flatnonzero(fitting).tolist():
        areas = _areas(pages[page].tolist())
        if areas is not None:
            yield TableInMemory(address + first + page * _PAGE, areas)


def _areas(words: Sequence[int]) -> Areas | None:
    pairs = list(zip(words[::2], words[1::2], strict=True))
    count = next((row for row, pair in enumerate(pairs) if pair == (0, 0)), 0)
    areas = tuple(pairs[:count])
    return areas if count >= _FEWEST and are_areas(areas, ALIGNMENT) else None


def are_areas(areas: Areas, alignment: int) -> bool:
    """Whether these can be the areas of a scratch table: multiples of ``alignment``, and disjoint."""
    if any(start % alignment or size % alignment or start + size > _HIGHEST or (size and not start) for start, size in areas):
        return False
    used = sorted((start, start + size) for start, size in areas if size)
    return bool(used) and all(end <= start for (_, end), (start, _) in pairwise(used))


def fitting_tables(
    tables: Sequence[TableInMemory], sides: Sequence[Side], *, memory_end: int | None, low: bool
) -> tuple[TableInMemory, ...]:
    """The tables whose areas hold nothing that a kernel never puts there, one for each that says something else.

    That is the root FDT, the pages of its tracker and all that this preserves. Empty where no tracker of ``sides`` is whole, for then
    nothing tells. ``memory_end``: where the machine's memory ends; ``low``: the first area lies below 4 GiB, as on x86.
    """
    forbidden = [_forbidden(side) for side in sides]
    known_ones = [one for one in forbidden if one is not None]
    if not known_ones:
        return ()
    starts, ends = (np.concatenate(columns) for columns in zip(*known_ones, strict=True))
    found: dict[Areas, TableInMemory] = {}
    for table in tables:
        if memory_end is not None and any(start + size > memory_end for start, size in table.areas):
            continue
        if low and sum(table.areas[0]) > LOW_LIMIT:
            continue
        if not any(((starts < np.uint64(start + size)) & (ends > np.uint64(start))).any() for start, size in table.areas if size):
            found.setdefault(table.areas, table)
    return tuple(found.values())


def _forbidden(side: Side) -> tuple[U64s, U64s] | None:
    """(starts, ends) of what of a side cannot lie in scratch; None where its tracker is not there or given back."""
    kept = side.preserved
    if isinstance(kept, Missing) or not isinstance(kept, PreservedMap):
        return None
    pages = [] if isinstance(side.root, Missing) or known(side.root.phys) is None else [known(side.root.phys) or 0]
    tracker: list[U64s] = []
    if isinstance(kept.structure, ChunkList):
        pages += [chunk.header.place.phys for chunk in kept.structure.chunks if chunk.header.place.phys is not None]
    else:
        tracker += kept.structure.addresses
    single = np.concatenate([np.array(pages, np.uint64), *tracker])
    return np.concatenate([kept.runs.start, single]), np.concatenate([kept.runs.ends, single + np.uint64(_PAGE)])


def table_bytes(table: TableInMemory) -> int:
    """Its size in memory."""
    return len(table.areas) * KHO_SCRATCH.size
