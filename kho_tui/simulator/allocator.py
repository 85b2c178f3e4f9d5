"""The page allocator: deterministic by its seed, from the top down, on the node that is asked for if it has room.

Scratch is movable memory only, so nothing that may be preserved is ever taken from it. Placements can be pinned by name.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping, Sequence
from random import Random

import numpy as np

from kho_tui.layout.arrays import U64s
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.machine import Machine
from kho_tui.simulator.ranges import Ranges

Pins = Mapping[str, Sequence[tuple[int, int]]]
"""What an allocation is for to the (address, order) of the blocks it gets, in the order in which it asks."""

_HOLE_EVERY = 6
_HOLE_PAGES = 7


class PinError(KernelError):
    """A pin of ``what`` that this machine cannot give."""

    def __init__(self, errno: int, what: str, why: str) -> None:
        super().__init__(errno, "alloc_pages", why)
        self.what = what


class PageAllocator:
    """Free pages of a machine. ``taken`` and ``scratch`` are (start, size) of what cannot be had. Raises PinError."""

    def __init__(
        self,
        machine: Machine,
        taken: Iterable[tuple[int, int]] = (),
        scratch: Iterable[tuple[int, int]] = (),
        *,
        seed: int = 0,
        pins: Pins | None = None,
    ) -> None:
        self._machine = machine
        self._free = Ranges(machine.memory())
        for start, size in (*taken, *scratch):
            self._free.remove(start, start + size)
        self._random = Random(f"pages {seed}")
        self._pins = {name: list(blocks) for name, blocks in (pins or {}).items()}
        for name, blocks in self._pins.items():
            for address, order in blocks:
                size = machine.page_size << order
                if address % size:
                    raise PinError(errno.EINVAL, name, f"the block at {address:#x} is not aligned to its {size} bytes")
                if not self._free.covers(address, address + size):
                    raise PinError(errno.ENOMEM, name, f"{size} bytes at {address:#x} are not all free")
                self._free.remove(address, address + size)

    def free_of(self, node: int) -> int:
        """Bytes of a node that can still be had."""
        return sum(high - low for start, end in self._machine.memory(node) for low, high in self._free.downwards(start, end))

    def alloc(self, order: int, what: str, node: int | None = None) -> int:
        """Address of a free block of 2^order pages, naturally aligned. Raises KernelError -ENOMEM."""
        size = self._machine.page_size << order
        if self._pins.get(what):
            at, pinned = self._pins[what].pop(0)
            if pinned != order:
                raise KernelError(errno.EINVAL, "alloc_pages", f"{what} at {at:#x} is pinned at order {pinned} and asked for at {order}")
            return at
        for number in self._nodes(node):
            for low, high in reversed(self._machine.memory(number)):
                if order <= 2 and self._random.randrange(_HOLE_EVERY) == 0:
                    high = self._hole(low, high)
                found = self._free.top(size, size, low, high)
                if found is not None:
                    self._free.remove(found, found + size)
                    return found
        raise KernelError(errno.ENOMEM, "alloc_pages", f"no free block of {size} bytes for {what}")

    def alloc_many(self, count: int, order: int, what: str, node: int | None = None) -> U64s:
        """Addresses of ``count`` blocks of 2^order pages, u64 of shape (count,); neighbours where memory allows. All or none."""
        size = self._machine.page_size << order
        if self._pins.get(what):
            return np.array([self.alloc(order, what, node) for _ in range(count)], np.uint64)
        found: list[tuple[int, int]] = []
        missing = count
        for number in self._nodes(node):
            for low, high in reversed(self._machine.memory(number)):
                for start, end in self._free.downwards(low, high):
                    first = -(-start // size) * size
                    blocks = min(max(end - first, 0) // size, missing)
                    if blocks:
                        behind = end // size * size
                        found.append((behind - blocks * size, blocks))
                        missing -= blocks
                    if not missing:
                        break
                if not missing:
                    break
            if not missing:
                break
        if missing:
            raise KernelError(errno.ENOMEM, "alloc_pages", f"{missing} of {count} blocks of {size} bytes for {what} are not free")
        for start, blocks in found:
            self._free.remove(start, start + blocks * size)
        if not found:
            return np.empty(0, np.uint64)
        return np.concatenate([np.uint64(start) + np.arange(blocks, dtype=np.uint64) * np.uint64(size) for start, blocks in found])

    def free(self, start: int, size: int) -> None:
        """Give memory back."""
        self._free.add(start, start + size)

    def _nodes(self, node: int | None) -> list[int]:
        numbers = [one.number for one in self._machine.nodes]
        first = node if node is not None else self._random.choice(numbers)
        return [first, *(number for number in numbers if number != first)]

    def _hole(self, low: int, high: int) -> int:
        """Leave some pages at the top of a node's memory to somebody else: real memory is never packed. Gives the new top."""
        for start, end in self._free.downwards(low, high):
            return max(start, end - self._random.randrange(1, _HOLE_PAGES) * self._machine.page_size)
        return high
