"""A page that is surely not preserved is an error whether or not the capture holds it; only what decides nothing cannot be told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from altered import altered
from captures import sample

from kho_tui.analysis.checks.answer import Answer
from kho_tui.analysis.checks.report import Result
from kho_tui.context import Context
from kho_tui.model.sessions import File, SessionList
from kho_tui.model.state import State
from kho_tui.operations.check_state import check_state
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.operations.open_state import open_state
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.memfd.content import Memfd

PRE = "x86_64-7.3/1-pre"


def result(path: Path, code: str) -> Result:
    with open_state(path, Context()) as opened:
        (found,) = check_state(opened, Context(), side="out", only=(code,)).report.results
    return found


def sessions(state: State) -> SessionList:
    luo = next(one.content for one in state.sides["out"].subtrees if isinstance(one.content, Luo))
    assert isinstance(luo.sessions, SessionList)
    return luo.sessions


def files(state: State) -> list[File]:
    return [file for one in sessions(state).sessions if isinstance(one.files, tuple) for file in one.files]


def first_memfd(state: State) -> Memfd:
    return next(file.content for file in files(state) if isinstance(file.content, Memfd))


def memfd_struct(state: State) -> int:
    return files(state)[0].data


def session_block(state: State) -> int:
    return sessions(state).headers[0].place.phys or 0


def file_list(state: State) -> int:
    return next(one.files_at for one in sessions(state).sessions if one.files_at)


def vmalloc_chunk(state: State) -> int:
    """The first chunk of the area that ``vmalloc-chunk-not-preserved`` breaks: the largest one's."""
    areas = [file.content.folios.area for file in files(state) if isinstance(file.content, Memfd) and hasattr(file.content.folios, "area")]
    return max(areas, key=lambda one: one.total_pages).first


@pytest.mark.parametrize(
    ("capture", "fault", "code", "page"),
    [
        (PRE, "memfd-not-preserved", "KHO045", memfd_struct),
        ("x86_64-6.19/1-pre", "memfd-not-preserved", "KHO045", memfd_struct),
        (PRE, "session-block-not-preserved", "KHO041", session_block),
        (PRE, "file-block-not-preserved", "KHO041", file_list),
        ("x86_64-6.19/1-pre", "file-array-split", "KHO040", file_list),
        (PRE, "vmalloc-chunk-not-preserved", "KHO035", vmalloc_chunk),
    ],
)
def test_a_page_that_is_not_preserved_is_an_error_also_where_it_is_not_captured(
    capture: str, fault: str, code: str, page: Callable[[State], int], tmp_path: Path
) -> None:
    fault_capture(sample(capture), fault, tmp_path / "broken", Context())
    with open_state(tmp_path / "broken", Context()) as opened:
        at = page(opened.state)
    without = altered(tmp_path / "broken", tmp_path / "without", without=[at])
    found = result(without, code)
    assert found.answer is Answer.BROKEN and found.severity == "error"
    assert any(case.address == at for case in found.cases)
    assert code == "KHO040" or any("not in this capture" in lack.reason for lack in found.lacks)


@pytest.mark.parametrize(
    ("code", "page"),
    [("KHO045", memfd_struct), ("KHO041", session_block), ("KHO041", file_list), ("KHO035", vmalloc_chunk)],
)
def test_a_page_that_is_preserved_and_not_captured_cannot_be_told(code: str, page: Callable[[State], int], tmp_path: Path) -> None:
    with open_state(sample(PRE), Context()) as opened:
        at = page(opened.state)
    found = result(altered(sample(PRE), tmp_path / "without", without=[at]), code)
    assert found.answer is Answer.CANNOT_TELL


def test_the_folios_that_were_captured_are_judged_where_others_are_not(tmp_path: Path) -> None:
    """The first folio is not preserved; the last page of the array is not in the capture."""
    fault_capture(sample(PRE), "folio-not-preserved", tmp_path / "broken", Context())
    with open_state(tmp_path / "broken", Context()) as opened:
        memfd = first_memfd(opened.state)
        assert hasattr(memfd.folios, "table")
        last = int(memfd.folios.table.addresses[-1]) // 4096 * 4096
        assert last != int(memfd.folios.table.addresses[0]) // 4096 * 4096
    found = result(altered(tmp_path / "broken", tmp_path / "without", without=[last]), "KHO045")
    assert found.answer is Answer.BROKEN
    assert any("folio 0 " in case.message and "begins no preserved block" in case.message for case in found.cases)
    assert found.lacks


def test_the_rest_of_a_page_list_that_is_not_preserved_is_an_error(tmp_path: Path) -> None:
    """The list goes on in a chunk that is neither preserved nor captured."""
    with open_state(sample(PRE), Context()) as opened:
        chunk = vmalloc_chunk(opened.state)
    found = result(altered(sample(PRE), tmp_path / "broken", {chunk: (0x3000_0000).to_bytes(8, "little")}), "KHO035")
    assert found.answer is Answer.BROKEN and found.cases[0].address == 0x3000_0000


def test_the_rest_of_a_chain_of_blocks_that_is_not_preserved_is_an_error(tmp_path: Path) -> None:
    with open_state(sample(PRE), Context()) as opened:
        block = session_block(opened.state)
    found = result(altered(sample(PRE), tmp_path / "broken", {block: (0x3000_0000).to_bytes(8, "little")}), "KHO041")
    assert found.answer is Answer.BROKEN and found.cases[0].address == 0x3000_0000


def test_folios_without_a_page_list_are_an_error(tmp_path: Path) -> None:
    with open_state(sample(PRE), Context()) as opened:
        record = first_memfd(opened.state).record
        at = (record.place.phys or 0) + record.layout.span("folios.first")[0]
    found = result(altered(sample(PRE), tmp_path / "broken", {at: bytes(8)}), "KHO033")
    assert found.answer is Answer.BROKEN


def test_a_session_that_claims_files_without_a_list_is_not_said_to_fail_the_open(tmp_path: Path) -> None:
    """The kernel only warns (kernel/liveupdate/luo_session.c): the session is there, its files are not."""
    fault_capture(sample(PRE), "session-list-lost", tmp_path / "broken", Context())
    found = result(tmp_path / "broken", "KHO042")
    assert found.answer is Answer.BROKEN
    assert all("arrives without files" in case.message for case in found.cases)
    assert "the kernel warns" in found.consequence
