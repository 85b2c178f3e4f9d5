"""Who claims which memory: a walk over the decoded state that collects stretches, arrays of them at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kho_tui.abi.boot import KHO_DATA, KHO_SCRATCH_PROPERTY
from kho_tui.abi.memfd import FOLIO_PFN
from kho_tui.analysis.kinds import Kind
from kho_tui.context import Context
from kho_tui.decode.vmalloc import area_stretches
from kho_tui.layout.arrays import U64s
from kho_tui.layout.place import Blob
from kho_tui.layout.struct import Record
from kho_tui.layout.table import PageArray, Table
from kho_tui.model.facts import Missing, Status, known
from kho_tui.model.luo import File, Luo, Memfd, Session, VmallocArea
from kho_tui.model.path import EntityPath
from kho_tui.model.runs import Runs
from kho_tui.model.state import KhoTest, Memblock, Root, Side, State, Subtree
from kho_tui.model.tracker import ChunkList, PreservedMap

_PIECE = 1 << 19
"""Folios looked up in one go."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Claim:
    """Stretches [start, end) that one entity claims, u64 of shape (n,), in the order of the entity's rows.

    ``rows``: whether stretch i is row i of the entity's table (folios), so that the number of the row's entry belongs to the path;
    ``numbers`` are these, int64 of shape (n,), where they are not 0..n-1.
    """

    kind: Kind
    path: EntityPath
    start: U64s
    end: U64s
    rows: bool = False
    numbers: npt.NDArray[np.int64] | None = None

    def path_of(self, row: int) -> EntityPath:
        """The path of a stretch."""
        return self.path if not self.rows else self.path.child(str(row if self.numbers is None else int(self.numbers[row])))


