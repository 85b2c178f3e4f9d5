"""What ``why`` prints: a line for each question of the checkup, or the causes of a symptom with evidence, remedy and source."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from kho_tui.analysis.checkup.question import Examined, Standing
from kho_tui.analysis.symptoms.case import Evidence
from kho_tui.analysis.symptoms.explain import Explained, WeighedCause
from kho_tui.analysis.symptoms.symptom import Certainty, Symptom
from kho_tui.analysis.symptoms.table import SYMPTOMS
from kho_tui.operations.why import Answer, Checkup, case_of, checkup, explain_log, explain_words
from kho_tui.views.cli.opened import telling, write_json
from kho_tui.views.cli.request import THIS_MACHINE
from kho_tui.views.cli.why_request import WhyRequest, read_log
from kho_tui.views.export.why_json import answer_json, checkup_json

_STYLES = {Standing.OK: "green", Standing.WRONG: "bold red", Standing.UNKNOWN: "yellow"}
_CERTAINTY = {Certainty.CERTAIN: "bold red", Certainty.LIKELY: "yellow", Certainty.POSSIBLE: "", Certainty.REFUTED: "bright_black"}
_TITLE = 15
_SHOWN = 3
"""Symptoms that are offered for words that name none."""


def why(request: WhyRequest, *, as_json: bool) -> int:
    """Answer and print; the exit code."""
    log = b"" if request.log is None else read_log(request.log)
    # A log that is given is of a machine that need not be this one.
    implied = request.path is None and request.log is None
    no_words = not request.words
    with ExitStack() as stack:
        context = stack.enter_context(telling())
        path = THIS_MACHINE if implied else request.path
        case = stack.enter_context(case_of(path, context, log=log, images=request.images, rules=no_words, implied=implied and not no_words))
        if case.changed:
            print(f"kho-tui: {case.changed}", file=sys.stderr)
        if no_words and request.log is None:
            found = checkup(case)
            stack.close()
            if as_json:
                write_json(checkup_json(found))
            else:
                _print(checkup_lines(found))
            return found.exit_code
        answer = explain_log(log, case) if no_words else explain_words(request.words, case)
    if as_json:
        write_json(answer_json(answer))
    else:
        _print(answer_lines(answer))
    return answer.exit_code


@dataclass(frozen=True, slots=True)
class _Line:
    style: str
    text: str


def checkup_lines(found: Checkup) -> Iterator[_Line]:
    """A line for each question, what is wrong with its remedy below it."""
    amiss = ", ".join(one.question.title for one in found.examined if one.finding.standing is Standing.WRONG)
    undecided = ", ".join(one.question.title for one in found.examined if one.undecided)
    told = {0: "nothing amiss was found", 1: f"amiss: {amiss}", 2: f"nothing amiss was found, and unknown is what decides: {undecided}"}
    yield _Line("bold", f"{found.subject}: {told[found.exit_code]}")
    for one in found.examined:
        yield from _examined(one)


def _examined(one: Examined) -> Iterator[_Line]:
    finding = one.finding
    yield _Line(
        _STYLES[finding.standing], f"{finding.standing.value:<7}  {one.question.title:<{_TITLE}} {finding.says}{_quoted(finding.evidence)}"
    )
    indent = " " * (10 + _TITLE)
    yield from (_Line("", f"{indent}{detail}") for detail in finding.details)
    if finding.remedy:
        yield _Line("", f"{indent}remedy: {finding.remedy}")


def _quoted(evidence: Sequence[Evidence]) -> str:
    return f"  [{'; '.join(f'{one.file}: {one.value}' for one in evidence)}]" if evidence else ""


def answer_lines(answer: Answer) -> Iterator[_Line]:
    """Each symptom with its causes; a word that is not known with those that are."""
    yield from _answered(answer)
    if answer.left_out:
        yield _Line("", str(answer.left_out))


def _answered(answer: Answer) -> Iterator[_Line]:
    if not answer.explained:
        if answer.note:
            yield _Line("bold", f"{answer.asked}: {answer.note}")
            return
        yield _Line("bold", f"{answer.asked}: not a symptom that is known here")
        if answer.nearest:
            yield _Line("", "did you mean:")
            yield from (_named(symptom) for symptom in answer.nearest[:_SHOWN])
        yield _Line("", f"all that are known: {', '.join(sorted(symptom.name for symptom in SYMPTOMS))}")
        yield _Line("", "a line of the kernel's log is taken too, and a whole log on standard input:  dmesg | kho-tui why -")
        return
    yield _Line("", f"evidence from: {answer.subject}")
    if answer.note:
        yield _Line("", f"{answer.asked}: {answer.note}")
    for explained in answer.explained:
        yield from _explained(explained)
    if answer.others:
        yield _Line("", "also:")
        yield from (_named(symptom) for symptom in answer.others)


def _named(symptom: Symptom) -> _Line:
    return _Line("", f"  kho-tui why {symptom.name:<16} {symptom.title}")


def _explained(one: Explained) -> Iterator[_Line]:
    yield _Line("bold", one.symptom.title)
    quoted = {evidence for cause in one.causes for evidence in cause.weighed.evidence}
    yield from (_Line("", f"  seen in {line.file}: {line.value}") for line in one.seen if line not in quoted)
    standing = [cause for cause in one.causes if cause.stands]
    if not standing:
        if all(cause.of_another for cause in one.causes):
            nothing = "no cause of that call with that error is known here"
        else:
            nothing = "the evidence rules out every cause that is known here: "
            nothing += "it is another one, or the evidence is of another machine or boot"
        yield _Line("", f"  {nothing}")
    undecided = [cause for cause in standing if cause.weighed.certainty is Certainty.POSSIBLE]
    for cause in standing:
        if len(standing) > 1 and undecided and cause is undecided[0]:
            beside = "not ruled out beside it" if standing[0] is not cause else "nothing at hand decides which; the most common first"
            yield _Line("", f"  {beside}:")
        yield from _cause(cause)
    for cause in one.causes:
        if cause.of_another:
            other = [*sorted(call.value for call in cause.cause.calls)] if cause.other_call else [*sorted(cause.cause.errors)]
            what = "call" if cause.other_call else "error"
            yield _Line(_CERTAINTY[Certainty.REFUTED], f"  of another {what} ({', '.join(other)}): {cause.cause.says}")
        elif not cause.stands:
            yield _Line(_CERTAINTY[Certainty.REFUTED], f"  ruled out: {cause.cause.says}{_quoted(cause.weighed.evidence)}")


def _cause(one: WeighedCause) -> Iterator[_Line]:
    yield _Line(_CERTAINTY[one.weighed.certainty], f"  {one.weighed.certainty.value}: {one.cause.says}")
    yield from (_Line("", f"    evidence: {seen.file}: {seen.value}") for seen in one.weighed.evidence)
    if one.weighed.needs:
        yield _Line("", f"    would decide: {one.weighed.needs}")
    yield _Line("", f"    remedy: {one.cause.remedy}")
    yield _Line("", f"    source: {one.cause.source}")


def _print(lines: Iterator[_Line]) -> None:
    if not sys.stdout.isatty():
        sys.stdout.writelines(f"{line.text}\n" for line in lines)
        return
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False)
    for line in lines:
        text = line.text.lstrip(" ")
        # What does not fit goes on below its own beginning.
        console.print(Padding(Text(text, line.style), (0, 0, 0, len(line.text) - len(text))))
