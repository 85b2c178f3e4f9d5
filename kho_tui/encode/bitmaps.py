"""Runs of set bits to bitmaps: the inverse of decode's, a few MiB of bitmaps at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from kho_tui.errors import EncodeError
from kho_tui.layout.arrays import I64s, U64s
from kho_tui.layout.platform import Platform

_BATCH_BYTES = 4 << 20
_MOST_RUNS = 1 << 20
"""Runs in one batch of bitmaps, so that what is computed from them stays small."""


def filled(numbers: U64s, first: U64s, count: U64s, size: int, platform: Platform) -> Iterator[tuple[int, bytes]]:
    """(row, bytes) of each bitmap of ``size`` bytes whose number stands in ``numbers``, ascending by number.

    Bit n of bitmap b stands for key ``b * 8 * size + n``; the set keys are the runs ``first``, ``count``, u64 of shape (n,). A bit lies
    in a native word, as the kernel's bitmap functions have it. Raises EncodeError where a key has no bitmap, or a number stands twice.
    """
    bits = size * 8
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    if bool((numbers[1:] == numbers[:-1]).any()):
        raise EncodeError("two bitmaps of the tracker stand for the same memory")
    first, end = _union(first, count)
    placed = at = 0
    while at < len(numbers):
        begin = int(np.searchsorted(end, numbers[at] * np.uint64(bits), side="right"))
        until = min(at + max(1, _BATCH_BYTES // size), len(numbers))
        if begin + _MOST_RUNS < len(first):
            until = max(at + 1, min(until, int(np.searchsorted(numbers, first[begin + _MOST_RUNS] // np.uint64(bits)))))
        behind = int(np.searchsorted(first, numbers[until - 1] * np.uint64(bits) + np.uint64(bits - 1), side="right"))
        some = numbers[at:until]
        bitmap, start, stop = _pieces(first[begin:behind], end[begin:behind], bits)
        row = np.minimum(np.searchsorted(some, bitmap), len(some) - 1)
        here = some[row] == bitmap
        row, start, stop = row[here], start[here], stop[here]
        placed += int((stop - start).sum())
        words = _words(row, start, stop, len(some), bits // 64)
        raw = words.astype("<u8" if platform.byte_order == "little" else ">u8").view(np.uint8).reshape(len(some), size)
        for number, data in enumerate(raw):
            yield int(order[at + number]), data.tobytes()
        at = until
    lost = int((end - first).sum()) - placed
    if lost:
        raise EncodeError(f"the tracker has no bitmap for {lost} preserved blocks")


def _union(first: U64s, count: U64s) -> tuple[U64s, U64s]:
    """First key and key behind the last of the runs, ascending, those that touch or overlap as one."""
    order = np.argsort(first, kind="stable")
    first, end = first[order], (first + count)[order]
    if not len(first):
        return first, end
    end = np.maximum.accumulate(end)
    heads = np.flatnonzero(np.concatenate([[True], first[1:] > end[:-1]]))
    tails = np.concatenate([heads[1:], [len(first)]]) - 1
    return first[heads], end[tails]


def _pieces(first: U64s, end: U64s, bits: int) -> tuple[U64s, I64s, I64s]:
    """The runs cut where bitmaps end: number of the bitmap, first bit, bit behind the last; ascending."""
    width = np.uint64(bits)
    lowest = first // width
    parts = ((end - np.uint64(1)) // width - lowest + np.uint64(1)).astype(np.int64) if len(first) else np.empty(0, np.int64)
    run = np.repeat(np.arange(len(first)), parts)
    rank = np.arange(len(run)) - np.repeat(np.cumsum(parts) - parts, parts)
    bitmap = lowest[run] + rank.astype(np.uint64)
    base = bitmap * width
    start = np.maximum(first[run], base) - base
    stop = np.minimum(end[run] - base, width)
    return bitmap, start.astype(np.int64), stop.astype(np.int64)


def _words(row: npt.NDArray[np.intp], start: I64s, end: I64s, bitmaps: int, width: int) -> U64s:
    """Words of shape (bitmaps, width) with the bits start..end-1 of each piece set. Pieces neither touch nor overlap, and ascend."""
    words = np.zeros(bitmaps * width, np.uint64)
    # A bit where a run starts and one behind its end; every bit is then the parity of those up to it.
    place = np.stack([row * (width * 64) + start, row * (width * 64) + end], axis=1).reshape(-1)
    inside = np.stack([np.ones(len(end), np.bool_), end < width * 64], axis=1).reshape(-1)
    place = place[inside]
    word = place // 64
    heads = np.flatnonzero(np.concatenate([[True], word[1:] != word[:-1]])) if len(word) else np.empty(0, np.intp)
    if len(heads):
        words[word[heads]] = np.bitwise_xor.reduceat(np.uint64(1) << (place % 64).astype(np.uint64), heads)
    for step in (1, 2, 4, 8, 16, 32):
        words ^= words << np.uint64(step)
    rows = words.reshape(bitmaps, width)
    parity = np.bitwise_xor.accumulate(rows >> np.uint64(63), axis=1)
    rows[:, 1:] ^= np.uint64(0) - parity[:, :-1]
    return rows
