"""Faults of memfds: KHO025, 045 and 046."""

from __future__ import annotations

from kho_tui.abi.memfd import FOLIO_DIRTY, FOLIO_FLAGS, FOLIO_PFN, MEMFD_LUO_FOLIO_SER
from kho_tui.layout.platform import MAX_PAGE_ORDERS
from kho_tui.layout.table import Table
from kho_tui.model.facts import Missing, Status
from kho_tui.model.sessions import File
from kho_tui.simulator.faults.case import Case, DoesNotApply, place_of
from kho_tui.simulator.faults.facet import FileBreaking
from kho_tui.simulator.faults.fault import Fault, fault
from kho_tui.simulator.faults.tracker_edit import order_at
from kho_tui.subsystems.memfd.content import Memfd

_ROWS = 4096
"""Folios looked through for one that serves."""


def _memfds(case: Case) -> list[tuple[File, Memfd]]:
    """Every memfd that could be decoded."""
    return [(file, file.content) for file in case.side.files if isinstance(file.content, Memfd)]


def _all(case: Case, folios: int) -> list[tuple[Memfd, Table]]:
    """The memfds whose list is whole and has so many folios, or more. Raises DoesNotApply."""
    found = []
    for _, memfd in _memfds(case):
        listed = memfd.folios
        if not isinstance(listed, Missing) and listed.status is Status.DECODED and len(listed.table) >= folios:
            found.append((memfd, listed.table))
    if not found:
        raise DoesNotApply(f"no memfd of this state has {folios} folio{'s' if folios > 1 else ''} in this capture")
    return found


def _pfn(table: Table, row: int) -> int:
    return FOLIO_PFN.of(int(table.column("word0")[row]))


def _folio(case: Case, table: Table, row: int, *, pfn: int | None = None, flags: int | None = None) -> None:
    """Other bits in the first word of a folio's entry."""
    word = int(table.column("word0")[row])
    pfn = FOLIO_PFN.of(word) if pfn is None else pfn
    flags = FOLIO_FLAGS.of(word) if flags is None else flags
    case.put(MEMFD_LUO_FOLIO_SER, int(table.addresses[row]), word0=pfn | flags << FOLIO_FLAGS.low)


def _forget_struct(case: Case) -> None:
    case.forget(place_of(_all(case, 1)[0][0].record), 0)


def _too_many(case: Case) -> None:
    memfd, _ = _all(case, 1)[0]
    room = memfd.record.integer("folios.total_pages") * case.page_size // MEMFD_LUO_FOLIO_SER.size
    case.change(memfd.record, nr_folios=room + 1)


def _flags(case: Case) -> None:
    _folio(case, _all(case, 1)[0][1], 0, flags=FOLIO_DIRTY)


def _forget_folio(case: Case) -> None:
    _, table = _all(case, 1)[0]
    case.forget(_pfn(table, 0) << case.handover.runs.page_shift)


def _indexes(case: Case, first: int, second: int) -> None:
    """The places of the first two folios in their file: each that of the row given."""
    _, table = _all(case, 2)[0]
    index = table.column("index")[:2].tolist()
    for row, value in enumerate((index[first], index[second])):
        case.put(MEMFD_LUO_FOLIO_SER, int(table.addresses[row]), index=value)


def _descend(case: Case) -> None:
    _indexes(case, 1, 0)


def _same_place(case: Case) -> None:
    _indexes(case, 0, 0)


def _size(case: Case) -> None:
    memfd, table = _all(case, 1)[0]
    order = order_at(case.handover.runs, _pfn(table, len(table) - 1) << case.handover.runs.page_shift) or 0
    end = int(table.column("index")[-1]) + (1 << order)
    case.change(memfd.record, size=(end + 1) * case.page_size)


def _sealed(case: Case) -> Memfd:
    memfd, _ = _all(case, 1)[0]
    if not memfd.format.has_seals:
        raise DoesNotApply(f"{memfd.format.compatible.decode()} keeps neither seals nor flags")
    return memfd


def _seals(case: Case) -> None:
    case.change(_sealed(case).record, seals=0x40)


def _struct_flags(case: Case) -> None:
    case.change(_sealed(case).record, flags=1)


def _shared(case: Case) -> None:
    """A folio of one file takes the place of one of another file, of the same order."""
    runs = case.handover.runs
    by_order: dict[int, tuple[Memfd, int]] = {}
    for memfd, table in _all(case, 1):
        for row in range(min(len(table), _ROWS)):
            order = order_at(runs, _pfn(table, row) << runs.page_shift)
            if order is None:
                continue
            other, pfn = by_order.setdefault(order, (memfd, _pfn(table, row)))
            if other is not memfd:
                _folio(case, table, row, pfn=pfn)
                return
    raise DoesNotApply("no two memfds of this state have folios of one order")


def _large(case: Case) -> None:
    """The last folio of a memfd in a block larger than a kernel restores as a folio."""
    _, table = _all(case, 1)[0]
    order = MAX_PAGE_ORDERS[case.page_size] + 1
    shift = case.handover.runs.page_shift
    row = len(table) - 1
    block = case.free(order)
    case.forget(_pfn(table, row) << shift)
    case.keep(block, order)
    _folio(case, table, row, pfn=block >> shift)


_FAULTS: tuple[Fault, ...] = (
    fault("folio-too-large", "KHO025", "a folio is larger than a kernel restores", _large, "45 120"),
    fault("memfd-not-preserved", "KHO045", "the struct of a memfd is not preserved", _forget_struct),
    fault("memfd-too-many-folios", "KHO045", "a memfd claims more folios than its list can hold", _too_many, "106"),
    fault("memfd-size", "KHO045", "a memfd is larger than its folios reach", _size),
    fault("memfd-seals", "KHO045", "a memfd has a seal that there is not", _seals),
    fault("memfd-flags", "KHO045", "the struct of a memfd has flags", _struct_flags),
    fault("folio-flags", "KHO045", "a folio is not marked as up to date", _flags),
    fault("folio-not-preserved", "KHO045", "a folio of a memfd is not preserved", _forget_folio),
    fault("folios-descend", "KHO045", "the folios of a memfd do not ascend", _descend),
    fault("folios-overlap", "KHO045", "two folios have one place in their file", _same_place),
    fault("folio-shared", "KHO046", "a folio belongs to two files", _shared, "47 48"),
)

BREAKING = FileBreaking(faults=_FAULTS)
