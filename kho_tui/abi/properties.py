"""FDT nodes declared like structs: which properties a node holds, in native byte order, and what each means."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace

from kho_tui.fdt.tree import Node, Property
from kho_tui.layout.place import Place
from kho_tui.layout.platform import ByteOrder
from kho_tui.layout.struct import Field, FieldValue, Unit
from kho_tui.text import name_start, visible

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
        """Every property of ``node``, also those that are not declared and the one that is cut.

        ``place`` is that of the FDT's first byte.
        """
        whole = tuple(self._value(p, byte_order, place) for p in node.properties)
        return whole if node.cut_property is None else (*whole, self._value(node.cut_property, byte_order, place))

    def further(self, values: Iterable[FieldValue], *known: str) -> dict[str, int | bytes]:
        """The values of all declared properties but those that are ``known``, as far as they are there whole."""
        wanted = {field.name for field in self.properties}.difference(known)
        return {one.field.name: one.value for one in values if one.field.name in wanted and one.cut_from is None}

    def _value(self, found: Property, byte_order: ByteOrder, place: Place) -> FieldValue:
        name = "?" if found.name is None else visible(found.name)
        declared = next((f for f in self.properties if f.name == name), None)
        fits = declared is not None and declared.size in (None, found.length)
        field = declared if declared is not None and fits else Field(name, None, Unit.OPAQUE, _oddity(declared, found))
        cut = len(found.data) < found.length
        value = found.data if cut else field.decode(found.data, byte_order)
        size = found.length if cut else None
        return FieldValue(
            field=field, raw=found.data, value=value, place=place.at(found.data_offset), source=field.source or self.source, cut_from=size
        )


def joined(layouts: Iterable[NodeLayout]) -> NodeLayout:
    """A node that may be of any of several layouts: the properties of all, named like the first."""
    several = tuple(layouts)
    return replace(several[0], properties=tuple(dict.fromkeys(field for layout in several for field in layout.properties)))


def _oddity(declared: Field | None, found: Property) -> str:
    if found.name_start:
        return f"{name_start(found.name_start)}: the string block is cut there"
    if found.name is None:
        return f"its name lies at offset {found.name_offset} of a string block that is not there"
    if declared is None:
        return "no known release writes this property here"
    return f"{found.length} bytes where the format says {declared.size}; a kernel refuses it"


def integer_property(node: Node, name: str, size: int, byte_order: ByteOrder) -> int | None:
    """The native-endian value of a property, None where it is absent or of another length."""
    found = node.property(name.encode())
    if found is None or len(found.data) != size:
        return None
    return int.from_bytes(found.data, byte_order)


def compatible_of(node: Node, known: Container[bytes] = ()) -> bytes | None:
    """The first string of ``compatible`` that is ``known``, else its first one; None where there is none, or it is not there whole.

    Membership decides, as in fdt_node_check_compatible (scripts/dtc/libfdt/fdt_ro.c): one known string among others is enough.
    """
    found = node.property(b"compatible")
    if found is None or not found.data:
        return None
    if not found.strings:
        return None if found.data.strip(b"\0") else b""
    return next((name for name in found.strings if name in known), found.strings[0])
