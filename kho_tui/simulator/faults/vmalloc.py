"""Faults of preserved vmalloc areas: KHO033 to KHO035 and KHO146. The area is the folio array of a memfd, or the test module's list."""

from __future__ import annotations

from kho_tui.abi.vmalloc import KHO_VMALLOC, KHO_VMALLOC_HDR, KHO_VMALLOC_PHYS
from kho_tui.layout.struct import field_named
from kho_tui.model.contents.kho_test import KhoTest
from kho_tui.model.contents.memfd import Memfd
from kho_tui.model.facts import Missing, Status
from kho_tui.model.vmalloc import VmallocArea
from kho_tui.simulator.faults.case import Case, DoesNotApply, place_of
from kho_tui.simulator.faults.fault import Fault, fault
from kho_tui.simulator.faults.find import memfds

_ROUND = 8


def _areas(case: Case) -> list[tuple[VmallocArea, int]]:
    """Every whole area with the address of its descriptor; the longest first."""
    found: list[tuple[VmallocArea, int]] = []
    for _, memfd in memfds(case):
        if not isinstance(memfd.folios, Missing):
            found.append((memfd.folios.area, place_of(memfd.record) + _embedded(memfd)))
    for subtree in case.side.handed_over:
        content = subtree.content
        if isinstance(content, KhoTest) and isinstance(content.area, VmallocArea):
            info = field_named(content.properties, "folios_info")
            if info is not None and info.place.phys is not None:
                found.append((content.area, info.place.phys))
    whole = [one for one in found if one[0].status is Status.DECODED and one[0].chunks and one[0].chunks[0].used]
    if not whole:
        raise DoesNotApply("no preserved vmalloc area in this state")
    return sorted(whole, key=lambda one: -one[0].total_pages)


def _embedded(memfd: Memfd) -> int:
    layout = memfd.format.layout
    return layout.span(f"folios.{KHO_VMALLOC.fields[0].name}")[0]


def _cycle(case: Case) -> None:
    area, _ = _areas(case)[0]
    case.put(KHO_VMALLOC_HDR, place_of(area.chunks[-1].header), next=place_of(area.chunks[0].header))


def _hole(case: Case) -> None:
    area, _ = _areas(case)[0]
    chunk = area.chunks[0]
    if chunk.used < 2:
        raise DoesNotApply("no vmalloc area of this state has two entries")
    case.put(KHO_VMALLOC_PHYS, int(chunk.entries.addresses[chunk.used - 2]), phys=0)


def _total(case: Case) -> None:
    area, at = _areas(case)[0]
    case.put(KHO_VMALLOC, at, total_pages=area.total_pages + 1)


def _flags(case: Case) -> None:
    area, at = _areas(case)[0]
    case.put(KHO_VMALLOC, at, flags=area.flags | 4)


def _no_flags(case: Case) -> None:
    _, at = _areas(case)[0]
    case.put(KHO_VMALLOC, at, flags=0)


def _order(case: Case) -> None:
    _, at = _areas(case)[0]
    case.put(KHO_VMALLOC, at, order=11)


def _entry_unaligned(case: Case) -> None:
    """The last page of the area, moved to where it does not start at a page; both pages that it touches are preserved."""
    area, _ = _areas(case)[0]
    chunk = area.chunks[-1] if area.chunks[-1].used else area.chunks[-2]
    row = chunk.used - 1
    size = case.page_size << area.order
    data = case.read(int(chunk.entries.column("phys")[row]), size)
    to = case.free(area.order + 1)
    case.write(to, (bytes(_ROUND) + data).ljust(2 * size, b"\0"))
    case.keep(to, area.order)
    case.keep(to + size, area.order)
    case.put(KHO_VMALLOC_PHYS, int(chunk.entries.addresses[row]), phys=to + _ROUND)


def _forget_chunk(case: Case) -> None:
    area, _ = _areas(case)[0]
    case.forget(place_of(area.chunks[0].header), 0)


def _forget_entry(case: Case) -> None:
    area, _ = _areas(case)[0]
    case.forget(int(area.chunks[0].entries.column("phys")[0]), area.order)


VMALLOC_FAULTS: tuple[Fault, ...] = (
    fault("vmalloc-cycle", "KHO033", "the chunks of a vmalloc area come back to the first", _cycle, "34 45 49 105"),
    fault("vmalloc-hole", "KHO033", "an entry in the middle of a vmalloc area's list is 0", _hole, "34 45 47 49 103 106"),
    fault("vmalloc-total", "KHO034", "a vmalloc area claims one page more than it lists", _total, "33 45 49 106"),
    fault("vmalloc-flags", "KHO034", "a vmalloc area has a flag that no kernel sets", _flags),
    fault("vmalloc-no-flags", "KHO146", "a vmalloc area has no flag", _no_flags),
    fault("vmalloc-order", "KHO034", "the entries of a vmalloc area are said to be of order 11", _order, "33 35 45 49 103 106"),
    fault("vmalloc-unaligned", "KHO034", "an entry of a vmalloc area does not start at a page", _entry_unaligned, "35 45 47 48"),
    fault("vmalloc-chunk-not-preserved", "KHO035", "a chunk of a vmalloc area is not preserved", _forget_chunk),
    fault("vmalloc-page-not-preserved", "KHO035", "a page of a vmalloc area is not preserved", _forget_entry),
)
