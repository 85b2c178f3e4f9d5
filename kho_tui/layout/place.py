"""Where bytes came from: the provenance that hangs on records, tables and blobs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class Origin(Enum):
    """The kind of source. The value is the word used in JSON."""

    MEMORY = "memory"
    DEBUGFS = "debugfs"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Place:
    """The first byte of something decoded.

    ``source`` is the file's name inside the capture, ``offset`` the byte offset in it (None where memory of many
    files stands behind it), ``phys`` the physical address (None for a copy whose address is not known).
    """

    origin: Origin
    source: str
    offset: int | None = 0
    phys: int | None = None

    def at(self, delta: int) -> Place:
        """The place ``delta`` bytes further on."""
        return replace(
            self,
            offset=None if self.offset is None else self.offset + delta,
            phys=None if self.phys is None else self.phys + delta,
        )


def agree(one: bytes, other: bytes) -> bool:
    """Whether two copies of one thing say the same as far as the shorter goes."""
    return one.startswith(other) or other.startswith(one)


ALIKE = 0.75
"""The share of its bytes, those that are 0 left out, by which a damaged copy is still known."""


def resemble(one: bytes, other: bytes) -> bool:
    """Whether two copies are of one thing of which one is damaged, as far as the shorter goes."""
    pairs = [(a, b) for a, b in zip(one, other, strict=False) if a or b]
    return sum(a == b for a, b in pairs) >= ALIKE * len(pairs) > 0


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes with their place."""

    data: bytes
    place: Place
