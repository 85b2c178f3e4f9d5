"""LUO below its subtree: sessions, files, folios, FLBs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kho_tui.abi.memfd import ALL_SEALS, SEALS
from kho_tui.layout.place import Blob
from kho_tui.layout.struct import Record, Unit
from kho_tui.model.entities.tables import FolioRows, stretches, table_blobs
from kho_tui.model.entities.values import bytes_of, derived, header_blobs, header_values, record_values, words
from kho_tui.model.entity import Detail, Entity, Value
from kho_tui.model.facts import Missing, Status
from kho_tui.model.luo import File, FlbList, Luo, Memfd, Session, VmallocArea
from kho_tui.model.path import EntityPath, Siblings
from kho_tui.text import NO_TEXT, SafeText, human_size, plural, visible

Standing = tuple[Status, SafeText]
"""How far something can be trusted, and why not further."""

_WHOLE: Standing = (Status.DECODED, NO_TEXT)
_LACKING = frozenset({Status.PARTIAL, Status.UNAVAILABLE, Status.STALE})


def file_standing(file: File) -> Standing:
    """How far a file with its folios can be trusted, and why not."""
    content = file.content
    told = content if isinstance(content, Missing) else content.folios
    return told.status, told.reason


def session_standing(session: Session) -> Standing:
    """How far a session with all its files can be trusted, and why not."""
    files = session.files
    if isinstance(files, Missing):
        return files.status, files.reason
    own = session.status, session.reason
    if own == _WHOLE and session.count is not None and session.count != len(files):
        own = Status.PARTIAL, SafeText(f"{session.count} files are claimed, {len(files)} could be read")
    return _worst(own, ((f"file {file.token:#x}", file_standing(file)) for file in files))


def luo_standing(luo: Luo) -> Standing:
    """How far the lists of LUO can be trusted with all below them. What is not there at all has a line of its own."""
    lists = [one for one in (luo.sessions, luo.flbs) if not isinstance(one, Missing)]
    own = next(((one.status, one.reason) for one in lists if one.status is not Status.DECODED), _WHOLE)
    sessions = () if isinstance(luo.sessions, Missing) else luo.sessions.sessions
    return _worst(own, ((f"session {visible(one.name) or '(no name)'}", session_standing(one)) for one in sessions))


def _worst(own: Standing, parts: Iterable[tuple[str, Standing]]) -> Standing:
    """The own standing, or that of the first part that is damaged, else of the first that is not all there.

    A part that nobody knows is there, and opaque: the whole is none the worse for it.
    """
    found = own
    for name, (status, reason) in parts:
        if found[0] is Status.DAMAGED:
            break
        if status is Status.DAMAGED or (status in _LACKING and found[0] is Status.DECODED):
            found = (Status.DAMAGED if status is Status.DAMAGED else Status.PARTIAL), SafeText(f"{name}: {status.value}: {reason}")
    return found


def luo_children(luo: Luo, path: EntityPath, page_shift: int) -> list[Entity]:
    """Sessions, then FLBs."""
    children = []
    if isinstance(luo.sessions, Missing):
        children.append(_missing(path.child("sessions"), "sessions", "sessions", luo.sessions))
    else:
        children += [_session(s, page_shift) for s in luo.sessions.sessions]
    children.append(_flbs(luo.flbs, path.child("FLBs")))
    return children


def luo_values(luo: Luo) -> tuple[Value, ...]:
    """The header struct where there is one, and what the lists gave."""
    headers = () if isinstance(luo.sessions, Missing) else luo.sessions.headers
    count = luo.sessions if isinstance(luo.sessions, Missing) else len(luo.sessions.sessions)
    form = luo.format
    return (
        words("releases", str(form.written) if form.released else f"never released ({form.written})", "that write this version of LUO"),
        *record_values(luo.header),
        *header_values("sessions", headers),
        derived("sessions", Unit.COUNT, count, "sessions that could be read"),
    )


def luo_blobs(luo: Luo) -> tuple[Blob, ...]:
    """The headers of the session list; the struct itself is the subtree's blob, but behind the FDT of luo-v2."""
    return () if isinstance(luo.sessions, Missing) else header_blobs(luo.sessions.headers)


def _missing(path: EntityPath, kind: str, title: str, why: Missing) -> Entity:
    return Entity(path=path, kind=kind, title=SafeText(title), status=why.status, reason=why.reason)


def _session(session: Session, page_shift: int) -> Entity:
    files = session.files
    status, reason = session_standing(session)
    summary = "" if isinstance(files, Missing) else session.file_count.words("file")

    def children() -> list[Entity]:
        assert not isinstance(files, Missing)
        return [_file(f, page_shift) for f in files]

    def detail() -> Detail:
        values = (*record_values(session.record), *header_values("files", session.blocks))
        return Detail(values, (bytes_of(session.record), *header_blobs(session.blocks)))

    entity = Entity(
        path=session.path,
        kind="session",
        title=visible(session.name) or SafeText("(no name)"),
        status=status,
        summary=SafeText(summary),
        reason=reason,
        address=session.record.place.phys,
        size=len(session.record.data),
        detail=detail,
    )
    return replace(entity, children=children) if files and not isinstance(files, Missing) else entity


