"""/proc/kpageflags as text: of the pages that were read, and of scratch, summed up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from kho_tui.errors import ReadError
from kho_tui.memory.extents import Extents
from kho_tui.memory.page_flags import NAMES, PageFlags

_CHUNK = 1 << 20
"""Pages whose flags are read at once."""
_MOST_PAGES = 1 << 30
"""Pages of scratch that are summed up: 4 TiB of 4 KiB pages."""


def flags_of_pages(flags: PageFlags, used: Extents, page_size: int) -> bytes:
    """A line ``0xADDRESS 0xFLAGS`` for each page of which anything was read."""
    lines: list[str] = []
    last = -1
    for extent in used:
        for pfn in range(max(extent.start // page_size, last + 1), (extent.start + extent.size - 1) // page_size + 1):
            value = flags.of(pfn)
            lines.append(f"{pfn * page_size:#x} {'unreadable' if value is None else f'{value:#x}'}\n")
            last = pfn
    return "".join(lines).encode()


def scratch_summary(flags: PageFlags, areas: Iterable[tuple[int, int]], page_size: int) -> bytes:
    """For each area (address, bytes) of scratch a line: how many pages have which flag. Raises ReadError."""
    return "".join(_summary(flags, start, size, page_size) for start, size in areas if size).encode()


def _summary(flags: PageFlags, start: int, size: int, page_size: int) -> str:
    first, behind = start // page_size, min((start + size) // page_size, start // page_size + _MOST_PAGES)
    counts = np.zeros(64, np.int64)
    none = total = 0
    for at in range(first, behind, _CHUNK):
        words = flags.many(at, min(_CHUNK, behind - at))
        if len(words) < min(_CHUNK, behind - at):
            raise ReadError(f"kpageflags ends before the scratch area at {start:#x} does")
        total += len(words)
        none += int(np.count_nonzero(words == 0))
        for bit in range(64):
            counts[bit] += int(np.count_nonzero(words & np.uint64(1 << bit)))
    named: Sequence[str] = [f"{NAMES.get(bit, f'bit-{bit}')}={count}" for bit, count in enumerate(counts.tolist()) if count]
    return f"{start:#x} {size:#x} pages={total} without-flags={none} {' '.join(named)}\n"
