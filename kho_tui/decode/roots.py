"""Root FDTs in memory: searched for by magic and compatible string, then ranked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import numpy.typing as npt

from kho_tui.abi.boot import KHO_DATA, SETUP_KEXEC_KHO
from kho_tui.abi.properties import compatible_of, integer_property
from kho_tui.abi.root import ROOT_PREFIX, RootFormats, Tracker
from kho_tui.abi.scratch import KHO_SCRATCH
from kho_tui.context import Context
from kho_tui.decode.chunks import chunk_list_preserves
from kho_tui.decode.kernel_variables import KernelSays
from kho_tui.decode.radix import radix_preserves
from kho_tui.decode.reader import Reader
from kho_tui.decode.scan import Unread, chunks
from kho_tui.decode.scratch_search import TableInMemory, tables_in
from kho_tui.errors import GapError, ReadError
from kho_tui.fdt.header import FDT_HEADER, FDT_MAGIC, FDT_SW_MAGIC
from kho_tui.fdt.tree import Node, parse_fdt
from kho_tui.layout.place import Origin, Place
from kho_tui.layout.platform import PAGE_SIZES, ByteOrder
from kho_tui.layout.struct import Record
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.text import NO_TEXT, SafeText, visible

_LARGEST_ROOT = 1 << 16
"""A root FDT is one page."""
_MOST_CANDIDATES = 4096
"""Root FDTs that are compared; a memory that holds more is full of copies."""
_MOST_MAGICS = 100_000
_MOST_RECORDS = 4096
_MOST_TABLES = 256
"""A memory that holds more has other arrays of the same form, and nothing tells which is the scratch table."""
_MAGICS = tuple(int.from_bytes(magic.to_bytes(4, "big"), "little") for magic in (FDT_MAGIC, FDT_SW_MAGIC))
"""As they read in little-endian words, like the fields of a boot record."""
_UNPLACED = Place(Origin.MEMORY, "", None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RootCandidate:
    """A root FDT found in memory: its address, bytes and tree. ``half_built``: under construction when memory was taken.

    ``lists_all``: whether it was read to its end, so that a subtree that it does not name is not in it.
    """

    phys: int
    data: bytes
    root: Node
    version: bytes
    half_built: bool
    lists_all: bool
    formats: RootFormats = field(repr=False, compare=False)
    """The versions of the root that are known."""

    @property
    def names(self) -> frozenset[bytes]:
        """Names of the subtrees."""
        return frozenset(child.name for child in self.root.children)

    def pointer(self, name: bytes, byte_order: ByteOrder) -> int | None:
        """Where the root says that a subtree's blob lies."""
        node = self.root.child(name)
        found = [] if node is None else [integer_property(node, one, 8, byte_order) for one in self.formats.pointers]
        return next((value for value in found if value), None)

    def map_address(self, byte_order: ByteOrder) -> int:
        """Address of the tracker, 0 where there is none."""
        return integer_property(self.root, "preserved-memory-map", 8, byte_order) or 0


@dataclass(frozen=True, slots=True)
class FoundInMemory:
    """What a search of memory gave. ``records``: payloads of setup_data nodes of type 10, which name an incoming root FDT.

    ``tables``: what has the form of a scratch table. ``cut``: whether there are more than were looked at.
    """

    roots: tuple[RootCandidate, ...] = ()
    records: tuple[Record, ...] = ()
    tables: tuple[TableInMemory, ...] = ()
    cut: bool = False
    kernel: KernelSays | None = None
    """What the variables of the dump's kernel say; None where they were not asked, or not found."""
    placed_by_roots: bool = False
    """Whether memory lies where the pointers of one of these say: then it says nothing of the others that theirs lead nowhere."""
    unread: SafeText = NO_TEXT
    """That pages could not be read, and why: a root FDT may lie in them. Empty where all was searched."""

    @property
    def incoming(self) -> int | None:
        """The root that a boot record in memory names; None where none or more than one is named."""
        named_by_records = {record.integer("fdt_addr") for record in self.records}
        named = [root.phys for root in self.roots if root.phys in named_by_records]
        return named[0] if len(named) == 1 else None

    @property
    def boot_record(self) -> Record | None:
        """The boot record that names the root FDT of this boot; None where several do and do not say the same."""
        incoming = self.incoming if self.kernel is None else self.kernel.incoming
        naming = {record.data: record for record in self.records if record.integer("fdt_addr") == incoming}
        return next(iter(naming.values())) if len(naming) == 1 else None


