"""What a decoded side offers to the next kernel: the facts that its checks look at, taken from the model (``releases.receiver``)."""

from __future__ import annotations

import numpy as np

from kho_tui.abi.chunks import SMALL_BITMAP_BYTES
from kho_tui.abi.luo import LUO_NAME
from kho_tui.abi.memblock import MEMBLOCK_NAME, RESERVE_MEM_COMPATIBLE
from kho_tui.abi.metadata import KEXEC_METADATA_NAME, KHO_KEXEC_METADATA
from kho_tui.abi.properties import compatible_of
from kho_tui.abi.root import ROOT_FORMATS, Tracker
from kho_tui.abi.test_kho import KHO_TEST_NAME
from kho_tui.abi.vmalloc import KHO_VMALLOC
from kho_tui.analysis.finalizing import is_map_pending
from kho_tui.analysis.kept import Kept, kept_of
from kho_tui.analysis.offered_luo import offered_luo
from kho_tui.analysis.restoring import test_fault
from kho_tui.fdt.tree import Node
from kho_tui.layout.place import Blob
from kho_tui.layout.struct import field_named
from kho_tui.model.facts import Damaged, Missing, Status, Unknown, known
from kho_tui.model.state import KhoTest, Memblock, Root, Side, State, Subtree
from kho_tui.model.tracker import ChunkList, PreservedMap
from kho_tui.releases.offered import Offered, OfferedRegion, OfferedSubtree
from kho_tui.releases.table import Attach, Finalize, release_of


def offered(state: State, side: Side) -> Offered:
    """What a kernel booted now would be handed of this side."""
    root = None if isinstance(side.root, Missing) else side.root
    node = None if root is None else root.view.tree.root
    attached, why = _attached(state, side)
    tracked = side.preserved if isinstance(side.preserved, PreservedMap) else None
    map_address = None if root is None or _finalized_at_reboot(state, side) else known(root.map_address)
    kept = kept_of(state, side, nothing=_names_no_tracker(root, node, map_address))
    luo, readable = offered_luo(side, kept)
    return Offered(
        state.machine.platform.page_size,
        attached,
        why,
        root.handed.data if root is not None and isinstance(root.handed, Blob) else None,
        None if root is None else known(root.phys),
        None if node is None else _strings(node),
        _map_length(root, node),
        map_address,
        True if not isinstance(state.scratch, Missing) and state.scratch.areas else None,
        tracked.structure.bitmap_bytes if tracked is not None and isinstance(tracked.structure, ChunkList) else None,
        None if tracked is None else _blocks_beyond(tracked),
        max(tracked.runs.by_order, default=0) if tracked is not None else None,
        tuple(_subtree(one, node, kept) for one in side.handed_over) if side.subtrees_told and root is not None else None,
        luo,
        readable,
        _metadata(state, side),
        _test_inline(side),
        _regions(side, kept),
        _tracker_fault(side),
        _blocks_fault(state, kept),
        root is not None and kept.lost(known(root.phys)),
        _test_fault(side, kept),
        _unreadable(side, MEMBLOCK_NAME),
    )


def _names_no_tracker(root: Root | None, node: Node | None, map_address: int | None) -> bool:
    """Whether it is known that nothing is preserved, because the root names no tracker."""
    return root is not None and (_map_length(root, node) not in (None, 8) or map_address == 0)


def _attached(state: State, side: Side) -> tuple[bool | None, str]:
    """6.16 to 6.18 hand over what was finalized before the load; LUO finalizes 6.19 and 7.0 in the reboot call; later ones always do."""
    release = release_of(state.machine.release)
    if release is not None and release.finalize is Finalize.STATEFUL and side.finalized is False:
        nothing = "nothing is handed over then" if release.attach is Attach.FINALIZED else "an FDT page that nobody wrote is refused"
        return False, f"not finalized: {nothing}"
    if isinstance(side.root, Missing):
        return None, "the root FDT is not at hand"
    if isinstance(side.finalized, Missing):
        if release is not None and release.finalize is Finalize.STATEFUL and release.attach is Attach.FINALIZED:
            return None, str(side.finalized.reason)
        form = side.root.format
        if form is not None and form.tracker is Tracker.RADIX:
            return True, "always complete"
        return (True, "there is a root FDT with a memory map") if known(side.root.map_address) else (None, str(side.finalized.reason))
    return True, "finalized"


def _finalized_at_reboot(state: State, side: Side) -> bool:
    """With LUO on, 6.19 and 7.0 finalize in the reboot call: until then a map of 0 says nothing of what will be handed over."""
    release = release_of(state.machine.release)
    has_luo = any(one.name == LUO_NAME for one in side.handed_over)
    map_is_zero = not isinstance(side.root, Missing) and side.root.map_address == 0
    return map_is_zero and release is not None and side.name == "out" and has_luo and is_map_pending(side, (release,))


def _tracker_fault(side: Side) -> str | None:
    """What is wrong with the structure that is walked unchecked; None where not all of it could be read."""
    kept = side.preserved
    if isinstance(kept, Missing):
        return str(kept.reason) if kept.status is Status.DAMAGED else None
    if kept.status is Status.DECODED:
        return ""
    return str(kept.reason) if kept.damaged else None


