"""The checks of memblock, which revives the regions of reserve_mem= (mm/memblock.c, 6.16-7.3).

It looks its tree up before anything outside scratch is given out: what is not preserved is still there then, but others get it too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kho_tui.abi.memblock import MEMBLOCK_NAME, RESERVE_MEM_COMPATIBLE
from kho_tui.abi.properties import compatible_of
from kho_tui.analysis.receiver.arrivals import WHOLE, Arrival, of_consumer
from kho_tui.analysis.receiver.boot import Boot
from kho_tui.analysis.receiver.check import EVERY, Check
from kho_tui.analysis.receiver.facet import Receiving, restores_nothing
from kho_tui.analysis.receiver.handed import Handed
from kho_tui.analysis.receiver.node import fdt_fault, node_checks
from kho_tui.analysis.receiver.outcome import Outcome, Stage
from kho_tui.analysis.receiver.reception import Reception
from kho_tui.analysis.receiver.verdict import Fails, Holds, Verdict, unknown
from kho_tui.fdt.tree import lookup_name
from kho_tui.model.facts import Damaged, Missing, Unknown, known
from kho_tui.releases.cmdline import ReserveMem
from kho_tui.subsystems.memblock.content import Memblock, MemblockRegion
from kho_tui.text import visible

_ANEW = "its regions are allocated anew, inside scratch"
_NO_REGIONS = unknown("the regions are not at hand")


def readable_regions(handed: Handed) -> tuple[tuple[MemblockRegion, bool], ...] | None:
    """The regions, each with whether its version is the kernel's; None where they are not at hand."""
    subtree = handed.content(MEMBLOCK_NAME)
    if subtree is None or not isinstance(subtree.content, Memblock) or subtree.fdt is None or subtree.fdt.tree.root is None:
        return None
    nodes = {node.name: node for node in subtree.fdt.tree.root.children}
    known_version = (RESERVE_MEM_COMPATIBLE,)
    return tuple((region, compatible_of(nodes[region.name], known_version) in known_version) for region in subtree.content.regions)


def _read(boot: Boot) -> Verdict:
    subtree = boot.handed.content(MEMBLOCK_NAME)
    content = None if subtree is None else subtree.content
    refused_by_libfdt = None if subtree is None else fdt_fault(subtree)
    if refused_by_libfdt is not None:
        return refused_by_libfdt
    if subtree is not None and subtree.fdt is not None and subtree.fdt.tree.truncated:
        return unknown("its FDT is longer than what is at hand of it: the kernel reads on to its end")
    if isinstance(content, Damaged | Unknown):
        return Fails(str(content.reason))
    return _NO_REGIONS if content is None or isinstance(content, Missing) else Holds("its FDT can be read")


def _asked(boot: Boot) -> Verdict:
    wanted, regions = boot.target.asked_regions, readable_regions(boot.handed)
    if wanted is None or regions is None:
        return unknown("the next command line is not known") if wanted is None else _NO_REGIONS
    lost = [fault for region, known_version in regions if (fault := refused(region, known_version, wanted))]
    subtree = boot.handed.content(MEMBLOCK_NAME)
    stop = None if subtree is None or subtree.fdt is None else subtree.fdt.tree.stops_at
    if stop is not None:
        lost.append(f"its FDT is damaged at {stop:#x}: no region behind that is found")
    return Fails("; ".join(lost)) if lost else Holds("every region is asked for again")


def asked_as(region: MemblockRegion, asked: tuple[ReserveMem, ...]) -> ReserveMem | None:
    """The ``reserve_mem=`` that finds a region; None: nobody asks for it."""
    return next((one for one in asked if one.name in (region.name, lookup_name(region.name))), None)


def refused(region: MemblockRegion, known_version: bool, asked: tuple[ReserveMem, ...]) -> str:
    """Why a region is not revived, empty where it is (reserve_mem_kho_revive)."""
    wanted = asked_as(region, asked)
    shown, start, size = visible(region.name), known(region.start), known(region.size)
    if not known_version or start is None or size is None:
        return f"{shown} cannot be read"
    if wanted is None:
        return f"{shown} is not asked for"
    if size != wanted.size:
        return f"{shown} has {size:#x} bytes, asked for are {wanted.size:#x}"
    if not wanted.is_aligned(start):
        return f"{shown} at {start:#x} is not aligned to {wanted.align:#x}"
    return ""


def _preserved(boot: Boot) -> Verdict:
    regions, wanted = readable_regions(boot.handed), boot.target.asked_regions
    if regions is None:
        return _NO_REGIONS
    page = boot.handed.page_size
    lost = []
    for region, known_version in regions:
        # From 6.18 on a partial last page is not preserved.
        size = (known(region.size) or 0) // page * page
        revived = wanted is None or not refused(region, known_version, wanted)
        if revived and size and boot.reserved.lost(known(region.start), size):
            lost.append(visible(region.name))
    if not lost:
        return Holds("the memory of every region is preserved")
    return Fails(f"the memory of {', '.join(lost)} is not preserved: it is revived, and others get it too")


_CHECKS: tuple[Check, ...] = (
    *node_checks(MEMBLOCK_NAME, EVERY, _ANEW, "mm/memblock.c", early=True),
    Check(
        name="memblock-version",
        stage=Stage.CONSUMERS,
        question="can memblock read its FDT",
        fails=Outcome.IGNORED,
        consequence=_ANEW,
        releases=EVERY,
        ask=_read,
        consumer=MEMBLOCK_NAME,
        source="mm/memblock.c, reserve_mem_kho_retrieve_fdt",
    ),
    Check(
        name="reserve_mem",
        stage=Stage.CONSUMERS,
        question="are the regions asked for again",
        fails=Outcome.PART,
        consequence="a region not revived is allocated anew, inside scratch",
        releases=EVERY,
        ask=_asked,
        consumer=MEMBLOCK_NAME,
        source="mm/memblock.c, reserve_mem_kho_revive",
    ),
    Check(
        name="reserve_mem-kept",
        stage=Stage.CONSUMERS,
        question="is the memory of the regions preserved",
        fails=Outcome.MISREAD,
        consequence="a region is revived in memory that is given to others too",
        releases=EVERY,
        ask=_preserved,
        consumer=MEMBLOCK_NAME,
        source="mm/memblock.c, reserve_mem_kho_revive",
    ),
)
"""In the order in which a kernel meets them."""


def _arrivals(reception: Reception) -> Mapping[str, tuple[Arrival, ...]]:
    return {"regions": tuple(_regions(reception))}


def _regions(reception: Reception) -> Iterator[Arrival]:
    """Each region: TAKEN, revived as it was; PART, made anew."""
    boot = reception.boot
    whole, asked = of_consumer(reception, MEMBLOCK_NAME), boot.target.asked_regions
    for region, known_version in readable_regions(boot.handed) or ():
        outcome, reason = whole
        if outcome is Outcome.TAKEN and asked is None:
            outcome, reason = None, "the next command line is not known"
        elif outcome is Outcome.TAKEN and asked is not None:
            fault = refused(region, known_version, asked)
            outside = boot.reserved.lost(known(region.start), known(region.size) or 1)
            outcome, reason = (Outcome.PART, fault) if fault else (Outcome.MISREAD, "its memory is not preserved") if outside else WHOLE
        wanted = asked_as(region, asked or ())
        yield Arrival(region.name if wanted is None else wanted.name, outcome, reason)


RECEIVING = Receiving(turn=0, option=None, checks=_CHECKS, restores=restores_nothing, sessions=None, arrivals=_arrivals)
