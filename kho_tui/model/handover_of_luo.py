"""LUO's part of a Handover: sessions, files, memfds and FLBs as values."""

from __future__ import annotations

import numpy as np

from kho_tui.abi.luo import FLB_NODE_NAME, SESSION_NODE_NAME
from kho_tui.abi.memfd import FOLIO_FLAGS, FOLIO_PFN
from kho_tui.abi.properties import compatible_of
from kho_tui.fdt.tree import Node
from kho_tui.layout.arrays import U64s
from kho_tui.layout.table import Table
from kho_tui.model.facts import Unknown
from kho_tui.model.handover import FileContent, FlbContent, FlbPage, LuoContent, MemfdContent, SessionContent
from kho_tui.model.luo import File, FlbList, Luo, Memfd, NotWritten, Session, SessionList
from kho_tui.model.path import EntityPath
from kho_tui.model.state import Subtree
from kho_tui.model.told import frozen, place_of, places, require_whole, told, vmalloc_content


def luo_content(luo: Luo, subtree: Subtree, where: EntityPath) -> LuoContent:
    """LUO as values. Raises InputError that names what the state does not tell whole."""
    pages, sessions = _sessions(luo, where)
    tree = None if subtree.fdt is None else subtree.fdt.tree.root
    session_compatible, flb_compatible = (_compatible_below(tree, name) for name in (SESSION_NODE_NAME, FLB_NODE_NAME))
    flbs_at = told(luo.flbs_at, where)
    flb_page = _flb_page(luo, flbs_at, where) if flbs_at else None
    number = told(luo.number, where)
    header = 0 if luo.header is None or tree is None else place_of(luo.header)
    return LuoContent(
        form=luo.format,
        number=number,
        session_compatible=session_compatible,
        pages=pages,
        sessions=sessions,
        flb_compatible=flb_compatible,
        flb_page=flb_page,
        header=header,
    )


def _compatible_below(root: Node | None, name: bytes) -> bytes:
    """``compatible`` of the child of this name, empty where there is none."""
    node = None if root is None else root.child(name)
    return b"" if node is None else compatible_of(node) or b""


def _sessions(luo: Luo, where: EntityPath) -> tuple[tuple[int, ...], tuple[SessionContent, ...]]:
    at = told(luo.sessions_at, where)
    if isinstance(luo.sessions, NotWritten):
        return ((at,) if at else ()), ()
    listed: SessionList = told(luo.sessions, where)
    require_whole(listed.status, listed.reason, where)
    return places(listed.headers), tuple(_session(luo, one) for one in listed.sessions)


def _session(luo: Luo, session: Session) -> SessionContent:
    at = session.files_at
    if at is None:
        return SessionContent(session.name, (), ())
    files = told(session.files, session.path)
    require_whole(session.status, session.reason, session.path)
    pages: tuple[int, ...] = ()
    if at:
        pages = places(session.blocks) if luo.format.files.chained else (at,)
    return SessionContent(session.name, pages, tuple(_file(one) for one in files))


def _file(file: File) -> FileContent:
    content = None
    if not isinstance(file.content, Unknown):
        content = _memfd(told(file.content, file.path), file.path)
    return FileContent(file.compatible, file.data, file.token, content)


def _memfd(memfd: Memfd, where: EntityPath) -> MemfdContent:
    record = memfd.record
    listed = told(memfd.folios, where)
    require_whole(listed.status, listed.reason, where)
    has_area = listed.area.chunks or any(record.raw(f"folios.{name}").strip(b"\0") for name in ("first", "total_pages", "flags", "order"))
    area = vmalloc_content(listed.area, where) if has_area else None
    seals = record.integer("seals") if memfd.format.has_seals else None
    flags = record.integer("flags") if memfd.format.has_seals else 0
    return MemfdContent(
        form=memfd.format,
        pos=record.integer("pos"),
        size=record.integer("size"),
        seals=seals,
        flags=flags,
        folios=_folios(listed.table),
        area=area,
    )


def _folios(table: Table) -> U64s:
    word = table.column("word0")
    return frozen(np.stack([FOLIO_PFN.of_column(word), FOLIO_FLAGS.of_column(word), table.column("index")], axis=1))


def _flb_page(luo: Luo, at: int, where: EntityPath) -> FlbPage:
    if isinstance(luo.flbs, NotWritten):
        return FlbPage(at, 1, ())
    listed: FlbList = told(luo.flbs, where)
    require_whole(listed.status, listed.reason, where)
    assert listed.header is not None
    flbs = tuple(FlbContent(one.text("name"), one.integer("data"), one.integer("count")) for one in listed.flbs)
    return FlbPage(at, listed.header.integer("pgcnt"), flbs)
