"""Where the bytes of a memory lie that does not say so: found out from what its root FDTs point at.

The memory of a guest as a file begins at the guest's first RAM, and leaves out the hole below 4 GiB that PCI has; a core may name no
physical addresses at all. Then what a root FDT points at is in the file, but elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from kho_tui.capture.files import Note
from kho_tui.capture.sources import Sources
from kho_tui.context import Context
from kho_tui.decode.contenders import contenders, trial_side
from kho_tui.decode.naming import first_words, name_by_format
from kho_tui.decode.platform import Overrides, decide_platform
from kho_tui.decode.reader import Findings, Reader
from kho_tui.decode.roots import FoundInMemory, RootCandidate, search_memory
from kho_tui.decode.scan import chunks
from kho_tui.layout.arrays import U64s
from kho_tui.layout.platform import PAGE_SIZES, ByteOrder
from kho_tui.memory.extents import arrange
from kho_tui.memory.pieces import pieces_text
from kho_tui.memory.segmented import SegmentedMemory
from kho_tui.model.facts import Missing
from kho_tui.model.gaps import gaps
from kho_tui.model.registry import Registry
from kho_tui.text import SafeText, plural, visible

_PAGE = PAGE_SIZES[0]
_HEAD = 512
"""Bytes of a page that tell which subtree's blob it is."""
_FOUR_GIB = 4 << 30
"""Where RAM goes on behind the hole that PCI has below 4 GiB."""
_HOLES = (2 << 30, 3 << 30, 0xD000_0000, 0xE000_0000)
"""Bytes of RAM below the hole: QEMU's q35; QEMU's pc and Cloud Hypervisor; Firecracker; QEMU's pc without gigabyte alignment.

Source: pc_q35_init and pc_init1 (hw/i386/pc_q35.c, pc_piix.c of QEMU 7.2); MEM_32BIT_RESERVED_START of Cloud Hypervisor's and
MMIO32_MEM_START of Firecracker's arch/x86_64/layout.rs. The first two were booted, the others are from those files.
"""
_MOST_ROOTS = 64
_MOST_TARGETS = 4096
_MOST_SHIFTS = 4
_MOST_RESIDUES = 4
_MOST_TRIALS = 16
_AGREEING = 2
"""Pointers that a shift has to bring to what they name, where no tracker can be asked."""
_LONGEST_BASE = 8
"""Pieces that are still offered as --base."""
_WHOLE = 1 << 64
_NOT_SAID = "nothing in it says at which addresses its bytes lie"


@dataclass(frozen=True, slots=True)
class _Shift:
    """Bytes at addresses from ``start`` to ``end``, as they are taken now, lie ``by`` bytes higher, or lower where it is negative."""

    start: int
    end: int
    by: int


@dataclass(frozen=True, slots=True)
class _Fit:
    """How well a root FDT and the memory that it points at fit together in one placement.

    ``root``: where the root FDT is in the file. ``lost``: structures that cannot be read, and preserved blocks where there is no memory.
    ``agreeing``: pointers to subtrees that lead to what they name.
    """

    root: int | None
    keeps_itself: bool
    agreeing: int
    lost: int

    @property
    def rank(self) -> tuple[bool, int, int]:
        """High is best."""
        return self.keeps_itself, self.agreeing, -self.lost

    @property
    def is_perfect(self) -> bool:
        return self.keeps_itself and not self.lost

    @property
    def is_believed(self) -> bool:
        return self.keeps_itself or self.agreeing >= _AGREEING

    def beats(self, other: _Fit) -> bool:
        """Whether this placement is to be believed rather than the other.

        Where the other is believed too, only one with more of the same root FDT: a copy of a state that lies whole in memory (a
        capture in the page cache) fits together wherever it lies.
        """
        if not self.is_believed or (other.is_believed and self.root != other.root):
            return False
        return self.rank > other.rank


def search_sources(sources: Sources, context: Context, overrides: Overrides, registry: Registry) -> tuple[Sources, FoundInMemory]:
    """What the sources' memory holds; and the sources, with a memory that lies where its root FDTs show, if nothing else says where.

    Raises Cancelled, and ReadError where the file fails.
    """
    memory = sources.memory
    if memory is None:
        return sources, FoundInMemory()
    searched = search_memory(memory, registry.roots, context)
    if memory.placed_by == "file" or not isinstance(memory, SegmentedMemory):
        return sources, searched
    trial = _Trial(context, overrides, registry)
    fit = trial.fit(sources, searched)
    better = [] if fit.is_perfect or not searched.roots else _better(sources, searched, fit, trial)
    if not better:
        if memory.placed_by == "nothing" and (_is_raw(memory) or (searched.roots and not fit.is_perfect)):
            sources = _with_note(sources, f"{_NOT_SAID}: read from address {int(memory.segments.starts[0]):#x} on")
        return sources, searched
    best = better[0]
    because, base = _because(best.fit), _placed(best.memory)
    if memory.placed_by == "user":
        return _with_note(sources, f"read as told, {_placed(memory)}; but {because} with {base}"), searched
    others = "".join(f"; {_placed(other.memory)} fits as well" for other in better[1:])
    said = f"{_NOT_SAID}: read as with {base}, for so {because}{others}"
    return _with_note(replace(sources, memory=best.memory), said), replace(best.searched, placed_by_roots=True)


