"""What a command that opens a state is told. Light: the app is on the screen before anything is decoded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kho_tui.errors import InputError
from kho_tui.layout.platform import ByteOrder
from kho_tui.memory.pieces import Piece, pieces_text
from kho_tui.text import visible

THIS_MACHINE = "/sys/kernel/debug/kho"
"""The path of a command that is given none; debugfs may as well be mounted elsewhere."""
_SIDE_SUFFIXES = (":in", ":out")
_PIECE = re.compile(r"((?:pfn:)?[^:-]+)(?::([^:-]+)-([^:-]*))?", re.IGNORECASE)
_MOST_PIECES = 64
_PIECES_HOW = "--base takes ADDR, or pieces ADDR:FROM-TO of the file as in 0:0-2G,4G:2G- (the last one may be open)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asked to open. None: not said.

    ``base``: where the pieces of a raw image lie (nothing: not said); ``root``: where the root FDT lies that is to be shown.
    ``search``: look through the RAM of the running machine.
    """

    path: str
    side: str | None
    page_size: int | None
    byte_order: ByteOrder | None
    base: tuple[Piece, ...] = ()
    root: int | None = None
    search: bool = False

    @property
    def options(self) -> tuple[str, ...]:
        """The options that say the same, as words."""
        said = (
            ("--side", self.side),
            ("--page-size", None if self.page_size is None else str(self.page_size)),
            ("--byte-order", self.byte_order),
            ("--base", pieces_text(self.base) if self.base else None),
            ("--root", None if self.root is None else f"{self.root:#x}"),
        )
        words = [word for option, value in said if value is not None for word in (option, value)]
        return (*words, "--search") if self.search else tuple(words)


def split_side(path: str, side: str | None) -> tuple[str, str | None]:
    """The path and the side of ``A:in``; a path that exists as it is written wins. Raises InputError for a side that is none."""
    suffix = next((s for s in _SIDE_SUFFIXES if path.endswith(s)), None)
    if suffix is not None and not Path(path).exists():
        if side is not None and side != suffix[1:]:
            raise InputError(f"--side {side} and {suffix} contradict each other")
        path, side = path[: -len(suffix)], suffix[1:]
    if side not in (None, "in", "out"):
        raise InputError("--side takes in or out")
    return path, side


def parse_pieces(text: str) -> tuple[Piece, ...]:
    """What ``--base`` says. Raises InputError.

    >>> parse_pieces("0:0-2G,4G:2G-")
    (Piece(phys=0, start=0, end=2147483648), Piece(phys=4294967296, start=2147483648, end=None))
    >>> parse_pieces("0x40000000")
    (Piece(phys=1073741824, start=0, end=None),)
    """
    words = text.split(",")
    if len(words) > _MOST_PIECES:
        raise InputError(f"--base: {len(words)} pieces; at most {_MOST_PIECES} are read")
    pieces = tuple(_piece(word.strip()) for word in words)
    if any(piece.end is not None and piece.end <= piece.start for piece in pieces):
        raise InputError(f"--base: a piece that ends before it begins: {visible(text[:80])}")
    return pieces


def _piece(word: str) -> Piece:
    from kho_tui.layout.platform import PAGE_SIZES
    from kho_tui.views.format import parse_address

    match = _PIECE.fullmatch(word)
    if match is None:
        raise InputError(f"--base: {visible(word[:40])} is no piece; {_PIECES_HOW}")
    try:
        phys, start, end = (None if not part else parse_address(part, PAGE_SIZES[0]) for part in match.groups())
    except InputError as error:
        raise InputError(f"--base: {error}; {_PIECES_HOW}") from None
    return Piece(phys or 0, start or 0, end)
