"""What is told of a tracker that is split into more runs than the budget allows."""

from __future__ import annotations

from pathlib import Path

import pytest
from captures import sample

from kho_tui.context import Budget, Context
from kho_tui.model.facts import Status
from kho_tui.model.tracker import PreservedMap
from kho_tui.operations.open_state import open_state

PRE = {"radix": sample("x86_64-7.3/1-pre"), "chunks": sample("x86_64-6.18/1-pre")}


def preserved(path: Path, runs: int) -> tuple[PreservedMap, list[str]]:
    with open_state(path, Context(Budget(runs=runs))) as opened:
        found = opened.state.sides["out"].preserved
        assert isinstance(found, PreservedMap)
        return found, [finding.code for finding in opened.state.findings]


@pytest.mark.parametrize("tracker", PRE)
def test_what_the_budget_allows_is_a_lower_bound(tracker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, codes = preserved(PRE[tracker], 10**6)
    assert whole.status is Status.DECODED and "KHO112" not in codes
    monkeypatch.setattr("kho_tui.decode.bitmaps._BATCH_BYTES", 1)  # a batch is one bitmap, as in a tracker of many
    part, codes = preserved(PRE[tracker], len(whole.runs) - 1)
    assert part.status is Status.PARTIAL and "KHO112" in codes
    assert 0 < part.runs.blocks < whole.runs.blocks
    everything = set(zip(*(one.tolist() for one in whole.runs.expand(0, whole.runs.blocks)), strict=True))
    assert set(zip(*(one.tolist() for one in part.runs.expand(0, part.runs.blocks)), strict=True)) <= everything