def search_memory(memory: PhysicalMemory, formats: RootFormats, context: Context) -> FoundInMemory:
    """Every root FDT in memory, by address, and boot records. Unaligned copies (page cache) come too: ranking is the caller's.

    The search is not charged to the budget: it is bounded by the memory held, not by what a state claims.
    """
    roots: list[RootCandidate] = []
    records: list[Record] = []
    tables: list[TableInMemory] = []
    magics, unread = 0, Unread()
    for address, data in chunks(memory, context, "searching memory for root FDTs", unread):
        words = np.frombuffer(data, "<u4", len(data) // 4)
        hits = sorted(4 * at for magic in _MAGICS for at in np.flatnonzero(words == magic).tolist())
        for at in hits[: max(0, _MOST_MAGICS - magics)]:
            candidate = _candidate(memory, address + at, formats) if len(roots) <= _MOST_CANDIDATES else None
            if candidate is not None:
                roots.append(candidate)
        magics += len(hits)
        for at, payload in _boot_records(data, words):
            if len(records) < _MOST_RECORDS:
                name, offset = memory.origin(address + at)
                records.append(KHO_DATA.record(payload, "little", Place(Origin.MEMORY, visible(name), offset, address + at)))
        tables += islice(tables_in(address, data), _MOST_TABLES - len(tables))
    cut = len(roots) > _MOST_CANDIDATES or magics > _MOST_MAGICS
    return FoundInMemory(tuple(roots[:_MOST_CANDIDATES]), tuple(records), tuple(tables), cut, unread=unread.words)


def preserves_itself(reader: Reader, candidate: RootCandidate) -> bool | None:
    """Whether the candidate's own tracker keeps its page as an order-0 block, as a kernel sees to; None where that cannot be told."""
    if candidate.version not in reader.registry.roots:
        return None
    return tracker_keeps(reader, candidate.version, candidate.map_address(reader.platform.byte_order), candidate.phys)


def tracker_keeps(reader: Reader, version: bytes, tracker: int, page: int) -> bool | None:
    """Whether the tracker of a root of this version keeps the order-0 block at ``page``; None where that cannot be told."""
    form = reader.registry.roots.get(version)
    if form is None or not tracker or page % reader.platform.page_size or tracker % reader.platform.page_size:
        return False
    if form.tracker is Tracker.CHUNKS:
        return chunk_list_preserves(reader, tracker, page)
    return radix_preserves(reader, tracker, page, form.marker_counted)


def _boot_records(data: bytes, words: npt.NDArray[np.uint32]) -> Iterator[tuple[int, bytes]]:
    """Payloads of setup_data nodes of type SETUP_KEXEC_KHO, each with where it is in ``data``; x86 only, so little-endian.

    Source: arch/x86/include/uapi/asm/setup_data.h.
    """
    types = np.flatnonzero(words[:-1] == SETUP_KEXEC_KHO)
    heads = types[words[types + 1] == KHO_DATA.size]
    for at in (4 * heads + 8).tolist():
        payload = data[at : at + KHO_DATA.size]
        if len(payload) < KHO_DATA.size:
            continue
        record = KHO_DATA.record(payload, "little", _UNPLACED)
        page = record.integer("fdt_size")
        if page in PAGE_SIZES and record.integer("fdt_addr") % page == 0 and record.integer("scratch_size") % KHO_SCRATCH.size == 0:
            yield at, payload


def _candidate(memory: PhysicalMemory, address: int, formats: RootFormats) -> RootCandidate | None:
    try:
        head = memory.read(address, FDT_HEADER.size)
        half_built = int.from_bytes(head[:4], "big") == FDT_SW_MAGIC
        size = _extent(head)
        if size is None:
            return None
        data = memory.read(address, memory.available(address, size))
    except (GapError, ReadError):
        return None
    if ROOT_PREFIX not in data:
        return None
    tree = parse_fdt(data)
    version = None if tree.root is None else compatible_of(tree.root, formats)
    if tree.root is None or version is None or not version.startswith(ROOT_PREFIX):
        return None
    return RootCandidate(
        phys=address,
        data=data,
        root=tree.root,
        version=version,
        half_built=half_built,
        lists_all=tree.lists_all,
        formats=formats,
    )


def _extent(head: bytes) -> int | None:
    """Bytes of the FDT by its header, by the ends of its blocks where the total cannot be right; None where these cannot be either."""
    value = FDT_HEADER.record(head, "big", _UNPLACED).integer
    ends = (value("off_dt_struct") + value("size_dt_struct"), value("off_dt_strings") + value("size_dt_strings"))
    return next((size for size in (value("totalsize"), max(ends)) if FDT_HEADER.size < size <= _LARGEST_ROOT), None)
