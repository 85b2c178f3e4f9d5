"""What a JSON text is made of, long lists among it that are made while they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from kho_tui.model.facts import Fact, Missing
from kho_tui.text import visible

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | Rows | str | int | bool | None"


@dataclass(frozen=True, slots=True)
class Rows:
    """A long list whose items are made while they are written, a few hundred at a time."""

    batches: Callable[[], Iterable[list[list[str | int]]]]


def further_fields(values: Mapping[str, int | bytes]) -> Mapping[str, Json]:
    """``fields`` of an object: what its version has more than the keys that every version has; nothing where it has no more."""
    return {"fields": {name: value if isinstance(value, int) else visible(value) for name, value in values.items()}} if values else {}


def hex_text(value: int) -> str:
    """An address or opaque number as JSON has it."""
    return f"{value:#x}"


def address_text(fact: Fact[int]) -> str | None:
    """The same of a fact, null where it is none."""
    return None if isinstance(fact, Missing) else hex_text(fact)
