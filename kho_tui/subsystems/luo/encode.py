"""LUO: the root in either form, sessions, files and FLBs (include/linux/kho/abi/luo.h)."""

from __future__ import annotations

from kho_tui.abi.luo import LUO_STRUCT_PROPERTY, LuoFormat
from kho_tui.encode.facet import Buffer, Encoder, Encoding, FileEncoding, FlbEncoding
from kho_tui.encode.fdts import NodeSpec, sequential
from kho_tui.encode.piece import Piece, Pieces, Values, chain, filled, page_of, rows
from kho_tui.errors import EncodeError
from kho_tui.layout.platform import Platform
from kho_tui.layout.struct import Layout
from kho_tui.layout.table import PageArray, encode_array
from kho_tui.model.path import EntityPath
from kho_tui.model.plain import PlainFlbPage, PlainSession
from kho_tui.subsystems.luo.plain import PlainLuo
from kho_tui.text import visible


def luo_buffer(luo: PlainLuo, encoder: Encoder) -> Buffer:
    """The page of LUO's root."""
    form, platform = luo.form, encoder.platform
    if form.node is None:
        struct = _struct(form, luo, platform)
        return Buffer(struct.ljust(platform.page_size, b"\0"), len(struct))
    if luo.header:
        root = NodeSpec(b"", form.node, {"compatible": form.compatible, LUO_STRUCT_PROPERTY: luo.header})
        return Buffer(sequential(platform.page_size, root, platform).data, 0)
    children = []
    lists = (form.session_node, luo.session_compatible, luo.sessions_at), (form.flb_node, luo.flb_compatible, luo.flbs_at)
    for list_node, compatible, at in lists:
        if list_node is not None and compatible:
            children.append(NodeSpec(list_node.name, list_node.layout, {"compatible": compatible, list_node.pointer: at}))
    root = NodeSpec(b"", form.node, {"compatible": form.compatible, "liveupdate-number": luo.number, **luo.more}, tuple(children))
    return Buffer(sequential(platform.page_size, root, platform).data, 0)


def _struct(form: LuoFormat, luo: PlainLuo, platform: Platform) -> bytes:
    """LUO's struct: the blob, or what its FDT leads to, which does not name a version."""
    assert form.struct is not None
    values: Values = {"liveupdate_num": luo.number, "sessions_pa": luo.sessions_at, "flbs_pa": luo.flbs_at}
    own: Values = {"compatible": form.compatible} if "compatible" in form.struct else {}
    return form.struct.encode(filled(form.struct.fields, own, values, luo.more), platform.byte_order)


def luo_pieces(luo: PlainLuo, encoder: Encoder, what: EntityPath) -> Pieces:
    """All that LUO's root points at, and what lies behind that."""
    form, platform = luo.form, encoder.platform
    if luo.header:
        yield page_of(luo.header, _struct(form, luo, platform), platform, what.child("header"))
    listed = form.sessions if form.session_node is None else form.session_node.lists.get(luo.session_compatible, form.sessions)
    entries = [_session_values(listed.element, one) for one in luo.sessions]
    yield from _list(luo.pages, listed, entries, platform, what)
    for number, session in enumerate(luo.sessions):
        yield from _files(form, session, encoder, what.child(f"sessions/{number}"))
    if luo.flb_page is not None:
        yield from _flbs(form, luo.flb_page, encoder, what.child("FLBs"))


def _session_values(element: Layout, session: PlainSession) -> Values:
    values: Values = {"name": session.name, "files": session.pages[0] if session.pages else 0, "count": len(session.files)}
    return filled(element.fields, {name: value for name, value in values.items() if name in element}, session.more)


def _files(form: LuoFormat, session: PlainSession, encoder: Encoder, what: EntityPath) -> Pieces:
    fields = form.files.element.fields
    entries = [filled(fields, {"compatible": one.compatible, "data": one.data, "token": one.token}, one.more) for one in session.files]
    yield from _list(session.pages, form.files, entries, encoder.platform, what)
    for one in session.files:
        if one.content is not None:
            encoding = encoder.registry.handler_facet(one.compatible, FileEncoding)
            if encoding is None:
                raise EncodeError(f"{what}: nobody declares what handler {visible(one.compatible)} writes")
            yield from encoding.pieces(one, one.content, encoder, what.child(f"{one.token:#x}"))


def _list(pages: tuple[int, ...], form: PageArray, entries: list[Values], platform: Platform, what: EntityPath) -> Pieces:
    """The allocations of a list."""
    data = rows(form.element, entries, platform)
    if form.chained:
        yield from _blocks(pages, form, data, platform, what.child("blocks"))
    else:
        header: Values = {} if form.header is None else {"count": len(entries)}
        yield from _array(pages, form, header, data, platform, what.child("array"))


def _array(pages: tuple[int, ...], array: PageArray, header: Values, elements: bytes, platform: Platform, what: EntityPath) -> Pieces:
    """One allocation, or none where there is nothing to list."""
    if len(pages) > 1 or (elements and not pages):
        raise EncodeError(f"{what}: {len(elements) // array.element.size} entries stand in one allocation, not in {len(pages)}")
    for address in pages:
        yield Piece(address, encode_array(array, header, elements, platform), what)


def _blocks(pages: tuple[int, ...], block: PageArray, elements: bytes, platform: Platform, what: EntityPath) -> Pieces:
    """A chain of blocks. More of them than needed is what a kernel leaves behind in one case.

    Source: kernel/liveupdate/luo_session.c, 7.2 and 7.3.
    """
    count = len(elements) // block.element.size
    needed = -(-count // block.capacity(platform.page_size))
    if len(pages) < needed:
        raise EncodeError(f"{what}: {count} entries need {needed} blocks, there are {len(pages)}")
    yield from chain(pages, block, elements, lambda following, entries: {"next": following, "count": entries}, platform, what)


def _flbs(form: LuoFormat, page: PlainFlbPage, encoder: Encoder, what: EntityPath) -> Pieces:
    entries: list[Values] = [{"name": one.name, "data": one.data, "count": one.count} for one in page.flbs]
    header: Values = {"pgcnt": page.pgcnt, "count": len(entries)}
    elements = rows(form.flbs.element, entries, encoder.platform)
    yield Piece(page.phys, encode_array(form.flbs, header, elements, encoder.platform), what)
    for flb in page.flbs:
        if flb.content is not None:
            encoding = encoder.registry.facets(FlbEncoding).get(flb.name)
            if encoding is None:
                raise EncodeError(f"{what}: nobody declares what FLB {visible(flb.name)} writes")
            yield from encoding.pieces(flb, flb.content, encoder, what.named(flb.name))


ENCODING = Encoding(plain=PlainLuo, buffer=luo_buffer, pieces=luo_pieces)
