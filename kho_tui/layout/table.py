"""Many structs at once: a layout over an array, and the pages that hold a header and an array of entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kho_tui.errors import EncodeError
from kho_tui.layout.arrays import I64s, U64s
from kho_tui.layout.place import Place
from kho_tui.layout.platform import ByteOrder, Platform
from kho_tui.layout.struct import Layout, Record, Unit

Rows = npt.NDArray[np.void]


def dtype_of(layout: Layout, byte_order: ByteOrder) -> np.dtype[np.void]:
    """The numpy structure with the very offsets of ``layout``."""
    sign = "<" if byte_order == "little" else ">"
    formats: list[Any] = [f"V{f.size}" if f.unit is Unit.TEXT else f"{sign}u{f.size}" for f in layout.fields]
    return np.dtype(
        {
            "names": [f.name for f in layout.fields],
            "formats": formats,
            "offsets": [layout.span(f.name)[0] for f in layout.fields],
            "itemsize": layout.size,
        }
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Table:
    """Rows of one layout. ``rows`` has shape (n,), not writeable; ``addresses`` the physical address of each row, u64 of shape (n,).

    ``numbers``: which entry of the whole list each row is, ascending, of shape (n,), where some between them could not be read; None: the
    first n.
    """

    layout: Layout
    byte_order: ByteOrder
    rows: Rows
    addresses: U64s
    place: Place
    """Source of the rows; the address of a row is in ``addresses``."""
    numbers: I64s | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> U64s:
        """An integer column as u64 in this machine's order, shape (n,)."""
        return self.rows[name].astype(np.uint64)

    def written(self) -> Table:
        """The rows up to the last one that is not all zeros."""
        data = np.frombuffer(self.rows.tobytes(), np.uint8).reshape(len(self), self.layout.size)
        used = np.flatnonzero(data.any(axis=1))
        end = int(used[-1]) + 1 if len(used) else 0
        numbers = None if self.numbers is None else self.numbers[:end]
        return Table(
            layout=self.layout,
            byte_order=self.byte_order,
            rows=self.rows[:end],
            addresses=self.addresses[:end],
            place=self.place,
            numbers=numbers,
        )

    def number(self, row: int) -> int:
        """Which entry of the whole list a row is."""
        return row if self.numbers is None else int(self.numbers[row])

    def row_of(self, number: int) -> int | None:
        """The row of an entry of the whole list; None where it could not be read."""
        row = number if self.numbers is None else int(np.searchsorted(self.numbers, number))
        return row if 0 <= row < len(self) and self.number(row) == number else None

    def record(self, row: int) -> Record:
        """One row as a record."""
        phys = int(self.addresses[row])
        return Record(self.layout, self.rows[row].tobytes(), self.byte_order, Place(self.place.origin, self.place.source, None, phys))


def table_of(layout: Layout, byte_order: ByteOrder, data: bytes, address: int, place: Place) -> Table:
    """The whole structs in ``data``, which starts at physical ``address``; a rest that is too short is left out."""
    count = len(data) // layout.size
    rows: Rows = np.frombuffer(data, dtype=dtype_of(layout, byte_order), count=count)
    addresses: U64s = np.uint64(address) + np.arange(count, dtype=np.uint64) * np.uint64(layout.size)
    addresses.flags.writeable = False
    return Table(layout=layout, byte_order=byte_order, rows=rows, addresses=addresses, place=place)


def join_tables(tables: list[Table]) -> Table:
    """Tables of one layout as one, in the given order (at least one)."""
    # The dtype has to be said: numpy would turn big-endian rows into this machine's order.
    rows = np.concatenate([t.rows for t in tables], dtype=tables[0].rows.dtype)
    addresses = np.concatenate([t.addresses for t in tables])
    rows.flags.writeable = addresses.flags.writeable = False
    return Table(layout=tables[0].layout, byte_order=tables[0].byte_order, rows=rows, addresses=addresses, place=tables[0].place)


@dataclass(frozen=True)
class PageArray:
    """An allocation of ``pages`` pages that holds a header (or none) and an array of entries up to its end."""

    header: Layout | None
    element: Layout
    pages: int = 1

    @property
    def chained(self) -> bool:
        """Whether a header leads to a further allocation, so that a list has as many as it needs."""
        return self.header is not None and "next" in self.header

    @property
    def header_size(self) -> int:
        """Bytes before the first entry."""
        return self.header.size if self.header else 0

    @property
    def order(self) -> int:
        """Order of the block that the allocation is preserved as."""
        return self.pages.bit_length() - 1

    def bytes(self, page_size: int) -> int:
        """Bytes of the whole allocation."""
        return self.pages * page_size

    def capacity(self, page_size: int) -> int:
        """Entries that fit."""
        return (self.bytes(page_size) - self.header_size) // self.element.size


def encode_array(array: PageArray, header: Mapping[str, int | bytes], elements: bytes, platform: Platform) -> bytes:
    """The whole allocation: header, encoded elements, and zeros up to its end. Raises EncodeError where they do not fit."""
    if len(elements) > array.capacity(platform.page_size) * array.element.size:
        raise EncodeError(f"{len(elements) // array.element.size} of {array.element.name} do not fit {array.pages} pages")
    head = b"" if array.header is None else array.header.encode(header, platform.byte_order)
    return (head + elements).ljust(array.bytes(platform.page_size), b"\0")
