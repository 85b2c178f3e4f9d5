"""Rules on two boots: what this kernel handed out against what the next one says it was handed."""

from __future__ import annotations

from kho_tui.analysis.checks.answer import AFTER, SCRATCH, Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.rule import error, rule, warning
from kho_tui.analysis.diff.evidence import handover_evidence
from kho_tui.analysis.diff.fates import handover_fates
from kho_tui.analysis.diff.log import read_log
from kho_tui.analysis.diff.switched_off import kho_off
from kho_tui.decode.facet import Decoding
from kho_tui.model.change import Fate
from kho_tui.model.facts import Missing
from kho_tui.model.path import EntityPath
from kho_tui.model.sides import side_untold
from kho_tui.model.state import Side, Subtree
from kho_tui.text import SafeText, visible

_AFTER = "the state after the kexec: "
_ELSEWHERE = frozenset({"side", "scratch area", "subtree"})
"""Kinds of entities whose losses have rules of their own."""


def _incoming(evidence: Evidence, found: Found) -> Side | None:
    """The incoming side of the next kernel."""
    assert evidence.after is not None
    side = evidence.after.sides.get("in")
    if side is None and evidence.not_after:
        found.lack(AFTER, evidence.not_after)
    elif side is None:
        log = read_log(evidence.after.log)
        if log.refusals:
            found.broken(f"the next kernel did not take it: {log.refusals[0]}", EntityPath(("in",)), severity="error")
        elif log.found is not None or kho_off(evidence.after, log) is not None:
            found.lack("in", f"{_AFTER}it shows no incoming side, whether or not it took the handover")
        elif hidden := side_untold(evidence.after, "in"):
            found.lack("in", f"{_AFTER}{hidden}")
        else:
            said = "the next kernel has no incoming side: it did not take the handover"
            found.broken(said, EntityPath(("in",)), severity="error")
    return side


@rule(
    "KHO030",
    "the scratch table is the same after the kexec",
    error(),
    explanation="The tables of both states, entry by entry.",
    consequence="the kernel that comes after the next one boots in other memory than was kept free for it",
    source="kernel/liveupdate/kexec_handover.c, kho_populate and kho_memory_init: the table that was passed is used on (6.19 to 7.3)",
    across=True,
)
def tables(evidence: Evidence, found: Found) -> None:
    """Invariant 30."""
    assert evidence.after is not None
    if evidence.not_after:
        found.lack(AFTER, evidence.not_after)
        return
    before = found.need(evidence.state.scratch, SCRATCH)
    after = found.need(evidence.after.scratch, f"{_AFTER}{SCRATCH}")
    if before is None or after is None:
        return
    if before.reason or after.reason:
        found.lack(SCRATCH, before.reason or after.reason)
        return
    if "in" not in evidence.after.sides:
        found.lack("in", f"{_AFTER}not a KHO boot, so its table is its own")
        return
    tables = [[(area.start, area.size) for area in scratch.areas] for scratch in (before, after)]
    if len(tables[0]) != len(tables[1]):
        found.broken(f"{len(tables[0])} areas before, {len(tables[1])} after", EntityPath(("scratch",)))
    for number, (one, other) in enumerate(zip(*tables, strict=False)):
        if one != other:
            said = f"{one[0]:#x} and {one[1]:#x} bytes before, {other[0]:#x} and {other[1]:#x} after"
            found.broken(said, EntityPath(("scratch", str(number))), one[0])


@rule(
    "KHO050",
    "the next kernel's in/fdt is the root FDT that was handed out",
    warning(),
    explanation="The bytes of the outgoing root FDT against those of the next kernel's incoming one, up to totalsize: what lies behind is "
    "stale. A next kernel that took nothing at all is an error.",
    consequence="the next kernel took another handover than this one, or none",
    source="kernel/liveupdate/kexec_handover.c, kho_populate: the page is read where it lies (6.19 to 7.3; kernel/kexec_handover.c before)",
    across=True,
)
def roots(evidence: Evidence, found: Found) -> None:
    """Invariant 50."""
    incoming = _incoming(evidence, found)
    root = evidence.root(found)
    if incoming is None or root is None:
        return
    there = found.need(incoming.root, f"{_AFTER}in/fdt")
    if there is None:
        return
    sizes = [one.view.tree.total_size or 0 for one in (root, there)]
    one, other = (view.view.blob.data[:size] for view, size in zip((root, there), sizes, strict=True))
    if len(one) < sizes[0] or len(other) < sizes[1]:
        # A copy that debugfs cut says only as much as it holds; its header is from before it grew.
        found.lack("root FDT", "one of the copies is cut short")
    elif one != other:
        at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(sizes))
        found.broken(f"they differ from byte {at} on", evidence.path)


