"""Flattened dumps: what ``makedumpfile -F`` and QEMU write where the output cannot seek, and read here as it lies.

Behind a header of 4096 bytes stand records: an offset in the dump and a number of bytes, 64-bit big-endian, then the bytes. Both -1 end
them (makedumpfile.h, struct makedumpfile_header and makedumpfile_data_header). Where records overlap, the later one counts.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator

import numpy as np

from kho_tui.errors import InputError, ReadError
from kho_tui.layout.arrays import U64s
from kho_tui.memory.extents import Extents, arrange
from kho_tui.memory.physical import PresentMask
from kho_tui.memory.source import ByteSource
from kho_tui.text import SafeText, visible

FLATTENED_MAGIC = b"makedumpfile\0\0\0\0"

_HEADER_SIZE = 4096
_KIND_AND_VERSION = (1, 1)
_RECORD = struct.Struct(">qq")
_RECORDS_LIMIT = 2 << 20
"""Records read, 24 bytes each and more while they are sorted. QEMU writes 16 KiB in each, makedumpfile more: 32 GiB."""
_WINDOW = 64 << 10
_SHORT = 2048
"""Bytes of a record that are cheaper to read along than to leave out."""
_LAST_OFFSET = (1 << 63) - 1


class FlattenedSource:
    """The dump in a flattened file, by its own offsets. What no record holds cannot be read. Implements ByteSource."""

    def __init__(self, source: ByteSource) -> None:
        """Raises InputError where the file is not such a one or has too many records, ReadError."""
        self.name = source.name
        self.cut = SafeText("")
        """One line where the file ends before its end mark does."""
        self._source = source
        self._records = self._index()
        last = len(self._records) - 1
        self.size = int(self._records.starts[last]) + int(self._records.sizes[last])

    def read_at(self, offset: int, size: int) -> bytes:
        """See ByteSource. Raises ReadError also where no record holds the first or a later one of the bytes."""
        if offset < 0 or size < 0:
            raise ValueError(f"negative offset or size: {offset}, {size}")
        end = min(offset + size, self.size)
        parts: list[bytes] = []
        row = self._records.row_of(offset) if offset < end else None
        while offset < end:
            record = self._records[row] if row is not None and row < len(self._records) else None
            if record is None or not record.start <= offset:
                raise ReadError(f"{visible(self.name)}: this flattened dump holds nothing for offset {offset:#x}; it is incomplete")
            skipped = offset - record.start
            wanted = min(record.size - skipped, end - offset)
            part = self._source.read_at(record.offset + skipped, wanted)
            if len(part) < wanted:
                raise ReadError(f"{visible(self.name)}: it got shorter since it was opened")
            parts.append(part)
            offset += wanted
            row = 0 if row is None else row + 1
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def data_ranges(self, offset: int, size: int) -> Iterator[tuple[int, int]]:
        """See ByteSource."""
        yield offset, size

    def available(self, offset: int, size: int) -> int:
        """How many of ``size`` bytes of the dump from ``offset`` on are there."""
        return self._records.available(offset, size)

    def holds(self, offsets: U64s, sizes: U64s) -> PresentMask:
        """Of n stretches of the dump, of at least a byte each, those that are there from their first byte to their last."""
        records = self._records
        following = np.searchsorted(records.starts, offsets, side="right")
        rows = np.maximum(following, 1) - 1
        held: PresentMask = (following > 0) & (offsets - records.starts[rows] < records.sizes[rows])
        held &= records.reach[rows] - np.minimum(offsets, records.reach[rows]) >= sizes - np.uint64(1)
        return held

    def position(self, offset: int) -> int:
        """Where in the file itself a byte of the dump lies; ``offset`` where it does not."""
        row = self._records.row_of(offset)
        return offset if row is None else int(self._records.offsets[row]) + offset - int(self._records.starts[row])

    def _index(self) -> Extents:
        shown = visible(self.name)
        head = self._source.read_at(0, len(FLATTENED_MAGIC) + _RECORD.size)
        if not head.startswith(FLATTENED_MAGIC) or len(head) < len(FLATTENED_MAGIC) + _RECORD.size:
            raise InputError(f"{shown}: not a flattened dump")
        said = _RECORD.unpack_from(head, len(FLATTENED_MAGIC))
        if said != _KIND_AND_VERSION:
            raise InputError(f"{shown}: a flattened dump of type {said[0]}, version {said[1]}; type 1, version 1 is read")
        starts, sizes, positions = array("Q"), array("Q"), array("Q")
        at = _HEADER_SIZE
        window, window_at = b"", 0
        while True:
            inside = at - window_at
            if inside + _RECORD.size > len(window):
                # After a long record one of its kind is likely to follow: then only the header is read.
                long = bool(sizes) and sizes[-1] > _SHORT
                window, window_at, inside = self._source.read_at(at, _RECORD.size if long else _WINDOW), at, 0
                if len(window) < _RECORD.size:
                    self.cut = SafeText(f"{shown} ends too early: a flattened dump without its end mark; copy it or take it again")
                    break
            start, size = _RECORD.unpack_from(window, inside)
            if start == -1:
                break
            if start < 0 or size <= 0 or start > _LAST_OFFSET - size:
                raise InputError(f"{shown}: damaged record at offset {at:#x} of this flattened dump ({size} bytes for offset {start})")
            if len(starts) == _RECORDS_LIMIT:
                raise InputError(f"{shown}: more than {_RECORDS_LIMIT} records; make it a plain dump with makedumpfile -R")
            at += _RECORD.size
            held = min(size, max(self._source.size - at, 0))
            if held:
                starts.append(start)
                sizes.append(held)
                positions.append(at)
            at += size
        if not starts:
            raise InputError(f"{shown}: a flattened dump without any record")
        # The segment listed first counts for arrange, the record written last here.
        return arrange(*(np.frombuffer(column, np.uint64)[::-1] for column in (starts, sizes, positions)))[0]
