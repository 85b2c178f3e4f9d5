"""LUO: the root in either form, sessions, files and FLBs (include/linux/kho/abi/luo.h)."""

from __future__ import annotations

from kho_tui.abi.block import block_of
from kho_tui.abi.flb import FLB_PAGE, LUO_FLB_SER
from kho_tui.abi.luo import (
    FILE_ARRAY,
    FLB_NODE_NAME,
    LUO_ABI_HEADER,
    LUO_FDT_NODE,
    LUO_FILE_SER,
    LUO_FLB_NODE,
    LUO_FORMATS,
    LUO_SER,
    LUO_SESSION_NODE,
    LUO_SESSION_SER,
    SESSION_ARRAY,
    SESSION_ARRAYS,
    SESSION_NODE_NAME,
    LuoFormat,
)
from kho_tui.encode.fdts import NodeSpec, sequential
from kho_tui.encode.memfd import memfd_pieces
from kho_tui.encode.piece import Piece, Pieces, Values, chain, page_of, rows
from kho_tui.errors import EncodeError
from kho_tui.layout.platform import Platform
from kho_tui.layout.struct import Layout
from kho_tui.layout.table import PageArray, encode_array
from kho_tui.model.handover import FlbPage, LuoContent, SessionContent
from kho_tui.model.path import EntityPath
from kho_tui.text import visible


def luo_blob(luo: LuoContent, platform: Platform) -> tuple[bytes, int]:
    """The page of LUO's root, and how many bytes of it are the blob where that is a struct (0: an FDT, which says so itself)."""
    form = _format(luo)
    sessions, flbs = luo.pages[0] if luo.pages else 0, luo.flb_page.phys if luo.flb_page else 0
    if form.is_struct:
        values: Values = {"compatible": luo.compatible, "liveupdate_num": luo.number, "sessions_pa": sessions, "flbs_pa": flbs}
        return LUO_SER.encode(values, platform.byte_order).ljust(platform.page_size, b"\0"), LUO_SER.size
    if luo.header:
        root = NodeSpec(b"", LUO_FDT_NODE, {"compatible": luo.compatible, "luo-abi-header": luo.header})
        return sequential(platform.page_size, root, platform).data, 0
    children = [NodeSpec(SESSION_NODE_NAME, LUO_SESSION_NODE, {"compatible": luo.session_compatible, "luo-session-header": sessions})]
    if luo.flb_compatible:
        children.append(NodeSpec(FLB_NODE_NAME, LUO_FLB_NODE, {"compatible": luo.flb_compatible, "luo-flb-header": flbs}))
    root = NodeSpec(b"", LUO_FDT_NODE, {"compatible": luo.compatible, "liveupdate-number": luo.number}, tuple(children))
    return sequential(platform.page_size, root, platform).data, 0


def luo_pieces(luo: LuoContent, platform: Platform, what: EntityPath) -> Pieces:
    """All that LUO's root points at, and what lies behind that."""
    form = _format(luo)
    if luo.header:
        sessions, flbs = luo.pages[0] if luo.pages else 0, luo.flb_page.phys if luo.flb_page else 0
        values = {"liveupdate_num": luo.number, "sessions_pa": sessions, "flbs_pa": flbs}
        yield page_of(luo.header, LUO_ABI_HEADER.encode(values, platform.byte_order), platform, what.child("header"))
    array = SESSION_ARRAYS.get(luo.session_compatible, SESSION_ARRAY)
    has_files = any(field.name == "files" for field in array.element.fields)
    entries: list[Values] = [_session_values(one) if has_files else {"name": one.name} for one in luo.sessions]
    if form.sessions_in_blocks:
        yield from _blocks(luo.pages, LUO_SESSION_SER, entries, platform, what.child("blocks"))
    else:
        yield from _array(luo.pages, array, {"count": len(entries)}, rows(array.element, entries, platform), platform, what.child("array"))
    for number, session in enumerate(luo.sessions):
        yield from _files(form, session, platform, what.child(f"sessions/{number}"))
    if luo.flb_page is not None:
        yield _flbs(luo.flb_page, platform, what.child("FLBs"))


def _format(luo: LuoContent) -> LuoFormat:
    form = LUO_FORMATS.get(luo.compatible)
    if form is None:
        raise EncodeError(f"LUO version {visible(luo.compatible)} is not known")
    return form


def _session_values(session: SessionContent) -> Values:
    return {"name": session.name, "files": session.pages[0] if session.pages else 0, "count": len(session.files)}


def _files(form: LuoFormat, session: SessionContent, platform: Platform, what: EntityPath) -> Pieces:
    entries: list[Values] = [{"compatible": one.compatible, "data": one.data, "token": one.token} for one in session.files]
    if form.files_in_blocks:
        yield from _blocks(session.pages, LUO_FILE_SER, entries, platform, what.child("blocks"))
    else:
        yield from _array(session.pages, FILE_ARRAY, {}, rows(LUO_FILE_SER, entries, platform), platform, what.child("array"))
    for one in session.files:
        if one.memfd is not None:
            yield from memfd_pieces(one, one.memfd, platform, what.child(f"{one.token:#x}"))


def _array(pages: tuple[int, ...], array: PageArray, header: Values, elements: bytes, platform: Platform, what: EntityPath) -> Pieces:
    """One allocation, or none where there is nothing to list."""
    if len(pages) > 1 or (elements and not pages):
        raise EncodeError(f"{what}: {len(elements) // array.element.size} entries stand in one allocation, not in {len(pages)}")
    for address in pages:
        yield Piece(address, encode_array(array, header, elements, platform), what)


def _blocks(pages: tuple[int, ...], element: Layout, entries: list[Values], platform: Platform, what: EntityPath) -> Pieces:
    """A chain of blocks. More of them than needed is what a kernel leaves behind in one case.

    Source: kernel/liveupdate/luo_session.c, 7.2 and 7.3.
    """
    block = block_of(element)
    needed = -(-len(entries) // block.capacity(platform.page_size))
    if len(pages) < needed:
        raise EncodeError(f"{what}: {len(entries)} entries need {needed} blocks, there are {len(pages)}")
    data = rows(element, entries, platform)
    yield from chain(pages, block, data, lambda following, count: {"next": following, "count": count}, platform, what)


def _flbs(page: FlbPage, platform: Platform, what: EntityPath) -> Piece:
    entries: list[Values] = [{"name": one.name, "data": one.data, "count": one.count} for one in page.flbs]
    header: Values = {"pgcnt": page.pgcnt, "count": len(entries)}
    return Piece(page.phys, encode_array(FLB_PAGE, header, rows(LUO_FLB_SER, entries, platform), platform), what)
