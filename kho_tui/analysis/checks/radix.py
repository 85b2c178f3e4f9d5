"""Rules on the radix tree of kho-v2 to v4 (7.1 on)."""

from __future__ import annotations

import numpy as np

from kho_tui.abi.radix import KHO_RADIX_ENTRY, RadixShape
from kho_tui.abi.root import Tracker
from kho_tui.analysis.checks.answer import TRACKER, Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.rule import error, rule
from kho_tui.model.codes import CHAIN_LOOP, KEY_BAD, POINTER_BAD, POINTER_GAP
from kho_tui.model.facts import Damaged, Missing, Status
from kho_tui.model.tracker import NO_TREE, UNUSABLE, PreservedMap, RadixTree

_HIGHEST_ADDRESS = 2**52 - 1
"""MAX_PHYSMEM_BITS is at most 52 on x86 (arch/x86/include/asm/sparsemem.h) and arm64 (arch/arm64/include/asm/sparsemem.h)."""


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
    source="kernel/liveupdate/kexec_handover.c, kho_radix_walk_tree (7.1 to 7.3): walks without a check",
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
    explanation="The marker bit of each key gives an order from 0 to 64 minus the page shift; no key lies above it, and the root "
    "node has no slot in use that no block below 2^52 has.",
    consequence="the next kernel keeps other memory than was meant",
    source="kernel/liveupdate/kexec_handover.c, kho_radix_encode_key and kho_radix_decode_key (7.1, 7.2)",
)
def keys(evidence: Evidence, found: Found) -> None:
    """Invariant 18."""
    tree = _tree(evidence, found)
    if tree is None:
        return
    for one in evidence.met(evidence.tracker_path, KEY_BAD.name):
        found.broken(one.message, one.where, one.address)
    root = evidence.side.root
    shape = RadixShape(evidence.page_shift, True if isinstance(root, Missing) or root.format is None else root.format.marker_counted)
    _slots(evidence, tree, shape, found)
    kept = evidence.preserved
    if isinstance(kept, PreservedMap) and not found.count:
        high = max(kept.runs.by_order, default=0)
        if high > shape.order0_bit or not shape.holds_order0:
            found.broken(f"blocks of order {high}", evidence.tracker_path)
    _gaps(evidence, found)


def _slots(evidence: Evidence, tree: RadixTree, shape: RadixShape, found: Found) -> None:
    """The slots of the root node that lead to nodes, against the last one that a block of any machine has."""
    if len(tree.prefixes) < 2 or not shape.holds_order0:
        return
    last = shape.indexes(shape.key(_HIGHEST_ADDRESS, 0))[0]
    for slot in sorted(set((tree.prefixes[1] >> np.uint64(shape.level_shift(shape.depth - 1))).tolist())):
        if slot > last:
            said = f"slot {slot} of the root node leads to a node: no block has it, the last one in use can be {last}"
            found.broken(said, evidence.tracker_path, int(tree.addresses[0][0]) + slot * KHO_RADIX_ENTRY.size)


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
