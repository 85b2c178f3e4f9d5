"""What LUO's part of a decoded side offers to the next kernel (``releases.offered``)."""

from __future__ import annotations

from kho_tui.abi.block import KHO_BLOCK_HEADER_SER, MAX_BLOCKS, block_of
from kho_tui.abi.luo import FILE_ARRAY, FLB_NODE_NAME, LUO_NAME, LUO_SESSION_SER, SESSION_ARRAY, SESSION_NODE_NAME, STRUCT_PREFIX
from kho_tui.abi.properties import compatible_of
from kho_tui.analysis.kept import Kept
from kho_tui.analysis.restoring import files_fault
from kho_tui.fdt.tree import Node
from kho_tui.layout.struct import field_named
from kho_tui.model.facts import Damaged, Missing, Status, known
from kho_tui.model.luo import Luo, NotWritten, Session, SessionList
from kho_tui.model.state import Side, Subtree
from kho_tui.releases.offered import OfferedLuo
from kho_tui.releases.sessions import OfferedSession, OfferedSessions
from kho_tui.text import c_string

_NOT_KEPT = "not preserved: anything may stand there by the time that it is read"


def _handed_size(subtree: Subtree, captured: int) -> int:
    """The size that the root FDT tells the next kernel, however impossible; that of the bytes at hand only where it tells none."""
    told = field_named(subtree.values, "blob-size")
    return told.value if told is not None and isinstance(told.value, int) else known(subtree.size) or captured


def offered_luo(side: Side, kept: Kept) -> tuple[OfferedLuo | None, bool]:
    """LUO's part, and whether it could be read as far as there is any."""
    subtree = side.named(LUO_NAME)
    if subtree is None or isinstance(subtree.blob, Missing) or subtree.status is Status.STALE:
        return None, subtree is None
    content = subtree.content if isinstance(subtree.content, Luo) else None
    listed = _listed(content, kept)
    files = files_fault(content.sessions.sessions, kept) if content is not None and isinstance(content.sessions, SessionList) else None
    root = None if subtree.fdt is None else subtree.fdt.tree.root
    if root is None:
        data = subtree.blob.data
        version = c_string(data[:8]) if data.startswith(STRUCT_PREFIX) or len(data) >= 8 else None
        size = _handed_size(subtree, len(data))
        return OfferedLuo("struct", version, size=size, chain_fault=_chain_fault(content, kept), listed=listed, files_fault=files), True
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
        files_fault=files,
    ), True


def _has_u64(node: Node, name: bytes) -> bool:
    found = node.property(name)
    return found is not None and len(found.data) == 8


def _listed(luo: Luo | None, kept: Kept) -> OfferedSessions | None:
    if luo is None:
        return None
    found, page = luo.sessions, 1 << kept.runs.page_shift
    if isinstance(found, Missing):
        return OfferedSessions((), str(found.reason)) if isinstance(found, Damaged) and luo.sessions_at else None
    damage = str(found.reason) if found.status is Status.DAMAGED else ""
    bytes_at_once = page if luo.format.sessions_in_blocks else SESSION_ARRAY.bytes(page)
    if any(kept.lost(one.place.phys, bytes_at_once) for one in found.headers):
        damage = damage or _NOT_KEPT
    return OfferedSessions(tuple(_session(one, luo, kept, page) for one in found.sessions), damage, found.status is not Status.PARTIAL)


def _session(session: Session, luo: Luo, kept: Kept, page: int) -> OfferedSession:
    files, damage = session.files, str(session.reason) if session.status is Status.DAMAGED else ""
    counts = tuple(one.integer("count") for one in session.blocks if one.layout is KHO_BLOCK_HEADER_SER)
    if isinstance(files, Missing):
        damage = str(files.reason) if isinstance(files, Damaged) else damage
    elif luo.format.files_in_blocks:
        lost = any(kept.lost(one.place.phys, page) for one in session.blocks)
        damage = damage or (_NOT_KEPT if lost else "")
    elif session.files_at and kept.lost(session.files_at, FILE_ARRAY.bytes(page)):
        damage = damage or _NOT_KEPT
    told = not isinstance(files, Missing) and session.status is not Status.PARTIAL
    handlers = tuple(one.compatible for one in files) if told and not isinstance(files, Missing) else None
    return OfferedSession(session.name, session.files_at != 0, counts, handlers, damage)


def _chain_fault(luo: Luo | None, kept: Kept) -> str | None:
    """What ``kho_block_set_restore`` finds wrong with the session blocks (kernel/liveupdate/kho_block.c 7.2-7.3), empty for nothing."""
    if luo is None:
        return None
    if luo.sessions_at == 0 and not isinstance(luo.sessions, NotWritten):
        return ""
    if not isinstance(luo.sessions, SessionList):
        return str(luo.sessions.reason) if luo.sessions.status is Status.DAMAGED else None
    page = 1 << kept.runs.page_shift
    capacity = block_of(LUO_SESSION_SER).capacity(page)
    headers = [one for one in luo.sessions.headers if one.layout is KHO_BLOCK_HEADER_SER]
    places = {one.place.phys for one in headers}
    if headers and headers[-1].integer("next") in places:
        return f"block at {headers[-1].place.phys:#x} leads back to {headers[-1].integer('next'):#x}: a loop"
    for header in headers:
        count = header.integer("count")
        if not 1 <= count <= capacity:
            kind = "empty LUO block" if count == 0 else f"LUO block of {count} entries"
            return f"{kind} at {header.place.phys or 0:#x}"
    lost = next((one.place.phys for one in headers if kept.lost(one.place.phys, page)), None)
    if lost is not None:
        return f"the LUO block at {lost:#x} is {_NOT_KEPT}"
    if len(headers) > MAX_BLOCKS:
        return f"{len(headers)} blocks, allowed are {MAX_BLOCKS}"
    return None if headers and headers[-1].integer("next") else ""
