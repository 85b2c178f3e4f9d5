"""memfds: the struct, and the array of folios in vmalloc memory (include/linux/kho/abi/memfd.h)."""

from __future__ import annotations

import numpy as np

from kho_tui.abi.memfd import FOLIO_FLAGS, FOLIO_PFN, MEMFD_LUO_FOLIO_SER
from kho_tui.encode.facet import Encoder, FileEncoding
from kho_tui.encode.piece import Pieces, filled, page_of
from kho_tui.encode.vmalloc import chunk_pieces, content_pieces, descriptor_values
from kho_tui.errors import EncodeError
from kho_tui.layout.platform import Platform
from kho_tui.layout.table import dtype_of
from kho_tui.model.path import EntityPath
from kho_tui.model.plain import PlainFile
from kho_tui.subsystems.memfd.plain import PlainMemfd
from kho_tui.text import visible


def memfd_pieces(file: PlainFile, memfd: PlainMemfd, encoder: Encoder, what: EntityPath) -> Pieces:
    """The struct at ``data``, the chunks, and the pages of the array, zeros behind its end included."""
    form, platform = memfd.form, encoder.platform
    if file.compatible != form.compatible:
        raise EncodeError(f"{what}: handler {visible(file.compatible)} keeps no memfd of {visible(form.compatible)}")
    values: dict[str, int | bytes] = {"pos": memfd.pos, "size": memfd.size, "nr_folios": len(memfd.folios)}
    if form.has_seals:
        values |= {"seals": memfd.seals or 0, "flags": memfd.flags}
    values |= {f"folios.{name}": value for name, value in descriptor_values(memfd.area).items()}
    yield page_of(file.data, form.layout.encode(filled(form.layout.fields, values, memfd.more), platform.byte_order), platform, what)
    if memfd.area is None:
        if len(memfd.folios):
            raise EncodeError(f"{what}: {len(memfd.folios)} folios and no area that lists them")
        return
    yield from chunk_pieces(memfd.area, platform, what)
    # The kernel allocates the array zeroed (vcalloc), so the rest of its last page is zeros.
    room = memfd.area.total_pages * platform.page_size
    yield from content_pieces(memfd.area, _array(memfd, platform).ljust(room, b"\0"), platform, what.child("folios"))


def _array(memfd: PlainMemfd, platform: Platform) -> bytes:
    table = np.zeros(len(memfd.folios), dtype_of(MEMFD_LUO_FOLIO_SER, platform.byte_order))
    pfn, flags, index = memfd.folios.T
    if (pfn >> np.uint64(FOLIO_PFN.width)).any() or (flags >> np.uint64(FOLIO_FLAGS.width)).any():
        raise EncodeError("a page frame number or the flags of a folio do not fit their bits")
    table["word0"] = pfn | flags << np.uint64(FOLIO_FLAGS.low)
    table["index"] = index
    return table.tobytes()


ENCODING = FileEncoding(pieces=memfd_pieces)