@dataclass(frozen=True, slots=True)
class _Placement:
    """A memory somewhere, what was found in it there, and how well that fits."""

    memory: SegmentedMemory
    searched: FoundInMemory
    fit: _Fit


def _better(sources: Sources, searched: FoundInMemory, fit: _Fit, trial: _Trial) -> list[_Placement]:
    """The placements that fit best, the likeliest first, of those that are to be believed rather than the one that gave ``fit``."""
    assert isinstance(sources.memory, SegmentedMemory)
    best: list[_Placement] = []
    for shifts in islice(_candidates(sources.memory, searched, trial), _MOST_TRIALS):
        moved, roots = _moved(sources.memory, shifts), _moved_roots(searched, shifts)
        placement = _Placement(moved, roots, trial.fit(replace(sources, memory=moved), roots))
        if not placement.fit.beats(fit) or (best and placement.fit.rank < best[0].fit.rank):
            continue
        if best and placement.fit.rank > best[0].fit.rank:
            best.clear()
        if all(_placed(moved) != _placed(other.memory) for other in best):
            best.append(placement)
    return best


def _is_raw(memory: SegmentedMemory) -> bool:
    """Whether it is an image without a header: all of its RAM is in it."""
    return memory.byte_order is None


def _with_note(sources: Sources, message: str) -> Sources:
    assert sources.memory is not None
    name, said = visible(sources.memory.name), SafeText(message)
    return replace(sources, notes=(*sources.notes, Note(name, said)), placement=SafeText(f"{name}: {said}"))


def _placed(memory: SegmentedMemory) -> SafeText:
    if len(memory.segments) > _LONGEST_BASE:
        return SafeText(f"{int(memory.segments.starts[0]):#x} and on, in {len(memory.segments)} pieces")
    return SafeText(f"--base {pieces_text(memory.pieces)}")


def _because(fit: _Fit) -> str:
    kept = "the tracker keeps the root FDT's own page" if fit.keeps_itself else ""
    agreeing = f"{plural(fit.agreeing, 'pointer')} of the root FDT lead to what they name" if fit.agreeing > 1 else ""
    return " and ".join(part for part in (kept, agreeing) if part)


@dataclass(frozen=True, slots=True)
class _Trial:
    """Reads a state in one placement after the other; each has a budget of its own."""

    context: Context
    overrides: Overrides
    registry: Registry

    def fit(self, sources: Sources, searched: FoundInMemory) -> _Fit:
        """The fit of the root FDT that fits best."""
        memory = sources.memory
        wanted = self.overrides.root
        roots = [root for root in searched.roots if wanted is None or root.phys == wanted]
        if not isinstance(memory, SegmentedMemory) or not roots:
            return _Fit(root=None, keeps_itself=False, agreeing=0, lost=0)
        context = Context(progress=self.context.progress, cancelled=self.context.cancelled)
        platform, _ = decide_platform(sources, searched.roots, (), self.overrides, self.registry, context, Findings())
        reader = Reader(memory=memory, platform=platform, context=context, findings=Findings(), registry=self.registry)
        best = contenders(reader, roots)[0]
        side = trial_side(reader, best.root, None)
        lost = len(gaps(side))
        if not isinstance(side.preserved, Missing) and _is_raw(memory):
            lost += _outside(memory, side.preserved.runs.start)
        agreeing = sum(_name_at(memory, address, self.registry) == name for name, address in _pointers(best.root, platform.byte_order))
        offset = memory.origin(best.root.phys)[1]
        return _Fit(root=offset, keeps_itself=best.kept is True, agreeing=agreeing, lost=lost)


def _pointers(root: RootCandidate, byte_order: ByteOrder) -> Iterator[tuple[bytes, int]]:
    for name in root.names:
        address = root.pointer(name, byte_order)
        if address:
            yield name, address


