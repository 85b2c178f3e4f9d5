"""What reading and check have to say of a state, as rows: findings and broken rules, the verdict, each release, what cannot be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.model.codes import CODES
from kho_tui.model.finding import WORST_FIRST, Finding, Severity
from kho_tui.model.path import EntityPath
from kho_tui.text import NO_TEXT, SafeText, plural, visible
from kho_tui.views.reception import OUTCOMES, outcome_name
from kho_tui.views.tui.lines import Line, Role, spans
from kho_tui.views.tui.loaded import Loaded

if TYPE_CHECKING:
    from kho_tui.analysis.checks.report import Report, Result
    from kho_tui.analysis.compat import Compatibility
    from kho_tui.operations.judge_state import Judged

SEVERITY_ROLE: Mapping[str, Role] = {"error": Role.BAD, "warning": Role.WARN, "info": Role.TEXT}
CHECK, TARGET, UNTOLD = "check", "target", "untold"
KINDS = (*WORST_FIRST, CHECK, TARGET, UNTOLD)
"""First words of rows, in the order of the list."""
CANNOT_TELL = "cannot tell"
_WHOLE = EntityPath()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """A row. ``code`` is that of a finding, or the name of a release; ``more`` is said below the list, what matters most first.

    ``folds``: Enter shows or hides the rows behind it.
    """

    kind: str
    code: SafeText
    message: SafeText
    role: Role
    where: EntityPath = _WHOLE
    address: int | None = None
    more: tuple[SafeText, ...] = ()
    folds: bool = False

    @property
    def is_fault(self) -> bool:
        """Whether it is a finding or a broken rule."""
        return self.kind in WORST_FIRST


def faults(loaded: Loaded) -> list[CheckRow]:
    """Broken rules as soon as they are known, and findings of decoding, which often say the same with less; worst first."""
    judged = loaded.checking.judged
    results = judged.report.results if judged is not None else ()
    rows = [row for result in results if result.count and result.code not in CODES for row in _broken(result)]
    rows += [_finding(one) for one in loaded.state.findings]
    return sorted(rows, key=lambda row: KINDS.index(row.kind))


def check_rows(loaded: Loaded, *, unfolded: bool) -> list[CheckRow]:
    """All rows; ``unfolded``: with one for each rule that cannot be told."""
    judged = loaded.checking.judged
    rows = faults(loaded)
    if judged is None:
        return [*rows, CheckRow(kind=CHECK, code=NO_TEXT, message=loaded.checking.said, role=Role.DIM)]
    return [*rows, _verdict(judged.report), *_targets(judged), *_untold(judged.report, unfolded=unfolded)]


def verdict_line(loaded: Loaded) -> SafeText:
    """What check says, or how far it is."""
    judged = loaded.checking.judged
    return loaded.checking.said if judged is None else SafeText(f"{judged.report.side}: {judged.report.verdict}")


def _finding(one: Finding) -> CheckRow:
    more = (SafeText(f"{one.code}: {CODES[one.code].meaning}"),) if one.code in CODES else ()
    return CheckRow(
        kind=one.severity,
        code=SafeText(one.code),
        message=one.message,
        role=SEVERITY_ROLE[one.severity],
        where=one.where,
        address=one.address,
        more=more,
    )


def _broken(result: Result) -> Iterator[CheckRow]:
    rule, code, role = result.rule, SafeText(result.code), SEVERITY_ROLE[result.severity]
    assert rule is not None  # what decoding met is a finding
    more = (
        SafeText(f"not so: {rule.title}"),
        SafeText(f"next kernel: {rule.consequence}"),
        SafeText(f"source: {rule.source}; {'; '.join(map(str, rule.spans))}"),
        SafeText(f"checked: {rule.explanation}"),
        *_lacking(result),
    )
    for case in result.cases:
        yield CheckRow(kind=result.severity, code=code, message=case.message, role=role, where=case.where, address=case.address, more=more)
    left = result.count - len(result.cases)
    if left:
        yield CheckRow(kind=result.severity, code=code, message=SafeText(f"and {left} more of this kind"), role=role, more=more)


def _lacking(result: Result) -> Iterator[SafeText]:
    """A rule that is broken where it could be looked at may be broken elsewhere too."""
    if result.lacks:
        yield SafeText(f"not all of it could be looked at: {'; '.join(f'{one.name}: {one.reason}' for one in result.lacks[:3])}")


def _verdict(report: Report) -> CheckRow:
    from kho_tui.analysis.checks.answer import Answer

    codes = [(answer, [one.code for one in report.of(answer) if one.code not in CODES]) for answer in Answer]
    counts = ", ".join(f"{len(some)} {answer.value}" for answer, some in codes if some)
    role = Role.BAD if report.broken["error"] else Role.WARN if report.broken["warning"] or not report.told else Role.TITLE
    listed = [SafeText(f"{answer.value}: {', '.join(sorted(some))}") for answer, some in codes if some and answer is not Answer.HOLDS]
    return CheckRow(
        kind=CHECK,
        code=NO_TEXT,
        message=SafeText(f"{report.side}: {report.verdict}"),
        role=role,
        more=(SafeText(f"rules: {counts}"), *listed),
    )


def outcome_word(found: Compatibility) -> str:
    """What becomes of the state, in a word or two."""
    return CANNOT_TELL if found.outcome is None else OUTCOMES[found.outcome].word


def outcome_reason(found: Compatibility) -> SafeText:
    """What decides on it; empty where nothing speaks against it."""
    if found.loading is not None and found.loads is False:
        return found.loading.reason
    if found.outcome is None:
        return SafeText(found.reception.undecided[0].met)
    deciding = found.reception.deciding
    return NO_TEXT if deciding is None else SafeText(deciding.met)


def outcome_role(outcome: Outcome | None, sound: Role) -> Role:
    """Loud where the state is lost or worse; ``sound`` where it is not, or where that cannot be told."""
    severity = None if outcome is None else OUTCOMES[outcome].severity
    return sound if severity is None else SEVERITY_ROLE[severity]


def _targets(judged: Judged) -> Iterator[CheckRow]:
    if judged.not_asked:
        yield CheckRow(kind=TARGET, code=NO_TEXT, message=judged.not_asked, role=Role.DIM)
    for found in judged.releases:
        open_ = SafeText(f"{plural(len(found.open), 'thing')} cannot be told") if found.open else NO_TEXT
        said = ": ".join(part for part in (outcome_word(found), outcome_reason(found) or open_) if part)
        yield CheckRow(
            kind=TARGET,
            code=found.target.name,
            message=SafeText(said),
            role=outcome_role(found.outcome, Role.TEXT),
            more=tuple(_answer(found)),
        )


def _answer(found: Compatibility) -> Iterator[SafeText]:
    if found.assumed:
        yield SafeText(f"assuming {', '.join(found.assumed)}")
    deciding = found.reception.deciding if found.outcome is not None else None
    if deciding is not None:
        check = deciding.check
        yield SafeText(f"decided by {check.name} ({check.stage.value}): {check.question}? {check.consequence}")
        yield SafeText(f"source: {check.source}")
    for name, (outcome, met) in found.reception.consumers.items() if found.outcome is not None else ():
        yield SafeText(f"{visible(name)}: {outcome_name(outcome)}" + (f": {met}" if met else ""))
    for reason in found.open[:8]:
        yield SafeText(f"cannot be told: {reason}")
    yield from found.notes


def _untold(report: Report, *, unfolded: bool) -> Iterator[CheckRow]:
    if not report.untold:
        return
    why = tuple(SafeText(f"{reason}: {', '.join(codes)}") for reason, codes in report.lacking.items())
    said = SafeText(f"{plural(len(report.untold), 'rule')} cannot be told (Enter {'hides' if unfolded else 'shows'} them)")
    yield CheckRow(kind=UNTOLD, code=NO_TEXT, message=said, role=Role.WARN, more=why, folds=True)
    for one in report.untold if unfolded else ():
        lacks = tuple(SafeText(f"{lack.name}: {lack.reason}") for lack in one.lacks)
        yield CheckRow(
            kind=UNTOLD,
            code=SafeText(one.code),
            message=SafeText(one.title),
            role=Role.TEXT,
            more=(*lacks, SafeText(f"severity: {one.severity}")),
        )


@dataclass(frozen=True, slots=True)
class Marks:
    """What errors and warnings speak of, the worst of each; ``above``: of what lies below a path."""

    at: Mapping[EntityPath, Severity]
    above: Mapping[EntityPath, Severity]


NO_MARKS = Marks({}, {})
_SIGN: Mapping[str, str] = {"error": "! ", "warning": "? "}


def marks_of(rows: list[CheckRow]) -> Marks:
    """The marks of faults, which come worst first."""
    at: dict[EntityPath, Severity] = {}
    above: dict[EntityPath, Severity] = {}
    for row in rows:
        severity = next(one for one in WORST_FIRST if one == row.kind)
        if severity == "info" or not row.where.parts:
            continue
        at.setdefault(row.where, severity)
        for length in range(1, len(row.where.parts)):
            above.setdefault(EntityPath(row.where.parts[:length]), severity)
    return Marks(at, above)


def mark_line(marks: Marks, path: EntityPath, *, with_below: bool) -> Line:
    """A sign before what an error or a warning speaks of, a quieter one where it is of something below that is not shown itself."""
    severity = marks.at.get(path)
    if severity is not None:
        return spans((_SIGN[severity], SEVERITY_ROLE[severity]))
    below = marks.above.get(path) if with_below else None
    return () if below is None else spans((_SIGN[below], Role.DIM))
