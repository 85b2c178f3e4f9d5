"""The document of ``show --json`` brought to a form in which ways of looking at one state can be compared."""

from __future__ import annotations

import json
from typing import Any

from kho_tui.operations.open_state import Opened
from kho_tui.views.export.json_stream import json_pieces
from kho_tui.views.export.state_json import state_json

_HOW_READ = frozenset({"origin", "available", "truncated", "libfdt"})
"""Keys that say where bytes were read from: a root FDT of debugfs is cut, that of memory is whole."""


def without_origin(value: Any) -> Any:
    """A part of a document without where it was read from."""
    if isinstance(value, dict):
        return {key: without_origin(part) for key, part in value.items() if key not in _HOW_READ}
    return [without_origin(part) for part in value] if isinstance(value, list) else value


def decoded(document: dict[str, Any]) -> dict[str, Any]:
    """What was decoded: scratch and both sides."""
    return {"scratch": without_origin(document["scratch"]), "sides": without_origin(document["sides"])}


def decoded_of(opened: Opened) -> dict[str, Any]:
    """What was decoded of an opened state, every block with it."""
    return decoded(json.loads("".join(json_pieces(state_json(opened.state, blocks=True)))))
