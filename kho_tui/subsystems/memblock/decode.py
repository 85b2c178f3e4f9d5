"""memblock: its FDT, a node for each region of ``reserve_mem=``."""

from __future__ import annotations

from kho_tui.abi.memblock import MEMBLOCK_COMPATIBLE, MEMBLOCK_NODE, RESERVE_MEM_COMPATIBLE, RESERVE_MEM_NODE
from kho_tui.decode.facet import SubtreeBlob
from kho_tui.decode.fdt_subtree import fdt_decoding
from kho_tui.decode.nodes import version_of
from kho_tui.decode.reader import Reader
from kho_tui.fdt.tree import Node
from kho_tui.model.codes import VERSION_UNKNOWN
from kho_tui.model.facts import Missing
from kho_tui.model.path import Siblings
from kho_tui.model.state import FdtView
from kho_tui.subsystems.memblock.content import Memblock, MemblockRegion


def _decode(reader: Reader, one: SubtreeBlob, view: FdtView, root: Node) -> Memblock:
    order, place = reader.platform.byte_order, view.blob.place
    regions = []
    siblings = Siblings(one.path)
    for node in root.children:
        path = siblings.named(node.name)
        start, size = (reader.property(node, name, path) for name in ("start", "size"))
        version = version_of(node, (RESERVE_MEM_COMPATIBLE,))
        if not isinstance(version, Missing) and version != RESERVE_MEM_COMPATIBLE:
            message = "its compatible is not reserve-mem-v1: the next kernel allocates the region anew"
            reader.findings.add(VERSION_UNKNOWN, path, message)
        regions.append(MemblockRegion(path, node.name, start, size, RESERVE_MEM_NODE.values(node, order, place)))
    return Memblock(
        path=one.path,
        blob=view.blob,
        properties=MEMBLOCK_NODE.values(root, order, place),
        regions=tuple(regions),
        whole=view.tree.lists_all,
        cut_region=root.cut_child,
    )


DECODING = fdt_decoding(MEMBLOCK_COMPATIBLE, _decode, bytes_fixed=True)
