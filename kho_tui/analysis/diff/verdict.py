"""The first line of a comparison: what differs, or what was lost, and what cannot be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from kho_tui.analysis.diff.ends import lost_with
from kho_tui.analysis.diff.failed import RESTORE
from kho_tui.model.change import Change, ChangeKind, Diff, EntityFate, Fate, HandoverFates, Untold
from kho_tui.releases.table import Release
from kho_tui.text import SafeText, plural

_ORDER = ("side", "scratch area", "tracker", "subtree", "reserve_mem", "folios", "session", "file", "FLB")
"""Kinds in the order in which they are counted."""

_NAMED = 6
"""Losses called by name in the line."""


def diff_verdict(diff: Diff) -> SafeText:
    """One line on two states."""
    if diff.same:
        said = "no difference seen"
    else:
        kinds = Counter(change.kind for change in diff.changes)
        told = [f"{kinds[kind]} {kind.value}" for kind in ChangeKind if kinds[kind]]
        left = [plural(len(diff.memory), "owner") + " of memory whose blocks differ"] if diff.memory else []
        said = f"{plural(len(diff.changes) + len(diff.memory), 'root')} of change: {', '.join([*told, *left])}"
        declared = sum(bool(change.declared) for change in diff.changes)
        if diff.as_predicted:
            said = f"as predicted, but for what the simulation declares unpredictable: {', '.join(told)}"
        elif declared:
            said += f"; {declared} declared unpredictable by the simulation"
    return SafeText(said + _untold(Counter(entity for entity, _ in {(one.entity, one.where) for one in diff.untold})))


def fates_verdict(fates: HandoverFates, release: Release | None) -> SafeText:
    """One line on a handover; ``release``: the series of the kernel that was handed the state."""
    lost, untold, may = fates.of(Fate.LOST), fates.of(Fate.UNTOLD), fates.of(Fate.MAY)
    if fates.refused:
        return SafeText(f"refused, everything is lost ({_counts(lost)}): {fates.refused}")
    running = f" ({_reasons(untold)} on a running {release.name})" if release is not None and _reasons(untold) else ""
    rest = f"; cannot tell: {_counts(untold)}{running}" if untold else ""
    rest += f"; as it may be: {_counts(may)}" if may else ""
    if lost:
        names = [f"{one.entity} {one.title}" for one in lost[:_NAMED]]
        more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
        least = "at least " if any(one.entity == RESTORE for one in lost) else ""
        reasons = {one.reason for one in lost} - {lost_with(one.entity) for one in lost}
        why = f": {next(iter(reasons))}" if len(reasons) == 1 else ""
        return SafeText(f"{least}{len(lost)} lost: {', '.join(names)}{more}{why}{rest}")
    if all(one.fate.is_whole for one in (*fates.fates, *fates.onward)):
        return SafeText(f"handed over whole: {_counts(fates.fates)}")
    return SafeText(f"no loss seen{rest}")


def with_consequences(changes: Iterable[Change]) -> Iterable[Change]:
    """Every change, causes before what follows from them."""
    stack = list(changes)[::-1]
    while stack:
        one = stack.pop()
        yield one
        stack.extend(reversed(one.consequences))


def _reasons(untold: Sequence[EntityFate]) -> str:
    return "stale" if untold and all(one.reason.startswith("stale") for one in untold) else ""


def _counts(fates: Sequence[EntityFate]) -> str:
    return _listed(Counter(one.entity for one in fates))


def _listed(counts: Counter[str]) -> str:
    return ", ".join(_several(kind, counts[kind]) for kind in sorted(counts, key=lambda kind: (_rank(kind), kind)))


def _rank(kind: str) -> int:
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


def _several(kind: str, count: int) -> str:
    word = {"side": "root FDT", "folios": "list of folios", "FLBs": "list of FLBs", "sessions": "list of sessions"}.get(kind, kind)
    return plural(count, word) if not word.startswith("list of") or count == 1 else f"{count} {word.replace('list', 'lists')}"


def _untold(counts: Counter[str]) -> str:
    return f"; cannot tell: {_listed(counts)}" if counts else ""


def untold_count(diff: Diff | None, fates: HandoverFates | None) -> int:
    """How many things could not be told."""
    unread: Sequence[Untold] = () if diff is None else diff.untold
    return len(unread) if fates is None else len(fates.of(Fate.UNTOLD))
