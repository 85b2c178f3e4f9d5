"""Who claims which memory: a walk over the decoded state that collects stretches, arrays of them at a time."""

from __future__ import annotations

import numpy as np

from kho_tui.abi.boot import KHO_DATA, KHO_SCRATCH_PROPERTY
from kho_tui.context import Context
from kho_tui.layout.place import Blob
from kho_tui.layout.struct import Record
from kho_tui.model.claims import Claim, ClaimCollector
from kho_tui.model.content import SubtreeContent
from kho_tui.model.facts import Missing, Status, known
from kho_tui.model.kinds import (
    KIND_BLOB,
    KIND_KERNEL,
    KIND_NODE,
    KIND_RAM,
    KIND_ROOT,
    KIND_SCRATCH,
    KIND_SCRATCH_TABLE,
    KIND_TRACKER,
)
from kho_tui.model.path import EntityPath
from kho_tui.model.state import Root, Side, State, Subtree
from kho_tui.model.tracker import ChunkList, PreservedMap


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
    if subtree.status is Status.STALE:
        # Given back: whose the page is by now nothing here can tell.
        return
    if isinstance(subtree.phys, int) and subtree.phys:
        size = len(subtree.blob.data) if isinstance(subtree.blob, Blob) else known(subtree.size) or 1
        found.pages(KIND_BLOB, subtree.path, subtree.phys, size)
    if isinstance(subtree.content, SubtreeContent):
        subtree.content.claims(found)
