"""LUO in words: its header, and what is said of a selected session, file or folio."""

from __future__ import annotations

from kho_tui.abi.memfd import FOLIO_DIRTY, FOLIO_UPTODATE
from kho_tui.layout.struct import Unit
from kho_tui.model.facts import Count, Missing, Status
from kho_tui.model.flbs import FlbList
from kho_tui.model.sessions import File, Session, SessionList
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.memfd.content import Memfd
from kho_tui.text import NO_TEXT, SafeText, human_size, plural, visible
from kho_tui.views.format import Base, format_value, plain_value
from kho_tui.views.tui.lines import STATUS_ROLE, Line, Role, fit, spans, width_of, wrap
from kho_tui.views.tui.luo_rows import FolioList, seals_of
from kho_tui.views.tui.theme import Glyphs

_MOST_HOLES = 4
_MOST_FLBS = 4
_FLAGS = ((FOLIO_DIRTY, "dirty"), (FOLIO_UPTODATE, "uptodate"))


def head_lines(luo: Luo | Missing, width: int, base: Base, glyphs: Glyphs) -> list[Line]:
    """Version, number and where the lists lie; the FLBs."""
    if isinstance(luo, Missing):
        return [spans((f" LUO  {luo.status.value}", STATUS_ROLE[luo.status]))]
    line: Line = spans((f" {visible(luo.format.compatible)}", Role.TITLE))
    for name, unit, fact in (
        ("live update", Unit.COUNT, luo.number),
        ("sessions at", Unit.PHYS, luo.sessions_at),
        ("FLBs at", Unit.PHYS, luo.flbs_at),
    ):
        role = STATUS_ROLE[fact.status] if isinstance(fact, Missing) else Role.ADDRESS if unit is Unit.PHYS else Role.NUMBER
        line += spans((f" {glyphs.dot} {name} ", Role.DIM), (plain_value(fact, unit, base), role))
    flbs = luo.flbs
    if isinstance(flbs, Missing):
        return [line, spans((" FLBs  ", Role.DIM), (format_value(flbs, Unit.TEXT), STATUS_ROLE[flbs.status]))]
    forms = [_flb_line(flbs, base, glyphs, in_full=in_full) for in_full in (True, False)]
    return [line, next((form for form in forms if width_of(form) <= width), forms[-1])]


def _flb_line(flbs: FlbList, base: Base, glyphs: Glyphs, *, in_full: bool) -> Line:
    none_by_right = not flbs.flbs and flbs.status is Status.DECODED and flbs.reason
    line = spans((f" {flbs.reason if none_by_right else flbs.count.words('FLB')} ", Role.DIM))
    for number, flb in enumerate(flbs.flbs[:_MOST_FLBS]):
        data = plain_value(flb.data, Unit.OPAQUE, base)
        told = f" data {data}, {plural(flb.count, 'file')}" if in_full else ""
        line += spans((f" {glyphs.dot} " if number else " ", Role.DIM), (visible(flb.name), Role.NAME), (told, Role.TEXT))
    more = len(flbs.flbs) - _MOST_FLBS
    if more > 0:
        line += spans((f" and {more} more", Role.DIM))
    if flbs.status is not Status.DECODED:
        line += spans((f"  {flbs.status.value}: {flbs.reason}", STATUS_ROLE[flbs.status]))
    return line


def sessions_title(side: str, sessions: SessionList | Missing | None) -> SafeText:
    """Of the list of sessions: whose they are, and how many there are at least where not all of them could be read."""
    bound = "" if sessions is None or isinstance(sessions, Missing) else _bound(sessions.count, sessions.status, sessions.reason)
    return SafeText(f"sessions of {side}{bound}" if side else "sessions")


def files_title(session: Session) -> SafeText:
    """Of the list of a session's files, likewise."""
    bound = "" if isinstance(session.files, Missing) else _bound(session.file_count, session.status, session.reason)
    return SafeText(f"files of {visible(session.name) or '(no name)'}{bound}")


