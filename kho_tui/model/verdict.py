"""The first line: what was read, and what would be handed over now. It never says that a state is sound."""

from __future__ import annotations

from kho_tui.abi.luo import LUO_NAME
from kho_tui.fdt.libfdt import UNAVAILABLE
from kho_tui.layout.place import Origin
from kho_tui.model.codes import SEVERAL_ROOTS
from kho_tui.model.facts import Damaged, Missing, Status
from kho_tui.model.state import Root, Side, State, Subtree
from kho_tui.releases.table import Finalize, Release
from kho_tui.text import SafeText, plural, visible


def verdict(state: State) -> SafeText:
    """One line about the whole state."""
    outgoing, incoming, unsided = (state.sides.get(name) for name in ("out", "in", "unsided"))
    if not state.sides:
        if isinstance(state.scratch, Missing):
            return _nothing(state)
        return SafeText(f"a scratch table of {plural(len(state.scratch.areas), 'area')}; no handover in this capture")
    parts = []
    if unsided is not None:
        several = next((one.address for one in state.findings if one.code == SEVERAL_ROOTS.name), None)
        another = "" if several is None else f"; another root FDT that its own tracker keeps is at {several:#x}"
        parts.append(f"side unknown: {_handover(unsided)}{another}")
    if outgoing is not None:
        parts.append(_outgoing(outgoing, state))
    if incoming is not None:
        parts.append(_incoming(incoming, alone=outgoing is None))
    return SafeText("; ".join(parts))


def _nothing(state: State) -> SafeText:
    """Why there is no KHO state, or why that cannot be told: it can only where all there is was read."""
    cut = state.machine.memory_cut
    if cut:
        return SafeText(f"whether there is KHO state here cannot be told: {cut}")
    if state.machine.memory_unread:
        return SafeText(f"whether there is KHO state here cannot be told: {state.absent}")
    off = next((line for line in state.log if line.kind == "disabled" and line.side == "out"), None)
    if off is not None:
        return SafeText(f"no KHO state here: KHO switched itself off in this boot, by its log: {visible(off.text)}")
    return SafeText(f"no KHO state here: {state.absent or 'nothing in it speaks of KHO'}")


def nothing_read(state: State) -> bool:
    """Whether nothing of a handover could be read: neither a root FDT with its version nor a subtree, scratch area or line of a log."""
    roots = (side.root for side in state.sides.values())
    has_root = any(not (isinstance(root, Missing) or root.version_unread) for root in roots)
    has_subtree = any((side.subtrees_told and isinstance(side.root, Missing)) or side.subtrees for side in state.sides.values())
    # What was cut off may be all that the log speaks of.
    has_log = bool(state.log) and not state.machine.memory_cut
    return not (has_root or has_subtree or has_log) and isinstance(state.scratch, Missing)


def _outgoing(side: Side, state: State) -> str:
    """When and what a running kernel that is newer than what is known here hands over is not said."""
    known, running = state.registry.releases, state.machine.release
    release = known.of(running)
    stateful = release is not None and release.finalize is Finalize.STATEFUL
    if side.finalized is False and not known.is_newer(running):
        return f"out: not finalized: {_before_finalize(side, release)}"
    if isinstance(side.root, Missing):
        return f"out: {_named(side)}what is preserved cannot be told: {side.root.reason}"
    fault = root_fault(side.root)
    if fault is not None:
        return f"out: {fault}, so the next kernel would not take it as it is; {_handover(side)}"
    if side.root.version_unread:
        return f"out: {_handover(side)}"
    if side.root.format is None:
        return f"out: a root FDT of a version that is not known; whether the next kernel accepts it is unknown; {_handover(side)}"
    if isinstance(side.preserved, Damaged) or known.is_newer(running):
        return f"out: {_handover(side)}"
    now = "a kexec image loaded now, while finalized, would hand over" if stateful else "a kexec now would hand over"
    return f"{now} {_handover(side)}"


def root_fault(root: Root) -> str | None:
    """What the next kernel's first look at the root FDT would trip over (kernel/liveupdate/kexec_handover.c, kho_populate).

    No fault is a copy cut by debugfs, nor a version that is not known here: a newer kernel may accept it.
    """
    cut_copy = root.view.tree.truncated and root.view.blob.place.origin is not Origin.MEMORY
    if root.compatible is None and root.view.tree.root is not None and not root.version_unread:
        return "a root FDT without a version"
    if not root.view.verdict.startswith(("ok", UNAVAILABLE)) and not cut_copy:
        return f"a damaged root FDT ({root.view.verdict.partition(':')[0]})"
    return None


def _before_finalize(side: Side, release: Release | None) -> str:
    """What a kexec would do now, by the rule of the release (kernel/liveupdate/kexec_handover.c, kho_finalize)."""
    if release is not None and release.finalize is Finalize.SERIALIZE and any(s.lookup_name == LUO_NAME for s in side.subtrees):
        return f"LUO does that inside the reboot call, so a kexec would hand over {_named(side) or 'what is registered then'}".rstrip("; ")
    if release is not None and release.finalize is Finalize.SERIALIZE:
        return f"{_named(side)}the next kernel refuses it unless 1 is written to out/finalize before the kexec"
    return "a kexec image loaded now would carry nothing; 1 has to be written to out/finalize before it is loaded"


def _named(side: Side) -> str:
    names = ", ".join(visible(s.name) for s in side.subtrees)
    return f"{'subtree' if len(side.subtrees) == 1 else 'subtrees'} {names}; " if names else ""


def _incoming(side: Side, *, alone: bool) -> str:
    if isinstance(side.root, Missing):
        return f"in: {side.root.reason}"
    version = side.root.version_words
    by = f" from {side.writer}" if side.writer else ""
    names = ", ".join(visible(s.name) for s in side.subtrees)
    return f"in: booted from a {version} handover{by} ({names})" + ("; its tracker is stale" if alone else "")


def _handover(side: Side) -> str:
    if isinstance(side.root, Missing):
        names = ", ".join(visible(s.name) for s in side.subtrees)
        return f"a single blob ({names})" if side.subtrees else str(side.root.reason)
    version = f"root FDT, {side.root.version_words}" if side.root.compatible is None else side.root.version_words
    preserved = side.preserved
    if isinstance(preserved, Missing):
        memory = f"preserved memory {preserved.status.value}: {preserved.reason}"
    else:
        memory = str(preserved.doubt.reason if preserved.doubt is not None else preserved.words)
    luo = next((_sessions(s) for s in side.handed_over if s.sessions is not None or s.lookup_name == LUO_NAME), "")
    return f"{version}: {memory}; {side.subtree_words}{luo}"


def _sessions(subtree: Subtree) -> str:
    sessions = subtree.sessions
    if sessions is None:
        return f"; LUO {subtree.status.value}: {subtree.reason}"
    if isinstance(sessions, Missing):
        return f"; LUO sessions {sessions.status.value}: {sessions.reason}"
    if not sessions.sessions and sessions.status is not Status.DECODED:
        return f"; LUO sessions {sessions.status.value}: {sessions.reason}"
    return f"; {sessions.count.words('session')}, {sessions.file_count.words('file')}"
