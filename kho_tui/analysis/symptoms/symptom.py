"""A symptom with its causes, and the answer of the check that weighs one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from kho_tui.abi.format import Format
from kho_tui.analysis.symptoms.calls import Call
from kho_tui.analysis.symptoms.case import Case, Evidence
from kho_tui.releases.ranges import Range
from kho_tui.text import NO_TEXT, SafeText


class Certainty(Enum):
    """How sure a cause is. The value is the word shown; REFUTED: what was seen rules it out."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"
    REFUTED = "ruled out"

    @property
    def rank(self) -> int:
        """0 for the surest."""
        return list(Certainty).index(self)


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a check found. ``needs``: what would decide it, where nothing at hand does."""

    certainty: Certainty
    evidence: tuple[Evidence, ...] = ()
    needs: SafeText = NO_TEXT


Ask: TypeAlias = Callable[[Case], Weighed]


def certain(*evidence: Evidence) -> Weighed:
    """The evidence alone proves the cause."""
    return Weighed(Certainty.CERTAIN, evidence)


def likely(*evidence: Evidence) -> Weighed:
    """The evidence speaks for the cause, and something else could explain it."""
    return Weighed(Certainty.LIKELY, evidence)


def possible(needs: str, *evidence: Evidence) -> Weighed:
    """Nothing at hand decides; ``needs`` says what would."""
    return Weighed(Certainty.POSSIBLE, evidence, SafeText(needs))


def refuted(*evidence: Evidence) -> Weighed:
    """The evidence rules the cause out."""
    return Weighed(Certainty.REFUTED, evidence)


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One cause. ``says``: what is wrong; ``remedy``: what to do, never at the risk of a host that does not boot.

    ``releases``: kernels that can have it, None: any with KHO; ``of_writer``: the kernel that handed over is meant, not the one that runs.
    ``source``: the kernel's file, with function and release. ``calls``: what fails for this cause, empty: any call; ``errors``: what it
    answers with, empty: any error of its symptom. ``words``: words of the user that point to this cause among the others of its symptom.
    """

    says: str
    remedy: str
    source: str
    ask: Ask
    releases: Range | None = None
    of_writer: bool = False
    calls: frozenset[Call] = frozenset()
    errors: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()

    def weigh(self, case: Case) -> Weighed:
        """The answer of the check, ruled out where the kernel's release cannot have it."""
        if self.releases is not None and self.of_writer:
            if case.writer is not None and case.registry.releases.covers(self.releases, case.writer) is False:
                return refuted(*case.writer_evidence)
        elif self.releases is not None and case.within(self.releases) is False:
            return refuted(case.release_evidence)
        return self.ask(case)


@dataclass(frozen=True, kw_only=True)
class Symptom:
    """``name``: one word, by which it is asked for. ``title``: what the user sees.

    Selected by: ``errno``, names of errors; ``calls`` that fail; ``phrases``, each a set of words (or beginnings of words) that all have to
    be said; ``kinds`` of log lines, those that ``pattern`` matches.

    A symptom has the causes that are likeliest where nothing is known of the machine first. Evidence of another moment than that of the
    symptom (a counter of meminfo, the sessions of now) makes a cause neither certain nor ruled out.
    """

    name: str
    title: str
    causes: tuple[Cause, ...]
    errno: tuple[str, ...] = ()
    phrases: tuple[frozenset[str], ...] = ()
    kinds: frozenset[str] = frozenset()
    calls: frozenset[Call] = frozenset()
    pattern: re.Pattern[bytes] = field(default=re.compile(rb""))

    def names_line(self, kind: str, text: bytes) -> bool:
        """Whether a line of the kernel's log is this symptom."""
        return kind in self.kinds and self.pattern.search(text) is not None


def versions_of(formats: Iterable[Format]) -> str:
    """Which releases write each version of a format, and accept no other: ``kho-v3: 7.1``."""
    return ", ".join(f"{form.compatible.decode()}: {form.written}" for form in formats if form.released)


def words(*phrases: str) -> tuple[frozenset[str], ...]:
    """Phrases as sets of their words."""
    return tuple(frozenset(phrase.split()) for phrase in phrases)
