"""What every kind of physical memory answers. A gap is an error that names its address, never zeros."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kho_tui.errors import GapError
from kho_tui.layout.arrays import U64s
from kho_tui.layout.platform import ByteOrder
from kho_tui.memory.pieces import PlacedBy
from kho_tui.text import SafeText, visible

ADDRESS_END = 1 << 64
"""One past the last physical address."""

PageBytes = npt.NDArray[np.uint8]
PresentMask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Extent:
    """``size`` bytes of physical memory from address ``start`` on, which lie in the file from ``offset`` on."""

    start: int
    size: int
    offset: int


@dataclass(frozen=True, slots=True)
class Absence:
    """Why memory at an address cannot be read, where more is known than that the file does not hold it.

    ``moving``: the page changed while it was read, so that what was read of it may be of two moments. ``outdated``: it is somebody else's
    by now: what pointed there is wrong, and nothing of the state is missing. ``no_ram``: the machine has no memory there.
    """

    reason: SafeText
    moving: bool = False
    outdated: bool = False
    no_ram: bool = False


class PhysicalMemory(Protocol):
    """Memory by physical address, with gaps. Addresses are 0 to 2^64 - 1; what lies outside is a gap."""

    @property
    def name(self) -> str:
        """The file it comes from, by its name inside the capture, untrusted."""

    @property
    def byte_order(self) -> ByteOrder | None:
        """Of the machine the memory was taken from; None where the file does not say."""

    @property
    def machine(self) -> str | None:
        """``x86_64``, ``aarch64`` or ``machine-N`` (ELF e_machine N); None where the file does not say."""

    @property
    def total_bytes(self) -> int:
        """Bytes of memory held, gaps left out."""

    def read(self, address: int, size: int) -> bytes:
        """Exactly ``size`` bytes. Raises GapError with the first missing address, ReadError where the file fails."""

    def read_pages(self, addresses: U64s, size: int) -> tuple[PageBytes, PresentMask]:
        """``size`` bytes at each of n addresses, in any order: shape (n, size), and which are there, shape (n,).

        A row that is not there from its first byte to its last is all zero and False in the mask. Raises ReadError where
        the file fails.
        """

    def available(self, address: int, size: int) -> int:
        """How many of ``size`` bytes are there from ``address`` on before the first gap."""

    def absence(self, address: int) -> Absence | None:
        """Why the byte at ``address`` is not there; None where it is there, or simply not in the file."""

    def extents(self) -> Sequence[Extent]:
        """What is there, ascending and without overlaps; two that follow each other both by address and in the file are one."""

    def stored(self) -> Iterator[Extent]:
        """The extents, ascending, less the holes of the file, which read as zeros: what a search has to look through."""

    def origin(self, address: int) -> tuple[str, int]:
        """Name of the file and byte offset in it of an address. Raises GapError."""


class MemoryFile(PhysicalMemory, Protocol):
    """Memory that a file holds, with what the file says of itself."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user has to know about the file: one safe line each."""

    @property
    def vmcoreinfo(self) -> Mapping[str, str]:
        """The VMCOREINFO note (OSRELEASE, PAGESIZE, ...), untrusted text; empty where there is none."""

    @property
    def placed_by(self) -> PlacedBy:
        """What says at which addresses the file's bytes lie."""

    @property
    def cut(self) -> str:
        """One safe line where the file ends before all that it promises; also among the notes."""


def require_held(memory: PhysicalMemory, address: int, size: int) -> None:
    """Raises GapError with the first address of ``size`` bytes from ``address`` on that ``memory`` does not hold."""
    there = memory.available(address, size)
    if there < size:
        raise GapError(address + there, size - there, visible(memory.name))


def read_pages_singly(memory: PhysicalMemory, addresses: U64s, size: int) -> tuple[PageBytes, PresentMask]:
    """``read_pages`` of a memory that has no better way than one read a page."""
    pages: PageBytes = np.zeros((len(addresses), size), dtype=np.uint8)
    present: PresentMask = np.zeros(len(addresses), dtype=np.bool_)
    for row, address in enumerate(np.asarray(addresses, dtype=np.uint64).tolist()):
        if memory.available(address, size) == size:
            present[row] = True
            pages[row] = np.frombuffer(memory.read(address, size), dtype=np.uint8)
    return pages, present