def _blocks_beyond(kept: PreservedMap) -> int | None:
    """Blocks that a reader of small bitmaps does not see; None where not all blocks are known."""
    if not isinstance(kept.structure, ChunkList):
        return 0
    bits, seen = (np.uint64(8 * size) for size in (kept.structure.bitmap_bytes, SMALL_BITMAP_BYTES))
    first = kept.runs.start >> (kept.runs.order.astype(np.uint64) + np.uint64(kept.runs.page_shift))
    below = [at // bits * seen + np.minimum(at % bits, seen) for at in (first, first + kept.runs.count.astype(np.uint64))]
    beyond = kept.runs.blocks - int((below[1] - below[0]).sum(dtype=np.uint64))
    return beyond if beyond or kept.status is Status.DECODED else None


def _blocks_fault(state: State, kept: Kept) -> str | None:
    """What is wrong with where the preserved blocks lie, which no kernel checks; None where not all of them and of scratch is known."""
    if kept.overlap is not None:
        return f"the block at {kept.overlap:#x} begins inside another one: memory is restored with the wrong size, or twice"
    scratch = state.scratch
    for area in () if isinstance(scratch, Missing) else scratch.areas:
        at = kept.inside(area.start, area.size)
        if at is not None:
            return f"preserved memory at {at:#x} lies in scratch, where the next kernel boots and writes"
    return "" if kept.whole and not isinstance(scratch, Missing) and scratch.status is Status.DECODED else None


def _strings(node: Node) -> tuple[bytes, ...]:
    found = node.property(b"compatible")
    return () if found is None else tuple(part for part in found.data.split(b"\0") if part)


def _map_length(root: Root | None, node: Node | None) -> int | None:
    if root is None or node is None:
        return None
    found = node.property(b"preserved-memory-map")
    if found is None:
        return 0 if node.complete else None
    return len(found.data) if found.complete else None


def _subtree(subtree: Subtree, root: Node | None, kept: Kept) -> OfferedSubtree:
    node = None if root is None else root.child(subtree.name)
    lengths = {} if node is None else {one.name.decode("latin-1"): len(one.data) for one in node.properties if one.name is not None}
    if root is not None and (node is None or not node.complete):
        form = ROOT_FORMATS.get((_strings(root)[:1] or (b"",))[0])
        # What lies beyond the end of a cut file was not seen, which is no reason to call it missing.
        lengths |= {name: 8 for name in ((form.pointer, "blob-size") if form is not None else ()) if name not in lengths}
    phys = known(subtree.phys)
    return OfferedSubtree(subtree.name, lengths, phys, known(subtree.size), isinstance(subtree.blob, Blob), kept.lost(phys))


def _at_hand(side: Side, name: bytes) -> Subtree | None:
    return next((one for one in side.handed_over if one.name == name and one.status is not Status.STALE), None)


def _named(side: Side, kind: type[object]) -> Subtree | None:
    return next((one for one in side.handed_over if isinstance(one.content, kind) and one.status is not Status.STALE), None)


def _metadata(state: State, side: Side) -> int | None:
    """The version that the blob tells, also one that nobody knows."""
    found = _at_hand(side, KEXEC_METADATA_NAME)
    offset, size = KHO_KEXEC_METADATA.span("version")
    if found is None or isinstance(found.blob, Missing) or len(found.blob.data) < offset + size:
        return None
    return int.from_bytes(found.blob.data[offset : offset + size], state.machine.platform.byte_order)


def _test_inline(side: Side) -> bool | None:
    found = _named(side, KhoTest)
    if found is None or not isinstance(found.content, KhoTest):
        return None
    info = field_named(found.content.values, "folios_info")
    return None if info is None else isinstance(found.content.area, Missing) and len(info.raw) != KHO_VMALLOC.size


def _unreadable(side: Side, name: bytes) -> str | None:
    """Why the owner of a subtree does not read what is there; None where it is not at hand."""
    found = _at_hand(side, name)
    content = None if found is None else found.content
    if isinstance(content, Damaged | Unknown):
        return str(content.reason)
    return None if content is None or isinstance(content, Missing) else ""


def _test_fault(side: Side, kept: Kept) -> str | None:
    found = _named(side, KhoTest)
    content = None if found is None else found.content
    return test_fault(content, kept) if isinstance(content, KhoTest) else _unreadable(side, KHO_TEST_NAME)


def _regions(side: Side, kept: Kept) -> tuple[OfferedRegion, ...] | None:
    found = _named(side, Memblock)
    if found is None or not isinstance(found.content, Memblock) or found.fdt is None or found.fdt.tree.root is None:
        return None
    nodes = {node.name: node for node in found.fdt.tree.root.children}
    page = 1 << kept.runs.page_shift
    return tuple(
        OfferedRegion(
            one.name,
            known(one.start),
            known(one.size),
            compatible_of(nodes[one.name]) == RESERVE_MEM_COMPATIBLE,
            # From 6.18 on a partial last page is not preserved.
            (size := (known(one.size) or 0) // page * page) > 0 and kept.lost(known(one.start), size),
        )
        for one in found.content.regions
    )
