"""Preserved vmalloc areas: chunk pages, descriptor, and what the area holds.

Source: kernel/liveupdate/kexec_handover.c, kho_preserve_vmalloc().
"""

from __future__ import annotations

from kho_tui.abi.vmalloc import KHO_VMALLOC, VMALLOC_CHUNK
from kho_tui.encode.piece import Piece, Pieces, Values, chain
from kho_tui.errors import EncodeError
from kho_tui.layout.platform import Platform
from kho_tui.model.path import EntityPath
from kho_tui.model.plain import PlainVmalloc


def descriptor_values(area: PlainVmalloc | None) -> Values:
    """The fields of the descriptor; all 0 for no area."""
    if area is None:
        return {field.name: 0 for field in KHO_VMALLOC.fields}
    first = area.chunks[0] if area.chunks else 0
    return {"first": first, "total_pages": area.total_pages, "flags": area.flags, "order": area.order}


def chunk_pieces(area: PlainVmalloc, platform: Platform, what: EntityPath) -> Pieces:
    """The chunk pages: a new one is started as soon as one is full, so an exact fit ends in an empty one."""
    capacity = VMALLOC_CHUNK.capacity(platform.page_size)
    needed = len(area.entries) // capacity + 1
    if len(area.chunks) != needed:
        raise EncodeError(f"{what}: {len(area.entries)} entries stand in {needed} chunks, not in {len(area.chunks)}")
    if len(area.entries) << area.order != area.total_pages:
        raise EncodeError(f"{what}: {len(area.entries)} entries of order {area.order} are not {area.total_pages} pages")
    entries = area.entries.astype("<u8" if platform.byte_order == "little" else ">u8").tobytes()
    yield from chain(area.chunks, VMALLOC_CHUNK, entries, lambda following, _: {"next": following}, platform, what.child("chunks"))


def content_pieces(area: PlainVmalloc, data: bytes, platform: Platform, what: EntityPath) -> Pieces:
    """The area's own memory with ``data`` at its start."""
    size = platform.page_size << area.order
    if len(data) > size * len(area.entries):
        raise EncodeError(f"{what}: {len(data)} bytes do not fit {area.total_pages} pages")
    for number, entry in enumerate(area.entries[: -(-len(data) // size)].tolist()):
        yield Piece(entry, data[number * size : (number + 1) * size], what.child(str(number)))
