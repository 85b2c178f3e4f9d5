"""What ``why`` prints: a line for each question of the checkup, or the causes of a symptom with evidence, remedy and source."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import BinaryIO

from kho_tui.analysis.checkup.question import Examined, Standing
from kho_tui.analysis.symptoms.case import Evidence
from kho_tui.analysis.symptoms.explain import Explained, WeighedCause
from kho_tui.analysis.symptoms.symptom import Certainty, Symptom
from kho_tui.analysis.symptoms.table import SYMPTOMS
from kho_tui.capture import probe
from kho_tui.capture.live.debugfs import is_live
from kho_tui.errors import InputError, ReadError
from kho_tui.operations.why import MAX_LOG, Answer, Checkup, case_of, checkup, explain_log, explain_words
from kho_tui.text import visible
from kho_tui.views.cli.opened import telling, write_json
from kho_tui.views.cli.request import THIS_MACHINE, split_side
from kho_tui.views.export.why_json import answer_json, checkup_json

STANDARD_INPUT = "-"
_STYLES = {Standing.OK: "green", Standing.WRONG: "bold red", Standing.UNKNOWN: "yellow"}
_CERTAINTY = {Certainty.CERTAIN: "bold red", Certainty.LIKELY: "yellow", Certainty.POSSIBLE: "", Certainty.REFUTED: "bright_black"}
_OF_THE_MACHINE = ("/dev/", "/sys/", "/proc/")
_TITLE = 15
_SHOWN = 3
"""Symptoms that are offered for words that name none."""
_FILE = re.compile(r"\.(?:tar|tgz|gz|zst|xz|elf|core|dump|vmcore|dtb|fdt|img|bin|txt|log)$", re.IGNORECASE)
_ALIKE = 0.8
_HEAD = 4096
"""Bytes of a file in which a kernel's log is known by its text."""


@dataclass(frozen=True, slots=True)
class WhyRequest:
    """What the user said: ``words``, a capture (None: this machine), where a log comes from (``-``: standard input), kernels' directory."""

    words: str
    path: str | None
    log: str | None
    images: Path | None


def read_arguments(arguments: Sequence[str], images: Path | None) -> WhyRequest:
    """Words, then a capture or a log: the last argument that is a path, else the first one. Raises InputError for a path that is none."""
    rest = [argument for argument in arguments if argument != STANDARD_INPUT]
    files = [argument for argument in rest if _is_capture(argument)]
    if len(files) > 1 and _FILE.search(files[0]) is not None:
        raise InputError(f"{visible(files[0])}, {visible(files[1])}: one capture or log at a time")
    log = STANDARD_INPUT if len(rest) < len(arguments) else None
    at = next((number for number in (len(rest) - 1, 0) if rest and _is_capture(rest[number])), None)
    # A side of it says nothing less than all of it: the whole is looked at.
    path = None if at is None else split_side(rest.pop(at), None)[0]
    missing = next((argument for argument in rest if _looks_like_a_path(argument)), None)
    if missing is not None:
        raise InputError(f"{visible(missing[:200])}: no such file or directory")
    if path is not None and _is_log(Path(path)):
        if log is not None:
            raise InputError(f"a log on standard input, and {visible(path)}: one log at a time")
        path, log = None, path
    if path is None and log is None and rest and (meant := _misspelt(rest[-1])):
        raise InputError(f"{visible(rest[-1][:200])}: no such file or directory; there is {visible(meant)}")
    return WhyRequest(" ".join(rest).strip(), path, log, images)


def why(request: WhyRequest, *, as_json: bool) -> int:
    """Answer and print; the exit code."""
    log = b"" if request.log is None else _read_log(request.log)
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
            proven = standing[0].weighed.certainty is Certainty.CERTAIN
            beside = "these are not ruled out beside it" if proven else "nothing at hand decides between these"
            yield _Line("", f"  {beside}, the likeliest first:")
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


def _is_capture(text: str) -> bool:
    """Whether it is a path that can be opened: never a device, of which an open may change the state."""
    try:
        where = Path(split_side(text, None)[0])
        # A place of the machine that is not there is what the user complains about.
        return where.is_dir() or where.is_file() or (where.exists() and is_live(where, probe.LIVE_ROOT))
    except (OSError, ValueError):
        return False


def _looks_like_a_path(text: str) -> bool:
    """Whether the argument is meant as a path, so that a missing file is reported and not taken for a word."""
    if " " in text or text.startswith(_OF_THE_MACHINE):
        return False
    return text.startswith(("/", "./", "../", "~")) or _FILE.search(text) is not None


def _misspelt(text: str) -> str | None:
    """The file in this directory that a word misspells; only words with a digit, dot, dash or underscore are looked at."""
    if not re.search(r"[-_.\d]", text) or " " in text or text.startswith("-") or "/" in text:
        return None
    try:
        names = [path.name for path in Path().iterdir()]
    except OSError:
        return None
    return next(iter(get_close_matches(text, names, 1, _ALIKE)), None)


def _is_log(path: Path) -> bool:
    """Whether it is a text file of a kernel's log, as ``dmesg > FILE`` writes it."""
    if not path.is_file() or str(path).startswith(_OF_THE_MACHINE):
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return b"\0" not in head and (b"Linux version " in head or re.match(rb"(?:<\d{1,6}>)?\[ *\d+\.\d+\]", head) is not None)


def _read_log(source: str) -> bytes:
    if source == STANDARD_INPUT:
        return _bounded(sys.stdin.buffer)
    try:
        with Path(source).open("rb") as file:
            return _bounded(file)
    except OSError as error:
        raise ReadError(f"{visible(source)}: {error.strerror or 'cannot be read'}") from None


def _bounded(file: BinaryIO) -> bytes:
    data = file.read(MAX_LOG + 1)
    if len(data) > MAX_LOG:
        print(f"kho-tui: only the first {MAX_LOG} bytes of the log are read", file=sys.stderr)
    return data


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
