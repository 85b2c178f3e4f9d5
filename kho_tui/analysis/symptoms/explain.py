"""The causes of one symptom, ranked by what the evidence of a case supports."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.analysis.symptoms.case import Case, Evidence
from kho_tui.analysis.symptoms.checks import quoted
from kho_tui.analysis.symptoms.select import Spoken, spoken
from kho_tui.analysis.symptoms.symptom import Cause, Certainty, Symptom, Weighed


@dataclass(frozen=True, slots=True)
class WeighedCause:
    """A cause with what its check found. ``other_call``: it makes another call fail than the one that the user named."""

    cause: Cause
    weighed: Weighed
    other_call: bool = False

    @property
    def stands(self) -> bool:
        """Whether it can be the cause: of the call that failed, and not ruled out."""
        return not self.other_call and self.weighed.certainty is not Certainty.REFUTED


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
    """The causes: those of the call that was named first, then by certainty, by how much of what was said points to them, as declared."""

    def weighed(cause: Cause) -> WeighedCause:
        # Where the call that was named has no cause here, the name helps nobody.
        other = bool(cause.calls) and bool(said.calls) and any_of_call and not cause.calls & said.calls
        return WeighedCause(cause, cause.weigh(case), other)

    def order(one: WeighedCause) -> tuple[bool, int, int]:
        pointed = sum(said.says(word) for word in one.cause.words) + 2 * len(one.cause.calls & said.calls)
        return one.other_call, one.weighed.certainty.rank, -pointed

    any_of_call = any(cause.calls & said.calls for cause in symptom.causes)
    seen = quoted(line for line in case.lines if symptom.names_line(line.kind, line.text))
    return Explained(symptom, tuple(sorted((weighed(cause) for cause in symptom.causes), key=order)), seen)
