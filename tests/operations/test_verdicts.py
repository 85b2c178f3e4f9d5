"""What ``check --target`` foretells of altered states is what booted kernels did with them (../shared/verdicts)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from verdicts import Verdict, read_verdicts

from kho_tui.context import Context
from kho_tui.operations.check_target import TargetRequest, check_target, read_target
from kho_tui.views.export.target_json import target_json

pytestmark = pytest.mark.shared

VERDICTS = read_verdicts()
LOST = {"in part", "ignored", "oops", "panic"}
"""Outcomes of a region, session or file that does not come back. What is misread comes back, and is another thing."""
LEFT_OPEN = {"chance", "misread or panic"}
"""Both ends are named: intact or overwritten, wrong memory or a kernel that dies of it."""
BOOTED: Mapping[str, set[str]] = {
    "accepted": {"taken", "in part", "misread", *LEFT_OPEN},
    "refused": {"ignored"},
    # The initrd's program is PID 1: where it dies of an oops in a call, the kernel panics.
    "panic": {"panic", "oops", *LEFT_OPEN},
}


def foretold(verdict: Verdict) -> Mapping[str, Any]:
    with verdict.open() as opened:
        found = check_target(opened, read_target(TargetRequest(str(verdict.image), verdict.cmdline), Context()))
        answer = target_json(found)
    assert isinstance(answer, dict)
    return answer


def things(arrivals: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every region, session and file as the verdicts name them, with its outcome."""
    for region in arrivals["regions"]:
        yield f"region {region['name']}", region["outcome"]
    for session in arrivals["sessions"]:
        yield f"session {session['name']}", session["outcome"]
        for file in session["files"] or ():
            yield f"file {session['name']} {int(file['token'], 16):x}", file["outcome"]


def lost_in_guest(verdict: Verdict) -> set[str]:
    kinds = {"regions": "region", "sessions": "session", "files": "file"}
    return {f"{kind} {name}" for plural, kind in kinds.items() for name in (verdict.lost or {}).get(plural, ())}


@pytest.mark.parametrize("verdict", VERDICTS, ids=lambda verdict: verdict.name)
def test_a_booted_kernel_agrees(verdict: Verdict) -> None:
    answer = foretold(verdict)
    assert answer["outcome"] in BOOTED[verdict.outcome], answer["verdict"]
    if verdict.outcome != "accepted":
        return
    fates: dict[str, set[str]] = {}
    for name, outcome in things(answer["arrivals"]):
        fates.setdefault(name, set()).add(outcome)
    gone = lost_in_guest(verdict)
    for name, outcomes in fates.items():
        # Of two things of one name the guest gets the first.
        assert name not in gone or outcomes & (LOST | LEFT_OPEN) or answer["outcome"] in LEFT_OPEN, (name, answer["verdict"])
        assert name not in came_back(verdict) or not outcomes <= LOST, (name, answer["verdict"])
    # What an alteration renamed, the guest asks for by a name that nothing in the state has.
    assert not gone or answer["outcome"] != "taken"


def came_back(verdict: Verdict) -> set[str]:
    """What the guest got."""
    seen = verdict.seen
    files = {f"file {' '.join(line.split()[:2])}" for line in seen.get("files", ())}
    return files | {f"region {name}" for name in seen.get("revived", ())} | {f"session {name}" for name in seen.get("sessions", ())}
