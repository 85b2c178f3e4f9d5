"""Mutants in forked workers, each under an alarm and a limit of memory, so that a crash or a hang of one costs only itself."""

from __future__ import annotations

import faulthandler
import multiprocessing
import resource
import shutil
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Protocol

SECONDS = 5
"""Processor seconds that reading one case may take: a busy machine is no hang."""
PATIENCE = 30
"""Wall-clock seconds after which a case that waits for something is a hang too."""
GROWTH = 500 << 20
"""Bytes that the address space of a worker may grow by for one mutant."""


class Case(Protocol):
    """Something to read: a mutant, or an attack made by hand. ``str`` of it says how to make it again."""

    def write(self, folder: Path) -> Path:
        """Put it below ``folder``, which is empty; the path to open."""


@dataclass(slots=True)
class FileMutant:
    """One file of that ``name``, with what was done to it: of which ``kind`` it was, and the seed and number that make it again."""

    kind: str
    name: str
    seed: int
    number: int
    data: bytes = b""
    steps: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.kind}, seed {self.seed} number {self.number}: {'; '.join(self.steps)}"

    def write(self, folder: Path) -> Path:
        (folder / self.name).write_bytes(self.data)
        return folder / self.name


class Hang(BaseException):
    """The alarm. No handler of errors may swallow it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that ended badly: which it was, and how."""

    case: str
    how: str

    def __str__(self) -> str:
        return f"{self.case}\n{self.how}"


@dataclass(slots=True)
class Outcome:
    """What became of all mutants: how many of each answer, the slowest, and every failure."""

    answers: Counter[str] = field(default_factory=Counter)
    slowest: list[tuple[float, int]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Report:
    number: int
    answer: str
    seconds: float
    failure: Failure | None


def run_mutants(make: Callable[[int], Case], numbers: Sequence[int], exercise: Callable[[Path], str], *, workers: int = 2) -> Outcome:
    """The case of every number through ``exercise``, which gives a word or raises."""
    outcome = Outcome()
    forks = multiprocessing.get_context("fork")
    waiting = [list(numbers[first::workers]) for first in range(workers)]
    running: dict[Connection, tuple[multiprocessing.process.BaseProcess, list[int]]] = {}

    def start(todo: list[int]) -> None:
        if todo:
            here, there = forks.Pipe(duplex=False)
            process = forks.Process(target=_work, args=(make, tuple(todo), exercise, there), daemon=True)
            process.start()
            there.close()
            running[here] = process, todo

    for todo in waiting:
        start(todo)
    while running:
        for connection in wait(list(running)):
            assert isinstance(connection, Connection)
            process, todo = running[connection]
            try:
                report: _Report = connection.recv()
            except EOFError:
                process.join()
                del running[connection]
                connection.close()
                if todo:
                    outcome.failures.append(Failure(str(make(todo[0])), f"the worker died (exit code {process.exitcode})"))
                    start(todo[1:])
                continue
            todo.pop(0)
            outcome.answers[report.answer] += 1
            outcome.slowest = sorted([*outcome.slowest, (report.seconds, report.number)], reverse=True)[:5]
            if report.failure is not None:
                outcome.failures.append(report.failure)
    return outcome


def _work(make: Callable[[int], Case], numbers: Sequence[int], exercise: Callable[[Path], str], reports: Connection) -> None:
    for timer in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(timer, _ring)
    for number in numbers:
        case = make(number)
        # For code that never comes back to the interpreter, which no handler of a signal ends.
        faulthandler.dump_traceback_later(2 * PATIENCE, exit=True)
        reports.send(_one(number, case, exercise))
        faulthandler.cancel_dump_traceback_later()


def _ring(_signal: int, _frame: object) -> None:
    raise Hang


def _one(number: int, case: Case, exercise: Callable[[Path], str]) -> _Report:
    folder = Path(tempfile.mkdtemp(prefix="mutant-", dir=_FAST if _FAST.is_dir() else None))
    answer, failure = "failed", None
    begun = time.monotonic()
    try:
        path = case.write(folder)
        _limit_memory(GROWTH)
        begun = time.monotonic()
        signal.alarm(PATIENCE)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            answer = exercise(path)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
            _limit_memory(None)
    except BaseException:  # whatever it is, it is the finding
        failure = Failure(str(case), traceback.format_exc(limit=-12))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _Report(number, answer, time.monotonic() - begun, failure)


_FAST = Path("/dev/shm")


def _limit_memory(growth: int | None) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (hard if growth is None else pages * resource.getpagesize() + growth, hard))
