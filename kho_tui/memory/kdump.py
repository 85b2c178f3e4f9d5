"""Kdump-compressed dumps: makedumpfile's own format, which QEMU and virsh write too. Plain or flattened, whole or split.

A page that the dump leaves out is a gap with a reason, never zeros. Zeros are read only where the dump says that a page holds them.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from kho_tui.errors import GapError, InputError, ReadError
from kho_tui.layout.arrays import I64s, U64s
from kho_tui.memory.elf import is_elf, open_elf
from kho_tui.memory.elf_format import MACHINES
from kho_tui.memory.extents import Extents, arrange
from kho_tui.memory.flattened import FLATTENED_MAGIC, FlattenedSource
from kho_tui.memory.kdump_bitmap import RUNS_LIMIT, bit_is_set, runs_of_bits
from kho_tui.memory.kdump_format import (
    INCOMPLETE,
    KDUMP_MAGIC,
    LAYERS,
    WITHOUT_VMEMMAP,
    KdumpHeader,
    descriptor_dtype,
    read_header,
)
from kho_tui.memory.kdump_pages import CACHE_BYTES, JoinedPages, KdumpPages
from kho_tui.memory.page_codecs import CODECS, decompressor
from kho_tui.memory.physical import ADDRESS_END, Absence, Extent, PageBytes, PresentMask
from kho_tui.memory.segmented import SegmentedMemory
from kho_tui.memory.source import ByteSource
from kho_tui.memory.vmcoreinfo import NOTES_LIMIT, vmcoreinfo_lines, vmcoreinfo_note
from kho_tui.text import NO_TEXT, SafeText, plural, visible

_Integer = TypeVar("_Integer", np.int64, np.uint64)

_HEAD = 64
_SMALL_HOLE = 64 << 10
_CHECKED = 1 << 22
"""Page descriptors looked at when a dump is opened, its last ones: what is cut off is missing there. 16 GiB in pages of 4 KiB."""
_CHECKED_AT_ONCE = 1 << 18
_ALL_CHECKED = 1 << 28
"""Page descriptors looked at where one of the last is bad, 6 GiB of them."""
_HOLES_LIMIT = 1 << 20
"""Runs of pages without bytes that are kept apart; where there are more, all behind them counts as missing."""
_DAMAGE_LIMIT = 1 << 16
_ERASED_LIMIT = 1 << 20
_LONGEST = 80
"""Bytes shown of what was erased."""
_LISTED = 8
PARTS_LIMIT = 128
"""Files of a split dump that are read."""


@dataclass(slots=True)
class _Damage:
    """Pages that turned out not to be readable, by their address. The first 65,536 are remembered; others are found again."""

    reasons: dict[int, SafeText] = field(default_factory=dict)
    addresses: list[int] = field(default_factory=list)

    def add(self, address: int, reason: SafeText) -> None:
        """Remember one."""
        if address not in self.reasons and len(self.addresses) < _DAMAGE_LIMIT:
            self.reasons[address] = reason
            insort(self.addresses, address)

    def first(self, start: int, end: int) -> int | None:
        """The lowest such page that begins from ``start`` on and before ``end``."""
        row = bisect_left(self.addresses, start)
        return self.addresses[row] if row < len(self.addresses) and self.addresses[row] < end else None


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class KdumpMemory(SegmentedMemory):
    """Memory of a kdump-compressed dump. ``source`` and ``segments`` are those of its pages, unpacked and one behind the other."""

    source: JoinedPages
    header: KdumpHeader
    """That of the file that was opened."""
    file: ByteSource
    """That file, by the offsets that it has where it is not flattened."""
    ranges: tuple[tuple[int, int], ...]
    """First page and one behind the last of what is read of each part."""
    part_files: tuple[tuple[str, int], ...]
    """Name, untrusted, and bytes of the files of those parts."""
    damage: _Damage = field(default_factory=_Damage)

    def available(self, address: int, size: int) -> int:
        """See PhysicalMemory. A damaged page is noticed when it is read for the first time, and a gap from then on."""
        there = self.segments.available(address, size)
        bad = self.damage.first(address & -self.header.page_size, address + there)
        return there if bad is None else max(bad - address, 0)

    def absence(self, address: int) -> Absence | None:
        """See PhysicalMemory."""
        reason = self._why_absent(address) if 0 <= address < ADDRESS_END else None
        return None if reason is None else Absence(reason)

    def _why_absent(self, address: int) -> SafeText | None:
        page = address // self.header.page_size
        if page >= self.header.end_pfn:
            return SafeText(f"behind the end of the machine's memory ({self.header.end_pfn * self.header.page_size:#x}), says the dump")
        if self.segments.row_of(address) is not None:
            return self.damage.reasons.get(page * self.header.page_size)
        try:
            return self._why_left_out(page)
        except ReadError as error:
            return visible(str(error))

    def _why_left_out(self, page: int) -> SafeText:
        header = self.header
        if bit_is_set(self.file, header.dumped_at, page):
            if any(first <= page < behind for first, behind in self.ranges):
                return SafeText("the dump, cut or damaged, does not hold the bytes of this page")
            if header.split is None:
                return SafeText("the pages of this dump are too scattered to be read up to here")
            return SafeText("in a file of this split dump that is not here")
        if header.exists_at is not None and not bit_is_set(self.file, header.exists_at, page):
            return SafeText("the machine has no memory there, says the dump")
        kinds = [name for bit, name in LAYERS.items() if header.level & bit]
        kinds += ["unused vmemmap"] if header.status & WITHOUT_VMEMMAP else []
        if not kinds:
            return SafeText(f"left out by makedumpfile -d {header.level}, which keeps all kinds of pages: poisoned or offline")
        named = f"{', '.join(kinds[:-1])} and {kinds[-1]}" if len(kinds) > 1 else kinds[0]
        return SafeText(f"left out by makedumpfile -d {header.level} ({named} pages)")

    def origin(self, address: int) -> tuple[str, int]:
        """See PhysicalMemory. Of a compressed page it is where its compressed bytes begin."""
        number, inside = divmod(SegmentedMemory.origin(self, address)[1], self.header.page_size)
        try:
            name, start, plain = self.source.place(number)
        except ReadError:
            raise GapError(address, 1, visible(self.name)) from None
        return name, start + inside if plain else start

    def stored(self) -> Iterator[Extent]:
        """See PhysicalMemory. Zero pages that the dump holds once for all are its holes."""
        size = np.uint64(self.header.page_size)
        if not len(self.segments):
            return
        for first, filled in self.source.stretches():
            numbers = (np.flatnonzero(filled) + first).astype(np.uint64)
            if not len(numbers):
                continue
            dense = numbers * size
            rows = np.searchsorted(self.segments.offsets, dense, side="right") - 1
            # Descriptors that no bit of the bitmap asks for, where not all runs are kept.
            held = dense - self.segments.offsets[rows] < self.segments.sizes[rows]
            dense, rows = dense[held], rows[held]
            if not len(dense):
                continue
            addresses = self.segments.starts[rows] + (dense - self.segments.offsets[rows])
            apart = (rows[1:] != rows[:-1]) | (addresses[1:] - addresses[:-1] > np.uint64(_SMALL_HOLE) + size)
            edges = np.flatnonzero(apart)
            begins, ends = np.append(0, edges + 1), np.append(edges, len(dense) - 1)
            sizes = addresses[ends] - addresses[begins] + size
            for start, length, offset in zip(addresses[begins].tolist(), sizes.tolist(), dense[begins].tolist(), strict=True):
                yield Extent(start, length, offset)

    def _piece(self, offset: int, size: int, address: int) -> bytes:
        """See SegmentedMemory."""
        return b"".join(self._dense(offset, size, address))

    def _dense(self, offset: int, size: int, address: int) -> Iterator[bytes]:
        """``size`` bytes of the unpacked pages, a batch at a time. Raises GapError by the address of a damaged page, ReadError."""
        page = self.header.page_size
        end = offset + size
        last = -(-end // page)
        for first in range(offset // page, last, self.source.at_once):
            behind = min(first + self.source.at_once, last)
            found = self.source.unpack(np.arange(first, behind))
            if found.damage:
                self._remember(found.damage)
                bad = address + max(min(found.damage) * page - offset, 0)
                raise GapError(bad, address + size - bad, visible(self.name))
            data = b"".join(one for one in found.pages if one is not None)
            yield data[max(offset - first * page, 0) : end - first * page]

    def _remember(self, damage: Mapping[int, SafeText]) -> None:
        for number, reason in damage.items():
            dense = number * self.header.page_size
            row = int(np.searchsorted(self.segments.offsets, np.uint64(dense), side="right")) - 1
            self.damage.add(int(self.segments.starts[row]) + dense - int(self.segments.offsets[row]), reason)

    def read_pages(self, addresses: U64s, size: int) -> tuple[PageBytes, PresentMask]:
        """See PhysicalMemory."""
        addresses = np.asarray(addresses, dtype=np.uint64)
        pages: PageBytes = np.zeros((len(addresses), size), dtype=np.uint8)
        if not size or not len(self.segments):
            return pages, np.full(len(addresses), not size, dtype=np.bool_)
        following = np.searchsorted(self.segments.starts, addresses, side="right")
        rows = np.maximum(following, 1) - 1
        skipped = addresses - self.segments.starts[rows]
        # No two extents of a dump adjoin: what is there lies in one.
        present: PresentMask = (following > 0) & (skipped < self.segments.sizes[rows])
        present &= self.segments.sizes[rows] - np.where(present, skipped, np.uint64(0)) >= np.uint64(size)
        wanted = np.flatnonzero(present)
        offsets = (self.segments.offsets[rows] + skipped)[wanted].astype(np.int64)
        order = np.argsort(offsets, kind="stable")
        self._fill(offsets[order], wanted[order], pages, present)
        return pages, present

    def _fill(self, offsets: I64s, rows: I64s, pages: PageBytes, present: PresentMask) -> None:
        """Fill ``rows`` of ``pages`` from ascending ``offsets`` of the unpacked pages. A row of a damaged page is not ``present`` then."""
        page, size = self.header.page_size, pages.shape[1]
        span = (size - 1) // page + 2
        """Pages that a row reaches into at most."""
        at_once = max(self.source.at_once // span, 1)
        for start in range(0, len(rows), at_once):
            here, chosen = offsets[start : start + at_once], rows[start : start + at_once]
            firsts, lasts = here // page, (here + (size - 1)) // page
            numbers = _distinct(np.minimum(firsts[:, None] + np.arange(span), lasts[:, None]).reshape(-1))
            parts: list[bytes] = []
            damage: dict[int, SafeText] = {}
            for batch in range(0, len(numbers), self.source.at_once):
                found = self.source.unpack(numbers[batch : batch + self.source.at_once])
                parts += [bytes(page) if one is None else one for one in found.pages]
                damage |= found.damage
            data = np.frombuffer(b"".join(parts), np.uint8)
            windows = np.lib.stride_tricks.sliding_window_view(data, size)
            pages[chosen] = windows[np.searchsorted(numbers, firsts) * page + here % page]
            if damage:
                self._remember(damage)
                bad = np.array(sorted(damage), np.int64)
                lost = np.searchsorted(bad, firsts) < np.searchsorted(bad, lasts, side="right")
                pages[chosen[lost]] = 0
                present[chosen[lost]] = False


def _distinct(values: npt.NDArray[_Integer]) -> npt.NDArray[_Integer]:
    """Sorted, each once. np.unique takes ten times as long: it hashes."""
    ordered = np.sort(values)
    fresh = np.ones(len(ordered), np.bool_)
    fresh[1:] = ordered[1:] != ordered[:-1]
    return ordered[fresh]


@dataclass(frozen=True, slots=True)
class _PageRuns:
    """Runs of dumped pages, ascending, columns of shape (n,): the first page, how many, and the number of the first in the file."""

    starts: U64s
    sizes: U64s
    numbers: U64s

    def page_of(self, number: int) -> int:
        """The page that has a number in the file."""
        row = int(np.searchsorted(self.numbers, np.uint64(number), side="right")) - 1
        return int(self.starts[row]) + number - int(self.numbers[row])

    def less(self, firsts: U64s, behinds: U64s) -> _PageRuns:
        """What of them has a number in one of the runs from ``firsts`` to ``behinds``, ascending."""
        edges = _distinct(np.concatenate((self.numbers, firsts, behinds)))
        begins, ends = edges[:-1], edges[1:]
        run = np.searchsorted(firsts, begins, side="right") - 1
        kept = run >= 0
        kept[kept] = begins[kept] < behinds[run[kept]]
        begins, ends = begins[kept], ends[kept]
        rows = np.searchsorted(self.numbers, begins, side="right") - 1
        return _PageRuns(self.starts[rows] + (begins - self.numbers[rows]), ends - begins, begins)


@dataclass(frozen=True, slots=True)
class _Part:
    """One file of a dump, with the runs of pages that it holds in the order of their descriptors."""

    file: ByteSource
    header: KdumpHeader
    runs: _PageRuns
    range: tuple[int, int]
    """First page and one behind the last that the bitmap was read for."""
    pages: KdumpPages


def is_dump(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a kdump-compressed dump, or a flattened one of whatever kind."""
    return head.startswith((KDUMP_MAGIC, FLATTENED_MAGIC))


