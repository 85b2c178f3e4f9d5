"""The pages of a kdump-compressed dump by their number in it, unpacked when they are asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from threading import Lock

import numpy as np

from kho_tui.errors import InputError, ReadError
from kho_tui.layout.arrays import I64s, U64s
from kho_tui.layout.table import Rows
from kho_tui.memory.flattened import FlattenedSource
from kho_tui.memory.kdump_format import KdumpHeader, descriptor_dtype
from kho_tui.memory.page_codecs import CODECS, decompressor
from kho_tui.memory.physical import PresentMask
from kho_tui.memory.source import ByteSource
from kho_tui.text import SafeText, visible

CACHE_BYTES = 16 << 20
"""Unpacked pages kept, of all files of a dump."""
_BATCH_BYTES = 4 << 20
_READ_LIMIT = 4 << 20
"""Bytes of compressed pages read at once."""
_BRIDGE = 4096
"""Bytes between two wanted pages of the file that are read along: cheaper than another read."""
_DESCRIPTORS_APART = 2048
"""Descriptors between two wanted ones that are read along."""
_DESCRIPTORS_AT_ONCE = 1 << 16
_SHARED_LOOKED_AT = 4
"""Pages that many descriptors of a stretch point at and that are looked at for zeros: a writer has one of them."""
_SHARED_KNOWN = 4096


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Pages in the order they were asked for, None where one cannot be had, and of those why, by their number in the dump."""

    pages: Sequence[bytes | None]
    damage: Mapping[int, SafeText]


