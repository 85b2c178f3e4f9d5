"""JSON of any size to a stream: long lists are written as they are made, never held whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | Rows | str | int | bool | None"


@dataclass(frozen=True, slots=True)
class Rows:
    """A long list whose items are made while they are written, a few hundred at a time."""

    batches: Callable[[], Iterable[list[list[str | int]]]]


def json_pieces(value: Json, indent: str = "") -> Iterator[str]:
    """The text of ``value``, objects and lists one item a line, rows of ``Rows`` many to a line."""
    deeper = indent + "  "
    if isinstance(value, Rows):
        yield from _rows(value, indent)
    elif isinstance(value, Mapping):
        yield "{" if value else "{}"
        for number, (key, item) in enumerate(value.items()):
            yield f"{',' if number else ''}\n{deeper}{json.dumps(key)}: "
            yield from json_pieces(item, deeper)
        if value:
            yield f"\n{indent}}}"
    elif isinstance(value, list | tuple):
        yield "[" if value else "[]"
        for number, item in enumerate(value):
            yield f"{',' if number else ''}\n{deeper}"
            yield from json_pieces(item, deeper)
        if value:
            yield f"\n{indent}]"
    else:
        yield json.dumps(value)


def _rows(value: Rows, indent: str) -> Iterator[str]:
    yield "["
    some = False
    for batch in value.batches():
        if batch:
            yield f"{',' if some else ''}\n{indent}  {json.dumps(batch)[1:-1]}"
            some = True
    yield f"\n{indent}]" if some else "]"
