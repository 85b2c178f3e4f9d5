"""One line for anything that goes wrong."""

from __future__ import annotations

from kho_tui.errors import KhoError
from kho_tui.text import SafeText, visible


def explain(error: BaseException) -> SafeText:
    """One line for an error: ours as it stands, any other named as a fault of the program."""
    if isinstance(error, KhoError):
        return visible(str(error))
    if isinstance(error, MemoryError):
        return SafeText("not enough memory")
    if isinstance(error, OSError):
        return visible(f"{error.filename or ''}: {error.strerror or error}".removeprefix(": "))
    return visible(f"internal error: {type(error).__name__}: {error}")
