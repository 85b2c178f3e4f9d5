"""Alter states at random, predict, boot a real kernel in QEMU, compare.

python benchmarks/kernel_campaign.py --count 100 --seed 7 --out runs.jsonl [--jobs 2] [--keep DIRECTORY] | --report runs.jsonl [--write]

One JSON line a run is appended to --out; a seed and number that stand there are not run again. --keep gets a line of verdicts.jsonl
for each disagreement. Needs ../shared (kernels, captures) and qemu-system-x86_64.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from campaign.alterations import Alteration, draw
from campaign.bases import BASES, Base, base_named
from campaign.guest import Booted, boot
from campaign.judgement import asked, predict, predicted_class
from campaign.lines import clean_boots, compared, judge_again, judge_both, written, written_patches
from campaign.table import read_runs, table, write_between
from verdicts import Verdict

from kho_tui.errors import KhoError
from kho_tui.operations.open_state import Opened

_DRAWS = 8
_WANTED = {"whole": 3, "loss": 4, "refused": 4, "panic": 6, "misread": 1, "chance": 2, "misread or panic": 2}
"""How often an alteration is looked for that is predicted to come to this: plain chance gives little but losses."""
_TRUTH = Path(__file__).resolve().parents[1] / "docs" / "truth.md"
_OPEN_ENDS = ("chance", "misread or panic")
"""Predictions of two ends: booted twice, the second time with memory filled."""
_CLEAN = Alteration("none", "", "unaltered", "")


class Campaign:
    """One campaign: what it has run, and the boots of the unaltered states."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._lock = Lock()
        runs = read_runs(options.out)
        self.done = {(run["seed"], run["number"]) for run in runs}
        self._clean = clean_boots(runs)

    def clean(self) -> None:
        """Boot every unaltered state on each kernel of its own, unless that was done before."""
        pairs = [(name, kernel) for name in BASES for kernel in base_named(name).kernels if (name, kernel) not in self._clean]
        with ThreadPoolExecutor(self._options.jobs) as pool:
            list(pool.map(lambda pair: self._boot_clean(*pair), pairs))

    def _boot_clean(self, name: str, kernel: str) -> None:
        run, booted = self._run(base_named(name), replace(_CLEAN, kernel=kernel), None, f"{name} on {kernel}")
        self._clean[name, kernel] = booted
        self._write(run)

    def one(self, number: int) -> None:
        """Run a number of the seed."""
        rng = random.Random(f"{self._options.seed} {number}")
        wanted = rng.choices(list(_WANTED), list(_WANTED.values()))[0]
        for left in reversed(range(_DRAWS)):
            # Captures hold no contents of memfds and of the test's folios, so that less of them can be compared.
            weights = [1 if name.startswith("x86_64") else 2 for name in self._options.bases]
            base = base_named(rng.choices(self._options.bases, weights)[0])
            alteration = draw(base, rng)
            verdict, opened, answer = _prepared(base, alteration, str(number))
            opened.close()
            if predicted_class(answer) == wanted or not left:
                break
        clean = self._clean.get((base.name, alteration.kernel)) or self._clean.get((base.name, base.kernels[0]))
        run, booted = self._run(base, alteration, clean, number)
        self._write(run)
        if run["result"] == "disagree" and self._options.keep is not None:
            self._keep(run, verdict, booted)

    def _run(self, base: Base, alteration: Alteration, clean: Booted | None, number: object) -> tuple[dict[str, Any], Booted]:
        begun = time.monotonic()
        verdict, opened, answer = _prepared(base, alteration, str(number))
        with opened:
            booted = boot(base, verdict, self._options.limit)
            open_end = predicted_class(answer) in _OPEN_ENDS
            again = boot(base, verdict, self._options.limit * 2, filled=True) if open_end else None
            judged = judge_both(answer, opened, verdict.append, booted, again, clean)
        run = {
            "seed": self._options.seed if alteration.kind != "none" else 0,
            "number": number,
            "base": base.name,
            "kernel": alteration.kernel,
            "kind": alteration.kind,
            "field": alteration.field,
            "how": alteration.how,
            "append": verdict.append,
            "patches": written_patches(verdict.patches),
            "booted": written(booted),
            "filled": None if again is None else written(again),
            **compared(answer, judged),
            "seconds": round(time.monotonic() - begun, 1),
        }
        return run, booted

    def _write(self, run: Mapping[str, Any]) -> None:
        with self._lock:
            with self._options.out.open("a") as stream:
                stream.write(json.dumps(run) + "\n")
            told = f"{run['predicted']['class']} / {run['came_to']}"
            state = f"{run['base']} on {run['kernel']}: {run['field']}, {run['how']}"
            print(f"{run['number']!s:>5} {run['result']:<8} {told:<24} {run['kind']:<13} {state}")
            for why in run["why"]:
                print(f"      {why}")
            sys.stdout.flush()

    def _keep(self, run: Mapping[str, Any], verdict: Verdict, booted: Booted) -> None:
        kinds = {"regions": "region ", "sessions": "session ", "files": "file "}
        lost = {plural: [name.removeprefix(kind) for name in run["gone"] if name.startswith(kind)] for plural, kind in kinds.items()}
        line = {
            "name": f"seed {run['seed']} number {run['number']}: {run['field']}, {run['how']}",
            "id": f"{run['seed']}-{run['number']}",
            "base": run["base"],
            "kernel": run["kernel"],
            "append": verdict.append,
            "patches": run["patches"],
            "outcome": booted.outcome,
            "lost": {plural: names for plural, names in lost.items() if names} if booted.outcome == "accepted" else None,
            "seen": booted.seen,
            "said": run["predicted"]["verdict"],
            "why": run["why"],
        }
        self._options.keep.mkdir(parents=True, exist_ok=True)
        (self._options.keep / f"{run['seed']}-{run['number']}.json").write_text(json.dumps(line) + "\n")


