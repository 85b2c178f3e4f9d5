"""The words of two trackers that begin at one address: each that differs, with the page that it lies in and its number there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from kho_tui.abi.chunks import KHOSER_MEM_BITMAP_PTR, KHOSER_MEM_CHUNK_HDR
from kho_tui.abi.radix import RadixShape
from kho_tui.analysis.diff.memory import Differing
from kho_tui.analysis.diff.rows import MOST_ROWS
from kho_tui.layout.arrays import U64s
from kho_tui.layout.struct import Unit
from kho_tui.model.change import FieldChange
from kho_tui.model.intervals import Intervals
from kho_tui.model.runs import Runs
from kho_tui.model.tracker import Chunk, ChunkList, PreservedMap, RadixTree

_WORD_BITS = 64
_WORD_BYTES = 8
_MOST_TRIED = 1 << 16
"""Words of leaves that are looked for in both trees, so that trees that differ all over cost no more than that."""


def structure_words(old: PreservedMap, new: PreservedMap) -> list[FieldChange]:
    """Words of chunks or inner nodes that both have and that differ, as fields; at most MOST_ROWS."""
    one, other = old.structure, new.structure
    page = 1 << old.runs.page_shift
    if isinstance(one, RadixTree) and isinstance(other, RadixTree):
        return [
            FieldChange(f"word {at % page // _WORD_BYTES} of the node at {at - at % page:#x}", Unit.PHYS, was, now)
            for at, was, now in islice(_node_words(one, other, page), MOST_ROWS)
        ]
    if isinstance(one, ChunkList) and isinstance(other, ChunkList):
        after = {chunk.header.place.phys: chunk for chunk in other.chunks}
        pairs = ((chunk, after[chunk.header.place.phys]) for chunk in one.chunks if chunk.header.place.phys in after)
        return list(islice((change for chunk, again in pairs for change in _chunk_words(chunk, again)), MOST_ROWS))
    return []


def _node_words(one: RadixTree, other: RadixTree, page: int) -> Iterator[tuple[int, int, int]]:
    at = np.union1d(one.words.address, other.words.address)
    (was, known_old), (now, known_new) = (_words_at(tree, at, page) for tree in (one, other))
    differ = known_old & known_new & (was != now)
    yield from zip(at[differ].tolist(), was[differ].tolist(), now[differ].tolist(), strict=True)


def _words_at(tree: RadixTree, at: U64s, page: int) -> tuple[U64s, npt.NDArray[np.bool_]]:
    """The words at some addresses (0 where the tree lists none), and whether the node of each was read."""
    words = tree.words
    known = np.isin(at & ~np.uint64(page - 1), words.nodes)
    if not len(words.address):
        return np.zeros(len(at), np.uint64), known
    row = np.minimum(np.searchsorted(words.address, at), len(words.address) - 1)
    value = np.where(words.address[row] == at, words.value[row], np.uint64(0))
    return value, known


def _chunk_words(one: Chunk, other: Chunk) -> Iterator[FieldChange]:
    where = f"chunk at {one.header.place.phys:#x}"
    for field in KHOSER_MEM_CHUNK_HDR.fields:
        was, now = one.header.integer(field.name), other.header.integer(field.name)
        if was != now:
            yield FieldChange(f"{where}: {field.name}", field.unit, was, now)
    length = min(len(one.elements), len(other.elements))
    for field in KHOSER_MEM_BITMAP_PTR.fields:
        before, after = (chunk.elements.column(field.name)[:length] for chunk in (one, other))
        for row in np.flatnonzero(before != after)[:MOST_ROWS].tolist():
            yield FieldChange(f"{where}: [{row}].{field.name}", field.unit, int(before[row]), int(after[row]))


@dataclass(frozen=True, eq=False)
class _Bitmap:
    """A word of a bitmap: the bitmap's address, the word's number in it, and the blocks of its bits (None: a bit of no block)."""

    address: int
    word: int
    blocks: tuple[tuple[int, int] | None, ...]


def bitmap_words(old: PreservedMap, new: PreservedMap, differing: Differing, *, marker_counted: bool) -> list[FieldChange]:
    """Words of bitmaps that lie in both where they lay and mark other blocks, as fields; at most MOST_ROWS.

    They are rebuilt from the blocks, so both trackers have to be whole; none where blocks lie over one another.
    """
    shift = old.runs.page_shift
    if old.runs.overlapping or new.runs.overlapping:
        return []
    one, other = old.structure, new.structure
    found: dict[tuple[int, int], _Bitmap] = {}
    for size, blocks in differing.blocks:
        if isinstance(one, RadixTree) and isinstance(other, RadixTree):
            words = _leaf_words(one, other, RadixShape(shift, marker_counted), blocks, size - shift)
        elif isinstance(one, ChunkList) and isinstance(other, ChunkList) and one.bitmap_bytes == other.bitmap_bytes:
            words = _element_words(one, other, blocks, size - shift, shift)
        else:
            return []
        for word in islice(words, MOST_ROWS):
            found.setdefault((word.address, word.word), word)
    marks = _Marks(old.runs), _Marks(new.runs)
    changes = []
    for _, word in sorted(found.items())[:MOST_ROWS]:
        was, now = (sum(1 << bit for bit, block in enumerate(word.blocks) if block is not None and mark.has(*block)) for mark in marks)
        changes.append(FieldChange(f"word {word.word} of the bitmap at {word.address:#x}", Unit.FLAGS, was, now))
    return changes


def _leaf_words(one: RadixTree, other: RadixTree, shape: RadixShape, blocks: Intervals, order: int) -> Iterator[_Bitmap]:
    """include/linux/kho_radix_tree.h: a leaf is a bitmap of keys, and the keys of neighbouring blocks of one order follow one another."""
    if not one.addresses or not other.addresses:
        return
    leaves = [dict(zip(tree.prefixes[-1].tolist(), tree.addresses[-1].tolist(), strict=True)) for tree in (one, other)]
    for number in islice(_key_words(shape, blocks, order), _MOST_TRIED):
        bit = number * _WORD_BITS % (1 << shape.leaf_bits)
        prefix = number * _WORD_BITS - bit
        address = leaves[0].get(prefix)
        if address is not None and address == leaves[1].get(prefix):
            keys = range(number * _WORD_BITS, (number + 1) * _WORD_BITS)
            yield _Bitmap(address, bit // _WORD_BITS, tuple(map(shape.block, keys)))


def _key_words(shape: RadixShape, blocks: Intervals, order: int) -> Iterator[int]:
    """Numbers of the words that hold the keys of some blocks, counted through all keys."""
    for start, end in zip(blocks.start, blocks.end, strict=True):
        first, last = shape.key(int(start), order), shape.key(int(end) - 1, order)
        yield from range(first // _WORD_BITS, last // _WORD_BITS + 1)


def _element_words(one: ChunkList, other: ChunkList, blocks: Intervals, order: int, shift: int) -> Iterator[_Bitmap]:
    """kexec_handover.c, to 7.0: an element names a bitmap of blocks of its chunk's order, and what its first bit stands for."""
    elements = [
        {
            pair
            for chunk in chunks.chunks
            if chunk.header.integer("order") == order
            for pair in zip(chunk.elements.column("phys_start").tolist(), chunk.elements.column("bitmap").tolist(), strict=True)
        }
        for chunks in (one, other)
    ]
    span = one.bitmap_bytes * 8
    for begin, bitmap in sorted(elements[0] & elements[1]):
        inside = blocks.clip(begin, begin + (span << order + shift))
        for start, end in zip(inside.start.tolist(), inside.end.tolist(), strict=True):
            first, last = (start - begin) >> order + shift, (end - 1 - begin) >> order + shift
            for number in range(first // _WORD_BITS, last // _WORD_BITS + 1):
                bits = range(number * _WORD_BITS, (number + 1) * _WORD_BITS)
                yield _Bitmap(bitmap, number, tuple((begin + (bit << order + shift), order) for bit in bits))


class _Marks:
    """Which blocks a tracker marks, asked one by one."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._of_order: dict[int, tuple[U64s, U64s]] = {}

    def has(self, start: int, order: int) -> bool:
        """Whether this very block is marked."""
        if order not in self._of_order:
            mine = self._runs.order == order
            self._of_order[order] = self._runs.start[mine], self._runs.ends[mine]
        starts, ends = self._of_order[order]
        row = int(np.searchsorted(starts, np.uint64(start), side="right")) - 1
        return row >= 0 and start < int(ends[row])
