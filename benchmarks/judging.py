"""What comes after decoding, on large states: all rules of ``check``, and ``diff`` of two that differ in 1,000 scattered pages.

    python benchmarks/judging.py [host|chunks|mixed ...]

States are those of large_states.py, made in a temporary directory, each measured in a process of its own: seconds of one run, ratios to
decoding in the same run, peak memory (MiB) after decoding and at the end. ``mixed`` has no long runs and is compared with itself.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from large_states import Kind, generate

KINDS: tuple[Kind, ...] = ("host", "chunks", "mixed")
DIFFERING = 1000


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def check_one(path: Path) -> dict[str, float]:
    """Decode, then run every rule."""
    from kho_tui.context import Context
    from kho_tui.operations.check_state import check_state
    from kho_tui.operations.open_state import open_state

    start = time.perf_counter()
    with open_state(path, Context()) as opened:
        decoded, memory = time.perf_counter(), _peak()
        check_state(opened, Context())
        return {"decode": decoded - start, "work": time.perf_counter() - decoded, "after decode": memory, "peak": _peak()}


def diff_two(old: Path, new: Path) -> dict[str, float]:
    """Decode both, then compare."""
    from kho_tui.analysis.diff.states import diff_states
    from kho_tui.context import Context
    from kho_tui.operations.open_state import open_state

    start = time.perf_counter()
    with open_state(old, Context()) as one, open_state(new, Context()) as other:
        decoded, memory = time.perf_counter(), _peak()
        diff = diff_states(one.state, other.state, Context())
        ended = time.perf_counter()
        changes = [*diff.memory, *(memory for change in diff.changes for memory in change.memory)]
        return {
            "decode": decoded - start,
            "work": ended - decoded,
            "after decode": memory,
            "peak": _peak(),
            "pages": sum(one.size for one in changes) / 4096,
        }


def row(name: str, *arguments: str) -> None:
    """One line of the table."""
    done = subprocess.run([sys.executable, __file__, "--measure", *arguments], capture_output=True, text=True, check=True)
    m = json.loads(done.stdout)
    told = f"  {m['pages']:.0f} pages differ" if "pages" in m else ""
    ratio = m["work"] / m["decode"]
    print(f"{name:16}{m['decode']:10.2f}{m['work']:9.2f}{ratio:9.2f}{m['after decode']:14.0f}{m['peak']:10.0f}{told}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, []], default=[])
    parser.add_argument("--measure", type=Path, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        print(json.dumps(check_one(*options.measure) if len(options.measure) == 1 else diff_two(*options.measure)))
        return
    print(f"{'':16}{'decode s':>10}{'work s':>9}{'ratio':>9}{'decoded MiB':>14}{'peak MiB':>10}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        old, new = Path(folder) / "old.elf", Path(folder) / "new.elf"
        for kind in options.kinds or KINDS:
            generate(kind, old)
            generate(kind, new, without=0 if kind == "mixed" else DIFFERING)
            row(f"check {kind}", str(old))
            row(f"diff {kind}", str(old), str(new))


if __name__ == "__main__":
    main()
