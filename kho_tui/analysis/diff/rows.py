"""Long lists that the walk of entities shows as one thing: what differs between two of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kho_tui.model.change import ChangeKind, FieldChange
from kho_tui.text import SafeText

MOST_ROWS = 32
"""Rows of one list that are told one by one; the rest is counted."""


@dataclass(frozen=True, slots=True)
class RowChanges:
    """How two lists differ; ``resizes``: rows came or went."""

    kind: ChangeKind
    fields: tuple[FieldChange, ...]
    note: SafeText
    resizes: bool


class LongList(ABC):
    """A list whose rows are no entities. It is compared with one of its own class."""

    @abstractmethod
    def compare(self, other: Any) -> RowChanges | None:
        """How the rows differ; None where none is seen to, or where one of the two lists could not be read."""

    def links(self, _other: Any) -> list[FieldChange]:
        """What differs in how the pages of the list hang together."""
        return []


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """How many rows are in A alone, in B alone, in both with another address, and in both with other flags."""

    gone: int
    came: int
    moved: int
    flagged: int = 0


def row_changes(counts: RowCounts, fields: Sequence[FieldChange], rows: str) -> RowChanges:
    """The lists in one line; ``rows``: how many rows of what A has. Where nothing is counted only their order differs."""
    words = ((counts.gone, "gone"), (counts.came, "new"), (counts.moved, "moved"), (counts.flagged, "with other flags"))
    said = [f"{count} {word}" for count, word in words if count]
    if not said:
        return RowChanges(ChangeKind.REORDERED, (), SafeText(f"the same {rows} in another order"), False)
    resizes = bool(counts.gone or counts.came)
    kind = ChangeKind.CHANGED if counts.flagged or (resizes and counts.moved) else ChangeKind.RESIZED if resizes else ChangeKind.MOVED
    return RowChanges(kind, tuple(fields[:MOST_ROWS]), SafeText(f"of {rows}: {', '.join(said)}"), resizes)