def _file(file: File, page_shift: int) -> Entity:
    content = file.content
    (status, reason), summary = file_standing(file), str(visible(file.compatible))
    if not isinstance(content, Missing):
        summary += f", {human_size(content.record.integer('size'))}, {plural(content.nr_folios, 'folio')}"
        if content.format.has_seals and content.record.integer("seals"):
            summary += f", sealed {seal_names(content.record.integer('seals'))}"

    def children() -> list[Entity]:
        assert isinstance(content, Memfd)
        return [_folios(content, file.path.child("folios"), page_shift)]

    def detail() -> Detail:
        if not isinstance(content, Memfd):
            return Detail(record_values(file.record), (bytes_of(file.record),))
        form = content.format
        releases = words("releases", str(form.written), "that have this version of the handler")
        return Detail((*record_values(file.record, content.record), releases), (bytes_of(file.record), bytes_of(content.record)))

    record = file.record
    title = SafeText(f"{file.token:#x}")
    entity = Entity(
        path=file.path,
        kind="file",
        title=title,
        status=status,
        summary=SafeText(summary),
        reason=reason,
        address=record.place.phys,
        size=len(record.data),
        detail=detail,
    )
    return replace(entity, children=children) if isinstance(content, Memfd) else entity


def _folios(memfd: Memfd, path: EntityPath, page_shift: int) -> Entity:
    folios = memfd.folios
    if isinstance(folios, Missing):
        return _missing(path, "folios", "folios", folios)
    count = len(folios.table)

    def detail() -> Detail:
        assert not isinstance(folios, Missing)
        blobs = (*table_blobs(folios.table), *area_blobs(folios.area))
        return Detail(area_values(folios.area), blobs, FolioRows(folios.table, page_shift))

    summary = memfd.folio_count.words("folio")
    first = int(folios.table.addresses[0]) if count else None
    # The pages of the array need not be neighbours; then no size speaks of all of them.
    size = count * folios.table.layout.size if len(stretches(folios.table)) == 1 else 0
    return Entity(
        path=path,
        kind="folios",
        title=SafeText("folios"),
        status=folios.status,
        summary=summary,
        reason=folios.reason,
        address=first,
        size=size,
        detail=detail,
    )


def area_values(area: VmallocArea) -> tuple[Value, ...]:
    """What a vmalloc descriptor says, and what its chain of pages gave."""
    used = sum(chunk.used for chunk in area.chunks)
    return (
        derived("first", Unit.PHYS, area.first, "first page of the page list"),
        derived("total_pages", Unit.PAGES, area.total_pages, "base pages of the array as the descriptor says"),
        derived("flags", Unit.FLAGS, area.flags, "1 plain, 2 huge mappings allowed"),
        derived("order", Unit.ORDER, area.order, "order of every entry of the page list"),
        derived("chunks", Unit.COUNT, len(area.chunks), "pages of the page list that could be read"),
        derived("entries", Unit.COUNT, used, "entries before the first zero of each chunk"),
    )


def area_blobs(area: VmallocArea) -> tuple[Blob, ...]:
    """The bytes of the first chunks of the page list, headers and used entries."""
    return tuple(Blob(c.header.data + c.entries.rows[: c.used].tobytes(), c.header.place) for c in area.chunks[:16])


def seal_names(seals: int) -> str:
    """F_SEAL_* names joined by ``|``; bits nobody knows in hex."""
    names = [name for bit, name in SEALS if seals & bit]
    rest = seals & ~ALL_SEALS
    return "|".join([*names, f"{rest:#x}"] if rest else names)


def _flbs(flbs: FlbList | Missing, path: EntityPath) -> Entity:
    if isinstance(flbs, Missing):
        return _missing(path, "FLBs", "FLBs", flbs)

    def children() -> list[Entity]:
        assert not isinstance(flbs, Missing)
        siblings = Siblings(path)
        return [_flb(one, siblings) for one in flbs.flbs]

    def detail() -> Detail:
        assert not isinstance(flbs, Missing)
        if flbs.header is None:
            return Detail((words("FLBs", "absent", flbs.reason),))
        return Detail(record_values(flbs.header), (bytes_of(flbs.header),))

    header = flbs.header
    summary = flbs.count.words("FLB") if header is not None else flbs.reason
    address, size = (None, 0) if header is None else (header.place.phys, len(header.data))
    entity = Entity(
        path=path,
        kind="FLBs",
        title=SafeText("FLBs"),
        status=flbs.status,
        summary=summary,
        reason=flbs.reason,
        address=address,
        size=size,
        detail=detail,
    )
    return replace(entity, children=children) if flbs.flbs else entity


def _flb(record: Record, siblings: Siblings) -> Entity:
    def detail() -> Detail:
        return Detail(record_values(record), (bytes_of(record),))

    name = record.text("name")
    summary = SafeText(f"data {record.integer('data'):#x}, {plural(record.integer('count'), 'file')}")
    return Entity(
        path=siblings.named(name),
        kind="FLB",
        title=visible(name),
        summary=summary,
        address=record.place.phys,
        size=len(record.data),
        detail=detail,
    )
