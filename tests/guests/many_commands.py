"""Run in a guest: several kho-tui commands in one process, for a slow guest needs ten seconds to import the program.

    python3 many_commands.py '[["show", "--json"], ["check"]]'

Prints a JSON list of [exit code, stdout, stderr].
"""

from __future__ import annotations

import contextlib
import io
import json
import sys

from kho_tui.views.cli.main import run


def main() -> None:
    """Run them one after the other."""
    done = []
    for arguments in json.loads(sys.argv[1]):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(arguments)
        done.append((code, out.getvalue(), err.getvalue()))
    json.dump(done, sys.stdout)


if __name__ == "__main__":
    main()
