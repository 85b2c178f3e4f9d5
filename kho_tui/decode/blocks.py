"""Lists of entries: chains of serialization blocks (7.2 on), and arrays with or without a count in front."""

from __future__ import annotations

import numpy as np

from kho_tui.abi.block import MAX_BLOCKS
from kho_tui.decode.reader import Reader
from kho_tui.decode.rows import report_missing, rows_of_pages
from kho_tui.errors import BudgetError
from kho_tui.layout.struct import Record
from kho_tui.layout.table import PageArray, Table, join_tables
from kho_tui.model.codes import BUDGET, CHAIN_LOOP, COUNT_BAD, POINTER_BAD
from kho_tui.model.facts import Damaged, Missing, Status, Unavailable
from kho_tui.model.path import EntityPath
from kho_tui.model.sessions import EntryList
from kho_tui.text import SafeText


def decode_list(reader: Reader, at: int, form: PageArray, count: int | None, where: EntityPath, what: str) -> EntryList | Missing:
    """The entries of a list; ``count`` is what its owner claims, for one that does not say itself how many it has."""
    return _chain(reader, at, form, where, what) if form.chained else _array(reader, at, form, count, where, what)


def _chain(reader: Reader, first: int, form: PageArray, where: EntityPath, what: str) -> EntryList | Missing:
    """The entries of a block chain; Missing where not even its first block can be read."""
    assert form.header is not None  # it holds the link
    capacity = form.capacity(reader.platform.page_size)
    headers: list[Record] = []
    tables: list[Table] = []
    status, reason = Status.DECODED, ""
    address = first
    while address:
        endless = len(headers) > 2 * MAX_BLOCKS
        if endless or not reader.reached_first(address):
            said = f"more than {2 * MAX_BLOCKS} blocks" if endless else f"block {len(headers)} at {address:#x} is in a list already"
            reader.findings.add(CHAIN_LOOP, where, f"{what}: {said}", address)
            status, reason = Status.DAMAGED, said
            break
        blob = reader.page(address, "block", form.pages)
        if isinstance(blob, Missing):
            reader.unreadable(blob, where, f"block {len(headers)} of the {what}", address)
            if not headers:
                return blob
            status, reason = Status.PARTIAL, str(blob.reason)
            break
        header = form.header.record(blob.data, reader.platform.byte_order, blob.place)
        count = header.integer("count")
        if not 1 <= count <= capacity:
            said = f"block at {address:#x} of the {what} has count {count}, allowed are 1 to {capacity}"
            reader.findings.add(COUNT_BAD, where, said, address)
            status, reason = Status.DAMAGED, said
        entries = reader.table(form.element, blob, form.header_size, min(count, capacity))
        if count > capacity:
            entries = entries.written()
        try:
            reader.context.spend_entries(len(entries), what)
        except BudgetError as error:
            reader.findings.add(BUDGET, where, str(error), address)
            status, reason = Status.PARTIAL, str(error)
            break
        headers.append(header)
        tables.append(entries)
        address = header.integer("next")
    if not headers:
        return (Damaged if status is Status.DAMAGED else Unavailable)(SafeText(reason))
    table = join_tables(tables)
    return EntryList(tuple(headers), table, status, SafeText(reason), len(table) if status is Status.DECODED else None)


def _array(reader: Reader, address: int, array: PageArray, count: int | None, where: EntityPath, what: str) -> EntryList | Missing:
    """The entries of one allocation. ``count`` is that of its header where None.

    Only the pages that the entries need have to be in the capture, and one that is not there hides only its own.
    """
    page_size = reader.platform.page_size
    if address % page_size:
        missing: Missing = Damaged(SafeText(f"{what} at {address:#x} is not page aligned"))
        reader.findings.add(POINTER_BAD, where, str(missing.reason), address)
        return missing
    if not reader.reached_first(address):
        missing = Damaged(SafeText(f"{what} at {address:#x} are in a list already"))
        reader.findings.add(CHAIN_LOOP, where, str(missing.reason), address)
        return missing
    capacity = array.capacity(page_size)
    header = None if array.header is None else reader.record(array.header, address)
    if isinstance(header, Missing):
        reader.unreadable(header, where, what, address)
    of = count if header is None or isinstance(header, Missing) else header.integer("count")
    status, reason = Status.DECODED, ""
    if of is not None and of > capacity:
        reason = f"{what} at {address:#x} claims {of} entries, its {array.pages} pages hold {capacity}"
        status = Status.DAMAGED
        reader.findings.add(COUNT_BAD, where, reason, address)
    asked = capacity if of is None else min(of, capacity)
    used = -(-(array.header_size + asked * array.element.size) // page_size)
    pages = np.uint64(address) + np.arange(used, dtype=np.uint64) * np.uint64(page_size)
    try:
        reader.context.spend_entries(asked, what)
        read = rows_of_pages(reader, array.element, pages, array.header_size, asked)
    except BudgetError as error:
        reader.findings.add(BUDGET, where, str(error), address)
        return Unavailable(SafeText(str(error)))
    # Without a sound count how many entries are real nobody knows; what was never written is none.
    table = read.table if of is not None and of <= capacity else read.table.written()
    if isinstance(header, Missing) and not len(table):
        return header
    if of is None:
        status, reason = Status.PARTIAL, f"how many {what} there are is not {reader.here}"
    elif len(table) < asked and status is Status.DECODED:
        status, reason = Status.PARTIAL, f"{len(table)} of {asked} entries of the {what} are {reader.here}"
        report_missing(reader, read.missing, pages, where, what)
    if not len(table) and status is Status.PARTIAL:
        return Unavailable(SafeText(reason))
    headers = () if header is None or isinstance(header, Missing) else (header,)
    return EntryList(headers, table, status, SafeText(reason), of if status is not Status.DAMAGED else None)
