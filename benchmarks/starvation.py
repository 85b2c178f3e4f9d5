"""How long the screen's thread waits while another works on a large state, and how soon the work stops when it is cancelled.

    python benchmarks/starvation.py STATE [--json] [--stacks] [--cancels N]

A thread opens the state and makes its map, as the app does; this one wakes every millisecond, as a screen does for keys, and notes how
late it was. ``idle`` is what the machine itself costs: a worker that sleeps. ``--stacks`` adds where the worker was at the longest
waits. ``--cancels N`` opens and maps N times and cancels at N moments.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kho_tui.analysis.memory_map import memory_map
from kho_tui.context import Context
from kho_tui.errors import Cancelled
from kho_tui.model.sides import side_meant
from kho_tui.operations.open_state import open_state
from kho_tui.views.tui.map_lanes import make_chart

TICK = 0.001
STACKS = 6


@dataclass(slots=True)
class Waits:
    """What the ticking thread saw of one piece of work. Seconds."""

    taken: float = 0.0
    late: list[float] = field(default_factory=list)
    steps: int = 0
    longest_silence: float = 0.0
    """Between two reports of progress."""
    stacks: list[tuple[float, str]] = field(default_factory=list)

    def row(self) -> dict[str, float]:
        """Figures in milliseconds."""
        late = sorted(self.late) or [0.0]
        return {
            "seconds": round(self.taken, 2),
            "median late ms": round(late[len(late) // 2] * 1000, 2),
            "p99 late ms": round(late[len(late) * 99 // 100] * 1000, 2),
            "max late ms": round(late[-1] * 1000, 2),
            "steps": self.steps,
            "silence ms": round(self.longest_silence * 1000),
        }


def beside(work: Callable[[Context], None], *, stacks: bool = False, cancel_after: float | None = None) -> tuple[Waits, float]:
    """Run ``work`` in a thread and tick here; the waits, and the seconds from the cancel to the end."""
    waits = Waits()
    context = Context()
    last = [time.perf_counter()]

    def report(_what: str, _done: int, _total: int | None, _unit: str) -> None:
        now = time.perf_counter()
        waits.steps += 1
        waits.longest_silence = max(waits.longest_silence, now - last[0])
        last[0] = now

    context.progress = report

    def body() -> None:
        with contextlib.suppress(Cancelled):
            work(context)

    thread = threading.Thread(target=body)
    start = time.perf_counter()
    thread.start()
    cancelled = 0.0
    while thread.is_alive():
        before = time.perf_counter()
        time.sleep(TICK)
        now = time.perf_counter()
        late = now - before - TICK
        waits.late.append(late)
        if stacks and late > 0.008 and thread.ident in (frames := sys._current_frames()):
            stack = "".join(traceback.format_stack(frames[thread.ident])[-3:])
            waits.stacks = sorted([*waits.stacks, (late, stack)], key=lambda one: -one[0])[:STACKS]
        if cancel_after is not None and not cancelled and now - start > cancel_after:
            cancelled = now
            context.cancelled.set()
    end = time.perf_counter()
    waits.taken = end - start
    waits.longest_silence = max(waits.longest_silence, end - last[0])
    return waits, end - cancelled if cancelled else 0.0


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("state", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--stacks", action="store_true")
    parser.add_argument("--cancels", type=int, default=0)
    options = parser.parse_args()
    opened = []
    kept = []

    def read(context: Context) -> None:
        opened.append(open_state(options.state, context))

    def draw(context: Context) -> None:
        state = opened[0].state
        kept.append(make_chart(memory_map(state, side_meant(state), context), {}))

    rows: dict[str, dict[str, float]] = {}
    stacks: list[tuple[float, str]] = []
    for name, work in {"idle": lambda _context: time.sleep(2), "open": read, "map": draw}.items():
        waits, _ = beside(work, stacks=options.stacks)
        rows[name] = waits.row()
        stacks += waits.stacks

    def read_and_close(context: Context) -> None:
        open_state(options.state, context).close()

    for name, work in {"open": read_and_close, "map": draw}.items():
        if options.cancels:
            step = rows[name]["seconds"] / (options.cancels + 1)
            ends = [beside(work, cancel_after=step * (number + 1))[1] for number in range(options.cancels)]
            rows[name]["max cancel ms"] = round(max(ends) * 1000)
    if options.json:
        print(json.dumps(rows))
        return
    for name, row in rows.items():
        print(f"{name:6}" + "  ".join(f"{key} {value}" for key, value in row.items()))
    for late, stack in stacks:
        print(f"\n{late * 1000:.1f} ms late\n{stack}", end="")


if __name__ == "__main__":
    main()
