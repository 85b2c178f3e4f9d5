"""A question about a machine or a capture, and its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from kho_tui.analysis.symptoms.case import Case, Evidence
from kho_tui.text import NO_TEXT, SafeText


class Standing(Enum):
    """The answer. The value is the word shown."""

    OK = "ok"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out: one sentence, the evidence for it, and what to do where it is wrong. ``details``: further lines.

    ``decides``: False where no handover depends on it here, whatever its question is.
    """

    standing: Standing
    says: SafeText
    evidence: tuple[Evidence, ...] = ()
    remedy: SafeText = NO_TEXT
    details: tuple[SafeText, ...] = ()
    decides: bool = True


@dataclass(frozen=True, kw_only=True)
class Question:
    """``name``: for programs; ``title``: what is asked. ``decides``: a handover depends on it, so that unknown is an answer of 2."""

    name: str
    title: str
    ask: Callable[[Case], Finding]
    decides: bool = False


@dataclass(frozen=True, slots=True)
class Examined:
    """A question with its answer."""

    question: Question
    finding: Finding

    @property
    def decides(self) -> bool:
        """Whether a handover depends on it."""
        return self.question.decides and self.finding.decides

    @property
    def undecided(self) -> bool:
        """Whether it leaves open what a handover depends on."""
        return self.decides and self.finding.standing is Standing.UNKNOWN


def ok(says: str, *evidence: Evidence, details: tuple[SafeText, ...] = ()) -> Finding:
    """Nothing wrong here; captured text in ``says`` has gone through ``visible``, here as below."""
    return Finding(Standing.OK, SafeText(says), evidence, details=details)


def wrong(says: str, remedy: str, *evidence: Evidence, details: tuple[SafeText, ...] = ()) -> Finding:
    """Something is amiss."""
    return Finding(Standing.WRONG, SafeText(says), evidence, SafeText(remedy), details)


def unknown(says: str, *evidence: Evidence, remedy: str = "", details: tuple[SafeText, ...] = (), decides: bool = True) -> Finding:
    """Nothing at hand decides; ``says`` why."""
    return Finding(Standing.UNKNOWN, SafeText(says), evidence, SafeText(remedy), details, decides)
