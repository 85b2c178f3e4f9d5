"""Freeze what the commands answer about every capture, and compare: frozen_answers.py freeze|compare DIRECTORY [--sample N] [--only TEXT].

For changes that must not change an answer. The corpus lies outside the tree: one compressed file a state, with exit code, output and
messages of each command, as text and as JSON. The states are all captures of samples/ and ../shared, the simulated captures of the
scenarios, and each fault on one capture of each release, real or simulated. ``--sample 8`` asks about every eighth faulty state only.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import gzip
import hashlib
import io
import json
import multiprocessing
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from kho_tui.subsystems.registry import builtin

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from captures import CHECKOUT, SAMPLES, all_captures
from mutations.originals import Core

from kho_tui.releases.table import RELEASES
from kho_tui.simulator.faults.catalogue import faults_of
from kho_tui.views.cli.main import run

Answers = dict[str, str]
"""Command to what it answered: exit code, standard output, messages."""

_SHOWN_ADDRESSES = 12
_SHOWN_LINES = 30


@dataclass(frozen=True, slots=True)
class Case:
    """A state to ask about: ``folder`` with its captures, ``capture`` one of them, ``fault`` what to break in it first."""

    name: str
    folder: Path
    capture: str
    fault: str | None = None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("freeze", "compare"))
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--sample", type=int, default=1, metavar="N", help="compare: of the faulty states every N-th only")
    parser.add_argument("--only", default="", metavar="TEXT", help="only states whose name holds TEXT")
    asked = parser.parse_args()

    os.environ["COLUMNS"] = "200"
    corpus = asked.corpus.resolve()
    if asked.what == "freeze":
        _make_simulated(corpus)
    cases = [case for case in _cases(corpus) if asked.only in case.name]
    faulty = [case for case in cases if case.fault is not None]
    cases = [case for case in cases if case.fault is None] + faulty[:: asked.sample]
    work = partial(_freeze if asked.what == "freeze" else _compare, corpus)
    differing = 0
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for report in pool.imap_unordered(work, cases, chunksize=4):
            differing += bool(report)
            if report:
                print(report, flush=True)
    print(f"{len(cases)} states, {differing} differ" if asked.what == "compare" else f"{len(cases)} states frozen")
    return 1 if differing else 0


def _make_simulated(corpus: Path) -> None:
    """The captures of all scenarios, made once: a later program is asked about these very bytes."""
    for scenario in sorted((CHECKOUT / "samples/scenarios").glob("*.toml")):
        out = corpus / "simulated" / scenario.stem
        if not out.exists():
            out.parent.mkdir(parents=True, exist_ok=True)
            run(["sim", "run", str(scenario), "-o", str(out)])


def _cases(corpus: Path) -> Iterator[Case]:
    captures = [*all_captures(), *sorted(path for path in (corpus / "simulated").glob("*/*") if path.is_dir())]
    for capture in captures:
        yield Case("-".join(capture.parts[-3:]), capture.parent, capture.name)
    for release, same in groupby(sorted(captures, key=_release), _release):
        # Samples stand first, then the other real ones, wherever the checkout lies. One before a kexec and one after it have both sides.
        ranked = sorted(same, key=lambda c: ("simulated" in c.parts, SAMPLES not in c.parents, c))
        before = next((c for c in ranked if c.name == "1-pre"), None)
        if before is None:
            continue
        for capture in (before, before.with_name("1-post")):
            for fault in faults_of(builtin()):
                yield Case(f"{release}-{capture.name}-{fault.name}", capture.parent, capture.name, fault.name)


def _release(capture: Path) -> str:
    """The series that made the capture, with its machine."""
    version = (capture / "version").read_text() if (capture / "version").exists() else ""
    series = re.search(r"[0-9]+\.[0-9]+", version)
    return f"{'arm64-' if 'arm64' in str(capture) else ''}{series[0] if series else 'none'}"


def _freeze(corpus: Path, case: Case) -> str:
    with gzip.open(corpus / f"{case.name}.json.gz", "wt", compresslevel=5) as file:
        json.dump(_ask(case), file)
    return ""


def _compare(corpus: Path, case: Case) -> str:
    """The first lines that differ; empty where none does."""
    with gzip.open(corpus / f"{case.name}.json.gz", "rt") as file:
        frozen: Answers = json.load(file)
    answers = _ask(case)
    for command in sorted(frozen.keys() | answers.keys()):
        before, now = frozen.get(command, "never asked"), answers.get(command, "not asked")
        if before != now:
            lines = difflib.unified_diff(before.splitlines(), now.splitlines(), "frozen", "now", lineterm="", n=2)
            return "\n".join((f"{case.name}: kho-tui {command}", *list(lines)[:_SHOWN_LINES]))
    return ""


def _ask(case: Case) -> Answers:
    """Every command about one state, in a directory of its own, so that no path differs."""
    place = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            return dict(_answers(case))
        finally:
            os.chdir(place)


def _answers(case: Case) -> Iterator[tuple[str, str]]:
    for capture in sorted(path for path in case.folder.iterdir() if path.is_dir()):
        Path(capture.name).symlink_to(capture)
    state = case.capture
    if case.fault is not None:
        state = "broken"
        yield _command("sim", "fault", case.capture, case.fault, "-o", state)
        if not Path(state).exists():
            return
    yield from (_command(*words) for words in _questions(case, state))
    for words in (("sim", "replay", state, "-o", "replayed", "--json"), ("sim", "kexec", state, "-o", "booted")):
        yield _command(*words)
        yield f"files of {' '.join(words)}", _files(Path(words[4]))


def _questions(case: Case, state: str) -> Iterator[tuple[str, ...]]:
    yield from (("show", state), ("show", state, "--blocks", "--json"), ("show", state, "--memory", "--json"))
    yield from (("map", state), ("map", state, "--json"), ("check", state), ("check", state, "--json"))
    yield from (("whois", state, hex(address), "--json") for address in _addresses(Path(state) / "memory.elf"))
    for release in RELEASES if case.fault is None else RELEASES.rows[2::2]:
        yield "check", state, "--target", release.name, "--json"
        yield "sim", "kexec", state, "--kernel", release.name, "-o", f"to-{release.name}", "--json"
    for other in sorted(path.name for path in case.folder.iterdir() if path.is_dir()):
        yield "diff", state, other
        yield "diff", state, other, "--json"
        yield "check", state, "--after", other, "--json"


def _addresses(core: Path) -> list[int]:
    """Some that the core holds, from its program headers, and some that it does not."""
    segments = Core(core.read_bytes()).segments if core.exists() else ()
    step = max(1, len(segments) // _SHOWN_ADDRESSES)
    return [0x1000, 0xFFFFFFFFFFFFF000, *(segment.address for segment in segments[::step])]


def _command(*words: str) -> tuple[str, str]:
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        code = run(words)
    return " ".join(words), f"exit code {code}\n{out.getvalue()}\nmessages:\n{errors.getvalue()}"


def _files(directory: Path) -> str:
    """Every file below with its SHA-256."""
    files = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return "\n".join(f"{path.relative_to(directory)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files)


if __name__ == "__main__":
    sys.exit(main())
