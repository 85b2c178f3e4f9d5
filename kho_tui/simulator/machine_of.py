"""The machine and the kernel's build behind a captured state, as far as the state tells them."""

from __future__ import annotations

from collections.abc import Mapping

from kho_tui.abi.scratch import LOW_LIMIT
from kho_tui.errors import InputError
from kho_tui.layout.platform import Platform
from kho_tui.model.content import Content
from kho_tui.model.facts import Missing, known
from kho_tui.model.intervals import intervals, spans, whole_pages
from kho_tui.model.state import ScratchArea, State
from kho_tui.simulator.facet import Simulating, built
from kho_tui.simulator.kernel import Config
from kho_tui.simulator.machine import BootMemory, Machine, MemoryNode
from kho_tui.simulator.ranges import Ranges

_LEGACY = 1 << 20
"""What lies below is the firmware's on x86."""
_DEFAULT_SCALE = 2
"""A scaled scratch area is twice what it was computed from."""


_MOST_NODES = 1024
"""MAX_NUMNODES: NODES_SHIFT is at most 10 (arch/x86/Kconfig, arch/arm64/Kconfig)."""


def machine_of(state: State) -> Machine:
    """Memory and nodes as the host's files say. Raises InputError where they do not.

    What a boot takes for itself is estimated from the scratch areas, which are twice that by default.
    """
    platform = state.machine.platform
    ram = known(state.host.ram) or ()
    nodes = [(one.node or 0, one.start, one.start + one.size) for one in state.host.nodes]
    if not ram and not nodes:
        raise InputError(f"{state.machine.path}: nothing in it tells what memory the machine has (iomem, zoneinfo, memblock/memory)")
    spans_of: dict[int, list[tuple[int, int]]] = {}
    for number, low, high in nodes or [(0, 0, 1 << 52)]:
        spans_of.setdefault(number, []).append((low, high))
    if len(spans_of) > _MOST_NODES:
        raise InputError(f"{state.machine.path}: it tells of {len(spans_of)} NUMA nodes; a kernel has at most {_MOST_NODES}")
    everywhere = intervals([low for _, low, _ in nodes], [high for _, _, high in nodes])
    memory = whole_pages(spans(ram) if ram else everywhere, platform.page_size)
    by_node: dict[int, Ranges] = {}
    for number, owned in spans_of.items():
        mine = whole_pages(memory & intervals([low for low, _ in owned], [high for _, high in owned]), platform.page_size)
        if len(mine):
            by_node[number] = Ranges(zip(mine.start.tolist(), mine.end.tolist(), strict=True))
    areas = () if isinstance(state.scratch, Missing) else state.scratch.areas
    boot = {area.node: area.size // _DEFAULT_SCALE for area in areas if area.kind == "node" and area.node is not None}
    low = sum(area.size for area in areas if area.kind == "lowmem") // _DEFAULT_SCALE
    total = low + sum(area.size for area in areas if area.kind == "global") // _DEFAULT_SCALE
    taken = _early_bytes(state)
    arm = state.machine.arch == "arm64"
    return Machine(
        arch=state.machine.elf_machine,
        platform=Platform(platform.byte_order, platform.page_size),
        nodes=tuple(
            MemoryNode(number, tuple((start, end - start) for start, end in ranges), BootMemory(boot.get(number, 0)))
            for number, ranges in sorted(by_node.items())
        ),
        reserved=() if arm else ((0, _LEGACY),),
        boot_low=BootMemory(max(low - taken, 0)),
        boot_total=BootMemory(max(total - taken, 0)),
        low_limit=_low_limit(areas) if arm else LOW_LIMIT,
    )


def _early_bytes(state: State) -> int:
    """What the producers reserved before scratch was sized, as far as the state shows it."""
    contents: dict[bytes, Content] = {}
    for subtree in (subtree for side in state.sides.values() for subtree in side.subtrees):
        if isinstance(subtree.content, Content):
            contents.setdefault(subtree.name, subtree.content)
    return sum(facet.early_bytes(contents[name]) for name, facet in state.registry.facets(Simulating).items() if name in contents)


def _low_limit(areas: tuple[ScratchArea, ...]) -> int:
    """The DMA limit of arm64 machines is 4 GiB or where memory ends that devices reach; the lowmem area shows which."""
    low = next((area for area in areas if area.kind == "lowmem" and area.size), None)
    return LOW_LIMIT if low is None or low.start + low.size <= LOW_LIMIT else 1 << 52


def config_of(state: State, options: Mapping[str, str] | None, uname: str | None) -> Config:
    """What was built into the running kernel, from its configuration (``options``) or else from what the state shows of it."""
    debug = on = False
    if options is not None:
        debug = options.get("CONFIG_KEXEC_HANDOVER_DEBUG") == "y"
        on = options.get("CONFIG_KEXEC_HANDOVER_ENABLE_DEFAULT") == "y"
    return Config(uname, debug or options is None, on, built(state.registry, lambda module: module.seen(state, options)))
