"""memfds: the struct of a file entry and its folio array."""

from __future__ import annotations

from kho_tui.abi.memfd import MEMFD, MEMFD_LUO_FOLIO_SER
from kho_tui.decode.reader import Reader
from kho_tui.decode.vmalloc import area_rows, decode_vmalloc
from kho_tui.layout.struct import Record
from kho_tui.model.codes import COUNT_BAD, NAME_UNKNOWN
from kho_tui.model.facts import Damaged, Missing, Status, Unavailable, Unknown
from kho_tui.model.luo import File, FolioArray, Memfd
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText, visible


def decode_file(reader: Reader, record: Record, where: EntityPath) -> File:
    """A file entry with what its handler keeps."""
    handler = record.text("compatible")
    known = reader.registry.formats(MEMFD).get(handler)
    if known is None:
        said = SafeText(f"file handler {visible(handler)!s} is not known: its data is shown as it is")
        reader.findings.add(NAME_UNKNOWN, where, said, record.place.phys)
        return File(where, record, Unknown(said))
    struct = reader.record(known.layout, record.integer("data"))
    if not isinstance(struct, Missing) and not reader.reached_first(record.integer("data")):
        struct = Damaged(SafeText(f"its struct at {record.integer('data'):#x} is that of another file"))
    if isinstance(struct, Missing):
        reader.unreadable(struct, where, f"{visible(handler)} struct", record.integer("data"))
        return File(where, record, struct)
    return File(where, record, Memfd(struct, known, _folios(reader, struct, where.child("folios"))))


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
