"""What a node holds of an FDT that may be cut or damaged: what lies behind that is not read, which is no reason to call it absent."""

from __future__ import annotations

from collections.abc import Container

from kho_tui.abi.properties import compatible_of, integer_property
from kho_tui.fdt.tree import Node, Property
from kho_tui.layout.platform import ByteOrder
from kho_tui.model.facts import Damaged, Fact, Missing, Unavailable
from kho_tui.text import SafeText, visible


def child_of(node: Node, name: bytes) -> Node | Missing | None:
    """The child of this name; None where the node has none, Missing where what could be read of the node does not tell."""
    found = node.child(name)
    return Unavailable(_not_read(f"node {visible(name)}")) if found is None and not node.complete else found


def version_of(node: Node, known: Container[bytes]) -> bytes | Missing | None:
    """Like ``compatible_of``; Missing where what could be read of the node does not tell."""
    found = compatible_of(node, known)
    return Unavailable(_not_read("its compatible string")) if found is None and not node.has_all else found


def data_of(node: Node, name: str) -> Property | Missing:
    """A property that the format demands: Damaged where the node does not have it."""
    found = node.property(name.encode())
    if found is not None:
        return found
    return Damaged(SafeText(f"{name} is missing")) if node.has_all else Unavailable(_not_read(name))


def property_of(node: Node, name: str, size: int, byte_order: ByteOrder) -> Fact[int]:
    """The native-endian value of a property that the format demands: Damaged where the node has it not, or not in ``size`` bytes."""
    found = data_of(node, name)
    if isinstance(found, Unavailable):
        return found
    value = integer_property(node, name, size, byte_order)
    return Damaged(SafeText(f"{name} is missing or not {size} bytes")) if value is None else value


def _not_read(what: str) -> SafeText:
    return SafeText(f"{what} is not in the part of the FDT that could be read")
