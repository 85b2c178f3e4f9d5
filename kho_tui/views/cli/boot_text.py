"""What ``sim boot`` prints: the telling lines while the kernel runs, then the verdict."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from kho_tui.context import Context
from kho_tui.errors import KhoError
from kho_tui.model.json_value import Json
from kho_tui.operations.boot_state import BootReport, BootRequest, boot_state
from kho_tui.simulator.qemu.console import BootOutcome, RetrievedFile
from kho_tui.text import SafeText
from kho_tui.views.cli.opened import write_json
from kho_tui.views.cli.progress import StderrProgress

_LAST_LINES = 10
_SIGNALLED = 128


def boot(path: str, request: BootRequest, *, as_json: bool) -> int:
    """Boot and print; the exit code. With JSON the lines go to stderr while it runs."""
    progress = StderrProgress()
    stream = sys.stderr if as_json else sys.stdout

    def say(line: SafeText) -> None:
        progress.clear()
        print(line, file=stream, flush=True)

    def begin(notes: tuple[SafeText, ...]) -> None:
        for note in notes:
            say(note)

    with _ended_by_signals():
        report = boot_state(path, request, Context(progress=progress.report), say, begin=begin)
    progress.clear()
    if as_json:
        write_json(boot_json(report))
    else:
        for line in _conclusion(report, request):
            print(line)
    return _exit_code(report)


def _exit_code(report: BootReport) -> int:
    if report.outcome is BootOutcome.NONE:
        return KhoError.exit_code
    nothing_lost = report.outcome is BootOutcome.TAKEN or (report.outcome is BootOutcome.IGNORED and report.nothing_preserved)
    return 0 if nothing_lost else 1


def boot_json(report: BootReport) -> Json:
    """The document of kho-tui.boot/1."""
    return {
        "schema": "kho-tui.boot/1",
        "outcome": None if report.outcome is BootOutcome.NONE else report.outcome.value,
        "deciding_line": report.deciding or None,
        "lost": list(report.lost),
        "ended": report.ended,
        "cmdline": report.cmdline,
        "notes": list(report.notes),
        "files": [_file_json(one) for one in report.files],
        "log": list(report.lines),
    }


def _file_json(one: RetrievedFile) -> Json:
    numbers = {"size": one.size, "pos": one.pos, "seals": one.seals}
    return {"session": one.session, "token": f"{one.token:#x}", **numbers, "crc32": f"{one.crc32:#010x}"}


def _conclusion(report: BootReport, request: BootRequest) -> Iterator[str]:
    if report.outcome is BootOutcome.NONE:
        yield from report.lines[-_LAST_LINES:]
    how = "the guest ended" if report.ended else f"the guest was ended after {request.limit:g} s"
    yield f"verdict: {report.outcome.value}" + (f": {report.deciding}" if report.deciding else f": {how} without a word about it")
    yield from (f"  also: {line}" for line in report.lost[1:])
    if report.deciding and not report.ended:
        yield how


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Turn the signals that end a program into an exception, so that the guest is ended too."""

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(_SIGNALLED + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
