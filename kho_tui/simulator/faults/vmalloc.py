"""Faults of preserved vmalloc areas: KHO033 to KHO035 and KHO146."""

from __future__ import annotations

from kho_tui.abi.vmalloc import KHO_VMALLOC, KHO_VMALLOC_HDR, KHO_VMALLOC_PHYS
from kho_tui.model.content import Content
from kho_tui.model.facts import Status
from kho_tui.model.vmalloc import DescribedArea, VmallocArea
from kho_tui.simulator.faults.case import Case, DoesNotApply, place_of
from kho_tui.simulator.faults.fault import Fault, fault

_ROUND = 8


def _areas(case: Case) -> list[tuple[VmallocArea, int]]:
    """Every whole area with the address of its descriptor; the longest first."""
    contents = [*(file.content for file in case.side.files), *case.side.contents]
    areas = [area for content in contents if isinstance(content, Content) for area in content.areas()]
    described = [(area.read, area.at) for area in areas if isinstance(area, DescribedArea)]
    whole = [(area, at) for area, at in described if isinstance(area, VmallocArea) and at is not None and _is_whole(area)]
    if not whole:
        raise DoesNotApply("no preserved vmalloc area in this state")
    return sorted(whole, key=lambda described: -described[0].total_pages)


def _is_whole(area: VmallocArea) -> bool:
    return area.status is Status.DECODED and bool(area.chunks and area.chunks[0].used)


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
