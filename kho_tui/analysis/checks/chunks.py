"""Rules on the kho-v1 tracker: the chain of chunks, its elements, their bitmaps (6.16 to 7.0)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from kho_tui.abi.chunks import CHUNK, SMALL_BITMAP_BYTES, bitmap_spans
from kho_tui.abi.root import Tracker
from kho_tui.analysis.checks.answer import TRACKER, Case, Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.rule import error, rule, warning
from kho_tui.layout.arrays import U64s
from kho_tui.model.content import SubtreeContent
from kho_tui.model.facts import Damaged, Missing
from kho_tui.model.tracker import Chunk, ChunkList, PreservedMap
from kho_tui.text import SafeText

_UNTIL = "7.0"
_LOST = "the next kernel walks it without any check: it hangs, forgets preserved memory, or keeps other memory"


def _chain(evidence: Evidence, found: Found) -> ChunkList | None:
    """The chain of chunks; None where the side has no tracker of this kind, or it cannot be read."""
    root = evidence.side.root
    if not isinstance(root, Missing) and root.format is not None and root.format.tracker is not Tracker.CHUNKS:
        found.not_here(f"{root.format.compatible.decode()} has a radix tree")
        return None
    kept = found.need(evidence.preserved, TRACKER)
    return kept.structure if kept is not None and isinstance(kept.structure, ChunkList) else None


def _at(chunk: Chunk) -> int:
    return chunk.header.place.phys or 0


@rule(
    "KHO013",
    "the chain of chunks ends, its pages are aligned, no chunk claims more than fits, and orders ascend",
    error(until=_UNTIL),
    explanation="next of every chunk leads to an aligned page that was not met before; num_elms is at most (P-16)/16; orders ascend.",
    consequence=_LOST,
    source="kernel/kexec_handover.c, kho_mem_serialize and kho_mem_deserialize (6.16 to 6.18; kernel/liveupdate/kexec_handover.c in 6.19, "
    "7.0)",
)
def chain(evidence: Evidence, found: Found) -> None:
    """Invariant 13."""
    listed = _chain(evidence, found)
    if listed is None:
        return
    where = evidence.tracker_path.child("chunks")
    capacity = CHUNK.capacity(evidence.page_size)
    for chunk in listed.chunks:
        count = chunk.header.integer("num_elms")
        if count > capacity:
            found.broken(f"the chunk at {_at(chunk):#x} claims {count} elements, a page holds {capacity}", where, _at(chunk))
    for one, following in pairwise(listed.chunks):
        orders = one.header.integer("order"), following.header.integer("order")
        if orders[0] > orders[1]:
            found.broken(f"order {orders[1]} at {_at(following):#x} comes after order {orders[0]}", where, _at(following))
    last = listed.chunks[-1]
    behind = last.header.integer("next")
    if behind in {_at(chunk) for chunk in listed.chunks}:
        found.broken(f"the chunk at {_at(last):#x} leads back to {behind:#x}: the chain never ends", where, _at(last))
    elif behind % evidence.page_size:
        found.broken(f"the chunk at {_at(last):#x} leads to {behind:#x}, which is not page aligned", where, _at(last))
    elif evidence.no_ram(behind) and behind:
        found.broken(f"the chunk at {_at(last):#x} leads to {behind:#x}, which is no RAM", where, _at(last))
    elif behind:
        found.lack(TRACKER, f"the chunk at {behind:#x} could not be read")


@rule(
    "KHO014",
    "chunks of one order follow each other, and only the last of them is not full",
    warning(until=_UNTIL),
    explanation="A kernel begins another chunk of an order only when the current one is full.",
    consequence="none by itself: no kernel wrote this list",
    source="kernel/kexec_handover.c, kho_mem_serialize (6.16 to 6.18; kernel/liveupdate/kexec_handover.c in 6.19, 7.0)",
)
def filling(evidence: Evidence, found: Found) -> None:
    """Invariant 14."""
    listed = _chain(evidence, found)
    if listed is None:
        return
    where = evidence.tracker_path.child("chunks")
    capacity = CHUNK.capacity(evidence.page_size)
    seen: set[int] = set()
    for number, chunk in enumerate(listed.chunks):
        order = chunk.header.integer("order")
        follows = number + 1 < len(listed.chunks) and listed.chunks[number + 1].header.integer("order") == order
        if follows and chunk.header.integer("num_elms") < capacity:
            count = chunk.header.integer("num_elms")
            found.broken(
                f"the chunk at {_at(chunk):#x} holds {count} of {capacity} elements, another of order {order} follows", where, _at(chunk)
            )
        if order in seen and listed.chunks[number - 1].header.integer("order") != order:
            found.broken(f"order {order} comes again at {_at(chunk):#x}", where, _at(chunk))
        seen.add(order)
    if isinstance(evidence.whole, Missing):
        found.lack(TRACKER, evidence.whole.reason)


@dataclass(frozen=True, eq=False)
class _Elements:
    """Elements in use in the order of the chain, all of shape (n,): what bit 0 stands for, bitmap, order, address of the element."""

    phys_start: U64s
    bitmap: U64s
    order: U64s
    at: U64s


def _elements(listed: ChunkList) -> _Elements:
    """The elements of the chunks that do not claim more than they hold: which of those are real nobody knows."""
    none = np.empty(0, np.uint64)
    sound = [chunk for chunk in listed.chunks if chunk.header.integer("num_elms") <= len(chunk.elements)]
    tables = [chunk.elements for chunk in sound]
    orders = [np.full(len(chunk.elements), chunk.header.integer("order"), np.uint64) for chunk in sound]
    return _Elements(
        np.concatenate([none, *(one.column("phys_start") for one in tables)]),
        np.concatenate([none, *(one.column("bitmap") for one in tables)]),
        np.concatenate([none, *orders]),
        np.concatenate([none, *(one.addresses for one in tables)]),
    )


def _written_bytes(evidence: Evidence, listed: ChunkList) -> int:
    """The size of bitmaps that the writer's release writes; that of the reading taken where the release is not known."""
    release = evidence.release
    if release is None or evidence.state.registry.roots.written_by(release).tracker is not Tracker.CHUNKS:
        return listed.bitmap_bytes
    return release.bitmap_bytes or evidence.page_size


