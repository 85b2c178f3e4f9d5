"""Rows of a list that is spread over pages: a page that is missing hides the rows that it holds, and no others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kho_tui.decode.reader import Reader
from kho_tui.layout.place import Origin, Place
from kho_tui.layout.struct import Layout
from kho_tui.layout.table import Table, dtype_of
from kho_tui.model.codes import POINTER_BAD, POINTER_GAP
from kho_tui.model.facts import Damaged, Moving
from kho_tui.model.path import EntityPath
from kho_tui.text import plural

_MOST_PARTS = 1024
"""Pages of one list that are looked at for a part of them, where the whole page is not there."""


@dataclass(frozen=True, eq=False)
class PagedRows:
    """The rows that could be read. ``missing``: numbers of the pages of the list that are not all there, int64 of shape (n,)."""

    table: Table
    missing: npt.NDArray[np.int64]


def rows_of_pages(reader: Reader, layout: Layout, pages: npt.NDArray[np.uint64], skip: int, count: int) -> PagedRows:
    """The first ``count`` structs of a list that begins ``skip`` bytes into ``pages``, which stand in the order of the list.

    ``pages``: physical addresses, u64 of shape (n,). Raises BudgetError.
    """
    size, shift = reader.platform.page_size, np.uint64(reader.platform.page_shift)
    data, whole = reader.pages(pages, size)
    missing = np.flatnonzero(~whole)
    held = np.where(whole, size, 0).astype(np.uint64)
    for page in missing[:_MOST_PARTS].tolist():
        part = reader.available(int(pages[page]), size)
        if part:
            blob = reader.memory.read(int(pages[page]), part) if reader.memory is not None else b""
            data[page, :part] = np.frombuffer(blob, np.uint8)
            held[page] = part
    flat = np.ascontiguousarray(data).reshape(-1)
    count = max(0, min(count, (flat.size - skip) // layout.size))
    rows = flat[skip : skip + count * layout.size].view(dtype_of(layout, reader.platform.byte_order))
    first = np.uint64(skip) + np.arange(count, dtype=np.uint64) * np.uint64(layout.size)
    last = first + np.uint64(layout.size - 1)
    within = np.uint64(size - 1)
    head, tail = (first >> shift).astype(np.int64), (last >> shift).astype(np.int64)
    # A row that runs on into the next page needs this one to its end.
    known = (last & within) < held[tail]
    known &= (first & within) < held[head]
    known &= (head == tail) | (held[head] == np.uint64(size))
    addresses = pages[head] + (first & within)
    numbers = None
    if not known.all():
        numbers = np.flatnonzero(known)
        rows, addresses = rows[known], addresses[known]
        numbers.flags.writeable = False
    rows.flags.writeable = addresses.flags.writeable = False
    source = reader.place(int(pages[0])).source if len(pages) else ""
    table = Table(
        layout=layout,
        byte_order=reader.platform.byte_order,
        rows=rows,
        addresses=addresses,
        place=Place(Origin.MEMORY, source, None, None),
        numbers=numbers,
    )
    return PagedRows(table, missing)


def report_missing(reader: Reader, missing: npt.NDArray[np.int64], pages: npt.NDArray[np.uint64], where: EntityPath, what: str) -> None:
    """One finding for the pages of a list that are not there."""
    if not len(missing) or reader.memory is None:
        return
    first = int(missing[0])
    reason = reader.absent(int(pages[first]))
    if isinstance(reason, Moving):
        return
    more = f" (and {plural(len(missing) - 1, 'more page')})" if len(missing) > 1 else ""
    code = POINTER_BAD if isinstance(reason, Damaged) else POINTER_GAP
    reader.findings.add(code, where, f"page {first} of the {what}: {reason.reason}{more}", int(pages[first]))
