"""Long lists as row sources: preserved blocks, tracker nodes, folios, lines of text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kho_tui.abi.memfd import FOLIO_FLAGS, FOLIO_PFN
from kho_tui.layout.place import Blob, Place
from kho_tui.layout.struct import Unit
from kho_tui.layout.table import Table
from kho_tui.model.entity import Column
from kho_tui.model.runs import Runs
from kho_tui.model.tracker import Chunk, ChunkList, RadixTree

_ADDRESS_WIDTH = 18
_COUNT_WIDTH = 12

_MOST_ROWS_AS_BYTES = 1 << 18
"""Rows of one table whose bytes are held ready for the hex view (folios: 4 MiB)."""

Cells = tuple[int | bytes, ...]


def _width(largest: int) -> int:
    """Characters of numbers up to the largest, hex or decimal."""
    return max(len(f"{largest:#x}"), len(str(largest)))


def stretches(table: Table) -> list[int]:
    """How many rows lie side by side, stretch by stretch; no stretch where there are no rows."""
    if not len(table):
        return []
    breaks = np.flatnonzero(table.addresses[1:] - table.addresses[:-1] != np.uint64(table.layout.size)) + 1
    return [int(count) for count in np.diff(np.concatenate([[0], breaks, [len(table)]]))]


def table_blobs(table: Table) -> tuple[Blob, ...]:
    """The bytes of the first rows, a blob for each stretch of neighbouring rows."""
    blobs, first = [], 0
    for count in stretches(table):
        place = table.record(first).place
        blobs.append(Blob(table.rows[first : first + count].tobytes(), place))
        first += count
        if first >= _MOST_ROWS_AS_BYTES:
            break
    return tuple(blobs)


def _entry_holding(table: Table, address: int) -> int | None:
    """The row of a table whose own bytes hold a physical address."""
    first = table.addresses
    found = np.flatnonzero((first <= np.uint64(address)) & (np.uint64(address) - first < np.uint64(table.layout.size)))
    return int(found[0]) if len(found) else None


@dataclass(frozen=True, eq=False)
class BlockRows:
    """Every preserved block by address: where it begins, its order, its bytes."""

    runs: Runs

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Address, order, bytes."""
        highest = int(self.runs.ends.max()) if len(self.runs) else 0
        return (Column("address", Unit.PHYS, _width(highest)), Column("order", Unit.ORDER, 5), Column("size", Unit.BYTES, _COUNT_WIDTH))

    def __len__(self) -> int:
        return self.runs.blocks

    def rows(self, start: int, count: int) -> list[Cells]:
        """Blocks start..start+count-1."""
        address, order = self.runs.expand(start, count)
        shift = self.runs.page_shift
        return [(a, o, 1 << (o + shift)) for a, o in zip(address.tolist(), order.tolist(), strict=True)]

    def place(self, row: int) -> Place | None:
        """A block is a bit of the tracker: it has no bytes of its own."""
        return None

    def target(self, row: int) -> int | None:
        """The block's first byte."""
        cells = self.rows(row, 1)
        return int(cells[0][0]) if cells else None

    def row_at(self, address: int) -> int | None:
        """The block that holds an address."""
        return self.runs.block_at(address)


@dataclass(frozen=True, eq=False)
class FolioRows:
    """The folios of a memfd in the order of its array. A folio's length is not in the array, so only its first page is found by address."""

    table: Table
    page_shift: int

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Page frame number, flag bits, page index in the file, address."""
        highest = int(self._pfns.max()) if len(self) else 0
        last = int(self.table.column("index").max()) if len(self) else 0
        return (
            Column("pfn", Unit.PFN, _width(highest)),
            Column("flags", Unit.FLAGS, 5),
            Column("index", Unit.INDEX, _width(last)),
            Column("address", Unit.PHYS, _width(highest << self.page_shift)),
        )

    def __len__(self) -> int:
        return len(self.table)

    def rows(self, start: int, count: int) -> list[Cells]:
        """Folios start..start+count-1."""
        window = self.table.rows[max(start, 0) : max(start, 0) + count]
        pairs = zip(window["word0"].tolist(), window["index"].tolist(), strict=True)
        return [(FOLIO_PFN.of(w), FOLIO_FLAGS.of(w), i, FOLIO_PFN.of(w) << self.page_shift) for w, i in pairs]

    def place(self, row: int) -> Place | None:
        """Where the entry lies in the folio array."""
        return self.table.record(row).place if 0 <= row < len(self.table) else None

    def row_bytes(self) -> int:
        """Bytes of an entry."""
        return self.table.layout.size

    def row_holding(self, address: int) -> int | None:
        """The folio whose entry holds an address."""
        return _entry_holding(self.table, address)

    def target(self, row: int) -> int | None:
        """The folio's first byte; None for an entry of pfn 0, which a kernel skips."""
        cells = self.rows(row, 1)
        return int(cells[0][3]) or None if cells else None

    def row_at(self, address: int) -> int | None:
        """The folio whose first page holds an address."""
        found = np.flatnonzero(self._pfns == np.uint64(address >> self.page_shift))
        return int(found[0]) if len(found) else None

    @cached_property
    def _pfns(self) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        return FOLIO_PFN.of_column(self.table.column("word0"))


