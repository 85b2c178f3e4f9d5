"""The machine's memory as its own kernel describes it: RAM, kernel images, NUMA nodes, free and CMA pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kho_tui.layout.arrays import U64s
from kho_tui.model.facts import Missing, Unavailable
from kho_tui.text import NO_TEXT, SafeText


@dataclass(frozen=True, slots=True)
class MemoryRange:
    """``size`` bytes of physical memory from ``start``; of a node's ``present`` bytes are there, the rest are holes (None: all)."""

    start: int
    size: int
    name: SafeText
    node: int | None = None
    present: int | None = None

    @property
    def memory(self) -> int:
        """Bytes of memory in it."""
        return self.size if self.present is None else self.present


_LAST_ADDRESS = 2**64 - 1
SYSTEM_RAM = "System RAM"
"""Name of the memory in /proc/iomem that is there since boot. That of memory that a driver added goes on: (kmem), (virtio_mem)."""


@dataclass(frozen=True, kw_only=True)
class Host:
    """``ram`` and ``kernel`` from /proc/iomem, ``nodes`` from memblock or zoneinfo.

    ``iomem_bound``: why ``ram`` and ``kernel`` are only part of what there is, empty where they are all; ``nodes_bound`` likewise.
    ``meminfo`` holds bytes by the names of /proc/meminfo, ``free_cma`` the free CMA pages of each node in bytes (zoneinfo nr_free_cma).
    """

    ram: tuple[MemoryRange, ...] | Missing
    kernel: tuple[MemoryRange, ...] | Missing
    nodes: tuple[MemoryRange, ...]
    meminfo: Mapping[str, int] | Missing
    free_cma: Mapping[int, int] | Missing
    iomem_bound: SafeText = NO_TEXT
    nodes_bound: SafeText = NO_TEXT
    firmware: tuple[MemoryRange, ...] | None = None
    """System RAM of the firmware's memory map (/sys/firmware/memmap): what a kernel gets at boot. None: the capture does not have it."""

    @property
    def bounded(self) -> Unavailable | None:
        """Why ``ram`` and ``kernel`` do not tell all; None where they do, or tell nothing."""
        return Unavailable(SafeText(f"only part of /proc/iomem could be read: {self.iomem_bound}")) if self.iomem_bound else None

    @property
    def whole_ram(self) -> tuple[MemoryRange, ...] | Missing:
        """All RAM; Unavailable where only some of it could be read."""
        return self.ram if isinstance(self.ram, Missing) else self.bounded or self.ram

    @property
    def boot_ram(self) -> tuple[MemoryRange, ...] | Missing:
        """What the next kernel gets at boot: by the firmware's map, else what /proc/iomem has by the name of memory that is there since."""
        if self.firmware is not None:
            return self.firmware
        ram = self.whole_ram
        return ram if isinstance(ram, Missing) else tuple(one for one in ram if one.name == SYSTEM_RAM)

    @cached_property
    def boot_nodes(self) -> frozenset[int]:
        """The nodes that have memory since boot: those where all of it was added by a driver later are none."""
        first = self.boot_ram
        nodes = [one for one in self.nodes if one.node is not None]
        if isinstance(first, Missing):
            return frozenset(one.node for one in nodes if one.node is not None)
        return frozenset(
            one.node
            for one in nodes
            if one.node is not None and any(one.start < part.start + part.size and part.start < one.start + one.size for part in first)
        )

    def surely_no_ram(self, addresses: U64s) -> npt.NDArray[np.bool_]:
        """Which addresses are outside of all RAM, of the shape of ``addresses``; none where not all RAM is known."""
        if self._spans is None:
            return np.zeros(len(addresses), np.bool_)
        start, end = self._spans
        at = np.searchsorted(start, addresses, side="right")
        found: npt.NDArray[np.bool_] = (at == 0) | (addresses >= end[np.maximum(at, 1) - 1])
        return found

    @cached_property
    def _spans(self) -> tuple[U64s, U64s] | None:
        """Where each range of RAM begins, ascending, and the highest end up to it."""
        ram = self.whole_ram
        if isinstance(ram, Missing) or not ram:
            return None
        spans = sorted((one.start, min(one.start + one.size, _LAST_ADDRESS)) for one in ram)
        start, end = (np.array(column, np.uint64) for column in zip(*spans, strict=True))
        return start, np.maximum.accumulate(end)
