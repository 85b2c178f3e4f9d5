"""Sessions, files and folios of LUO as lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kho_tui.abi.luo import LUO_NAME
from kho_tui.abi.memfd import FOLIO_FLAGS, FOLIO_PFN
from kho_tui.layout.arrays import U64s
from kho_tui.layout.struct import Unit
from kho_tui.layout.table import Table
from kho_tui.model.facts import Fact, Missing, Status, Unavailable, Unknown
from kho_tui.model.intervals import intervals
from kho_tui.model.runs import Runs, no_runs
from kho_tui.model.sessions import File, Session
from kho_tui.model.state import Side
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.memfd.content import Memfd, seal_names
from kho_tui.text import NO_TEXT, SafeText, visible
from kho_tui.views.query import Data, Numbers, Words
from kho_tui.views.tui.lines import STATUS_ROLE, Role, Span
from kho_tui.views.tui.list_pane import Cell, ListColumn, number_width

_TOP = 2**64 - 1
_STATUS_WIDTH = 11
_SIZE_WIDTH = 9
_HANDLER_WIDTH = 16
_ROOM = 72
_MORE_ROOM = 92

SESSION_UNITS: Mapping[str, Unit] = {
    "name": Unit.TEXT,
    "files": Unit.COUNT,
    "size": Unit.BYTES,
    "folios": Unit.COUNT,
    "status": Unit.TEXT,
}
FILE_UNITS: Mapping[str, Unit] = {
    "token": Unit.ID,
    "handler": Unit.TEXT,
    "size": Unit.BYTES,
    "pos": Unit.BYTES,
    "seals": Unit.TEXT,
    "folios": Unit.COUNT,
    "data": Unit.PHYS,
    "status": Unit.TEXT,
}
FOLIO_UNITS: Mapping[str, Unit] = {
    "index": Unit.INDEX,
    "pfn": Unit.PFN,
    "flags": Unit.FLAGS,
    "order": Unit.ORDER,
    "size": Unit.BYTES,
    "addr": Unit.PHYS,
}


def luo_of(side: Side) -> Luo | Missing | None:
    """LUO's state in a side; None where LUO hands over nothing."""
    found = next((one for one in side.handed_over if isinstance(one.content, Luo) or one.name == LUO_NAME), None)
    if found is None:
        return None if side.subtrees_told else Unavailable(SafeText("nothing here lists the subtrees, and none of those at hand is LUO's"))
    if isinstance(found.content, Luo | Missing):
        return found.content
    return Unknown(SafeText("the subtree LUO holds no state that LUO writes"))


def _facts(values: Sequence[Fact[int]]) -> Numbers:
    known = np.array([not isinstance(value, Missing) for value in values], np.bool_)
    return Numbers(np.array([0 if isinstance(value, Missing) else min(value, _TOP) for value in values], np.uint64), known)


def _words(texts: Sequence[str]) -> Words:
    return Words(np.arange(len(texts)), texts)


def _status(status: Status) -> Span:
    return Span(SafeText(status.value), STATUS_ROLE[status])


def memfd_fact(file: File, of: Callable[[Memfd], int]) -> Fact[int]:
    """A number of a memfd, or why the file has none."""
    if isinstance(file.content, Memfd):
        return of(file.content)
    return file.content if isinstance(file.content, Missing) else Unknown(SafeText("it is no memfd"))


def _sum(session: Session, of: Callable[[Memfd], int]) -> Fact[int]:
    """Over the files of a session; of files that are not all known there is no sum."""
    if isinstance(session.files, Missing):
        return session.files
    total = 0
    for file in session.files:
        fact = memfd_fact(file, of)
        if isinstance(fact, Missing):
            return fact
        total += fact
    return total


def size_of(memfd: Memfd) -> int:
    """Bytes of the file."""
    return memfd.record.integer("size")


def folios_of(memfd: Memfd) -> int:
    """Folios that the struct claims."""
    return memfd.nr_folios


