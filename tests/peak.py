"""The most memory that a piece of Python takes, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

MIB = 1 << 20
COMMAND = "from kho_tui.views.cli.main import run\ncode = run(sys.argv[1:])"
"""``kho-tui`` with the arguments, its exit code in ``code``."""
# Not ru_maxrss: that of a process begins with what its parent had, so that a large parent hides it, or is taken for it.
_AFTER = 'print(code, next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1], file=sys.stderr)'


def peak_of(program: str, *arguments: str) -> tuple[str, int]:
    """What the program left in ``code``, as text, and the most bytes that it had at once. ``sys`` is imported for it."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}\n{_AFTER}", *arguments], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    code, _, peak = done.stderr.splitlines()[-1].rpartition(" ")
    return code, int(peak) << 10