@dataclass(slots=True)
class _Collector:
    page_size: int
    runs: Runs | None
    context: Context
    claims: list[Claim] = field(default_factory=list)

    def add(self, kind: Kind, path: EntityPath, start: U64s, end: U64s, rows: Table | None = None) -> None:
        """Stretches; ``rows``: the table of which they are the rows."""
        self.context.step("collecting owners", len(self.claims))
        if len(start):
            self.claims.append(
                Claim(kind=kind, path=path, start=start, end=end, rows=rows is not None, numbers=None if rows is None else rows.numbers)
            )

    def span(self, kind: Kind, path: EntityPath, address: int, size: int) -> None:
        """Any stretch of bytes as it is."""
        if size > 0 and address >= 0 and address + size < 2**64:
            self.add(kind, path, np.array([address], np.uint64), np.array([address + size], np.uint64))

    def pages(self, kind: Kind, path: EntityPath, address: int, size: int) -> None:
        """All pages that hold ``size`` bytes at ``address``; the whole block where one starts there, for that is what was allocated."""
        first = address // self.page_size * self.page_size
        end = -(-(address + max(size, 1)) // self.page_size) * self.page_size
        if self.runs is not None:
            block = self.runs.block_at(first)
            if block is not None:
                start, order = self.runs.expand(block, 1)
                if int(start[0]) == first:
                    end = max(end, first + (self.page_size << int(order[0])))
        self.span(kind, path, first, end - first)

    def each_page(self, kind: Kind, path: EntityPath, addresses: Iterable[int] | U64s) -> None:
        """Single pages."""
        start = np.asarray(addresses if isinstance(addresses, np.ndarray) else list(addresses), np.uint64)
        keep = start < np.uint64(2**64 - self.page_size)
        self.add(kind, path, start[keep], start[keep] + np.uint64(self.page_size))


def side_claims(side: Side, state: State, context: Context) -> list[Claim]:
    """What the side's entities claim. Of a stale part only what is still a fact is in it. Raises Cancelled."""
    preserved = side.preserved if isinstance(side.preserved, PreservedMap) else None
    platform = state.machine.platform
    found = _Collector(platform.page_size, preserved.runs if preserved is not None else None, context)
    path = EntityPath((side.name,))
    if preserved is not None:
        _tracker(found, preserved, path.child("preserved"))
    if isinstance(side.root, Root) and isinstance(side.root.phys, int):
        found.pages(Kind.ROOT, path, side.root.phys, len(side.root.view.blob.data))
    for subtree in side.handed_over:
        _subtree(found, subtree)
    return found.claims


def machine_claims(state: State, context: Context) -> list[Claim]:
    """RAM, kernel images, nodes, scratch and boot record: the same for every side. Raises Cancelled."""
    found = _Collector(state.machine.platform.page_size, None, context)
    path = EntityPath(("machine",))
    for kind, ranges in ((Kind.RAM, state.host.ram), (Kind.KERNEL, state.host.kernel), (Kind.NODE, state.host.nodes)):
        for one in () if isinstance(ranges, Missing) else ranges:
            found.span(kind, path.named(one.name.encode()), one.start, one.size)
    if not isinstance(state.scratch, Missing):
        for index, area in enumerate(state.scratch.areas):
            found.span(Kind.SCRATCH, EntityPath(("scratch", str(index))), area.start, area.size)
        table = state.scratch.table
        if table is not None and len(table):
            found.span(Kind.SCRATCH_TABLE, EntityPath(("scratch",)), int(table.addresses[0]), len(table) * table.layout.size)
    if Kind.SCRATCH_TABLE not in {claim.kind for claim in found.claims}:
        _passed_table(found, state.machine.boot)
    return found.claims


def _passed_table(found: _Collector, boot: tuple[Record, ...]) -> None:
    """The scratch table where this boot was told it lies."""
    path = EntityPath(("machine", "boot"))
    for record in boot:
        if record.layout is KHO_DATA:
            found.span(Kind.SCRATCH_TABLE, path, record.integer("scratch_addr"), record.integer("scratch_size"))
        elif record.layout is KHO_SCRATCH_PROPERTY:
            found.span(Kind.SCRATCH_TABLE, path, record.integer("address"), record.integer("size"))


def _tracker(found: _Collector, preserved: PreservedMap, path: EntityPath) -> None:
    structure = preserved.structure
    if isinstance(structure, ChunkList):
        chunks = path.child("chunks")
        found.each_page(Kind.TRACKER, chunks, (c.header.place.phys for c in structure.chunks if c.header.place.phys is not None))
        for chunk in structure.chunks:
            bitmap = chunk.elements.column("bitmap")
            bitmap = bitmap[(bitmap > 0) & (bitmap < np.uint64(2**64 - structure.bitmap_bytes))]
            found.add(Kind.TRACKER, chunks, bitmap, bitmap + np.uint64(structure.bitmap_bytes))
        return
    for level in structure.addresses:
        found.each_page(Kind.TRACKER, path.child("nodes"), level)


def _subtree(found: _Collector, subtree: Subtree) -> None:
    content = subtree.content
    if subtree.status is Status.STALE:
        # Given back: whose the page is by now nothing here can tell.
        return
    if isinstance(subtree.phys, int) and subtree.phys:
        size = len(subtree.blob.data) if isinstance(subtree.blob, Blob) else known(subtree.size) or 1
        found.pages(Kind.BLOB, subtree.path, subtree.phys, size)
    if isinstance(content, Memblock):
        for region in content.regions:
            if isinstance(region.start, int) and isinstance(region.size, int):
                found.span(Kind.RESERVE_MEM, region.path, region.start, region.size)
    elif isinstance(content, KhoTest):
        folios = content.read_blocks
        if not isinstance(folios, Missing) and not isinstance(content.folios, Missing):
            first = np.array([address for address, _ in folios], np.uint64)
            length = np.array([found.page_size << min(order, 40) for _, order in folios], np.uint64)
            found.add(Kind.TEST_FOLIO, subtree.path.child("folios"), first, first + length, content.folios)
        if not isinstance(content.area, Missing):
            _area(found, content.area, subtree.path.child("folios"))
    elif isinstance(content, Luo):
        _luo(found, content, subtree.path)


def _luo(found: _Collector, luo: Luo, path: EntityPath) -> None:
    form = luo.format
    if luo.header is not None and not form.is_struct and luo.header.place.phys is not None:
        found.pages(Kind.BLOB, path, luo.header.place.phys, luo.header.layout.size)
    if not isinstance(luo.sessions, Missing):
        size = form.sessions.bytes(found.page_size)
        for header in luo.sessions.headers:
            if header.place.phys is not None:
                found.pages(Kind.SESSIONS, path, header.place.phys, size)
        for session in luo.sessions.sessions:
            _session(found, session, form.files)
    elif isinstance(luo.sessions_at, int) and luo.sessions_at and not form.sessions.chained:
        # The array is there from boot on, before any session is written.
        found.pages(Kind.SESSIONS, path, luo.sessions_at, form.sessions.bytes(found.page_size))
    if isinstance(luo.flbs_at, int) and luo.flbs_at:
        found.pages(Kind.FLBS, path.child("FLBs"), luo.flbs_at, form.flbs.bytes(found.page_size))


def _session(found: _Collector, session: Session, listed: PageArray) -> None:
    if listed.chained:
        blocks = [header.place.phys for header in session.blocks if header.place.phys is not None]
        found.each_page(
            Kind.FILES, session.path, [at + page for at in blocks for page in range(0, listed.bytes(found.page_size), found.page_size)]
        )
    elif session.files_at:
        found.pages(Kind.FILES, session.path, session.files_at, listed.bytes(found.page_size))
    for file in () if isinstance(session.files, Missing) else session.files:
        _file(found, file)


def _file(found: _Collector, file: File) -> None:
    memfd = file.content
    if not isinstance(memfd, Memfd):
        return
    if memfd.record.place.phys is not None:
        found.pages(Kind.MEMFD, file.path, memfd.record.place.phys, memfd.record.layout.size)
    if isinstance(memfd.folios, Missing):
        return
    path = file.path.child("folios")
    _area(found, memfd.folios.area, path)
    # Rows stay in step with the table: an entry that claims nothing becomes an empty stretch.
    found.add(Kind.FOLIO, path, *_folios(found, memfd.folios.table.column("word0")), memfd.folios.table)


def _folios(found: _Collector, words: U64s) -> tuple[U64s, U64s]:
    """Where folios start and end by the first words of their entries; (0, 0) for what is none. In pieces: there may be millions."""
    starts, ends = np.zeros(len(words), np.uint64), np.zeros(len(words), np.uint64)
    shift = np.uint64(found.page_size.bit_length() - 1)
    for at in range(0, len(words), _PIECE):
        found.context.step("finding the blocks of folios", at, len(words))
        piece = slice(at, at + _PIECE)
        pfn = FOLIO_PFN.of_column(words[piece])
        start = pfn << shift
        end = start + (np.uint64(found.page_size) << block_orders(found.runs, start))
        sound = (pfn > 0) & (start >> shift == pfn) & (end > start)
        np.copyto(starts[piece], start, where=sound)
        np.copyto(ends[piece], end, where=sound)
    return starts, ends


def block_orders(runs: Runs | None, addresses: U64s) -> U64s:
    """Order of the preserved block that starts at each address, 0 where none does: the folio array does not tell."""
    if runs is None or not len(runs):
        return np.zeros(len(addresses), np.uint64)
    at = np.searchsorted(runs.start, addresses, side="right") - 1
    run = np.maximum(at, 0)
    order = runs.order[run].astype(np.uint64)
    size = np.uint64(1) << (order + np.uint64(runs.page_shift))
    offset = addresses - runs.start[run]
    starts_here = (at >= 0) & (offset % size == 0) & (addresses < runs.ends[run])
    return np.where(starts_here, order, np.uint64(0))


def _area(found: _Collector, area: VmallocArea, path: EntityPath) -> None:
    found.each_page(Kind.VMALLOC, path, (c.header.place.phys for c in area.chunks if c.header.place.phys is not None))
    found.add(Kind.ARRAY, path, *area_stretches(area, found.page_size))
