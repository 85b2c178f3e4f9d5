"""Rules on whose the preserved blocks are, and how they were made for their owners."""

from __future__ import annotations

import numpy as np

from kho_tui.analysis.checks.answer import TRACKER, Case, Found
from kho_tui.analysis.checks.blocks import stretch
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.rule import error, info, rule, warning
from kho_tui.analysis.memory_map import Hit
from kho_tui.analysis.unowned import LEAK
from kho_tui.model.facts import Missing
from kho_tui.model.kinds import KIND_FOLIO, KIND_RESERVE_MEM, KIND_TEST_FOLIO
from kho_tui.text import SafeText, human_size

_SHOWN = 100
"""Rows handed over to be named; a rule names fewer."""
_LIMITED = error(until="7.0")
_LOST_FOLIO = "a kernel up to 7.0 does not restore it (kho_restore_folio gives NULL): the file or the test's data is lost"
_WHOLE_FOLIO = "7.1 and later restore it whole"


@rule(
    "KHO025",
    "no folio is larger than the largest that a kernel makes",
    _LIMITED,
    info("7.1"),
    explanation="The blocks that begin where a memfd's or the test module's folio does, against MAX_PAGE_ORDER as it is by default: 10 with"
    " 4K pages, 11 with 16K, 13 with 64K. On arm64 that can be configured, so there it is a warning at most.",
    consequence=f"{_LOST_FOLIO}; {_WHOLE_FOLIO}",
    source="kernel/liveupdate/kexec_handover.c, kho_restore_page (6.19): info.order > MAX_PAGE_ORDER; 7.1 has no such limit",
)
def folio_orders(evidence: Evidence, found: Found) -> None:
    """Only kernels up to 7.0 have a limit."""
    if found.need(evidence.preserved, TRACKER) is None:
        return
    evidence.owners(found)
    limit = np.uint64(evidence.page_size << evidence.max_order)
    for kind in (KIND_FOLIO, KIND_TEST_FOLIO):
        folios = evidence.memory.layers.get(kind)
        if folios is None:
            continue
        for row in np.flatnonzero(folios.end - folios.start > limit)[:_SHOWN].tolist():
            hit = evidence.memory.hit(kind, row)
            configured = evidence.state.machine.arch == "arm64" and not evidence.releases[0].restores_large_folios
            said = f"a folio of {human_size(hit.end - hit.start)} at {hit.start:#x}"
            limited = any(_LIMITED.holds(release) for release in evidence.releases)
            consequence = _LOST_FOLIO if limited else _WHOLE_FOLIO
            found.broken(said, hit.path, hit.start, severity="warning" if configured else None, consequence=consequence)
    if isinstance(evidence.whole, Missing):
        found.lack(TRACKER, evidence.whole.reason)


@rule(
    "KHO047",
    "every preserved block has an owner that a subtree leads to",
    info(),
    explanation="All owners that could be decoded against the blocks. What is left is a leak only where nothing opaque may own it.",
    consequence="memory that stays reserved and that nobody gives back",
    source="kernel/liveupdate/kexec_handover.c, kho_preserved_memory_reserve: reserved until its owner restores it (7.1 to 7.3)",
)
def leaks(evidence: Evidence, found: Found) -> None:
    """Invariant 47."""
    sums = found.need(evidence.memory.sums, TRACKER)
    if sums is None or not len(sums.unowned):
        return
    if sums.reason != LEAK:
        found.lack("owners", sums.reason)
    elif isinstance(evidence.whole, Missing):
        found.lack(TRACKER, evidence.whole.reason)
    else:
        unowned = sums.unowned
        found.broken_rows(range(len(unowned)), len(unowned), stretch(evidence, unowned, "is preserved and nobody's"))


