"""The guest's memory: where QEMU's q35 puts it, and the files it is made of."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Self

from kho_tui.errors import InputError
from kho_tui.model.intervals import Intervals, intervals
from kho_tui.text import human_size

_GIB = 1 << 30
_MIB = 1 << 20
FOUR_GIB = 4 * _GIB

WHOLE_BELOW = 0xB000_0000
"""From this size on q35 splits its memory (pc_q35_init of QEMU 7.1: ``ram_size >= 0xb0000000``); seen with 2815 and 2816 MiB."""
_LOW_OF_SPLIT = 2 * _GIB
MOST_RAM = 64 * _GIB
"""The kernel clears 64 bytes for each page before it says anything; more than this takes software emulation too long."""
LEAST_RAM = 128 * _MIB


@dataclass(frozen=True, slots=True)
class Zone:
    """Memory from ``start`` to below ``end`` that somebody else writes before the kernel runs."""

    start: int
    end: int
    owner: str


@dataclass(frozen=True, slots=True)
class RamLayout:
    """``size`` bytes of guest memory, given to NUMA nodes one after the other; ``nodes`` are their sizes in bytes."""

    size: int
    nodes: tuple[int, ...]

    @property
    def low(self) -> int:
        """Bytes that lie from address 0 on; the rest lies from 4 GiB on."""
        return self.size if self.size < WHOLE_BELOW else _LOW_OF_SPLIT

    @property
    def ranges(self) -> Intervals:
        """Addresses that are memory."""
        return intervals([0, FOUR_GIB], [self.low, FOUR_GIB + self.size - self.low])

    def offset(self, address: int) -> int:
        """How many bytes of memory lie below an address."""
        return min(address, self.low) if address < FOUR_GIB else min(self.low + address - FOUR_GIB, self.size)

    @property
    def tables(self) -> Zone:
        """ACPI tables and the like, which stay there."""
        return Zone(self.low - 128 * 1024, self.low, "the firmware's tables")

    @property
    def firmware(self) -> tuple[Zone, ...]:
        """What firmware and loader write. Seen with SeaBIOS 1.16 in memory of 128 MiB to 4 GiB that was filled beforehand:
        all that changed lay in the first MiB, in the last 128 KiB of low memory, and in 132 KiB that end 16 MiB before its end.
        """
        relocated = self.low - 16 * _MIB
        return (
            Zone(0, _MIB, "the firmware and the loader's real-mode part"),
            Zone(relocated - 256 * 1024, relocated, "the firmware while it starts"),
            self.tables,
        )


def ram_size(top: int) -> int:
    """Bytes of memory a guest needs for its last address to be at or above ``top``, in whole MiB. Raises InputError for too many."""
    size = max(top, LEAST_RAM) if top < FOUR_GIB else max(_LOW_OF_SPLIT + top - FOUR_GIB, WHOLE_BELOW)
    if size > MOST_RAM:
        raise InputError(f"the machine has {human_size(size)} of memory; software emulation boots up to {human_size(MOST_RAM)} in time")
    return -(-size // _MIB) * _MIB


def ram_layout(size: int, node_starts: Sequence[tuple[int, int]]) -> RamLayout:
    """``size`` bytes for the nodes that start at (address, node number), ascending; one node where they do not follow one another."""
    whole = RamLayout(size, (size,))
    changes = [start for (_, before), (start, node) in pairwise(node_starts) if node != before]
    if len(changes) + 1 != len({node for _, node in node_starts}):
        return whole
    edges = [0, *(whole.offset(start) // _MIB * _MIB for start in changes), size]
    sizes = tuple(high - low for low, high in pairwise(edges))
    return RamLayout(size, sizes) if all(one > 0 for one in sizes) else whole


@dataclass(slots=True)
class GuestRam:
    """The memory as anonymous sparse files, one a node: nothing is left behind. A context manager; writes go to physical addresses."""

    layout: RamLayout
    files: list[int] = field(default_factory=list)
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        try:
            for number, size in enumerate(self.layout.nodes):
                self.files.append(anonymous_file(f"node{number}", self._open))
                os.ftruncate(self.files[-1], size)
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def write(self, address: int, data: bytes) -> None:
        """Put ``data``, which must lie in one range of memory, at a physical address."""
        view = memoryview(data)
        for fd, offset, size in self._parts(address, len(data)):
            part, view = view[:size], view[size:]
            while part:
                done = os.pwrite(fd, part, offset)
                part, offset = part[done:], offset + done

    def read(self, address: int, size: int) -> bytes:
        """``size`` bytes of one range of memory at a physical address, less than 2 GiB."""
        return b"".join(os.pread(fd, length, offset) for fd, offset, length in self._parts(address, size))

    def _parts(self, address: int, size: int) -> Iterator[tuple[int, int, int]]:
        """(file, offset in it, bytes) of the pieces of a stretch of memory."""
        offset = self.layout.offset(address)
        base = 0
        for fd, length in zip(self.files, self.layout.nodes, strict=True):
            here = min(size, base + length - offset)
            if here > 0:
                yield fd, offset - base, here
                offset, size = offset + here, size - here
            base += length

    def arguments(self) -> list[str]:
        """What QEMU is told; it reaches the files through the descriptors it inherits."""
        words = ["-m", f"{self.layout.size >> 20}M"]
        for node, (fd, size) in enumerate(zip(self.files, self.layout.nodes, strict=True)):
            cpus = "" if node else ",cpus=0"
            words += ["-object", f"memory-backend-file,id=m{node},size={size},mem-path=/proc/self/fd/{fd},share=on"]
            words += ["-numa", f"node,nodeid={node}{cpus},memdev=m{node}"]
        return words


def anonymous_file(name: str, closer: ExitStack) -> int:
    """A file without a place in any directory; its descriptor. Raises InputError where the system has none to give."""
    try:
        fd = os.memfd_create(name)
    except (OSError, AttributeError) as error:
        raise InputError(f"memory for the guest: {error}") from None
    closer.callback(os.close, fd)
    return fd
