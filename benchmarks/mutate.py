"""Break captures at random and read them: mutate.py --count 5000 --seed 1 [--through WAY] [--samples] [--number N [--keep DIRECTORY]]."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from mutations.kernels import make_kernel
from mutations.mutator import make_mutant
from mutations.originals import originals
from mutations.probe import exercise, exercise_all, exercise_command, exercise_kernel, exercise_scenario
from mutations.scenarios import make_scenario
from mutations.workers import Case, run_mutants


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000, help="mutants to make")
    parser.add_argument("--seed", type=int, default=1)
    ways = {"read": exercise, "command": exercise_command, "commands": exercise_all}
    parser.add_argument("--through", choices=ways, default="commands", help="every command in process, show as a process, or reading alone")
    parser.add_argument("--of", choices=("states", "kernels", "scenarios"), default="states")
    parser.add_argument("--number", type=int, help="only this one")
    parser.add_argument("--keep", type=Path, help="with --number: only write it there, an empty directory")
    parser.add_argument("--samples", action="store_true", help="only of captures of this checkout, as the tests do; else also of ../shared")
    asked = parser.parse_args()

    captures = [one for one in originals() if not asked.samples or "samples" in one.name]
    numbers = range(asked.count) if asked.number is None else [asked.number]
    begun = time.monotonic()
    make: dict[str, tuple[Callable[[int], Case], Callable[[Path], str]]] = {
        "states": (partial(make_mutant, captures, asked.seed), ways[asked.through]),
        "kernels": (partial(make_kernel, asked.seed), exercise_kernel),
        "scenarios": (partial(make_scenario, asked.seed), exercise_scenario),
    }
    if asked.keep is not None and asked.number is not None:
        case = make[asked.of][0](asked.number)
        print(case, case.write(asked.keep), sep="\n")
        return 0
    outcome = run_mutants(make[asked.of][0], numbers, make[asked.of][1])
    for failure in outcome.failures:
        print(f"{failure}\n")
    counts = ", ".join(f"{count} {answer}" for answer, count in sorted(outcome.answers.items()))
    slowest = ", ".join(f"{seconds:.2f} s (number {number})" for seconds, number in outcome.slowest)
    print(f"seed {asked.seed}: {len(numbers)} mutants in {time.monotonic() - begun:.0f} s: {counts}; slowest {slowest}")
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