def doubt_of(status: Status, reason: SafeText) -> SafeText:
    """Why a list may lack rows; empty where it is whole."""
    return NO_TEXT if status is Status.DECODED else SafeText(f"{status.value}: {reason}")


def _bound(count: Count, status: Status, reason: SafeText) -> str:
    if status is Status.DECODED:
        return ""
    told = f"at least {count.read}" if count.of is None else f"{count.read} of {count.of}"
    return f", {told}: {status.value}: {reason}"


def about_session(session: Session, width: int, glyphs: Glyphs) -> list[Line]:
    """Where it and its files lie, and why its files are not plainly decoded."""
    at = "" if session.record.place.phys is None else f"struct at {session.record.place.phys:#x}"
    files = "" if not session.files_at else f", its files at {session.files_at:#x}"
    return [spans((f"{at}{files}", Role.ADDRESS)), *_doubt(*session.standing(), width, glyphs)]


def about_file(file: File, width: int, glyphs: Glyphs) -> list[Line]:
    """Where it lies, size, position and seals, and why it is not plainly decoded."""
    at = "" if file.record.place.phys is None else f"struct at {file.record.place.phys:#x}"
    line = spans((f"{at}, data {file.data:#x}", Role.ADDRESS))
    memfd = file.content
    if isinstance(memfd, Memfd):
        seals = seals_of(file) or ("none" if memfd.format.has_seals else "not kept by this version")
        told = f"  {format_value(memfd.record.integer('size'), Unit.BYTES)}, pos {memfd.record.integer('pos')}, seals {seals}"
        line += spans((told, Role.TEXT))
    return [fit(line, width, glyphs.ellipsis), *_doubt(*file.standing(), width, glyphs)]


def about_folio(listing: FolioList, row: int, file: File, holes: list[tuple[int, int]] | None, width: int, glyphs: Glyphs) -> list[Line]:
    """What of the file it holds, whether it is preserved, and which pages of the file have no folio (``holes``; None: not known)."""
    index, pfn, flags = listing.folio(row)
    order = listing.order(row)
    told = ", ".join(name for bit, name in _FLAGS if flags & bit) or "no flags"
    if not pfn:
        lines = [spans(("pfn 0: the next kernel skips this entry", Role.WARN))]
    elif order is None:
        lost = SafeText(f"{pfn << listing.page_shift:#x} is NOT preserved: its contents will be lost")
        lines = wrap(lost, width, 2, Role.BAD, glyphs.ellipsis)
    else:
        block = f"block of order {order}" if isinstance(order, int) else f"order {order.status.value}: {order.reason}"
        size = file.content.record.integer("size") if isinstance(file.content, Memfd) else 0
        offset = index << listing.page_shift
        beyond = "" if offset < size else f", beyond the end of the file ({human_size(size)})"
        lines = wrap(SafeText(f"byte {offset} of the file{beyond}, {block}, {told}"), width, 2, Role.TEXT, glyphs.ellipsis)
    status, reason = file.standing()
    return [*lines, *_doubt(status, reason, width, glyphs)] if status is not Status.DECODED else [*lines, _holes_line(holes)]


def _holes_line(holes: list[tuple[int, int]] | None) -> Line:
    if holes is None:
        return spans(("whether folios are missing is not known", Role.DIM))
    if not holes:
        return spans(("every page of the file has a folio", Role.DIM))
    shown = ", ".join(str(first) if behind == first + 1 else f"{first}-{behind - 1}" for first, behind in holes[:_MOST_HOLES])
    more = f" and {len(holes) - _MOST_HOLES} more" if len(holes) > _MOST_HOLES else ""
    pages = plural(sum(behind - first for first, behind in holes), "page")
    return spans((f"{plural(len(holes), 'hole')}, {pages} of the file without folio: {shown}{more}", Role.WARN))


def _doubt(status: Status, reason: SafeText, width: int, glyphs: Glyphs) -> list[Line]:
    if status is Status.DECODED:
        return []
    return wrap(SafeText(f"{status.value}: {reason}"), width, 3, STATUS_ROLE[status], glyphs.ellipsis)
