"""Preserved vmalloc areas: the chain of chunk pages that a capture holds, what they list, and the same as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kho_tui.layout.arrays import U64s
from kho_tui.layout.place import Blob
from kho_tui.layout.struct import Record, Unit
from kho_tui.layout.table import Table
from kho_tui.model.claims import ClaimCollector
from kho_tui.model.entities.values import derived
from kho_tui.model.entity import Value
from kho_tui.model.facts import Missing, Status
from kho_tui.model.kinds import KIND_ARRAY, KIND_VMALLOC
from kho_tui.model.path import EntityPath
from kho_tui.model.told import frozen, places, require_whole
from kho_tui.text import SafeText

if TYPE_CHECKING:
    from kho_tui.model.plain import PlainVmalloc

MAX_ORDER = 20
"""No entry of a vmalloc area is larger: huge mappings are at most 1 GiB."""
_MOST_CHUNKS_SHOWN = 16


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

    def entries(self, page_size: int) -> U64s:
        """Physical addresses of its entries, each 2^order pages. The kernel takes their page numbers, whatever stands in the bits below."""
        return self._listed() & ~np.uint64(page_size - 1)

    def pages(self, page_size: int, count: int) -> U64s:
        """Physical addresses of the first ``count`` base pages in virtual order, u64 of shape (n,); fewer where it lists fewer."""
        if self.order > MAX_ORDER:
            return np.empty(0, np.uint64)
        entries = self.entries(page_size)
        count = min(count, self.total_pages, len(entries) << self.order)
        number = np.arange(count, dtype=np.uint64)
        within = number & np.uint64((1 << self.order) - 1)
        return entries[(number >> np.uint64(self.order)).astype(np.int64)] + within * np.uint64(page_size)

    def stretches(self, page_size: int) -> tuple[U64s, U64s]:
        """Starts and ends of the memory that its entries name, in virtual order: u64 of shape (n,). An entry is 2^order pages."""
        if self.order > MAX_ORDER:
            return np.empty(0, np.uint64), np.empty(0, np.uint64)
        start = self.entries(page_size)[: -(-self.total_pages // (1 << self.order))]
        pages = np.full(len(start), 1 << self.order, np.uint64)
        if len(start):
            pages[-1] = min(1 << self.order, self.total_pages - (len(start) - 1 << self.order))
        size = pages * np.uint64(page_size)
        # One that runs out of the address space ends at the last address.
        return start, np.where(start + size < start, np.uint64(2**64 - 1), start + size)

    def claims(self, collector: ClaimCollector, path: EntityPath) -> None:
        """The pages of its page list, and those that they name."""
        collector.each_page(KIND_VMALLOC, path, (c.header.place.phys for c in self.chunks if c.header.place.phys is not None))
        collector.add(KIND_ARRAY, path, *self.stretches(collector.page_size))

    def values(self) -> tuple[Value, ...]:
        """What the descriptor says, and what the chain of pages gave."""
        used = sum(chunk.used for chunk in self.chunks)
        return (
            derived("first", Unit.PHYS, self.first, "first page of the page list"),
            derived("total_pages", Unit.PAGES, self.total_pages, "base pages of the array as the descriptor says"),
            derived("flags", Unit.FLAGS, self.flags, "1 plain, 2 huge mappings allowed"),
            derived("order", Unit.ORDER, self.order, "order of every entry of the page list"),
            derived("chunks", Unit.COUNT, len(self.chunks), "pages of the page list that could be read"),
            derived("entries", Unit.COUNT, used, "entries before the first zero of each chunk"),
        )

    def blobs(self) -> tuple[Blob, ...]:
        """The bytes of the first chunks of the page list, headers and used entries."""
        shown = self.chunks[:_MOST_CHUNKS_SHOWN]
        return tuple(Blob(c.header.data + c.entries.rows[: c.used].tobytes(), c.header.place) for c in shown)

    def plain(self, where: EntityPath) -> PlainVmalloc:
        """Its values. Raises InputError where the chain is not whole."""
        from kho_tui.model.plain import PlainVmalloc

        require_whole(self.status, self.reason, where)
        return PlainVmalloc(places(chunk.header for chunk in self.chunks), frozen(self._listed()), self.total_pages, self.flags, self.order)

    def _listed(self) -> U64s:
        return np.concatenate([np.empty(0, np.uint64), *(chunk.entries.column("phys")[: chunk.used] for chunk in self.chunks)])


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedArea:
    """A vmalloc area as its descriptor says it (``struct kho_vmalloc``), with what was ``read`` of it.

    ``at``: physical address of the descriptor; None where only a copy of it is at hand.
    """

    path: EntityPath
    at: int | None
    first: int
    total_pages: int
    flags: int
    order: int
    read: VmallocArea | Missing

    @staticmethod
    def of(area: VmallocArea, path: EntityPath, at: int | None) -> DescribedArea:
        """Of an area that was read."""
        return DescribedArea(
            path=path, at=at, first=area.first, total_pages=area.total_pages, flags=area.flags, order=area.order, read=area
        )
