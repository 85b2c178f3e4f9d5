"""``diff --json``: schema kho-tui.diff/1. Values as in the state's own schema: addresses "0x..." strings, sizes and counts integers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from kho_tui.analysis.diff.verdict import with_consequences
from kho_tui.layout.struct import Unit
from kho_tui.model.change import Change, EntityFate, Evidence, Fate, FieldChange, HandoverFates, MemoryChange, Untold
from kho_tui.model.facts import Missing
from kho_tui.model.json_value import Json
from kho_tui.model.path import EntityPath
from kho_tui.operations.diff_states import Compared
from kho_tui.text import c_string, visible

SCHEMA = "kho-tui.diff/1"
_NUMBERS = frozenset({Unit.BYTES, Unit.PAGES, Unit.COUNT, Unit.ORDER, Unit.INDEX, Unit.VERSION})


def diff_json(compared: Compared, words: Sequence[str], *, stat: bool) -> Json:
    """The whole comparison; ``words`` name the kinds of change and fates that are listed (none: all), ``stat`` leaves the lists out."""
    diff, fates, not_one = compared.diff, compared.fates, compared.not_one
    document: dict[str, Json] = {
        "schema": SCHEMA,
        "verdict": compared.verdict,
        "view": "plain" if fates is None else "handover",
        "paths": [compared.old.machine.path, compared.new.machine.path],
        "kernels": [
            None if release is None else visible(release) for release in (compared.old.machine.release, compared.new.machine.release)
        ],
        "not_one_handover": None if not_one is None or not not_one.told else not_one.why,
        "one_handover_untold": None if not_one is None or not_one.told else not_one.why,
        "evidence": [_evidence(one) for one in compared.evidence],
        "origins": list(compared.origins),
        "counts": _counts(compared),
    }
    if stat:
        return document
    document["handover"] = None if fates is None else _handover(fates, words)
    document["diff"] = (
        None
        if diff is None
        else {
            "sides": [list(pair) for pair in diff.sides],
            "changes": [_change(one) for one in diff.changes if not words or one.kind.value in words],
            "memory": [_memory(one) for one in diff.memory if not words],
            "untold": [_untold(one) for one in diff.untold if not words or Fate.UNTOLD.value in words],
        }
    )
    return document


def _counts(compared: Compared) -> Json:
    diff, fates = compared.diff, compared.fates
    changes: Iterable[Change] = () if diff is None else diff.changes
    told = () if fates is None else (*fates.fates, *fates.onward)
    return {
        "roots": dict(Counter(one.kind.value for one in changes)),
        "changes": dict(Counter(one.kind.value for one in with_consequences(changes))),
        "memory": 0 if diff is None else len(diff.memory),
        "untold": 0 if diff is None else len(diff.untold),
        "fates": None if fates is None else dict(Counter(one.fate.value for one in told)),
    }


def _handover(fates: HandoverFates, words: Sequence[str]) -> Json:
    return {
        "refused": fates.refused or None,
        "entities": [_fate(one) for one in fates.fates if not words or one.fate.value in words],
        "onward": [_fate(one) for one in fates.onward if not words or one.fate.value in words],
    }


def _fate(one: EntityFate) -> Json:
    return {
        "fate": one.fate.value,
        "entity": one.entity,
        "path": one.path.text,
        "other": _path(one.other),
        "title": one.title,
        "reason": one.reason,
        "fields": [_field(field) for field in one.fields],
    }


def _evidence(one: Evidence) -> Json:
    return {"what": one.name, "holds": one.holds, "text": one.text}


def _change(top: Change) -> Json:
    """Consequences are as deep as the walk of entities is, which is bounded."""
    return {
        "kind": top.kind.value,
        "entity": top.entity,
        "path": _path(top.path),
        "other": _path(top.other),
        "title": top.title,
        "note": top.note,
        "declared": top.declared or None,
        "fields": [_field(one) for one in top.fields],
        "memory": [_memory(one) for one in top.memory],
        "consequences": [_change(one) for one in top.consequences],
    }


def _memory(one: MemoryChange) -> Json:
    return {
        "part": one.part.value,
        "kind": one.kind,
        "owner": _path(one.owner),
        "bytes": one.size,
        "ranges": one.count,
        "first": [[f"{low:#x}", f"{high:#x}"] for low, high in one.ranges],
        "reason": one.reason or None,
    }


def _untold(one: Untold) -> Json:
    return {"entity": one.entity, "where": one.where.text, "title": one.title, "reason": one.reason}


def _field(one: FieldChange) -> Json:
    return {"name": visible(one.name), "unit": one.unit.name.lower(), "old": _value(one.old, one.unit), "new": _value(one.new, one.unit)}


def _value(value: int | bytes | Missing | None, unit: Unit) -> Json:
    if value is None or isinstance(value, Missing):
        return None
    if isinstance(value, bytes):
        return visible(c_string(value)) if unit is Unit.TEXT else value.hex()
    return value if unit in _NUMBERS else f"{value:#x}"


def _path(path: EntityPath | None) -> Json:
    return None if path is None else path.text
