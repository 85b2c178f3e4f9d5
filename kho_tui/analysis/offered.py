"""What a decoded side offers to the next kernel: the facts that its checks look at, taken from the model (``releases.receiver``)."""

from __future__ import annotations

from kho_tui.abi.block import KHO_BLOCK_HEADER_SER, MAX_BLOCKS, block_of
from kho_tui.abi.luo import FILE_ARRAY, FLB_NODE_NAME, LUO_NAME, LUO_SESSION_SER, SESSION_ARRAY, SESSION_NODE_NAME, STRUCT_PREFIX
from kho_tui.abi.memblock import MEMBLOCK_NAME, RESERVE_MEM_COMPATIBLE
from kho_tui.abi.metadata import KEXEC_METADATA_NAME, KHO_KEXEC_METADATA
from kho_tui.abi.properties import compatible_of
from kho_tui.abi.root import ROOT_FORMATS, Tracker
from kho_tui.abi.vmalloc import KHO_VMALLOC
from kho_tui.fdt.tree import Node
from kho_tui.layout.place import Blob
from kho_tui.model.facts import Damaged, Missing, Status, known
from kho_tui.model.luo import Luo, NotWritten, Session, SessionList
from kho_tui.model.state import KhoTest, Memblock, Root, Side, State, Subtree
from kho_tui.model.tracker import ChunkList, PreservedMap
from kho_tui.releases.offered import Offered, OfferedLuo, OfferedRegion, OfferedSubtree
from kho_tui.releases.sessions import OfferedSession, OfferedSessions
from kho_tui.releases.table import Attach, Finalize, release_of
from kho_tui.text import c_string

_NOT_KEPT = "not preserved: anything may stand there by the time that it is read"


def offered(state: State, side: Side) -> Offered:
    """What a kernel booted now would be handed of this side."""
    root = None if isinstance(side.root, Missing) else side.root
    node = None if root is None else root.view.tree.root
    attached, why = _attached(state, side)
    kept = side.preserved if isinstance(side.preserved, PreservedMap) else None
    luo, readable = _luo(side, state)
    return Offered(
        state.machine.platform.page_size,
        attached,
        why,
        root.handed.data if root is not None and isinstance(root.handed, Blob) else None,
        None if root is None else known(root.phys),
        None if node is None else _strings(node),
        _map_length(root, node),
        None if root is None or _finalized_at_reboot(state, side) else known(root.map_address),
        True if not isinstance(state.scratch, Missing) and state.scratch.areas else None,
        kept.structure.bitmap_bytes if kept is not None and isinstance(kept.structure, ChunkList) else None,
        max(kept.runs.by_order, default=0) if kept is not None else None,
        tuple(_subtree(one, node, side) for one in side.handed_over) if side.subtrees_told and root is not None else None,
        luo,
        readable,
        _metadata(state, side),
        _test_inline(side),
        _regions(side),
        _tracker_fault(side),
        root is not None and _lost(side, known(root.phys)),
    )


