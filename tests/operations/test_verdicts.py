"""What ``check --target`` foretells of altered states is what booted kernels did with them (../shared/verdicts)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from verdicts import Verdict, came_back, contradictions, read_verdicts

from kho_tui.context import Context
from kho_tui.operations.check_target import TargetRequest, check_target, read_target
from kho_tui.views.export.target_json import target_json

pytestmark = pytest.mark.shared

VERDICTS = read_verdicts()


def foretold(verdict: Verdict) -> Mapping[str, Any]:
    with verdict.open() as opened:
        found = check_target(opened, read_target(TargetRequest(str(verdict.image), verdict.cmdline), Context()))
        answer = target_json(found)
    assert isinstance(answer, dict)
    return answer


def lost_in_guest(verdict: Verdict) -> set[str]:
    kinds = {"regions": "region", "sessions": "session", "files": "file"}
    return {f"{kind} {name}" for plural, kind in kinds.items() for name in (verdict.lost or {}).get(plural, ())}


@pytest.mark.parametrize("verdict", VERDICTS, ids=lambda verdict: verdict.name)
def test_a_booted_kernel_agrees(verdict: Verdict) -> None:
    answer = foretold(verdict)
    assert not contradictions(answer, verdict.outcome, lost_in_guest(verdict), came_back(verdict.seen)), answer["verdict"]
