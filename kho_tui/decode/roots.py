"""Root FDTs in memory: searched for by magic and compatible string, then ranked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kho_tui.abi.properties import compatible_of, integer_property
from kho_tui.abi.root import ROOT_FORMATS, Tracker
from kho_tui.context import Context
from kho_tui.decode.chunks import chunk_list_preserves
from kho_tui.decode.fdts import FDT_HEADER_BYTES
from kho_tui.decode.radix import radix_preserves
from kho_tui.decode.reader import Reader
from kho_tui.errors import GapError, ReadError
from kho_tui.fdt.header import FDT_MAGIC, FDT_SW_MAGIC
from kho_tui.fdt.tree import Node, parse_fdt
from kho_tui.layout.platform import ByteOrder
from kho_tui.memory.physical import PhysicalMemory

_PIECE = 8 << 20
_LARGEST_ROOT = 1 << 16
"""A root FDT is one page."""
_MOST_CANDIDATES = 256
_MOST_MAGICS = 100_000
_SMALLEST_PAGE = 4096


@dataclass(frozen=True, slots=True)
class RootCandidate:
    """A root FDT found in memory: its address, bytes and tree. ``half_built``: under construction when memory was taken."""

    phys: int
    data: bytes
    root: Node
    version: bytes
    half_built: bool

    @property
    def names(self) -> frozenset[bytes]:
        """Names of the subtrees."""
        return frozenset(child.name for child in self.root.children)

    def map_address(self, byte_order: ByteOrder) -> int:
        """Address of the tracker, 0 where there is none."""
        return integer_property(self.root, "preserved-memory-map", 8, byte_order) or 0


def find_roots(memory: PhysicalMemory, context: Context) -> list[RootCandidate]:
    """Every root FDT in memory, by address. Unaligned copies (page cache) come too: ranking is the caller's."""
    found: list[RootCandidate] = []
    for magics, address in enumerate(_magics(memory, context), 1):
        candidate = _candidate(memory, address)
        if candidate is not None:
            found.append(candidate)
        if len(found) >= _MOST_CANDIDATES or magics >= _MOST_MAGICS:
            break
    return found


def preserves_itself(reader: Reader, candidate: RootCandidate) -> bool:
    """Whether the candidate's own tracker keeps its page as an order-0 block, as a kernel sees to."""
    form = ROOT_FORMATS.get(candidate.version)
    tracker = candidate.map_address(reader.platform.byte_order)
    if form is None or not tracker or candidate.phys % reader.platform.page_size or tracker % reader.platform.page_size:
        return False
    if form.tracker is Tracker.CHUNKS:
        return chunk_list_preserves(reader, tracker, candidate.phys)
    return radix_preserves(reader, tracker, candidate.phys, form.extra_bit)


def _magics(memory: PhysicalMemory, context: Context) -> Iterator[int]:
    marks = (FDT_MAGIC.to_bytes(4, "big"), FDT_SW_MAGIC.to_bytes(4, "big"))
    total = memory.total_bytes
    done = 0
    for extent in memory.extents():
        for start in range(extent.start, extent.start + extent.size, _PIECE):
            context.step("searching memory for root FDTs", done, total)
            size = min(_PIECE, extent.start + extent.size - start)
            try:
                data = memory.read(start, size)
            except (GapError, ReadError):
                continue
            context.spend_read(size)
            done += size
            hits = sorted(at for mark in marks for at in _all(data, mark) if at % 4 == 0)
            yield from (start + at for at in hits)


def _all(data: bytes, mark: bytes) -> Iterator[int]:
    at = data.find(mark)
    while at >= 0:
        yield at
        at = data.find(mark, at + 4)


def _candidate(memory: PhysicalMemory, address: int) -> RootCandidate | None:
    try:
        head = memory.read(address, FDT_HEADER_BYTES)
        half_built = int.from_bytes(head[:4], "big") == FDT_SW_MAGIC
        size = _SMALLEST_PAGE if half_built else int.from_bytes(head[4:8], "big")
        if not FDT_HEADER_BYTES < size <= _LARGEST_ROOT:
            return None
        data = memory.read(address, memory.available(address, size))
    except (GapError, ReadError):
        return None
    if b"kho-v" not in data:
        return None
    tree = parse_fdt(data)
    version = None if tree.root is None else compatible_of(tree.root)
    if tree.root is None or version is None or not version.startswith(b"kho-v"):
        return None
    return RootCandidate(address, data, tree.root, version, half_built)
