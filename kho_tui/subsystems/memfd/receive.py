"""What memfd_luo_retrieve makes of one preserved memfd (mm/memfd_luo.c, 6.19-7.3)."""

from __future__ import annotations

import numpy as np

from kho_tui.abi.luo import IGNORES_FILE_ERRORS
from kho_tui.abi.memfd import ALL_SEALS, FOLIO_FLAGS, FOLIO_FLAGS_WRITTEN, FOLIO_PFN
from kho_tui.analysis.receiver.areas import area_chunks, area_fault
from kho_tui.analysis.receiver.facet import FileReceiving
from kho_tui.analysis.receiver.files import struct_at_chance
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.analysis.receiver.reserved import Reserved
from kho_tui.analysis.receiver.sections import Sections
from kho_tui.analysis.receiver.target import Target
from kho_tui.analysis.receiver.verdict import Fails, unknown
from kho_tui.layout.arrays import U64s
from kho_tui.layout.platform import MAX_PAGE_ORDERS
from kho_tui.model.facts import Damaged, Missing, Status
from kho_tui.model.sessions import File
from kho_tui.model.vmalloc import VmallocArea
from kho_tui.subsystems.memfd.content import FolioArray, Memfd
from kho_tui.text import plural

_LARGEST_FILE = (1 << 63) - 1
"""MAX_LFS_FILESIZE: i_size is signed."""
_ANY_ORDER = 64


def _retrieve_fault(file: File, memfd: Memfd, reserved: Reserved, sections: Sections | Missing, target: Target) -> Fails | Missing | None:
    if memfd.format.has_seals and memfd.record.integer("seals") & ~ALL_SEALS:
        return Fails(f"seals {memfd.record.integer('seals'):#x}, known are {ALL_SEALS:#x}")
    if memfd.record.integer("size") > _LARGEST_FILE:
        return Fails(f"its size {memfd.record.integer('size'):#x} is larger than a file can be")
    chance = struct_at_chance(file) if reserved.lost(file.data, memfd.format.layout.size) else None
    fault = _contents_fault(memfd, reserved, sections, target)
    certain = isinstance(fault, Fails) and (fault.outcome or Outcome.PART).rank < Outcome.CHANCE.rank
    return fault if chance is None or certain else chance


def _contents_fault(memfd: Memfd, reserved: Reserved, sections: Sections | Missing, target: Target) -> Fails | Missing | None:
    folios = memfd.folios
    page_bytes = 1 << reserved.runs.page_shift
    if not memfd.nr_folios:
        return _missing_contents(np.empty(0, np.uint64), np.empty(0, np.uint64), memfd, page_bytes)
    if isinstance(folios, Missing):
        record = memfd.record
        area = VmallocArea(
            first=record.integer("folios.first"),
            total_pages=record.integer("folios.total_pages"),
            flags=record.integer("folios.flags"),
            order=record.integer("folios.order"),
            chunks=(),
            status=folios.status,
            reason=folios.reason,
        )
        fault = area_fault(area, reserved, sections)
        if isinstance(fault, Fails):
            return fault
        return Fails(str(folios.reason)) if isinstance(folios, Damaged) else folios
    fault = area_fault(folios.area, reserved, sections)
    if isinstance(fault, Fails):
        return fault
    if folios.status is Status.DAMAGED:
        return Fails(f"{folios.reason}: the kernel oopses as it reads behind the array", Outcome.OOPS)
    return _folios_fault(memfd, folios, reserved, target) or fault


def _restores(memfd: Memfd, page_shift: int) -> U64s:
    if isinstance(memfd.folios, Missing) or not memfd.nr_folios:
        return np.empty(0, np.uint64)
    area = memfd.folios.area
    return np.concatenate([area.entries(1 << page_shift), area_chunks(area), memfd.folios.heads(page_shift)])


