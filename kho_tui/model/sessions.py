"""LUO's sessions and their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kho_tui.layout.platform import Platform
from kho_tui.layout.struct import Record
from kho_tui.layout.table import PageArray, Table
from kho_tui.model.claims import ClaimCollector
from kho_tui.model.content import WHOLE, FileContent, Standing, worst
from kho_tui.model.entities.values import bytes_of, header_blobs, header_values, record_values
from kho_tui.model.entity import Detail, Entity
from kho_tui.model.facts import Count, Missing, Status, Unknown
from kho_tui.model.gap import Gap
from kho_tui.model.json_value import Json, further_fields, hex_text
from kho_tui.model.kinds import KIND_FILES
from kho_tui.model.path import EntityPath
from kho_tui.model.told import places, require_whole, told
from kho_tui.text import NO_TEXT, SafeText, visible

if TYPE_CHECKING:
    from kho_tui.model.plain import Further, PlainFile, PlainSession

NOT_WRITTEN = SafeText("none written: LUO writes sessions, files and FLB counts only inside the reboot call")


@dataclass(frozen=True, eq=False)
class EntryList:
    """Where entries of one layout lie: an array with a header page, or a chain of blocks. ``headers`` in chain order.

    ``of``: entries that the whole list has, None where what could be read does not tell.
    """

    headers: tuple[Record, ...]
    table: Table
    status: Status
    reason: SafeText
    of: int | None


@dataclass(frozen=True, eq=False)
class File:
    """One preserved file of a session. ``content`` is what its handler keeps; Unknown for a handler nobody knows."""

    path: EntityPath
    record: Record
    content: FileContent | Missing

    @property
    def compatible(self) -> bytes:
        """The handler's name."""
        return self.record.text("compatible")

    @property
    def token(self) -> int:
        """By which user space asks for the file."""
        return self.record.integer("token")

    @property
    def data(self) -> int:
        """The handler's u64, for memfd the address of its struct."""
        return self.record.integer("data")

    @property
    def more(self) -> Further:
        """What its version has more."""
        return self.record.further("compatible", "data", "token")

    def standing(self) -> Standing:
        """How far it can be trusted with what it holds, and why not."""
        content = self.content
        return (content.status, content.reason) if isinstance(content, Missing) else content.standing()

    def entity(self, platform: Platform) -> Entity:
        """The file with what its handler keeps."""
        content, record = self.content, self.record
        status, reason = self.standing()
        known = None if isinstance(content, Missing) else content

        def detail() -> Detail:
            values = record_values(record)
            if known is None:
                return Detail(values, (bytes_of(record),))
            return Detail((*values, *known.values()), (bytes_of(record), *known.blobs()))

        entity = Entity(
            path=self.path,
            kind="file",
            title=SafeText(f"{self.token:#x}"),
            status=status,
            summary=SafeText(visible(self.compatible) if known is None else f"{visible(self.compatible)}, {known.summary()}"),
            reason=reason,
            address=record.place.phys,
            size=len(record.data),
            detail=detail,
        )
        return entity if known is None or not known.has_children else replace(entity, children=lambda: known.children(platform))

    def gaps(self) -> Iterator[Gap]:
        """What of it was not read."""
        if not isinstance(self.content, Missing):
            yield from self.content.gaps()
        elif not isinstance(self.content, Unknown):
            yield Gap("content", self.path, self.content.status, self.content.reason or NO_TEXT)

    def json(self, *, rows: bool) -> Mapping[str, Json]:
        """Its object."""
        content = self.content
        shown: dict[str, Json] = {
            "token": hex_text(self.token),
            "compatible": visible(self.compatible),
            "data": hex_text(self.data),
            "state": content.status.value if isinstance(content, Missing) else Status.DECODED.value,
        }
        if isinstance(content, Missing):
            shown["reason"] = content.reason
        else:
            shown[content.json_key] = content.json(rows=rows)
        return {**shown, **further_fields(self.more)}

    def plain(self) -> PlainFile:
        """Its values."""
        from kho_tui.model.plain import PlainFile

        content = None if isinstance(self.content, Unknown) else told(self.content, self.path).plain()
        return PlainFile(self.compatible, self.data, self.token, content, self.more)


