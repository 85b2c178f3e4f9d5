"""The fields of a state that can be altered, each with its kind, its physical address and its size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from kho_tui.fdt.header import FDT_HEADER
from kho_tui.fdt.tree import Node
from kho_tui.layout.place import Origin
from kho_tui.layout.struct import Unit
from kho_tui.model.entities.state import state_entity
from kho_tui.model.entities.tables import FolioRows
from kho_tui.model.entity import Value, walk
from kho_tui.model.facts import Missing
from kho_tui.model.sessions import SessionList
from kho_tui.model.state import FdtView, Side
from kho_tui.model.tracker import ChunkList, RadixTree
from kho_tui.model.vmalloc import VmallocArea
from kho_tui.operations.open_state import Opened
from kho_tui.subsystems.kho_test.content import KhoTest
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.memfd.content import Memfd

KINDS = (
    "tracker word",
    "count",
    "pointer",
    "name",
    "version",
    "folio entry",
    "header field",
    "flag or id",
    "page list",
    "FDT structure",
)
"""Kinds of field; beside them a campaign has "command line" and "release"."""

_BY_UNIT = {
    Unit.PHYS: "pointer",
    Unit.BYTES: "count",
    Unit.PAGES: "count",
    Unit.COUNT: "count",
    Unit.ORDER: "count",
    Unit.VERSION: "version",
}
_WORD = 8
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class Site:
    """A field. ``text``: characters, not a number; ``pointer``: a physical address; ``bits``: of how many low bits the number is made."""

    kind: str
    name: str
    address: int
    size: int
    order: Literal["little", "big"] = "little"
    text: bool = False
    pointer: bool = False
    bits: int = 0


def sites(opened: Opened) -> list[Site]:
    """All fields of the outgoing side, in a fixed order."""
    side = opened.state.sides["out"]
    found = [*_values(opened), *_tracker(opened, side), *_page_lists(side)]
    for view in _views(side):
        found += _fdt(view)
    return sorted({(site.address, site.size, site.name): site for site in found}.values(), key=lambda site: (site.address, site.name))


def _values(opened: Opened) -> Iterator[Site]:
    for entity in walk(state_entity(opened.state)):
        if entity.path.parts[:1] != ("out",):
            continue
        detail = entity.detail()
        for value in detail.values:
            site = _of_value(f"{entity.path} {value.name}", value, tracker=entity.path.parts[1:2] == ("preserved",))
            if site is not None:
                yield site
        if isinstance(detail.table, FolioRows):
            for address in detail.table.table.addresses.tolist():
                yield Site("folio entry", f"{entity.path} pfn", address, 8, pointer=False, bits=52)
                yield Site("folio entry", f"{entity.path} flags", address + 6, 2)
                yield Site("folio entry", f"{entity.path} index", address + 8, 8)


def _of_value(name: str, value: Value, tracker: bool) -> Site | None:
    place = value.place
    if place is None or place.phys is None or place.origin is not Origin.MEMORY or not value.size:
        return None
    text = isinstance(value.value, bytes) and value.unit is Unit.TEXT
    if value.source == FDT_HEADER.source:
        return Site("header field", name, place.phys, value.size, "big")
    if text:
        return Site("version" if value.name == "compatible" else "name", name, place.phys, value.size, text=True)
    kind = "tracker word" if tracker else _BY_UNIT.get(value.unit, "flag or id")
    return Site(kind, name, place.phys, value.size, pointer=value.unit is Unit.PHYS)


def _tracker(opened: Opened, side: Side) -> Iterator[Site]:
    preserved, memory = side.preserved, opened.memory
    assert not isinstance(preserved, Missing) and memory is not None
    match preserved.structure:
        case ChunkList(chunks=chunks, bitmap_bytes=size):
            for chunk in chunks:
                for address, bitmap in zip(chunk.elements.addresses.tolist(), chunk.elements.column("bitmap").tolist(), strict=True):
                    yield Site("tracker word", "chunk element phys_start", address, _WORD, pointer=True)
                    yield Site("tracker word", "chunk element bitmap", address + _WORD, _WORD, pointer=True)
                    yield from _words("bitmap", bitmap, memory.read(bitmap, size))
        case RadixTree(addresses=levels, words=words):
            for address in words.address.tolist():
                yield Site("tracker word", "radix pointer", address, _WORD, pointer=True)
            for leaf in levels[-1].tolist() if levels else ():
                yield from _words("radix leaf", leaf, memory.read(leaf, _PAGE))


def _words(what: str, at: int, data: bytes) -> Iterator[Site]:
    """The words that are not 0, and the first that is."""
    empty = False
    for offset in range(0, len(data), _WORD):
        is_empty = data[offset : offset + _WORD] == bytes(_WORD)
        if not is_empty or not empty:
            yield Site("tracker word", f"{what} word {offset // _WORD}", at + offset, _WORD)
        empty = empty or is_empty


def _page_lists(side: Side) -> Iterator[Site]:
    for name, area in _areas(side):
        for chunk in area.chunks:
            if chunk.header.place.phys is not None:
                yield Site("page list", f"{name} chunk next", chunk.header.place.phys, _WORD, pointer=True)
            for address in chunk.entries.addresses[: chunk.used + 1].tolist():
                yield Site("page list", f"{name} entry", address, _WORD, pointer=True)


def _areas(side: Side) -> Iterator[tuple[str, VmallocArea]]:
    for subtree in side.handed_over:
        content = subtree.content
        if isinstance(content, KhoTest) and isinstance(content.area, VmallocArea):
            yield str(subtree.path), content.area
        if isinstance(content, Luo) and isinstance(content.sessions, SessionList):
            for session in content.sessions.sessions:
                for file in () if isinstance(session.files, Missing) else session.files:
                    if isinstance(file.content, Memfd) and not isinstance(file.content.folios, Missing):
                        yield str(file.path), file.content.folios.area


def _views(side: Side) -> Iterator[FdtView]:
    if not isinstance(side.root, Missing):
        yield side.root.view
    yield from (subtree.fdt for subtree in side.handed_over if subtree.fdt is not None)


def _fdt(view: FdtView) -> Iterator[Site]:
    """Names of nodes and properties, and the words that hold the structure together."""
    base, tree = view.blob.place.phys, view.tree
    if base is None or view.blob.place.origin is not Origin.MEMORY or tree.root is None or tree.header is None:
        return
    strings = base + tree.header.integer("off_dt_strings")
    stack: list[Node] = [tree.root]
    while stack:
        node = stack.pop()
        stack += node.children
        shown = node.name.decode("latin-1") or "/"
        yield Site("FDT structure", f"FDT node {shown} tag", base + node.offset, 4, "big")
        if node.name:
            yield Site("name", f"FDT node {shown}", base + node.offset + 4, len(node.name) + 1, text=True)
        for entry in node.properties:
            named = f"FDT node {shown} property {(entry.name or b'?').decode('latin-1')}"
            yield Site("FDT structure", f"{named} length", base + entry.offset + 4, 4, "big")
            yield Site("FDT structure", f"{named} name offset", base + entry.offset + 8, 4, "big")
            if entry.name:
                yield Site("name", f"{named} name", strings + entry.name_offset, len(entry.name) + 1, text=True)
