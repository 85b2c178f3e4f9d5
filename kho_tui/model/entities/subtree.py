"""One subtree and what lies below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kho_tui.fdt.tree import Node
from kho_tui.layout.place import Blob
from kho_tui.layout.platform import ByteOrder, Platform
from kho_tui.model.content import SubtreeContent
from kho_tui.model.entities.copies import copied_subtree_values, copy_entities
from kho_tui.model.entities.values import PLAIN_NODE, property_values, record_values, words
from kho_tui.model.entity import Detail, Entity, Value
from kho_tui.model.facts import Missing, Status, known
from kho_tui.model.path import EntityPath, Siblings
from kho_tui.model.registry import Registry
from kho_tui.model.state import FdtView, Subtree
from kho_tui.text import SafeText, human_size, plural, visible

_MOST_NODES_SHOWN = 10_000


def subtree_entity(one: Subtree, node_of: tuple[Blob, ...], platform: Platform, registry: Registry) -> Entity:
    """The subtree: its own bytes and its content, and its node in the root FDT, whose bytes are ``node_of``."""

    def detail() -> Detail:
        own = (one.blob,) if isinstance(one.blob, Blob) else ()
        further = one.content.blobs() if isinstance(one.content, SubtreeContent) else ()
        blobs = (*own, *further, *node_of, *one.copies)
        return Detail((*_content_values(one, platform.byte_order), *property_values(one.values), *fdt_values(one.fdt)), blobs)

    def children() -> list[Entity]:
        return [*_copies(one, platform, registry), *_children(one, platform)]

    size = len(one.blob.data) if isinstance(one.blob, Blob) else known(one.size) or 0
    standing = one.status, one.reason
    if one.status is Status.DECODED and isinstance(one.content, SubtreeContent):
        standing = one.content.standing()
    entity = Entity(
        path=one.path,
        kind="subtree",
        title=visible(one.name),
        status=standing[0],
        summary=_summary(one),
        reason=standing[1],
        address=known(one.phys),
        size=size,
        detail=detail,
    )
    return replace(entity, children=children) if _has_content_below(one) or _copies(one, platform, registry) else entity


def _copies(one: Subtree, platform: Platform, registry: Registry) -> list[Entity]:
    if one.status is Status.STALE:
        return []
    return copy_entities(one.copies, one.path, lambda copy: copied_subtree_values(one.name, copy, platform.byte_order, registry))


def fdt_values(view: FdtView | None) -> tuple[Value, ...]:
    """The FDT header field by field, and libfdt's verdict."""
    if view is None:
        return ()
    return (words("libfdt", view.verdict, "what libfdt, the code in the kernel, says of this FDT"), *record_values(view.tree.header))


def _summary(one: Subtree) -> SafeText:
    said = _content_summary(one)
    if isinstance(one.content, Missing) and isinstance(one.phys, int):
        size = "" if isinstance(one.size, Missing) else f", {plural(one.size, 'byte')}"
        said = SafeText(f"{said}{', ' if said else ''}blob at {one.phys:#x}{size}")
    if one.in_root is False:
        return SafeText(f"{said}; only in debugfs, not in the root FDT" if said else "only in debugfs, not in the root FDT")
    return said


def _content_summary(one: Subtree) -> SafeText:
    if isinstance(one.content, SubtreeContent):
        version = f"{visible(one.compatible)}, " if one.compatible else ""
        return SafeText(version + one.content.summary())
    shown = one.blob
    return SafeText(human_size(len(shown.data)) if isinstance(shown, Blob) and one.status is not Status.STALE else "")


def _content_values(one: Subtree, byte_order: ByteOrder) -> tuple[Value, ...]:
    if isinstance(one.content, SubtreeContent):
        return one.content.values()
    if isinstance(one.content, Missing) or one.fdt is None or one.fdt.tree.root is None:
        return ()
    return property_values(PLAIN_NODE.values(one.fdt.tree.root, byte_order, one.fdt.blob.place))


def _children(one: Subtree, platform: Platform) -> Sequence[Entity]:
    if isinstance(one.content, SubtreeContent):
        return one.content.children(platform)
    if not _has_content_below(one):
        return ()
    assert one.fdt is not None and one.fdt.tree.root is not None
    return _nodes(one.fdt.tree.root, one.path, platform.byte_order, one.fdt.blob)


def _has_content_below(one: Subtree) -> bool:
    if isinstance(one.content, SubtreeContent):
        return one.content.has_children
    return one.status is not Status.STALE and one.fdt is not None and one.fdt.tree.root is not None and bool(one.fdt.tree.root.children)


def _nodes(root: Node, path: EntityPath, byte_order: ByteOrder, blob: Blob) -> list[Entity]:
    """The nodes of an FDT that nobody knows, raw."""
    siblings = Siblings(path)
    return [_node(node, siblings.named(node.name), byte_order, blob) for node in root.children[:_MOST_NODES_SHOWN]]


def _node(node: Node, path: EntityPath, byte_order: ByteOrder, blob: Blob) -> Entity:
    def detail() -> Detail:
        return Detail(property_values(PLAIN_NODE.values(node, byte_order, blob.place)), (blob,))

    return Entity(
        path=path,
        kind="node",
        title=visible(node.name),
        status=Status.UNKNOWN,
        summary=SafeText(f"properties: {len(node.properties)}"),
        reason=SafeText("shown as it is"),
        detail=detail,
        children=lambda: _nodes(node, path, byte_order, blob),
    )
