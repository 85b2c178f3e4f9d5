"""A writable image of physical memory: what a state is encoded to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kho_tui.errors import EncodeError
from kho_tui.layout.arrays import U64s
from kho_tui.layout.platform import ByteOrder
from kho_tui.memory.extents import Extents, arrange
from kho_tui.memory.physical import ADDRESS_END, Absence, Extent, PageBytes, PresentMask, read_pages_singly, require_held


class SparseImage:
    """Pages of ``page_size`` bytes that come into being when written. Implements PhysicalMemory.

    A write to part of a new page makes the rest of it zeros; a page never written is a gap. As a file the image would
    hold each byte at its own address, so that is what ``origin`` and ``extents`` give as offsets.
    """

    def __init__(self, page_size: int, *, name: str = "image", byte_order: ByteOrder | None = None, machine: str | None = None) -> None:
        if page_size < 1 or page_size & (page_size - 1):
            raise ValueError(f"page size {page_size} is not a power of two")
        self.page_size = page_size
        self.name = name
        self.byte_order = byte_order
        self.machine = machine
        self._pages: dict[int, bytearray] = {}

    @property
    def total_bytes(self) -> int:
        """See PhysicalMemory."""
        return len(self._pages) * self.page_size

    def write(self, address: int, data: bytes) -> None:
        """Put ``data`` at ``address``. Raises EncodeError where it does not lie between 0 and 2^64."""
        if not 0 <= address <= ADDRESS_END - len(data):
            raise EncodeError(f"{len(data)} bytes at {address:#x} do not fit 64-bit addresses")
        view = memoryview(data)
        while view:
            number, inside = divmod(address, self.page_size)
            part = view[: self.page_size - inside]
            page = self._pages.get(number)
            if page is None:
                page = self._pages[number] = bytearray(self.page_size)
            page[inside : inside + len(part)] = part
            address += len(part)
            view = view[len(part) :]

    def pages(self) -> Iterator[tuple[int, bytes]]:
        """(address, bytes) of every page, ascending."""
        for number in sorted(self._pages):
            yield number * self.page_size, bytes(self._pages[number])

    def extents(self) -> Extents:
        """See PhysicalMemory."""
        starts: U64s = np.array(sorted(self._pages), dtype=np.uint64) * np.uint64(self.page_size)
        return arrange(starts, np.full(len(starts), self.page_size, dtype=np.uint64), starts)[0]

    def stored(self) -> Iterator[Extent]:
        """See PhysicalMemory."""
        return iter(self.extents())

    def available(self, address: int, size: int) -> int:
        """See PhysicalMemory."""
        number, inside = divmod(address, self.page_size)
        there = -inside
        while there < size and number in self._pages:
            there += self.page_size
            number += 1
        return max(min(there, size), 0)

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
        if not size:
            return b""
        first, inside = divmod(address, self.page_size)
        last = (address + size - 1) // self.page_size
        parts = [self._pages[number] for number in range(first, last + 1)]
        return bytes(b"".join(parts)[inside : inside + size])

    def read_pages(self, addresses: U64s, size: int) -> tuple[PageBytes, PresentMask]:
        """See PhysicalMemory."""
        return read_pages_singly(self, addresses, size)
