"""The kernel's own list of preserved blocks while it runs: chunk bitmaps of 6.16 to 7.0, the radix tree from 7.1 on.

Its pages come from the allocator, outside scratch, and are not themselves preserved (kernel/liveupdate/kexec_handover.c).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from kho_tui.abi.chunks import CHUNK, bitmap_span
from kho_tui.abi.radix import RadixShape
from kho_tui.decode.bitmaps import bit_runs
from kho_tui.layout.arrays import U64s
from kho_tui.model.handover import ChunkPage, ChunkTracker, RadixTracker
from kho_tui.model.runs import Runs, make_runs, no_runs
from kho_tui.simulator.bits import Bitmaps

Allocate = Callable[[str], int]
"""One page for what is named. Raises KernelError -ENOMEM."""
Free = Callable[[int], None]


class KernelTracker(Protocol):
    """What the calls need of either form. ``first`` is a physical address >> (page shift + order)."""

    def preserve(self, first: int, count: int, order: int) -> None:
        """Mark ``count`` neighbouring blocks. Raises KernelError -ENOMEM, with nothing of this call marked that was not."""

    def forget(self, first: int, count: int, order: int) -> None:
        """Clear marks; the pages that hold them stay."""

    def marked(self, first: int, order: int) -> bool:
        """Whether this very block is marked."""

    def runs(self) -> Runs:
        """All marked blocks."""


class KernelChunks(KernelTracker):
    """6.16 to 7.0: bitmaps that live on, and a chunk list that is made of them at finalize."""

    def __init__(self, page_size: int, bitmap_bytes: int, allocate: Allocate, free: Free) -> None:
        self._page_size, self._shift = page_size, page_size.bit_length() - 1
        self.bitmap_bytes = bitmap_bytes
        self._allocate, self._free = allocate, free
        self._orders: dict[int, Bitmaps] = {}
        self._addresses: dict[tuple[int, int], int] = {}
        self._slab: list[int] = []
        self._chunks: tuple[ChunkPage, ...] = ()

    def preserve(self, first: int, count: int, order: int) -> None:
        """See KernelTracker."""
        pieces = list(_pieces(first, count, self.bitmap_bytes * 8))
        for number, _, _ in pieces:
            self._need(order, number)
        for number, bit, bits in pieces:
            self._orders[order].put(number, bit, bits, True)

    def forget(self, first: int, count: int, order: int) -> None:
        """See KernelTracker."""
        for number, bit, bits in _pieces(first, count, self.bitmap_bytes * 8):
            if order in self._orders and number in self._orders[order]:
                self._orders[order].put(number, bit, bits, False)

    def marked(self, first: int, order: int) -> bool:
        """See KernelTracker."""
        number, bit = divmod(first, self.bitmap_bytes * 8)
        return order in self._orders and self._orders[order].get(number, bit)

    def runs(self) -> Runs:
        """See KernelTracker."""
        return self._runs_of({order: maps.numbers() for order, maps in self._orders.items()})

    def serialize(self) -> int:
        """Make the chunk list anew, the one before it is given back. The address of its first chunk, 0 without any order."""
        made: list[ChunkPage] = []
        capacity = CHUNK.capacity(self._page_size)
        for order in sorted(self._orders):
            elements = [
                (number * bitmap_span(self.bitmap_bytes, order, self._shift), self._addresses[order, number])
                for number in self._orders[order].numbers()
            ]
            for at in range(0, max(len(elements), 1), capacity):
                page = self._allocate(f"chunk/{len(made)}")
                made.append(ChunkPage(page, order, tuple(elements[at : at + capacity])))
        self.drop_chunks()
        self._chunks = tuple(made)
        return made[0].phys if made else 0

    def drop_chunks(self) -> None:
        """Give the chunk list back."""
        for chunk in self._chunks:
            self._free(chunk.phys)
        self._chunks = ()

    def drop(self) -> None:
        """Forget everything, as an abort of 6.16 to 6.18 does. Bitmaps of the slab are not given back to the page allocator."""
        self.drop_chunks()
        if self.bitmap_bytes == self._page_size:
            for address in self._addresses.values():
                self._free(address)
        self._orders.clear()
        self._addresses.clear()

    def handed_over(self) -> tuple[ChunkTracker, Runs]:
        """What the next kernel sees: the chunks as they were made, their bitmaps as they are now."""
        span = {chunk.order: bitmap_span(self.bitmap_bytes, chunk.order, self._shift) for chunk in self._chunks}
        numbers: dict[int, list[int]] = {}
        for chunk in self._chunks:
            numbers.setdefault(chunk.order, []).extend(start // span[chunk.order] for start, _ in chunk.elements)
        return ChunkTracker(self._chunks, self.bitmap_bytes), self._runs_of(numbers)

    def _runs_of(self, numbers: dict[int, list[int]]) -> Runs:
        parts: list[tuple[U64s, U64s, int]] = []
        for order, wanted in numbers.items():
            for some, words in self._orders[order].batches(wanted):
                bitmap, bit, length = bit_runs(words)
                firsts = np.array(some, np.uint64)[bitmap] * np.uint64(self.bitmap_bytes * 8) + bit.astype(np.uint64)
                parts.append((firsts << np.uint64(order + self._shift), length.astype(np.uint64), order))
        return _join(parts, self._shift)

    def _need(self, order: int, number: int) -> None:
        maps = self._orders.setdefault(order, Bitmaps(self.bitmap_bytes))
        if number not in maps:
            self._addresses[order, number] = self._bitmap(f"bitmap/{order}/{number}")
            maps.add(number)

    def _bitmap(self, what: str) -> int:
        if self.bitmap_bytes == self._page_size:
            return self._allocate(what)
        if not self._slab:
            page = self._allocate("slab of bitmaps")
            self._slab = [page + at for at in range(0, self._page_size, self.bitmap_bytes)]
        return self._slab.pop(0)


class KernelRadix(KernelTracker):
    """7.1 on: a tree that is always complete. Nodes come from the top down on first use and never go."""

    def __init__(self, page_size: int, allocate: Allocate, *, marker_counted: bool = True) -> None:
        self._shape = RadixShape(page_size.bit_length() - 1, marker_counted)
        self._allocate = allocate
        self._leaves = Bitmaps(page_size)
        self._nodes: list[dict[int, int]] = [{} for _ in range(self._shape.depth)]
        self.root = allocate("radix root")
        self._nodes[0][0] = self.root

    def preserve(self, first: int, count: int, order: int) -> None:
        """See KernelTracker."""
        pieces = list(self._keys(first, count, order))
        for leaf, _, _ in pieces:
            self._need(leaf)
        for leaf, bit, bits in pieces:
            self._leaves.put(leaf, bit, bits, True)

    def forget(self, first: int, count: int, order: int) -> None:
        """See KernelTracker."""
        for leaf, bit, bits in self._keys(first, count, order):
            if leaf in self._leaves:
                self._leaves.put(leaf, bit, bits, False)

    def marked(self, first: int, order: int) -> bool:
        """See KernelTracker."""
        leaf, bit = divmod(self._marker(order) | first, 1 << self._shape.leaf_bits)
        return self._leaves.get(leaf, bit)

    def runs(self) -> Runs:
        """See KernelTracker."""
        parts: list[tuple[U64s, U64s, int]] = []
        shift, shape = self._shape.page_shift, self._shape
        for some, words in self._leaves.batches([leaf for leaf in self._leaves.numbers() if leaf]):
            leaf, bit, length = bit_runs(words)
            orders = np.array([shape.order0_bit - shape.leaf_bits - (number.bit_length() - 1) for number in some], np.int64)[leaf]
            keys = (np.array(some, np.uint64)[leaf] << np.uint64(shape.leaf_bits)) + bit.astype(np.uint64)
            for order in np.unique(orders).tolist():
                rows = np.flatnonzero(orders == order)
                firsts = keys[rows] - np.uint64(self._marker(order))
                parts.append((firsts << np.uint64(order + shift), length[rows].astype(np.uint64), order))
        # Leaf 0 holds the blocks of so many orders that the marker stands inside the bitmap; hardly one at all (512 TiB with 4K pages).
        for key in (bit for bit in range(1, 1 << shape.leaf_bits) if 0 in self._leaves and self._leaves.get(0, bit)):
            block = shape.block(key)
            if block is not None:
                parts.append((np.array([block[0]], np.uint64), np.ones(1, np.uint64), block[1]))
        return _join(parts, shift)

    def handed_over(self) -> RadixTracker:
        """The nodes, each level ascending by prefix."""
        addresses, prefixes = [], []
        for level in self._nodes:
            ordered = sorted(level)
            addresses.append(_frozen([level[prefix] for prefix in ordered]))
            prefixes.append(_frozen(ordered))
        return RadixTracker(tuple(addresses), tuple(prefixes))

    def _marker(self, order: int) -> int:
        return 1 << (self._shape.order0_bit - order)

    def _keys(self, first: int, count: int, order: int) -> list[tuple[int, int, int]]:
        return list(_pieces(self._marker(order) | first, count, 1 << self._shape.leaf_bits))

    def _need(self, leaf: int) -> None:
        if leaf in self._leaves:
            return
        key = leaf << self._shape.leaf_bits
        for depth, level in enumerate(range(self._shape.depth - 1, 0, -1), start=1):
            shift = self._shape.level_shift(level)
            prefix = key >> shift << shift
            if prefix not in self._nodes[depth]:
                self._nodes[depth][prefix] = self._allocate(f"radix/{level - 1}/{prefix:#x}")
        self._leaves.add(leaf)


def _pieces(first: int, count: int, bits: int) -> list[tuple[int, int, int]]:
    """(bitmap, first bit, bits) of a stretch of bits that may go over several bitmaps."""
    found = []
    while count:
        number, bit = divmod(first, bits)
        some = min(bits - bit, count)
        found.append((number, bit, some))
        first += some
        count -= some
    return found


def _join(parts: list[tuple[U64s, U64s, int]], page_shift: int) -> Runs:
    if not parts:
        return no_runs(page_shift)
    orders = np.concatenate([np.full(len(start), order, np.uint8) for start, _, order in parts])
    return make_runs(np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]), orders, page_shift)


def _frozen(values: list[int]) -> U64s:
    array = np.array(values, np.uint64)
    array.flags.writeable = False
    return array
