"""What opening a path goes by, whatever is there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from kho_tui.context import Context
from kho_tui.memory.pieces import Piece
from kho_tui.model.registry import Registry
from kho_tui.text import SafeText


@dataclass(frozen=True, slots=True)
class Opening:
    """``closer`` closes every file that is opened. ``base``: where the pieces of a raw image of memory lie, empty: what it is tells.

    ``moving``: files of the running machine, as they are shown, that changed while they were read and are left out.
    ``memory``: whether its memory may be read.
    """

    context: Context
    registry: Registry
    closer: ExitStack
    base: Sequence[Piece] = ()
    moving: frozenset[SafeText] = frozenset()
    memory: bool = True
