"""The kho-v1 tracker: chunk chain to runs, with either size of bitmap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kho_tui.abi.chunks import CHUNK, KHOSER_MEM_BITMAP_PTR, KHOSER_MEM_CHUNK_HDR, SMALL_BITMAP_BYTES, bitmap_spans
from kho_tui.abi.root import Tracker
from kho_tui.decode.bitmaps import read_bitmaps
from kho_tui.decode.reader import Reader
from kho_tui.errors import BudgetError
from kho_tui.model.codes import AMBIGUOUS, BUDGET, CHAIN_LOOP, COUNT_BAD, KEY_BAD, OTHER_READING, POINTER_BAD, TRACKER_DAMAGE
from kho_tui.model.facts import Damaged, Missing, Status
from kho_tui.model.path import EntityPath
from kho_tui.model.runs import RunBuilder, Runs
from kho_tui.model.tracker import UNUSABLE, Chunk, ChunkList, PreservedMap, Reading
from kho_tui.releases.table import Release
from kho_tui.text import SafeText

_SURE_BY_ALIGNMENT = 4
_PROVEN_BY_ALIGNMENT = 16
"""Elements whose bitmaps are all page aligned: 512-byte slab objects do so by chance once in 8 each. From so many on the page size is
taken, and from so many on no other reading is offered."""
_MOST_CHUNKS_TRIED = 10_000
"""Chunks looked through for one page: 16 TiB of 4 KiB pages in small bitmaps need fewer than 5000."""


@dataclass(frozen=True, eq=False)
class _Elements:
    """All elements of a chain, shapes (n,): what bit 0 stands for, where the bitmap lies, order."""

    phys_start: npt.NDArray[np.uint64]
    bitmap: npt.NDArray[np.uint64]
    order: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.order)


@dataclass(frozen=True, slots=True)
class _Ground:
    """On what ground one of two readings was taken. ``settled``: something outside the structure, or chance, speaks for it."""

    text: str
    settled: bool


@dataclass(frozen=True, slots=True)
class ChunkClues:
    """What speaks for one size of bitmaps where the structure leaves both open.

    ``root`` is the page of the root FDT, which every kernel keeps as an order-0 block; ``packed``: the root FDT went through fdt_pack, as
    only 6.19 and later do; ``release`` is that of the kernel that wrote the tracker.
    """

    root: int | None = None
    packed: bool = False
    release: Release | None = None


def decode_chunks(reader: Reader, address: int, where: EntityPath, clues: ChunkClues) -> PreservedMap | Missing:
    """The tracker whose first chunk is at ``address``."""
    damage = reader.findings.count(*TRACKER_DAMAGE)
    chunks, whole, first_problem = _walk(reader, address, where)
    if not chunks and first_problem is not None:
        return first_problem
    elements = _elements(chunks)
    small, why = _bitmap_size(reader, elements, clues)
    chosen_bytes = SMALL_BITMAP_BYTES if small else reader.platform.page_size
    runs, complete = _runs(reader, elements, chosen_bytes, where)
    others: tuple[Reading, ...] = ()
    if why is not None:
        others = _other_reading(reader, elements, runs, small, where)
        if others and complete and clues.root is not None and others[0].runs.covers(clues.root, 0) and not runs.covers(clues.root, 0):
            why = _Ground("so the root FDT's own page is kept", settled=True)
            chosen_bytes, other_bytes = others[0].bitmap_bytes, chosen_bytes
            other_runs = runs
            runs, complete = _runs(reader, elements, chosen_bytes, where)
            others = (Reading(other_bytes, other_runs, others[0].why),)
        if others:
            other = others[0]
            reader.findings.add(
                OTHER_READING if why.settled else AMBIGUOUS,
                where,
                f"bitmaps read as {chosen_bytes} bytes ({why.text}): {runs.blocks} blocks; "
                f"as {other.bitmap_bytes} bytes they give {other.runs.blocks} blocks",
                address,
            )
    whole = whole and complete
    damaged = reader.findings.count(*TRACKER_DAMAGE) > damage
    if not runs.blocks and damaged:
        return Damaged(UNUSABLE)
    reason = SafeText("" if whole else "part of the tracker could not be used: counts are lower bounds")
    status = Status.DECODED if whole else Status.PARTIAL
    ambiguous = bool(others) and why is not None and not why.settled
    return PreservedMap(
        address=address,
        structure=ChunkList(tuple(chunks), chosen_bytes),
        runs=runs,
        status=status,
        reason=reason,
        others=others,
        damaged=damaged,
        ambiguous=ambiguous,
    )


def chunk_list_preserves(reader: Reader, first: int, page: int) -> bool | None:
    """Whether the chain marks the order-0 block at ``page``, in either bitmap size; None where what would tell could not be read.

    Reads no more than it needs.
    """
    whole = True
    shift = np.uint64(reader.platform.page_shift)
    span = np.uint64(reader.platform.page_size * 8)
    seen: set[int] = set()
    while first and first not in seen and len(seen) < _MOST_CHUNKS_TRIED:
        seen.add(first)
        blob = reader.page(first, "chunk")
        if isinstance(blob, Missing):
            return None
        header = KHOSER_MEM_CHUNK_HDR.record(blob.data, reader.platform.byte_order, blob.place)
        used = min(header.integer("num_elms"), CHUNK.capacity(reader.platform.page_size))
        if header.integer("order") == 0:
            table = reader.table(KHOSER_MEM_BITMAP_PTR, blob, CHUNK.header_size, used)
            # An element that starts behind the page wraps to a number no bitmap has.
            bits = (np.uint64(page) - table.column("phys_start")) >> shift
            near = np.flatnonzero(bits < span)
            try:
                data, present = reader.pages(table.column("bitmap")[near] + bits[near] // np.uint64(64) * np.uint64(8), 8)
            except BudgetError:
                return None
            whole = whole and bool(present.all())
            if (reader.words(data)[:, 0] >> bits[near] % np.uint64(64) & np.uint64(1)).any():
                return True
        first = header.integer("next")
    return False if whole else None


def _walk(reader: Reader, address: int, where: EntityPath) -> tuple[list[Chunk], bool, Missing | None]:
    """The chunks of the chain, whether the chain was read to its end, and why not even its first chunk was."""
    chunks: list[Chunk] = []
    capacity = CHUNK.capacity(reader.platform.page_size)
    seen: set[int] = set()
    whole = True
    while address:
        if address in seen:
            reader.findings.add(CHAIN_LOOP, where, f"chunk {len(chunks)} leads back to the chunk at {address:#x}", address)
            return chunks, False, None
        seen.add(address)
        reader.context.step("reading tracker chunks", len(chunks))
        blob = reader.page(address, "chunk")
        if isinstance(blob, Missing):
            reader.unreadable(blob, where, f"chunk {len(chunks)} of the tracker", address)
            return chunks, False, blob
        header = KHOSER_MEM_CHUNK_HDR.record(blob.data, reader.platform.byte_order, blob.place)
        used = header.integer("num_elms")
        if used > capacity:
            reader.findings.add(COUNT_BAD, where, f"chunk at {address:#x} claims {used} elements, a page holds {capacity}", address)
            used, whole = capacity, False
        if header.integer("order") + reader.platform.page_shift > 52:
            reader.findings.add(KEY_BAD, where, f"chunk at {address:#x} has order {header.integer('order')}: left out", address)
            used, whole = 0, False
        try:
            reader.context.spend_entries(used, "tracker elements")
        except BudgetError as error:
            reader.findings.add(BUDGET, where, str(error), address)
            return chunks, False, None
        chunks.append(Chunk(header, reader.table(KHOSER_MEM_BITMAP_PTR, blob, CHUNK.header_size, used)))
        address = header.integer("next")
    return chunks, whole, None


def _elements(chunks: list[Chunk]) -> _Elements:
    filled = [c for c in chunks if len(c.elements)]
    if not filled:
        empty = np.empty(0, np.uint64)
        return _Elements(empty, empty, empty)
    rows = np.concatenate([c.elements.rows for c in filled])
    order = np.concatenate([np.full(len(c.elements), c.header.integer("order"), np.uint64) for c in filled])
    return _Elements(rows["phys_start"].astype(np.uint64), rows["bitmap"].astype(np.uint64), order)


def _bitmap_size(reader: Reader, elements: _Elements, clues: ChunkClues) -> tuple[bool, _Ground | None]:
    """Whether bitmaps are the small ones of 6.16/6.17, and, where structure does not settle it, on what ground that is said."""
    page = np.uint64(reader.platform.page_size)
    page_span = bitmap_spans(reader.platform.page_size, elements.order, reader.platform.page_shift)
    neighbours = (elements.order[1:] == elements.order[:-1]) & (elements.phys_start[1:] > elements.phys_start[:-1])
    close = neighbours & ((elements.phys_start[1:] - elements.phys_start[:-1]) < page_span[1:])
    if bool((elements.bitmap % page != 0).any()) or bool((elements.phys_start % page_span != 0).any()) or bool(close.any()):
        return True, None
    if len(elements) >= _PROVEN_BY_ALIGNMENT:
        return False, None
    if clues.packed:
        return False, None
    release = clues.release
    if release is not None and reader.registry.roots.written_by(release).tracker is Tracker.CHUNKS:
        return release.bitmap_bytes is not None, _Ground(f"as {release.name} writes them", settled=True)
    if len(elements) >= _SURE_BY_ALIGNMENT:
        return False, _Ground(f"all {len(elements)} are page aligned", settled=True)
    return False, _Ground("the size of 6.18 to 7.0; the release is not known", settled=False)


def _other_reading(reader: Reader, elements: _Elements, runs: Runs, small: bool, where: EntityPath) -> tuple[Reading, ...]:
    """The reading with the other bitmap size, where it gives other blocks."""
    size = reader.platform.page_size if small else SMALL_BITMAP_BYTES
    other, _ = _runs(reader.on_trial(), elements, size, where)
    same = len(other) == len(runs) and bool((other.start == runs.start).all() and (other.count == runs.count).all())
    return () if same else (Reading(size, other, SafeText("the compatible string is the same for both sizes of bitmap")),)


def _runs(reader: Reader, elements: _Elements, size: int, where: EntityPath) -> tuple[Runs, bool]:
    """The blocks of all elements with bitmaps of ``size`` bytes, and whether every bitmap could be read."""
    shift = np.uint64(reader.platform.page_shift)
    keep, complete = _readable(reader, elements, size, where)
    pieces = RunBuilder()
    try:
        for batch in read_bitmaps(reader, elements.bitmap[keep], size):
            rows = keep[batch.rows]
            for missing in rows[~batch.present].tolist():
                complete = False
                at = int(elements.bitmap[missing])
                reader.unreadable(reader.absent(at), where, "bitmap of the tracker", at)
            order = elements.order[rows][batch.bitmap]
            block_shift = order + shift
            base = elements.phys_start[rows][batch.bitmap]
            wraps = (batch.first + batch.length).astype(np.uint64) > (~base >> block_shift)
            start = base + (batch.first.astype(np.uint64) << block_shift)
            if wraps.any():
                complete = False
                reader.findings.add(KEY_BAD, where, f"{int(wraps.sum())} runs of blocks run past the end of the address space: left out")
            pieces.add(start[~wraps], batch.length[~wraps], order[~wraps])
    except BudgetError as error:
        reader.findings.add(BUDGET, where, str(error))
        complete = False
    reader.context.step("sorting preserved blocks")
    return pieces.runs(reader.platform.page_shift), complete


def _readable(reader: Reader, elements: _Elements, size: int, where: EntityPath) -> tuple[npt.NDArray[np.int64], bool]:
    """Rows of the elements whose bitmap is worth reading: not null, aligned, and not one that another element has."""
    bitmap = elements.bitmap
    bad = (bitmap == 0) | (bitmap % np.uint64(SMALL_BITMAP_BYTES) != 0)
    reader.findings.add_each(
        POINTER_BAD,
        where,
        np.flatnonzero(bad).tolist(),
        lambda row: f"an element for {int(elements.phys_start[row]):#x} has its bitmap at {int(bitmap[row]):#x}",
    )
    good = np.flatnonzero(~bad)
    by_address = good[np.argsort(bitmap[good], kind="stable")]
    shared = np.zeros(len(by_address), np.bool_)
    shared[1:] = bitmap[by_address][1:] == bitmap[by_address][:-1]
    twice = by_address[shared].tolist()
    reader.findings.add_each(
        POINTER_BAD, where, twice, lambda row: f"two elements share the bitmap at {int(bitmap[row]):#x}; the first one counts"
    )
    return np.sort(by_address[~shared]), not bool(bad.any() or shared.any())
