"""Faults of the tracker's own pages: KHO013 to 018, 023 and 024."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kho_tui.abi.chunks import CHUNK, KHOSER_MEM_BITMAP_PTR, KHOSER_MEM_CHUNK_HDR, bitmap_span
from kho_tui.abi.radix import KHO_RADIX_ENTRY, RadixShape
from kho_tui.model.handover import ChunkPage, ChunkTracker, Handover, RadixTracker
from kho_tui.simulator.faults.case import Case, DoesNotApply
from kho_tui.simulator.faults.fault import Fault, fault, has_chunks, has_radix
from kho_tui.simulator.faults.find import scratch_pages
from kho_tui.simulator.faults.tracker_edit import with_chunk, with_leaf


def _chain(case: Case) -> ChunkTracker:
    tracker = case.handover.tracker
    if not isinstance(tracker, ChunkTracker):
        raise DoesNotApply("this state names no chunk list: it is not finalized")
    return tracker


def _tree(case: Case) -> RadixTracker:
    tracker = case.handover.tracker
    assert isinstance(tracker, RadixTracker)
    return tracker


def _shape(handover: Handover) -> RadixShape:
    return RadixShape(handover.runs.page_shift, handover.form.marker_counted)


def _chunk_cycle(case: Case) -> None:
    chunks = _chain(case).chunks
    case.put(KHOSER_MEM_CHUNK_HDR, chunks[-1].phys, next=chunks[0].phys)


def _chunk_unaligned(case: Case) -> None:
    chunks = _chain(case).chunks
    case.put(KHOSER_MEM_CHUNK_HDR, chunks[-1].phys, next=chunks[-1].phys + 8)


def _chunk_overfull(case: Case) -> None:
    case.put(KHOSER_MEM_CHUNK_HDR, _chain(case).chunks[-1].phys, num_elms=CHUNK.capacity(case.page_size) + 1)


def _orders_descend(case: Case) -> None:
    tracker = _chain(case)
    if len({chunk.order for chunk in tracker.chunks}) < 2:
        raise DoesNotApply("this state has blocks of one order only")
    turned = tracker.chunks[::-1]
    case.become(replace(case.handover, tracker=replace(tracker, chunks=turned), map_address=turned[0].phys))


def _chunk_half_full(case: Case) -> None:
    """The last chunk's elements, the last of them in a chunk of its own."""
    tracker = _chain(case)
    last = tracker.chunks[-1]
    if not last.elements:
        raise DoesNotApply("the last chunk of this state is empty")
    cut = max(1, len(last.elements) - 1)
    parts = (replace(last, elements=last.elements[:cut]), ChunkPage(case.free(), last.order, last.elements[cut:]))
    case.become(replace(case.handover, tracker=replace(tracker, chunks=(*tracker.chunks[:-1], *parts))))


def _element(case: Case, chunk: ChunkPage, row: int) -> int:
    """Address of an element."""
    return chunk.phys + CHUNK.header_size + row * KHOSER_MEM_BITMAP_PTR.size


def _elements_descend(case: Case) -> None:
    tracker = _chain(case)
    for at, chunk in enumerate(tracker.chunks):
        if len(chunk.elements) > 1:
            turned = with_chunk(tracker, at, replace(chunk, elements=chunk.elements[::-1]))
            case.become(replace(case.handover, tracker=turned))
            return
    raise DoesNotApply("no chunk of this state has two elements")


def _extra_element(case: Case, start: int | None, bitmap: int) -> None:
    """One more element at the end of a chunk; without ``start`` it speaks of memory behind all others."""
    tracker = _chain(case)
    chunk = tracker.chunks[0]
    many = len(chunk.elements)
    if not 0 < many < CHUNK.capacity(case.page_size):
        raise DoesNotApply("the first chunk of this state is empty or full")
    span = bitmap_span(tracker.bitmap_bytes, chunk.order, case.handover.runs.page_shift)
    last = chunk.elements[-1][0]
    case.put(KHOSER_MEM_BITMAP_PTR, _element(case, chunk, many), phys_start=last + span if start is None else start, bitmap=bitmap)
    case.put(KHOSER_MEM_CHUNK_HDR, chunk.phys, num_elms=many + 1)


def _elements_overlap(case: Case) -> None:
    page = case.free()
    case.write(page, bytes(case.page_size))
    _extra_element(case, _chain(case).chunks[0].elements[-1][0], page)


def _bitmap_zero(case: Case) -> None:
    _extra_element(case, None, 0)


def _bitmap_shared(case: Case) -> None:
    _extra_element(case, None, _chain(case).chunks[0].elements[-1][1])