@dataclass(frozen=True, eq=False, kw_only=True)
class Session:
    """One session. ``files`` is Missing where the list could not be read or is stale."""

    path: EntityPath
    record: Record
    files: tuple[File, ...] | Missing
    blocks: tuple[Record, ...]
    """Headers of the block chain that holds the files (7.2 on)."""
    status: Status = Status.DECODED
    """PARTIAL or DAMAGED: ``files`` are those of the list that could be read."""
    reason: SafeText = NO_TEXT

    @property
    def name(self) -> bytes:
        """The session's name up to its NUL."""
        return self.record.text("name")

    @property
    def count(self) -> int | None:
        """Files that the session claims; None in luo-session-v1, which has no files."""
        return self.record.integer("count") if "count" in self.record.layout else None

    @property
    def file_count(self) -> Count:
        """Files that could be read, of those that the session claims where its list does not contradict it."""
        read = 0 if isinstance(self.files, Missing) else len(self.files)
        return Count(read, None if self.status is Status.DAMAGED else self.count)

    @property
    def files_at(self) -> int | None:
        """Where the list of files lies, 0 for none; None in luo-session-v1."""
        return self.record.integer("files") if "files" in self.record.layout else None

    @property
    def more(self) -> Further:
        """What its version has more."""
        return self.record.further("name", "files", "count")

    def standing(self) -> Standing:
        """How far it can be trusted with all its files, and why not."""
        files = self.files
        if isinstance(files, Missing):
            return files.status, files.reason
        own = self.status, self.reason
        if own == WHOLE and self.count is not None and self.count != len(files):
            own = Status.PARTIAL, SafeText(f"{self.count} files are claimed, {len(files)} could be read")
        return worst(own, ((f"file {file.token:#x}", file.standing()) for file in files))

    def entity(self, platform: Platform) -> Entity:
        """The session with its files."""
        files = self.files
        status, reason = self.standing()

        def detail() -> Detail:
            values = (*record_values(self.record), *header_values("files", self.blocks))
            return Detail(values, (bytes_of(self.record), *header_blobs(self.blocks)))

        entity = Entity(
            path=self.path,
            kind="session",
            title=visible(self.name) or SafeText("(no name)"),
            status=status,
            summary=NO_TEXT if isinstance(files, Missing) else self.file_count.words("file"),
            reason=reason,
            address=self.record.place.phys,
            size=len(self.record.data),
            detail=detail,
        )
        if isinstance(files, Missing) or not files:
            return entity
        return replace(entity, children=lambda: [file.entity(platform) for file in files])

    def claims(self, collector: ClaimCollector, listed: PageArray) -> None:
        """The list of files, of the form ``listed``, and what the files hold."""
        size = listed.bytes(collector.page_size)
        if listed.chained:
            blocks = [header.place.phys for header in self.blocks if header.place.phys is not None]
            collector.each_page(KIND_FILES, self.path, [at + page for at in blocks for page in range(0, size, collector.page_size)])
        elif self.files_at:
            collector.pages(KIND_FILES, self.path, self.files_at, size)
        for file in () if isinstance(self.files, Missing) else self.files:
            if not isinstance(file.content, Missing):
                file.content.claims(collector)

    def gaps(self) -> Iterator[Gap]:
        """What of it was not read."""
        if isinstance(self.files, Missing):
            yield Gap("files", self.path, self.files.status, self.files.reason, self.file_count)
            return
        if self.status is not Status.DECODED:
            yield Gap("files", self.path, self.status, self.reason, self.file_count)
        for file in self.files:
            yield from file.gaps()

    def json(self, *, rows: bool) -> Mapping[str, Json]:
        """Its object."""
        files = self.files
        return {
            "name": visible(self.name),
            "files_at": None if self.files_at is None else hex_text(self.files_at),
            "count": self.count,
            "files_state": files.status.value if isinstance(files, Missing) else self.status.value,
            "files_reason": files.reason if isinstance(files, Missing) else self.reason,
            "files": None if isinstance(files, Missing) else [file.json(rows=rows) for file in files],
            **further_fields(self.more),
        }

    def plain(self, listed: PageArray) -> PlainSession:
        """Its values; ``listed`` is the form of its list of files."""
        from kho_tui.model.plain import PlainSession

        if self.files_at is None:
            return PlainSession(self.name, (), (), self.more)
        files = told(self.files, self.path)
        require_whole(self.status, self.reason, self.path)
        pages: tuple[int, ...] = ()
        if self.files_at:
            pages = places(self.blocks) if listed.chained else (self.files_at,)
        return PlainSession(self.name, pages, tuple(file.plain() for file in files), self.more)


@dataclass(frozen=True, eq=False)
class SessionList:
    """All sessions. ``headers``: the array's header (luo-v1 to v3) or those of the block chain."""

    headers: tuple[Record, ...]
    sessions: tuple[Session, ...]
    status: Status
    reason: SafeText
    count: Count

    @property
    def file_count(self) -> Count:
        """Files of all sessions that could be read, of those that the sessions claim."""
        counts = [session.file_count for session in self.sessions]
        claimed = [count.of for count in counts if count.of is not None]
        told_all = self.count.whole and len(claimed) == len(counts)
        return Count(sum(count.read for count in counts), sum(claimed) if told_all else None)
