"""Changes to a finished FDT that no kernel makes: headers that lie, and bytes put in or taken out, offsets kept in step."""

from __future__ import annotations

from kho_tui.fdt.header import FDT_HEADER
from kho_tui.fdt.tree import Property, TokenKind
from kho_tui.layout.place import Origin, Place

_RECORD = 12
"""Tag, length and name offset in front of a property's data."""
_RESERVATION = 16


def header_value(fdt: bytes, name: str) -> int:
    """A field of the header."""
    return FDT_HEADER.record(fdt, "big", Place(Origin.MEMORY, "", None)).integer(name)


def with_header(fdt: bytes, **values: int) -> bytes:
    """The FDT with other values in its header."""
    changed = bytearray(fdt)
    for name, value in values.items():
        offset, size = FDT_HEADER.span(name)
        changed[offset : offset + size] = value.to_bytes(size, "big")
    return bytes(changed)


def record_span(prop: Property) -> tuple[int, int]:
    """(offset, end) of a property's record in the FDT, padding included."""
    return prop.offset, prop.data_offset + -(-len(prop.data) // 4) * 4


def property_record(name_offset: int, data: bytes) -> bytes:
    """A property's record."""
    head = b"".join(value.to_bytes(4, "big") for value in (TokenKind.PROP.value, len(data), name_offset))
    return head + data.ljust(-(-len(data) // 4) * 4, b"\0")


def node_record(name: bytes, inside: bytes = b"") -> bytes:
    """A node with what stands in it."""
    head = TokenKind.BEGIN_NODE.value.to_bytes(4, "big") + name.ljust(len(name) // 4 * 4 + 4, b"\0")
    return head + inside + TokenKind.END_NODE.value.to_bytes(4, "big")


def spliced(fdt: bytes, start: int, end: int, new: bytes) -> bytes:
    """The structure block with ``new`` in place of [start, end), what follows moved along."""
    grown = len(new) - (end - start)
    changed = fdt[:start] + new + fdt[end : header_value(fdt, "totalsize")]
    return with_header(
        changed,
        totalsize=header_value(fdt, "totalsize") + grown,
        off_dt_strings=header_value(fdt, "off_dt_strings") + grown,
        size_dt_struct=header_value(fdt, "size_dt_struct") + grown,
    )


def with_property(fdt: bytes, prop: Property, data: bytes) -> bytes:
    """The FDT with other data in a property, of any length."""
    return spliced(fdt, *record_span(prop), property_record(prop.name_offset, data))


def without_property(fdt: bytes, prop: Property) -> bytes:
    """The FDT with NOPs in place of a property, so that nothing moves."""
    start, end = record_span(prop)
    return fdt[:start] + TokenKind.NOP.value.to_bytes(4, "big") * ((end - start) // 4) + fdt[end:]


def with_reservation(fdt: bytes, address: int, size: int) -> bytes:
    """The FDT with one entry in its memory reservation map."""
    at = header_value(fdt, "off_mem_rsvmap")
    entry = address.to_bytes(8, "big") + size.to_bytes(8, "big")
    names = ("totalsize", "off_dt_struct", "off_dt_strings")
    return with_header(fdt[:at] + entry + fdt[at:], **{name: header_value(fdt, name) + _RESERVATION for name in names})