def misaligned(evidence: Evidence) -> Missing | None:
    """Why blocks of a kho-v1 tracker may stand elsewhere than its bits say: an element that KHO015 finds wrong."""
    kept = evidence.preserved
    if not isinstance(kept, PreservedMap) or not isinstance(kept.structure, ChunkList):
        return None
    some = _elements(kept.structure)
    wrong = some.phys_start % bitmap_spans(_written_bytes(evidence, kept.structure), some.order, evidence.page_shift) != 0
    return Damaged(SafeText("elements of the tracker stand for memory that they cannot (KHO015)")) if wrong.any() else None


@rule(
    "KHO015",
    "elements begin at a multiple of what their bitmap spans, ascend within an order, and do not overlap",
    error(until=_UNTIL),
    explanation="phys_start of each element against its predecessor of the same order and against the span of a bitmap: 4096 bits in 6.16 "
    "and 6.17, one page of bits from 6.18 on.",
    consequence="other memory is kept than was meant; the meant memory is overwritten",
    source="kernel/kexec_handover.c, kho_mem_serialize and deserialize_bitmap (6.16 to 6.18; kernel/liveupdate/kexec_handover.c in 6.19, "
    "7.0)",
)
def elements(evidence: Evidence, found: Found) -> None:
    """Invariant 15."""
    listed = _chain(evidence, found)
    if listed is None:
        return
    some = _elements(listed)
    span = bitmap_spans(_written_bytes(evidence, listed), some.order, evidence.page_shift)
    crooked = np.flatnonzero(some.phys_start % span != 0)
    found.broken_rows(crooked.tolist()[:100], len(crooked), lambda row: _element(evidence, some, row, "is not a multiple of its span"))
    same = some.order[1:] == some.order[:-1]
    falling = np.flatnonzero(same & (some.phys_start[1:] < some.phys_start[:-1])) + 1
    found.broken_rows(falling.tolist()[:100], len(falling), lambda row: _element(evidence, some, row, "is below its predecessor"))
    close = (
        np.flatnonzero(same & (some.phys_start[1:] >= some.phys_start[:-1]) & (some.phys_start[1:] - some.phys_start[:-1] < span[1:])) + 1
    )
    close = close[~np.isin(close, crooked) & ~np.isin(close - 1, crooked)]
    found.broken_rows(close.tolist()[:100], len(close), lambda row: _element(evidence, some, row, "lies within its predecessor's span"))
    _overfull(listed, found)


