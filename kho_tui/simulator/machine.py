"""The machine a simulated kernel runs on: memory of each node, page size, byte order, and what a boot takes for itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from kho_tui.abi.scratch import LOW_LIMIT
from kho_tui.errors import InputError
from kho_tui.layout.platform import MAX_PAGE_ORDERS, PAGE_SIZES, PAGEBLOCK_ORDERS, Platform
from kho_tui.memory.elf_format import ElfMachine


@dataclass(frozen=True, slots=True)
class BootMemory:
    """Bytes of memblock reservations that are the kernel's own when scratch is sized; ``hugetlb`` of them are huge pages.

    What the default scale of ``kho_scratch`` multiplies (kernel/liveupdate/kexec_handover.c). It depends on the
    kernel's build, so a scenario says it.
    """

    size: int = 0
    hugetlb: int = 0


@dataclass(frozen=True, slots=True)
class MemoryNode:
    """A NUMA node: (start, size) of each piece of its memory in bytes, and what a boot reserves of it by node."""

    number: int
    ranges: tuple[tuple[int, int], ...]
    boot: BootMemory = BootMemory()


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Memory and its rules. ``reserved``: (start, size) of what is never free (firmware, kernel image, memory map); ``early``: of what is
    taken while scratch is placed and given back later in the boot (initrd).

    ``boot_low`` and ``boot_total`` count reservations below ``low_limit`` and everywhere, without those of ``reserve_mem=``,
    which are added when they are made.
    """

    arch: ElfMachine
    platform: Platform
    nodes: tuple[MemoryNode, ...]
    reserved: tuple[tuple[int, int], ...] = ()
    early: tuple[tuple[int, int], ...] = ()
    boot_low: BootMemory = BootMemory()
    boot_total: BootMemory = BootMemory()
    low_limit: int = LOW_LIMIT
    numa: bool = True
    pageblock_order: int = field(default=-1)
    max_page_order: int = field(default=-1)

    def __post_init__(self) -> None:
        size = self.platform.page_size
        if size not in PAGE_SIZES:
            raise InputError(f"machine: pages are 4, 16 or 64 KiB, not {size} bytes")
        for name, orders in (("pageblock_order", PAGEBLOCK_ORDERS), ("max_page_order", MAX_PAGE_ORDERS)):
            if getattr(self, name) < 0:
                object.__setattr__(self, name, orders[size])
        if [node.number for node in self.nodes] != sorted({node.number for node in self.nodes}):
            raise InputError("machine: nodes are listed in ascending order, each number once")
        pieces = sorted((start, start + length) for node in self.nodes for start, length in node.ranges)
        if not pieces:
            raise InputError("machine: no node has memory")
        for start, end in pieces:
            if start % size or end % size or not start < end <= 1 << 52:
                raise InputError(f"machine: memory from {start:#x} to {end:#x} is not a range of whole pages below 2^52")
        for (_, end), (start, _) in pairwise(pieces):
            if start < end:
                raise InputError(f"machine: memory at {start:#x} is listed twice")

    @property
    def page_size(self) -> int:
        """Bytes of a page."""
        return self.platform.page_size

    @property
    def page_shift(self) -> int:
        """log2 of the page size."""
        return self.platform.page_shift

    @cached_property
    def _pieces(self) -> tuple[tuple[int, int, int], ...]:
        return tuple(sorted((start, start + size, node.number) for node in self.nodes for start, size in node.ranges))

    def node_of(self, address: int) -> int:
        """The node whose memory ``address`` lies in or behind, as the kernel's page flags say; the first one below all memory."""
        best = self._pieces[0][2]
        for start, _, node in self._pieces:
            if start > address:
                break
            best = node
        return best

    def memory(self, node: int | None = None) -> tuple[tuple[int, int], ...]:
        """(start, end) of the memory of a node, or of all, ascending."""
        return tuple((start, end) for start, end, number in self._pieces if node is None or number == node)
