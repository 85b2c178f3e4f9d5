"""Runs of keys to bitmaps against plain Python, and back through the decoder's inverse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_tui.decode.bitmaps import bit_runs
from kho_tui.encode import bitmaps
from kho_tui.encode.bitmaps import filled
from kho_tui.errors import EncodeError
from kho_tui.layout.platform import ByteOrder, Platform

SIZE = 16
BITS = SIZE * 8


def u64(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(values, np.uint64)


def naive(numbers: list[int], keys: set[int], byte_order: ByteOrder) -> list[bytes]:
    """The bitmaps in the order of ``numbers``."""
    found = []
    for number in numbers:
        words = [sum(1 << bit for bit in range(64) if number * BITS + word * 64 + bit in keys) for word in range(SIZE // 8)]
        found.append(b"".join(word.to_bytes(8, byte_order) for word in words))
    return found


runs = st.lists(st.tuples(st.integers(0, 5 * BITS - 1), st.integers(1, 3 * BITS)), max_size=12)


@settings(max_examples=150)
@given(
    numbers=st.permutations(range(10)),
    found=runs,
    byte_order=st.sampled_from(["little", "big"]),
    batch=st.sampled_from([1, 3, 100]),
    most=st.sampled_from([1, 2, 100]),
)
def test_every_bit_stands_where_its_key_says(
    numbers: list[int], found: list[tuple[int, int]], byte_order: ByteOrder, batch: int, most: int
) -> None:
    keys = {key for first, count in found for key in range(first, first + count)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bitmaps, "_BATCH_BYTES", batch * SIZE)
        patch.setattr(bitmaps, "_MOST_RUNS", most)
        first, count = (u64([run[column] for run in found]) for column in (0, 1))
        written = dict(filled(u64(numbers), first, count, SIZE, Platform(byte_order)))
    assert [written[row] for row in range(len(numbers))] == naive(numbers, keys, byte_order)


def test_the_decoder_finds_the_runs_that_were_written() -> None:
    chance = np.random.default_rng(7)
    edges = np.sort(chance.choice(200 * 4096, 2000, replace=False)).astype(np.uint64)
    first, count = edges[::2], edges[1::2] - edges[::2]
    pages = b"".join(data for _, data in filled(u64(list(range(25))), first, count, 4096, Platform()))
    bitmap, bit, length = bit_runs(np.frombuffer(pages, np.uint64).reshape(25, 512))
    set_keys = {int(key) for one, much in zip(first, count, strict=True) for key in range(int(one), int(one + much))}
    assert {int(b) * 32768 + int(n) + i for b, n, much in zip(bitmap, bit, length, strict=True) for i in range(int(much))} == set_keys


def test_a_block_without_a_bitmap_is_refused() -> None:
    with pytest.raises(EncodeError, match="no bitmap for 2 preserved blocks"):
        list(filled(u64([0, 2]), u64([5, BITS - 1]), u64([1, 3]), SIZE, Platform()))


def test_two_bitmaps_for_the_same_memory_are_refused() -> None:
    with pytest.raises(EncodeError, match="same memory"):
        list(filled(u64([1, 1]), u64([]), u64([]), SIZE, Platform()))
