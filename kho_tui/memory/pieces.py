"""Where the bytes of a file of memory lie that does not say so itself: what ``--base`` tells, and what is found out instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kho_tui.errors import InputError
from kho_tui.text import SafeText, visible

PlacedBy = Literal["file", "user", "nothing"]
"""What says where a file's bytes lie: the file itself, the user, or nothing; then address 0 for the first byte is an assumption."""

_SHIFTS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_NUMBER = re.compile(r"(0x[0-9a-f]{1,16}|[0-9]{1,20})([kmgt]?)(?:i?b)?", re.IGNORECASE)
_END = 1 << 64
_MOST_PIECES = 64
_HOW = "--base takes ADDR, or pieces ADDR:FROM-TO of the file as in 0:0-2G,4G:2G- (the last one may be open)"


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes of a file from offset ``start`` to ``end`` (None: to its end) lie from physical address ``phys`` on."""

    phys: int
    start: int = 0
    end: int | None = None


def parse_pieces(text: str) -> tuple[Piece, ...]:
    """Pieces as a user types them. Raises InputError.

    >>> parse_pieces("0:0-2G,4G:2G-")
    (Piece(phys=0, start=0, end=2147483648), Piece(phys=4294967296, start=2147483648, end=None))
    >>> parse_pieces("0x40000000")
    (Piece(phys=1073741824, start=0, end=None),)
    """
    words = text.replace("_", "").split(",")
    if len(words) > _MOST_PIECES:
        raise InputError(f"--base: {len(words)} pieces; at most {_MOST_PIECES} are read")
    pieces = tuple(_piece(word.strip()) for word in words)
    if any(piece.end is not None and piece.end <= piece.start for piece in pieces):
        raise InputError(f"--base: a piece that ends before it begins: {visible(text[:80])}")
    return pieces


def pieces_text(pieces: Sequence[Piece]) -> SafeText:
    """The pieces as ``--base`` takes them: ``0:0-2G,4G:2G-``."""
    if len(pieces) == 1 and pieces[0] == Piece(pieces[0].phys):
        return SafeText(_number(pieces[0].phys))
    parts = [f"{_number(one.phys)}:{_number(one.start)}-{'' if one.end is None else _number(one.end)}" for one in pieces]
    return SafeText(",".join(parts))


def _piece(word: str) -> Piece:
    phys, colon, rest = word.partition(":")
    if not colon:
        return Piece(_value(phys))
    start, dash, end = rest.partition("-")
    if not dash:
        raise InputError(f"--base: {visible(word[:40])} does not say where the piece ends; {_HOW}")
    return Piece(_value(phys), _value(start), _value(end) if end.strip() else None)


def _value(text: str) -> int:
    match = _NUMBER.fullmatch(text.strip()) if text.isascii() else None
    value = -1 if match is None else int(match[1], 0 if match[1][:2].lower() == "0x" else 10) << _SHIFTS[match[2].upper()]
    if not 0 <= value < _END:
        raise InputError(f"--base: {visible(text[:40])} is not an address; {_HOW}")
    return value


def _number(value: int) -> str:
    """In the largest unit that divides it, as long as it is short so."""
    unit = next((unit for unit in "TGM" if value and value % (1 << _SHIFTS[unit]) == 0 and value >> _SHIFTS[unit] < 1024), "")
    return f"{value >> _SHIFTS[unit]}{unit}" if unit or not value else f"{value:#x}"
