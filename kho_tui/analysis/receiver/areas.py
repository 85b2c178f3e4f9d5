"""Whether kho_restore_vmalloc gives a vmalloc area back (kernel/kexec_handover.c 6.18, kernel/liveupdate/kexec_handover.c 6.19-7.3)."""

from __future__ import annotations

import numpy as np

from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.analysis.receiver.reserved import Reserved
from kho_tui.analysis.receiver.sections import Sections, trips_at
from kho_tui.analysis.receiver.verdict import Fails
from kho_tui.layout.arrays import U64s
from kho_tui.model.facts import Missing, Status, Unavailable
from kho_tui.model.vmalloc import VmallocArea

_INT_BITS = 32
_MOST_PAGES = 1 << 28
"""Pages whose list of pointers kvmalloc_array refuses: more than INT_MAX bytes."""


def area_fault(area: VmallocArea, reserved: Reserved, sections: Sections | Missing) -> Fails | Missing | None:
    """What is wrong with it: entries have to make up total_pages, each page of them and of the list a block of the expected order.

    Chunks are read where they are said to be, unchecked. Without an outcome of its own: the area is not restored.
    """
    page = 1 << reserved.runs.page_shift
    if area.total_pages > _MOST_PAGES:
        return Fails(f"its vmalloc area is said to have {area.total_pages} pages: the kernel has no room to list them")
    if area.order >= _INT_BITS:
        return Fails(f"its vmalloc area has order {area.order}: what a shift by so much gives is not known", Outcome.WILD)
    chunks, entries = area_chunks(area), area.entries(page)
    missing = reserved.unmarked(entries, area.order)
    if missing is not None:
        return Fails(f"{missing:#x} of its vmalloc area is not preserved", warns=True)
    if len(entries) << area.order > area.total_pages:
        return Fails(f"its vmalloc area: {area.reason}")
    missing = reserved.unmarked(chunks, 0)
    if missing is not None:
        return Fails(f"{missing:#x} of its vmalloc area is not preserved", warns=True)
    pages = np.sort(np.concatenate([entries, chunks]))
    again = pages[1:][pages[1:] == pages[:-1]]
    if len(again):
        return Fails(f"{int(again[0]):#x} of its vmalloc area is named twice, and restored once only", warns=True)
    # Only behind entries and a chunk that it could take does the kernel go on to the next chunk, wherever that is said to be.
    behind = area.chunks[-1].header.integer("next") if area.chunks else area.first
    trips = trips_at(sections, behind, Outcome.OOPS) if behind else None
    if trips is not None:
        return Fails(f"its vmalloc area goes on at {behind:#x}, where no memory is: the kernel oopses as it reads it", trips)
    if behind % page:
        return Fails(f"its vmalloc area: {area.reason}", Outcome.WILD)
    if area.status is Status.DAMAGED:
        return Fails(f"its vmalloc area: {area.reason}")
    return None if reserved.whole and area.status is Status.DECODED else Unavailable(area.reason)


def area_chunks(area: VmallocArea) -> U64s:
    """Physical addresses of its chunk pages."""
    return np.array([chunk.header.place.phys for chunk in area.chunks if chunk.header.place.phys is not None], np.uint64)
