"""Bitmaps of a dump, one bit a page, lowest bit first: read a piece at a time, kept as runs of set bits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kho_tui.errors import ReadError
from kho_tui.layout.arrays import U64s
from kho_tui.memory.source import ByteSource
from kho_tui.text import visible

_PIECE = 128 << 10
"""Bytes of a bitmap read at once, so few because a bit in which a run begins or ends takes 24 bytes meanwhile."""
RUNS_LIMIT = 4 << 20
"""Runs kept: 128 MiB as extents. A bitmap of a 12 TiB host whose bits alternate has 10^9."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Pages in ascending runs that do not adjoin, columns of shape (n,): the first page of each, and the one behind its last."""

    starts: U64s
    ends: U64s
    read_to: int
    """Up to which page the bitmap was read: less than asked for where there are more runs than are kept."""


def runs_of_bits(source: ByteSource, offset: int, first: int, behind: int, most: int = RUNS_LIMIT) -> Runs:
    """The first ``most`` runs of set bits from bit ``first`` up to ``behind`` of the bitmap at ``offset`` of the file. Raises ReadError."""
    parts: list[U64s] = []
    count = 0
    for changes in _changes(source, offset, first, behind):
        parts.append(changes)
        count += len(changes)
        if count > 2 * most:
            break
    edges: U64s = np.concatenate([*parts, np.zeros(0, np.uint64)])[: 2 * most]
    if len(edges) % 2:
        edges = np.append(edges, np.uint64(behind))
    return Runs(edges[::2].copy(), edges[1::2].copy(), int(edges[-1]) if count > 2 * most else behind)


def bit_is_set(source: ByteSource, offset: int, bit: int) -> bool:
    """One bit of the bitmap that begins at ``offset`` of the file. Raises ReadError."""
    data = source.read_at(offset + bit // 8, 1)
    return bool(data and data[0] >> bit % 8 & 1)


def _changes(source: ByteSource, offset: int, first: int, behind: int) -> Iterator[U64s]:
    """The bits that differ from the bit before them, ascending: where runs begin and end.

    Bits before ``first`` and from ``behind`` on count as 0. Only words of 64 in which something changes are looked at bit by bit.
    """
    one, top = np.uint64(1), np.uint64(63)
    before = np.uint64(0)
    start, end = first // 64 * 8, -(-behind // 8)
    for at in range(start, end, _PIECE):
        size = min(_PIECE, end - at)
        data = source.read_at(offset + at, size)
        if len(data) < size:
            raise ReadError(f"{visible(source.name)}: it ends inside a bitmap, at offset {offset + at + len(data):#x}")
        words = np.array(np.frombuffer(data + bytes(-size % 8), "<u8"), np.uint64)
        if at == start:
            words[0] &= ~np.uint64((1 << first % 64) - 1)
        last = behind - at * 8
        if last < len(words) * 64:
            words[last // 64] &= np.uint64((1 << last % 64) - 1)
        shifted = words << one
        shifted[1:] |= words[:-1] >> top
        shifted[0] |= before
        before = words[-1] >> top
        changed = words ^ shifted
        rows = np.flatnonzero(changed)
        bits = np.unpackbits(changed[rows].astype("<u8").view(np.uint8), bitorder="little").reshape(-1, 64)
        word, bit = np.nonzero(bits)
        yield (rows[word] * 64 + bit + at * 8).astype(np.uint64)