def open_dump(source: ByteSource, beside: Callable[[], Iterable[ByteSource]] = tuple) -> SegmentedMemory:
    """The memory in a kdump-compressed dump of version 1 to 6 of either byte order, or in a flattened dump, which may be an ELF core too.

    ``beside`` gives files of the same directory, and is asked only where the dump is split: those that are its other parts are read too.
    Raises InputError where the file is no usable dump or a package to unpack its pages is missing, ReadError where reading fails.
    """
    notes: list[str] = []
    file = _not_flattened(source, notes)
    flattened_end = file.cut if isinstance(file, FlattenedSource) else NO_TEXT
    if is_elf(file.read_at(0, _HEAD)):
        core = open_elf(file)
        return replace(core, notes=(*notes, *core.notes), cut=core.cut or flattened_end)
    header = read_header(file)
    unknown = header.compressions
    for codec in CODECS.values():
        if header.status & codec.bit:
            unknown -= codec.bit
            try:
                decompressor(codec)
            except InputError as error:
                raise InputError(f"{visible(source.name)}: {error}") from None
    if unknown:
        notes.append(
            f"{visible(source.name)}: its header says what is not known here (status {unknown:#x}): its pages may be compressed so"
        )
    files = [(file, header)]
    if header.split is not None:
        files += _other_parts(files[0], beside())
        files.sort(key=lambda one: one[1].dumped_range)
    parts: list[_Part] = []
    cut: list[str] = [flattened_end] if flattened_end else []
    reached = 0
    for one, its in files:
        first = max(its.dumped_range[0], reached)
        if first > its.dumped_range[0]:
            notes.append(f"{visible(one.name)}: overlaps another part of this split dump, and is not read")
            continue
        reached = its.dumped_range[1]
        parts.append(_open_part(one, its, len(files), cut))
    if header.split is not None:
        cut += _missing_parts(parts, header)
    if header.status & INCOMPLETE and not cut:
        cut.append(f"{visible(source.name)}: makedumpfile says that this dump is incomplete (no room was left)")
    notes += (line for line in cut if line not in notes)
    if header.level < 0 or header.level > 31:
        notes.append(f"{visible(source.name)}: an unknown dump level ({header.level})")
    notes += _erased(file, header)
    return KdumpMemory(
        source=JoinedPages(source.name, [part.pages for part in parts]),
        segments=_extents(parts, header.page_size),
        byte_order=header.byte_order,
        machine=header.machine if header.machine in MACHINES.values() else None,
        notes=tuple(notes),
        vmcoreinfo=_vmcoreinfo(file, header),
        cut=cut[0] if cut else "",
        header=header,
        file=file,
        ranges=tuple(part.range for part in parts),
        part_files=tuple((part.file.name, part.file.size) for part in parts),
    )


