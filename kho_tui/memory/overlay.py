"""Changed pages on top of a memory that stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from kho_tui.errors import GapError
from kho_tui.layout.platform import ByteOrder
from kho_tui.layout.table import U64s
from kho_tui.memory.extents import Extents, arrange
from kho_tui.memory.physical import Extent, PageBytes, PhysicalMemory, PresentMask
from kho_tui.memory.sparse import SparseImage
from kho_tui.text import visible


class Overlay:
    """Another memory, read through, with the pages that were written since. Implements PhysicalMemory.

    Only changed pages are kept here. A write to part of a page that ``below`` does not hold makes the rest of it zeros.
    """

    def __init__(self, below: PhysicalMemory, page_size: int) -> None:
        """``page_size``: a power of two that every extent of ``below`` is a multiple of."""
        self.name = below.name
        self.byte_order: ByteOrder | None = below.byte_order
        self.machine = below.machine
        self._below = below
        self._size = page_size
        self._written = SparseImage(page_size, name=below.name)

    @property
    def total_bytes(self) -> int:
        """See PhysicalMemory."""
        return self.extents().total_bytes

    def write(self, address: int, data: bytes) -> None:
        """Put ``data`` at ``address``. Raises EncodeError where it does not lie between 0 and 2^64."""
        for page in range(address // self._size * self._size, address + len(data), self._size):
            if not self._written.available(page, 1) and self._below.available(page, self._size) == self._size:
                self._written.write(page, self._below.read(page, self._size))
        self._written.write(address, data)

    def extents(self) -> Extents:
        """See PhysicalMemory."""
        below, above = self._below.extents(), self._written.extents()
        starts: U64s = np.array([one.start for one in (*below, *above)], np.uint64)
        sizes: U64s = np.array([one.size for one in (*below, *above)], np.uint64)
        return arrange(starts, sizes, starts)[0]

    def stored(self) -> Iterator[Extent]:
        """See PhysicalMemory."""
        stored = (*self._below.stored(), *self._written.extents())
        starts: U64s = np.array([extent.start for extent in stored], np.uint64)
        return iter(arrange(starts, np.array([extent.size for extent in stored], np.uint64), starts)[0])

    def available(self, address: int, size: int) -> int:
        """See PhysicalMemory."""
        there = 0
        while there < size:
            part = max(memory.available(address + there, size - there) for memory in (self._written, self._below))
            if not part:
                break
            there += part
        return there

    def origin(self, address: int) -> tuple[str, int]:
        """See PhysicalMemory."""
        self._require(address, 1)
        return (self._written if self._written.available(address, 1) else self._below).origin(address)

    def read(self, address: int, size: int) -> bytes:
        """See PhysicalMemory."""
        if size < 0:
            raise ValueError(f"negative size: {size}")
        self._require(address, size)
        parts: list[bytes] = []
        for start, end in self._pieces(address, address + size):
            memory = self._written if self._written.available(start, 1) else self._below
            parts.append(memory.read(start, end - start))
        return b"".join(parts)

    def read_pages(self, addresses: U64s, size: int) -> tuple[PageBytes, PresentMask]:
        """See PhysicalMemory."""
        pages: PageBytes = np.zeros((len(addresses), size), dtype=np.uint8)
        present: PresentMask = np.zeros(len(addresses), dtype=np.bool_)
        for row, address in enumerate(np.asarray(addresses, dtype=np.uint64).tolist()):
            if self.available(address, size) == size:
                present[row] = True
                pages[row] = np.frombuffer(self.read(address, size), dtype=np.uint8)
        return pages, present

    def _pieces(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The range, cut where written pages begin and end."""
        ends = (edge for extent in self._written.extents() for edge in (extent.start, extent.start + extent.size))
        return pairwise(sorted({start, end, *(edge for edge in ends if start < edge < end)}))

    def _require(self, address: int, size: int) -> None:
        there = self.available(address, size)
        if there < size:
            raise GapError(address + there, size - there, visible(self.name))
