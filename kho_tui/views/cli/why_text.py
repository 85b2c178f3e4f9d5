"""What ``why`` prints: a line for each question of the checkup, or the causes of a symptom with evidence, remedy and source."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from kho_tui.analysis.checkup.question import Examined, Standing
from kho_tui.analysis.symptoms.case import Evidence
from kho_tui.analysis.symptoms.explain import Explained, WeighedCause
from kho_tui.analysis.symptoms.symptom import Certainty
from kho_tui.capture import probe
from kho_tui.capture.live.debugfs import is_live
from kho_tui.errors import InputError
from kho_tui.operations.why import MAX_LOG, Answer, Checkup, asks_kernels, case_of, checkup, explain_log, explain_words
from kho_tui.text import visible
from kho_tui.views.cli.opened import telling, write_json
from kho_tui.views.cli.request import THIS_MACHINE, split_side
from kho_tui.views.export.why_json import answer_json, checkup_json

STANDARD_INPUT = "-"
_STYLES = {Standing.OK: "green", Standing.WRONG: "bold red", Standing.UNKNOWN: "yellow"}
_CERTAINTY = {Certainty.CERTAIN: "bold red", Certainty.LIKELY: "yellow", Certainty.POSSIBLE: "", Certainty.REFUTED: "bright_black"}
_OF_THE_MACHINE = ("/dev/", "/sys/", "/proc/")
_TITLE = 15
_SHOWN = 12
"""Known words that are listed for one that is not."""


@dataclass(frozen=True, slots=True)
class WhyRequest:
    """What the user said: ``words``, a capture (None: this machine), whether a log comes on standard input, a directory of kernels."""

    words: str
    path: str | None
    log: bool
    images: Path | None


def read_arguments(arguments: Sequence[str], images: Path | None) -> WhyRequest:
    """Words, then a capture: the last argument that is a path, else the first one. Raises InputError for a path that is none."""
    rest = [one for one in arguments if one != STANDARD_INPUT]
    at = next((number for number in (len(rest) - 1, 0) if rest and _is_capture(rest[number])), None)
    # A side of it says nothing less than all of it: the whole is looked at.
    path = None if at is None else split_side(rest.pop(at), None)[0]
    missing = next((one for one in rest if _looks_like_a_path(one)), None)
    if missing is not None:
        raise InputError(f"{visible(missing[:200])}: no such file or directory")
    return WhyRequest(" ".join(rest).strip(), path, len(arguments) > len(rest) + (path is not None), images)


def why(request: WhyRequest, *, as_json: bool) -> int:
    """Answer and print; the exit code."""
    log = _standard_input() if request.log else b""
    # A log that is given is of a machine that need not be this one.
    path = request.path if request.path is not None or request.log else THIS_MACHINE
    no_words = not request.words
    with ExitStack() as stack:
        context = stack.enter_context(telling())
        case = stack.enter_context(
            case_of(path, context, log=log, images=request.images, look_for_images=no_words or asks_kernels(request.words), rules=no_words)
        )
        if case.changed:
            print(f"kho-tui: {case.changed}", file=sys.stderr)
        if no_words and not request.log:
            found = checkup(case)
            stack.close()
            if as_json:
                write_json(checkup_json(found))
            else:
                _print(checkup_lines(found))
            return found.exit_code
        answer = explain_log(case) if no_words else explain_words(request.words, case)
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
    deciding = (one for one in found.examined if one.question.decides and one.finding.standing is Standing.UNKNOWN)
    undecided = ", ".join(one.question.title for one in deciding)
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
    if not answer.explained:
        if answer.note:
            yield _Line("bold", f"{answer.asked}: {answer.note}")
            return
        yield _Line("bold", f"{answer.asked}: not a symptom that is known here")
        yield _Line("", f"known are, the nearest first: {', '.join(answer.known[:_SHOWN])}")
        if len(answer.known) > _SHOWN:
            yield _Line("", f"and {', '.join(answer.known[_SHOWN:])}")
        yield _Line("", "a line of the kernel's log is taken too, and a whole log on standard input:  dmesg | kho-tui why -")
        return
    yield _Line("", f"evidence from: {answer.subject}")
    for one in answer.explained:
        yield from _explained(one)
    if answer.others:
        yield _Line("", f"also: {', '.join(f'kho-tui why {name}' for name in answer.others)}")


def _explained(one: Explained) -> Iterator[_Line]:
    yield _Line("bold", one.symptom.title)
    standing = [cause for cause in one.causes if cause.weighed.certainty is not Certainty.REFUTED]
    if not standing:
        yield _Line("", "  the evidence rules out every cause that is known")
    for cause in standing:
        yield from _cause(cause)
    for cause in one.causes:
        if cause.weighed.certainty is Certainty.REFUTED:
            yield _Line(_CERTAINTY[Certainty.REFUTED], f"  ruled out: {cause.cause.says}{_quoted(cause.weighed.evidence)}")


def _cause(one: WeighedCause) -> Iterator[_Line]:
    yield _Line(_CERTAINTY[one.weighed.certainty], f"  {one.weighed.certainty.value}: {one.cause.says}")
    yield from (_Line("", f"    evidence: {seen.file}: {seen.value}") for seen in one.weighed.evidence)
    if one.weighed.needs:
        yield _Line("", f"    would decide: {one.weighed.needs}")
    yield _Line("", f"    remedy: {one.cause.remedy}")
    yield _Line("", f"    source: {one.cause.source}")


def _is_capture(text: str) -> bool:
    """Whether it is a path that can be opened: never a device, of which an open may change the state."""
    try:
        where = Path(split_side(text, None)[0])
        return where.is_dir() or where.is_file() or is_live(where, probe.LIVE_ROOT)
    except (OSError, ValueError):
        return False


def _looks_like_a_path(text: str) -> bool:
    return text.startswith(("/", "./", "../", "~")) and not text.startswith(_OF_THE_MACHINE) and " " not in text


def _standard_input() -> bytes:
    data = sys.stdin.buffer.read(MAX_LOG + 1)
    if len(data) > MAX_LOG:
        print(f"kho-tui: only the first {MAX_LOG} bytes of the log are read", file=sys.stderr)
    return data[:MAX_LOG]


def _print(lines: Iterator[_Line]) -> None:
    if not sys.stdout.isatty():
        sys.stdout.writelines(f"{line.text}\n" for line in lines)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for line in lines:
        console.print(Text(line.text, line.style))
