"""Alter one field of a capture, ask ``check`` alone, and boot what it passes: does it pass anything that a kernel loses?

python benchmarks/check_mutants.py --count 2000 --seed 1 --out mutants.jsonl [--jobs 2] | --report mutants.jsonl [--again] [--write]

One JSON line a mutant is appended to --out; a seed and number that stand there are not made again. Every mutant that ``check`` ends
with 0 on is booted on a kernel of its release. Needs ../shared (kernels, captures) and qemu-system-x86_64. --again checks anew what was
booted then; --write puts the table into docs/truth.md.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import Pool
from pathlib import Path
from threading import Lock
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from campaign.alterations import draw_field
from campaign.bases import BASES, Base, base_named
from campaign.guest import Booted, boot
from campaign.judgement import asked, asked_names, less
from campaign.lines import written, written_patches
from campaign.table import read_runs, write_between
from verdicts import Verdict, verdict_of

from kho_tui.analysis.checks.answer import Answer
from kho_tui.context import Context
from kho_tui.operations.check_state import NOTHING_WRONG, check_state
from kho_tui.operations.open_state import Opened

_TRUTH = Path(__file__).resolve().parents[1] / "docs" / "truth.md"
_CAPTURES = [name for name in BASES if name.startswith("x86_64")]
_LOST = {"accepted": "loses", "refused": "refuses it", "panic": "panics", "hang": "hangs"}


class Mutants:
    """The mutants of one seed; ``clean`` holds the boots of the unaltered captures."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._lock = Lock()
        self._opening = Lock()
        self.done = {(run["seed"], run["number"]) for run in read_runs(options.out)}
        self._clean = {name: self._boot_clean(base_named(name)) for name in _CAPTURES}

    def make(self, number: int) -> None:
        """Make a mutant, check it, boot it where nothing is wrong, and write its line."""
        rng = random.Random(f"{self._options.seed} {number}")
        base = base_named(_CAPTURES[number % len(_CAPTURES)])
        alteration = draw_field(base, rng)
        verdict = Verdict(base.name, base.name, alteration.kernel, "", alteration.patches, "", None, {})
        with self._opening, verdict.open() as opened:
            answer = _answer(opened)
            verdict = _asking(verdict, opened, base)
        run: dict[str, Any] = {
            "seed": self._options.seed,
            "number": number,
            "base": base.name,
            "kernel": alteration.kernel,
            "kind": alteration.kind,
            "field": alteration.field,
            "how": alteration.how,
            **answer,
            "patches": written_patches(verdict.patches),
            "booted": None,
            "came_to": "",
        }
        if run["exit"] == NOTHING_WRONG:
            booted = boot(base, verdict, self._options.limit)
            run |= {"booted": written(booted), "came_to": self._came_to(verdict.append, booted, self._clean[base.name])}
        with self._lock, self._options.out.open("a") as stream:
            stream.write(json.dumps(run) + "\n")
        if run["came_to"] not in ("", "whole"):
            print(
                f"{number:>5} {run['said']}, the kernel {run['came_to']}: {base.name} on {alteration.kernel}: {run['field']}, {run['how']}"
            )
            sys.stdout.flush()

    def _boot_clean(self, base: Base) -> Booted:
        unaltered = Verdict(base.name, base.name, base.kernels[0], "", (), "", None, {})
        return boot(base, _asking(unaltered, base.opened, base), self._options.limit)

    @staticmethod
    def _came_to(append: str, booted: Booted, clean: Booted) -> str:
        if booted.outcome != "accepted":
            return _LOST[booted.outcome]
        gone = asked_names(append) & clean.back - booted.back
        if gone or less(booted, clean):
            return " ".join(filter(None, ("loses", ", ".join(sorted(gone)))))
        # Captures hold no contents: a size that differs shows, and a folio taken from other memory that is captured.
        other = set(booted.seen.get("files", ())) - set(clean.seen.get("files", ()))
        return f"gives {', '.join(sorted(other))}" if other else "whole"


def _asking(verdict: Verdict, opened: Opened, base: Base) -> Verdict:
    """The same with a command line that asks for all of the state's regions, sessions and files."""
    return replace(verdict, append=" ".join((*base.words, "khostage=9", asked(opened, base))))


def _answer(opened: Opened) -> dict[str, Any]:
    """What ``check`` says of a mutant."""
    checked = check_state(opened, Context())
    codes = [result.code for result in checked.report.of(Answer.BROKEN)]
    ends = {"exit": checked.exit_code(strict=False), "strict": checked.exit_code(strict=True)}
    return {**ends, "said": checked.report.verdict, "codes": codes}


def check_again(run: Mapping[str, Any]) -> dict[str, Any]:
    """The same mutant as ``check`` answers today, beside the boot that there was. RuntimeError where it now passes one without a boot."""
    with verdict_of({**run, "name": str(run["number"]), "append": "", "outcome": "", "seen": {}}).open() as opened:
        again = {**run, **_answer(opened)}
    if again["exit"] == NOTHING_WRONG and run["booted"] is None:
        raise RuntimeError(f"{run['seed']}/{run['number']} was not booted, and is passed now: make it anew")
    return again


def report(runs: Sequence[Mapping[str, Any]]) -> str:
    """By kind of field: what ``check`` ended with, what it passed and the kernel lost; then each of the latter."""
    lines = [
        "| kind of field | mutants | errors (1) | not checked (2) | 0, boots whole | 0, boots with a loss |",
        "|---|---|---|---|---|---|",
    ]
    for kind in (*sorted({run["kind"] for run in runs}), None):
        own = [run for run in runs if kind in (None, run["kind"])]
        ends = Counter(run["exit"] or ("whole" if run["came_to"] == "whole" else "loss") for run in own)
        lines.append(f"| {kind or 'all'} | {len(own)} | {ends[1]} | {ends[2]} | {ends['whole']} | {ends['loss']} |")
    lost = [run for run in runs if run["exit"] == NOTHING_WRONG and run["came_to"] != "whole"]
    lines += [
        "",
        *(
            f"* {run['seed']}/{run['number']} {run['base']} on {run['kernel']}: {run['field']}, {run['how']}: "
            f'check says "{run["said"]}" {" ".join(run["codes"])}, the kernel {run["came_to"]}'
            for run in lost
        ),
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000, help="mutants of this seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="results, one JSON line a mutant")
    parser.add_argument("--jobs", type=int, default=2, help="guests at a time")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds until a guest is ended")
    parser.add_argument("--report", type=Path, help="print the table of a results file, make nothing")
    parser.add_argument("--again", action="store_true", help="with --report: check anew, beside the boots that there were")
    parser.add_argument("--write", action="store_true", help="with --report: put the table into docs/truth.md too")
    options = parser.parse_args()
    if options.report is not None:
        runs = read_runs(options.report)
        if options.again:
            with Pool(options.jobs) as pool:
                runs = pool.map(check_again, runs, chunksize=50)
            options.report.write_text("".join(json.dumps(run) + "\n" for run in runs))
        text = report(runs)
        print(text)
        if options.write:
            write_between(_TRUTH, "mutants", text.partition("\n\n")[0])
        return 0
    if options.out is None:
        parser.error("--out or --report is required")
    mutants = Mutants(options)
    numbers = [number for number in range(options.count) if (options.seed, number) not in mutants.done]
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(mutants.make, numbers))
    print(report(read_runs(options.out)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
