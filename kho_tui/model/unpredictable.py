"""What a simulated state cannot tell: where a real kernel would show something else, and why. A simulated capture's manifest keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kho_tui.text import SafeText, visible

_MOST = 64
"""Declarations, and paths of one, that are read from a manifest."""
_LONGEST = 400
"""Characters of a clause that are read from a manifest."""


@dataclass(frozen=True, slots=True)
class Unpredictable:
    """``text`` is one clause. ``where``: the entities (paths as text) at and below which a real kernel may show something else.

    ``only_addresses``: there only physical addresses may be others. Without ``where`` it is of nothing that two states are compared by.
    """

    text: SafeText
    where: tuple[str, ...] = ()
    only_addresses: bool = False

    def covers(self, path: str) -> bool:
        """Whether an entity is one of those, or below one."""
        return any(path == one or path.startswith(f"{one}/") for one in self.where)


def to_manifest(unpredictable: Iterable[Unpredictable]) -> dict[str, object]:
    """What capture.json says of them."""
    return {"unpredictable": [{"what": one.text, "where": list(one.where), "only_addresses": one.only_addresses} for one in unpredictable]}


def from_manifest(manifest: Mapping[str, object] | None) -> tuple[Unpredictable, ...]:
    """What capture.json declares, as far as it has the form; nothing where the capture does not say that it is simulated."""
    if manifest is None or manifest.get("simulated") is not True:
        return ()
    told = manifest.get("unpredictable")
    return tuple(one for entry in (told if isinstance(told, list) else [])[:_MOST] for one in _read(entry))


def _read(entry: object) -> tuple[Unpredictable, ...]:
    if not isinstance(entry, dict) or not isinstance(entry.get("what"), str):
        return ()
    where = entry.get("where")
    paths = tuple(path for path in (where if isinstance(where, list) else [])[:_MOST] if isinstance(path, str) and path)
    return (Unpredictable(visible(entry["what"][:_LONGEST]), paths, entry.get("only_addresses") is True),)