def _name_at(memory: SegmentedMemory, address: int, registry: Registry) -> bytes | None:
    there = memory.available(address, _HEAD) if address < _WHOLE else 0
    return name_by_format(registry, memory.read(address, there))


def _outside(memory: SegmentedMemory, starts: U64s) -> int:
    """How many of these addresses no extent holds."""
    segments = memory.segments
    rows = np.maximum(segments.starts.searchsorted(starts, side="right"), 1) - 1
    return int(np.count_nonzero((starts < segments.starts[rows]) | (starts - segments.starts[rows] >= segments.sizes[rows])))


def _candidates(memory: SegmentedMemory, searched: FoundInMemory, trial: _Trial) -> Iterator[tuple[_Shift, ...]]:
    """Placements to try, the likeliest first: by pointers and what they name, then the holes that virtual machines have."""
    by_pointers = _shifts_by_pointers(memory, searched, trial)
    # A hole is a matter of raw images that begin at 0: a core has its segments.
    whole = _is_raw(memory) and len(memory.segments) == 1 and memory.segments[0].start == 0
    end = memory.segments[0].size if whole else 0
    for high in [by for by in by_pointers if 0 < _FOUR_GIB - by < end]:
        split = _FOUR_GIB - high
        for low in (0, *(by for by in by_pointers if by < high and by + split <= _FOUR_GIB)):
            yield _Shift(0, split, low), _Shift(split, end, high)
    for by in by_pointers:
        yield (_Shift(0, _WHOLE, by),)
    for split in _HOLES:
        if split < end:
            yield _Shift(0, split, 0), _Shift(split, end, _FOUR_GIB - split)


def _shifts_by_pointers(memory: SegmentedMemory, searched: FoundInMemory, trial: _Trial) -> list[int]:
    """Differences between where root FDTs say that subtrees lie and where blobs of that name are, the most frequent first."""
    blobs: dict[bytes, list[int]] = {}
    words = [int.from_bytes(word, "little") for word in first_words(trial.registry)]
    # A root FDT is a page: where one lies says how pages lie in the file.
    residues = sorted({root.phys % _PAGE for root in searched.roots[:_MOST_ROOTS] if root.phys % 4 == 0})[:_MOST_RESIDUES]
    for start, data in chunks(memory, trial.context, "searching memory for subtrees"):
        for residue in residues:
            first = (residue - start) % _PAGE
            count = max(len(data) - first, 0) // _PAGE
            heads = np.frombuffer(data, "<u4", count * (_PAGE // 4), first).reshape(-1, _PAGE // 4)[:, 0]
            for page in np.flatnonzero(np.isin(heads, words)).tolist():
                at = first + page * _PAGE
                name = name_by_format(trial.registry, data[at : at + _HEAD])
                if name is not None and len(blobs.setdefault(name, [])) < _MOST_TARGETS:
                    blobs[name].append(start + at)
    votes: Counter[int] = Counter()
    orders: tuple[ByteOrder, ...] = ("little", "big")
    for root in searched.roots[:_MOST_ROOTS]:
        for order in orders:
            for name, address in _pointers(root, order):
                votes.update(address - there for there in blobs.get(name, ()))
    return [by for by, _ in votes.most_common(_MOST_SHIFTS + 1) if by][:_MOST_SHIFTS]


def _moved(memory: SegmentedMemory, shifts: Sequence[_Shift]) -> SegmentedMemory:
    """The same bytes elsewhere, less those that would come to lie below 0 or above 2^64."""
    rows: list[tuple[int, int, int]] = []
    for extent in memory.segments:
        for shift in shifts:
            start = max(extent.start, shift.start, -shift.by)
            end = min(extent.start + extent.size, shift.end, _WHOLE - shift.by)
            if start < end:
                rows.append((start + shift.by, end - start, extent.offset + start - extent.start))
    columns = np.array(rows, dtype=np.uint64).reshape(-1, 3).T
    return replace(memory, segments=arrange(*columns)[0])


def _moved_roots(searched: FoundInMemory, shifts: Sequence[_Shift]) -> FoundInMemory:
    """The same root FDTs where they lie now. What boot records name are addresses, and stay."""

    moved = (
        replace(root, phys=root.phys + shift.by) for root in searched.roots for shift in shifts if shift.start <= root.phys < shift.end
    )
    tables = (
        replace(table, phys=table.phys + shift.by) for table in searched.tables for shift in shifts if shift.start <= table.phys < shift.end
    )
    records = tuple(replace(record, place=replace(record.place, phys=None)) for record in searched.records)
    return replace(searched, roots=tuple(root for root in moved if 0 <= root.phys < _WHOLE), records=records, tables=tuple(tables))
