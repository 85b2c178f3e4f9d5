"""Bitmaps to runs of set bits, many bitmaps at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kho_tui.decode.reader import Reader
from kho_tui.layout.arrays import I64s, U64s

_BATCH_BYTES = 256 << 10
"""Bytes of bitmaps read at once. Few: where every other bit is set, their runs take 40 MB while they are placed, and a batch beyond
the budget is left out whole."""
_BLOCK_WORDS = 1 << 15
_EDGE_WORDS = 1 << 13
"""Words looked through for edges, and words with edges taken apart, in one step: few enough that what a step makes stays in the
processor's cache, and enough that the calls do not count."""
_MANY_BITS = 4
"""Set bits a word from which on unpacking all 64 is cheaper than taking them off one by one."""
_ONE, _TOP = np.uint64(1), np.uint64(63)


@dataclass(frozen=True, eq=False, slots=True)
class BitmapBatch:
    """Runs of set bits of some bitmaps of a list: which rows of the list they are, and which of them are there, shape (rows,).

    ``bitmap``, ``first`` and ``length`` are as ``bit_runs`` gives them, ``bitmap`` counted from the first of these rows.
    """

    rows: slice
    present: npt.NDArray[np.bool_]
    bitmap: I64s
    first: I64s
    length: I64s


def read_bitmaps(reader: Reader, addresses: U64s, size: int) -> Iterator[BitmapBatch]:
    """The bitmaps of ``size`` bytes at these physical addresses, so few at a time that what is made of them stays small.

    Raises BudgetError, where more runs or bytes come than the budget allows, and Cancelled.
    """
    rows = max(1, _BATCH_BYTES // size)
    for at in range(0, len(addresses), rows):
        reader.context.step("reading tracker bitmaps", at, len(addresses))
        batch = slice(at, at + rows)
        data, present = reader.pages(addresses[batch], size)
        bitmap, first, length = bit_runs(reader.words(data))
        reader.context.spend_runs(len(first))
        yield BitmapBatch(rows=batch, present=present, bitmap=bitmap, first=first, length=length)


def bit_runs(words: U64s) -> tuple[I64s, I64s, I64s]:
    """Runs of set bits in bitmaps of shape (n, words): (bitmap, first bit, length), each of shape (runs,), in order.

    Bit n of a bitmap is bit n % 64 of word n // 64. A run never crosses from one bitmap into the next.
    """
    bits = words.shape[1] * 64
    where, starts, ends = _edges(words)
    first, length = _positions(starts, where), _positions(ends, where)
    length -= first
    bitmap = first // bits
    # In steps, because another array of all runs costs more than the arithmetic on it.
    for at in range(0, len(first), _BLOCK_WORDS):
        step = slice(at, at + _BLOCK_WORDS)
        first[step] -= bitmap[step] * bits
    return bitmap, first, length


def _edges(words: U64s) -> tuple[I64s, U64s, U64s]:
    """Words of the stream that all bitmaps make one after the other, in which a run may start or end: their numbers, in each a
    bit where a run starts, and a bit behind the last one of a run; all of shape (edge words,), ascending."""
    width = words.shape[1]
    stream = np.ascontiguousarray(words).reshape(-1)
    found = [_edges_of_block(stream, at, width) for at in range(0, len(stream), _BLOCK_WORDS)]
    # A run that reaches the end of the stream ends in the word behind it.
    found.append((np.array([len(stream)]), np.zeros(1, np.uint64), stream[-1:] >> _TOP if len(stream) else np.zeros(1, np.uint64)))
    where, starts, ends = zip(*found, strict=True)
    return np.concatenate(where), np.concatenate(starts), np.concatenate(ends)


def _edges_of_block(stream: U64s, at: int, width: int) -> tuple[I64s, U64s, U64s]:
    value = stream[at : at + _BLOCK_WORDS]
    signed = value.view(np.int64)
    # A word has no edge where it is what its predecessor ends with: all ones after a set top bit, all zeros after a clear one.
    # So most words are done with after one shift and one comparison.
    fill = np.empty_like(signed)
    fill[0] = -int(stream[at - 1] >> _TOP) if at else 0
    np.right_shift(signed[:-1], 63, out=fill[1:])
    edge = fill != signed
    edge[-at % width :: width] = True  # where a bitmap begins, a run may end and another start between equal bits
    where = np.flatnonzero(edge)
    value, carry = value[where], fill[where].view(np.uint64) & _ONE
    where += at
    before = value << _ONE | carry
    joined = ~(where % width == 0).astype(np.uint64)  # bits that go on a run of the bit before: not the first of a bitmap
    return where, value & ~(before & joined), before & ~(value & joined)


def _positions(values: U64s, where: I64s) -> I64s:
    """Positions in the stream of the set bits of ``values``, word i of them standing at word ``where[i]``; ascending."""
    found = np.empty(int(np.bitwise_count(values).sum()), np.int64)
    done = 0
    for at in range(0, len(values), _EDGE_WORDS):
        step = slice(at, at + _EDGE_WORDS)
        some = np.flatnonzero(values[step] != 0)
        part = _positions_of_some(values[step][some], where[step][some] * 64)
        found[done : done + len(part)] = part
        done += len(part)
    return found


def _positions_of_some(values: U64s, base: I64s) -> I64s:
    """Positions of the set bits of ``values``, which are above 0 and have their bit 0 at ``base``; ascending."""
    per_word = np.bitwise_count(values)
    if per_word.sum() > _MANY_BITS * len(values):
        bits = np.unpackbits(values.astype("<u8", copy=False).view(np.uint8), bitorder="little").view(np.bool_)
        return np.flatnonzero(bits) + np.repeat(base - np.arange(0, 64 * len(base), 64), per_word)
    rounds: list[npt.NDArray[np.int64]] = []
    while len(values):
        rest = values & (values - _ONE)
        rounds.append(base + np.bitwise_count((values ^ rest) - _ONE))
        more = np.flatnonzero(rest != 0)
        values, base = rest[more], base[more]
    if len(rounds) < 2:
        return rounds[0] if rounds else base
    positions = np.concatenate(rounds)
    positions.sort(kind="stable")  # each round ascends: a merge
    return positions
