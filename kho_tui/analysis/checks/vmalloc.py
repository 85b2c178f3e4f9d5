"""Rules on preserved vmalloc areas: the descriptor, the chain of chunks, the pages (6.18 on)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kho_tui.abi.vmalloc import VMALLOC_CHUNK
from kho_tui.analysis.checks.answer import TRACKER, Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.rule import error, rule, warning
from kho_tui.model.facts import Damaged, Missing, Status
from kho_tui.model.vmalloc import DescribedArea, VmallocArea

_LOST = "kho_restore_vmalloc gives NULL: the file, or the test's list, is lost"
_DROPPED = "none by itself: kho_restore_vmalloc drops flags that it does not know"
_FLAGS = 3
_MOST_ORDER = 20


def _ended(area: VmallocArea) -> bool:
    """Whether the chain was followed to its end."""
    return bool(area.chunks) and area.chunks[-1].header.integer("next") == 0


def _unread(area: DescribedArea) -> int:
    """The chunk at which following the chain ended, 0 where it was followed to its end."""
    if isinstance(area.read, Missing) or not area.read.chunks:
        return area.first
    return area.read.chunks[-1].header.integer("next")


def _read(area: DescribedArea, found: Found) -> VmallocArea | None:
    """The area where its chain was followed to its end; why not is noted as a lack."""
    listed = found.need(area.read, f"page list of {area.path}")
    if listed is not None and not _ended(listed):
        found.lack(f"page list of {area.path}", listed.reason or "it is not there")
        return None
    return listed


def _entries(area: VmallocArea) -> npt.NDArray[np.uint64]:
    return np.concatenate([np.empty(0, np.uint64), *(chunk.entries.column("phys")[: chunk.used] for chunk in area.chunks)])


@rule(
    "KHO033",
    "a page list ends, has one chunk more than are full, and no entry behind a zero",
    error("6.18"),
    explanation="The chain of chunks against floor(n/C)+1 for n entries and C to a chunk: the writer begins a new chunk as soon as one is "
    "full, so that where n is a multiple of C the last chunk is empty.",
    consequence=_LOST + "; a loop makes it hang",
    source="kernel/liveupdate/kexec_handover.c, kho_preserve_vmalloc, kho_restore_vmalloc (6.19 to 7.3; kernel/kexec_handover.c in 6.18)",
)
def chain(evidence: Evidence, found: Found) -> None:
    """Invariant 33."""
    capacity = VMALLOC_CHUNK.capacity(evidence.page_size)
    for area in evidence.areas(found):
        listed = area.read
        if isinstance(listed, Missing):
            if isinstance(listed, Damaged) and area.order <= _MOST_ORDER:
                found.broken(str(listed.reason), area.path, area.first or None)
            else:
                found.lack(f"page list of {area.path}", listed.reason)
            continue
        for chunk in listed.chunks:
            if chunk.used < capacity and bool(chunk.entries.column("phys")[chunk.used :].any()):
                found.broken(
                    f"an entry behind a zero in the chunk at {chunk.header.place.phys or 0:#x}", area.path, chunk.header.place.phys
                )
        if not _ended(listed):
            if listed.status is Status.DAMAGED and listed.chunks:
                found.broken(str(listed.reason), area.path, listed.chunks[-1].header.place.phys)
            elif listed.order <= _MOST_ORDER:
                found.lack(f"page list of {area.path}", listed.reason or "it is not there")
            continue
        for chunk in listed.chunks[:-1]:
            if chunk.used < capacity:
                at = chunk.header.place.phys
                found.broken(f"{chunk.used} of {capacity} entries in the chunk at {at or 0:#x}, and another follows", area.path, at)
        if listed.chunks[-1].used == capacity:
            at = listed.chunks[-1].header.place.phys
            found.broken(f"the last chunk at {at or 0:#x} is full: an empty one has to follow", area.path, at)


@rule(
    "KHO034",
    "a page list holds what its descriptor says",
    error("6.18"),
    explanation="total_pages is a multiple of 2^order and that many times the entries; order is at most MAX_PAGE_ORDER as it is by default;"
    " flags beyond VM_ALLOC (1) and VM_ALLOW_HUGE_VMAP (2) are a warning; entries are aligned to their size.",
    consequence=_LOST,
    source="kernel/liveupdate/kexec_handover.c, kho_preserve_vmalloc, kho_restore_vmalloc (6.19 to 7.3; kernel/kexec_handover.c in 6.18)",
)
def descriptor(evidence: Evidence, found: Found) -> None:
    """Invariant 34."""
    for area in evidence.areas(found):
        order = area.order
        if order > evidence.max_order:
            configured = evidence.state.machine.arch == "arm64" and order <= _MOST_ORDER
            found.broken(f"entries of order {order}", area.path, area.first, severity="warning" if configured else None)
        if order > _MOST_ORDER:
            continue
        if area.total_pages % (1 << order):
            found.broken(f"{area.total_pages} pages are no multiple of entries of order {order}", area.path, area.first)
        if area.flags & ~_FLAGS:
            found.broken(f"flags {area.flags:#x}", area.path, area.first, severity="warning", consequence=_DROPPED)
        listed = _read(area, found)
        if listed is None:
            continue
        entries = _entries(listed)
        if len(entries) << order != area.total_pages:
            found.broken(f"{len(entries)} entries of order {order} where {area.total_pages} pages are claimed", area.path, area.first)
        crooked = np.flatnonzero(entries % np.uint64(evidence.page_size << order))
        for row in crooked.tolist()[:100]:
            found.broken(f"entry {row} {int(entries[row]):#x} is not aligned to its order {order}", area.path, int(entries[row]))


@rule(
    "KHO035",
    "every chunk and every entry of a page list is preserved, each as one block",
    error("6.18"),
    explanation="A block of order 0 begins at every chunk, one of the descriptor's order at every entry.",
    consequence=_LOST,
    source="kernel/liveupdate/kexec_handover.c, new_vmalloc_chunk, kho_restore_vmalloc (6.19 to 7.3; kernel/kexec_handover.c in 6.18)",
)
def kept(evidence: Evidence, found: Found) -> None:
    """Invariant 35."""
    if isinstance(evidence.preserved, Missing):
        found.lack(TRACKER, evidence.preserved.reason)
    evidence.doubted(found)
    for area in evidence.areas(found):
        listed = found.need(area.read, f"page list of {area.path}")
        at = _unread(area)
        if at and not evidence.is_block(found, at, 0):
            found.broken(f"no block of order 0 begins at the chunk at {at:#x}", area.path, at)
        if listed is None or isinstance(evidence.preserved, Missing):
            continue
        if not _ended(listed):
            found.lack(f"page list of {area.path}", listed.reason or "it is not there")
        chunks = np.array([chunk.header.place.phys or 0 for chunk in listed.chunks], np.uint64)
        entries = _entries(listed)
        entries = entries[entries % np.uint64(evidence.page_size << min(area.order, _MOST_ORDER)) == 0]
        for what, addresses, order in (("chunk", chunks, 0), ("entry", entries, area.order)):
            lost = np.flatnonzero(~evidence.index.begins(addresses, order))
            if len(lost) and isinstance(evidence.whole, Missing):
                found.lack(TRACKER, evidence.whole.reason)
                lost = lost[evidence.state.host.surely_no_ram(addresses[lost])]
            for row in lost.tolist()[:100]:
                at = int(addresses[row])
                found.broken(f"no block of order {order} begins at {what} {row} at {at:#x}", area.path, at)


@rule(
    "KHO146",
    "a vmalloc area has a flag",
    warning("6.18"),
    explanation="flags of each descriptor are not 0: every area of vmalloc() has VM_ALLOC, and huge ones VM_ALLOW_HUGE_VMAP too.",
    consequence="none that was seen: the area is mapped with neither flag; no kernel writes such a descriptor",
    source="kernel/liveupdate/kexec_handover.c, vmalloc_flags_to_kho, kho_restore_vmalloc (6.19 to 7.3; kernel/kexec_handover.c in 6.18)",
)
def flags(evidence: Evidence, found: Found) -> None:
    """What vmalloc_flags_to_kho makes of an area."""
    for area in evidence.areas(found):
        if not area.flags:
            found.broken("flags 0: neither VM_ALLOC nor VM_ALLOW_HUGE_VMAP", area.path, area.first or None)


RULES = (chain, descriptor, kept, flags)
