"""One subtree and what lies below it."""

from __future__ import annotations

from dataclasses import replace

from kho_tui.abi.luo import FLB_NODE_NAME, LUO_FDT_NODE, LUO_FLB_NODE, LUO_SESSION_NODE, SESSION_NODE_NAME
from kho_tui.abi.memblock import MEMBLOCK_NODE
from kho_tui.abi.test_kho import KHO_TEST_FOLIO
from kho_tui.fdt.tree import Node
from kho_tui.layout.place import Blob
from kho_tui.layout.platform import ByteOrder, Platform
from kho_tui.layout.struct import Unit
from kho_tui.model.entities.copies import copied_subtree_values, copy_entities
from kho_tui.model.entities.luo import area_blobs, area_values, luo_blobs, luo_children, luo_standing, luo_values
from kho_tui.model.entities.tables import PlainRows
from kho_tui.model.entities.values import PLAIN_NODE, cut_entity, derived, property_values, record_values, words
from kho_tui.model.entity import Column, Detail, Entity, Value
from kho_tui.model.facts import Missing, Status, known
from kho_tui.model.luo import Luo
from kho_tui.model.path import EntityPath, Siblings
from kho_tui.model.registry import Registry
from kho_tui.model.state import FdtView, KexecMetadata, KhoTest, Memblock, MemblockRegion, Subtree
from kho_tui.text import NO_TEXT, SafeText, human_size, plural, visible

_MOST_NODES_SHOWN = 10_000


def subtree_entity(one: Subtree, node_of: tuple[Blob, ...], platform: Platform, registry: Registry) -> Entity:
    """The subtree: its own bytes and its content, and its node in the root FDT, whose bytes are ``node_of``."""

    def detail() -> Detail:
        own = (one.blob,) if isinstance(one.blob, Blob) else ()
        lists = luo_blobs(one.content) if isinstance(one.content, Luo) else ()
        blobs = (*own, *lists, *node_of, *one.copies)
        return Detail((*_content_values(one, platform.byte_order), *property_values(one.values), *fdt_values(one.fdt)), blobs)

    def children() -> list[Entity]:
        return [*_copies(one, platform, registry), *_children(one, platform)]

    size = len(one.blob.data) if isinstance(one.blob, Blob) else known(one.size) or 0
    standing = one.status, one.reason
    if one.status is Status.DECODED and isinstance(one.content, Luo):
        standing = luo_standing(one.content)
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
    content = one.content
    version = f"{visible(one.compatible)}, " if one.compatible else ""
    if isinstance(content, Memblock):
        return SafeText(version + content.count.words("region"))
    if isinstance(content, KexecMetadata):
        count = content.record.integer("kexec_count")
        return SafeText(f"written by {visible(content.record.text('previous_release'))}, {plural(count, 'kexec')} in a row")
    if isinstance(content, KhoTest):
        folios = content.nr_folios
        return SafeText(version + (f"folios {folios.status.value}" if isinstance(folios, Missing) else plural(folios, "folio")))
    if isinstance(content, Luo):
        number = content.number
        told = f"live update {number}" if isinstance(number, int) else f"live update number {number.status.value}"
        sessions = content.sessions
        listed = f"sessions {sessions.status.value}"
        if not isinstance(sessions, Missing):
            listed = sessions.count.words("session") if sessions.sessions or sessions.count.whole else listed
        return SafeText(f"{version}{told}, {listed}")
    shown = one.blob
    return SafeText(human_size(len(shown.data)) if isinstance(shown, Blob) and one.status is not Status.STALE else "")


def _content_values(one: Subtree, byte_order: ByteOrder) -> tuple[Value, ...]:
    content = one.content
    if isinstance(content, KexecMetadata):
        return record_values(content.record)
    if isinstance(content, KhoTest):
        return property_values(content.values)
    fdt = () if one.fdt is None or one.fdt.tree.root is None or isinstance(content, Missing) else _root_values(one, byte_order)
    if isinstance(content, Luo):
        return (*fdt, *luo_values(content))
    return fdt


