"""What a simulated state cannot tell: where a real kernel would show something else, and why. A simulated capture's manifest keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kho_tui.text import SafeText, visible

_MOST = 64
"""Declarations, and spots of one, that are read from a manifest."""
_LONGEST = 400
"""Characters of a clause that are read from a manifest."""
_HIGHEST = 1 << 63


@dataclass(frozen=True, slots=True)
class Spot:
    """One field of one entity (``path`` as text). Of a list's row the field's name goes without the number of the row.

    ``align``: the value is a multiple of it, whatever else it is (bytes; 1 for any).
    """

    path: str
    field: str
    align: int = 1


@dataclass(frozen=True, slots=True)
class Unpredictable:
    """``text`` is one clause. ``where``: the fields of which a real kernel may show another value, and nothing else.

    Without ``where`` it is of nothing that two states are compared by.
    """

    text: SafeText
    where: tuple[Spot, ...] = ()

    def spot(self, path: str, field: str) -> Spot | None:
        """What it says of a field; None where it does not speak of it."""
        return next((one for one in self.where if (one.path, one.field) == (path, field)), None)


def to_manifest(unpredictable: Iterable[Unpredictable]) -> dict[str, object]:
    """What capture.json says of them."""
    return {"unpredictable": [{"what": one.text, "where": [_written(spot) for spot in one.where]} for one in unpredictable]}


def from_manifest(manifest: Mapping[str, object] | None) -> tuple[Unpredictable, ...]:
    """What capture.json declares, as far as it has the form; nothing where the capture does not say that it is simulated."""
    if manifest is None or manifest.get("simulated") is not True:
        return ()
    return tuple(one for entry in _listed(manifest.get("unpredictable")) for one in _read(entry))


def _written(spot: Spot) -> dict[str, object]:
    return {"path": spot.path, "field": spot.field, "align": spot.align}


def _listed(told: object) -> list[object]:
    return told[:_MOST] if isinstance(told, list) else []


def _read(entry: object) -> tuple[Unpredictable, ...]:
    if not isinstance(entry, dict) or not isinstance(entry.get("what"), str):
        return ()
    spots = tuple(spot for one in _listed(entry.get("where")) for spot in _spot(one))
    return (Unpredictable(visible(entry["what"][:_LONGEST]), spots),)


def _spot(entry: object) -> tuple[Spot, ...]:
    if not isinstance(entry, dict):
        return ()
    path, field, align = (entry.get(key) for key in ("path", "field", "align"))
    if not (isinstance(path, str) and path and isinstance(field, str) and field):
        return ()
    return (Spot(path, field, align),) if isinstance(align, int) and not isinstance(align, bool) and 0 < align <= _HIGHEST else ()
