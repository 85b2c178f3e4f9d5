"""A writer of flattened device trees with the two shapes that kernels leave behind."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_BEGIN, _END_NODE, _PROP, _END = 1, 2, 3, 9


@dataclass(frozen=True, slots=True)
class Node:
    """A node; property values are raw bytes, as KHO stores them."""

    name: bytes
    properties: tuple[tuple[bytes, bytes], ...] = ()
    children: tuple[Node, ...] = ()


def text(value: bytes) -> bytes:
    """The value of a string property."""
    return value + b"\0"


def build(root: Node, strings: Sequence[bytes] | None = None, packed: bool = False) -> bytes:
    """The finished tree, totalsize bytes.

    ``packed``: went through fdt_pack, so the reservation map is at 40 instead of 48. ``strings`` fixes the string block;
    without it the names stand in reverse order of first use, as the sequential writer of libfdt leaves them.
    """
    names = strings if strings is not None else list(reversed(list(dict.fromkeys(_names(root)))))
    table = b"".join(name + b"\0" for name in names)
    structure = _node(root, table) + struct.pack(">I", _END)
    reserved_at = 40 if packed else 48
    structure_at = reserved_at + 16
    strings_at = structure_at + len(structure)
    header = struct.pack(
        ">10I", 0xD00DFEED, strings_at + len(table), structure_at, strings_at, reserved_at, 17, 16, 0, len(table), len(structure)
    )
    return header.ljust(structure_at, b"\0") + structure + table


def _names(node: Node) -> Iterator[bytes]:
    yield from (name for name, _ in node.properties)
    for child in node.children:
        yield from _names(child)


def _node(node: Node, table: bytes) -> bytes:
    out = struct.pack(">I", _BEGIN) + _padded(node.name + b"\0")
    for name, value in node.properties:
        out += struct.pack(">III", _PROP, len(value), table.index(name + b"\0")) + _padded(value)
    for child in node.children:
        out += _node(child, table)
    return out + struct.pack(">I", _END_NODE)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
