"""What a command that opens a state is told. Light: the app is on the screen before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kho_tui.errors import InputError
from kho_tui.layout.platform import ByteOrder
from kho_tui.memory.pieces import Piece, pieces_text

_SIDE_SUFFIXES = (":in", ":out")


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked to open. None: not said.

    ``base``: where the pieces of a raw image lie (nothing: not said); ``root``: where the root FDT lies that is to be shown.
    """

    path: str
    side: str | None
    page_size: int | None
    byte_order: ByteOrder | None
    base: tuple[Piece, ...] = ()
    root: int | None = None

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
        return tuple(word for option, value in said if value is not None for word in (option, value))


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
