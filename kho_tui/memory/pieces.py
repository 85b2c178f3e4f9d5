"""Where the bytes of a file of memory lie that does not say so itself: what ``--base`` tells, and what is found out instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kho_tui.text import SafeText

PlacedBy = Literal["file", "user", "nothing"]
"""What says where a file's bytes lie: the file itself, the user, or nothing; then address 0 for the first byte is an assumption."""

_UNITS = {"T": 40, "G": 30, "M": 20}


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes of a file from offset ``start`` to ``end`` (None: to its end) lie from physical address ``phys`` on."""

    phys: int
    start: int = 0
    end: int | None = None


def pieces_text(pieces: Sequence[Piece]) -> SafeText:
    """The pieces as ``--base`` takes them.

    >>> pieces_text([Piece(0, 0, 2 << 30), Piece(4 << 30, 2 << 30)])
    '0:0-2G,4G:2G-'
    """
    if len(pieces) == 1 and pieces[0] == Piece(pieces[0].phys):
        return SafeText(_number(pieces[0].phys))
    parts = [f"{_number(one.phys)}:{_number(one.start)}-{'' if one.end is None else _number(one.end)}" for one in pieces]
    return SafeText(",".join(parts))


def _number(value: int) -> str:
    """In the largest unit that divides it, as long as it is short so."""
    for unit, shift in _UNITS.items():
        if value and value % (1 << shift) == 0 and value >> shift < 1024:
            return f"{value >> shift}{unit}"
    return f"{value:#x}" if value else "0"
