"""The program: ``kho-tui`` and ``python -m kho_tui``."""

from __future__ import annotations

import signal
import sys

from kho_tui.views.cli.main import run


def main() -> None:
    """Run with the process's arguments and exit. Whoever closes our pipe early has what he wanted: we end without a word."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
