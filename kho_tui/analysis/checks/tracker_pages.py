"""Rules on the pages that the tracker itself is made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kho_tui.analysis.checks.answer import TRACKER, Case, Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.rule import error, rule, warning
from kho_tui.layout.arrays import U64s
from kho_tui.model.facts import Missing
from kho_tui.model.intervals import spans
from kho_tui.model.kinds import KIND_TRACKER
from kho_tui.text import SafeText

_SHOWN = 100
"""Rows handed over to be named; a rule names fewer."""


@rule(
    "KHO023",
    "the tracker's own pages are not preserved",
    warning(),
    explanation="Chunks, bitmaps and radix nodes against the blocks.",
    consequence="wasteful; a kernel that frees them after reading frees preserved memory",
    source="kernel/liveupdate/kexec_handover.c, kho_radix_add_page: get_zeroed_page (7.1, 7.2); kernel/kexec_handover.c, new_chunk (6.16 "
    "to 6.18)",
)
def tracker_kept(evidence: Evidence, found: Found) -> None:
    """Invariant 23."""
    kept = evidence.kept(found)
    blocks = evidence.blocks(found)
    own = evidence.memory.layers.get(KIND_TRACKER)
    if kept is None or own is None or blocks is None:
        return
    both = np.flatnonzero(kept.below(own.end) != kept.below(own.start))
    found.broken_rows(both[:_SHOWN].tolist(), len(both), _page(evidence, own.start, "a page of the tracker is preserved"))


@rule(
    "KHO024",
    "the tracker's own pages do not lie in scratch",
    error(),
    explanation="Chunks, bitmaps and radix nodes against the scratch areas.",
    consequence="the next kernel may overwrite the tracker before it has read it",
    source="kernel/liveupdate/kexec_handover.c, kho_memory_init: scratch pages become MIGRATE_CMA, so no tracker page comes from there "
    "(6.19 to 7.3)",
)
def tracker_in_scratch(evidence: Evidence, found: Found) -> None:
    """Invariant 24."""
    kept = found.need(evidence.preserved, TRACKER)
    scratch = evidence.scratch(found)
    own = evidence.memory.layers.get(KIND_TRACKER)
    if kept is None or scratch is None or own is None:
        return
    areas = spans(scratch.areas)
    both = np.flatnonzero(areas.below(own.end) != areas.below(own.start))
    found.broken_rows(both[:_SHOWN].tolist(), len(both), _page(evidence, own.start, "a page of the tracker lies in scratch"))
    if isinstance(evidence.whole, Missing):
        found.lack(TRACKER, evidence.whole.reason)


def _page(evidence: Evidence, starts: U64s, said: str) -> Callable[[int], Case]:
    return lambda row: Case(SafeText(f"{said}: {int(starts[row]):#x}"), evidence.tracker_path, int(starts[row]))


RULES = (tracker_kept, tracker_in_scratch)
