"""What check says of vmalloc areas and folios that it cannot look at, or that only look damaged."""

from __future__ import annotations

from pathlib import Path

from captures import sample

from kho_tui.analysis.checks.answer import Answer
from kho_tui.analysis.checks.report import Result
from kho_tui.context import Context
from kho_tui.operations.check_state import check_state
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.operations.open_state import open_state


def results(path: Path, side: str | None = None) -> dict[str, Result]:
    with open_state(path, Context()) as opened:
        return {result.code: result for result in check_state(opened, Context(), side=side).report.results}


def test_a_list_in_memory_that_was_given_back_is_not_told_to_be_absent() -> None:
    found = results(sample("x86_64-6.18/1-post"), "in")
    for code in ("KHO033", "KHO034", "KHO146"):
        assert found[code].answer is Answer.CANNOT_TELL
        assert "page list of in/kho_test" in [lack.name for lack in found[code].lacks]


def test_folios_that_were_all_read_answer_for_themselves_whatever_the_area_claims(tmp_path: Path) -> None:
    fault_capture(sample("x86_64-6.18/1-pre"), "vmalloc-total", tmp_path / "broken", Context())
    found = results(tmp_path / "broken")
    assert found["KHO034"].answer is Answer.BROKEN
    assert found["KHO025"].answer is Answer.HOLDS and found["KHO048"].answer is Answer.HOLDS
