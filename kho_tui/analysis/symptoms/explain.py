"""The causes of one symptom, ranked by what the evidence of a case supports."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.analysis.symptoms.case import Case
from kho_tui.analysis.symptoms.symptom import Cause, Certainty, Symptom, Weighed


@dataclass(frozen=True, slots=True)
class WeighedCause:
    """A cause with what its check found."""

    cause: Cause
    weighed: Weighed


@dataclass(frozen=True, slots=True)
class Explained:
    """A symptom with its causes, the surest first."""

    symptom: Symptom
    causes: tuple[WeighedCause, ...]

    @property
    def found(self) -> bool:
        """Whether the evidence proves a cause or speaks for it."""
        return any(one.weighed.certainty in (Certainty.CERTAIN, Certainty.LIKELY) for one in self.causes)

    @property
    def ruled_out(self) -> bool:
        """Whether the evidence rules out every cause that is known."""
        return all(one.weighed.certainty is Certainty.REFUTED for one in self.causes)


def explain(symptom: Symptom, case: Case, spoken: frozenset[str] = frozenset()) -> Explained:
    """The causes by certainty, then by how many of the ``spoken`` words point to them, then as they are declared."""
    weighed = [WeighedCause(cause, cause.weigh(case)) for cause in symptom.causes]
    weighed.sort(key=lambda one: (one.weighed.certainty.rank, -len(one.cause.words & spoken)))
    return Explained(symptom, tuple(weighed))
