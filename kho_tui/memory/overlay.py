"""Changed pages on top of a memory that stays as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np

from kho_tui.layout.arrays import U64s
from kho_tui.layout.platform import ByteOrder
from kho_tui.memory.extents import Extents, arrange
from kho_tui.memory.physical import Absence, Extent, PageBytes, PhysicalMemory, PresentMask, read_pages_singly, require_held
from kho_tui.memory.sparse import SparseImage


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
        return self._with_written(self._below.extents())

    def stored(self) -> Iterator[Extent]:
        """See PhysicalMemory."""
        return iter(self._with_written(self._below.stored()))

    def _with_written(self, below: Iterable[Extent]) -> Extents:
        together = (*below, *self._written.extents())
        starts: U64s = np.array([extent.start for extent in together], np.uint64)
        return arrange(starts, np.array([extent.size for extent in together], np.uint64), starts)[0]

    def available(self, address: int, size: int) -> int:
        """See PhysicalMemory."""
        there = 0
        while there < size:
            part = max(memory.available(address + there, size - there) for memory in (self._written, self._below))
            if not part:
                break
            there += part
        return there

    def absence(self, address: int) -> Absence | None:
        """See PhysicalMemory."""
        return None if self._written.available(address, 1) else self._below.absence(address)

    def origin(self, address: int) -> tuple[str, int]:
        """See PhysicalMemory."""
        require_held(self, address, 1)
        return (self._written if self._written.available(address, 1) else self._below).origin(address)

    def read(self, address: int, size: int) -> bytes:
        """See PhysicalMemory."""
        if size < 0:
            raise ValueError(f"negative size: {size}")
        require_held(self, address, size)
        parts: list[bytes] = []
        for start, end in self._parts(address, address + size):
            memory = self._written if self._written.available(start, 1) else self._below
            parts.append(memory.read(start, end - start))
        return b"".join(parts)

    def read_pages(self, addresses: U64s, size: int) -> tuple[PageBytes, PresentMask]:
        """See PhysicalMemory."""
        return read_pages_singly(self, addresses, size)

    def _parts(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The range, cut where written pages begin and end."""
        ends = (edge for extent in self._written.extents() for edge in (extent.start, extent.start + extent.size))
        return pairwise(sorted({start, end, *(edge for edge in ends if start < edge < end)}))
