"""Start-up and ``show`` beside what they cannot be faster than, all in one run: medians, and ratios to a bare interpreter.

    python benchmarks/measure.py [--rounds N] [--large DIR]

``--large DIR`` adds the states of large_states.py, which are generated into DIR where they are not there yet.
"""

from __future__ import annotations

import argparse
import os
import pty
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from large_states import generate

CHECKOUT = Path(__file__).resolve().parents[1]
SAMPLE = CHECKOUT / "samples/x86_64-7.3/2-pre"
EMPTY_APP = "from textual.app import App\nclass Empty(App):\n    def on_ready(self): self.exit()\nEmpty().run()"
FIRST_FRAME_BYTES = 1000
"""What a full-screen app has written when its first frame is out; terminal set-up alone is a few hundred bytes."""


def command(*words: str) -> float:
    """Seconds that a command takes, output thrown away."""
    start = time.perf_counter()
    subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, cwd=CHECKOUT, check=False)
    return time.perf_counter() - start


def first_frame(words: list[str], mark: bytes) -> float:
    """Seconds until a full-screen program on an 80x24 pty has drawn ``mark`` (or, where it is empty, its first frame)."""
    start = time.perf_counter()
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(CHECKOUT)
        os.environ.update(TERM="xterm-256color", COLUMNS="80", LINES="24")
        os.execvp(words[0], words)
    seen = b""
    try:
        while time.perf_counter() - start < 120:
            if select.select([terminal], [], [], 0.2)[0]:
                try:
                    seen += os.read(terminal, 65536)
                except OSError:
                    break
            if (mark and mark in seen) or (not mark and len(seen) > FIRST_FRAME_BYTES):
                break
        return time.perf_counter() - start
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(terminal)


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
    for _ in range(options.rounds):
        for name, case in cases.items():
            taken[name].append(case())
    base = statistics.median(taken["python -c pass"])
    print(f"{'case':44}{'median ms':>10}{'best ms':>10}{'x bare':>8}")
    for name, times in taken.items():
        median = statistics.median(times)
        print(f"{name:44}{median * 1000:10.0f}{min(times) * 1000:10.0f}{median / base:8.1f}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ.setdefault("XDG_CONFIG_HOME", home)
        main()
