"""memblock: its FDT, a node for each region of ``reserve_mem=``."""

from __future__ import annotations

from kho_tui.abi.memblock import MEMBLOCK_COMPATIBLE, MEMBLOCK_NODE, RESERVE_MEM_COMPATIBLE, RESERVE_MEM_NODE
from kho_tui.decode.facet import MAGIC_BYTES, NOT_READABLE, Decoding, SubtreeBlob, no_struct
from kho_tui.decode.nodes import version_of
from kho_tui.decode.reader import Reader
from kho_tui.decode.versions import other_version
from kho_tui.model.codes import VERSION_UNKNOWN
from kho_tui.model.contents.memblock import Memblock, MemblockRegion
from kho_tui.model.facts import Damaged, Missing
from kho_tui.model.path import EntityPath, Siblings
from kho_tui.model.state import FdtView


def decode_memblock(reader: Reader, view: FdtView, where: EntityPath) -> Memblock | Missing:
    """The regions of ``reserve_mem=``."""
    tree, place = view.tree, view.blob.place
    if tree.root is None:
        return Damaged(NOT_READABLE)
    wrong = other_version(reader, tree.root, MEMBLOCK_COMPATIBLE, where)
    if wrong is not None:
        return wrong
    order = reader.platform.byte_order
    regions = []
    siblings = Siblings(where)
    for node in tree.root.children:
        path = siblings.named(node.name)
        start, size = (reader.property(node, name, path) for name in ("start", "size"))
        version = version_of(node, (RESERVE_MEM_COMPATIBLE,))
        if not isinstance(version, Missing) and version != RESERVE_MEM_COMPATIBLE:
            message = "its compatible is not reserve-mem-v1: the next kernel allocates the region anew"
            reader.findings.add(VERSION_UNKNOWN, path, message)
        regions.append(MemblockRegion(path, node.name, start, size, RESERVE_MEM_NODE.values(node, order, place)))
    return Memblock(
        path=where,
        blob=view.blob,
        properties=MEMBLOCK_NODE.values(tree.root, order, place),
        regions=tuple(regions),
        whole=tree.lists_all,
        cut_region=tree.root.cut_child,
    )


def _memblock(reader: Reader, one: SubtreeBlob) -> Memblock | Missing:
    return Damaged(NOT_READABLE) if one.fdt is None else decode_memblock(reader, one.fdt, one.path)


DECODING = Decoding(
    decode=_memblock,
    recognises=lambda _data, compatible: compatible == MEMBLOCK_COMPATIBLE,
    first_words=(),
    struct_head=no_struct,
    least=lambda _registry, _data: MAGIC_BYTES,
    stays=lambda _registry, _root: True,
    bytes_fixed=True,
    counted=None,
    owns_memory=True,
    is_fdt=True,
)
