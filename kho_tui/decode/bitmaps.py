"""Bitmaps to runs of set bits, many bitmaps at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kho_tui.model.runs import I64s

U64s = npt.NDArray[np.uint64]

_BLOCK_WORDS = 1 << 15


def bit_runs(words: U64s) -> tuple[I64s, I64s, I64s]:
    """Runs of set bits in bitmaps of shape (n, words): (bitmap, first bit, length), each of shape (runs,), in order.

    Bit n of a bitmap is bit n % 64 of word n // 64. A run never crosses from one bitmap into the next.
    """
    count, width = words.shape
    per_block = max(1, _BLOCK_WORDS // width)
    pieces = [_bit_runs_of_block(words[at : at + per_block], at) for at in range(0, count, per_block)]
    if not pieces:
        empty = np.empty(0, np.int64)
        return empty, empty, empty
    return (np.concatenate([p[0] for p in pieces]), np.concatenate([p[1] for p in pieces]), np.concatenate([p[2] for p in pieces]))


def _bit_runs_of_block(words: U64s, first: int) -> tuple[I64s, I64s, I64s]:
    count, width = words.shape
    # A zero word behind each bitmap ends its last run, so that edges alternate start, end, start, end.
    guarded = np.zeros((count, width + 1), np.uint64)
    guarded[:, :width] = words
    flat = guarded.reshape(-1)
    edges = flat << np.uint64(1)
    edges[1:] |= flat[:-1] >> np.uint64(63)
    edges ^= flat
    where = np.flatnonzero(edges)
    positions = _bit_positions(edges[where], where)
    starts, ends = positions[0::2], positions[1::2]
    bits = (width + 1) * 64
    bitmap = starts // bits
    return bitmap + first, starts - bitmap * bits, ends - starts


def _bit_positions(values: U64s, where: I64s) -> I64s:
    """Positions of the set bits of ``values``, word i standing at word ``where[i]``; ascending."""
    per_word = np.bitwise_count(values).astype(np.int64)
    before = np.cumsum(per_word) - per_word
    positions = np.empty(int(per_word.sum()), np.int64)
    single = per_word == 1
    positions[before[single]] = where[single] * 64 + np.bitwise_count(values[single] - np.uint64(1))
    several = ~single
    if several.any():
        little = values[several].astype("<u8", copy=False)
        row, bit = np.nonzero(np.unpackbits(little.view(np.uint8).reshape(-1, 8), axis=1, bitorder="little"))
        first_of_row = np.cumsum(per_word[several]) - per_word[several]
        rank = np.arange(len(row), dtype=np.int64) - first_of_row[row]
        positions[before[several][row] + rank] = where[several][row] * 64 + bit
    return positions
