"""What the text files around a state say of the machine's memory."""

from __future__ import annotations

from collections.abc import Callable

from kho_tui.capture.proc import IomemEntry
from kho_tui.capture.sources import Sources
from kho_tui.layout.platform import Platform
from kho_tui.model.facts import Missing, Unavailable, known
from kho_tui.model.host import SYSTEM_RAM, Host, MemoryRange
from kho_tui.text import NO_TEXT, SafeText, human_size, join_safe, visible

_RAM = SYSTEM_RAM.encode()
_KERNEL = b"Kernel "


def decode_host(sources: Sources, platform: Platform) -> Host:
    """RAM, kernel images, nodes and counters, each with why it is not known."""
    nodes = tuple(
        MemoryRange(n.start, n.size, SafeText(f"node {n.node}"), n.node, n.present) for n in sources.node_ranges(platform.page_size)
    )
    ram = _ranges(sources.iomem, lambda entry: entry.name == _RAM or entry.name.startswith(_RAM + b" ("))
    total = (known(sources.meminfo) or {}).get("MemTotal", 0)
    return Host(
        ram=ram,
        kernel=_ranges(sources.iomem, lambda entry: entry.name.startswith(_KERNEL)),
        nodes=nodes,
        meminfo=sources.meminfo,
        free_cma=_free_cma(sources, platform),
        iomem_bound=_iomem_bound(sources, nodes, known(ram) or (), total),
        nodes_bound=_nodes_bound(sources, platform, nodes, total),
        firmware=known(_ranges(sources.firmware_map, lambda entry: entry.name == _RAM)),
    )


def _iomem_bound(sources: Sources, nodes: tuple[MemoryRange, ...], ram: tuple[MemoryRange, ...], total: int) -> SafeText:
    """Why lines may be missing from /proc/iomem: some could not be read, or other files know of more memory. ``total``: MemTotal, bytes."""
    if isinstance(sources.iomem, Missing):
        return NO_TEXT
    notes = [note.message for note in sources.notes if note.path == "iomem"]
    end = max((entry.start + entry.size for entry in sources.iomem), default=0)
    behind = max((one.start + one.size for one in nodes), default=0)
    if behind > end:
        notes.append(SafeText(f"it ends at {end:#x}, nodes have memory up to {behind:#x}"))
    listed = sum(one.size for one in ram)
    if total > listed:
        notes.append(SafeText(f"it lists {human_size(listed)} of System RAM, MemTotal is {human_size(total)}"))
    return join_safe("; ", notes)


def _nodes_bound(sources: Sources, platform: Platform, nodes: tuple[MemoryRange, ...], total: int) -> SafeText:
    """Why nodes, or ranges of them, may be missing. ``total``: MemTotal, bytes."""
    notes = [note.message for note in sources.notes if note.path in ("zoneinfo", "memblock/memory")]
    lacking = sorted(set(sources.node_meminfo) - {one.node for one in nodes})
    if nodes and any(sources.node_meminfo[node].get("MemTotal") for node in lacking):
        notes.append(SafeText(f"node {lacking[0]} has memory, and no range of it is known"))
    if nodes and total > sum(one.memory for one in nodes):
        notes.append(SafeText(f"the nodes' ranges are smaller than MemTotal, {human_size(total)}"))
    return join_safe("; ", notes)


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
