"""Scratch areas of a cold boot: sized and placed as the release does (kernel/liveupdate/kexec_handover.c, kho_reserve_scratch())."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from kho_tui.model.state import ScratchArea
from kho_tui.releases.cmdline import Explicit, Scaled
from kho_tui.releases.table import Release
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.machine import BootMemory, Machine
from kho_tui.simulator.ranges import Ranges

_U64 = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class RegionBytes:
    """Bytes of ``reserve_mem=`` regions below the low limit and in all: they are the kernel's own reservations too."""

    low: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class ScratchPlan:
    """How large each area is going to be, in bytes. ``nodes``: (node, size), ascending."""

    align: int
    lowmem: int
    anywhere: int
    nodes: tuple[tuple[int, int], ...]


def alignment(machine: Machine, release: Release) -> int:
    """What every scratch area starts at a multiple of, in bytes."""
    order = machine.max_page_order if release.scratch.aligned_to_max_order else machine.pageblock_order
    return machine.page_size << order


def plan_scratch(machine: Machine, release: Release, option: Scaled | Explicit, regions: RegionBytes = RegionBytes()) -> ScratchPlan:
    """The sizes that the release computes; the global one may have wrapped around 2^64."""
    rules, align = release.scratch, alignment(machine, release)
    counted_nodes = machine.nodes if machine.numa else machine.nodes[:1]
    numbers = [node.number for node in counted_nodes if node.ranges or rules.memoryless_nodes]
    if isinstance(option, Explicit):
        low, anywhere = option.lowmem, option.anywhere
        if rules.rounds_explicit:
            low, anywhere = _round_up(low, align), _round_up(anywhere, align)
        return ScratchPlan(align, low, anywhere, tuple((number, _round_up(option.per_node, align)) for number in numbers))

    def scaled(boot: BootMemory, more: int) -> int:
        counted = boot.size + more - (0 if rules.counts_hugetlb else boot.hugetlb)
        return counted * option.percent // 100

    low = scaled(machine.boot_low, regions.low)
    rounded = _round_up(low, align)
    anywhere = _round_up(scaled(machine.boot_total, regions.total) - (rounded if rules.subtracts_rounded else low), align)
    if machine.numa:
        boot = {node.number: node.boot for node in machine.nodes}
        nodes = tuple((number, _round_up(scaled(boot[number], 0), align)) for number in numbers)
    else:
        # Without NUMA all reservations count, the areas just made included.
        nodes = ((numbers[0], _round_up(scaled(machine.boot_total, regions.total + rounded + anywhere), align)),)
    return ScratchPlan(align, rounded, anywhere, nodes)


def place_scratch(machine: Machine, plan: ScratchPlan, free: Ranges) -> tuple[ScratchArea, ...]:
    """The table, each area at the highest place that suits it. Takes the areas out of ``free``.

    Raises KernelError -ENOMEM where one does not fit: the kernel gives all back and switches KHO off.
    """
    areas: list[ScratchArea] = []

    def place(kind: str, node: int | None, size: int, windows: tuple[tuple[int, int], ...]) -> None:
        for low, high in reversed(windows):
            at = free.top(size, plan.align, low, high) if size <= high - low else None
            if at is not None:
                free.remove(at, at + size)
                areas.append(ScratchArea(kind, node, at, size))
                return
        of_node = "" if node is None else f" of node {node}"
        raise KernelError(errno.ENOMEM, "kho_reserve_scratch", f"no {size} bytes for the {kind} area{of_node}")

    place("lowmem", None, plan.lowmem, ((0, machine.low_limit - 1),))
    place("global", None, plan.anywhere, ((0, _U64),))
    for number, size in plan.nodes:
        place("node", number, size, machine.memory(number) if machine.numa else ((0, _U64),))
    return tuple(areas)


def _round_up(size: int, align: int) -> int:
    """The kernel's round_up on 64 bits: a size in (-align, 0) becomes 0, a smaller one very large."""
    return -(-size // align) * align & _U64