@rule(
    "KHO048",
    "no memory has two owners",
    error(),
    explanation="All owners in the order of their addresses. Folios that two files share are KHO046.",
    consequence="two consumers restore, write and free the same memory: corruption",
    source="kernel/liveupdate/kexec_handover.c, kho_restore_page: the first restore of a page clears its mark (6.19 to 7.3; "
    "kernel/kexec_handover.c in 6.18)",
)
def two_owners(evidence: Evidence, found: Found) -> None:
    """Invariant 48."""
    evidence.owners(found)
    layers = {kind: regions for kind, regions in evidence.memory.layers.items() if kind.is_owner}
    if not layers:
        found.not_here("no owner is known")
        return
    kinds = list(layers)
    start = np.concatenate([layers[kind].start for kind in kinds])
    end = np.concatenate([layers[kind].end for kind in kinds])
    which = np.repeat(np.arange(len(kinds)), [len(layers[kind]) for kind in kinds])
    row = np.concatenate([np.arange(len(layers[kind])) for kind in kinds])
    evidence.context.step("looking for memory with two owners")
    order = np.argsort(start, kind="stable")
    start, end, which, row = start[order], end[order], which[order], row[order]
    reach = np.maximum.accumulate(end)
    again = np.flatnonzero(start[1:] < reach[:-1]) + 1
    folio = kinds.index(KIND_FOLIO) if KIND_FOLIO in layers else -1
    # Which earlier region reaches so far: the one that gave the accumulated maximum.
    holder = np.maximum.accumulate(np.where(end == reach, np.arange(len(end)), 0))
    shared_folio = (which[again] == folio) & (which[holder[again - 1]] == folio)
    again = again[~shared_folio]

    def case(number: int) -> Case:
        one, other = (evidence.memory.hit(kinds[int(which[at])], int(row[at])) for at in (number, int(holder[number - 1])))
        return Case(SafeText(f"{_words(one)} lies in {_words(other)}"), one.path, one.start)

    found.broken_rows(again[:_SHOWN].tolist(), len(again), case)


def _words(hit: Hit) -> str:
    return f"{hit.kind.name} {hit.path} at {hit.start:#x}"


@rule(
    "KHO133",
    "no preserved range was split at the border of two NUMA nodes",
    warning("7.1"),
    explanation="Two neighbouring blocks of one order and owner that meet where one node ends and the next begins, and that together make "
    "one naturally aligned block. Regions of reserve_mem are left out: nobody restores them block by block.",
    consequence="kho_restore_pages goes over the whole range in one step: it restores the first block only, the other one stays reserved",
    source="kernel/liveupdate/kexec_handover.c, kho_preserve_pages and kho_restore_pages (7.1 to 7.3)",
)
def numa_split(evidence: Evidence, found: Found) -> None:
    """kho_preserve_pages splits at a node's border, kho_restore_pages does not."""
    if found.need(evidence.preserved, TRACKER) is None:
        return
    nodes = sorted(evidence.state.host.nodes, key=lambda one: one.start)
    if not nodes:
        found.lack("zoneinfo or memblock", f"nothing {evidence.here} tells which memory is whose node's")
        return
    if evidence.state.host.nodes_bound:
        found.lack("zoneinfo or memblock", evidence.state.host.nodes_bound)
    ends = {one.start + one.size: one.node for one in nodes}
    borders = [one.start for one in nodes if one.start in ends and ends[one.start] != one.node]
    for border in borders:
        for order in evidence.preserved.runs.by_order if not isinstance(evidence.preserved, Missing) else ():
            size = evidence.page_size << order
            pair = np.array([max(border - size, 0), border], np.uint64)
            together = (border - size) % (2 * size) == 0
            if together and evidence.index.begins(pair, order).all() and not _region(evidence, border):
                found.broken(f"blocks of order {order} meet at {border:#x}, where one node ends", evidence.tracker_path, border)
    if isinstance(evidence.whole, Missing):
        found.lack(TRACKER, evidence.whole.reason)


def _region(evidence: Evidence, border: int) -> bool:
    regions = evidence.memory.layers.get(KIND_RESERVE_MEM)
    return regions is not None and any(int(regions.start[row]) < border for row in regions.holding(border))


RULES = (folio_orders, leaks, two_owners, numa_split)
