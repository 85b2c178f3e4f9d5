"""What of a handover reaches its users: each thing of a subtree by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kho_tui.analysis.receiver.check import Check
from kho_tui.analysis.receiver.facet import Receiving
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.analysis.receiver.reception import Fate, Reception

WHOLE: Fate = Outcome.TAKEN, ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A thing by the name that finds it, or a file by its token. ``outcome`` TAKEN: it comes back as it was; None: unknown.

    ``parts``: what is in it by what that is called, None where it is not at hand.
    """

    name: bytes | int
    outcome: Outcome | None
    reason: str
    parts: Mapping[str, tuple[Arrival, ...] | None] = field(default_factory=dict)


def arrivals(reception: Reception) -> Mapping[str, tuple[Arrival, ...]]:
    """What becomes of each thing that is handed over, as far as they are at hand, by what they are called."""
    facets = reception.target.registry.facets(Receiving).values()
    return {called: things for facet in facets for called, things in facet.arrivals(reception).items()}


def of_consumer(reception: Reception, consumer: bytes, aside: Check | None = None) -> Fate:
    """What becomes of all of a consumer's part, before it is looked at thing by thing. ``aside``: a check that tells things apart."""
    if reception.worst in (Outcome.PANIC, Outcome.IGNORED):
        return reception.worst, "" if reception.deciding is None else reception.deciding.met
    if reception.garbage is not None:
        return Outcome.WILD, reception.garbage.met
    for answer in reception.answers:
        whole = answer.check is not aside and answer.check.fails in (Outcome.IGNORED, Outcome.PANIC)
        if answer.check.consumer == consumer and whole and answer.holds is not True:
            return answer.outcome, answer.met
    return WHOLE
