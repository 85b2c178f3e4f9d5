"""Break captures at random and read them: mutate.py --count 5000 --seed 1 [--through WAY] [--samples] [--number N [--keep DIRECTORY]]."""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from mutations.mutator import make_mutant
from mutations.originals import originals
from mutations.probe import exercise, exercise_command, exercise_commands
from mutations.workers import run_mutants


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000, help="mutants to make")
    parser.add_argument("--seed", type=int, default=1)
    ways = {"read": exercise, "command": exercise_command, "commands": exercise_commands}
    parser.add_argument("--through", choices=ways, default="commands", help="every command in process, show as a process, or reading alone")
    parser.add_argument("--number", type=int, help="only this one")
    parser.add_argument("--keep", type=Path, help="with --number: only write it there, an empty directory")
    parser.add_argument("--samples", action="store_true", help="only of captures of this checkout, as the tests do; else also of ../shared")
    asked = parser.parse_args()

    captures = [one for one in originals() if not asked.samples or "samples" in one.name]
    if asked.keep is not None and asked.number is not None:
        mutant = make_mutant(captures, asked.seed, asked.number)
        print(mutant, mutant.write(asked.keep), sep="\n")
        return 0
    numbers = range(asked.count) if asked.number is None else [asked.number]
    begun = time.monotonic()
    make = partial(make_mutant, captures, asked.seed)
    outcome = run_mutants(make, numbers, ways[asked.through])
    for failure in outcome.failures:
        print(f"{failure}\n")
    counts = ", ".join(f"{count} {answer}" for answer, count in sorted(outcome.answers.items()))
    slowest = ", ".join(f"{seconds:.2f} s (number {number})" for seconds, number in outcome.slowest)
    print(f"seed {asked.seed}: {len(numbers)} mutants in {time.monotonic() - begun:.0f} s: {counts}; slowest {slowest}")
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
