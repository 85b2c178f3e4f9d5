"""The search of a raw image for root FDTs: seconds and peak memory, beside ``cat`` of the same bytes, all in one run.

    python benchmarks/raw_search.py [--rounds N] [--data GIB] [--sparse TIB] [DIR]

Makes one image of random data and one that is nothing but holes in DIR (default: a temporary folder; 4 GiB are written there).
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from terminal import CHECKOUT, Program, as_installed

ANSWER = b"no KHO state here"
PIECE = 4 << 20
"""Small, for the peak of a child counts from what this process had when it was started."""


@dataclass(frozen=True, slots=True)
class Run:
    """One command: seconds, and the most memory it had (bytes)."""

    seconds: float
    peak: int


def run(*words: str) -> Run:
    """Run a command to its end, output thrown away."""
    start = time.perf_counter()
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, cwd=CHECKOUT)
    usage: resource.struct_rusage = os.wait4(child.pid, 0)[2]
    return Run(time.perf_counter() - start, usage.ru_maxrss << 10)


def in_app(path: Path) -> float:
    """Seconds until the app on an 80x24 terminal shows what came of the search."""
    with Program([sys.executable, "-m", "kho_tui", str(path)]) as program:
        return program.until(ANSWER) - program.started


def make_data(path: Path, size: int) -> None:
    """Random bytes, so that nothing compresses, deduplicates or is a hole."""
    with path.open("wb") as out:
        for _ in range(size // PIECE):
            out.write(os.urandom(PIECE))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", metavar="DIR")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=int, default=4, metavar="GIB")
    parser.add_argument("--sparse", type=int, default=1, metavar="TIB")
    options = parser.parse_args()
    as_installed()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        data, sparse, nothing = (Path(folder) / name for name in ("data.raw", "sparse.raw", "nothing.raw"))
        make_data(data, options.data << 30)
        for path, size in ((sparse, options.sparse << 40), (nothing, 4096)):
            path.touch()
            os.truncate(path, size)
        show = (sys.executable, "-m", "kho_tui", "show")
        cases: dict[str, Callable[[], Run]] = {
            # cat first, so that the page cache is as warm for all.
            f"cat {options.data} GiB > /dev/null": lambda: run("cat", str(data)),
            "show, 4 KiB raw (what the program costs)": lambda: run(*show, str(nothing)),
            f"show, {options.data} GiB of data": lambda: run(*show, str(data)),
            f"show, {options.sparse} TiB of holes": lambda: run(*show, str(sparse)),
            "app, 4 KiB raw": lambda: Run(in_app(nothing), 0),
            f"app, {options.data} GiB of data": lambda: Run(in_app(data), 0),
            f"app, {options.sparse} TiB of holes": lambda: Run(in_app(sparse), 0),
        }
        rows: dict[str, list[Run]] = {name: [] for name in cases}
        for _ in range(options.rounds):
            for name, case in cases.items():
                rows[name].append(case())
    medians = {name: statistics.median(one.seconds for one in runs) for name, runs in rows.items()}
    cat, show_floor, app_floor = (
        next(value for name, value in medians.items() if name.startswith(word)) for word in ("cat", "show", "app")
    )
    print(f"{'':44} {'seconds':>8} {'peak MiB':>9} {'less floor / cat':>17}")
    for name, runs in rows.items():
        floor = {"show": show_floor, "app,": app_floor}.get(name[:4].rstrip(), 0.0)
        peak = max(one.peak for one in runs) >> 20
        print(f"{name:44} {medians[name]:8.2f} {peak or '':>9} {(medians[name] - floor) / cat:17.2f}")


if __name__ == "__main__":
    main()
