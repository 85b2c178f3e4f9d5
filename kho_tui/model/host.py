"""The machine's memory as its own kernel describes it: RAM, kernel images, NUMA nodes, free and CMA pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kho_tui.model.facts import Missing
from kho_tui.text import SafeText


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

    ``meminfo`` holds bytes by the names of /proc/meminfo, ``free_cma`` the free CMA pages of each node in bytes (zoneinfo nr_free_cma).
    """

    ram: tuple[MemoryRange, ...] | Missing
    kernel: tuple[MemoryRange, ...] | Missing
    nodes: tuple[MemoryRange, ...]
    meminfo: Mapping[str, int] | Missing
    free_cma: Mapping[int, int] | Missing
