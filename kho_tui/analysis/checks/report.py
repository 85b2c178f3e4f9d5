"""The answers of all rules on one side, and the verdict that follows from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from kho_tui.analysis.checks.answer import NAMED, SUBTREES, Answer, Case, Found, Lack
from kho_tui.analysis.checks.cost import RestoreCost, restore_cost
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.registry import rules_of
from kho_tui.analysis.checks.rule import Rule
from kho_tui.model.codes import CODES
from kho_tui.model.facts import Missing
from kho_tui.model.finding import WORST_FIRST, Finding, Severity
from kho_tui.text import NO_TEXT, SafeText, plural

_NO_AFTER = SafeText("asked only with the state after the kexec (--after)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One code's answer. ``count`` cases, of which ``cases`` are named; ``reason`` says why a rule was not asked.

    ``lacks`` may also stand beside broken cases: there may be more of them, and worse: ``at_worst`` is the
    rule's own severity.
    """

    code: str
    title: str
    severity: Severity
    answer: Answer
    count: int
    cases: tuple[Case, ...]
    lacks: tuple[Lack, ...]
    reason: SafeText
    consequence: str
    at_worst: Severity
    rule: Rule | None = None
    """None: it was met while decoding."""


@dataclass(frozen=True, eq=False)
class Report:
    """All results by code, those of rules and those of what decoding met, and what restoring costs."""

    side: str
    results: tuple[Result, ...]
    cost: RestoreCost
    named: frozenset[str] = frozenset()
    """Codes that were asked for by name."""
    unread: SafeText | None = None
    """Why all this is no pass: something of the state was not read. None where all was, or only some codes were asked for."""

    def of(self, answer: Answer) -> tuple[Result, ...]:
        """The results with one answer, worst first."""
        found = [one for one in self.results if one.answer is answer]
        return tuple(sorted(found, key=lambda one: (WORST_FIRST.index(one.severity), one.code)))

    @cached_property
    def broken(self) -> Mapping[Severity, int]:
        """Broken codes by severity."""
        counts = Counter(one.severity for one in self.of(Answer.BROKEN))
        return {severity: counts[severity] for severity in WORST_FIRST}

    @property
    def untold(self) -> tuple[Result, ...]:
        """Rules that cannot be told, worst first."""
        return self.of(Answer.CANNOT_TELL)

    @property
    def told(self) -> bool:
        """Whether anything could be checked at all: a rule, or an anomaly that was asked for by name."""
        answered = [one.code for one in self.results if one.answer in (Answer.HOLDS, Answer.BROKEN)]
        return any(code in self.named or code not in CODES for code in answered)

    @property
    def sound_for_certain(self) -> bool:
        """Whether no rule of severity error had to be left open."""
        return not any(lacking.at_worst == "error" for lacking in self.results if lacking.lacks)

    @cached_property
    def lacking(self) -> Mapping[SafeText, tuple[str, ...]]:
        """The reasons why rules cannot be told, most frequent first, with the rules' codes."""
        found: dict[SafeText, list[str]] = {}
        for one in self.untold:
            for reason in dict.fromkeys(lack.reason for lack in one.lacks):
                found.setdefault(reason, []).append(one.code)
        return {reason: tuple(sorted(codes)) for reason, codes in sorted(found.items(), key=lambda item: -len(item[1]))}

    @property
    def verdict(self) -> SafeText:
        """One line."""
        if not self.told and self.unread is None:
            said = "nothing could be checked"
        else:
            faults = [plural(self.broken[one], one) for one in ("error", "warning") if self.broken[one]]
            said = ", ".join(faults)
        if self.unread is not None:
            said = f"{said}{'; ' if said else ''}could not check: {self.unread}"
        said = said or "nothing wrong found"
        return SafeText(said + self._untold_words())

    def _untold_words(self) -> str:
        if not self.untold:
            return ""
        many = f"; {plural(len(self.untold), 'rule')} cannot be told"
        if self.unread is not None:
            return many
        reasons = list(self.lacking)
        names = {lack.name for one in self.untold for lack in one.lacks if lack.reason == reasons[0]}
        first = f"{names.pop()}: {reasons[0]}" if len(names) == 1 else reasons[0]
        more = f", and {plural(len(reasons) - 1, 'further reason')}" if len(reasons) > 1 else ""
        return f"{many}: {first}{more}"