def _overfull(listed: ChunkList, found: Found) -> None:
    for chunk in listed.chunks:
        if chunk.header.integer("num_elms") > len(chunk.elements):
            found.lack(TRACKER, f"which elements of the chunk at {_at(chunk):#x} are real (KHO013)")


def _element(evidence: Evidence, some: _Elements, row: int, wrong: str) -> Case:
    said = f"element {row} of order {int(some.order[row])}: phys_start {int(some.phys_start[row]):#x} {wrong}"
    return Case(SafeText(said), evidence.tracker_path.child("chunks"), int(some.at[row]))


@rule(
    "KHO016",
    "every element has a bitmap of its own, aligned to its size",
    error(until=_UNTIL),
    explanation="The bitmap pointer is not 0, leads to RAM, is aligned to 512 bytes (6.16, 6.17) or to a page (6.18 on), and no two "
    "elements share it.",
    consequence=_LOST,
    source="kernel/kexec_handover.c, kho_mem_serialize and deserialize_bitmap (6.16 to 6.18; kernel/liveupdate/kexec_handover.c in 6.19, "
    "7.0)",
)
def bitmaps(evidence: Evidence, found: Found) -> None:
    """Invariant 16."""
    listed = _chain(evidence, found)
    if listed is None:
        return
    some = _elements(listed)
    size = _written_bytes(evidence, listed)
    bad = np.flatnonzero((some.bitmap % np.uint64(size) != 0) | (some.bitmap == 0) | evidence.state.host.surely_no_ram(some.bitmap))

    def crooked(row: int) -> Case:
        said = f"element {row} has its bitmap at {int(some.bitmap[row]):#x}: 0, no RAM, or not aligned to {size} bytes"
        return Case(SafeText(said), evidence.tracker_path.child("chunks"), int(some.at[row]))

    found.broken_rows(bad.tolist()[:100], len(bad), crooked)
    order = np.argsort(some.bitmap, kind="stable")
    again = order[1:][(some.bitmap[order][1:] == some.bitmap[order][:-1]) & (some.bitmap[order][1:] != 0)]

    def shared(row: int) -> Case:
        said = f"element {row} has the bitmap at {int(some.bitmap[row]):#x} that another element has"
        return Case(SafeText(said), evidence.tracker_path.child("chunks"), int(some.at[row]))

    found.broken_rows(again.tolist()[:100], len(again), shared)
    _overfull(listed, found)


@rule(
    "KHO132",
    "what kho-v1 says with one string in two formats is in the format of its writer's release",
    warning(until=_UNTIL),
    explanation="Bitmaps are of 512 bytes in 6.16 and 6.17, of a page from 6.18 on; the test module's list is inline in 6.16 and 6.17, a "
    "vmalloc descriptor from 6.18 on. The version strings are the same.",
    consequence="a kernel of the other group reads garbage, or forgets blocks, without a word",
    source="kernel/kexec_handover.c, struct kho_mem_phys_bits; lib/test_kho.c, kho_test_restore_data (6.17 against 6.18)",
)
def one_format(evidence: Evidence, found: Found) -> None:
    """Gotcha 8."""
    listed = _chain(evidence, found)
    release = evidence.release
    if release is None or evidence.state.registry.roots.written_by(release).tracker is not Tracker.CHUNKS:
        if not found.nothing:
            found.lack("release of the writer", "the version string is the same for both formats")
        return
    wanted = release.bitmap_bytes or evidence.page_size
    if listed is not None and _elements(listed).order.size and listed.bitmap_bytes != wanted:
        kind = "small slab objects" if listed.bitmap_bytes == SMALL_BITMAP_BYTES else "pages"
        found.broken(f"its bitmaps can only be {kind}, {release.name} writes them of {wanted} bytes", evidence.tracker_path)
    for subtree in evidence.side.handed_over:
        said = subtree.content.not_as_written_by(release) if isinstance(subtree.content, SubtreeContent) else None
        if said is not None:
            found.broken(said, subtree.path)


RULES = (chain, filling, elements, bitmaps, one_format)
