"""The root FDT and the subsystems that hang below it, LUO excepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .fdt import Node, build, text
from .preserved import Block, Preserved

RootStyle = Literal["6.17", "7.0", "v2", "7.3"]
"""Who wrote the root: 6.16-6.18 in one go at finalize; 6.19 and 7.0 in place; the unreleased kho-v2; 7.1 and later."""

_IN_PLACE = [b"preserved-memory-map", b"compatible"]
_STRINGS: dict[RootStyle, list[bytes]] = {
    "7.0": [*_IN_PLACE, b"fdt"],
    "v2": [*_IN_PLACE, b"preserved-data"],
    "7.3": [*_IN_PLACE, b"preserved-data", b"blob-size"],
}


@dataclass(frozen=True, slots=True)
class Subtree:
    """A blob and its place; ``truth`` is what it says, in the words of a capture's expected.json."""

    name: bytes
    phys: int
    blob: bytes
    truth: dict[str, Any] = field(default_factory=dict)


def shown(name: bytes) -> str:
    """A C string as ``truth`` holds it: up to the first NUL, bytes that are no UTF-8 as lone surrogates."""
    return name.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def root_fdt(preserved: Preserved, compatible: bytes, tracker: int, subtrees: Sequence[Subtree], style: RootStyle) -> bytes:
    """The root FDT with ``subtrees`` in the order given."""

    def u64(value: int) -> bytes:
        return preserved.image.pack("Q", value)

    def properties(subtree: Subtree) -> tuple[tuple[bytes, bytes], ...]:
        if style in ("6.17", "7.0"):
            return ((b"fdt", u64(subtree.phys)),)
        if style == "v2":
            return ((b"preserved-data", u64(subtree.phys)),)
        return ((b"blob-size", u64(len(subtree.blob))), (b"preserved-data", u64(subtree.phys)))

    root = Node(
        b"",
        ((b"compatible", text(compatible)), (b"preserved-memory-map", u64(tracker))),
        tuple(Node(subtree.name, properties(subtree)) for subtree in subtrees),
    )
    return build(root) if style == "6.17" else build(root, _STRINGS[style] if subtrees else _IN_PLACE, packed=bool(subtrees))


def blob(preserved: Preserved, name: bytes, data: bytes, truth: dict[str, Any] | None = None, room: int = 1) -> Subtree:
    """A subtree whose bytes lie in preserved pages of their own, at least ``room`` bytes of them."""
    phys = preserved.alloc(max(len(data), room))
    preserved.image.write(phys, data)
    return Subtree(name, phys, data, truth or {})


def memblock(preserved: Preserved, regions: Sequence[tuple[bytes, int, int]]) -> Subtree:
    """``reserve_mem`` regions as (name, start, size in bytes)."""
    image = preserved.image
    nodes = []
    for name, start, size in regions:
        preserved.pages(start, size // image.page_size)
        values = (b"compatible", text(b"reserve-mem-v1")), (b"start", image.pack("Q", start)), (b"size", image.pack("Q", size))
        nodes.append(Node(name, values))
    data = build(Node(b"", ((b"compatible", text(b"memblock-v1")),), tuple(nodes)))
    listed = [{"name": shown(name), "start": start, "size": size} for name, start, size in regions]
    return blob(preserved, b"memblock", data, {"compatible": "memblock-v1", "reserve_mem": listed})


def kexec_metadata(preserved: Preserved, release: bytes, count: int = 1, version: int = 1) -> Subtree:
    data = preserved.image.pack("I65sI", version, release, count)
    metadata = {"version": version, "previous_release": shown(release), "kexec_count": count}
    return blob(preserved, b"kexec-metadata", data, {"metadata": metadata})


def test_kho(preserved: Preserved, folios: Sequence[Block], payload: Literal["inline", "vmalloc"], csum: int = 0x0F00AB7C) -> Subtree:
    """The test module's FDT; the folio list is inline until 6.17 and in vmalloc memory from 6.18 on."""
    image = preserved.image
    for phys, order in folios:
        preserved.folio(phys, order)
    listed = image.pack(f"{len(folios)}Q", *(phys | order for phys, order in folios))
    info = listed if payload == "inline" else vmalloc(preserved, listed)
    data = Node(b"data", ((b"nr_folios", image.pack("I", len(folios))), (b"folios_info", info), (b"csum", image.pack("I", csum))))
    tree = build(Node(b"", ((b"compatible", text(b"kho-test-v1")), (b"magic", image.pack("I", 0x4B484F21))), (data,)))
    truth = {
        "compatible": "kho-test-v1",
        "nr_folios": len(folios),
        "csum": image.pack("I", csum).hex(),
        "folios": [list(folio) for folio in folios],
    }
    return blob(preserved, b"kho_test", tree, truth, room=8 * len(folios) + image.page_size)


test_kho.__test__ = False  # type: ignore[attr-defined]  # the kernel's name, not a test


def vmalloc(preserved: Preserved, data: bytes, order: int = 0, entries: Sequence[int] | None = None) -> bytes:
    """Put ``data`` into a vmalloc area of entries of 2^order pages and return its 16-byte descriptor.

    ``entries`` gives the addresses of allocated memory, else it is taken from the image. A new chunk is started as soon
    as one is full, so an exact fit ends in an empty chunk.
    """
    image = preserved.image
    entry_bytes = image.page_size << order
    count = -(-len(data) // entry_bytes)
    if entries is None:
        entries = [image.alloc(1 << order, align=1 << order) for _ in range(count)]
    for i, address in enumerate(entries):
        preserved.folio(address, order)
        image.write(address, data[i * entry_bytes : (i + 1) * entry_bytes])
    capacity = (image.page_size - 8) // 8
    chain = [preserved.alloc() for _ in range(count // capacity + 1)]
    for i, chunk in enumerate(chain):
        part = entries[i * capacity : (i + 1) * capacity]
        following = chain[i + 1] if i + 1 < len(chain) else 0
        image.write(chunk, image.pack(f"{1 + len(part)}Q", following, *part))
    return image.pack("QIHH", chain[0], count << order, 3 if order else 1, order)