def _not_flattened(source: ByteSource, notes: list[str]) -> ByteSource:
    if not source.read_at(0, len(FLATTENED_MAGIC)).startswith(FLATTENED_MAGIC):
        return source
    file = FlattenedSource(source)
    if file.cut:
        notes.append(file.cut)
    return file


def _other_parts(opened: tuple[ByteSource, KdumpHeader], beside: Iterable[ByteSource]) -> list[tuple[ByteSource, KdumpHeader]]:
    """Of the files beside one of a split dump those that are other parts of it; damaged ones are none."""
    header = opened[1]
    found: dict[tuple[int, int], tuple[ByteSource, KdumpHeader]] = {header.dumped_range: opened}
    for source in beside:
        try:
            file = _not_flattened(source, [])
            if not file.read_at(0, _HEAD).startswith(KDUMP_MAGIC):
                continue
            its = read_header(file)
        except (InputError, ReadError):
            continue
        if its.split is not None and its.is_of_same_dump(header) and len(found) < PARTS_LIMIT:
            found.setdefault(its.dumped_range, (file, its))
    return [one for one in found.values() if one is not opened]


def _missing_parts(parts: Sequence[_Part], header: KdumpHeader) -> Iterator[str]:
    """A line on the pages of a split dump that are in none of the files that are read."""
    missing: list[str] = []
    reached = 0
    for first, behind in (*(part.header.dumped_range for part in parts), (header.end_pfn, header.end_pfn)):
        if first > reached:
            missing.append(f"{reached:#x} to {first:#x}")
        reached = max(reached, behind)
    if missing:
        more = f" and {len(missing) - _LISTED} more ranges" if len(missing) > _LISTED else ""
        yield (
            f"a split dump of which {plural(len(parts), 'file')} {'is' if len(parts) == 1 else 'are'} here: pages "
            f"{', '.join(missing[:_LISTED])}{more} are in others; put all of them into one directory"
        )


