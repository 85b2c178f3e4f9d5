"""A preserved memfd: its struct, and the array of its folios in vmalloc memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kho_tui.abi.memfd import ALL_SEALS, FOLIO_FLAGS, FOLIO_PFN, SEALS, MemfdFormat
from kho_tui.abi.vmalloc import KHO_VMALLOC
from kho_tui.layout.arrays import U64s
from kho_tui.layout.place import Blob
from kho_tui.layout.platform import Platform
from kho_tui.layout.struct import Record
from kho_tui.layout.table import Table
from kho_tui.model.claims import ClaimCollector, block_orders
from kho_tui.model.content import FileContent, Standing
from kho_tui.model.entities.tables import FolioRows, stretches, table_blobs
from kho_tui.model.entities.values import bytes_of, missing_entity, record_values, words
from kho_tui.model.entity import Detail, Entity, Value
from kho_tui.model.facts import Count, Missing, Status
from kho_tui.model.gap import Gap
from kho_tui.model.json_value import Json, Rows, further_fields
from kho_tui.model.kinds import KIND_FOLIO, KIND_MEMFD
from kho_tui.model.path import EntityPath
from kho_tui.model.told import frozen, require_whole, told
from kho_tui.model.vmalloc import DescribedArea, VmallocArea
from kho_tui.text import SafeText, human_size, plural

if TYPE_CHECKING:
    from kho_tui.model.plain import Further
    from kho_tui.subsystems.memfd.plain import PlainMemfd

_PIECE = 1 << 19
"""Folios looked up in one go."""
_BATCH = 512


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

    def claims(self, collector: ClaimCollector, path: EntityPath) -> None:
        """The array, and the folios. Rows stay in step with the table: an entry that claims nothing becomes an empty stretch."""
        self.area.claims(collector, path)
        collector.add(KIND_FOLIO, path, *_blocks(collector, self.table.column("word0")), self.table)

    def plain(self) -> U64s:
        """Page frame number, flag bits and page index of each folio, u64 of shape (n, 3)."""
        word = self.table.column("word0")
        return frozen(np.stack([FOLIO_PFN.of_column(word), FOLIO_FLAGS.of_column(word), self.table.column("index")], axis=1))

    def batches(self) -> Iterator[list[list[str | int]]]:
        """The same a few hundred at a time."""
        rows = self.table.rows
        for first in range(0, len(rows), _BATCH):
            words_there = rows["word0"][first : first + _BATCH].tolist()
            indexes = rows["index"][first : first + _BATCH].tolist()
            yield [[FOLIO_PFN.of(word), FOLIO_FLAGS.of(word), index] for word, index in zip(words_there, indexes, strict=True)]


def _blocks(collector: ClaimCollector, first_words: U64s) -> tuple[U64s, U64s]:
    """Where folios start and end by the first words of their entries; (0, 0) for what is none. In pieces: there may be millions."""
    starts, ends = np.zeros(len(first_words), np.uint64), np.zeros(len(first_words), np.uint64)
    shift = np.uint64(collector.page_size.bit_length() - 1)
    for at in range(0, len(first_words), _PIECE):
        collector.context.step("finding the blocks of folios", at, len(first_words))
        piece = slice(at, at + _PIECE)
        pfn = FOLIO_PFN.of_column(first_words[piece])
        start = pfn << shift
        end = start + (np.uint64(collector.page_size) << block_orders(collector.runs, start))
        sound = (pfn > 0) & (start >> shift == pfn) & (end > start)
        np.copyto(starts[piece], start, where=sound)
        np.copyto(ends[piece], end, where=sound)
    return starts, ends


@dataclass(frozen=True, eq=False)
class Memfd(FileContent):
    """A preserved memfd. ``record`` holds size and pos (bytes) and, from memfd-v2 on, the seals. ``path`` is the file's."""

    path: EntityPath
    record: Record
    format: MemfdFormat
    folios: FolioArray | Missing

    json_key = "memfd"

    @property
    def more(self) -> Further:
        """What its version has more."""
        return self.record.further("pos", "size", "seals", "flags", "nr_folios", *(f"folios.{one.name}" for one in KHO_VMALLOC.fields))

    @property
    def nr_folios(self) -> int:
        """Folios that the struct claims."""
        return self.record.integer("nr_folios")

    @property
    def folio_count(self) -> Count:
        """Folios that could be read, of those that the struct claims."""
        return Count(0 if isinstance(self.folios, Missing) else len(self.folios.table), self.nr_folios)

    def heads(self, page_shift: int) -> U64s:
        """Of its folios."""
        return np.empty(0, np.uint64) if isinstance(self.folios, Missing) else self.folios.heads(page_shift)

    def file_size(self) -> int:
        """As the struct says."""
        return self.record.integer("size")

    def offset_of_row(self, row: int, page_size: int) -> int | None:
        """By the index of the folio."""
        at = None if isinstance(self.folios, Missing) else self.folios.table.row_of(row)
        return None if isinstance(self.folios, Missing) or at is None else int(self.folios.table.rows["index"][at]) * page_size

    def summary(self) -> str:
        """Size, folios, seals."""
        shown = f"{human_size(self.record.integer('size'))}, {plural(self.nr_folios, 'folio')}"
        sealed = self.format.has_seals and self.record.integer("seals")
        return f"{shown}, sealed {seal_names(self.record.integer('seals'))}" if sealed else shown

    def standing(self) -> Standing:
        """As its folios."""
        return self.folios.status, self.folios.reason

    def values(self) -> tuple[Value, ...]:
        """The struct."""
        releases = words("releases", str(self.format.written), "that have this version of the handler")
        return (*record_values(self.record), releases)

    def blobs(self) -> tuple[Blob, ...]:
        """The struct."""
        return (bytes_of(self.record),)

    @property
    def has_children(self) -> bool:
        """The folios."""
        return True

    def children(self, platform: Platform) -> Sequence[Entity]:
        """The folios."""
        path, folios = self.path.child("folios"), self.folios
        if isinstance(folios, Missing):
            return [missing_entity(path, "folios", folios)]
        count = len(folios.table)

        def detail() -> Detail:
            assert not isinstance(folios, Missing)
            blobs = (*table_blobs(folios.table), *folios.area.blobs())
            return Detail(folios.area.values(), blobs, FolioRows(folios.table, platform.page_shift))

        return [
            Entity(
                path=path,
                kind="folios",
                title=SafeText("folios"),
                status=folios.status,
                summary=self.folio_count.words("folio"),
                reason=folios.reason,
                address=int(folios.table.addresses[0]) if count else None,
                # The pages of the array need not be neighbours; then no size speaks of all of them.
                size=count * folios.table.layout.size if len(stretches(folios.table)) == 1 else 0,
                detail=detail,
            )
        ]

    def claims(self, collector: ClaimCollector) -> None:
        """The struct, the array and the folios."""
        if self.record.place.phys is not None:
            collector.pages(KIND_MEMFD, self.path, self.record.place.phys, self.record.layout.size)
        if not isinstance(self.folios, Missing):
            self.folios.claims(collector, self.path.child("folios"))

    def gaps(self) -> Iterator[Gap]:
        """Folios."""
        if self.folios.status not in (Status.DECODED, Status.UNKNOWN):
            yield Gap("folios", self.path, self.folios.status, self.folios.reason, self.folio_count)

    def areas(self) -> Iterator[DescribedArea | Missing]:
        """Where its folios are listed, where it has any."""
        first, total, flags, order = (self.record.integer(f"folios.{field.name}") for field in KHO_VMALLOC.fields)
        at = self.record.place.phys
        if first or total or self.nr_folios:
            yield DescribedArea(
                path=self.path.child("folios"),
                at=None if at is None else at + self.record.layout.span(f"folios.{KHO_VMALLOC.fields[0].name}")[0],
                first=first,
                total_pages=total,
                flags=flags,
                order=order,
                read=self.folios if isinstance(self.folios, Missing) else self.folios.area,
            )

    def json(self, *, rows: bool) -> Mapping[str, Json]:
        """The struct and counts; with ``rows`` each folio."""
        record, folios = self.record, self.folios
        shown: dict[str, Json] = {
            "size": record.integer("size"),
            "pos": record.integer("pos"),
            "seals": record.integer("seals") if self.format.has_seals else None,
            "flags": record.integer("flags") if self.format.has_seals else None,
            "folios": self.nr_folios,
            "folios_read": self.folio_count.read,
            "folios_state": folios.status.value,
            **further_fields(self.more),
        }
        if rows:
            batches: Callable[[], Iterator[list[list[str | int]]]] | None = None if isinstance(folios, Missing) else folios.batches
            shown["folio_list"] = None if batches is None else Rows(batches)
        return shown

    def plain(self) -> PlainMemfd:
        """Its values."""
        from kho_tui.subsystems.memfd.plain import PlainMemfd

        record, folios = self.record, told(self.folios, self.path)
        require_whole(folios.status, folios.reason, self.path)
        has_area = folios.area.chunks or any(
            record.raw(f"folios.{name}").strip(b"\0") for name in ("first", "total_pages", "flags", "order")
        )
        return PlainMemfd(
            form=self.format,
            pos=record.integer("pos"),
            size=record.integer("size"),
            seals=record.integer("seals") if self.format.has_seals else None,
            flags=record.integer("flags") if self.format.has_seals else 0,
            folios=folios.plain(),
            area=folios.area.plain(self.path) if has_area else None,
            more=self.more,
        )


def seal_names(seals: int) -> str:
    """F_SEAL_* names joined by ``|``; bits nobody knows in hex."""
    names = [name for bit, name in SEALS if seals & bit]
    rest = seals & ~ALL_SEALS
    return "|".join([*names, f"{rest:#x}"] if rest else names)