@dataclass(frozen=True, eq=False)
class SessionRows:
    """The sessions in the order of LUO's list."""

    sessions: tuple[Session, ...]

    @cached_property
    def columns(self) -> tuple[ListColumn, ...]:
        """Name, files, their bytes and folios, status."""
        return (
            ListColumn("name", Unit.TEXT, 0),
            ListColumn("files", Unit.COUNT, 7),
            ListColumn("size", Unit.BYTES, _SIZE_WIDTH),
            ListColumn("folios", Unit.COUNT, 9),
            ListColumn("status", Unit.TEXT, _STATUS_WIDTH),
        )

    def __len__(self) -> int:
        return len(self.sessions)

    def data(self, name: str) -> Data:
        """A whole column."""
        match name:
            case "name":
                return _words([visible(session.name) for session in self.sessions])
            case "status":
                return _words([session.standing()[0].value for session in self.sessions])
            case "files":
                return _facts([_files(session) for session in self.sessions])
        return _facts([_sum(session, size_of if name == "size" else folios_of) for session in self.sessions])

    def cells_of(self, rows: list[int]) -> list[tuple[Cell, ...]]:
        """The cells of some sessions."""
        return [self._cells(self.sessions[row]) for row in rows]

    @staticmethod
    def _cells(session: Session) -> tuple[Cell, ...]:
        name = Span(visible(session.name) or SafeText("(no name)"), Role.NAME)
        return (name, _files(session), _sum(session, size_of), _sum(session, folios_of), _status(session.standing()[0]))


def _files(session: Session) -> Fact[int]:
    return session.files if isinstance(session.files, Missing) else len(session.files)


def _token(file: File) -> int:
    return file.token


def _data(file: File) -> int:
    return file.data


@dataclass(frozen=True, eq=False)
class FileRows:
    """The files of a session in the order of its list."""

    files: tuple[File, ...]

    @cached_property
    def columns(self) -> tuple[ListColumn, ...]:
        """Token, handler, what a memfd keeps, the handler's data, status."""
        token, data = (max((value(file) for file in self.files), default=0) for value in (_token, _data))
        handler = max((len(visible(file.compatible)) for file in self.files), default=0)
        return (
            ListColumn("token", Unit.ID, max(number_width(token, Unit.ID), 6)),
            ListColumn("handler", Unit.TEXT, min(handler, _HANDLER_WIDTH)),
            ListColumn("size", Unit.BYTES, _SIZE_WIDTH),
            ListColumn("pos", Unit.BYTES, _SIZE_WIDTH, _MORE_ROOM),
            ListColumn("seals", Unit.TEXT, 0, _ROOM),
            ListColumn("folios", Unit.COUNT, 8),
            ListColumn("data", Unit.PHYS, number_width(data, Unit.PHYS), _ROOM),
            ListColumn("status", Unit.TEXT, _STATUS_WIDTH),
        )

    def __len__(self) -> int:
        return len(self.files)

    def data(self, name: str) -> Data:
        """A whole column."""
        match name:
            case "token" | "data":
                return np.array([(_token if name == "token" else _data)(file) for file in self.files], np.uint64)
            case "handler":
                return _words([visible(file.compatible) for file in self.files])
            case "seals":
                return _words([seals_of(file) for file in self.files])
            case "status":
                return _words([file.standing()[0].value for file in self.files])
            case "folios":
                return _facts([memfd_fact(file, folios_of) for file in self.files])
        return _facts([memfd_fact(file, lambda memfd: memfd.record.integer(name)) for file in self.files])

    def cells_of(self, rows: list[int]) -> list[tuple[Cell, ...]]:
        """The cells of some files."""
        return [self._cells(self.files[row]) for row in rows]

    @staticmethod
    def _cells(file: File) -> tuple[Cell, ...]:
        return (
            file.token,
            Span(visible(file.compatible), Role.STRING),
            memfd_fact(file, size_of),
            memfd_fact(file, lambda memfd: memfd.record.integer("pos")),
            Span(seals_of(file)),
            memfd_fact(file, folios_of),
            file.data,
            _status(file.standing()[0]),
        )


def seals_of(file: File) -> SafeText:
    """The seals by name; empty for none, and for a format that keeps none."""
    memfd = file.content
    if not isinstance(memfd, Memfd) or not memfd.format.has_seals or not memfd.record.integer("seals"):
        return NO_TEXT
    return SafeText(seal_names(memfd.record.integer("seals")))