def check(evidence: Evidence, *, only: Collection[str] = (), skip: Collection[str] = ()) -> Report:
    """Ask every rule (``only`` these codes where there are any, without those of ``skip``). Raises Cancelled."""

    def wanted(code: str) -> bool:
        return (not only or code in only) and code not in skip

    results = [*_asked(evidence, [one for code, one in rules_of(evidence.state.registry).items() if wanted(code)])]
    results += [one for one in _met(evidence.findings) if wanted(one.code)]
    results += [_unmet(code, evidence) for code in only if code in CODES and wanted(code) and code not in {one.code for one in results}]
    return Report(
        evidence.side.name,
        tuple(sorted(results, key=lambda one: one.code)),
        restore_cost(evidence),
        frozenset(only),
        None if only else evidence.unread,
    )


def _asked(evidence: Evidence, rules: list[Rule]) -> Iterator[Result]:
    for number, one in enumerate(rules):
        evidence.context.step(f"checking {one.code}", number, len(rules))
        yield _result(one, evidence)


def _result(one: Rule, evidence: Evidence) -> Result:
    severity = one.severity(evidence.releases)
    found = Found()
    if one.across and evidence.after is None:
        found.not_here(_NO_AFTER)
    elif severity is None:
        names = ", ".join(release.name for release in evidence.releases)
        found.not_here(f"it speaks of {'; '.join(map(str, one.spans))}, and this state is of {names}")
    else:
        one.check(evidence, found)
    at_worst: Severity = severity or one.spans[0].severity
    worst = at_worst
    if found.count:
        answer = Answer.BROKEN
        met = [level for level in (found.worst, worst if found.own else None) if level is not None]
        worst = min(met, key=WORST_FIRST.index)
    elif found.lacks:
        answer = Answer.CANNOT_TELL
    elif found.nothing:
        answer = Answer.NOT_ASKED
    else:
        answer = Answer.HOLDS
    reason = found.nothing if answer is Answer.NOT_ASKED else NO_TEXT
    # All cases have to be of the same lesser kind for the rule's own consequence not to come into question.
    (consequence,) = found.consequences if len(found.consequences) == 1 else (None,)
    cases, lacks = tuple(found.cases), tuple(found.lacks)
    return Result(
        code=one.code,
        title=one.title,
        severity=worst,
        answer=answer,
        count=found.count,
        cases=cases,
        lacks=lacks,
        reason=reason,
        consequence=consequence or one.consequence,
        at_worst=at_worst,
        rule=one,
    )


def _unmet(code: str, evidence: Evidence) -> Result:
    """An anomaly that was asked for and that decoding has not met; where there was nothing to decode that says nothing."""
    root = evidence.side.root
    lacks = (Lack(SUBTREES, root.reason),) if isinstance(root, Missing) and not evidence.side.subtrees_told else ()
    answer = Answer.CANNOT_TELL if lacks else Answer.HOLDS
    return Result(
        code=code,
        title=f"not met: {CODES[code].meaning}",
        severity=CODES[code].severity,
        answer=answer,
        count=0,
        cases=(),
        lacks=lacks,
        reason=NO_TEXT,
        consequence="",
        at_worst=CODES[code].severity,
    )


def _met(findings: tuple[Finding, ...]) -> Iterator[Result]:
    """What decoding met, a code at a time, with its own severity."""
    by_code: dict[str, list[Finding]] = {}
    for one in findings:
        by_code.setdefault(one.code, []).append(one)
    for code, some in by_code.items():
        severity = min((one.severity for one in some), key=WORST_FIRST.index)
        title = CODES[code].meaning if code in CODES else "met while decoding"
        cases = tuple(Case(one.message, one.where, one.address) for one in some[:NAMED])
        yield Result(
            code=code,
            title=title,
            severity=severity,
            answer=Answer.BROKEN,
            count=len(some),
            cases=cases,
            lacks=(),
            reason=NO_TEXT,
            consequence="",
            at_worst=severity,
        )
