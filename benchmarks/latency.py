"""How soon the app answers a key, and how soon its first frame is there, on a pseudo terminal.

    python benchmarks/latency.py STATE... [--rounds N] [--json] [--size 80x24]

From the write of a key to the last byte of what it draws (until nothing came for 30 ms; that silence is not counted). Keys of a group
are pressed one after the other, each when the one before is answered. ``map is built``: the map is asked for, then at once the tree
again, and keys are pressed there while the worker runs. First frame: from the start of the process to the last byte of the frame, beside an
empty Textual app in the same run, turn by turn. ``p95 work``: processor time of the screen's thread from the key on, which tells
what a key costs also where the machine is busy with other things.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from terminal import CHECKOUT, Program, as_installed

QUIET = 0.03
UNANSWERED = 0.5
"""Seconds after which a key is taken for one that draws nothing: the cursor stood at the end, say."""
SAMPLE = CHECKOUT / "samples/x86_64-7.3/1-pre"
EMPTY_APP = "from textual.app import App\nApp().run()"


@dataclass(frozen=True, slots=True)
class Group:
    """Keys pressed in one place, in turn; ``before`` gets there."""

    name: str
    before: bytes
    keys: tuple[bytes, ...]


DOWN, UP = b"\x1b[B", b"\x1b[A"
GROUPS = (
    Group("tree: j k", b"2", (b"j", b"j", b"j", b"k")),
    Group("tree: pages, ends", b"2", (b"\x04", b"\x15", b"G", b"g", b"g")),
    Group("tree: open, shut", b"2gg", (b"j", b"l", b"j", b"h")),
    Group("tree: Tab", b"2", (b"\t",)),
    Group("map: pan", b"3", (b"l", b"l", b"l", b"h")),
    Group("map: zoom", b"3", (b"+", b"+", b"+", b"-", b"-", b"-")),
    Group("map: next", b"3", (b"]", b"]", b"[")),
    Group("blocks: j k", b"5", (b"j", b"j", b"k")),
    Group("blocks: pages, ends", b"5", (b"\x04", b"\x15", b"G", b"g", b"g")),
    Group("findings: j k", b"7", (b"j", b"k")),
    Group("places", b"2", (b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8")),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """Seconds from a key to the last byte of its answer, None where it drew nothing; and processor seconds of the screen's thread."""

    seconds: float | None
    worked: float


def answer(program: Program, key: bytes) -> Answer:
    """Press a key."""
    before = program.worked()
    pressed = program.write(key)
    drawn, last = program.read(QUIET, UNANSWERED, 2.0)
    return Answer(last - pressed if drawn else None, program.worked() - before)


def settle(program: Program) -> None:
    """Wait until the state is on the screen and nothing more is drawn."""
    program.first_frame()
    while program.read(1.0, 1.0, 60.0)[0]:
        pass


def at_rest(state: Path, size: tuple[int, int], rounds: int) -> dict[str, list[Answer]]:
    """Answers to the keys of each group."""
    taken: dict[str, list[Answer]] = {}
    with Program(app(state), *size) as program:
        settle(program)
        taken["places, first time"] = [answer(program, bytes([key])) for key in b"34567812"]
        settle(program)
        for group in GROUPS:
            for one in group.before:
                answer(program, bytes([one]))
            taken[group.name] = [answer(program, key) for _ in range(rounds) for key in group.keys]
    return taken


def while_the_map_is_built(state: Path, size: tuple[int, int], rounds: int) -> list[Answer]:
    """Answers to j and k in the tree while the map is made."""
    taken: list[Answer] = []
    for _ in range(max(1, rounds // 4)):
        with Program(app(state), *size) as program:
            settle(program)
            answer(program, b"2")
            end = program.write(b"3") + 1.0
            taken.append(answer(program, b"2"))
            while time.perf_counter() < end:
                taken += [answer(program, key) for key in (b"j", b"k")]
    return taken


def first_frames(state: Path, size: tuple[int, int], rounds: int) -> tuple[list[float], list[float]]:
    """Seconds to the first frame: of the app, of an empty Textual app."""
    taken: tuple[list[float], list[float]] = [], []
    for number in range(-1, rounds):
        for kept, words in zip(taken, (app(state), [sys.executable, "-c", EMPTY_APP]), strict=True):
            with Program(words, *size) as program:
                shown = program.first_frame() - program.started
            if number >= 0:  # the first of all brings the files into the page cache
                kept.append(shown)
    return taken


def app(state: Path) -> list[str]:
    """The command line of the app."""
    return [sys.executable, "-m", "kho_tui", str(state)]


def figures(answers: list[Answer]) -> dict[str, float]:
    """p50, p95 and longest in milliseconds, p95 of the screen thread's own work, and how many keys were answered."""
    drawn = sorted(one.seconds for one in answers if one.seconds is not None) or [0.0]
    worked = sorted(one.worked for one in answers)
    return {
        "p50 ms": round(statistics.median(drawn) * 1000, 1),
        "p95 ms": round(drawn[len(drawn) * 95 // 100] * 1000, 1),
        "max ms": round(drawn[-1] * 1000, 1),
        "p95 work ms": round(worked[len(worked) * 95 // 100] * 1000, 1),
        "answered": sum(one.seconds is not None for one in answers),
        "pressed": len(answers),
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("states", nargs="*", type=Path, default=[SAMPLE])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--size", default="80x24")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    as_installed()
    columns, lines = (int(one) for one in options.size.split("x"))
    size = columns, lines
    rows: dict[str, dict[str, float]] = {}
    for state in (path.resolve() for path in options.states):
        for name, times in at_rest(state, size, options.rounds).items():
            rows[f"{state.name} {name}"] = figures(times)
        rows[f"{state.name} while the map is built"] = figures(while_the_map_is_built(state, size, options.rounds))
    own, empty = first_frames(options.states[0].resolve(), size, options.rounds)
    frame = {"kho-tui ms": statistics.median(own) * 1000, "empty ms": statistics.median(empty) * 1000}
    frame["ratio"] = frame["kho-tui ms"] / frame["empty ms"]
    if options.json:
        print(json.dumps({"keys": rows, "first frame": frame}))
        return
    print(f"{options.size:42}{'p50 ms':>8}{'p95 ms':>8}{'max ms':>8}{'p95 work':>10}{'answered':>12}")
    for name, row in rows.items():
        print(f"{name:42}{row['p50 ms']:8}{row['p95 ms']:8}{row['max ms']:8}{row['p95 work ms']:10}{row['answered']:7} / {row['pressed']}")
    print(f"first frame: {frame['kho-tui ms']:.0f} ms, of an empty Textual app {frame['empty ms']:.0f} ms: {frame['ratio']:.2f}x")


if __name__ == "__main__":
    main()
