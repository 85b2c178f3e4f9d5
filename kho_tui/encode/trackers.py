"""Both trackers: the pages that say what is preserved (kernel/liveupdate/kexec_handover.c)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kho_tui.abi.chunks import CHUNK, KHOSER_MEM_BITMAP_PTR, bitmap_span
from kho_tui.abi.radix import RadixShape
from kho_tui.encode.bitmaps import filled
from kho_tui.encode.piece import Piece, Pieces, Values, rows
from kho_tui.errors import EncodeError
from kho_tui.layout.arrays import U64s
from kho_tui.layout.platform import Platform
from kho_tui.layout.table import encode_array
from kho_tui.model.handover import ChunkPage, ChunkTracker, Handover, RadixTracker
from kho_tui.model.path import EntityPath

_INNER_BATCH = 4096
"""Inner nodes of a radix tree made at once."""


def tracker_pieces(handover: Handover, what: EntityPath) -> Pieces:
    """Every page of the tracker. Raises EncodeError where it has no place for a preserved block, or not the shape of its format."""
    tracker, runs = handover.tracker, handover.runs
    shift = runs.order.astype(np.uint64) + np.uint64(handover.platform.page_shift)
    if bool((shift > np.uint64(63)).any()) or bool((runs.start & ((np.uint64(1) << shift) - np.uint64(1))).any()):
        raise EncodeError("a preserved block is not aligned to its own size")
    if tracker is None:
        if len(runs):
            raise EncodeError("preserved blocks, and no tracker that could list them")
    elif isinstance(tracker, ChunkTracker):
        yield from _chunks(handover, tracker, what)
    else:
        yield from _radix(handover, tracker, what)


def _chunks(handover: Handover, tracker: ChunkTracker, what: EntityPath) -> Pieces:
    platform, runs = handover.platform, handover.runs
    following = [*(chunk.phys for chunk in tracker.chunks[1:]), 0]
    first = tracker.chunks[0].phys if tracker.chunks else 0
    if handover.map_address != first:
        raise EncodeError(f"the root names a tracker at {handover.map_address:#x}, its first chunk lies at {first:#x}")
    for number, (chunk, after) in enumerate(zip(tracker.chunks, following, strict=True)):
        elements = [{"phys_start": start, "bitmap": bitmap} for start, bitmap in chunk.elements]
        header: Values = {"next": after, "order": chunk.order, "num_elms": len(elements)}
        data = encode_array(CHUNK, header, rows(KHOSER_MEM_BITMAP_PTR, elements, platform), platform)
        yield Piece(chunk.phys, data, what.child("chunks").child(str(number)))
    orders = {chunk.order for chunk in tracker.chunks}
    if set(runs.by_order) - orders:
        raise EncodeError(f"the tracker has no chunk for blocks of order {min(set(runs.by_order) - orders)}")
    for order in sorted(orders):
        yield from _bitmaps(handover, [c for c in tracker.chunks if c.order == order], order, tracker.bitmap_bytes, what.child("bitmaps"))


def _bitmaps(handover: Handover, chunks: list[ChunkPage], order: int, size: int, what: EntityPath) -> Pieces:
    """The bitmaps of all chunks of one order."""
    platform, runs = handover.platform, handover.runs
    elements = [element for chunk in chunks for element in chunk.elements]
    span = bitmap_span(size, order, platform.page_shift)
    if any(start % span for start, _ in elements):
        raise EncodeError(f"an element of order {order} does not start where a bitmap of {size} bytes can")
    numbers = np.array([start // span for start, _ in elements], np.uint64)
    of_order = runs.order == order
    first = runs.start[of_order] >> np.uint64(order + platform.page_shift)
    for row, data in filled(numbers, first, runs.count[of_order].astype(np.uint64), size, platform):
        yield Piece(elements[row][1], data, what.child(f"{elements[row][0]:#x}-{order}"))


def _radix(handover: Handover, tracker: RadixTracker, what: EntityPath) -> Pieces:
    shape = RadixShape(handover.platform.page_shift, handover.form.marker_counted)
    if len(tracker.addresses) != shape.depth or len(tracker.prefixes) != shape.depth:
        raise EncodeError(f"a radix tree of {len(tracker.addresses)} levels where this page size has {shape.depth}")
    if tracker.addresses[0].tolist() != [handover.map_address]:
        raise EncodeError(f"the root names a tracker at {handover.map_address:#x}, which is not where the root node of its tree lies")
    if not shape.holds_order0:
        raise EncodeError("kho-v2 on this page size cannot say what is preserved: the bit that tells the order is lost")
    for depth, level in enumerate(range(shape.depth - 1, 0, -1)):
        yield from _inner(handover.platform, shape, tracker, depth, level, what.child(f"L{level}"))
    runs = handover.runs
    shift = runs.order.astype(np.uint64)
    keys = (np.uint64(1) << (np.uint64(shape.order0_bit) - shift)) | (runs.start >> (shift + np.uint64(shape.page_shift)))
    leaves, prefixes = tracker.addresses[-1], tracker.prefixes[-1]
    numbers = prefixes >> np.uint64(shape.leaf_bits)
    for row, data in filled(numbers, keys, runs.count.astype(np.uint64), handover.platform.page_size, handover.platform):
        yield Piece(int(leaves[row]), data, what.child("leaves").child(str(row)))


def _inner(platform: Platform, shape: RadixShape, tracker: RadixTracker, depth: int, level: int, what: EntityPath) -> Iterator[Piece]:
    """The nodes of one inner level, each with the addresses of those below it."""
    nodes, below = tracker.addresses[depth], tracker.addresses[depth + 1]
    slots = 1 << shape.index_bits
    number = tracker.prefixes[depth + 1] >> np.uint64(shape.level_shift(level))
    own = tracker.prefixes[depth] >> np.uint64(shape.level_shift(level) + shape.index_bits)
    by_number = np.argsort(own, kind="stable")
    parent = number >> np.uint64(shape.index_bits)
    found = np.searchsorted(own[by_number], parent)
    lost = found == len(own)
    lost[~lost] = own[by_number][found[~lost]] != parent[~lost]
    if lost.any() or len(np.unique(number)) != len(number):
        raise EncodeError(f"a radix node of level {level - 1} has no place in those above it")
    row = by_number[found]
    slot = (number & np.uint64(slots - 1)).astype(np.int64)
    order = np.argsort(row, kind="stable")
    row, slot, target = row[order], slot[order], below[order]
    for at in range(0, len(nodes), _INNER_BATCH):
        some = slice(*np.searchsorted(row, [at, at + _INNER_BATCH]).tolist())
        entries: U64s = np.zeros((min(_INNER_BATCH, len(nodes) - at), slots), np.uint64)
        entries[row[some] - at, slot[some]] = target[some]
        raw = entries.astype("<u8" if platform.byte_order == "little" else ">u8")
        for node, data in enumerate(raw):
            yield Piece(int(nodes[at + node]), data.tobytes(), what.child(str(at + node)))