def _lost(side: Side, phys: int | None, size: int = 1) -> bool:
    """Whether it is known that a stretch of memory is not preserved all over, so that anything may stand there when it is read."""
    if phys is None:
        return False
    kept = side.preserved
    if isinstance(kept, Missing):
        root = side.root
        node = None if isinstance(root, Missing) else root.view.tree.root
        return not isinstance(root, Missing) and _map_length(root, node) not in (None, 8)
    if kept.status is not Status.DECODED:
        return False
    page = 1 << kept.runs.page_shift
    return not all(kept.runs.covers(address) for address in range(phys // page * page, phys + size, page))


def _attached(state: State, side: Side) -> tuple[bool | None, str]:
    """6.16 to 6.18 hand over what was finalized before the load; LUO finalizes 6.19 and 7.0 in the reboot call; later ones always do."""
    release = release_of(state.machine.release)
    if release is not None and release.finalize is Finalize.STATEFUL and side.finalized is False:
        nothing = "nothing is handed over then" if release.attach is Attach.FINALIZED else "an FDT page that nobody wrote is refused"
        return False, f"not finalized: {nothing}"
    if isinstance(side.root, Missing):
        return None, "the root FDT is not at hand"
    if isinstance(side.finalized, Missing):
        form = side.root.format
        if form is not None and form.tracker is Tracker.RADIX:
            return True, "always complete"
        return (True, "there is a root FDT with a memory map") if known(side.root.map_address) else (None, str(side.finalized.reason))
    return True, "finalized"


def _finalized_at_reboot(state: State, side: Side) -> bool:
    """With LUO on, 6.19 and 7.0 finalize in the reboot call: until then a map of 0 says nothing of what will be handed over."""
    release = release_of(state.machine.release)
    serializes = release is not None and release.finalize is Finalize.SERIALIZE
    has_luo = any(one.name == LUO_NAME for one in side.handed_over)
    return serializes and side.name == "out" and has_luo and _map_is_zero(side)


def _map_is_zero(side: Side) -> bool:
    return not isinstance(side.root, Missing) and side.root.map_address == 0


def _tracker_fault(side: Side) -> str | None:
    """What is wrong with the structure that is walked unchecked; None where not all of it could be read."""
    kept = side.preserved
    if isinstance(kept, Missing):
        return str(kept.reason) if kept.status is Status.DAMAGED else None
    if kept.status is Status.DECODED:
        return ""
    return str(kept.reason) if kept.damaged else None


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


def _subtree(subtree: Subtree, root: Node | None, side: Side) -> OfferedSubtree:
    node = None if root is None else root.child(subtree.name)
    lengths = {} if node is None else {one.name.decode("latin-1"): len(one.data) for one in node.properties if one.name is not None}
    if root is not None and (node is None or not node.complete):
        form = ROOT_FORMATS.get((_strings(root)[:1] or (b"",))[0])
        # What lies beyond the end of a cut file was not seen, which is no reason to call it missing.
        lengths |= {name: 8 for name in ((form.pointer, "blob-size") if form is not None else ()) if name not in lengths}
    phys = known(subtree.phys)
    return OfferedSubtree(subtree.name, lengths, phys, known(subtree.size), isinstance(subtree.blob, Blob), _lost(side, phys))


def _named(side: Side, kind: type[object]) -> Subtree | None:
    return next((one for one in side.handed_over if isinstance(one.content, kind) and one.status is not Status.STALE), None)


def _metadata(state: State, side: Side) -> int | None:
    """The version that the blob tells, also one that nobody knows."""
    found = next((one for one in side.handed_over if one.name == KEXEC_METADATA_NAME and one.status is not Status.STALE), None)
    offset, size = KHO_KEXEC_METADATA.span("version")
    if found is None or isinstance(found.blob, Missing) or len(found.blob.data) < offset + size:
        return None
    return int.from_bytes(found.blob.data[offset : offset + size], state.machine.platform.byte_order)


def _test_inline(side: Side) -> bool | None:
    found = _named(side, KhoTest)
    if found is None or not isinstance(found.content, KhoTest):
        return None
    info = next((one for one in found.content.values if one.field.name == "folios_info"), None)
    return None if info is None else isinstance(found.content.area, Missing) and len(info.raw) != KHO_VMALLOC.size


def _regions(side: Side) -> tuple[OfferedRegion, ...] | None:
    if any(one.name == MEMBLOCK_NAME and isinstance(one.content, Damaged) for one in side.handed_over):
        return (OfferedRegion(MEMBLOCK_NAME, None, None, False),)
    found = _named(side, Memblock)
    if found is None or not isinstance(found.content, Memblock) or found.fdt is None or found.fdt.tree.root is None:
        return None
    nodes = {node.name: node for node in found.fdt.tree.root.children}
    return tuple(
        OfferedRegion(one.name, known(one.start), known(one.size), compatible_of(nodes[one.name]) == RESERVE_MEM_COMPATIBLE)
        for one in found.content.regions
    )


def _handed_size(subtree: Subtree, captured: int) -> int:
    """The size that the root FDT tells the next kernel, however impossible; that of the bytes at hand only where it tells none."""
    told = next((one.value for one in subtree.values if one.field.name == "blob-size"), None)
    return told if isinstance(told, int) else known(subtree.size) or captured


def _luo(side: Side, state: State) -> tuple[OfferedLuo | None, bool]:
    subtree = next((one for one in side.handed_over if one.name == LUO_NAME), None)
    if subtree is None or isinstance(subtree.blob, Missing) or subtree.status is Status.STALE:
        return None, subtree is None
    content = subtree.content if isinstance(subtree.content, Luo) else None
    listed = _listed(content, side, state)
    root = None if subtree.fdt is None else subtree.fdt.tree.root
    if root is None:
        data = subtree.blob.data
        version = c_string(data[:8]) if data.startswith(STRUCT_PREFIX) or len(data) >= 8 else None
        size = _handed_size(subtree, len(data))
        return OfferedLuo("struct", version, size=size, chain_fault=_chain_fault(content, side, state), listed=listed), True
    session, flb = root.child(SESSION_NODE_NAME), root.child(FLB_NODE_NAME)
    return OfferedLuo(
        "fdt",
        compatible_of(root) or b"",
        _has_u64(root, b"liveupdate-number"),
        session is not None and _has_u64(session, b"luo-session-header"),
        None if session is None else compatible_of(session),
        flb is not None and _has_u64(flb, b"luo-flb-header"),
        None if flb is None else compatible_of(flb),
        listed=listed,
    ), True


def _has_u64(node: Node, name: bytes) -> bool:
    found = node.property(name)
    return found is not None and len(found.data) == 8


def _listed(luo: Luo | None, side: Side, state: State) -> OfferedSessions | None:
    if luo is None:
        return None
    found, page = luo.sessions, state.machine.platform.page_size
    if isinstance(found, Missing):
        return OfferedSessions((), str(found.reason)) if isinstance(found, Damaged) and luo.sessions_at else None
    damage = str(found.reason) if found.status is Status.DAMAGED else ""
    bytes_at_once = page if luo.format.sessions_in_blocks else SESSION_ARRAY.bytes(page)
    if any(_lost(side, one.place.phys, bytes_at_once) for one in found.headers):
        damage = damage or _NOT_KEPT
    return OfferedSessions(tuple(_session(one, luo, side, page) for one in found.sessions), damage, found.status is not Status.PARTIAL)


def _session(session: Session, luo: Luo, side: Side, page: int) -> OfferedSession:
    files, damage = session.files, str(session.reason) if session.status is Status.DAMAGED else ""
    counts = tuple(one.integer("count") for one in session.blocks if one.layout is KHO_BLOCK_HEADER_SER)
    if isinstance(files, Missing):
        damage = str(files.reason) if isinstance(files, Damaged) else damage
    elif luo.format.files_in_blocks:
        lost = any(_lost(side, one.place.phys, page) for one in session.blocks)
        damage = damage or (_NOT_KEPT if lost else "")
    elif session.files_at and _lost(side, session.files_at, FILE_ARRAY.bytes(page)):
        damage = damage or _NOT_KEPT
    told = not isinstance(files, Missing) and session.status is not Status.PARTIAL
    handlers = tuple(one.compatible for one in files) if told and not isinstance(files, Missing) else None
    return OfferedSession(session.name, session.files_at != 0, counts, handlers, damage)


def _chain_fault(luo: Luo | None, side: Side, state: State) -> str | None:
    """What ``kho_block_set_restore`` finds wrong with the session blocks (kernel/liveupdate/kho_block.c 7.2-7.3), empty for nothing."""
    if luo is None:
        return None
    if luo.sessions_at == 0 and not isinstance(luo.sessions, NotWritten):
        return ""
    if not isinstance(luo.sessions, SessionList):
        return str(luo.sessions.reason) if luo.sessions.status is Status.DAMAGED else None
    capacity = block_of(LUO_SESSION_SER).capacity(state.machine.platform.page_size)
    headers = [one for one in luo.sessions.headers if one.layout is KHO_BLOCK_HEADER_SER]
    places = {one.place.phys for one in headers}
    if headers and headers[-1].integer("next") in places:
        return f"block at {headers[-1].place.phys:#x} leads back to {headers[-1].integer('next'):#x}: a loop"
    for header in headers:
        count = header.integer("count")
        if not 1 <= count <= capacity:
            kind = "empty LUO block" if count == 0 else f"LUO block of {count} entries"
            return f"{kind} at {header.place.phys or 0:#x}"
    lost = next((one.place.phys for one in headers if _lost(side, one.place.phys, state.machine.platform.page_size)), None)
    if lost is not None:
        return f"the LUO block at {lost:#x} is {_NOT_KEPT}"
    if len(headers) > MAX_BLOCKS:
        return f"{len(headers)} blocks, allowed are {MAX_BLOCKS}"
    return None if headers and headers[-1].integer("next") else ""