def _folios_fault(memfd: Memfd, folios: FolioArray, reserved: Reserved, target: Target) -> Fails | Missing | None:
    """Folio by folio, as memfd_luo_retrieve_folios goes: the first one that fails decides."""
    shift = reserved.runs.page_shift
    words, index = folios.table.column("word0"), folios.table.column("index")
    pfn = FOLIO_PFN.of_column(words)
    there = pfn != 0
    heads, index = pfn[there] << np.uint64(shift), index[there]
    orders = reserved.orders(heads)
    if not reserved.whole and (orders < 0).any():
        return unknown("not all preserved blocks are at hand")
    pages = np.uint64(1) << np.maximum(orders, 0).astype(np.uint64)
    misaligned = index & (pages - np.uint64(1)) != 0
    most = _ANY_ORDER if target.release.restores_large_folios else MAX_PAGE_ORDERS.get(1 << shift, _ANY_ORDER)
    faults = (
        (orders < 0, "at its folio {head:#x} begins no preserved block, so that kho_restore_folio gives nothing", None),
        (orders > most, f"its folio {{head:#x}} has order {{order}}, and kho_restore_folio takes none above {most}", None),
        (_taken_index(index, pages), "its folio {head:#x} is at page {index} of the file, where another one is", None),
        (misaligned, "its folio {head:#x} of order {order} is at page {index}, no multiple of its size", _misplaced(target)),
    )
    rows = [(int(np.argmax(wrong)), words, outcome) for wrong, words, outcome in faults if wrong.any()]
    if rows:
        row, words_of_fault, outcome = min(rows, key=lambda fault: fault[0])
        unrestored = bool(orders[row] < 0 or orders[row] > most)
        if unrestored and row and IGNORES_FILE_ERRORS.covers(target.release.version):
            # memfd_luo_retrieve_folios of 6.19 leaves its loop with the 0 of the folio before.
            head = int(heads[row])
            return Fails(f"at its folio {head:#x} nothing is restored: it comes back with zeros from there on", Outcome.MISREAD, warns=True)
        met = words_of_fault.format(head=int(heads[row]), order=int(orders[row]), index=int(index[row]))
        return Fails(met, outcome, warns=unrestored)
    flags = FOLIO_FLAGS.of_column(words[there])
    odd = np.flatnonzero(flags & np.uint64(FOLIO_FLAGS_WRITTEN) != FOLIO_FLAGS_WRITTEN)
    if len(odd):
        head = int(heads[odd[0]])
        return Fails(f"its folio {head:#x} is not dirty and uptodate: it reads as zeros, or is reclaimed", Outcome.MISREAD)
    if folios.status is not Status.DECODED or len(folios.table) != memfd.nr_folios:
        return unknown(folios.reason or "not all of its folios are at hand")
    return _missing_contents(index, pages, memfd, 1 << shift)


def _misplaced(target: Target) -> Outcome:
    """VM_BUG_ON_FOLIO in shmem_add_to_page_cache (mm/shmem.c), which only CONFIG_DEBUG_VM builds in."""
    if target.debug_vm is None:
        return Outcome.WILD
    return Outcome.OOPS if target.debug_vm else Outcome.MISREAD


def _taken_index(index: U64s, pages: U64s) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which folios come to pages of the file that an earlier one has: shmem_add_to_page_cache gives -EEXIST."""
    taken = np.zeros(len(index), np.bool_)
    # A folio stands at a multiple of its own size in the page cache.
    first = index & ~(pages - np.uint64(1))
    order = np.lexsort((np.arange(len(index)), first))
    ends = np.maximum.accumulate((first + pages)[order])
    for place in (np.flatnonzero(first[order][1:] < ends[:-1]) + 1).tolist():
        taken[max(int(order[place]), int(order[place - 1]))] = True
    return taken


def _missing_contents(index: U64s, pages: U64s, memfd: Memfd, page_bytes: int) -> Fails | None:
    """The kernel fills holes before it preserves a file, so pages without a folio are contents that do not come back."""
    wanted = -(-memfd.record.integer("size") // page_bytes)
    beyond = int((index >= np.uint64(wanted)).sum())
    if beyond:
        return Fails(f"{plural(beyond, 'folio')} of it lie behind its end: what they hold does not come back", Outcome.MISREAD)
    got = int(np.minimum(pages, np.where(index < np.uint64(wanted), np.uint64(wanted) - np.minimum(index, np.uint64(wanted)), 0)).sum())
    if got >= wanted:
        return None
    return Fails(f"{wanted - got} of its {wanted} pages have no folio: they come back as zeros", Outcome.MISREAD)


RECEIVING = FileReceiving(
    retrieve_fault=_retrieve_fault,
    restores=_restores,
    frees=lambda file: np.array([file.data], np.uint64),
)
