"""``check --target --json``: the part ``target`` of kho-tui.check/1."""

from __future__ import annotations

from kho_tui.analysis.compat import Compatibility, TargetKernel
from kho_tui.analysis.loading import Loading
from kho_tui.analysis.receiver.arrivals import Arrival, arrivals
from kho_tui.analysis.receiver.check import Answer
from kho_tui.analysis.receiver.reception import Reception
from kho_tui.model.json_value import Json
from kho_tui.text import visible
from kho_tui.views.reception import OUTCOMES, outcome_word

_HOLDS = {True: "holds", False: "broken", None: "cannot tell"}


def target_json(found: Compatibility) -> Json:
    """The whole answer. ``outcome`` is null where it cannot be told, ``loads`` also where there is no image to load."""
    deciding = found.reception.deciding
    decided = found.outcome is not None
    return {
        "verdict": found.verdict,
        "outcome": outcome_word(found.outcome),
        "kernel": _kernel(found.target),
        "loads": found.loads,
        "loading": None if found.loading is None else _loading(found.loading),
        "deciding": answer_json(deciding) if deciding is not None and decided else None,
        "consumers": consumers_json(found.reception) if decided else [],
        "arrivals": arrivals_json(found.reception) if decided else None,
        "checks": [answer_json(one) for one in found.reception.answers],
        "cannot_tell": list(found.open),
        "assumed": list(found.assumed),
        "without_room": [{"word": one.word, "consequence": one.consequence} for one in found.without_room],
        "notes": list(found.notes),
    }


def consumers_json(reception: Reception) -> Json:
    """What becomes of each consumer's part; an outcome is null where it is unknown."""
    return [
        {"name": visible(name), "outcome": outcome_word(outcome), "reason": met} for name, (outcome, met) in reception.consumers.items()
    ]


def arrivals_json(reception: Reception) -> Json:
    """What becomes of each thing that is handed over; an outcome is null where it is unknown."""
    return {called: [_arrival(thing) for thing in things] for called, things in arrivals(reception).items()}


def _arrival(thing: Arrival) -> Json:
    named: dict[str, Json] = {"name": visible(thing.name)} if isinstance(thing.name, bytes) else {"token": f"{thing.name:#x}"}
    parts: dict[str, Json] = {
        called: None if inside is None else [_arrival(part) for part in inside] for called, inside in thing.parts.items()
    }
    return named | parts | {"outcome": outcome_word(thing.outcome), "reason": thing.reason or None}


def _kernel(target: TargetKernel) -> Json:
    return {
        "name": target.name,
        "kind": target.kind,
        "source": target.source,
        "series": None if target.release is None else target.release.name,
        "arch": target.arch,
        "page_size": target.page_size,
        "kho": None if target.support is None else target.support.value,
        "cmdline": None if target.cmdline is None else visible(target.cmdline.text),
    }


def _loading(loading: Loading) -> Json:
    segments = [
        {"name": one.name, "size": one.size, "address": None if one.address is None else f"{one.address:#x}"} for one in loading.segments
    ]
    return {"fits": loading.fits, "reason": loading.reason, "segments": segments}


def answer_json(answer: Answer) -> Json:
    """A check as it went."""
    check = answer.check
    return {
        "check": check.name,
        "stage": check.stage.value,
        "consumer": None if check.consumer is None else visible(check.consumer),
        "question": check.question,
        "answer": _HOLDS[answer.holds],
        "met": answer.met,
        "leads_to": OUTCOMES[check.fails].word,
        "consequence": check.consequence,
        "source": check.source,
    }
