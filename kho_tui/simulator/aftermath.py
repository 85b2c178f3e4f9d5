"""Physical memory after a kexec: what was kept is as it was, everything else was written over."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import shake_128

import numpy as np

from kho_tui.layout.arrays import U64s
from kho_tui.layout.platform import ByteOrder
from kho_tui.memory.extents import Extents
from kho_tui.memory.physical import Absence, Extent, PageBytes, PhysicalMemory, PresentMask, read_pages_singly, require_held
from kho_tui.memory.sparse import SparseImage
from kho_tui.model.intervals import Intervals, intervals, spans, whole_pages


class Aftermath:
    """Whole pages of ``before``, noise where they are not in ``kept``, and the pages of ``written`` on top. Implements PhysicalMemory.

    The noise follows from ``seed`` and the page's address. A page that ``before`` does not hold is a gap here too: what was written
    over is only known to be lost where it was known at all. As a file each byte would stand at its own address.
    """

    def __init__(
        self, before: PhysicalMemory | None, kept: Intervals, page_size: int, seed: int, written: SparseImage | None = None
    ) -> None:
        self.name = "memory after the kexec"
        self.byte_order: ByteOrder | None = None if before is None else before.byte_order
        self.machine: str | None = None if before is None else before.machine
        self._before, self._kept, self._seed, self._size = before, kept, seed, page_size
        self._written = written or SparseImage(page_size)
        held = intervals([], []) if before is None else whole_pages(spans(before.extents()), page_size)
        top = whole_pages(spans(self._written.extents()), page_size)
        everything = held | top
        self._extents = Extents(everything.start.copy(), everything.end - everything.start, everything.start.copy())

    @property
    def total_bytes(self) -> int:
        """See PhysicalMemory."""
        return self._extents.total_bytes

    def extents(self) -> Extents:
        """See PhysicalMemory."""
        return self._extents

    def stored(self) -> Iterator[Extent]:
        """See PhysicalMemory."""
        return iter(self._extents)

    def available(self, address: int, size: int) -> int:
        """See PhysicalMemory."""
        return self._extents.available(address, size)

    def absence(self, address: int) -> Absence | None:
        """See PhysicalMemory."""

    def origin(self, address: int) -> tuple[str, int]:
        """See PhysicalMemory."""
        require_held(self, address, 1)
        return self.name, address

    def read(self, address: int, size: int) -> bytes:
        """See PhysicalMemory."""
        if size < 0:
            raise ValueError(f"negative size: {size}")
        require_held(self, address, size)
        return b"".join(self._parts(address, size))

    def read_pages(self, addresses: U64s, size: int) -> tuple[PageBytes, PresentMask]:
        """See PhysicalMemory."""
        return read_pages_singly(self, addresses, size)

    def _parts(self, address: int, size: int) -> Iterator[bytes]:
        while size:
            inside = address % self._size
            part = min(size, self._size - inside)
            page = address - inside
            if self._written.available(page, self._size):
                yield self._written.read(address, part)
            elif self._before is not None and _holds(self._kept, page, self._size):
                yield self._before.read(address, part)
            else:
                yield shake_128(f"{self._seed} {page:#x}".encode()).digest(self._size)[inside : inside + part]
            address += part
            size -= part


def _holds(some: Intervals, start: int, size: int) -> bool:
    """Whether all of [start, start + size) is in one interval."""
    row = int(some.start.searchsorted(np.uint64(start), side="right")) - 1
    return row >= 0 and start + size <= int(some.end[row])
