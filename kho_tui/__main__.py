"""The program: ``kho-tui`` and ``python -m kho_tui``."""

from __future__ import annotations

import sys

from kho_tui.views.cli.main import run


def main() -> None:
    """Run with the process's arguments and exit."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