@rule(
    "KHO138",
    "the subtrees arrive as they were handed out",
    warning(),
    explanation="The incoming side of the next kernel, as far as it stays a fact on a running kernel: names of the subtrees, bytes of "
    "memblock and kexec-metadata.",
    consequence="what arrived is not what was handed out: memory was overwritten on the way, or the two states are not of one kexec",
    source="mm/memblock.c, prepare_kho_fdt; kernel/liveupdate/kexec_handover.c, kho_out_kexec_metadata (7.1 to 7.3)",
    across=True,
)
def arrived(evidence: Evidence, found: Found) -> None:
    """What stays a fact of the incoming side, byte by byte."""
    assert evidence.after is not None
    incoming = evidence.after.sides.get("in")
    if incoming is None:
        found.lack("in", f"{_AFTER}it has no incoming side")
        return
    here, there = ({one.name: one for one in side.handed_over} for side in (evidence.side, incoming))
    if incoming.lists_all and not isinstance(evidence.side.root, Missing):
        for name in sorted(set(here) - set(there)):
            found.broken(f"{visible(name)} did not arrive", here[name].path)
    decodings = evidence.state.registry.facets(Decoding)
    fixed = {name for name, decoding in decodings.items() if decoding.bytes_fixed}
    for name in sorted(fixed & set(here) & set(there)):
        _bytes(here[name], there[name], found)


def _bytes(one: Subtree, other: Subtree, found: Found) -> None:
    if isinstance(one.blob, Missing) or isinstance(other.blob, Missing):
        missing = one.blob if isinstance(one.blob, Missing) else other.blob
        assert isinstance(missing, Missing)
        found.lack(f"blob of {one.path}", missing.reason)
    elif one.blob.data != other.blob.data and len(one.blob.data) == len(other.blob.data):
        found.broken("its bytes changed on the way", one.path)


@rule(
    "KHO140",
    "the next kernel lost nothing of what it was handed, as far as it shows",
    error(),
    explanation="As kho-tui diff tells it, sessions, files, FLBs, regions and test folios: by the next kernel's log, a WARNING where it "
    "restores included; by its release and command line, without LUO nobody can retrieve what LUO was handed; by folios that two files "
    "share. That nothing is seen to be lost does not prove that all arrived: the kernel warns once a boot.",
    consequence="whoever handed it over does not get it back",
    source="kho_restore_page of kernel/liveupdate/kexec_handover.c and liveupdate_early_init of kernel/liveupdate/luo_core.c, 6.19 to 7.3",
    across=True,
)
def losses(evidence: Evidence, found: Found) -> None:
    """The losses that a comparison of the two states is certain of, less those that other rules here look for."""
    assert evidence.after is not None
    log = read_log(evidence.after.log)
    handover = handover_evidence(evidence.state, evidence.after, log)
    if handover.before is not evidence.side:
        found.nothing = SafeText("only an outgoing side is handed over")
    elif evidence.not_after or not handover.shown:
        found.lack(AFTER, evidence.not_after or handover.why)
    elif not handover.refused:
        for fate in handover_fates(evidence.state, evidence.after, handover, log, evidence.context).fates:
            if fate.fate is Fate.LOST and fate.entity not in _ELSEWHERE:
                found.broken(f"{fate.entity} {fate.title} is lost: {fate.reason}", fate.path)
        if not evidence.after.log_from_boot:
            found.lack("kernel log of the state after", "its beginning is not in this capture: it alone tells restores that fail")


RULES = (tables, roots, arrived, losses)
