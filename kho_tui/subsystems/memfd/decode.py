"""memfds: the struct and its folio array."""

from __future__ import annotations

from kho_tui.abi.format import Format
from kho_tui.abi.memfd import MEMFD_LUO_FOLIO_SER, MemfdFormat
from kho_tui.decode.facet import FileDecoding
from kho_tui.decode.reader import Reader
from kho_tui.decode.vmalloc import area_rows, decode_vmalloc
from kho_tui.layout.struct import Record
from kho_tui.model.codes import COUNT_BAD
from kho_tui.model.facts import Damaged, Missing, Status, Unavailable
from kho_tui.model.path import EntityPath
from kho_tui.subsystems.memfd.content import FolioArray, Memfd
from kho_tui.text import SafeText, visible


def decode_memfd(reader: Reader, entry: Record, form: Format, where: EntityPath) -> Memfd | Missing:
    """What the handler keeps."""
    assert isinstance(form, MemfdFormat)  # as declared
    address = entry.integer("data")
    struct = reader.record(form.layout, address)
    if not isinstance(struct, Missing) and not reader.reached_first(address):
        struct = Damaged(SafeText(f"its struct at {address:#x} is that of another file"))
    if isinstance(struct, Missing):
        reader.unreadable(struct, where, f"{visible(form.compatible)} struct", address)
        return struct
    return Memfd(where, struct, form, _folios(reader, struct, where.child("folios")))


def _folios(reader: Reader, struct: Record, where: EntityPath) -> FolioArray | Missing:
    count = struct.integer("nr_folios")
    first, total, flags, order = (struct.integer(f"folios.{name}") for name in ("first", "total_pages", "flags", "order"))
    area = decode_vmalloc(reader, first, total, flags, order, where)
    if count and not area.chunks:
        return Unavailable(area.reason) if area.status is Status.PARTIAL else Damaged(area.reason or SafeText("no page list"))
    room = total * reader.platform.page_size // MEMFD_LUO_FOLIO_SER.size
    status, reason = area.status, area.reason
    if count > room:
        status, reason = Status.DAMAGED, SafeText(f"{count} folios do not fit the {total} pages of their array")
        reader.findings.add(COUNT_BAD, where, str(reason), struct.place.phys)
        # How many are real nobody knows; what was never written is none.
        return FolioArray(area, area_rows(reader, area, MEMFD_LUO_FOLIO_SER, room, where).written(), status, reason)
    table = area_rows(reader, area, MEMFD_LUO_FOLIO_SER, count, where)
    if len(table) < count and status is Status.DECODED:
        status, reason = Status.PARTIAL, SafeText(f"{len(table)} of {count} folios could be read")
    return FolioArray(area, table, status, reason)


DECODING = FileDecoding(decode=decode_memfd)
