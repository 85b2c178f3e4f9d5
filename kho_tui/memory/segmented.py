"""Physical memory that lies in one file as segments: ELF cores and raw images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from kho_tui.errors import GapError, ReadError
from kho_tui.layout.arrays import U64s
from kho_tui.layout.platform import ByteOrder
from kho_tui.memory.extents import Extents
from kho_tui.memory.physical import Absence, Extent, PageBytes, PresentMask, require_held
from kho_tui.memory.pieces import Piece, PlacedBy
from kho_tui.memory.source import ByteSource
from kho_tui.text import visible

_READ_LIMIT = 4 << 20
"""Bytes taken from the file at once while gathering pages."""
_STORED_PAGE = 4096
_SMALL_HOLE = 64 << 10
_BRIDGE = 4096
"""Bytes between two wanted pages that are read along: cheaper than another read."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class SegmentedMemory:
    """Memory by physical address out of ``source``. Implements PhysicalMemory."""

    source: ByteSource
    segments: Extents
    """Every extent lies inside the source as it was when opened."""
    byte_order: ByteOrder | None = None
    machine: str | None = None
    notes: tuple[str, ...] = ()
    """What a user has to know about this file: one safe line each."""
    vmcoreinfo: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The VMCOREINFO note (OSRELEASE, PAGESIZE, ...), untrusted text; empty where there is none."""
    placed_by: PlacedBy = "file"
    """What says at which addresses the file's bytes lie."""
    absences: Mapping[int, Absence] = field(default_factory=lambda: MappingProxyType({}))
    """By page address why a page is not in the file, where whoever wrote it knew."""
    absent_page_size: int = _STORED_PAGE
    """Bytes of such a page."""
    cut: str = ""
    """One safe line where the file ends before all that its table promises; also among the notes."""

    @property
    def name(self) -> str:
        """See PhysicalMemory."""
        return self.source.name

    @property
    def total_bytes(self) -> int:
        """See PhysicalMemory."""
        return self.segments.total_bytes

    def extents(self) -> Extents:
        """See PhysicalMemory."""
        return self.segments

    def stored(self) -> Iterator[Extent]:
        """See PhysicalMemory. Whole pages; a hole of less than 64 KiB costs less to read than to leave out."""
        for extent in self.segments:
            start = end = 0
            for offset, size in self.source.data_ranges(extent.offset, extent.size):
                first = extent.start + offset - extent.offset
                low = max(first & -_STORED_PAGE, extent.start)
                high = min(-(-(first + size) // _STORED_PAGE) * _STORED_PAGE, extent.start + extent.size)
                if end and low - end < _SMALL_HOLE:
                    end = max(end, high)
                    continue
                if end:
                    yield Extent(start, end - start, extent.offset + start - extent.start)
                start, end = low, high
            if end:
                yield Extent(start, end - start, extent.offset + start - extent.start)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """Which bytes of the file lie where, as ``--base`` takes them."""
        size = self.source.size
        ends = [extent.offset + extent.size for extent in self.segments]
        pairs = zip(self.segments, ends, strict=True)
        return tuple(Piece(extent.start, extent.offset, None if end == size else end) for extent, end in pairs)

    def available(self, address: int, size: int) -> int:
        """See PhysicalMemory."""
        return self.segments.available(address, size)

    def absence(self, address: int) -> Absence | None:
        """See PhysicalMemory."""
        if not self.absences or self.segments.row_of(address) is not None:
            return None
        return self.absences.get(address - address % self.absent_page_size)

    def origin(self, address: int) -> tuple[str, int]:
        """See PhysicalMemory."""
        row = self.segments.row_of(address)
        if row is None:
            raise GapError(address, 1, visible(self.name))
        return self.name, int(self.segments.offsets[row]) + address - int(self.segments.starts[row])

    def read(self, address: int, size: int) -> bytes:
        """See PhysicalMemory."""
        if size < 0:
            raise ValueError(f"negative size: {size}")
        require_held(self, address, size)
        parts: list[bytes] = []
        row = self.segments.row_of(address) or 0
        while size:
            extent = self.segments[row]
            skipped = address - extent.start
            part = self._piece(extent.offset + skipped, min(size, extent.size - skipped), address)
            parts.append(part)
            address += len(part)
            size -= len(part)
            row += 1
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _piece(self, offset: int, size: int, address: int) -> bytes:
        """``size`` bytes of the source at ``offset``, which are those of memory at ``address``. Raises as ``read`` does."""
        return self._file_bytes(offset, size)

    def read_pages(self, addresses: U64s, size: int) -> tuple[PageBytes, PresentMask]:
        """See PhysicalMemory."""
        addresses = np.asarray(addresses, dtype=np.uint64)
        pages: PageBytes = np.zeros((len(addresses), size), dtype=np.uint8)
        if not size or not len(self.segments):
            return pages, np.full(len(addresses), not size, dtype=np.bool_)
        wanted = np.uint64(size)
        following = np.searchsorted(self.segments.starts, addresses, side="right")
        rows = np.maximum(following, 1) - 1
        skipped = addresses - self.segments.starts[rows]
        inside = (following > 0) & (skipped < self.segments.sizes[rows])
        present: PresentMask = inside & (self.segments.reach[rows] - addresses >= wanted - np.uint64(1))
        in_one = present & (self.segments.sizes[rows] - skipped >= wanted)
        self._gather(self.segments.offsets[rows] + skipped, np.flatnonzero(in_one), pages)
        for page in np.flatnonzero(present & ~in_one).tolist():
            pages[page] = np.frombuffer(self.read(int(addresses[page]), size), dtype=np.uint8)
        return pages, present

    def _gather(self, offsets: U64s, rows: npt.NDArray[np.int64], pages: PageBytes) -> None:
        """Fill ``rows`` of ``pages`` from their file ``offsets``, one read for pages near each other in the file."""
        size = pages.shape[1]
        rows = rows[np.argsort(offsets[rows], kind="stable")]
        ordered = offsets[rows]
        apart = np.flatnonzero(np.diff(ordered) > np.uint64(size + _BRIDGE)) + 1
        bounds = [0, *apart.tolist(), len(rows)] if len(rows) else []
        for first, behind in pairwise(bounds):
            while first < behind:
                base = int(ordered[first])
                farthest = np.uint64(base + max(_READ_LIMIT - size, 0))
                end = behind if ordered[behind - 1] <= farthest else int(np.searchsorted(ordered, farthest, side="right"))
                data = np.frombuffer(self._file_bytes(base, int(ordered[end - 1]) - base + size), dtype=np.uint8)
                if end - first == 1:
                    pages[rows[first]] = data
                else:
                    windows = np.lib.stride_tricks.sliding_window_view(data, size)
                    pages[rows[first:end]] = windows[(ordered[first:end] - np.uint64(base)).astype(np.int64)]
                first = end

    def _file_bytes(self, offset: int, size: int) -> bytes:
        data = self.source.read_at(offset, size)
        if len(data) != size:
            raise ReadError(
                f"{visible(self.name)}: only {len(data)} of {size} bytes at offset {offset:#x}; it got shorter since it was opened"
            )
        return data
