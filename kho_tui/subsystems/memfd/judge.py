"""Rules on preserved memfds and the folios that they are made of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from kho_tui.abi.memfd import ALL_SEALS, FOLIO_FLAGS, FOLIO_FLAGS_WRITTEN, FOLIO_PFN, MEMFD, MEMFD_LUO_FOLIO_SER
from kho_tui.analysis.checks.answer import TRACKER, Case, Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.facet import FileJudging
from kho_tui.analysis.checks.rule import error, rule
from kho_tui.model.facts import Damaged, Missing, Status, Unknown
from kho_tui.model.kinds import KIND_FOLIO
from kho_tui.model.sessions import File
from kho_tui.subsystems.memfd.content import FolioArray, Memfd
from kho_tui.text import SafeText, plural

_SHOWN = 100
_SIGN_BIT = 63


def _with_struct(evidence: Evidence, found: Found) -> Iterator[File]:
    """All files of a known version of the handler, whether their struct can be read or not."""
    for _, file in evidence.files(found):
        declared = evidence.state.registry.handler_like(file.compatible)
        if declared is not None and declared.family == MEMFD and not isinstance(file.content, Unknown):
            yield file


def _memfds(evidence: Evidence, found: Found) -> Iterator[tuple[File, Memfd]]:
    """All memfds; one whose struct cannot be read is noted as a lack."""
    for file, content in evidence.handled_files(found, MEMFD.name):
        if isinstance(content, Memfd):
            yield file, content


def _folio_arrays(evidence: Evidence, found: Found) -> Iterator[tuple[File, Memfd, FolioArray]]:
    """All memfds whose folios were read; that some were not is noted as a lack."""
    for file, memfd in _memfds(evidence, found):
        folios = found.need(memfd.folios, f"folios of {file.path}")
        if folios is not None:
            if folios.status is not Status.DECODED:
                found.lack(f"folios of {file.path}", folios.reason)
            yield file, memfd, folios


@rule(
    "KHO045",
    "a memfd's struct and folios are preserved and make up the file",
    error("6.19"),
    explanation="The struct is preserved; nr_folios entries fill the pages of their array; each has both flags, a preserved block that "
    "begins at it, and an index that ascends by whole folios and lies within size; together they reach over size; seals are known ones, "
    "flags 0. A negative pos is a warning.",
    consequence="the next kernel checks none of this but the blocks: the file is lost, or has other contents",
    source="mm/memfd_luo.c, memfd_luo_preserve_folios and memfd_luo_retrieve_folios (6.19 to 7.3)",
)
def memfds(evidence: Evidence, found: Found) -> None:
    """Invariant 45."""
    for file in _with_struct(evidence, found):
        if file.data % evidence.page_size or not evidence.is_block(found, file.data, 0):
            found.broken(f"no preserved block of order 0 begins at its struct at {file.data:#x}", file.path, file.data)
        if isinstance(file.content, Damaged):
            found.broken(file.content.reason, file.path, file.data)
    for file, memfd in _memfds(evidence, found):
        _struct(evidence, file, memfd, found)
    for file, memfd, folios in _folio_arrays(evidence, found):
        # Rows of a list that only ends early stand where they belong.
        if len(folios.table) == memfd.nr_folios or folios.status is Status.PARTIAL:
            _folios(evidence, file, memfd, folios, found)


def _struct(evidence: Evidence, file: File, memfd: Memfd, found: Found) -> None:
    record, at = memfd.record, memfd.record.place.phys
    size, count, pages = record.integer("size"), memfd.nr_folios, record.integer("folios.total_pages")
    needed = -(-count * MEMFD_LUO_FOLIO_SER.size // evidence.page_size)
    if needed != pages:
        found.broken(f"{count} folios need {needed} pages, their array has {pages}", file.path, at)
    if bool(size) != bool(count):
        found.broken(f"{size} bytes and {count} folios", file.path, at, severity=None if size else "warning")
    if record.integer("pos") >> _SIGN_BIT:
        found.broken(f"its position {record.integer('pos'):#x} is negative", file.path, at, severity="warning")
    if memfd.format.has_seals and record.integer("seals") & ~ALL_SEALS:
        found.broken(f"seals {record.integer('seals'):#x}: more than {ALL_SEALS:#x}", file.path, at)
    if memfd.format.has_seals and record.integer("flags"):
        found.broken(f"flags {record.integer('flags'):#x} instead of 0", file.path, at)


def _folios(evidence: Evidence, file: File, memfd: Memfd, folios: FolioArray, found: Found) -> None:
    word, index = folios.table.column("word0"), folios.table.column("index")
    path = file.path.child("folios")
    pfn, flags = FOLIO_PFN.of_column(word), FOLIO_FLAGS.of_column(word)
    start = pfn << np.uint64(evidence.page_shift)

    def broken(rows: npt.NDArray[np.int64], said: str) -> None:
        def case(row: int) -> Case:
            return Case(
                SafeText(f"folio {folios.table.number(row)} (pfn {int(pfn[row]):#x}, index {int(index[row])}) {said}"),
                path,
                int(folios.table.addresses[row]),
            )

        found.broken_rows(rows[:_SHOWN].tolist(), len(rows), case)

    broken(np.flatnonzero(flags != FOLIO_FLAGS_WRITTEN), f"has not the flags {FOLIO_FLAGS_WRITTEN}")
    empty = (pfn == 0) | (start >> np.uint64(evidence.page_shift) != pfn)
    broken(np.flatnonzero(empty), "names no page")
    if isinstance(evidence.preserved, Missing):
        found.lack(TRACKER, evidence.preserved.reason)
        return
    evidence.doubted(found)
    low, high = evidence.index.orders(start)
    lost = np.flatnonzero((low < 0) & ~empty)
    if len(lost) and isinstance(evidence.whole, Missing):
        found.lack(TRACKER, evidence.whole.reason)
        broken(lost[evidence.state.host.surely_no_ram(start[lost])], "is no RAM")
        return
    broken(lost, "begins no preserved block")
    # Where blocks overlap a folio may be of two lengths: each check takes the one that speaks for the state.
    shortest, longest = (np.left_shift(1, np.maximum(orders, 0).astype(np.int64)).astype(np.uint64) for orders in (low, high))
    behind = index[:-1] + shortest[:-1]
    broken(np.flatnonzero((index[1:] < behind) | (behind < index[:-1])) + 1, "does not come behind its predecessor")
    pages = -(-memfd.record.integer("size") // evidence.page_size)
    broken(np.flatnonzero(index >= np.uint64(min(pages, 2**64 - 1))), f"lies behind the end of the file, which has {plural(pages, 'page')}")
    # Only where all folios are known the last of them tells how far the file reaches.
    if len(index) and len(index) == memfd.nr_folios and int(index[-1]) + int(longest[-1]) < pages and not len(lost):
        reach = int(index[-1]) + int(longest[-1])
        found.broken(f"its folios reach to page {reach}, its size is {pages} pages", file.path, memfd.record.place.phys)


@rule(
    "KHO046",
    "no folio belongs to two files, or twice to one",
    error("6.19"),
    explanation="The folios of all memfds in the order of their addresses. 6.19 and 7.0 let user space preserve one memfd in two sessions; "
    "from 7.1 on they refuse that (-EBUSY).",
    consequence="restoring is one-shot: the file that is retrieved first gets the folio, the retrieve of the other one fails with -EIO and "
    "a WARNING in kho_restore_page, and all of its folios are lost",
    source="kernel/liveupdate/kexec_handover.c, kho_restore_page; mm/memfd_luo.c, memfd_luo_retrieve_folios (6.19 to 7.3)",
)
def shared_folios(evidence: Evidence, found: Found) -> None:
    """A page is restored once."""
    for _ in _folio_arrays(evidence, found):
        pass
    regions = evidence.memory.layers.get(KIND_FOLIO)
    if regions is None or len(regions) < 2:
        return
    reach = np.maximum.accumulate(regions.end)
    again = np.flatnonzero(regions.start[1:] < reach[:-1]) + 1

    def case(row: int) -> Case:
        hit = evidence.memory.hit(KIND_FOLIO, row)
        others = [evidence.memory.hit(KIND_FOLIO, one).path for one in regions.holding(hit.start) if one != row]
        return Case(SafeText(f"{hit.start:#x} is also {others[0] if others else 'in another folio'}"), hit.path, hit.start)

    found.broken_rows(again[:_SHOWN].tolist(), len(again), case)


JUDGING = FileJudging(rules=(memfds, shared_folios))
