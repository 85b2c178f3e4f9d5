"""Faults of the regions of ``reserve_mem=``: KHO022, 037, 038 and 048."""

from __future__ import annotations

from dataclasses import replace

from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.simulator.faults.case import Case, DoesNotApply, memory_of
from kho_tui.simulator.faults.facet import Breaking
from kho_tui.simulator.faults.fault import Fault, fault
from kho_tui.simulator.faults.find import scratch_pages, with_content, write_value
from kho_tui.simulator.faults.tracker_edit import order_at
from kho_tui.simulator.split import greedy_blocks
from kho_tui.subsystems.memblock.content import Memblock
from kho_tui.subsystems.memblock.plain import PlainMemblock, Region

_MOST_REGIONS = 8


def _regions(case: Case) -> tuple[Region, ...]:
    """The reserve_mem regions. Raises DoesNotApply where there is none."""
    content = next((one.content for one in case.handover.subtrees if one.name == MEMBLOCK_NAME), None)
    if not isinstance(content, PlainMemblock) or not content.regions:
        raise DoesNotApply("no reserve_mem region in this state")
    return content.regions


def _with_region(case: Case, row: int, region: Region) -> None:
    """Another region in place of the one with this number."""
    old = _regions(case)
    with_content(case, MEMBLOCK_NAME, PlainMemblock((*old[:row], region, *old[row + 1 :])))


def _nine_regions(case: Case) -> None:
    found = list(_regions(case))
    while len(found) <= _MOST_REGIONS:
        page = case.free()
        case.keep(page)
        found.append(Region(b"extra%d" % len(found), page, case.page_size))
    with_content(case, MEMBLOCK_NAME, PlainMemblock(tuple(found)))


def _region_empty(case: Case) -> None:
    _with_region(case, 0, replace(_regions(case)[0], size=0))


def _region_not_preserved(case: Case) -> None:
    region = _regions(case)[0]
    shift = case.handover.runs.page_shift
    pfn, order = next(greedy_blocks(region.start >> shift, region.size >> shift))
    case.forget(pfn << shift, order)


def _region_version(case: Case) -> None:
    content = case.subtree(MEMBLOCK_NAME).content
    if not isinstance(content, Memblock) or not content.regions:
        raise DoesNotApply("no reserve_mem region in this state")
    write_value(case, content.regions[0].values, "compatible", b"reserve-mem-v9\0")


def _region_misaligned(case: Case) -> None:
    region = _regions(case)[0]
    _with_region(case, 0, replace(region, start=region.start + 8))


def _region_smaller(case: Case) -> None:
    region = _regions(case)[0]
    if region.size <= case.page_size:
        raise DoesNotApply("the first reserve_mem region of this state has one page")
    _with_region(case, 0, replace(region, size=region.size - case.page_size))


def _region_in_scratch(case: Case) -> None:
    """As a kernel does it: what cannot be revived is allocated in scratch and preserved by the next kexec."""
    region = _regions(case)[0]
    shift = case.handover.runs.page_shift
    order = max((region.size - 1).bit_length() - shift, 0)
    target = next(scratch_pages(case, order))
    old = list(greedy_blocks(region.start >> shift, region.size >> shift))
    new = list(greedy_blocks(target >> shift, region.size >> shift))
    if any(order_at(case.handover.runs, pfn << shift) != order for pfn, order in old):
        raise DoesNotApply("the region is not preserved in the blocks that a kernel makes")
    for pfn, order in old:
        case.forget(pfn << shift, order)
    for pfn, order in new:
        case.keep(pfn << shift, order)
    _with_region(case, 0, replace(region, start=target))


def _regions_share(case: Case) -> None:
    found = _regions(case)
    if len(found) < 2:
        raise DoesNotApply("this state has one reserve_mem region, two are needed")
    small, large = sorted(range(len(found)), key=lambda row: found[row].size)[:2]
    _with_region(case, small, replace(found[small], start=found[large].start))


def _claimed_twice(case: Case) -> None:
    """A region of one page that is the blob of its own subtree."""
    region = _regions(case)[0]
    shift = case.handover.runs.page_shift
    blob, _ = memory_of(case.subtree(MEMBLOCK_NAME).blob)
    _with_region(case, 0, Region(region.name, blob, 1 << shift))


_FAULTS: tuple[Fault, ...] = (
    fault("nine-regions", "KHO037", "memblock hands over nine regions", _nine_regions, "38 120"),
    fault("region-empty", "KHO037", "a reserve_mem region has no memory", _region_empty, "38 47"),
    fault("region-not-preserved", "KHO037", "a page of a reserve_mem region is not preserved", _region_not_preserved),
    fault("region-version", "KHO037", "a reserve_mem region is of a version that no release writes", _region_version, "38 107"),
    fault(
        "region-misaligned",
        "KHO038",
        "a reserve_mem region does not start where the command line wants it aligned",
        _region_misaligned,
        "37 47",
    ),
    fault("region-smaller", "KHO038", "a reserve_mem region is smaller than the command line asks for", _region_smaller, "37 47"),
    fault("region-in-scratch", "KHO022", "a reserve_mem region lies in scratch", _region_in_scratch, "37 38 120 135"),
    fault("two-owners", "KHO048", "two reserve_mem regions share their memory", _regions_share, "37 38 47"),
    fault("region-over-blob", "KHO048", "a reserve_mem region is the memory of a blob", _claimed_twice, "37 38 47"),
)

BREAKING = Breaking(faults=_FAULTS)
