"""The machine's memory as its own kernel describes it: RAM, kernel images, NUMA nodes, free and CMA pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kho_tui.model.facts import Missing, Unavailable
from kho_tui.text import NO_TEXT, SafeText


@dataclass(frozen=True, slots=True)
class MemoryRange:
    """``size`` bytes of physical memory from ``start``."""

    start: int
    size: int
    name: SafeText
    node: int | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """``ram`` and ``kernel`` from /proc/iomem, ``nodes`` from memblock or zoneinfo.

    ``iomem_bound``: why ``ram`` and ``kernel`` are only part of what there is, empty where they are all.
    ``meminfo`` holds bytes by the names of /proc/meminfo, ``free_cma`` the free CMA pages of each node in bytes (zoneinfo nr_free_cma).
    """

    ram: tuple[MemoryRange, ...] | Missing
    kernel: tuple[MemoryRange, ...] | Missing
    nodes: tuple[MemoryRange, ...]
    meminfo: Mapping[str, int] | Missing
    free_cma: Mapping[int, int] | Missing
    iomem_bound: SafeText = NO_TEXT

    @property
    def bounded(self) -> Unavailable | None:
        """Why ``ram`` and ``kernel`` do not tell all; None where they do, or tell nothing."""
        return Unavailable(SafeText(f"only part of /proc/iomem could be read: {self.iomem_bound}")) if self.iomem_bound else None

    @property
    def whole_ram(self) -> tuple[MemoryRange, ...] | Missing:
        """All RAM; Unavailable where only some of it could be read."""
        return self.ram if isinstance(self.ram, Missing) else self.bounded or self.ram
