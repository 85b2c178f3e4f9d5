"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kho_tui.analysis.checks.answer import Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.model.finding import WORST_FIRST, Severity
from kho_tui.releases.ranges import FIRST_WITH_KHO, Range
from kho_tui.releases.table import Release

_OLDEST = FIRST_WITH_KHO


@dataclass(frozen=True, slots=True)
class Span:
    """Releases that a rule speaks of, and how bad it is there."""

    severity: Severity
    releases: Range

    def holds(self, release: Release) -> bool:
        """Whether the release is one of them."""
        return self.releases.covers(release.version) is True

    def __str__(self) -> str:
        return f"{self.severity}, {'all releases' if self.releases == Range(_OLDEST) else self.releases}"


Check = Callable[[Evidence, Found], None]


@dataclass(frozen=True, slots=True, kw_only=True)
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
    return lambda check: Rule(
        code=code, title=title, spans=spans, explanation=explanation, consequence=consequence, source=source, check=check, across=across
    )


def error(since: str = _OLDEST, until: str | None = None) -> Span:
    """The next kernel breaks or corrupts."""
    return Span("error", Range(since, until))


def warning(since: str = _OLDEST, until: str | None = None) -> Span:
    """Suspicious."""
    return Span("warning", Range(since, until))


def info(since: str = _OLDEST, until: str | None = None) -> Span:
    """Worth knowing."""
    return Span("info", Range(since, until))
