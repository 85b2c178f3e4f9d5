"""Rules on where the preserved blocks lie. All of them work on runs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kho_tui.analysis.checks.answer import SCRATCH, TRACKER, Case, Found
from kho_tui.analysis.checks.chunks import misaligned
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.rule import error, rule
from kho_tui.analysis.intervals import Intervals, intervals
from kho_tui.model.facts import Missing
from kho_tui.model.runs import Runs
from kho_tui.text import SafeText, human_size

_SHOWN = 100
"""Rows handed over to be named; a rule names fewer."""
_RAM = "/proc/iomem"


def _run(evidence: Evidence, runs: Runs, wrong: str) -> Callable[[int], Case]:
    def case(row: int) -> Case:
        start, count, order = int(runs.start[row]), int(runs.count[row]), int(runs.order[row])
        many = f"{count} blocks" if count > 1 else "block"
        return Case(SafeText(f"{many} of order {order} at {start:#x} {wrong}"), evidence.tracker_path, start)

    return case


def stretch(evidence: Evidence, wrong: Intervals, said: str) -> Callable[[int], Case]:
    """Names stretches of memory by their row in ``wrong``."""

    def case(row: int) -> Case:
        start, end = int(wrong.start[row]), int(wrong.end[row])
        return Case(SafeText(f"{start:#x}-{end:#x} ({human_size(end - start)}) {said}"), evidence.tracker_path, start)

    return case


@rule(
    "KHO019",
    "every block is naturally aligned",
    error(),
    explanation="The address of a block is a multiple of its size. True by encoding; looked at because a tracker may be converted or "
    "damaged.",
    consequence="the next kernel keeps other memory than was meant",
    source="kho-abi.md 3.1, 3.2",
)
def alignment(evidence: Evidence, found: Found) -> None:
    """Invariant 19."""
    runs = evidence.blocks(found)
    if runs is None:
        return
    because = misaligned(evidence)
    if because is not None:
        found.need(because, TRACKER)
        return
    size = np.uint64(1) << (runs.order.astype(np.uint64) + np.uint64(runs.page_shift))
    bad = np.flatnonzero(runs.start & (size - np.uint64(1)))
    found.broken_rows(bad[:_SHOWN].tolist(), len(bad), _run(evidence, runs, "is not naturally aligned"))


@rule(
    "KHO020",
    "every block lies inside RAM",
    error(),
    explanation="The blocks against System RAM of /proc/iomem; none runs past the end of the address space.",
    consequence="the next kernel reserves memory that does not exist, and whoever asks for the contents gets none",
    source="kho-abi.md 9, stage 2: not checked by the kernel",
)
def in_ram(evidence: Evidence, found: Found) -> None:
    """Invariant 20."""
    kept = evidence.kept(found)
    blocks = evidence.blocks(found)
    ram = found.need(evidence.state.host.whole_ram, _RAM)
    if kept is None or ram is None or blocks is None:
        return
    whole = intervals([one.start for one in ram], [one.start + one.size for one in ram])
    inside = kept.below(whole.end) - kept.below(whole.start)
    if int(inside.sum(dtype=np.uint64)) != kept.bytes:
        outside = kept - whole
        found.broken_rows(range(len(outside)), len(outside), stretch(evidence, outside, "is no System RAM"))


@rule(
    "KHO021",
    "no page is in two blocks",
    error(),
    explanation="The blocks in the order of their addresses. Where two begin at the same page, the kernel keeps the order of the one that "
    "it meets last: the smaller in a radix tree, the larger in a chunk list.",
    consequence="memory is restored with the wrong size, or twice: corruption",
    source="kho-abi.md 9 and gotcha 17: not checked by the kernel",
)
def overlap(evidence: Evidence, found: Found) -> None:
    """Invariant 21 and gotcha 17."""
    runs = evidence.blocks(found)
    if runs is None or not runs.overlapping:
        return
    reach = np.maximum.accumulate(runs.ends)[:-1]
    again = np.flatnonzero(reach > runs.start[1:]) + 1
    found.broken_rows(again[:_SHOWN].tolist(), len(again), _run(evidence, runs, "overlaps one that begins at or before it"))


@rule(
    "KHO022",
    "no block lies in scratch",
    error(),
    explanation="The blocks against the scratch areas.",
    consequence="the next kernel boots in that memory and overwrites it",
    source="kho-abi.md 7.5, 9: not checked by the kernel",
)
def in_scratch(evidence: Evidence, found: Found) -> None:
    """Invariant 22."""
    kept = evidence.kept(found)
    blocks = evidence.blocks(found)
    scratch = found.need(evidence.state.scratch, SCRATCH)
    if kept is None or scratch is None or blocks is None:
        return
    for area in scratch.areas:
        low, high = area.start, min(area.start + area.size, 2**64 - 1)
        inside = kept.clip(low, high) if low < high else kept.clip(0, 0)
        said = f"lies in the scratch area {low:#x}-{high:#x}"
        found.broken_rows(range(len(inside)), len(inside), stretch(evidence, inside, said))
    partial_scratch(evidence, found)


def partial_scratch(evidence: Evidence, found: Found) -> None:
    """Note as a lack that some scratch areas are not known."""
    scratch = evidence.state.scratch
    if not isinstance(scratch, Missing) and scratch.reason:
        found.lack(SCRATCH, scratch.reason)


@rule(
    "KHO026",
    "no block is so large that the receiver's 32-bit shift overflows",
    error(until="7.1"),
    explanation="Blocks of order 31 minus the page shift and more (2 GiB), which only large reserve_mem regions have.",
    consequence="kernels up to 7.1 reserve nothing for such a block: its memory is overwritten",
    source="kho-abi.md 3.3",
)
def shift(evidence: Evidence, found: Found) -> None:
    """Invariant 26, the receiver's overflow."""
    runs = evidence.blocks(found)
    if runs is None:
        return
    limit = 31 - evidence.page_shift
    large = np.flatnonzero(runs.order >= limit)
    found.broken_rows(large[:_SHOWN].tolist(), len(large), _run(evidence, runs, f"is of order {limit} or more"))
    if isinstance(evidence.whole, Missing):
        found.lack(TRACKER, evidence.whole.reason)


RULES = (alignment, in_ram, overlap, in_scratch, shift)
