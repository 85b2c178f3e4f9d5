"""All of a memory that holds anything, a few MiB at a time, for searches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kho_tui.context import Context
from kho_tui.errors import GapError, ReadError
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.text import NO_TEXT, SafeText, plural, visible

_PAGE = 4096
_CHUNK = 4 << 20
"""Bytes read at once: smaller ones wait too often for the screen's thread, larger ones cost page faults (benchmarks/raw_search.py)."""


@dataclass(slots=True)
class Unread:
    """What a search has met that could not be read: how many pages of 4 KiB, at least, and why the first of them."""

    pages: int = 0
    reason: SafeText = NO_TEXT

    def add(self, memory: PhysicalMemory, address: int, pages: int, error: str = "") -> None:
        """``pages`` from ``address`` on; ``error``: why, where memory does not say it."""
        if not self.pages:
            absence = memory.absence(address)
            self.reason = visible(error) if absence is None else SafeText(absence.reason)
        self.pages += pages

    @property
    def words(self) -> SafeText:
        """In a line, empty where all was read."""
        if not self.pages:
            return NO_TEXT
        first = f" ({'the first: ' if self.pages > 1 else ''}{self.reason})" if self.reason else ""
        return SafeText(f"{plural(self.pages, 'page')} could not be read{first}")


def chunks(memory: PhysicalMemory, context: Context, what: str, unread: Unread | None = None) -> Iterator[tuple[int, bytes]]:
    """(address, bytes) of all that is stored of memory, ascending; holes of the file are left out.

    Chunks end where pages end, so they cut no FDT header and no boot record of one page. What cannot be read is left out, and noted in
    ``unread``.
    The search is told as ``what``, and is not charged to the budget: the memory held bounds it, not what a state claims.
    """
    unread = Unread() if unread is None else unread
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
                yield from _whole_pages(memory, start, size, unread)
            except ReadError as error:
                unread.add(memory, start, -(-size // _PAGE), str(error))


def _whole_pages(memory: PhysicalMemory, start: int, size: int, unread: Unread) -> Iterator[tuple[int, bytes]]:
    """What can be read of a stretch in which pages turned out to be damaged."""
    try:
        pages, present = memory.read_pages(np.arange(start, start + size - size % _PAGE, _PAGE, dtype=np.uint64), _PAGE)
    except ReadError as error:
        unread.add(memory, start, -(-size // _PAGE), str(error))
        return
    lost = np.flatnonzero(~present)
    if len(lost):
        unread.add(memory, start + int(lost[0]) * _PAGE, len(lost))
    edges = np.flatnonzero(np.diff(present, prepend=False, append=False)).tolist()
    for first, behind in zip(edges[::2], edges[1::2], strict=True):
        yield start + first * _PAGE, pages[first:behind].tobytes()
