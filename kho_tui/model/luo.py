"""LUO: sessions, files, memfds and FLBs as they were preserved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kho_tui.abi.luo import LuoFormat
from kho_tui.abi.memfd import FOLIO_PFN, MemfdFormat
from kho_tui.layout.arrays import U64s
from kho_tui.layout.struct import Record
from kho_tui.layout.table import Table
from kho_tui.model.facts import Count, Fact, Missing, Status, Unavailable
from kho_tui.model.path import EntityPath
from kho_tui.text import NO_TEXT, SafeText

NOT_WRITTEN = SafeText("none written: LUO writes sessions, files and FLB counts only inside the reboot call")


@dataclass(frozen=True, slots=True)
class NotWritten(Unavailable):
    """Not there yet, because LUO writes it inside the reboot call."""


@dataclass(frozen=True, eq=False)
class VmallocChunk:
    """One page of a vmalloc area's page list: all its slots, of which ``used`` come before the first zero."""

    header: Record
    entries: Table
    used: int


@dataclass(frozen=True, eq=False, kw_only=True)
class VmallocArea:
    """A preserved vmalloc area. ``chunks`` in chain order; ``status`` PARTIAL where the chain could not be followed to its end."""

    first: int
    total_pages: int
    flags: int
    order: int
    chunks: tuple[VmallocChunk, ...]
    status: Status
    reason: SafeText


@dataclass(frozen=True, eq=False)
class FolioArray:
    """The folios of a memfd as rows of MemfdLuoFolioSer, in the order of the array."""

    area: VmallocArea
    table: Table
    status: Status
    """PARTIAL: some rows could not be read; the others stand under their numbers."""
    reason: SafeText

    @property
    def pfns(self) -> U64s:
        """Page frame number of each row; 0 where no folio was, so that none is restored."""
        return FOLIO_PFN.of_column(self.table.column("word0"))

    def heads(self, page_shift: int) -> U64s:
        """Physical addresses of the folios that are restored, fewer than rows where some have page frame number 0."""
        pfns = self.pfns
        heads: U64s = pfns[pfns != 0] << np.uint64(page_shift)
        return heads


@dataclass(frozen=True, eq=False)
class Memfd:
    """A preserved memfd. ``record`` holds size and pos (bytes) and, from memfd-v2 on, the seals."""

    record: Record
    format: MemfdFormat
    folios: FolioArray | Missing

    @property
    def nr_folios(self) -> int:
        """Folios that the struct claims."""
        return self.record.integer("nr_folios")

    @property
    def folio_count(self) -> Count:
        """Folios that could be read, of those that the struct claims."""
        return Count(0 if isinstance(self.folios, Missing) else len(self.folios.table), self.nr_folios)


@dataclass(frozen=True, eq=False)
class File:
    """One preserved file of a session. ``content`` is what its handler keeps; Unknown for a handler nobody knows."""

    path: EntityPath
    record: Record
    content: Memfd | Missing

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
        return self.record.integer("count") if any(f.name == "count" for f in self.record.layout.fields) else None

    @property
    def file_count(self) -> Count:
        """Files that could be read, of those that the session claims where its list does not contradict it."""
        read = 0 if isinstance(self.files, Missing) else len(self.files)
        return Count(read, None if self.status is Status.DAMAGED else self.count)

    @property
    def files_at(self) -> int | None:
        """Where the list of files lies, 0 for none; None in luo-session-v1."""
        return self.record.integer("files") if any(f.name == "files" for f in self.record.layout.fields) else None


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
        told = self.count.whole and len(claimed) == len(counts)
        return Count(sum(count.read for count in counts), sum(claimed) if told else None)


@dataclass(frozen=True, eq=False)
class FlbList:
    """The FLB page: its header (None in 6.19, which has no FLBs) and the entries in use."""

    header: Record | None
    flbs: tuple[Record, ...]
    status: Status
    reason: SafeText
    count: Count


@dataclass(frozen=True, eq=False, kw_only=True)
class Luo:
    """LUO's state. ``header`` is the struct of luo-v2 on; the FDT form's properties stand in the subtree's FDT."""

    format: LuoFormat
    header: Record | None
    number: Fact[int]
    sessions_at: Fact[int]
    flbs_at: Fact[int]
    sessions: SessionList | Missing
    flbs: FlbList | Missing

    @property
    def files(self) -> tuple[File, ...]:
        """The files of all sessions that could be read, in the order of the lists."""
        lists = () if isinstance(self.sessions, Missing) else (session.files for session in self.sessions.sessions)
        return tuple(file for files in lists if not isinstance(files, Missing) for file in files)
