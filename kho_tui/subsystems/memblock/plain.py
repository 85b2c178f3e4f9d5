"""The regions of memblock as plain values."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.model.plain import Plain


@dataclass(frozen=True, slots=True)
class Region:
    """A ``reserve_mem=`` region. ``start`` physical, ``size`` in bytes."""

    name: bytes
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class PlainMemblock(Plain):
    """The regions in the order of the FDT."""

    regions: tuple[Region, ...]
