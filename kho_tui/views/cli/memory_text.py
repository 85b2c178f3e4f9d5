"""``show --memory`` as text: what KHO costs, and why scratch is free and yet not usable."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator

from kho_tui.layout.struct import Unit
from kho_tui.model.facts import Fact, Missing, known
from kho_tui.operations.memory_cost import MemoryCost
from kho_tui.text import human_size, plural
from kho_tui.views.format import format_value

_WIDTH = 78
_NAME = 14


def print_memory(cost: MemoryCost) -> None:
    """Write the accounts to stdout."""
    for line in memory_lines(cost):
        sys.stdout.write(f"{line}\n")


def memory_lines(cost: MemoryCost) -> Iterator[str]:
    """The lines of the accounts."""
    yield _line("RAM", cost.ram, f"{'at least: ' + cost.ram_bound + '; ' if cost.ram_bound else ''}System RAM of /proc/iomem")
    for node in cost.nodes:
        yield f"  {node.name:<{_NAME - 2}} {node.start:#x}-{node.start + node.size:#x}  {human_size(node.memory)}"
    yield from _scratch(cost)
    bound = f"at least (tracker {cost.bound})" if cost.bound else f"side {cost.side}"
    told = plural(cost.blocks, "block") + ", " + bound if isinstance(cost.blocks, int) else ""
    yield _line("preserved", cost.preserved, told)
    yield from (f"  {kind.name:<{_NAME - 2}} {format_value(size, Unit.BYTES)}: {kind.meaning}" for kind, size in cost.content.items())
    yield from _rest(cost)
    # Blocks lengthen what an owner claims, so that a tracker cut short makes metadata a lower bound too.
    lower = "at least " if cost.bound or cost.owners_bound else ""
    own = "at least; tracker and metadata" if lower else "tracker and metadata"
    yield _line("KHO's own", _own(cost), own)
    yield _line("  tracker", cost.tracker, f"{'at least; ' if cost.bound else ''}not preserved: read at boot, then given back")
    yield f"{'  metadata':<{_NAME}} {lower}{format_value(cost.metadata_bytes, Unit.BYTES)}, part of preserved:"
    yield from (f"    {kind.name:<{_NAME - 4}} {format_value(size, Unit.BYTES)}: {kind.meaning}" for kind, size in cost.metadata.items())
    yield "kernel's counters (/proc/meminfo)"
    yield from (_line(f"  {name}", value, "") for name, value in cost.counters.items())
    yield ""
    yield from textwrap.wrap(" ".join(sentences(cost)), _WIDTH)


def sentences(cost: MemoryCost) -> Iterator[str]:
    """What an engineer has to know of scratch, true in 6.16 to 7.3."""
    bound = "at least " if cost.areas_bound else ""
    size = f" ({bound}{human_size(cost.scratch)} here)" if isinstance(cost.scratch, int) else ""
    yield f"Scratch{size} is allocated once, at boot, and reused by every KHO kexec after it."
    yield "What is free of it counts in MemFree and MemAvailable, yet only movable pages can use it: no kernel memory, no long-term pins"
    yield "(VFIO, RDMA). Such an allocation can fail while MemFree looks ample."
    yield f"Its free part is CmaFree (nr_free_cma of zoneinfo){_free(cost)}; CmaTotal does not contain it and may be 0."
    yield f"Its size changes only at a boot that is not a KHO boot ({cost.scratch_parameter}=, or the default scale)."
    if cost.by_kho:
        yield f"This boot was a KHO boot: it took the areas over as they were, and {cost.scratch_parameter}= had no effect."


def _rest(cost: MemoryCost) -> Iterator[str]:
    """What makes the owners' parts add up to what is preserved; nothing where that is plain."""
    twice = known(cost.shared)
    shared = f"{human_size(twice)} of it counted above under two kinds" if twice else "counted once above"
    named = (
        ("owner not told" if cost.owners_bound else "unowned", cost.unowned, f"preserved; {cost.unowned_reason}"),
        ("overlap", cost.overlap, f"claimed by more than one owner, {shared}"),
        ("lost", cost.lost, "counted above and not preserved" + (", in what could be read of the tracker" if cost.bound else "")),
        ("listed twice", cost.twice, "in preserved blocks that overlap"),
    )
    bound = {"owner not told": "unowned", "listed twice": "preserved"}
    for name, size, said in named:
        if isinstance(size, int) and size:
            yield f"  {name:<{_NAME - 2}} {cost.bounds[bound.get(name, name)].value}{format_value(size, Unit.BYTES)}: {said}"


def _free(cost: MemoryCost) -> str:
    if isinstance(cost.scratch_free, Missing):
        return ""
    bound = "" if cost.free_is_scratch_only else "at most (other CMA areas may hold some of it) "
    return f", {bound}{human_size(cost.scratch_free)} at this moment"


def _scratch(cost: MemoryCost) -> Iterator[str]:
    share = ""
    if isinstance(cost.scratch, int) and isinstance(cost.ram, int) and cost.ram and not cost.ram_bound:
        share = f", {100 * cost.scratch / cost.ram:.1f} % of RAM"
    areas = cost.areas
    count = "" if isinstance(areas, Missing) else plural(len(areas), "area")
    bound = f"; at least: {cost.areas_bound}" if cost.areas_bound else ""
    yield _line("scratch", cost.scratch, f"{count}{share}; sum of the table{bound}")
    for area in () if isinstance(areas, Missing) else areas:
        name = area.kind if area.node is None else f"node {area.node}"
        yield f"  {name:<{_NAME - 2}} {area.start:#x}-{area.start + area.size:#x}  {human_size(area.size)}"


def _own(cost: MemoryCost) -> Fact[int]:
    return cost.tracker if isinstance(cost.tracker, Missing) else cost.tracker + cost.metadata_bytes


def _line(name: str, value: Fact[int], said: str) -> str:
    shown = f"{name:<{_NAME}} {format_value(value, Unit.BYTES)}"
    return f"{shown}, {said}" if said and not isinstance(value, Missing) else shown
