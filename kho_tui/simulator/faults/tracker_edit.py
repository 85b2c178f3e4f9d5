"""One block more or less in a Handover: its runs, and the pages of the tracker that have to be there to say so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from kho_tui.abi.chunks import CHUNK, bitmap_span
from kho_tui.abi.radix import RadixShape
from kho_tui.errors import EncodeError
from kho_tui.layout.arrays import U64s
from kho_tui.model.handover import ChunkPage, ChunkTracker, Handover, RadixTracker
from kho_tui.model.runs import Runs, make_runs

NewPage = Callable[[], int]


def order_at(runs: Runs, address: int) -> int | None:
    """The order of the block that starts at an address, None where none does."""
    block = runs.block_at(address)
    if block is None:
        return None
    start, order = runs.expand(block, 1)
    return int(order[0]) if int(start[0]) == address else None


def keep(handover: Handover, address: int, order: int, new_page: NewPage) -> Handover:
    """The handover with one more block, and with what new pages its tracker needs for that."""
    runs = handover.runs
    start, count, orders = (np.append(old, new) for old, new in ((runs.start, address), (runs.count, 1), (runs.order, order)))
    added = make_runs(start.astype(np.uint64), count, orders, runs.page_shift)
    tracker = handover.tracker
    if tracker is None:
        raise EncodeError("a state without a tracker preserves nothing")
    if isinstance(tracker, RadixTracker):
        shape = RadixShape(runs.page_shift, handover.form.marker_counted)
        return replace(handover, runs=added, tracker=with_leaf(tracker, shape, shape.key(address, order), new_page))
    grown = _with_element(tracker, address, order, runs.page_shift, new_page)
    return replace(handover, runs=added, tracker=grown, map_address=grown.chunks[0].phys)


def forget(handover: Handover, address: int, order: int) -> Handover:
    """The handover without a block that it preserves; the tracker's pages stay, as a kernel leaves them."""
    runs = handover.runs
    size = 1 << (order + runs.page_shift)
    row = int(np.flatnonzero((runs.order == order) & (runs.start <= np.uint64(address)) & (np.uint64(address) < runs.ends))[0])
    first, blocks = int(runs.start[row]), int(runs.count[row])
    before = (address - first) // size
    parts = [(first, before), (address + size, blocks - before - 1)]
    start = np.append(np.delete(runs.start, row), [at for at, many in parts if many])
    count = np.append(np.delete(runs.count, row), [many for _, many in parts if many])
    orders = np.append(np.delete(runs.order, row), [order for _, many in parts if many])
    return replace(handover, runs=make_runs(start.astype(np.uint64), count.astype(np.uint64), orders.astype(np.uint8), runs.page_shift))


def with_leaf(tracker: RadixTracker, shape: RadixShape, key: int, new_page: NewPage) -> RadixTracker:
    """The tree with every node on the way to a key."""
    addresses, prefixes = [tracker.addresses[0]], [tracker.prefixes[0]]
    for depth, level in enumerate(range(shape.depth - 1, 0, -1), start=1):
        prefix = key >> shape.level_shift(level) << shape.level_shift(level)
        there, known = tracker.addresses[depth], tracker.prefixes[depth]
        if prefix not in known:
            at = int(np.searchsorted(known, np.uint64(prefix)))
            there, known = np.insert(there, at, np.uint64(new_page())), np.insert(known, at, np.uint64(prefix))
        addresses.append(_frozen(there))
        prefixes.append(_frozen(known))
    return RadixTracker(tuple(addresses), tuple(prefixes))


def with_chunk(tracker: ChunkTracker, at: int, chunk: ChunkPage) -> ChunkTracker:
    """The chain with another chunk in place of the one with this number."""
    return replace(tracker, chunks=(*tracker.chunks[:at], chunk, *tracker.chunks[at + 1 :]))


def _with_element(tracker: ChunkTracker, address: int, order: int, page_shift: int, new_page: NewPage) -> ChunkTracker:
    span = bitmap_span(tracker.bitmap_bytes, order, page_shift)
    start = address // span * span
    of_order = [at for at, chunk in enumerate(tracker.chunks) if chunk.order == order]
    if any(start == one for at in of_order for one, _ in tracker.chunks[at].elements):
        return tracker
    if not of_order:
        at = sum(chunk.order < order for chunk in tracker.chunks)
        made = ChunkPage(new_page(), order, ((start, new_page()),))
        return replace(tracker, chunks=(*tracker.chunks[:at], made, *tracker.chunks[at:]))
    chunk = tracker.chunks[of_order[-1]]
    if len(of_order) > 1 or len(chunk.elements) == CHUNK.capacity(1 << page_shift):
        raise EncodeError(f"the chunks of order {order} have no room for one more element")
    elements = tuple(sorted((*chunk.elements, (start, new_page()))))
    return with_chunk(tracker, of_order[-1], replace(chunk, elements=elements))


def _frozen(array: U64s) -> U64s:
    array = array.astype(np.uint64)
    array.flags.writeable = False
    return array
