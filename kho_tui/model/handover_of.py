"""A decoded side distilled to a Handover: only values and addresses. What is missing, stale or damaged is named, never filled in."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.abi.root import PACKED_STRUCT_OFFSET, Tracker
from kho_tui.errors import InputError
from kho_tui.layout.place import Blob
from kho_tui.model.content import SubtreeContent
from kho_tui.model.facts import Missing, Unknown
from kho_tui.model.handover import ChunkPage, ChunkTracker, Handover, RadixTracker, Registered, RootStyle
from kho_tui.model.path import EntityPath
from kho_tui.model.plain import Plain, RawBytes
from kho_tui.model.runs import Runs, no_runs
from kho_tui.model.state import RawContent, Root, Side, State, Subtree
from kho_tui.model.told import place_of, require_whole, told
from kho_tui.model.tracker import ChunkList, PreservedMap
from kho_tui.releases.table import Finalize, Release
from kho_tui.text import SafeText


@dataclass(frozen=True, slots=True)
class NotKnown:
    """A subtree whose content could not be taken over, and why."""

    path: EntityPath
    reason: SafeText


@dataclass(frozen=True, eq=False)
class Distilled:
    """A handover, and the subtrees in it that have no content because the state does not tell it."""

    handover: Handover
    not_known: tuple[NotKnown, ...]


def handover_of(state: State, side: str) -> Handover:
    """The side as a Handover. Raises InputError that names what the state does not tell whole."""
    distilled = distil(state, side)
    if distilled.not_known:
        raise InputError(str(distilled.not_known[0].reason))
    return distilled.handover


def distil(state: State, side: str) -> Distilled:
    """As ``handover_of``, but a subtree that is not told whole only has no content. Raises InputError without a root or a whole tracker."""
    one = state.sides.get(side)
    if one is None:
        raise InputError(f"this state has no side {side!r}")
    where = EntityPath((side,))
    root = told(one.root, where)
    address = told(root.map_address, where)
    if root.format is None:
        raise InputError(f"{where}: the version of the root FDT is not known, so neither is its format")
    if root.view.tree.root is None or root.view.tree.salvaged:
        raise InputError(f"{where}: the root FDT is cut or damaged")
    style = _style(root, one, state.registry.releases.of(state.machine.release))
    tracker, runs = _tracker(one, root, where, state.machine.platform.page_shift)
    registered, not_known = [], []
    for subtree in one.handed_over:
        try:
            content: Plain | None = _plain(subtree)
        except InputError as error:
            not_known.append(NotKnown(subtree.path, SafeText(str(error))))
            content = None
        phys = told(subtree.phys, subtree.path)
        registered.append(Registered(subtree.name, phys, _size(subtree), content))
    if style is not RootStyle.FINALIZED:
        registered.reverse()
    phys = told(root.phys, where)
    platform = state.machine.platform
    return Distilled(
        Handover(
            platform=platform,
            form=root.format,
            style=style,
            fdt_phys=phys,
            map_address=address,
            subtrees=tuple(registered),
            tracker=tracker,
            runs=runs,
            more=root.more,
        ),
        tuple(not_known),
    )


def _style(root: Root, side: Side, known: Release | None) -> RootStyle:
    """By the place of the structure block. Where a root that never had a subtree leaves it open, both ways give the same bytes."""
    assert root.view.tree.header is not None and root.format is not None
    if root.view.tree.header.integer("off_dt_struct") == PACKED_STRUCT_OFFSET:
        return RootStyle.GROWN if side.handed_over else RootStyle.EMPTIED
    if side.handed_over:
        return RootStyle.FINALIZED
    stateful = known is None or known.finalize is Finalize.STATEFUL
    return RootStyle.FINALIZED if root.format.tracker is Tracker.CHUNKS and stateful else RootStyle.GROWN


def _tracker(side: Side, root: Root, where: EntityPath, page_shift: int) -> tuple[ChunkTracker | RadixTracker | None, Runs]:
    where = where.child("preserved")
    if root.map_address == 0 and root.format is not None and root.format.tracker is Tracker.CHUNKS:
        return None, no_runs(page_shift)
    preserved: PreservedMap = told(side.preserved, where)
    require_whole(preserved.status, preserved.reason, where)
    structure = preserved.structure
    if not isinstance(structure, ChunkList):
        return RadixTracker(structure.addresses, structure.prefixes), preserved.runs
    chunks = []
    for chunk in structure.chunks:
        elements = zip(chunk.elements.column("phys_start").tolist(), chunk.elements.column("bitmap").tolist(), strict=True)
        chunks.append(ChunkPage(place_of(chunk.header), chunk.header.integer("order"), tuple(elements)))
    return ChunkTracker(tuple(chunks), structure.bitmap_bytes), preserved.runs


def _plain(subtree: Subtree) -> Plain:
    where, content = subtree.path, subtree.content
    if isinstance(content, RawContent | Unknown) and isinstance(subtree.blob, Blob):
        return _raw(subtree, subtree.blob)
    if isinstance(content, Missing):
        raise InputError(f"{where}: {content.reason}")
    if not isinstance(content, SubtreeContent):
        raise InputError(f"{where}: its blob is not in this capture")
    require_whole(subtree.status, subtree.reason, where)
    return content.plain()


def _size(subtree: Subtree) -> int | None:
    """As the root FDT says, or in kho-v1 as the blob's own header says."""
    if not isinstance(subtree.size, Missing):
        return subtree.size
    return None if subtree.fdt is None or subtree.fdt.tree.truncated else len(subtree.fdt.blob.data)


def _raw(subtree: Subtree, blob: Blob) -> RawBytes:
    size = _size(subtree)
    if size is None or len(blob.data) < size:
        why = "nothing tells its size" if size is None else f"{len(blob.data)} of {size} bytes of it are in this capture"
        raise InputError(f"{subtree.path}: its blob: {why}")
    return RawBytes(blob.data)
