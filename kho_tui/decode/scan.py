"""All of a memory that holds anything, a few MiB at a time, for searches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kho_tui.context import Context
from kho_tui.errors import GapError, ReadError
from kho_tui.memory.physical import PhysicalMemory

_PAGE = 4096
_CHUNK = 4 << 20
"""Bytes read at once: smaller ones wait too often for the screen's thread, larger ones cost page faults (benchmarks/raw_search.py)."""


def chunks(memory: PhysicalMemory, context: Context, what: str) -> Iterator[tuple[int, bytes]]:
    """(address, bytes) of all that is stored of memory, ascending; holes of the file are left out.

    Chunks end where pages end, so they cut no FDT header and no boot record of one page. What cannot be read is left out.
    The search is told as ``what``, and is not charged to the budget: the memory held bounds it, not what a state claims.
    """
    total = 0
    for extent in memory.stored():
        context.step(what, 0, None, "bytes")
        total += extent.size
    done = 0
    for extent in memory.stored():
        for start in range(extent.start, extent.start + extent.size, _CHUNK):
            context.step(what, done, total, "bytes")
            size = min(_CHUNK, extent.start + extent.size - start)
            done += size
            try:
                yield start, memory.read(start, size)
            except GapError:
                yield from _whole_pages(memory, start, size)
            except ReadError:
                continue


def _whole_pages(memory: PhysicalMemory, start: int, size: int) -> Iterator[tuple[int, bytes]]:
    """What can be read of a stretch in which pages turned out to be damaged."""
    try:
        pages, present = memory.read_pages(np.arange(start, start + size - size % _PAGE, _PAGE, dtype=np.uint64), _PAGE)
    except ReadError:
        return
    edges = np.flatnonzero(np.diff(present, prepend=False, append=False)).tolist()
    for first, behind in zip(edges[::2], edges[1::2], strict=True):
        yield start + first * _PAGE, pages[first:behind].tobytes()
