"""KHO038 against command lines that a booted 7.3 revived the regions with, or did not."""

from __future__ import annotations

from pathlib import Path

import pytest
from captures import copy_of, sample

from kho_tui.analysis.checks.answer import Answer
from kho_tui.context import Context
from kho_tui.operations.check_state import check_state
from kho_tui.operations.open_state import open_state


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("reserve-mem=4M:12288:oops_trace reserve-mem=1M::pstore", Answer.HOLDS),
        ('"reserve_mem=0x400000:3:oops_trace" reserve_mem="1M:2M:pstore', Answer.HOLDS),
        ("reserve_mem=4M:4096:oops_trace reserve_mem=8M:4096:oops_trace reserve_mem=1M:2M:pstore", Answer.HOLDS),
        ("reserve_mem=4M:4096:oops_trace reserve_mem=1M:4M:pstore", Answer.BROKEN),
        ("reserve_mem=4M:4096:oops_trace,reserve_mem=1M:2M:pstore", Answer.BROKEN),
        ("reserve_mem=4M:4096:oops_trace -- reserve_mem=1M:2M:pstore", Answer.BROKEN),
    ],
)
def test_regions_asked_for_as_the_kernel_reads_it(words: str, answer: Answer, tmp_path: Path) -> None:
    copy_of(sample("x86_64-7.3/1-pre"), tmp_path / "state")
    (tmp_path / "state/cmdline").write_text(f"console=ttyS0 kho=on {words}\n")
    with open_state(tmp_path / "state", Context()) as opened:
        result = next(one for one in check_state(opened, Context(), side="out").report.results if one.code == "KHO038")
    assert result.answer is answer
