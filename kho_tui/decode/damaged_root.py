"""The page of a root FDT that no search finds, because its header is damaged: it is known by the structure that out/fdt shows.

The next kernel reads that page, so an intact older copy in debugfs says nothing of what it will make of it.
"""

from __future__ import annotations

from collections.abc import Container

from kho_tui.abi.root import PACKED_STRUCT_OFFSET, ROOT_FORMATS
from kho_tui.decode.reader import Reader
from kho_tui.decode.roots import tracker_keeps
from kho_tui.decode.scan import chunks
from kho_tui.layout.place import Blob

_UNPACKED_STRUCT_OFFSET = 64
_HEAD = 40
"""Bytes of a root's structure up to the value of its map: BEGIN, compatible, and the record of preserved-memory-map.

Source: scripts/dtc/libfdt/fdt_sw.c.
"""
_BEGIN = b"\0\0\0\1\0\0\0\0"
_VERSION = slice(20, 28)
_MAP = 8
_MOST_PAGES = 16
"""Pages that look like the root before it is given up to tell which one it is."""


def damaged_root(reader: Reader, copy: Blob, sound: Container[int]) -> Blob | None:
    """The one page in memory that has the structure of ``copy`` and belongs to the tracker that it names.

    None where no page has it, or more than one. ``sound``: where root FDTs lie that a search finds, which are others.
    """
    found = []
    for offset in (PACKED_STRUCT_OFFSET, _UNPACKED_STRUCT_OFFSET):
        head = copy.data[offset : offset + _HEAD]
        if head.startswith(_BEGIN) and head[_VERSION].rstrip(b"\0") in ROOT_FORMATS:
            pages = _pages_with(reader, head, offset)
            others = [page for page in pages if page not in sound]
            found += [page for page in others if len(pages) <= _MOST_PAGES and _is_root(reader, copy, page, offset)]
    blob = reader.blob(found[0], reader.platform.page_size) if len(found) == 1 else None
    return blob if isinstance(blob, Blob) else None


def _pages_with(reader: Reader, head: bytes, offset: int) -> list[int]:
    """Addresses of the pages of memory that hold ``head`` at ``offset``."""
    found: list[int] = []
    for start, data in chunks(reader.memory, reader.context, "searching memory for the root FDT") if reader.memory is not None else ():
        at = data.find(head)
        while at >= 0 and len(found) <= _MOST_PAGES:
            if (start + at) % reader.platform.page_size == offset:
                found.append(start + at - offset)
            at = data.find(head, at + 1)
    return found


def _is_root(reader: Reader, copy: Blob, page: int, offset: int) -> bool:
    """Whether the tracker that the page names keeps it, or it names the one that ``copy`` names, which may be none yet."""
    value = reader.blob(page + offset + _HEAD, _MAP)
    if not isinstance(value, Blob):
        return False
    head = copy.data[offset : offset + _HEAD + _MAP]
    named, told = (int.from_bytes(one, reader.platform.byte_order) for one in (value.data, head[_HEAD:]))
    kept = tracker_keeps(reader, head[_VERSION].rstrip(b"\0"), named, page)
    return kept is True or (kept is not False and named == told) or named == told == 0
