"""The page of a root FDT that no search finds, because its header, version or structure is damaged: it is known by what out/fdt shows.

The next kernel reads that page, so an intact older copy in debugfs says nothing of what it will make of it.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

import numpy as np

from kho_tui.abi.properties import compatible_of
from kho_tui.decode.fdts import view_root
from kho_tui.decode.reader import Reader
from kho_tui.decode.roots import tracker_keeps
from kho_tui.decode.scan import chunks
from kho_tui.fdt.tree import Property
from kho_tui.layout.place import ALIKE, Blob

_MOST_PAGES = 16
"""Pages that look like the root before it is given up to tell which one it is."""


def damaged_root(reader: Reader, copy: Blob, sound: Container[int]) -> Blob | None:
    """The one page in memory that looks like ``copy`` and belongs to its tracker, or to the tracker that the page itself names.

    None where no page does, or more than one. ``sound``: where root FDTs lie that a search finds, which are others.
    """
    root = view_root(reader.registry.roots, copy).tree.root
    version = None if root is None else compatible_of(root, reader.registry.roots)
    pointer = None if root is None else root.property(b"preserved-memory-map")
    if version is None or version not in reader.registry.roots or pointer is None or reader.memory is None:
        return None
    pages = sorted({page for page in _pages_like(reader, copy.data) if page not in sound})
    found = [page for page in pages if len(pages) <= _MOST_PAGES and _is_root(reader, version, pointer, page)]
    blob = reader.blob(found[0], reader.platform.page_size) if len(found) == 1 else None
    return blob if isinstance(blob, Blob) else None


def _pages_like(reader: Reader, data: bytes) -> Iterator[int]:
    """Addresses of the pages of memory that begin as ``data`` does, but for a part."""
    assert reader.memory is not None
    size = reader.platform.page_size
    shown = np.frombuffer(data[:size], np.uint8)
    told = np.flatnonzero(shown)
    for start, chunk in chunks(reader.memory, reader.context, "searching memory for the root FDT"):
        first = -start % size
        count = (len(chunk) - first) // size
        if count <= 0:
            continue
        pages = np.frombuffer(chunk, np.uint8, count * size, first).reshape(count, size)
        alike = (pages[:, told] == shown[told]).sum(axis=1)
        yield from (start + first + size * int(page) for page in np.flatnonzero(alike >= ALIKE * len(told)))


def _is_root(reader: Reader, version: bytes, pointer: Property, page: int) -> bool:
    """Whether the tracker that the page names, or the one that ``pointer`` of the copy names, keeps the page.

    Where no tracker can be asked, both name the same, which may be none yet.
    """
    value = reader.blob(page + pointer.data_offset, len(pointer.data))
    if not isinstance(value, Blob):
        return False
    named, told = (int.from_bytes(data, reader.platform.byte_order) for data in (value.data, pointer.data))
    kept = [tracker_keeps(reader, version, tracker, page) for tracker in dict.fromkeys((named, told))]
    return True in kept or (named == told and (kept[0] is not False or not named))
