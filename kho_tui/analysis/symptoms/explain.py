"""The causes of one symptom, ranked by what the evidence of a case supports."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.analysis.symptoms.case import Case, Evidence
from kho_tui.analysis.symptoms.checks import quoted
from kho_tui.analysis.symptoms.select import Spoken, spoken
from kho_tui.analysis.symptoms.symptom import Cause, Certainty, Symptom, Weighed


@dataclass(frozen=True, slots=True)
class WeighedCause:
    """A cause with what its check found. ``other_call``: another call fails than the one that the user named; ``other_error``: likewise."""

    cause: Cause
    weighed: Weighed
    other_call: bool = False
    other_error: bool = False

    @property
    def of_another(self) -> bool:
        """Whether it is no cause of what the user named."""
        return self.other_call or self.other_error

    @property
    def stands(self) -> bool:
        """Whether it can be the cause of what the user named, and is not ruled out."""
        return not self.of_another and self.weighed.certainty is not Certainty.REFUTED


@dataclass(frozen=True, slots=True)
class Explained:
    """A symptom with its causes, the surest first."""

    symptom: Symptom
    causes: tuple[WeighedCause, ...]
    seen: tuple[Evidence, ...] = ()
    """Lines of the kernel's log that are the symptom itself."""

    @property
    def found(self) -> bool:
        """Whether the evidence proves a cause or speaks for it."""
        return any(one.stands and one.weighed.certainty is not Certainty.POSSIBLE for one in self.causes)


NOTHING_SAID = spoken("")


def explain(symptom: Symptom, case: Case, said: Spoken = NOTHING_SAID) -> Explained:
    """The causes of the call and the error that were named first, then by certainty, by how much of what was said points to them."""

    def weighed(cause: Cause) -> WeighedCause:
        return WeighedCause(
            cause,
            cause.weigh(case),
            other_call=bool(cause.calls and said.calls) and not cause.calls & said.calls,
            other_error=bool(cause.errors and errors) and not cause.errors & errors,
        )

    def order(one: WeighedCause) -> tuple[bool, int, int]:
        pointed = sum(said.says(word) for word in one.cause.words) + 2 * len(one.cause.calls & said.calls)
        return one.of_another, one.weighed.certainty.rank, -pointed

    answered = {*symptom.errno, *(error for cause in symptom.causes for error in cause.errors)}
    errors = frozenset(error for error in answered if said.names(error))
    seen = quoted(line for line in case.lines if symptom.names_line(line.kind, line.text))
    return Explained(symptom, tuple(sorted((weighed(cause) for cause in symptom.causes), key=order)), seen)
