"""Which differences from a simulated state were to be expected: the simulation says itself what it cannot predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kho_tui.model.change import Change, ChangeKind, Diff
from kho_tui.model.unpredictable import Unpredictable
from kho_tui.text import NO_TEXT, SafeText


def with_declared(diff: Diff, unpredictable: Sequence[Unpredictable]) -> Diff:
    """The same, with each root of change that a simulation declares told so; ``unpredictable`` is what the states of both ends declare."""
    return replace(diff, changes=tuple(replace(one, declared=_declared(one, unpredictable)) for one in diff.changes))


def _declared(change: Change, unpredictable: Sequence[Unpredictable]) -> SafeText:
    """Why a change was to be expected, with all that follows from it; empty where it was not."""
    return next((one.text for one in unpredictable if _covers(one, change)), NO_TEXT)


def _covers(one: Unpredictable, change: Change) -> bool:
    paths = [path.text for path in (change.path, change.other) if path is not None]
    if not all(map(one.covers, paths)) or (one.only_addresses and change.kind is not ChangeKind.MOVED):
        return False
    return all(_covers(one, below) for below in change.consequences)
