"""A run as a line of a results file, and what a later version of the program makes of the same boot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from verdicts import Patch, verdict_of

from campaign.bases import base_named
from campaign.guest import Booted
from campaign.judgement import Judged, judge, predict, predicted_class
from kho_tui.operations.open_state import Opened


def judge_both(
    answer: Mapping[str, Any], opened: Opened, append: str, booted: Booted, again: Booted | None, clean: Booted | None
) -> Judged:
    """Of both boots, where there is a second one with memory filled."""
    judged = judge(answer, opened, append, booted, clean)
    if again is None:
        return judged
    second = judge(answer, opened, append, again, clean)
    if second.result != "disagree":
        return judged
    return replace(second, booted=judged.booted, why=(*judged.why, *(f"with memory filled: {why}" for why in second.why)))


def compared(answer: Mapping[str, Any], judged: Judged) -> dict[str, Any]:
    """What a run's line says of prediction and comparison."""
    deciding = answer["deciding"]
    return {
        "predicted": {
            "class": predicted_class(answer),
            "verdict": answer["verdict"],
            "check": None if deciding is None else deciding["check"],
            "unknown": list(answer["cannot_tell"]),
        },
        "came_to": judged.booted,
        "gone": list(judged.gone),
        "result": judged.result,
        "why": list(judged.why),
    }


def clean_boots(runs: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Booted]:
    """What the unaltered states gave, by state and kernel."""
    return {(run["base"], run["kernel"]): booted_of(run["booted"]) for run in runs if run["kind"] == "none"}


def judge_again(run: Mapping[str, Any], clean: Mapping[tuple[str, str], Booted]) -> dict[str, Any]:
    """The same boot beside what the program predicts today. ``clean``: of ``clean_boots``."""
    base, kernel = base_named(run["base"]), run["kernel"]
    verdict = verdict_of({**run, "name": str(run["number"]), "outcome": "", "seen": {}})
    own = None if run["kind"] == "none" else clean.get((base.name, kernel)) or clean.get((base.name, base.kernels[0]))
    with verdict.open() as opened:
        answer = predict(opened, kernel, verdict.cmdline)
        filled = None if run["filled"] is None else booted_of(run["filled"])
        return {**run, **compared(answer, judge_both(answer, opened, verdict.append, booted_of(run["booted"]), filled, own))}


def written_patches(patches: Iterable[Patch]) -> list[list[str]]:
    """What a run's line says of altered bytes, as ``verdict_of`` reads it."""
    return [[f"{patch.address:#x}", patch.data.hex(), *(["new page"] if patch.new_page else [])] for patch in patches]


def written(booted: Booted) -> dict[str, Any]:
    """What a run's line says of a boot."""
    return {"outcome": booted.outcome, "place": booted.place, "complete": booted.complete, **booted.seen}


def booted_of(seen: Mapping[str, Any]) -> Booted:
    """The boot that a run's line tells."""
    rest = {key: value for key, value in seen.items() if key not in ("outcome", "place", "complete")}
    return Booted(seen["outcome"], seen["place"], seen["complete"], rest)