@dataclass(frozen=True, eq=False)
class FolioList:
    """The folios of a file in the order of its array.

    ``runs`` tell their orders. ``doubt`` is why a folio in none of them may be preserved all the same; None: it is not.
    """

    table: Table
    runs: Runs
    page_shift: int
    doubt: Missing | None

    @cached_property
    def columns(self) -> tuple[ListColumn, ...]:
        """Page index in the file, page frame, flags, the preserved block there."""
        last, highest = (int(self.data_of(name).max()) if len(self) else 0 for name in ("index", "pfn"))
        return (
            ListColumn("index", Unit.INDEX, max(number_width(last, Unit.INDEX), 7)),
            ListColumn("pfn", Unit.PFN, number_width(highest, Unit.PFN)),
            ListColumn("flags", Unit.FLAGS, 5),
            ListColumn("order", Unit.ORDER, 6),
            ListColumn("size", Unit.BYTES, _SIZE_WIDTH),
            ListColumn("addr", Unit.PHYS, number_width(highest << self.page_shift, Unit.PHYS)),
        )

    def __len__(self) -> int:
        return len(self.table)

    def data(self, name: str) -> Data:
        """A whole column; orders and sizes are known where a preserved block holds the folio."""
        if name not in ("order", "size"):
            return self.data_of(name)
        orders = self._orders
        return orders if name == "order" else Numbers(np.uint64(1) << (orders.values + np.uint64(self.page_shift)), orders.known)

    def data_of(self, name: str) -> U64s:
        """A column of the array itself."""
        if name == "index":
            return self.table.column("index")
        words = self.table.column("word0")
        pfns = FOLIO_PFN.of_column(words)
        if name == "flags":
            return FOLIO_FLAGS.of_column(words)
        return pfns if name == "pfn" else np.minimum(pfns, np.uint64(_TOP >> self.page_shift)) << np.uint64(self.page_shift)

    @cached_property
    def _orders(self) -> Numbers:
        addresses = self.data_of("addr")
        if not len(self.runs):
            return Numbers(np.zeros(len(self), np.uint64), np.zeros(len(self), np.bool_))
        run = np.maximum(np.searchsorted(self.runs.start, addresses, side="right") - 1, 0)
        held = (self.runs.start[run] <= addresses) & (addresses < self.runs.ends[run])
        return Numbers(np.where(held, self.runs.order[run], 0).astype(np.uint64), held)

    def folio(self, row: int) -> tuple[int, int, int]:
        """Index, page frame, flags of a folio."""
        word = int(self.table.rows["word0"][row])
        return int(self.table.rows["index"][row]), FOLIO_PFN.of(word), FOLIO_FLAGS.of(word)

    def order(self, row: int) -> Fact[int] | None:
        """The order of the preserved block at a folio; None where it is not preserved."""
        block = self.runs.block_at(self.folio(row)[1] << self.page_shift) if len(self.runs) else None
        return self.doubt if block is None else int(self.runs.expand(block, 1)[1][0])

    def cells_of(self, rows: list[int]) -> list[tuple[Cell, ...]]:
        """The cells of some folios."""
        return [self._cells(row) for row in rows]

    def _cells(self, row: int) -> tuple[Cell, ...]:
        index, pfn, flags = self.folio(row)
        if not pfn:
            return index, pfn, flags, Span(SafeText("-"), Role.DIM), Span(SafeText("skipped"), Role.DIM), 0
        order = self.order(row)
        if order is None:
            return index, pfn, flags, Span(SafeText("-"), Role.BAD), Span(SafeText("lost"), Role.BAD), pfn << self.page_shift
        size: Cell = order if isinstance(order, Missing) else 1 << (order + self.page_shift)
        return index, pfn, flags, order, size, pfn << self.page_shift

    def holes(self, size: int) -> list[tuple[int, int]] | None:
        """Pages [first, behind) of a file of ``size`` bytes that no folio holds; None where it cannot be told."""
        if self.doubt is not None:
            return None
        pages = np.uint64((size + (1 << self.page_shift) - 1) >> self.page_shift)
        index = self.data_of("index")
        held = (self.data_of("pfn") > 0) & (index < pages)
        first = index[held]
        count = np.uint64(1) << self._orders.values[held]
        filled = intervals(first, first + np.minimum(count, pages))
        begins, ends = np.append(np.uint64(0), filled.end), np.append(filled.start, pages)
        gaps = np.flatnonzero(begins < ends)
        return list(zip(begins[gaps].tolist(), ends[gaps].tolist(), strict=True))


def folio_list(table: Table, side: Side, page_size: int) -> FolioList:
    """The folios of a file of a side; its tracker tells their orders as far as it is known."""
    shift = page_size.bit_length() - 1
    preserved = side.preserved
    if isinstance(preserved, Missing):
        return FolioList(table, no_runs(shift), shift, preserved)
    if preserved.status is Status.DECODED:
        return FolioList(table, preserved.runs, shift, None)
    told = SafeText(f"not in the part of the tracker that could be read ({preserved.reason})")
    return FolioList(table, preserved.runs, shift, Unavailable(told))