class KdumpPages:
    """The pages of one file, by their numbers from 0 on in the order of their descriptors. May be read from several threads.

    Pages are unpacked when they are read, and those read last are kept.
    """

    def __init__(self, source: ByteSource, header: KdumpHeader, count: int, cache_bytes: int = CACHE_BYTES) -> None:
        self.name = source.name
        self.count = count
        self._cache_bytes = cache_bytes
        self.page_size = header.page_size
        self.at_once = max(_BATCH_BYTES // header.page_size, 1)
        """Pages to ask ``unpack`` for at once."""
        self._source = source
        self._at = header.descriptors_at
        self._compressions = header.compressions
        self._dtype = descriptor_dtype(header.byte_order)
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._zeros: dict[tuple[int, int, int], bool] = {}
        self._lock = Lock()

    def unpack(self, numbers: I64s) -> Unpacked:
        """Pages by their numbers, ascending, each once; ``at_once`` at most. Raises ReadError where the file itself fails."""
        with self._lock:
            pages: dict[int, bytes] = {}
            missing: list[int] = []
            for number in numbers.tolist():
                kept = self._kept.get(number)
                if kept is None:
                    missing.append(number)
                else:
                    pages[number] = kept
            damage: dict[int, SafeText] = {}
            if len(missing) == 1:
                # A pointer that is followed: no time for arrays.
                one = self._single(missing[0])
                if isinstance(one, bytes):
                    pages[missing[0]] = one
                else:
                    damage[missing[0]] = one
            elif missing:
                wanted = np.array(missing, np.int64)
                self._unpack(wanted, self._descriptors_of(wanted), pages, damage)
                for number in missing if len(missing) < self.at_once else ():
                    if number in pages:
                        self._keep(number, pages[number])
            return Unpacked([pages.get(number) for number in numbers.tolist()], damage)

    def descriptors(self, first: int, count: int) -> Rows:
        """``count`` descriptors from that of page ``first`` on. Raises ReadError where the file does not hold them."""
        data = self._source.read_at(self._at + first * self._dtype.itemsize, count * self._dtype.itemsize)
        if len(data) < count * self._dtype.itemsize:
            raise ReadError(f"{visible(self.name)}: it ends inside its page descriptors")
        rows: Rows = np.frombuffer(data, self._dtype)
        return rows

    def place(self, number: int) -> tuple[int, bool]:
        """Where in the file the bytes of a page begin, and whether they are the page as it is. Raises ReadError."""
        row = self.descriptors(number, 1)[0]
        offset = int(row["offset"])
        return self._source.position(offset) if isinstance(self._source, FlattenedSource) else offset, not int(row["flags"])

    def in_file(self, first: int, count: int) -> PresentMask:
        """Of ``count`` pages from ``first`` on, those whose bytes lie inside the file as far as their descriptors tell."""
        rows = self.descriptors(first, count)
        return self._located(rows)

    def stretches(self) -> Iterator[tuple[int, PresentMask]]:
        """The number of a page and, from it on, which pages are no zero page that several share; all pages, ascending, a stretch at a time.

        A descriptor that is damaged counts as a page with something in it.
        """
        for first in range(0, self.count, _DESCRIPTORS_AT_ONCE):
            rows = self.descriptors(first, min(_DESCRIPTORS_AT_ONCE, self.count - first))
            filled = np.ones(len(rows), np.bool_)
            offsets, firsts, counts = np.unique(rows["offset"], return_index=True, return_counts=True)
            often = np.flatnonzero(counts > 1)
            for one in often[np.argsort(counts[often])[::-1][:_SHARED_LOOKED_AT]].tolist():
                row = rows[firsts[one]]
                if self._is_zero(int(row["offset"]), int(row["size"]), int(row["flags"]), first + int(firsts[one])):
                    same = (rows["offset"] == offsets[one]) & (rows["size"] == row["size"]) & (rows["flags"] == row["flags"])
                    filled[same] = False
            yield first, filled

    def _is_zero(self, offset: int, size: int, flags: int, number: int) -> bool:
        key = (offset, size, flags)
        known = self._zeros.get(key)
        if known is None:
            page = self.unpack(np.array([number])).pages[0]
            known = page is not None and page.count(0) == len(page)
            if len(self._zeros) < _SHARED_KNOWN:
                self._zeros[key] = known
        return known

    def _keep(self, number: int, page: bytes) -> None:
        self._kept[number] = page
        while len(self._kept) * self.page_size > self._cache_bytes:
            self._kept.popitem(last=False)

    def _descriptors_of(self, numbers: I64s) -> Rows:
        apart = np.flatnonzero(np.diff(numbers) > _DESCRIPTORS_APART) + 1
        parts: list[Rows] = []
        for first, behind in pairwise([0, *apart.tolist(), len(numbers)]):
            base = int(numbers[first])
            rows = self.descriptors(base, int(numbers[behind - 1]) - base + 1)
            parts.append(rows[numbers[first:behind] - base])
        return np.concatenate(parts)

    def _unpack(self, numbers: I64s, rows: Rows, pages: dict[int, bytes], damage: dict[int, SafeText]) -> None:
        offsets: U64s = rows["offset"].astype(np.uint64)
        sizes, flags = rows["size"].astype(np.int64), rows["flags"].astype(np.int64)
        good = self._located(rows)
        for row in np.flatnonzero(~good).tolist():
            damage[int(numbers[row])] = self._why_not_located(int(offsets[row]), int(sizes[row]))
        order = np.flatnonzero(good)
        order = order[np.lexsort((flags[order], sizes[order], offsets[order]))]
        for group in self._groups(offsets[order].astype(np.int64), sizes[order]):
            chosen = order[group]
            base = int(offsets[chosen[0]])
            try:
                data: bytes | None = self._bytes(base, int((offsets[chosen].astype(np.int64) + sizes[chosen]).max()) - base)
            except ReadError:
                # One bad sector must not take the pages around it along.
                data = None
            before: tuple[int, int, int] | None = None
            page: bytes | SafeText = b""
            columns = (numbers[chosen], offsets[chosen], sizes[chosen], flags[chosen])
            for number, offset, size, how in zip(*(column.tolist() for column in columns), strict=True):
                if (offset, size, how) != before:
                    before = (offset, size, how)
                    page = self._alone(offset, size, how) if data is None else self._page(data[offset - base : offset - base + size], how)
                if isinstance(page, bytes):
                    pages[number] = page
                else:
                    damage[number] = page

    def _groups(self, offsets: I64s, sizes: I64s) -> Iterator[slice]:
        """Rows, ascending by offset, that are read at once."""
        first = 0
        ends = np.maximum.accumulate(offsets + sizes)
        breaks = np.flatnonzero(offsets[1:] - ends[:-1] > _BRIDGE) + 1
        for start, behind in pairwise([0, *breaks.tolist(), len(offsets)]) if len(offsets) else ():
            first = start
            while first < behind:
                limit = int(offsets[first]) + _READ_LIMIT - self.page_size
                end = max(first + int(np.searchsorted(offsets[first:behind], limit, side="right")), first + 1)
                yield slice(first, end)
                first = end

    def _bytes(self, offset: int, size: int) -> bytes:
        data = self._source.read_at(offset, size)
        if len(data) < size:
            raise ReadError(f"{visible(self.name)}: only {len(data)} of {size} bytes at offset {offset:#x}; it got shorter meanwhile")
        return data

    def _single(self, number: int) -> bytes | SafeText:
        row = self.descriptors(number, 1)
        offset, size, flags, _ = row.item()
        if not self._located(row)[0]:
            return self._why_not_located(offset, size)
        return self._alone(offset, size, flags)

    def _alone(self, offset: int, size: int, flags: int) -> bytes | SafeText:
        try:
            return self._page(self._bytes(offset, size), flags)
        except ReadError as error:
            return SafeText(f"it cannot be read ({visible(str(error))})")

    def _page(self, data: bytes, flags: int) -> bytes | SafeText:
        """The page in the bytes that a descriptor names, else why there is none."""
        if not flags:
            return data if len(data) == self.page_size else SafeText(f"page descriptor damaged: {len(data)} bytes that are not compressed")
        codec = CODECS.get(flags)
        if codec is None:
            said = "compressed in a way that is not known" if flags & self._compressions == flags else "page descriptor damaged"
            return SafeText(f"{said} (flags {flags:#x})")
        try:
            unpack: Callable[[bytes, int], bytes] = decompressor(codec)
        except InputError as error:
            return SafeText(str(error))
        try:
            return unpack(data, self.page_size)
        except ValueError as error:
            return SafeText(f"compressed page damaged ({visible(str(error))})")

    def _why_not_located(self, offset: int, size: int) -> SafeText:
        if not offset and not size:
            return SafeText("page descriptor never written: the dump is incomplete")
        if 0 < size <= self.page_size and offset:
            return SafeText("its bytes lie behind the end of the file: the dump is cut")
        return SafeText(f"page descriptor damaged ({size} bytes at offset {offset:#x})")

    def _located(self, rows: Rows) -> PresentMask:
        """Which descriptors name bytes inside the file, no more than a page of them."""
        offsets: U64s = rows["offset"].astype(np.uint64)
        sizes: U64s = rows["size"].astype(np.uint64)
        end = np.uint64(self._source.size)
        located: PresentMask = (offsets > 0) & (sizes > 0) & (sizes <= np.uint64(self.page_size)) & (offsets < end)
        located &= sizes <= end - np.minimum(offsets, end)
        if isinstance(self._source, FlattenedSource):
            located &= self._source.holds(offsets, np.where(located, sizes, np.uint64(1)))
        return located


class JoinedPages:
    """The pages of all files of a dump one behind the other, page i from offset i * page size on. Implements ByteSource."""

    def __init__(self, name: str, parts: Sequence[KdumpPages]) -> None:
        self.name = name
        self.page_size = parts[0].page_size
        self.at_once = parts[0].at_once
        self._parts = parts
        self._firsts = [0, *accumulate(part.count for part in parts)]
        """The number here of the first page of each part; behind them, how many there are."""

    @property
    def size(self) -> int:
        """Bytes of all pages."""
        return self._firsts[-1] * self.page_size

    def read_at(self, offset: int, size: int) -> bytes:
        """See ByteSource. Raises ReadError where a page is damaged."""
        if offset < 0 or size < 0:
            raise ValueError(f"negative offset or size: {offset}, {size}")
        end = min(offset + size, self.size)
        parts: list[bytes] = []
        for first in range(offset // self.page_size, -(-end // self.page_size), self.at_once):
            found = self.unpack(np.arange(first, min(first + self.at_once, -(-end // self.page_size))))
            for number, why in found.damage.items():
                raise ReadError(f"{visible(self.name)}: dumped page {number}: {why}")
            parts += [page for page in found.pages if page is not None]
        skipped = offset % self.page_size
        return b"".join(parts)[skipped : skipped + max(end - offset, 0)]

    def data_ranges(self, offset: int, size: int) -> Iterator[tuple[int, int]]:
        """See ByteSource."""
        yield offset, size

    def unpack(self, numbers: I64s) -> Unpacked:
        """Pages by their numbers, ascending, each once; ``at_once`` at most. Raises ReadError where a file itself fails."""
        if len(self._parts) == 1:
            return self._parts[0].unpack(numbers)
        pages: list[bytes | None] = []
        damage: dict[int, SafeText] = {}
        for part, first, behind in zip(self._parts, self._firsts, self._firsts[1:], strict=False):
            low, high = np.searchsorted(numbers, (first, behind)).tolist()
            if low < high:
                found = part.unpack(numbers[low:high] - first)
                pages += found.pages
                damage |= {number + first: why for number, why in found.damage.items()}
        return Unpacked(pages, damage)

    def stretches(self) -> Iterator[tuple[int, PresentMask]]:
        """See KdumpPages."""
        for part, first in zip(self._parts, self._firsts, strict=False):
            for number, filled in part.stretches():
                yield number + first, filled

    def place(self, number: int) -> tuple[str, int, bool]:
        """The file in which the bytes of a page lie, where they begin, and whether they are the page as it is. Raises ReadError."""
        row = bisect_right(self._firsts, number) - 1
        part = self._parts[row]
        return part.name, *part.place(number - self._firsts[row])
