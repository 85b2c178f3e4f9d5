"""Bits by page: the bitmaps of a tracker, set one by one or in long stretches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kho_tui.layout.arrays import U64s

_BATCH_BYTES = 16 << 20


class Bitmaps:
    """Bitmaps of ``size`` bytes by number. They come when asked for and stay when their bits are cleared."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._maps: dict[int, bytearray] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._maps

    def add(self, number: int) -> None:
        """An empty bitmap."""
        self._maps[number] = bytearray(self.size)

    def clear(self) -> None:
        """Forget all bitmaps."""
        self._maps.clear()

    def numbers(self) -> list[int]:
        """Ascending."""
        return sorted(self._maps)

    def get(self, number: int, bit: int) -> bool:
        """Whether a bit is set; false where there is no such bitmap."""
        held = self._maps.get(number)
        return held is not None and bool(held[bit >> 3] >> (bit & 7) & 1)

    def put(self, number: int, first: int, count: int, value: bool) -> None:
        """Set or clear ``count`` bits from ``first`` on, all in one bitmap that is there."""
        held, last = self._maps[number], first + count
        while first < last and first & 7:
            _put(held, first, value)
            first += 1
        whole = (last - first) >> 3
        if whole > 0:
            held[first >> 3 : (first >> 3) + whole] = (b"\xff" if value else b"\0") * whole
            first += whole << 3
        while first < last:
            _put(held, first, value)
            first += 1

    def batches(self, numbers: list[int]) -> Iterator[tuple[list[int], U64s]]:
        """Of the given bitmaps some numbers, and their words as u64 of shape (n, words), a few MiB at a time."""
        step = max(1, _BATCH_BYTES // self.size)
        for at in range(0, len(numbers), step):
            some = numbers[at : at + step]
            words = np.frombuffer(b"".join(self._maps[number] for number in some), "<u8").astype(np.uint64)
            yield some, words.reshape(len(some), -1)


def _put(held: bytearray, bit: int, value: bool) -> None:
    if value:
        held[bit >> 3] |= 1 << (bit & 7)
    else:
        held[bit >> 3] &= ~(1 << (bit & 7)) & 0xFF
