"""The fields of two entities, compared by name and unit. Derived values and summaries are left out: they follow from the rest."""

from __future__ import annotations

from collections.abc import Iterable

from kho_tui.fdt.header import FDT_HEADER
from kho_tui.layout.struct import Unit
from kho_tui.model.change import FieldChange
from kho_tui.model.entity import Value
from kho_tui.model.facts import Damaged, Missing, Status
from kho_tui.text import SafeText

_TOLD_ELSEWHERE = frozenset({"root FDT", "finalized"})
"""Derived values of a side that no field of its root FDT holds."""

STATE = "state"
"""Name of the field that says that something can be read in another way than before."""

_MAY_BE_ABSENT = frozenset({"finalized"})
"""Not told where the release has no such step."""

Named = dict[tuple[str, bool, int], Value]


def compare_values(old: Iterable[Value], new: Iterable[Value]) -> tuple[list[FieldChange], list[tuple[str, SafeText]]]:
    """Fields that differ in the order of A, then those of B alone; and names that cannot be compared, each with its reason."""
    before, after = _named(old), _named(new)
    changes: list[tuple[Value, FieldChange]] = []
    untold: list[tuple[str, SafeText]] = []
    for key in [*before, *(key for key in after if key not in before)]:
        one, other = before.get(key), after.get(key)
        here = one or other
        assert here is not None
        was, now = None if one is None else one.value, None if other is None else other.value
        missing = next((value for value in (was, now) if isinstance(value, Missing) and not isinstance(value, Damaged)), None)
        if missing is not None:
            if not (isinstance(was, Missing) and isinstance(now, Missing)) and key[0] not in _MAY_BE_ABSENT:
                untold.append((here.name, missing.reason))
        elif was != now and not (isinstance(was, Missing) and isinstance(now, Missing)):
            changes.append((here, FieldChange(here.name, here.unit, was, now)))
    fields = _without_wholes(changes)
    kept = [key for key in before if key in after], [key for key in after if key in before]
    if kept[0] != kept[1]:
        fields.append(FieldChange("order of fields", Unit.TEXT, *(b", ".join(name.encode() for name, *_ in keys) for keys in kept)))
    return fields, untold


def state_change(old: Status, new: Status) -> FieldChange:
    """That something can be read in another way than before, as a field."""
    return FieldChange(STATE, Unit.TEXT, old.value.encode(), new.value.encode())


def _named(values: Iterable[Value]) -> Named:
    """Values by name, those of an FDT's header apart from all others; one that stands there twice by its number too."""
    found: Named = {}
    taken: dict[tuple[str, bool], int] = {}
    for value in values:
        if value.status is Status.DERIVED and value.name not in _TOLD_ELSEWHERE:
            continue
        key = (value.name, value.source == FDT_HEADER.source)
        number = taken[key] = taken.get(key, 0) + 1
        found[*key, number] = value
    return found


def _without_wholes(changes: list[tuple[Value, FieldChange]]) -> list[FieldChange]:
    """A packed field is told by its parts where these differ."""
    parts = {(value.name.rpartition(".")[0], value.place) for value, _ in changes}
    return [change for value, change in changes if (value.name, value.place) not in parts]
