"""The version of this program."""

from __future__ import annotations


def program_version() -> str:
    """As it is installed; ``unknown`` for a copy of the sources that is not."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("kho-tui")
    except PackageNotFoundError:
        return "unknown"
