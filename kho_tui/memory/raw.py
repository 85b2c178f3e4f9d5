"""Raw images: the bytes of a file are the bytes of memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kho_tui.errors import InputError
from kho_tui.memory.extents import arrange
from kho_tui.memory.physical import ADDRESS_END
from kho_tui.memory.pieces import Piece, pieces_text
from kho_tui.memory.segmented import SegmentedMemory
from kho_tui.memory.source import ByteSource
from kho_tui.text import visible


def open_raw(source: ByteSource, pieces: Sequence[Piece] = ()) -> SegmentedMemory:
    """Memory of which the file holds every byte up to its end. Without ``pieces`` the first byte is taken for that at address 0.

    Raises InputError where the file is empty, or a piece lies behind its end or above 2^64, or overlaps another.
    """
    shown = visible(source.name)
    if not source.size:
        raise InputError(f"{shown}: is empty")
    told = pieces or (Piece(0),)
    ends = [source.size if piece.end is None else min(piece.end, source.size) for piece in told]
    sizes = [end - piece.start for piece, end in zip(told, ends, strict=True)]
    for piece, size in zip(told, sizes, strict=True):
        if size <= 0:
            raise InputError(f"{shown}: the file ends before the piece {pieces_text([piece])}, after {source.size:#x} bytes")
        if piece.phys > ADDRESS_END - size:
            raise InputError(f"{shown}: {size} bytes from address {piece.phys:#x} on do not fit 64-bit addresses")
    columns = ([piece.phys for piece in told], sizes, [piece.start for piece in told])
    segments, overlaps = arrange(*(np.array(column, dtype=np.uint64) for column in columns))
    if overlaps:
        raise InputError(f"{shown}: two of the pieces {pieces_text(told)} overlap in memory")
    return SegmentedMemory(source=source, segments=segments, placed_by="user" if pieces else "nothing")
