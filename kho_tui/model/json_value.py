"""What a JSON text is made of, long lists among it that are made while they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from kho_tui.model.facts import Fact, Missing

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | Rows | str | int | bool | None"


@dataclass(frozen=True, slots=True)
class Rows:
    """A long list whose items are made while they are written, a few hundred at a time."""

    batches: Callable[[], Iterable[list[list[str | int]]]]


def hex_text(value: int) -> str:
    """An address or opaque number as JSON has it."""
    return f"{value:#x}"


def address_text(fact: Fact[int]) -> str | None:
    """The same of a fact, null where it is none."""
    return None if isinstance(fact, Missing) else hex_text(fact)
