"""Lines of detail: from records, from FDT properties, and derived ones."""

from __future__ import annotations

from collections.abc import Iterable

from kho_tui.layout.place import Blob
from kho_tui.layout.struct import FieldValue, Record, Unit
from kho_tui.model.entity import Value, value_of
from kho_tui.model.facts import Fact, Missing, Status


def record_values(*records: Record | None) -> tuple[Value, ...]:
    """All fields of records; packed fields are followed by their parts."""
    return tuple(v for record in records if record is not None for v in property_values(record.values()))


def property_values(values: Iterable[FieldValue]) -> tuple[Value, ...]:
    """Decoded fields as lines; packed fields are followed by their parts."""
    lines: list[Value] = []
    for one in values:
        lines.append(value_of(one))
        lines += _part_values(one)
    return tuple(lines)


def _part_values(one: FieldValue) -> list[Value]:
    if not isinstance(one.value, int):
        return []
    return [
        Value(f"{one.field.name}.{part.name}", part.unit, part.of(one.value), part.meaning, one.source, one.place, len(one.raw))
        for part in one.field.parts
    ]


def derived(name: str, unit: Unit, value: Fact[int] | Fact[bytes], meaning: str) -> Value:
    """A value that lies nowhere as such."""
    status = value.status if isinstance(value, Missing) else Status.DERIVED
    return Value(name, unit, value, meaning, status=status)


def words(name: str, text: str, meaning: str) -> Value:
    """A derived value in words of ours."""
    return Value(name, Unit.TEXT, text.encode(), meaning, status=Status.DERIVED)


def bytes_of(record: Record) -> Blob:
    """The record's bytes for the hex view."""
    return Blob(record.data, record.place)
