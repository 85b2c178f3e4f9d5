"""What stands in preserved pages: a rule or a few bytes, so that 2 TiB cost nothing until somebody reads a page."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kho_tui.layout.arrays import U64s
from kho_tui.layout.platform import ByteOrder
from kho_tui.model.intervals import Intervals

_STEP = 1 << 20
_TAG_SHIFT = 40
_TAGS = 1 << 24


class Contents(Protocol):
    """Bytes by offset. Offsets are taken from 0 up without an end: behind what is there come zeros."""

    def read(self, offset: int, size: int) -> bytes:
        """``size`` bytes from ``offset`` on."""


@dataclass(frozen=True, slots=True)
class Counting:
    """Words of 64 bits: each is its own offset in bytes, with ``tag`` in its upper 24 bits (the rule of the captures' own files)."""

    tag: int
    byte_order: ByteOrder = "little"

    def read(self, offset: int, size: int) -> bytes:
        """See Contents."""
        first = offset & ~7
        words = np.arange(first, offset + size, 8, dtype=np.uint64) ^ np.uint64((self.tag % _TAGS) << _TAG_SHIFT)
        return words.astype("<u8" if self.byte_order == "little" else ">u8").tobytes()[offset - first :][:size]

    def word_sum(self, offset: int, size: int) -> int:
        """The sum of the words in [offset, offset + size), both multiples of 8, below 2^40: exact, without making them."""
        count = size // 8
        return count * ((self.tag % _TAGS) << _TAG_SHIFT) + count * offset + 8 * (count * (count - 1) // 2)


@dataclass(frozen=True, slots=True)
class Literal:
    """These bytes."""

    data: bytes

    def read(self, offset: int, size: int) -> bytes:
        """See Contents."""
        return self.data[offset : offset + size].ljust(size, b"\0")


@dataclass(frozen=True, slots=True)
class FileContents:
    """A file of ``size`` bytes with ``holes`` (offset, length): zeros there and behind the end."""

    base: Contents
    size: int
    holes: tuple[tuple[int, int], ...] = ()

    def read(self, offset: int, size: int) -> bytes:
        """See Contents."""
        data = bytearray(self.base.read(offset, size))
        for start, length in (*self.holes, (self.size, max(offset + size - self.size, 0))):
            low, high = max(start, offset), min(start + length, offset + size)
            if low < high:
                data[low - offset : high - offset] = bytes(high - low)
        return bytes(data)


def crc32(contents: Contents, size: int) -> int:
    """CRC-32 of the first ``size`` bytes, as zip and the initrd of the test kernels compute it."""
    value = 0
    for at in range(0, size, _STEP):
        value = zlib.crc32(contents.read(at, min(_STEP, size - at)), value)
    return value


def tag_of(*parts: object) -> int:
    """A tag for Counting that follows from what it is for."""
    return zlib.crc32("/".join(map(str, parts)).encode()) % _TAGS


class FilledMemory:
    """Which physical pages hold what: blocks of pages, each with contents and an offset in them."""

    def __init__(self, page_size: int) -> None:
        self._page_size = page_size
        self._parts: list[tuple[U64s, U64s, U64s, Contents]] = []
        self._by_start: tuple[U64s, npt.NDArray[np.int64]] | None = None
        """Addresses of all blocks, ascending, and the part each is of; made when first asked for, None again when anything changes."""

    def fill(self, addresses: U64s, sizes: U64s, offsets: U64s, contents: Contents) -> None:
        """Blocks at ``addresses`` of ``sizes`` bytes hold ``contents`` from ``offsets`` on. u64, shape (n,)."""
        if len(addresses):
            order = np.argsort(addresses, kind="stable")
            self._parts.append((addresses[order], sizes[order], offsets[order], contents))
            self._by_start = None

    def empty(self, contents: Contents) -> None:
        """Forget everything that these very contents fill."""
        self._parts = [part for part in self._parts if part[3] is not contents]
        self._by_start = None

    def kept(self, kept: Intervals) -> FilledMemory:
        """Only the blocks that lie in ``kept`` to their last byte: what is left of them behind a kexec."""
        left = FilledMemory(self._page_size)
        left._parts = self._those(kept, lambda inside, sizes: inside == sizes)
        return left

    def forget(self, gone: Intervals) -> None:
        """Forget the blocks that ``gone`` touches."""
        self._parts = self._those(gone, lambda inside, _sizes: inside == 0)
        self._by_start = None

    def _those(self, some: Intervals, wanted: Callable[[U64s, U64s], npt.NDArray[np.bool_]]) -> list[tuple[U64s, U64s, U64s, Contents]]:
        """Blocks that are wanted, by how many bytes of them lie in ``some`` and by their size."""
        found = []
        for starts, sizes, offsets, contents in self._parts:
            rows = wanted(some.below(starts + sizes) - some.below(starts), sizes)
            if rows.any():
                found.append((starts[rows], sizes[rows], offsets[rows], contents))
        return found

    def contents_at(self, address: int) -> Contents | None:
        """What a block that starts at ``address`` is part of, None where nothing is known of it."""
        if self._by_start is None:
            every = np.concatenate([np.empty(0, np.uint64), *(part[0] for part in self._parts)])
            parts = np.repeat(np.arange(len(self._parts)), np.array([len(part[0]) for part in self._parts], np.int64))
            order = np.argsort(every, kind="stable")
            self._by_start = every[order], parts[order]
        # Of blocks at one address the one that was filled last counts.
        starts, numbers = self._by_start
        row = int(starts.searchsorted(np.uint64(address), side="right")) - 1
        return self._parts[int(numbers[row])][3] if row >= 0 and int(starts[row]) == address else None

    def page(self, address: int) -> bytes | None:
        """The page at ``address``, None where nothing is known of it."""
        for starts, sizes, offsets, contents in reversed(self._parts):
            row = int(np.searchsorted(starts, np.uint64(address), side="right")) - 1
            if row >= 0 and address - int(starts[row]) < int(sizes[row]):
                return contents.read(int(offsets[row]) + address - int(starts[row]), self._page_size)
        return None

    @property
    def bytes(self) -> int:
        """Bytes in all blocks."""
        return sum(int(sizes.sum(dtype=np.uint64)) for _, sizes, _, _ in self._parts)

    def blocks(self, most: int | None = None) -> list[tuple[int, int, int, Contents]]:
        """(address, size, offset, contents) of every block; ``most``: only of those files that take no more bytes in all."""
        return [
            (address, size, offset, contents)
            for starts, sizes, offsets, contents in self._parts
            if most is None or int(sizes.sum(dtype=np.uint64)) <= most
            for address, size, offset in zip(starts.tolist(), sizes.tolist(), offsets.tolist(), strict=True)
        ]
