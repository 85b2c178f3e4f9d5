"""Lines of detail: from records, from FDT properties, and derived ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from kho_tui.abi.properties import NodeLayout
from kho_tui.layout.place import Blob
from kho_tui.layout.struct import FieldValue, Record, Unit
from kho_tui.model.entity import Entity, Value, value_of
from kho_tui.model.facts import Fact, Missing, Status
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText, name_start

MOST_HEADERS = 64
"""Headers of one list that are shown field by field."""


PLAIN_NODE = NodeLayout("node", (), "", "a node of a subtree that is not known")
"""For FDTs that no release in the table writes: every property raw."""


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
        Value(
            name=f"{one.field.name}.{part.name}",
            unit=part.unit,
            value=part.of(one.value),
            meaning=part.meaning,
            source=one.source,
            place=one.place,
            size=len(one.raw),
        )
        for part in one.field.parts
    ]


def header_values(of: str, headers: Sequence[Record]) -> tuple[Value, ...]:
    """All fields of the headers of a list, named after it: ``files.next``, and ``files[1].next`` from the second header on."""
    return tuple(
        replace(value, name=f"{of}[{number}].{value.name}" if number else f"{of}.{value.name}")
        for number, header in enumerate(headers[:MOST_HEADERS])
        for value in record_values(header)
    )


def header_blobs(headers: Sequence[Record]) -> tuple[Blob, ...]:
    """The bytes of the headers whose fields are shown."""
    return tuple(map(bytes_of, headers[:MOST_HEADERS]))


def derived(name: str, unit: Unit, value: Fact[int] | Fact[bytes], meaning: str) -> Value:
    """A value that lies nowhere as such."""
    status = value.status if isinstance(value, Missing) else Status.DERIVED
    return Value(name=name, unit=unit, value=value, meaning=meaning, status=status)


def words(name: str, text: str, meaning: str) -> Value:
    """A derived value in words of ours."""
    return Value(name=name, unit=Unit.TEXT, value=text.encode(), meaning=meaning, status=Status.DERIVED)


def cut_entity(kind: str, prefix: bytes, parent: EntityPath) -> Entity:
    """What stands for one more thing of a list, inside whose name the input ends: it is there, and nothing more is known of it."""
    title = SafeText(f"one more {kind}")
    path = parent.child(f"one-more-{kind}")
    return Entity(
        path=path,
        kind="cut",
        title=title,
        status=Status.UNAVAILABLE,
        summary=name_start(prefix),
        reason=SafeText("the FDT ends inside its name"),
    )


def missing_entity(path: EntityPath, kind: str, why: Missing) -> Entity:
    """What stands for a part that is not there."""
    return Entity(path=path, kind=kind, title=SafeText(kind), status=why.status, reason=why.reason)


def bytes_of(record: Record) -> Blob:
    """The record's bytes for the hex view."""
    return Blob(record.data, record.place)
