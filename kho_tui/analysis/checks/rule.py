"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kho_tui.analysis.checks.answer import Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.model.finding import WORST_FIRST, Severity
from kho_tui.releases.table import RELEASES, Release

_NAMES = tuple(release.name for release in RELEASES)


@dataclass(frozen=True, slots=True)
class Span:
    """Releases that a rule speaks of, both ends included, and how bad it is there."""

    severity: Severity
    since: str = _NAMES[0]
    until: str = _NAMES[-1]

    def holds(self, release: Release) -> bool:
        """Whether the release is one of them."""
        return _NAMES.index(self.since) <= _NAMES.index(release.name) <= _NAMES.index(self.until)

    def __str__(self) -> str:
        if (self.since, self.until) == (_NAMES[0], _NAMES[-1]):
            return f"{self.severity}, all releases"
        return f"{self.severity}, {self.since}" + (" on" if self.until == _NAMES[-1] else f" to {self.until}" * (self.since != self.until))


Check = Callable[[Evidence, Found], None]


@dataclass(frozen=True, slots=True)
class Rule:
    """One invariant.

    ``title`` is what holds in a sound state; ``explanation`` how it is looked at; ``consequence`` what the next kernel makes of a state
    that breaks it; ``across``: a question about two boots, put only where the state after the kexec is at hand.
    """

    code: str
    title: str
    spans: tuple[Span, ...]
    explanation: str
    consequence: str
    source: str
    check: Check
    across: bool = False

    def severity(self, releases: Iterable[Release]) -> Severity | None:
        """The worst severity in any of the releases; None where it speaks of none of them."""
        found = {span.severity for span in self.spans for release in releases if span.holds(release)}
        return next((one for one in WORST_FIRST if one in found), None)


def rule(
    code: str, title: str, *spans: Span, explanation: str, consequence: str, source: str, across: bool = False
) -> Callable[[Check], Rule]:
    """Makes a rule of the function that looks."""
    return lambda check: Rule(code, title, spans, explanation, consequence, source, check, across)


def error(since: str = _NAMES[0], until: str = _NAMES[-1]) -> Span:
    """The next kernel breaks or corrupts."""
    return Span("error", since, until)


def warning(since: str = _NAMES[0], until: str = _NAMES[-1]) -> Span:
    """Suspicious."""
    return Span("warning", since, until)


def info(since: str = _NAMES[0], until: str = _NAMES[-1]) -> Span:
    """Worth knowing."""
    return Span("info", since, until)
