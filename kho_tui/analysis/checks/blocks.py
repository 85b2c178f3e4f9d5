"""Rules on where the preserved blocks lie. All of them work on runs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import numpy as np
import numpy.typing as npt

from kho_tui.analysis.checks.answer import TRACKER, Case, Found
from kho_tui.analysis.checks.chunks import misaligned
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.rule import error, rule
from kho_tui.analysis.receiver.sections import firmware_sections, section_bits
from kho_tui.model.facts import Missing
from kho_tui.model.intervals import Intervals, spans
from kho_tui.model.runs import Runs
from kho_tui.text import SafeText, human_size

_SHOWN = 100
"""Rows handed over to be named; a rule names fewer."""
_PIECE = 1 << 17
"""Runs or stretches that are looked at together: a tracker of garbage has millions, and no more memory is needed than they take."""
_RAM = "/proc/iomem"
_NO_STRUCT_PAGE = "the next kernel dies in kho_memory_init, often before its console is up: it writes to a struct page that does not exist"
_ADDED = f"whether the firmware names that memory to the next kernel is not known; where it does not, {_NO_STRUCT_PAGE}"
_RESERVED = "none at boot: the next kernel accepts such a block and reserves it; whoever asks for its contents gets what is no RAM"


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
    source="kernel/liveupdate/kexec_handover.c, kho_radix_encode_key (7.1, 7.2) and kho_restore_page (6.19 to 7.3)",
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
    bad = np.concatenate([np.empty(0, np.int64), *(_not_aligned(runs, at) for at in range(0, len(runs), _PIECE))])
    found.broken_rows(bad[:_SHOWN].tolist(), len(bad), _run(evidence, runs, "is not naturally aligned"))


def _not_aligned(runs: Runs, first: int) -> npt.NDArray[np.int64]:
    """Rows of the runs from ``first`` on, one piece of them, whose blocks are not aligned."""
    piece = slice(first, first + _PIECE)
    size = np.uint64(1) << (runs.order[piece].astype(np.uint64) + np.uint64(runs.page_shift))
    return first + np.flatnonzero(runs.start[piece] & (size - np.uint64(1)))


@rule(
    "KHO020",
    "every block lies inside RAM",
    error(),
    explanation="The blocks against System RAM of /proc/iomem; none runs past the end of the address space. What follows depends on the "
    "memory section in which a block begins: 128 MiB on x86 and on arm64 with pages of 4 or 16 KiB, 512 MiB with 64 KiB.",
    consequence=f"where a block begins in a memory section without any RAM {_NO_STRUCT_PAGE}; in a section that has some it is accepted",
    source="kernel/liveupdate/kexec_handover.c, kho_preserved_memory_reserve (7.1 to 7.3), deserialize_bitmap (6.19, 7.0; "
    "kernel/kexec_handover.c before): neither checks it",
)
def in_ram(evidence: Evidence, found: Found) -> None:
    """The kernel takes every block for RAM and marks the struct page of its first page."""
    kept = evidence.kept(found)
    blocks = evidence.blocks(found)
    ram = found.need(evidence.state.host.whole_ram, _RAM)
    if kept is None or ram is None or blocks is None:
        return
    whole = spans(ram)
    inside = kept.below(whole.end) - kept.below(whole.start)
    if int(inside.sum(dtype=np.uint64)) != kept.bytes:
        _outside_ram(evidence, kept, whole, found)
    _in_added_ram(evidence, kept, whole, found)


def _in_added_ram(evidence: Evidence, kept: Intervals, ram: Intervals, found: Found) -> None:
    """What is kept in memory that was added since this machine was booted: the next kernel may not have it."""
    sections = firmware_sections(evidence.state)
    if isinstance(sections, Missing):
        return
    added = kept & (ram - sections)
    case = stretch(evidence, added, "is in memory that was added since this machine was booted")
    found.broken_rows(range(len(added)), len(added), case, severity="warning", consequence=_ADDED)


def _outside_ram(evidence: Evidence, kept: Intervals, ram: Intervals, found: Found) -> None:
    """What is kept outside of RAM, by whether its memory section has some of the RAM that is there since boot."""
    sections, bits = firmware_sections(evidence.state), section_bits(evidence.state)
    if isinstance(sections, Missing) or isinstance(bits, Missing):
        outside = kept - ram
        found.broken_rows(range(len(outside)), len(outside), stretch(evidence, outside, "is no System RAM"))
        return
    # RAM that was added later lies in sections that the firmware knows nothing of.
    nowhere, beside, size = kept - (sections | ram), (kept & sections) - ram, human_size(1 << bits)
    begins = _blocks_begin(evidence, nowhere)
    for some, which, said, consequence in (
        (nowhere, begins, f"is no System RAM, in a memory section ({size}) without any", _NO_STRUCT_PAGE),
        (nowhere, ~begins, "is no System RAM: a block runs on behind the end of it", _RESERVED),
        (beside, np.ones(len(beside), np.bool_), f"is no System RAM, in a memory section ({size}) that has some", _RESERVED),
    ):
        rows = islice((row for at in range(0, len(which), _PIECE) for row in np.flatnonzero(which[at : at + _PIECE]) + at), _SHOWN)
        found.broken_rows([int(row) for row in rows], int(np.count_nonzero(which)), stretch(evidence, some, said), consequence=consequence)


def _blocks_begin(evidence: Evidence, stretches: Intervals) -> npt.NDArray[np.bool_]:
    """In which stretches of preserved memory a block begins. Only one that was cut at its start may have none."""
    begins = np.empty(len(stretches), np.bool_)
    for at in range(0, len(stretches), _PIECE):
        begins[at : at + _PIECE] = evidence.index.orders(stretches.start[at : at + _PIECE])[0] >= 0
    runs = evidence.index.runs
    for row in np.flatnonzero(~begins).tolist():
        low, high = stretches.start[row], stretches.end[row]
        # Disjoint stretches: what begins in one is of a run that begins below its end and ends above its start.
        near = np.flatnonzero((runs.start < high) & (runs.ends > low))
        size = np.uint64(1) << (runs.order[near].astype(np.uint64) + np.uint64(runs.page_shift))
        number = (np.maximum(low, runs.start[near]) - runs.start[near] + size - np.uint64(1)) // size
        begins[row] = bool(((number < runs.count[near]) & (runs.start[near] + number * size < high)).any())
    return begins


@rule(
    "KHO021",
    "no page is in two blocks",
    error(),
    explanation="The blocks in the order of their addresses. Where two begin at the same page, the kernel keeps the order of the one that "
    "it meets last: the smaller in a radix tree, the larger in a chunk list.",
    consequence="memory is restored with the wrong size, or twice: corruption",
    source="kernel/liveupdate/kexec_handover.c, kho_preserved_memory_reserve (7.1 to 7.3), deserialize_bitmap (6.19, 7.0; "
    "kernel/kexec_handover.c before): neither checks it",
)
def overlap(evidence: Evidence, found: Found) -> None:
    """Invariant 21."""
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
    consequence="the next kernel boots in that memory and may overwrite it",
    source="kernel/liveupdate/kexec_handover.c, kho_populate and kho_preserved_memory_reserve (7.1 to 7.3): not checked; "
    "kho_scratch_overlap in debug builds (6.19 on; kernel/kexec_handover.c in 6.18)",
)
def in_scratch(evidence: Evidence, found: Found) -> None:
    """Invariant 22."""
    kept = evidence.kept(found)
    blocks = evidence.blocks(found)
    scratch = evidence.scratch(found)
    if kept is None or scratch is None or blocks is None:
        return
    for area in scratch.areas:
        low, high = area.start, min(area.start + area.size, 2**64 - 1)
        inside = kept.clip(low, high) if low < high else kept.clip(0, 0)
        said = f"lies in the scratch area {low:#x}-{high:#x}"
        found.broken_rows(range(len(inside)), len(inside), stretch(evidence, inside, said))


@rule(
    "KHO026",
    "no block is so large that the receiver's 32-bit shift overflows",
    error(until="7.1"),
    explanation="Blocks of order 31 minus the page shift and more (2 GiB), which only large reserve_mem regions have.",
    consequence="kernels up to 7.1, perhaps 7.2.5, reserve all memory behind a block of 2 GiB, and of larger ones next to nothing: it is "
    "overwritten",
    source="kernel/liveupdate/kexec_handover.c, kho_preserved_memory_reserve: 1 << (order + PAGE_SHIFT) (7.1; deserialize_bitmap before)",
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


@rule(
    "KHO149",
    "no preserved page belongs to the running kernel's own image",
    error(),
    explanation="The blocks of the outgoing side against Kernel code, rodata, data and bss of /proc/iomem. These pages never come from the "
    "page allocator, so nobody can have allocated them for what is preserved.",
    consequence="the tracker is damaged, or of another kernel than the one that runs: whoever asks for such a page gets a piece of the old "
    "kernel's image instead of its data",
    source="kernel/liveupdate/kexec_handover.c, kho_preserve_folio and kho_preserve_pages (6.19 to 7.3; kernel/kexec_handover.c before): "
    "they preserve what they are given",
)
def over_the_kernel(evidence: Evidence, found: Found) -> None:
    """The image of the running kernel is nobody's memory."""
    if evidence.side.name != "out":
        found.not_here("a question for what the running kernel hands out")
        return
    kept = evidence.kept(found)
    blocks = evidence.blocks(found)
    image = found.need(evidence.state.host.kernel, _RAM)
    if kept is None or blocks is None or image is None:
        return
    for part in image:
        inside = kept.clip(part.start, min(part.start + part.size, 2**64 - 1))
        found.broken_rows(range(len(inside)), len(inside), stretch(evidence, inside, f"is part of {part.name} of the running kernel"))
    if evidence.state.host.bounded is not None:
        found.lack(_RAM, evidence.state.host.bounded.reason)
    elif not image:
        found.not_here("/proc/iomem names no part of the running kernel")


RULES = (over_the_kernel, alignment, in_ram, overlap, in_scratch, shift)
