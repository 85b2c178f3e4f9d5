"""What the text files around a state say of the machine's memory."""

from __future__ import annotations

from collections.abc import Callable

from kho_tui.capture.proc import IomemEntry
from kho_tui.capture.sources import Sources
from kho_tui.layout.platform import Platform
from kho_tui.model.facts import Missing, Unavailable
from kho_tui.model.host import SYSTEM_RAM, Host, MemoryRange
from kho_tui.text import SafeText, join_safe, visible

_RAM = SYSTEM_RAM.encode()
_KERNEL = b"Kernel "
_MEMINFO_UNIT = 1024


def decode_host(sources: Sources, platform: Platform) -> Host:
    """RAM, kernel images, nodes and counters, each with why it is not known."""
    nodes = tuple(MemoryRange(n.start, n.size, SafeText(f"node {n.node}"), n.node) for n in sources.node_ranges(platform.page_size))
    meminfo = sources.meminfo
    return Host(
        _ranges(sources.iomem, lambda entry: entry.name == _RAM or entry.name.startswith(_RAM + b" (")),
        _ranges(sources.iomem, lambda entry: entry.name.startswith(_KERNEL)),
        nodes,
        meminfo if isinstance(meminfo, Missing) else {name: value * _MEMINFO_UNIT for name, value in meminfo.items()},
        _free_cma(sources, platform),
        join_safe("; ", [note.message for note in sources.notes if note.path == "iomem"]),
    )


def _ranges(iomem: tuple[IomemEntry, ...] | Missing, wanted: Callable[[IomemEntry], bool]) -> tuple[MemoryRange, ...] | Missing:
    if isinstance(iomem, Missing):
        return iomem
    return tuple(MemoryRange(entry.start, entry.size, visible(entry.name)) for entry in iomem if wanted(entry))


def _free_cma(sources: Sources, platform: Platform) -> dict[int, int] | Missing:
    if isinstance(sources.zones, Missing):
        return sources.zones
    found: dict[int, int] = {}
    for zone in sources.zones:
        if zone.free_cma is not None:
            found[zone.node] = found.get(zone.node, 0) + zone.free_cma * platform.page_size
    return found or Unavailable(SafeText("zoneinfo names no nr_free_cma"))
