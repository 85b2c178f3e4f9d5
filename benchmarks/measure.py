"""Start-up and ``show`` beside what they cannot be faster than, all in one run: medians, and ratios to a bare interpreter.

    python benchmarks/measure.py [--rounds N] [--large DIR]

``--large DIR`` adds the states of large_states.py, which are generated into DIR where they are not there yet.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from large_states import generate
from terminal import CHECKOUT, Program, as_installed

SAMPLE = CHECKOUT / "samples/x86_64-7.3/2-pre"
EMPTY_APP = "from textual.app import App\nApp().run()"


def command(*words: str) -> float:
    """Seconds that a command takes, output thrown away."""
    start = time.perf_counter()
    subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, cwd=CHECKOUT, check=False)
    return time.perf_counter() - start


def first_frame(words: list[str], mark: bytes) -> float:
    """Seconds until a full-screen program on an 80x24 pty has drawn ``mark`` (or, where it is empty, its first frame)."""
    with Program(words) as program:
        return (program.until(mark) if mark else program.first_frame()) - program.started


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--large", type=Path)
    options = parser.parse_args()
    python, show = sys.executable, [sys.executable, "-m", "kho_tui", "show"]
    cases: dict[str, Callable[[], float]] = {
        "python -c pass": lambda: command(python, "-c", "pass"),
        "kho-tui --version": lambda: command(python, "-m", "kho_tui", "--version"),
        "kho-tui --help": lambda: command(python, "-m", "kho_tui", "--help"),
        "show (7.3 2-pre)": lambda: command(*show, str(SAMPLE)),
        "show --json --blocks (7.3 2-pre)": lambda: command(*show, str(SAMPLE), "--json", "--blocks"),
        "show (single in/fdt)": lambda: command(*show, str(SAMPLE / "kho/in/fdt")),
        "empty Textual app, first frame": lambda: first_frame([python, "-c", EMPTY_APP], b""),
        "kho-tui, first frame": lambda: first_frame([python, "-m", "kho_tui", str(SAMPLE)], b""),
        "kho-tui, state on screen": lambda: first_frame([python, "-m", "kho_tui", str(SAMPLE)], b"vm-alpha2"),
    }
    if shutil.which("fdtdump"):
        cases["fdtdump (single in/fdt)"] = lambda: command("fdtdump", str(SAMPLE / "kho/in/fdt"))
    if options.large is not None:
        for kind in ("host", "mixed"):
            path = options.large / f"{kind}.elf"
            if not path.exists():
                generate(kind, path)
            cases[f"show ({kind})"] = lambda path=path: command(*show, str(path))  # type: ignore[misc]
            cases[f"kho-tui, state on screen ({kind})"] = lambda path=path: first_frame(
                [python, "-m", "kho_tui", str(path)], b"kexec-metadata"
            )  # type: ignore[misc]
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(-1, options.rounds):
        for name, case in cases.items():
            seconds = case()
            if number >= 0:  # the first of all brings the files into the page cache
                taken[name].append(seconds)
    base = statistics.median(taken["python -c pass"])
    print(f"{'case':44}{'median ms':>10}{'best ms':>10}{'x bare':>8}")
    for name, times in taken.items():
        median = statistics.median(times)
        print(f"{name:44}{median * 1000:10.0f}{min(times) * 1000:10.0f}{median / base:8.1f}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ.setdefault("XDG_CONFIG_HOME", home)
        as_installed()
        main()
