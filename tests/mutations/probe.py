"""What every mutant goes through, and what must hold while it does."""

from __future__ import annotations

import contextlib
import io
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import typer
from captures import CHECKOUT, SAMPLES

from kho_tui.context import Context
from kho_tui.errors import KhoError
from kho_tui.model.entities.state import state_entity
from kho_tui.model.entity import Detail, RowSource, walk
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.views.cli.main import commands
from kho_tui.views.cli.show_text import print_state
from kho_tui.views.export.json_stream import json_pieces
from kho_tui.views.export.state_json import state_json
from kho_tui.views.format import format_value, hex_rows, plain_value
from mutations.workers import SECONDS

_RAW = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")
"""What must never reach a terminal: C0, DEL, C1, bidi controls, separators of lines, halves of surrogate pairs."""
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')

_DETAILED = 2000
"""Entities whose detail is looked at: more than any capture of a real kernel here has."""


class Violation(AssertionError):
    """A mutant was read, and something came out that must not."""


def check_text(text: str, where: str, *, lines: bool = False) -> None:
    """Raises Violation where ``text`` holds a raw control character; ``lines`` allows line ends."""
    found = _RAW.search(text.replace("\n", "") if lines else text)
    if found:
        raise Violation(f"{where} holds {found[0]!r} raw: {text[:200]!r}")


def check_json(piece: str) -> None:
    """The same for the strings in a piece of JSON, which escapes what it is given."""
    if not piece.isascii():
        raise Violation(f"JSON that is not ASCII: {piece[:200]!r}")
    if "\\" in piece:
        for quoted in _JSON_STRING.findall(piece):
            if "\\" in quoted:
                check_text(json.loads(quoted), "JSON")


class _CheckedOutput(io.StringIO):
    """Where the text of the commands goes: looked at and forgotten."""

    def write(self, text: str) -> int:
        check_text(text, "show", lines=True)
        return len(text)


def exercise(path: Path) -> str:
    """Read what is at ``path`` in every way there is; "read" or "refused". Raises Violation, or whatever else came out."""
    try:
        with open_state(path, Context()) as opened:
            for piece in json_pieces(state_json(opened.state, blocks=True)):
                check_json(piece)
            with contextlib.redirect_stdout(_CheckedOutput()):
                print_state(opened.state, blocks=False, files=True)
            for text in _shown(opened):
                check_text(text, "an entity")
    except KhoError as error:
        check_text(str(error), "the message")
        return "refused"
    return "read"


def exercise_commands(path: Path) -> str:
    """What is at ``path`` through every command that reads a state, each in time; "read" where show could read something.

    Raises Violation where exit code or output are not as promised, or whatever came out that is no error of ours.
    """
    beside = path.parent / f"{path.name}-out"
    before, after = (str(SAMPLES / "x86_64-7.3" / name) for name in ("1-pre", "1-post"))
    code = _run("show", str(path), "--blocks", "-v")
    for words in (
        ("show", str(path), "--json", "--blocks"),
        ("show", str(path), "--memory"),
        ("map", str(path)),
        ("map", str(path), "--json"),
        ("whois", str(path), "0x20829000"),
        ("whois", str(path), "0xfffffffffffff000", "--json"),
        ("check", str(path), "--json"),
        ("check", str(path), "--after", after),
        ("check", str(path), "--target", "7.3", "--strict"),
        ("check", str(path), "--target", "6.19", "--json"),
        ("diff", before, str(path)),
        ("diff", str(path), after, "--json"),
        ("diff", str(path), str(path)),
        ("sim", "kexec", str(path), "-o", f"{beside}-1"),
        ("sim", "kexec", str(path), "--kernel", "7.3", "-o", f"{beside}-2", "--json"),
        ("sim", "replay", str(path), "-o", f"{beside}-3"),
    ):
        _run(*words)
    return "refused" if code == 2 else "read"


def exercise_all(path: Path) -> str:
    """Through every command, and every text that the app would show of it."""
    answer = exercise_commands(path)
    exercise(path)
    return answer


def exercise_kernel(path: Path) -> str:
    """A kernel image as the target of a check; "read" where it is one."""
    code = _run("check", str(SAMPLES / "x86_64-7.3/1-pre"), "--target", str(path), "--json")
    return "refused" if code == 2 else "read"


def exercise_scenario(path: Path) -> str:
    """A scenario, run; "read" where it could be."""
    code = _run("sim", "run", str(path), "-o", str(path.with_name("run")))
    return "refused" if code == 2 else "read"


def _run(*words: str) -> int:
    """A command of the program in this process; its exit code."""
    # Each command has the time that a case has.
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    out, errors = _CheckedOutput(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            code = commands()(list(words), standalone_mode=False, prog_name="kho-tui")
        except typer.Exit as done:
            code = done.exit_code
        except KhoError as error:
            errors.write(str(error))
            code = error.exit_code
    check_text(errors.getvalue(), f"stderr of {words[0]}", lines=True)
    if code not in (None, 0, 1, 2):
        raise Violation(f"{words} ended with {code}")
    return code or 0


def exercise_command(path: Path) -> str:
    """``kho-tui show`` on what is at ``path``, as text and as JSON. Raises Violation where exit code or output are not as promised."""
    answers = []
    for more in ([], ["--json"]):
        done = subprocess.run([sys.executable, "-m", "kho_tui", "show", str(path), *more], capture_output=True, cwd=CHECKOUT)
        errors = done.stderr.decode("utf-8", "surrogateescape")
        if done.returncode not in (0, 2) or "Traceback" in errors or "internal error" in errors:
            raise Violation(f"show {more} ended with exit code {done.returncode}: {errors[-2000:]!r}")
        check_text(errors, "stderr", lines=True)
        check_text(done.stdout.decode("utf-8", "surrogateescape"), "stdout", lines=True)
        if more and done.returncode == 0:
            json.loads(done.stdout)
        answers.append(done.returncode)
    if answers[0] != answers[1]:
        raise Violation(f"show and show --json do not agree: exit codes {answers}")
    return "refused" if answers[0] else "read"


def _shown(opened: Opened) -> Iterator[str]:
    """Every text of the walk over all entities, as the app and the commands show it."""
    for number, entity in enumerate(walk(state_entity(opened.state))):
        yield from (str(entity.path), entity.kind, entity.title, entity.summary, entity.reason)
        if number < _DETAILED:
            yield from _detail(entity.detail())


def _detail(detail: Detail) -> Iterator[str]:
    for value in detail.values:
        yield from (
            value.name,
            value.meaning,
            value.source,
            format_value(value.value, value.unit),
            plain_value(value.value, value.unit, "hex"),
        )
    for blob in detail.blobs:
        for row in hex_rows(blob.data, stop=256):
            yield from (row.hex, row.text)
    if detail.table is not None:
        yield from _table(detail.table)


def _table(table: RowSource) -> Iterator[str]:
    for start in (0, len(table) // 2, max(0, len(table) - 50)):
        for number, row in enumerate(table.rows(start, 50)):
            yield from (format_value(value, column.unit) for value, column in zip(row, table.columns, strict=True))
            table.place(start + number)
            target = table.target(start + number)
            if target is not None:
                table.row_at(target)
