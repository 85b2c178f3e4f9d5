"""Raw images: the bytes of a file are the bytes of memory."""

from __future__ import annotations

import numpy as np

from kho_tui.errors import InputError
from kho_tui.memory.extents import Extents
from kho_tui.memory.physical import ADDRESS_END
from kho_tui.memory.segmented import SegmentedMemory
from kho_tui.memory.source import ByteSource
from kho_tui.text import visible


def open_raw(source: ByteSource, base: int = 0) -> SegmentedMemory:
    """Memory whose first byte, at physical address ``base``, is the file's first; without gaps up to its end.

    Raises InputError where the file is empty or does not fit below 2^64.
    """
    if not source.size:
        raise InputError(f"{visible(source.name)}: is empty")
    if not 0 <= base <= ADDRESS_END - source.size:
        raise InputError(f"{visible(source.name)}: {source.size} bytes from address {base:#x} on do not fit 64-bit addresses")
    columns = (np.array([value], dtype=np.uint64) for value in (base, source.size, 0))
    return SegmentedMemory(source, Extents(*columns))
