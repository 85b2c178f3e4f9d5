"""What ``check`` prints: the verdict, what is broken, what cannot be told and why, what restoring costs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

from kho_tui.analysis.checks.answer import Answer
from kho_tui.analysis.checks.cost import RestoreCost
from kho_tui.analysis.checks.registry import codes_of, rules_of
from kho_tui.analysis.checks.report import Report, Result
from kho_tui.errors import InputError
from kho_tui.model.codes import CODES
from kho_tui.model.facts import Missing
from kho_tui.operations.check_state import check_state
from kho_tui.operations.check_target import TargetRequest, check_target, exit_code, read_target
from kho_tui.subsystems.registry import builtin
from kho_tui.text import plural, visible
from kho_tui.views.cli.opened import opening, telling, write_json
from kho_tui.views.cli.request import Request
from kho_tui.views.cli.target_text import target_lines
from kho_tui.views.export.check_json import check_json

_STYLES = {"error": "bold red", "warning": "yellow", "info": "bright_black"}


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """How a state is to be checked. ``after``: path of the state after the kexec; ``only``, ``skip``: codes, none for all."""

    after: str | None
    only: tuple[str, ...]
    skip: tuple[str, ...]
    strict: bool
    target: TargetRequest | None = None


def check(request: Request, wanted: CheckRequest, *, as_json: bool) -> int:
    """Check and print; the exit code. Raises InputError for a request that makes no sense."""
    only, skip = (tuple(code.upper() for code in codes) for codes in (wanted.only, wanted.skip))
    with ExitStack() as stack:
        target = None
        if wanted.target is not None:
            with telling() as context:
                target = read_target(wanted.target, context)
        # A side is compared with its neighbour, so the state is opened whole.
        opened = stack.enter_context(opening(replace(request, side=None), prints_findings=True))
        after = None
        if wanted.after is not None:
            after = stack.enter_context(opening(replace(request, path=wanted.after, side=None))).state
        with telling() as context:
            checked = check_state(opened, context, side=request.side, after=after, only=only, skip=skip)
            received = (
                None
                if target is None or wanted.target is None
                else check_target(opened, target, request.side, context, assume=wanted.target.assume)
            )
        code = exit_code(checked, received, strict=wanted.strict)
        if as_json:
            write_json(check_json(checked, received, strict=wanted.strict))
        else:
            if received is not None:
                told = target_lines(received, checked.report.broken["error"])
                _print(_Line("bold" if number == 0 else "", line) for number, line in enumerate(told))
            if checked.not_after:
                _print(iter((_Line("bold red", f"--after does not fit: {checked.not_after}"),)))
            _print(check_lines(checked.report))
    return code


def list_codes() -> int:
    """Print every code with its severity and what it says."""
    rules = rules_of(builtin())
    for code in codes_of(builtin()):
        if code in rules:
            severity, title = rules[code].spans[0].severity, rules[code].title
        else:
            severity, title = CODES[code].severity, f"decoding: {CODES[code].meaning}"
        sys.stdout.write(f"{code}  {severity:<7}  {title}\n")
    return 0


def explain(code: str) -> int:
    """Print all that is known of a code. Raises InputError for one that is none."""
    sys.stdout.writelines([f"{line}\n" for line in _explanation(code)])
    return 0


def _explanation(asked: str) -> Iterator[str]:
    code, rules = asked.upper(), rules_of(builtin())
    if code not in codes_of(builtin()):
        raise InputError(f"there is no code {visible(asked[:40])}: see kho-tui check --list")
    if code in rules:
        rule = rules[code]
        yield f"{code}: {rule.title}"
        yield f"severity: {'; '.join(map(str, rule.spans))}"
        yield f"how it is checked: {rule.explanation}"
        yield f"if it is broken: {rule.consequence}"
        yield f"source: {rule.source}"
        if rule.across:
            yield "asked only with the state after the kexec (--after)"
    else:
        yield f"{code}: {CODES[code].meaning}"
        yield f"severity: {CODES[code].severity}"
        yield "met while the state is decoded"


@dataclass(frozen=True, slots=True)
class _Line:
    style: str
    text: str


def check_lines(report: Report) -> Iterator[_Line]:
    """The whole report, one line at a time."""
    yield _Line("bold", f"{report.side}: {report.verdict}" if report.told else report.verdict)
    for one in report.of(Answer.BROKEN):
        yield from _broken(one)
    for reason, codes in report.lacking.items():
        yield _Line("yellow", f"cannot be told, for want of {_named(report, reason)}: {', '.join(codes)}")
        yield _Line("", f"  {reason}")
    beside = [one.code for one in report.of(Answer.BROKEN) if one.lacks]
    if beside:
        yield _Line("yellow", f"broken, and not all of it could be looked at: {', '.join(beside)}")
    holding, unasked = report.of(Answer.HOLDS), report.of(Answer.NOT_ASKED)
    yield _Line("", f"{plural(len(holding), 'rule')} {'holds' if len(holding) == 1 else 'hold'}: {_codes(holding)}")
    if unasked:
        yield _Line("", f"not asked of this state: {_codes(unasked)}")
    yield _Line("", _cost(report.cost))


def _broken(one: Result) -> Iterator[_Line]:
    many = f" ({one.count} times)" if one.count > 1 else ""
    title = one.title if one.code in CODES else f"not so: {one.title}"
    yield _Line(_STYLES[one.severity], f"{one.severity} {one.code}{many}: {title}")
    for case in one.cases:
        place = " ".join(part for part in (case.where.text, f"{case.address:#x}" if case.address is not None else "") if part)
        yield _Line("", f"  {place or 'the state'}: {case.message}")
    if one.count > len(one.cases):
        yield _Line("", f"  and {one.count - len(one.cases)} more")
    if one.consequence:
        yield _Line("", f"  consequence: {one.consequence}")


def _named(report: Report, reason: str) -> str:
    names = dict.fromkeys(lack.name for one in report.untold for lack in one.lacks if lack.reason == reason)
    shown = list(names)[:3]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")


def _codes(results: tuple[Result, ...]) -> str:
    return ", ".join(sorted(one.code for one in results)) or "none"


def _cost(cost: RestoreCost) -> str:
    values = (
        ("block", cost.keys),
        ("page", cost.pages),
        ("tracker page", cost.tracker_pages),
        ("session", cost.sessions),
        ("file", cost.files),
        ("folio", cost.folios),
    )
    known = [plural(value, name) for name, value in values if not isinstance(value, Missing)]
    missing = dict.fromkeys(str(value.reason) for _, value in values if isinstance(value, Missing))
    bound = f" (at least: {cost.bound})" if cost.bound else ""
    unknown = f"; not known: {'; '.join(missing)}" if missing else ""
    return f"restoring it costs: {', '.join(known) or 'nothing that is known'}{bound}{unknown}"


def _print(lines: Iterator[_Line]) -> None:
    if not sys.stdout.isatty():
        sys.stdout.writelines(f"{line.text}\n" for line in lines)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for line in lines:
        console.print(Text(line.text, line.style))
