"""Faults of the blocks that the tracker lists: KHO020 to 022, 026, 047, 048 and 149, and the split at the border of two nodes."""

from __future__ import annotations

from dataclasses import replace

from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.model.contents.memblock import Region
from kho_tui.releases.ranges import Range
from kho_tui.simulator.faults.case import Case, DoesNotApply, memory_of, need
from kho_tui.simulator.faults.fault import Fault, fault, has_radix, written_in
from kho_tui.simulator.faults.find import regions, scratch_pages, with_region
from kho_tui.simulator.faults.tracker_edit import order_at
from kho_tui.simulator.split import greedy_blocks


def _outside_ram(case: Case) -> None:
    page = case.page_size
    case.keep(-(-case.ram_end() // page) * page + page)


def _huge(case: Case) -> None:
    order = 31 - case.handover.runs.page_shift
    size = 1 << 31
    case.keep((case.ram_end() // size + 1) * size, order)


def _overlap(case: Case) -> None:
    """A block of order 1 over the memory of a plain page; the two start at one address where that is even."""
    runs, page = case.handover.runs, case.page_size
    start, order = runs.expand(0, min(runs.blocks, 1 << 16))
    for at in start[order == 0].tolist():
        if at != case.root_at and not runs.covers(at ^ page) and not case.image.available(at ^ page, 1):
            case.keep(at & ~page, 1)
            return
    raise DoesNotApply("no page of this state stands alone")


def _in_scratch(case: Case) -> None:
    case.keep(next(scratch_pages(case)))


def _region_in_scratch(case: Case) -> None:
    """As a kernel does it: what cannot be revived is allocated in scratch and preserved by the next kexec."""
    region = regions(case)[0]
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
    with_region(case, 0, replace(region, start=target))


def _regions_share(case: Case) -> None:
    found = regions(case)
    if len(found) < 2:
        raise DoesNotApply("this state has one reserve_mem region, two are needed")
    small, large = sorted(range(len(found)), key=lambda row: found[row].size)[:2]
    with_region(case, small, replace(found[small], start=found[large].start))


def _split_at_node(case: Case) -> None:
    """Two blocks that would be one but for the border of two nodes between them."""
    nodes = case.state.host.nodes
    borders = {one.start for one in nodes} & {one.start + one.size for one in nodes}
    for border in sorted(borders):
        size = border & -border
        if case.unused(border - size, 2 * size):
            case.keep(border - size, (size // case.page_size).bit_length() - 1)
            case.keep(border, (size // case.page_size).bit_length() - 1)
            return
    raise DoesNotApply("no border of two nodes in this state has free memory on both sides that makes one block")


def _kernel_image(case: Case) -> None:
    """The first page of the running kernel that is not captured, as its code is never."""
    page = case.page_size
    for part in need(case.state.host.kernel):
        at = -(-part.start // page) * page
        if not case.image.available(at, 1) and not case.handover.runs.covers(at):
            case.keep(at)
            return
    raise DoesNotApply("the capture does not tell where the running kernel lies")


def _leak(case: Case) -> None:
    case.keep(case.free())


def _claimed_twice(case: Case) -> None:
    """A region of one page that is the blob of its own subtree."""
    region = regions(case)[0]
    shift = case.handover.runs.page_shift
    blob, _ = memory_of(case.subtree(MEMBLOCK_NAME).blob)
    with_region(case, 0, Region(region.name, blob, 1 << shift))


BLOCK_FAULTS: tuple[Fault, ...] = (
    fault("block-outside-ram", "KHO020", "a preserved block lies behind the end of RAM", _outside_ram, "47 120"),
    fault("blocks-overlap", "KHO021", "a block lies over another one", _overlap, "11 12 35 37 40 41 44 45 47 48 49"),
    fault("block-in-scratch", "KHO022", "a preserved block lies in scratch", _in_scratch, "47 120"),
    fault("region-in-scratch", "KHO022", "a reserve_mem region lies in scratch", _region_in_scratch, "37 38 120 135"),
    fault(
        "block-2g", "KHO026", "a block of 2 GiB, which 6.16 to 7.1 reserve wrongly", _huge, "20 25 47 120", written_in(Range("6.16", "7.1"))
    ),
    fault("node-split", "KHO133", "a range was split at the border of two nodes", _split_at_node, "47 120", has_radix),
    fault("kernel-image-preserved", "KHO149", "a page of the running kernel's own image is preserved", _kernel_image, "47 120"),
    fault("leak", "KHO047", "a page is preserved that nothing names (unknown beside FLBs)", _leak, "120"),
    fault("two-owners", "KHO048", "two reserve_mem regions share their memory", _regions_share, "37 38 47"),
    fault("region-over-blob", "KHO048", "a reserve_mem region is the memory of a blob", _claimed_twice, "37 38 47"),
)