def _open_part(file: ByteSource, header: KdumpHeader, parts: int, cut: list[str]) -> _Part:
    """The pages that one of ``parts`` files holds. Into ``cut`` goes a line where that is not all it promises. Raises ReadError."""
    most = RUNS_LIMIT // parts
    shown = visible(file.name)
    first, behind = header.dumped_range
    bits = runs_of_bits(file, header.dumped_at, first, behind, most)
    if bits.read_to < behind:
        cut.append(f"{shown}: its pages lie in more than {most} runs: those from page {bits.read_to:#x} on are not read")
    sizes = bits.ends - bits.starts
    ends = np.cumsum(sizes)
    count = int(ends[-1]) if len(ends) else 0
    runs = _PageRuns(bits.starts, sizes, ends - sizes)
    size = descriptor_dtype(header.byte_order).itemsize
    wanted = count * size
    there = file.available(header.descriptors_at, wanted) if isinstance(file, FlattenedSource) else file.size - header.descriptors_at
    pages = KdumpPages(file, header, min(there, wanted) // size, CACHE_BYTES // parts)
    kept = _numbers_with_bytes(pages, count)
    if kept is not None:
        held = runs.less(*kept)
        lost = int(runs.starts[0]) if not len(held.starts) or held.numbers[0] else runs.page_of(int(kept[1][0]))
        missing = count - int(held.sizes.sum())
        cut.append(
            f"{shown} is cut or damaged: it does not hold the bytes of {missing} of its {count} pages, "
            f"the first of them at {lost * header.page_size:#x}"
        )
        runs = held
    return _Part(file, header, runs, (first, bits.read_to), pages)


def _numbers_with_bytes(pages: KdumpPages, promised: int) -> tuple[U64s, U64s] | None:
    """Runs of page numbers, first and one behind the last, whose bytes the file holds by what their descriptors say; None for all of them.

    A dump is cut at its end, so all descriptors are looked at only where one of the last is bad.
    """
    last = max(pages.count - _CHECKED, 0)
    if pages.count == promised and all(pages.in_file(at, size).all() for at, size in _steps(last, pages.count)):
        return None
    first = max(pages.count - _ALL_CHECKED, 0)
    edges: list[U64s] = [np.zeros(1 if first else 0, np.uint64)]
    found, before = 0, bool(first)
    for at, size in _steps(first, pages.count):
        there = pages.in_file(at, size)
        changes = np.flatnonzero(np.diff(there, prepend=before))
        edges.append((changes + at).astype(np.uint64))
        before = bool(there[-1])
        found += len(changes)
        if found > 2 * _HOLES_LIMIT:
            break
    columns = np.concatenate(edges)
    if len(columns) % 2:
        columns = np.append(columns, np.uint64(pages.count)) if found <= 2 * _HOLES_LIMIT else columns[:-1]
    return columns[::2].copy(), columns[1::2].copy()


def _steps(first: int, behind: int) -> Iterator[tuple[int, int]]:
    for at in range(first, behind, _CHECKED_AT_ONCE):
        yield at, min(_CHECKED_AT_ONCE, behind - at)


def _extents(parts: Sequence[_Part], page_size: int) -> Extents:
    """All runs of all parts as extents of the unpacked pages."""
    columns: list[tuple[U64s, U64s, U64s]] = []
    before = 0
    for part in parts:
        columns.append((part.runs.starts, part.runs.sizes, part.runs.numbers + np.uint64(before)))
        before += part.pages.count
    size = np.uint64(page_size)
    if len(columns) == 1:
        starts, sizes, numbers = columns[0]
        return Extents(starts * size, sizes * size, numbers * size)
    starts, sizes, numbers = (np.concatenate(column) * size for column in zip(*columns, strict=True))
    # A run that one part begins and the next goes on with is one extent.
    return arrange(starts, sizes, numbers)[0]


def _vmcoreinfo(file: ByteSource, header: KdumpHeader) -> Mapping[str, str]:
    """The text of its own that newer dumps have, else that of the note; with the release of the header where neither names one."""
    offset, size = header.vmcoreinfo
    text: bytes | None = _told(file, offset, size)
    if not text:
        text = vmcoreinfo_note(_told(file, *header.note), header.byte_order)
    lines = vmcoreinfo_lines(text or b"")
    return lines if "OSRELEASE" in lines or not header.release else MappingProxyType({**lines, "OSRELEASE": header.release})


def _told(file: ByteSource, offset: int, size: int) -> bytes:
    """What a header points at beside pages; nothing where it cannot be read, for the memory can be read without it."""
    try:
        return file.read_at(offset, min(size, NOTES_LIMIT)) if size else b""
    except ReadError:
        return b""


def _erased(file: ByteSource, header: KdumpHeader) -> Iterator[str]:
    """That makedumpfile wrote over some data, as its configuration asked for: it names the symbols and not where they lie."""
    lines = [line for line in _told(file, *header.eraseinfo)[:_ERASED_LIMIT].splitlines() if line.strip(b" \0")]
    if lines:
        more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
        yield f"{visible(file.name)}: makedumpfile wrote X over erased data ({visible(lines[0][:_LONGEST])}{more}): where is not told"
