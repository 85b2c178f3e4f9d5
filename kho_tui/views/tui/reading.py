"""Asking entities for what they compute, with anything that goes wrong turned into something to show."""

from __future__ import annotations

from collections.abc import Sequence

from kho_tui.errors import KhoError
from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Detail, Entity, Value
from kho_tui.model.facts import Damaged, Status
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


def read_children(entity: Entity) -> Sequence[Entity]:
    """The children, or one stand-in that says why they cannot be listed."""
    try:
        return entity.children()
    except Exception as error:  # an untrusted state must never take the app down
        reason = explain(error)
        return (Entity(entity.path.child("?"), "error", SafeText("cannot be listed"), Status.DAMAGED, reason=reason),)


def read_detail(entity: Entity) -> Detail:
    """The detail, or one value that says why it cannot be read."""
    try:
        return entity.detail()
    except Exception as error:
        return Detail(
            (Value("detail", Unit.TEXT, Damaged(explain(error)), "this part of the state could not be read", status=Status.DAMAGED),)
        )
