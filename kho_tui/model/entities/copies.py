"""Copies of one thing that hold other bytes than the one that counts: shown with their origin, decoded by themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kho_tui.abi.format import SubtreeFormat, SubtreeFormats
from kho_tui.abi.root import RootFormats
from kho_tui.fdt.tree import looks_like_fdt, parse_fdt
from kho_tui.layout.place import Blob
from kho_tui.layout.platform import ByteOrder
from kho_tui.model.entities.values import PLAIN_NODE, property_values, record_values
from kho_tui.model.entity import Detail, Entity, Value
from kho_tui.model.path import EntityPath, Siblings
from kho_tui.model.registry import Registry
from kho_tui.text import SafeText, visible


def copy_entities(copies: Sequence[Blob], path: EntityPath, values: Callable[[Blob], tuple[Value, ...]]) -> list[Entity]:
    """One entity for each copy, under the file it stands in."""
    siblings = Siblings(path.child("copies"))
    return [_copy(copy, siblings, values) for copy in copies]


def copied_root_values(copy: Blob, byte_order: ByteOrder, formats: RootFormats) -> tuple[Value, ...]:
    """The properties of the root node of another copy of the root FDT."""
    unnamed = parse_fdt(copy.data).root
    root = None if unnamed is None else parse_fdt(copy.data, fallback_names=formats.names_of_cut(unnamed)).root
    return () if root is None else property_values(formats.node.values(root, byte_order, copy.place))


def copied_subtree_values(name: bytes, copy: Blob, byte_order: ByteOrder, registry: Registry) -> tuple[Value, ...]:
    """The head of another copy of a subtree's blob: its struct, or the properties of its FDT's root node."""
    declared = registry.subtree(name)
    formats = SubtreeFormats[SubtreeFormat](()) if declared is None else declared.formats
    struct = formats.struct_in(copy.data)
    if struct is not None:
        return record_values(struct.record(copy.data, byte_order, copy.place))
    root = parse_fdt(copy.data).root if looks_like_fdt(copy.data) else None
    return () if root is None else property_values((formats.node or PLAIN_NODE).values(root, byte_order, copy.place))


def _copy(copy: Blob, siblings: Siblings, values: Callable[[Blob], tuple[Value, ...]]) -> Entity:
    def detail() -> Detail:
        return Detail(values(copy), (copy,))

    shown = values(copy)
    told = ", ".join(f"{v.name} {v.value:#x}" for v in shown if isinstance(v.value, int))
    return Entity(
        path=siblings.child(copy.place.origin.value),
        kind="copy",
        title=SafeText(f"also in {visible(copy.place.source)}"),
        summary=SafeText(f"other bytes: {told}" if told else "other bytes"),
        address=None,
        detail=detail,
    )
