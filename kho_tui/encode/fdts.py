"""FDTs that are written in one go: as trees of declared nodes."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.abi.properties import NodeLayout
from kho_tui.encode.piece import Values
from kho_tui.errors import EncodeError
from kho_tui.fdt.header import FDT_HEADER
from kho_tui.fdt.libfdt import FdtBuffer
from kho_tui.layout.platform import Platform
from kho_tui.layout.struct import Unit


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node to be written: its properties by name, in native byte order, text without its NUL."""

    name: bytes
    layout: NodeLayout
    values: Values
    children: tuple[NodeSpec, ...] = ()


def properties(layout: NodeLayout, values: Values, platform: Platform) -> list[tuple[str, bytes]]:
    """Those of the declared properties that have a value, in the declared order, which is that of the kernel's calls."""
    unknown = set(values) - {one.name for one in layout.properties}
    if unknown:
        raise EncodeError(f"{layout.name}: properties {sorted(unknown)} unknown")
    found = []
    for one in layout.properties:
        if one.name in values:
            data = one.encode(values[one.name], platform.byte_order)
            found.append((one.name, data + b"\0" if one.unit is Unit.TEXT else data))
    return found


def sequential(size: int, root: NodeSpec, platform: Platform) -> FdtBuffer:
    """A finished FDT at the start of a buffer of ``size`` bytes."""
    fdt = FdtBuffer(size)
    _write(fdt, root, platform)
    fdt.finish()
    return fdt


def fdt_of(buffer: bytes) -> bytes:
    """The FDT at the start of a buffer."""
    offset, size = FDT_HEADER.span("totalsize")
    return buffer[: int.from_bytes(buffer[offset : offset + size], "big")]


def _write(fdt: FdtBuffer, node: NodeSpec, platform: Platform) -> None:
    """A node with all below it, by the sequential calls."""
    fdt.begin(node.name)
    for name, data in properties(node.layout, node.values, platform):
        fdt.property(name, data)
    for child in node.children:
        _write(fdt, child, platform)
    fdt.end()
