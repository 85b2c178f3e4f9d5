"""Whether what consumers restore by themselves is there as it was preserved: kho_restore_folio and kho_restore_vmalloc (kho-abi.md 4, 8).

Each answer is what is wrong, in words: empty for nothing, None where it cannot be told.
"""

from __future__ import annotations

import numpy as np

from kho_tui.abi.memfd import ALL_SEALS, FOLIO_PFN
from kho_tui.abi.test_kho import KHO_TEST_MAGIC
from kho_tui.analysis.kept import Kept
from kho_tui.layout.struct import field_named
from kho_tui.model.facts import Damaged, Missing, Status, known
from kho_tui.model.luo import File, FolioArray, Memfd, Session, VmallocArea
from kho_tui.model.state import KhoTest
from kho_tui.text import plural, visible

_NO_BLOCK = "begins no preserved block, so that kho_restore_folio gives nothing"


def test_fault(test: KhoTest, kept: Kept) -> str | None:
    """What lib/test_kho.c does not get back of its list and folios."""
    magic = field_named(test.values, "magic")
    if magic is not None and isinstance(magic.value, int) and magic.value != KHO_TEST_MAGIC:
        return f"magic is {magic.value:#x}"
    if isinstance(test.area, VmallocArea) and (fault := _area_fault(test.area, kept)) != "":
        return fault
    blocks, number = test.folio_blocks, known(test.nr_folios)
    if isinstance(blocks, Missing) or number is None:
        return str(blocks.reason) if isinstance(blocks, Damaged) else None
    if len(blocks) != number:
        return f"nr_folios is {number}, the list holds {len(blocks)}"
    for order in sorted({order for _, order in blocks}):
        missing = kept.no_block([address for address, one in blocks if one == order], order)
        if missing is not None:
            return f"at folio {missing:#x} of order {order} {_NO_BLOCK}"
    return "" if kept.whole else None


def files_fault(sessions: tuple[Session, ...], kept: Kept) -> str | None:
    """Which files of the sessions cannot be restored when they are asked for."""
    lost: list[str] = []
    files, told = 0, True
    for session in sessions:
        for file in () if isinstance(session.files, Missing) else session.files:
            files += 1
            fault = _file_fault(file, kept)
            told = told and fault is not None
            if fault:
                lost.append(f"file {file.token:#x} of {visible(session.name)}: {fault}")
    if lost:
        more = f" ({len(lost)} of {plural(files, 'file')} cannot be restored)" if files > 1 else ""
        return f"{lost[0]}{more}"
    return "" if told else None


def _file_fault(file: File, kept: Kept) -> str | None:
    """memfd_luo_retrieve (mm/memfd_luo.c, 6.19-7.3). A handler that nobody knows is another check's."""
    memfd = file.content
    if isinstance(memfd, Missing):
        return str(memfd.reason) if isinstance(memfd, Damaged) else "" if memfd.status is Status.UNKNOWN else None
    if kept.no_block([file.data], 0) is not None:
        return f"its struct at {file.data:#x} is not preserved"
    if memfd.format.has_seals and memfd.record.integer("seals") & ~ALL_SEALS:
        return f"seals {memfd.record.integer('seals'):#x}, known are {ALL_SEALS:#x}"
    if isinstance(memfd.folios, Missing):
        return str(memfd.folios.reason) if isinstance(memfd.folios, Damaged) else None
    if not memfd.nr_folios and not memfd.folios.area.first:
        return ""
    faults = _area_fault(memfd.folios.area, kept), _folios_fault(memfd, memfd.folios, kept)
    return next((one for one in faults if one), None if None in faults else "")


def _folios_fault(memfd: Memfd, folios: FolioArray, kept: Kept) -> str | None:
    if folios.status is Status.DAMAGED:
        return str(folios.reason)
    pfn = folios.table.column("word0") & np.uint64((1 << FOLIO_PFN.width) - 1)
    # A page frame number of 0 is skipped by the reader.
    addresses = pfn[pfn != 0] << np.uint64(kept.runs.page_shift)
    missing = kept.no_block(addresses)
    if missing is not None:
        return f"at its folio {missing:#x} {_NO_BLOCK}"
    return "" if kept.whole and folios.status is Status.DECODED and len(folios.table) == memfd.nr_folios else None


def _area_fault(area: VmallocArea, kept: Kept) -> str | None:
    """kho_restore_vmalloc: entries that make up total_pages, each page of them and of the list a block of the expected order."""
    if area.status is Status.DAMAGED:
        return f"its vmalloc area: {area.reason}"
    entries = np.concatenate([np.empty(0, np.uint64), *(chunk.entries.column("phys")[: chunk.used] for chunk in area.chunks)])
    chunks = [chunk.header.place.phys for chunk in area.chunks if chunk.header.place.phys is not None]
    missing = kept.no_block(chunks, 0)
    if missing is None:
        missing = kept.no_block(entries, area.order)
    if missing is not None:
        return f"{missing:#x} of its vmalloc area is not preserved"
    return "" if kept.whole and area.status is Status.DECODED else None
