"""Rules on the radix tree of kho-v2 to v4 (7.1 on)."""

from __future__ import annotations

from kho_tui.abi.radix import RadixShape
from kho_tui.abi.root import Tracker
from kho_tui.analysis.checks.answer import TRACKER, Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.rule import error, rule
from kho_tui.model.codes import CHAIN_LOOP, KEY_BAD, POINTER_BAD, POINTER_GAP
from kho_tui.model.facts import Damaged, Missing, Status
from kho_tui.model.tracker import NO_TREE, UNUSABLE, PreservedMap, RadixTree


def _tree(evidence: Evidence, found: Found) -> RadixTree | None:
    root = evidence.side.root
    if not isinstance(root, Missing) and root.format is not None and root.format.tracker is not Tracker.RADIX:
        found.not_here(f"{root.format.compatible.decode()} has a chunk list")
        return None
    kept = evidence.preserved
    if isinstance(kept, Damaged) and kept.reason == UNUSABLE:
        return NO_TREE
    known = found.need(kept, TRACKER)
    return known.structure if known is not None and isinstance(known.structure, RadixTree) else None


@rule(
    "KHO017",
    "every entry of the radix tree leads to an aligned page, and no node is reached twice",
    error("7.1"),
    explanation="The whole tree is walked with the set of pages met.",
    consequence="the next kernel walks it without any check: it forgets preserved memory or reads other memory as a node",
    source="kho-abi.md 3.2",
)
def nodes(evidence: Evidence, found: Found) -> None:
    """Invariant 17."""
    if _tree(evidence, found) is None:
        return
    for one in evidence.met(evidence.tracker_path, POINTER_BAD.name, CHAIN_LOOP.name):
        found.broken(one.message, one.where.child("nodes"), one.address)
    _gaps(evidence, found)


@rule(
    "KHO018",
    "every key of the radix tree stands for a block",
    error("7.1"),
    explanation="The marker bit of each key gives an order from 0 to 64 minus the page shift; no key lies above it.",
    consequence="the next kernel keeps other memory than was meant",
    source="kho-abi.md 3.2",
)
def keys(evidence: Evidence, found: Found) -> None:
    """Invariant 18."""
    if _tree(evidence, found) is None:
        return
    for one in evidence.met(evidence.tracker_path, KEY_BAD.name):
        found.broken(one.message, one.where, one.address)
    kept = evidence.preserved
    if isinstance(kept, PreservedMap) and not found.count:
        limit = 64 - evidence.page_shift
        high = max(kept.runs.by_order, default=0)
        root = evidence.side.root
        extra = True if isinstance(root, Missing) or root.format is None else root.format.extra_bit
        if high > limit or not RadixShape(evidence.page_shift, extra).holds_order0:
            found.broken(f"blocks of order {high}", evidence.tracker_path)
    _gaps(evidence, found)


def _gaps(evidence: Evidence, found: Found) -> None:
    kept = evidence.preserved
    if not isinstance(kept, PreservedMap) or kept.status is not Status.PARTIAL:
        return
    gaps = evidence.met(evidence.tracker_path, POINTER_GAP.name)
    if gaps:
        found.lack(TRACKER, gaps[0].message + (f" (and {len(gaps) - 1} more)" if len(gaps) > 1 else ""))
    elif not evidence.met(evidence.tracker_path, POINTER_BAD.name, CHAIN_LOOP.name, KEY_BAD.name):
        found.lack(TRACKER, kept.reason)


RULES = (nodes, keys)