def _prepared(base: Base, alteration: Alteration, name: str) -> tuple[Verdict, Opened, Mapping[str, Any]]:
    """The altered state and what is predicted of it."""
    verdict = Verdict(name, base.name, alteration.kernel, "", alteration.patches, "", None, {})
    opened = verdict.open()
    kept = [word for word in base.words if word not in alteration.dropped]
    verdict = replace(verdict, append=" ".join(filter(None, (*kept, "khostage=9", asked(opened, base), *alteration.appended))))
    return verdict, opened, predict(opened, alteration.kernel, verdict.cmdline)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20, help="runs of this seed")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="results, one JSON line a run")
    parser.add_argument("--jobs", type=int, default=2, help="guests at a time")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds until a guest is ended")
    parser.add_argument("--bases", nargs="+", default=list(BASES), choices=BASES, metavar="BASE", help=", ".join(BASES))
    parser.add_argument("--keep", type=Path, help="directory for what reproduces each disagreement")
    parser.add_argument("--report", type=Path, help="print the tables of a results file, run nothing")
    parser.add_argument("--again", action="store_true", help="with --report: predict anew, and compare with what was booted")
    parser.add_argument("--write", action="store_true", help="with --report: put them into docs/truth.md too")
    options = parser.parse_args()
    if options.report is not None:
        runs = read_runs(options.report)
        if options.again:
            clean = clean_boots(runs)
            runs = [judge_again(run, clean) for run in runs]
            options.report.write_text("".join(json.dumps(run) + "\n" for run in runs))
        print(table(runs))
        if options.write:
            write_between(_TRUTH, "campaign", table(runs))
        return 0
    if options.out is None:
        parser.error("--out or --report is required")
    campaign = Campaign(options)
    campaign.clean()
    numbers = [number for number in range(options.first, options.first + options.count) if (options.seed, number) not in campaign.done]
    failed = False
    with ThreadPoolExecutor(options.jobs) as pool:
        for future in as_completed({pool.submit(campaign.one, number): number for number in numbers}):
            try:
                future.result()
            except KhoError as error:
                failed = True
                print(f"not run: {error}", file=sys.stderr)
    runs = read_runs(options.out)
    print(table(runs))
    return 1 if failed or any(run["result"] == "disagree" for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
