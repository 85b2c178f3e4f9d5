"""The memory of a capture as people have it who took no capture: raw images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kho_tui.memory.elf import open_elf
from kho_tui.memory.source import open_file

Segments = list[tuple[int, bytes]]
"""(physical address, bytes), ascending."""


def segments_of(capture: Path) -> Segments:
    """What the memory.elf of a capture holds."""
    with open_file(capture / "memory.elf") as source:
        memory = open_elf(source)
        return [(extent.start, memory.read(extent.start, extent.size)) for extent in memory.extents()]


def write_raw(path: Path, segments: Iterable[tuple[int, bytes]], size: int) -> Path:
    """A file of ``size`` bytes that holds (offset, bytes), and is holes elsewhere."""
    with path.open("wb") as out:
        for offset, data in segments:
            out.seek(offset)
            out.write(data)
        out.truncate(size)
    return path
