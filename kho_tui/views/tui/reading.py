"""Asking entities for what they compute, with anything that goes wrong turned into something to show."""

from __future__ import annotations

from collections.abc import Sequence

from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Detail, Entity, Value
from kho_tui.model.facts import Damaged, Status
from kho_tui.text import SafeText
from kho_tui.views.tui.explain import explain


def read_children(entity: Entity) -> Sequence[Entity]:
    """The children, or one stand-in that says why they cannot be listed."""
    try:
        return entity.children()
    except Exception as error:  # an untrusted state must never take the app down
        reason = explain(error)
        return (
            Entity(path=entity.path.child("?"), kind="error", title=SafeText("cannot be listed"), status=Status.DAMAGED, reason=reason),
        )


def read_detail(entity: Entity) -> Detail:
    """The detail, or one value that says why it cannot be read."""
    try:
        return entity.detail()
    except Exception as error:
        return Detail(
            (
                Value(
                    name="detail",
                    unit=Unit.TEXT,
                    value=Damaged(explain(error)),
                    meaning="this part of the state could not be read",
                    status=Status.DAMAGED,
                ),
            )
        )
