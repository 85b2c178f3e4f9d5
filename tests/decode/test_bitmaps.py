"""Bitmaps to runs of set bits against plain Python."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_tui.decode import bitmaps
from kho_tui.decode.bitmaps import bit_runs

FULL = 2**64 - 1
word = st.one_of(st.just(0), st.just(FULL), st.integers(0, FULL), st.integers(0, 63).map(lambda bit: 1 << bit), st.just(1 | 1 << 63))


def naive(rows: list[list[int]]) -> list[tuple[int, int, int]]:
    """(bitmap, first bit, length) of every run."""
    found: list[tuple[int, int, int]] = []
    for row, words in enumerate(rows):
        length = 0
        for bit in range(64 * len(words) + 1):
            if bit < 64 * len(words) and words[bit // 64] >> bit % 64 & 1:
                length += 1
            elif length:
                found.append((row, bit - length, length))
                length = 0
    return found


def runs_of(rows: list[list[int]]) -> list[tuple[int, int, int]]:
    words: npt.NDArray[np.uint64] = np.array(rows, np.uint64)
    bitmap, bit, length = bit_runs(words)
    return list(zip(bitmap.tolist(), bit.tolist(), length.tolist(), strict=True))


@given(st.integers(1, 6).flatmap(lambda width: st.lists(st.lists(word, min_size=width, max_size=width), min_size=1, max_size=6)))
def test_runs_are_those_of_plain_python(rows: list[list[int]]) -> None:
    assert runs_of(rows) == naive(rows)


@pytest.mark.parametrize(
    ("rows", "runs"),
    [
        ([[0, 0]], []),
        ([[FULL, FULL]], [(0, 0, 128)]),
        ([[FULL], [FULL], [FULL]], [(0, 0, 64), (1, 0, 64), (2, 0, 64)]),
        ([[1 << 63], [1]], [(0, 63, 1), (1, 0, 1)]),
        ([[1 << 63, 1]], [(0, 63, 2)]),
        ([[0b1011 << 60, 0, 0b11]], [(0, 60, 2), (0, 63, 1), (0, 128, 2)]),
        ([[0x5555_5555_5555_5555]], [(0, bit, 1) for bit in range(0, 64, 2)]),
        ([[1 << 63, FULL, FULL, 1]], [(0, 63, 130)]),
    ],
)
def test_edges(rows: list[list[int]], runs: list[tuple[int, int, int]]) -> None:
    assert runs_of(rows) == runs


def test_bitmaps_are_numbered_through_all_pieces_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [[1 << 63, 1 << 63], [1, 1], [0, 0], [FULL, 0], [0, FULL]] * 3
    whole = naive(rows)
    for words in (1, 2, 5, 8):
        monkeypatch.setattr(bitmaps, "_BLOCK_WORDS", words)
        for edge_words in (1, 3, 100):
            monkeypatch.setattr(bitmaps, "_EDGE_WORDS", edge_words)
            assert runs_of(rows) == whole


@given(st.integers(1, 5), st.lists(st.sampled_from([0, FULL, 1, 1 << 63, FULL - 1, FULL >> 1]), min_size=1, max_size=40))
def test_runs_end_with_their_bitmap(width: int, stream: list[int]) -> None:
    rows = [stream[at : at + width] for at in range(0, len(stream) - width + 1, width)]
    if rows:
        assert runs_of(rows) == naive(rows)


@pytest.mark.parametrize("set_bits", [1, 2, 5, 20])
def test_words_of_one_density(set_bits: int) -> None:
    random = np.random.default_rng(set_bits)
    rows = [[sum(1 << int(bit) for bit in random.permutation(32)[:set_bits] * 2) for _ in range(8)] for _ in range(40)]
    assert runs_of(rows) == naive(rows)


def test_bitmaps_that_are_not_contiguous() -> None:
    words = np.arange(1, 65, dtype=np.uint64).reshape(8, 8)
    for part in (words[::2], words[:, 2:5], words.T, words[::-1]):
        assert [tuple(run) for run in np.stack(bit_runs(part), axis=1).tolist()] == naive(part.tolist())


def test_the_bitmaps_are_only_read() -> None:
    words = np.frombuffer(bytes(range(256)) * 4, np.uint64).reshape(2, 64)
    bit_runs(words)
    assert words.tobytes() == bytes(range(256)) * 4


def test_no_bitmaps_no_runs() -> None:
    assert [len(part) for part in bit_runs(np.empty((0, 512), np.uint64))] == [0, 0, 0]


def test_dense_random_pages() -> None:
    random = np.random.default_rng(7)
    rows = random.integers(0, FULL, (3, 512), np.uint64, endpoint=True).tolist()
    assert runs_of(rows) == naive(rows)
