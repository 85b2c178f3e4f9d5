"""Who claims which memory: a walk over the decoded state that collects stretches, arrays of them at a time."""

from __future__ import annotations

import numpy as np

from kho_tui.abi.boot import KHO_DATA, KHO_SCRATCH_PROPERTY
from kho_tui.abi.memfd import FOLIO_PFN
from kho_tui.context import Context
from kho_tui.decode.vmalloc import area_stretches
from kho_tui.layout.arrays import U64s
from kho_tui.layout.place import Blob
from kho_tui.layout.struct import Record
from kho_tui.layout.table import PageArray
from kho_tui.model.claims import Claim, ClaimCollector, block_orders
from kho_tui.model.facts import Missing, Status, known
from kho_tui.model.kinds import (
    KIND_ARRAY,
    KIND_BLOB,
    KIND_FILES,
    KIND_FLBS,
    KIND_FOLIO,
    KIND_KERNEL,
    KIND_MEMFD,
    KIND_NODE,
    KIND_RAM,
    KIND_RESERVE_MEM,
    KIND_ROOT,
    KIND_SCRATCH,
    KIND_SCRATCH_TABLE,
    KIND_SESSIONS,
    KIND_TEST_FOLIO,
    KIND_TRACKER,
    KIND_VMALLOC,
)
from kho_tui.model.luo import File, Luo, Memfd, Session, VmallocArea
from kho_tui.model.path import EntityPath
from kho_tui.model.state import KhoTest, Memblock, Root, Side, State, Subtree
from kho_tui.model.tracker import ChunkList, PreservedMap

_PIECE = 1 << 19
"""Folios looked up in one go."""


def side_claims(side: Side, state: State, context: Context) -> list[Claim]:
    """What the side's entities claim. Of a stale part only what is still a fact is in it. Raises Cancelled."""
    preserved = side.preserved if isinstance(side.preserved, PreservedMap) else None
    platform = state.machine.platform
    found = ClaimCollector(platform.page_size, preserved.runs if preserved is not None else None, context)
    path = EntityPath((side.name,))
    if preserved is not None:
        _tracker(found, preserved, path.child("preserved"))
    if isinstance(side.root, Root) and isinstance(side.root.phys, int):
        found.pages(KIND_ROOT, path, side.root.phys, len(side.root.view.blob.data))
    for subtree in side.handed_over:
        _subtree(found, subtree)
    return found.claims


def machine_claims(state: State, context: Context) -> list[Claim]:
    """RAM, kernel images, nodes, scratch and boot record: the same for every side. Raises Cancelled."""
    found = ClaimCollector(state.machine.platform.page_size, None, context)
    path = EntityPath(("machine",))
    for kind, ranges in ((KIND_RAM, state.host.ram), (KIND_KERNEL, state.host.kernel), (KIND_NODE, state.host.nodes)):
        for one in () if isinstance(ranges, Missing) else ranges:
            found.span(kind, path.named(one.name.encode()), one.start, one.size)
    if not isinstance(state.scratch, Missing):
        for index, area in enumerate(state.scratch.areas):
            found.span(KIND_SCRATCH, EntityPath(("scratch", str(index))), area.start, area.size)
        table = state.scratch.table
        if table is not None and len(table):
            found.span(KIND_SCRATCH_TABLE, EntityPath(("scratch",)), int(table.addresses[0]), len(table) * table.layout.size)
    if KIND_SCRATCH_TABLE not in {claim.kind for claim in found.claims}:
        _passed_table(found, state.machine.boot)
    return found.claims


def _passed_table(found: ClaimCollector, boot: tuple[Record, ...]) -> None:
    """The scratch table where this boot was told it lies."""
    path = EntityPath(("machine", "boot"))
    for record in boot:
        if record.layout is KHO_DATA:
            found.span(KIND_SCRATCH_TABLE, path, record.integer("scratch_addr"), record.integer("scratch_size"))
        elif record.layout is KHO_SCRATCH_PROPERTY:
            found.span(KIND_SCRATCH_TABLE, path, record.integer("address"), record.integer("size"))


