"""Which differences from a simulated state were to be expected: the simulation says itself what it cannot predict."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from kho_tui.analysis.diff.facet import Diffing
from kho_tui.analysis.diff.possible import possible_number
from kho_tui.layout.platform import Platform
from kho_tui.model.change import Change, ChangeKind, Diff, FieldChange
from kho_tui.model.path import EntityPath
from kho_tui.model.state import State
from kho_tui.model.unpredictable import Spot, Unpredictable
from kho_tui.text import NO_TEXT, SafeText

_OTHER_VALUES = frozenset({ChangeKind.MOVED, ChangeKind.CHANGED, ChangeKind.RESIZED})
_ROW = re.compile(r"^\d+\.")


def with_declared(diff: Diff, old: State, new: State) -> Diff:
    """The same, with each root of change that a simulation declares told so: one of the two states was simulated, or both."""
    unpredictable = (*old.unpredictable, *new.unpredictable)
    if not unpredictable:
        return diff
    known = old.registry.facets(Diffing)
    subtrees = (subtree for side in old.sides.values() for subtree in side.subtrees)
    declared = _Declared(
        unpredictable=unpredictable,
        platform=old.machine.platform,
        possible={
            subtree.path: possible
            for subtree in subtrees
            if subtree.lookup_name in known and (possible := known[subtree.lookup_name].possible) is not None
        },
    )
    return replace(diff, changes=tuple(replace(one, declared=declared.reasons(one)) for one in diff.changes))


@dataclass(frozen=True, eq=False, kw_only=True)
class _Declared:
    """What the states of both ends declare. ``possible``: what is a possible value there, by the path of A's subtree."""

    unpredictable: Sequence[Unpredictable]
    platform: Platform
    possible: Mapping[EntityPath, Callable[[FieldChange, Spot, Platform], bool]]

    def reasons(self, change: Change) -> SafeText:
        """Why a change was to be expected, with all that follows from it; empty where it was not."""
        reasons: dict[SafeText, None] = {}
        stack = [change]
        while stack:
            one = stack.pop()
            stack += one.consequences
            told = [self._reason(one, field) for field in one.fields]
            if one.kind not in _OTHER_VALUES or not told or not all(told):
                return NO_TEXT
            reasons |= dict.fromkeys(told)
        return SafeText("; ".join(reasons))

    def _reason(self, change: Change, field: FieldChange) -> SafeText:
        paths = {path.text for path in (change.path, change.other) if path is not None}
        possible = possible_number if change.path is None else self.possible.get(EntityPath(change.path.parts[:2]), possible_number)
        for one in self.unpredictable:
            spots = [one.spot(path, _ROW.sub("", field.name)) for path in paths]
            if all(spot is not None and possible(field, spot, self.platform) for spot in spots):
                return one.text
        return NO_TEXT
