"""FDT nodes declared like structs: which properties a node holds, in native byte order, and what each means."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from kho_tui.fdt.tree import Node, Property
from kho_tui.layout.place import Place
from kho_tui.layout.platform import ByteOrder
from kho_tui.layout.struct import Field, FieldValue, Unit
from kho_tui.text import visible

COMPATIBLE_MEANING = "format of this node; a kernel takes only the exact strings it knows"


def compatible(meaning: str = COMPATIBLE_MEANING) -> Field:
    """The ``compatible`` property, a NUL-terminated string."""
    return Field("compatible", None, Unit.TEXT, meaning)


@dataclass(frozen=True, slots=True)
class NodeLayout:
    """The properties of one kind of FDT node. ``source`` is kernel header and releases."""

    name: str
    properties: tuple[Field, ...]
    source: str
    meaning: str

    def values(self, node: Node, byte_order: ByteOrder, place: Place) -> tuple[FieldValue, ...]:
        """Every property of ``node``, also those that are not declared. ``place`` is that of the FDT's first byte."""
        return tuple(self._value(p, byte_order, place) for p in node.properties)

    def _value(self, found: Property, byte_order: ByteOrder, place: Place) -> FieldValue:
        name = "?" if found.name is None else visible(found.name)
        declared = next((f for f in self.properties if f.name == name), None)
        fits = declared is not None and (declared.size is None or declared.size == len(found.data))
        field = declared if declared is not None and fits else Field(name, None, Unit.OPAQUE, _oddity(declared, found))
        return FieldValue(field, found.data, field.decode(found.data, byte_order), place.at(found.data_offset), field.source or self.source)


def _oddity(declared: Field | None, found: Property) -> str:
    if found.name is None:
        return f"its name lies at offset {found.name_offset} of a string block that is not there"
    if declared is None:
        return "no known release writes this property here"
    return f"{len(found.data)} bytes where the format says {declared.size}; a kernel refuses it"


def integer_property(node: Node, name: str, size: int, byte_order: ByteOrder) -> int | None:
    """The native-endian value of a property, None where it is absent or of another length."""
    found = node.property(name.encode())
    if found is None or not found.complete or len(found.data) != size:
        return None
    return int.from_bytes(found.data, byte_order)


def compatible_of(node: Node, known: Container[bytes] = ()) -> bytes | None:
    """The first string of ``compatible`` that is ``known``, else its first one; None where there is none, or it is cut off before its end.

    Membership decides, as in fdt_node_check_compatible (scripts/dtc/libfdt/fdt_ro.c): one known string among others is enough.
    """
    found = node.property(b"compatible")
    if found is None or not found.data or not (found.complete or b"\0" in found.data):
        return None
    whole = found.strings or (b"",)
    return next((name for name in whole if name in known), whole[0])
