"""JSON of any size to a stream: long lists are written as they are made, never held whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from kho_tui.model.json_value import Json, Rows


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