def _lowest_inner(case: Case) -> tuple[int, int]:
    """Address of a node just above the leaves, and of its last slot, which is empty."""
    node = int(_tree(case).addresses[-2][-1])
    slot = node + case.page_size - KHO_RADIX_ENTRY.size
    if any(case.read(slot, KHO_RADIX_ENTRY.size)):
        raise DoesNotApply("the tree has a node without an empty last slot")
    return node, slot


def _node_twice(case: Case) -> None:
    case.put(KHO_RADIX_ENTRY, _lowest_inner(case)[1], table=int(_tree(case).addresses[-1][0]))


def _tree_cycle(case: Case) -> None:
    case.put(KHO_RADIX_ENTRY, _lowest_inner(case)[1], table=int(_tree(case).addresses[0][0]))


def _node_unaligned(case: Case) -> None:
    case.put(KHO_RADIX_ENTRY, _lowest_inner(case)[1], table=int(_tree(case).addresses[-1][-1]) + 8)


def _key_beyond(case: Case) -> None:
    """A key with its marker one bit above that of order 0, by a way of new nodes."""
    handover, tree = case.handover, _tree(case)
    shape = _shape(handover)
    key = 1 << (shape.order0_bit + 1)
    if key >> shape.level_shift(shape.depth - 1) >= 1 << shape.index_bits:
        raise DoesNotApply("the root node of this page size has no slot for such a key")
    case.become(replace(handover, tracker=with_leaf(tree, shape, key, case.free)))
    leaf = np.flatnonzero(_tree(case).prefixes[-1] == np.uint64(key))
    at = int(_tree(case).addresses[-1][int(leaf[0])]) + key % (1 << shape.leaf_bits) // 64 * 8
    case.write(at, case.u64(1 << key % 64))


def _tracker_page(case: Case) -> int:
    tracker = case.handover.tracker
    return tracker.chunks[-1].phys if isinstance(tracker, ChunkTracker) else int(_tree(case).addresses[-1][-1])


def _tracker_kept(case: Case) -> None:
    if case.handover.tracker is None:
        raise DoesNotApply("this state has no tracker yet: it is not finalized")
    case.keep(_tracker_page(case))


def _tracker_in_scratch(case: Case) -> None:
    handover = case.handover
    tracker, page = handover.tracker, next(scratch_pages(case))
    if isinstance(tracker, RadixTracker):
        leaves = tracker.addresses[-1].copy()
        leaves[-1] = page
        case.become(replace(handover, tracker=replace(tracker, addresses=(*tracker.addresses[:-1], leaves))))
        return
    chain = _chain(case)
    moved = with_chunk(chain, len(chain.chunks) - 1, replace(chain.chunks[-1], phys=page))
    case.become(replace(handover, tracker=moved, map_address=moved.chunks[0].phys))


TRACKER_FAULTS: tuple[Fault, ...] = (
    fault("chunk-cycle", "KHO013", "the chunk chain comes back to its first chunk", _chunk_cycle, "105", has_chunks),
    fault("chunk-unaligned", "KHO013", "a chunk does not start at a page", _chunk_unaligned, "103 104", has_chunks),
    fault("chunk-overfull", "KHO013", "a chunk claims more elements than fit", _chunk_overfull, "15 16 104 106", has_chunks),
    fault("chunk-orders-descend", "KHO013", "the orders of the chunks descend", _orders_descend, "", has_chunks),
    fault("chunk-half-full", "KHO014", "a chunk that is not full has a successor of its order", _chunk_half_full, "120", has_chunks),
    fault("elements-descend", "KHO015", "the elements of a chunk descend", _elements_descend, "", has_chunks),
    fault("elements-overlap", "KHO015", "two elements speak of the same memory", _elements_overlap, "120", has_chunks),
    fault("bitmap-zero", "KHO016", "an element has no bitmap", _bitmap_zero, "104", has_chunks),
    fault("bitmap-shared", "KHO016", "two elements have one bitmap", _bitmap_shared, "20 47 104", has_chunks),
    fault("radix-node-twice", "KHO017", "a node of the tree is reached on two ways", _node_twice, "20 22 47 105", has_radix),
    fault("radix-cycle", "KHO017", "a node of the tree points back at the root node", _tree_cycle, "18 20 105", has_radix),
    fault("radix-unaligned", "KHO017", "an entry of the tree is not page aligned", _node_unaligned, "104", has_radix),
    fault("radix-key", "KHO018", "the tree holds a key that stands for no order", _key_beyond, "113", has_radix),
    fault("tracker-preserved", "KHO023", "a page of the tracker is preserved", _tracker_kept, "47 48"),
    fault("tracker-in-scratch", "KHO024", "a page of the tracker lies in scratch", _tracker_in_scratch),
)