def _tracker(found: ClaimCollector, preserved: PreservedMap, path: EntityPath) -> None:
    structure = preserved.structure
    if isinstance(structure, ChunkList):
        chunks = path.child("chunks")
        found.each_page(KIND_TRACKER, chunks, (c.header.place.phys for c in structure.chunks if c.header.place.phys is not None))
        for chunk in structure.chunks:
            bitmap = chunk.elements.column("bitmap")
            bitmap = bitmap[(bitmap > 0) & (bitmap < np.uint64(2**64 - structure.bitmap_bytes))]
            found.add(KIND_TRACKER, chunks, bitmap, bitmap + np.uint64(structure.bitmap_bytes))
        return
    for level in structure.addresses:
        found.each_page(KIND_TRACKER, path.child("nodes"), level)


def _subtree(found: ClaimCollector, subtree: Subtree) -> None:
    content = subtree.content
    if subtree.status is Status.STALE:
        # Given back: whose the page is by now nothing here can tell.
        return
    if isinstance(subtree.phys, int) and subtree.phys:
        size = len(subtree.blob.data) if isinstance(subtree.blob, Blob) else known(subtree.size) or 1
        found.pages(KIND_BLOB, subtree.path, subtree.phys, size)
    if isinstance(content, Memblock):
        for region in content.regions:
            if isinstance(region.start, int) and isinstance(region.size, int):
                found.span(KIND_RESERVE_MEM, region.path, region.start, region.size)
    elif isinstance(content, KhoTest):
        folios = content.read_blocks
        if not isinstance(folios, Missing) and not isinstance(content.folios, Missing):
            first = np.array([address for address, _ in folios], np.uint64)
            length = np.array([found.page_size << min(order, 40) for _, order in folios], np.uint64)
            found.add(KIND_TEST_FOLIO, subtree.path.child("folios"), first, first + length, content.folios)
        if not isinstance(content.area, Missing):
            _area(found, content.area, subtree.path.child("folios"))
    elif isinstance(content, Luo):
        _luo(found, content, subtree.path)


def _luo(found: ClaimCollector, luo: Luo, path: EntityPath) -> None:
    form = luo.format
    if luo.header is not None and not form.is_struct and luo.header.place.phys is not None:
        found.pages(KIND_BLOB, path, luo.header.place.phys, luo.header.layout.size)
    if not isinstance(luo.sessions, Missing):
        size = form.sessions.bytes(found.page_size)
        for header in luo.sessions.headers:
            if header.place.phys is not None:
                found.pages(KIND_SESSIONS, path, header.place.phys, size)
        for session in luo.sessions.sessions:
            _session(found, session, form.files)
    elif isinstance(luo.sessions_at, int) and luo.sessions_at and not form.sessions.chained:
        # The array is there from boot on, before any session is written.
        found.pages(KIND_SESSIONS, path, luo.sessions_at, form.sessions.bytes(found.page_size))
    if isinstance(luo.flbs_at, int) and luo.flbs_at:
        found.pages(KIND_FLBS, path.child("FLBs"), luo.flbs_at, form.flbs.bytes(found.page_size))


def _session(found: ClaimCollector, session: Session, listed: PageArray) -> None:
    if listed.chained:
        blocks = [header.place.phys for header in session.blocks if header.place.phys is not None]
        found.each_page(
            KIND_FILES, session.path, [at + page for at in blocks for page in range(0, listed.bytes(found.page_size), found.page_size)]
        )
    elif session.files_at:
        found.pages(KIND_FILES, session.path, session.files_at, listed.bytes(found.page_size))
    for file in () if isinstance(session.files, Missing) else session.files:
        _file(found, file)


def _file(found: ClaimCollector, file: File) -> None:
    memfd = file.content
    if not isinstance(memfd, Memfd):
        return
    if memfd.record.place.phys is not None:
        found.pages(KIND_MEMFD, file.path, memfd.record.place.phys, memfd.record.layout.size)
    if isinstance(memfd.folios, Missing):
        return
    path = file.path.child("folios")
    _area(found, memfd.folios.area, path)
    # Rows stay in step with the table: an entry that claims nothing becomes an empty stretch.
    found.add(KIND_FOLIO, path, *_folios(found, memfd.folios.table.column("word0")), memfd.folios.table)


def _folios(found: ClaimCollector, words: U64s) -> tuple[U64s, U64s]:
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


def _area(found: ClaimCollector, area: VmallocArea, path: EntityPath) -> None:
    found.each_page(KIND_VMALLOC, path, (c.header.place.phys for c in area.chunks if c.header.place.phys is not None))
    found.add(KIND_ARRAY, path, *area_stretches(area, found.page_size))
