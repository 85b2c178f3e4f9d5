"""vmalloc areas: follow the chain of chunk pages, gather the pages they list."""

from __future__ import annotations

import numpy as np

from kho_tui.abi.vmalloc import KHO_VMALLOC_HDR, KHO_VMALLOC_PHYS, VMALLOC_CHUNK
from kho_tui.decode.reader import Reader
from kho_tui.decode.rows import report_missing, rows_of_pages
from kho_tui.errors import BudgetError
from kho_tui.layout.struct import Layout
from kho_tui.layout.table import Table, table_of
from kho_tui.model.codes import BUDGET, CHAIN_LOOP, COUNT_BAD
from kho_tui.model.facts import Damaged, Missing, Status
from kho_tui.model.path import EntityPath
from kho_tui.model.vmalloc import MAX_ORDER, VmallocArea, VmallocChunk
from kho_tui.text import SafeText


def decode_vmalloc(reader: Reader, first: int, total_pages: int, flags: int, order: int, where: EntityPath) -> VmallocArea:
    """The area of a descriptor's values. Never raises for what the state says; findings tell where the chain ends early."""
    chunks: list[VmallocChunk] = []
    status, reason = Status.DECODED, ""
    capacity = VMALLOC_CHUNK.capacity(reader.platform.page_size)
    needed = -(-total_pages >> order) if order <= MAX_ORDER else 0
    if order > MAX_ORDER:
        status, reason = Status.DAMAGED, f"entries of order {order}"
        reader.findings.add(COUNT_BAD, where, f"vmalloc descriptor with entries of order {order}", first)
        return VmallocArea(
            first=first, total_pages=total_pages, flags=flags, order=order, chunks=(), status=status, reason=SafeText(reason)
        )
    listed = 0
    address = first
    while address:
        problem: tuple[Status, str] | None = None
        if not reader.reached_first(address):
            reader.findings.add(CHAIN_LOOP, where, f"vmalloc chunk {len(chunks)} at {address:#x} is in a list already", address)
            problem = Status.DAMAGED, "its page list runs in a circle or into another one"
        elif listed > needed:
            reader.findings.add(COUNT_BAD, where, f"the page list holds more than the {needed} entries of its descriptor", address)
            problem = Status.DAMAGED, "its page list is longer than its descriptor says"
        blob = None if problem else reader.page(address, "vmalloc chunk")
        if isinstance(blob, Missing):
            reader.unreadable(blob, where, f"vmalloc chunk {len(chunks)}", address)
            problem = (Status.DAMAGED if isinstance(blob, Damaged) else Status.PARTIAL), str(blob.reason)
        if problem is not None or blob is None or isinstance(blob, Missing):
            assert problem is not None
            status, reason = problem
            break
        reader.context.step("reading page lists", len(chunks), needed // capacity + 1)
        try:
            reader.context.spend_entries(capacity // 64, "page lists")
        except BudgetError as error:
            reader.findings.add(BUDGET, where, str(error), address)
            status, reason = Status.PARTIAL, str(error)
            break
        header = KHO_VMALLOC_HDR.record(blob.data, reader.platform.byte_order, blob.place)
        entries = reader.table(KHO_VMALLOC_PHYS, blob, VMALLOC_CHUNK.header_size, capacity)
        zeros = np.flatnonzero(entries.column("phys") == 0)
        used = int(zeros[0]) if len(zeros) else capacity
        listed += used
        chunks.append(VmallocChunk(header, entries, used))
        address = header.integer("next")
    if status is Status.DECODED and (listed << order) != total_pages:
        status, reason = Status.DAMAGED, f"{listed} entries of order {order} where {total_pages} pages are claimed"
        reader.findings.add(COUNT_BAD, where, f"vmalloc area at {first:#x}: {reason}", first)
    return VmallocArea(
        first=first, total_pages=total_pages, flags=flags, order=order, chunks=tuple(chunks), status=status, reason=SafeText(reason)
    )


def area_rows(reader: Reader, area: VmallocArea, layout: Layout, count: int, where: EntityPath) -> Table:
    """The first ``count`` structs that the area's memory holds, as far as they are there; none where the budget does not allow them."""
    size = reader.platform.page_size
    listed = min(area.total_pages, sum(chunk.used for chunk in area.chunks) << area.order)
    try:
        reader.context.spend_entries(min(count, listed * size // layout.size), "rows of arrays")
        pages = area.pages(size, -(-count * layout.size // size))
        read = rows_of_pages(reader, layout, pages, 0, count)
    except BudgetError as error:
        reader.findings.add(BUDGET, where, str(error), area.first)
        return table_of(layout, reader.platform.byte_order, b"", area.first, reader.place(area.first))
    report_missing(reader, read.missing, pages, where, "array")
    return read.table