@dataclass(frozen=True, eq=False)
class NodeRows:
    """The pages of a radix tree from the root down: address, level (0 is a leaf), key prefix."""

    tree: RadixTree
    page_size: int
    columns = (Column("node", Unit.PHYS, _ADDRESS_WIDTH), Column("level", Unit.COUNT, 5), Column("key prefix", Unit.ID, _ADDRESS_WIDTH))

    def __len__(self) -> int:
        return int(self._ends[-1])

    def rows(self, start: int, count: int) -> list[Cells]:
        """Nodes start..start+count-1."""
        depth = len(self.tree.addresses)
        found: list[Cells] = []
        for row in range(max(start, 0), min(start + count, len(self))):
            step = int(np.searchsorted(self._ends, row, side="right"))
            at = row - (int(self._ends[step - 1]) if step else 0)
            found.append((int(self.tree.addresses[step][at]), depth - 1 - step, int(self.tree.prefixes[step][at])))
        return found

    def place(self, row: int) -> Place | None:
        """A node is a page of memory, not an entry."""
        return None

    def target(self, row: int) -> int | None:
        """The node's page."""
        cells = self.rows(row, 1)
        return int(cells[0][0]) if cells else None

    def row_at(self, address: int) -> int | None:
        """The node whose page holds an address."""
        page = np.uint64(address // self.page_size * self.page_size)
        before = 0
        for level in self.tree.addresses:
            found = np.flatnonzero(level == page)
            if len(found):
                return before + int(found[0])
            before += len(level)
        return None

    @cached_property
    def _ends(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.cumsum([len(level) for level in self.tree.addresses])


@dataclass(frozen=True, eq=False)
class BitmapRows:
    """The elements of a chunk list: what bit 0 stands for, the bitmap, the order, the chunk page it stands in."""

    chunks: ChunkList
    columns = (
        Column("phys_start", Unit.PHYS, _ADDRESS_WIDTH),
        Column("bitmap", Unit.PHYS, _ADDRESS_WIDTH),
        Column("order", Unit.ORDER, 5),
        Column("chunk", Unit.PHYS, _ADDRESS_WIDTH),
    )

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def rows(self, start: int, count: int) -> list[Cells]:
        """Elements start..start+count-1."""
        found: list[Cells] = []
        for row in range(max(start, 0), min(start + count, len(self))):
            chunk, at = self._locate(row)
            element = chunk.elements.rows[at]
            address = chunk.header.place.phys or 0
            found.append((int(element["phys_start"]), int(element["bitmap"]), chunk.header.integer("order"), address))
        return found

    def place(self, row: int) -> Place | None:
        """Where the element lies in its chunk."""
        if not 0 <= row < len(self):
            return None
        chunk, at = self._locate(row)
        return chunk.elements.record(at).place

    def row_bytes(self) -> int:
        """Bytes of an element."""
        return self.chunks.chunks[0].elements.layout.size if self.chunks.chunks else 0

    def row_holding(self, address: int) -> int | None:
        """The row whose element holds an address."""
        before = 0
        for chunk in self.chunks.chunks:
            row = _entry_holding(chunk.elements, address)
            if row is not None:
                return before + row
            before += len(chunk.elements)
        return None

    def target(self, row: int) -> int | None:
        """The bitmap."""
        cells = self.rows(row, 1)
        return int(cells[0][1]) if cells else None

    def row_at(self, address: int) -> int | None:
        """The element whose bitmap holds an address."""
        before = 0
        for chunk in self.chunks.chunks:
            first = chunk.elements.column("bitmap")
            found = np.flatnonzero((first <= np.uint64(address)) & (np.uint64(address) - first < np.uint64(self.chunks.bitmap_bytes)))
            if len(found):
                return before + int(found[0])
            before += len(chunk.elements)
        return None

    def _locate(self, row: int) -> tuple[Chunk, int]:
        step = int(np.searchsorted(self._ends, row, side="right"))
        return self.chunks.chunks[step], row - (int(self._ends[step - 1]) if step else 0)

    @cached_property
    def _ends(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.cumsum([len(chunk.elements) for chunk in self.chunks.chunks], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class PlainRows:
    """Rows that are already there. ``addresses`` and ``sizes`` (bytes) are what the rows speak of, where they speak of memory."""

    columns: tuple[Column, ...]
    cells: tuple[Cells, ...]
    addresses: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.cells)

    def rows(self, start: int, count: int) -> list[Cells]:
        """Rows start..start+count-1."""
        return list(self.cells[max(start, 0) : max(start, 0) + count])

    def place(self, row: int) -> Place | None:
        """These rows have no bytes of their own."""
        return None

    def target(self, row: int) -> int | None:
        """The memory a row speaks of."""
        return self.addresses[row] if 0 <= row < len(self.addresses) else None

    def row_at(self, address: int) -> int | None:
        """The first row whose memory holds an address."""
        pairs = zip(self.addresses, self.sizes, strict=True)
        return next((row for row, (start, size) in enumerate(pairs) if start <= address < start + size), None)
