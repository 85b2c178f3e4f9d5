"""Subtrees: the blob of each, and what lies behind it (kernel/liveupdate/kexec_handover.c, lib/test_kho.c, mm/memblock.c)."""

from __future__ import annotations

from kho_tui.abi.memblock import MEMBLOCK_COMPATIBLE, MEMBLOCK_NODE, RESERVE_MEM_COMPATIBLE, RESERVE_MEM_NODE
from kho_tui.abi.metadata import KHO_KEXEC_METADATA
from kho_tui.abi.test_kho import KHO_TEST_COMPATIBLE, KHO_TEST_DATA_NODE, KHO_TEST_FOLIO, KHO_TEST_NODE
from kho_tui.abi.vmalloc import KHO_VMALLOC
from kho_tui.encode.fdts import NodeSpec, fdt_of, sequential
from kho_tui.encode.luo import luo_blob, luo_pieces
from kho_tui.encode.piece import Piece, Pieces, Values, rows
from kho_tui.encode.vmalloc import chunk_pieces, content_pieces, descriptor_values
from kho_tui.errors import EncodeError
from kho_tui.layout.platform import Platform
from kho_tui.model.handover import Content, LuoContent, MemblockContent, MetadataContent, RawContent, Registered, TestContent
from kho_tui.model.path import EntityPath


def subtree_pieces(one: Registered, platform: Platform, what: EntityPath) -> Pieces:
    """All of a subtree; nothing of one whose content is not known."""
    if one.content is None:
        return
    yield Piece(one.phys, _buffer(one.content, platform)[0], what)
    if isinstance(one.content, LuoContent):
        yield from luo_pieces(one.content, platform, what)
    elif isinstance(one.content, TestContent) and one.content.area is not None:
        yield from chunk_pieces(one.content.area, platform, what.child("area"))
        yield from content_pieces(one.content.area, _folio_list(one.content, platform), platform, what.child("folios"))


def subtree_blob(content: Content, platform: Platform) -> bytes:
    """The blob as debugfs shows it; its length is what ``blob-size`` says."""
    buffer, size = _buffer(content, platform)
    return buffer[:size] if size else fdt_of(buffer)


def _buffer(content: Content, platform: Platform) -> tuple[bytes, int]:
    """The memory that a blob lies at the start of, and its size; 0 for an FDT, which says it itself."""
    if isinstance(content, RawContent):
        return content.data, len(content.data)
    if isinstance(content, LuoContent):
        return luo_blob(content, platform)
    if isinstance(content, MetadataContent):
        values: Values = {"version": content.version, "previous_release": content.previous_release, "kexec_count": content.kexec_count}
        data = KHO_KEXEC_METADATA.encode(values, platform.byte_order)
        return data.ljust(platform.page_size, b"\0"), len(data)
    if isinstance(content, MemblockContent):
        return sequential(platform.page_size, _memblock(content), platform).data, 0
    return sequential(8 * len(content.folios) + platform.page_size, _test(content, platform), platform).data, 0


def _memblock(content: MemblockContent) -> NodeSpec:
    regions = tuple(
        NodeSpec(one.name, RESERVE_MEM_NODE, {"compatible": RESERVE_MEM_COMPATIBLE, "start": one.start, "size": one.size})
        for one in content.regions
    )
    return NodeSpec(b"", MEMBLOCK_NODE, {"compatible": MEMBLOCK_COMPATIBLE}, regions)


def _test(content: TestContent, platform: Platform) -> NodeSpec:
    info = _folio_list(content, platform)
    if content.area is not None:
        info = KHO_VMALLOC.encode(descriptor_values(content.area), platform.byte_order)
    values: Values = {"nr_folios": len(content.folios), "folios_info": info, "csum": content.csum}
    data = NodeSpec(b"data", KHO_TEST_DATA_NODE, values)
    return NodeSpec(b"", KHO_TEST_NODE, {"compatible": KHO_TEST_COMPATIBLE, "magic": content.magic}, (data,))


def _folio_list(content: TestContent, platform: Platform) -> bytes:
    if any(address % platform.page_size or order >= platform.page_size for address, order in content.folios):
        raise EncodeError("a test folio's address holds bits that stand for its order")
    return rows(KHO_TEST_FOLIO, [{"phys_order": address | order} for address, order in content.folios], platform)
