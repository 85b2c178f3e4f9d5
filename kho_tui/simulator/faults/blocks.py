"""Faults of the blocks that the tracker lists: KHO020 to 022, 026, 047, 048 and 149, and the split at the border of two nodes."""

from __future__ import annotations

from kho_tui.releases.ranges import Range
from kho_tui.simulator.faults.case import Case, DoesNotApply, need
from kho_tui.simulator.faults.fault import Fault, fault, has_radix, written_in
from kho_tui.simulator.faults.find import scratch_pages


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


BLOCK_FAULTS: tuple[Fault, ...] = (
    fault("block-outside-ram", "KHO020", "a preserved block lies behind the end of RAM", _outside_ram, "47 120"),
    fault("blocks-overlap", "KHO021", "a block lies over another one", _overlap, "11 12 35 37 40 41 44 45 47 48 49"),
    fault("block-in-scratch", "KHO022", "a preserved block lies in scratch", _in_scratch, "47 120"),
    fault(
        "block-2g", "KHO026", "a block of 2 GiB, which 6.16 to 7.1 reserve wrongly", _huge, "20 25 47 120", written_in(Range("6.16", "7.1"))
    ),
    fault("node-split", "KHO133", "a range was split at the border of two nodes", _split_at_node, "47 120", has_radix),
    fault("kernel-image-preserved", "KHO149", "a page of the running kernel's own image is preserved", _kernel_image, "47 120"),
    fault("leak", "KHO047", "a page is preserved that nothing names (unknown beside FLBs)", _leak, "120"),
)