def _root_values(one: Subtree, byte_order: ByteOrder) -> tuple[Value, ...]:
    assert one.fdt is not None and one.fdt.tree.root is not None
    root, place = one.fdt.tree.root, one.fdt.blob.place
    layout = MEMBLOCK_NODE if isinstance(one.content, Memblock) else LUO_FDT_NODE if isinstance(one.content, Luo) else PLAIN_NODE
    values = property_values(layout.values(root, byte_order, place))
    for name, below in ((SESSION_NODE_NAME, LUO_SESSION_NODE), (FLB_NODE_NAME, LUO_FLB_NODE)):
        node = root.child(name) if isinstance(one.content, Luo) else None
        if node is not None:
            values += tuple(replace(v, name=f"{name.decode()}/{v.name}") for v in property_values(below.values(node, byte_order, place)))
    return values


def _children(one: Subtree, platform: Platform) -> list[Entity]:
    content = one.content
    if not _has_content_below(one):
        return []
    if isinstance(content, Luo):
        return luo_children(content, one.path, platform.page_shift)
    if isinstance(content, Memblock):
        regions = [_region(region, one.fdt) for region in content.regions]
        return regions if content.cut_region is None else [*regions, cut_entity("region", content.cut_region, one.path)]
    if isinstance(content, KhoTest):
        return [_test_folios(content, one.path.child("folios"), platform)]
    assert one.fdt is not None and one.fdt.tree.root is not None
    return _nodes(one.fdt.tree.root, one.path, platform.byte_order, one.fdt.blob)


def _has_content_below(one: Subtree) -> bool:
    if isinstance(one.content, KexecMetadata):
        return False
    if isinstance(one.content, Luo | KhoTest):
        return True
    if isinstance(one.content, Memblock):
        return bool(one.content.regions) or one.content.cut_region is not None
    return one.status is not Status.STALE and one.fdt is not None and one.fdt.tree.root is not None and bool(one.fdt.tree.root.children)


def _region(region: MemblockRegion, view: FdtView | None) -> Entity:
    start, size = region.start, region.size
    broken = next((fact for fact in (start, size) if isinstance(fact, Missing)), None)
    summary = SafeText("" if broken is not None else f"{human_size(known(size) or 0)} at {known(start):#x}")

    def detail() -> Detail:
        return Detail(property_values(region.values), () if view is None else (view.blob,))

    return Entity(
        path=region.path,
        kind="reserve_mem",
        title=visible(region.name),
        status=Status.DECODED if broken is None else broken.status,
        summary=summary,
        reason=SafeText("") if broken is None else broken.reason,
        address=known(start),
        size=known(size) or 0,
        detail=detail,
    )


def _test_folios(content: KhoTest, path: EntityPath, platform: Platform) -> Entity:
    blocks, count = content.read_blocks, content.folio_count
    if isinstance(blocks, Missing):
        return Entity(path=path, kind="folios", title=SafeText("folios"), status=blocks.status, reason=blocks.reason)
    cells = tuple((address, order, platform.page_size << min(order, 40)) for address, order in blocks)
    columns = (Column("address", Unit.PHYS, 18), Column("order", Unit.ORDER, 5), Column("size", Unit.BYTES, 12))
    table = PlainRows(columns, cells, tuple(c[0] for c in cells), tuple(c[2] for c in cells))

    def detail() -> Detail:
        area = content.area
        values = () if isinstance(area, Missing) else area_values(area)
        list_at = derived("entry size", Unit.BYTES, KHO_TEST_FOLIO.size, "one u64 a folio: its address, with its order in the low bits")
        return Detail((*values, list_at), () if isinstance(area, Missing) else area_blobs(area), table)

    status = Status.DECODED if count.whole or count.read > (count.of or 0) else Status.PARTIAL
    reason = NO_TEXT if status is Status.DECODED else SafeText(f"{count.words('folio')} could be read")
    return Entity(
        path=path, kind="folios", title=SafeText("folios"), status=status, summary=count.words("folio"), reason=reason, detail=detail
    )


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
