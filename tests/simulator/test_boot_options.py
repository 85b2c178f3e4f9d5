"""The scratch areas that follow from the command line, release by release."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kho_tui.releases.cmdline import Explicit, Scaled
from kho_tui.simulator.machine import BootMemory, MemoryNode
from kho_tui.simulator.scratch import RegionBytes, alignment, plan_scratch
from kho_tui.subsystems.registry import builtin

from .playing import GIB, MIB, RELEASE, kernel, machine


@pytest.mark.parametrize(
    ("release", "page_size", "expected"),
    [("7.1", 4096, 2 * MIB), ("7.2", 4096, 4 * MIB), ("6.18", 16384, 32 * MIB), ("7.3", 16384, 32 * MIB), ("7.3", 65536, 512 * MIB)],
)
def test_alignment(release: str, page_size: int, expected: int) -> None:
    assert alignment(machine(page_size), RELEASE[release]) == expected


def test_explicit_sizes_are_rounded_from_7_1_on_and_those_of_nodes_always() -> None:
    asked = Explicit(3 * MIB, 5 * MIB, 3 * MIB)
    old, new = (plan_scratch(machine(), RELEASE[release], asked) for release in ("7.0", "7.1"))
    assert (old.lowmem, old.anywhere, old.nodes) == (3 * MIB, 5 * MIB, ((0, 4 * MIB), (1, 4 * MIB)))
    assert (new.lowmem, new.anywhere) == (4 * MIB, 6 * MIB)


def test_the_global_size_subtracts_the_rounded_low_size_until_7_0_and_wraps() -> None:
    one = machine(boot_low=BootMemory(5 * MIB), boot_total=BootMemory(5 * MIB))
    assert plan_scratch(one, RELEASE["7.0"], Scaled(150)).anywhere == 0  # 7.5 - 8 MiB rounds up to 0
    far = replace(one, boot_total=BootMemory(MIB))
    assert plan_scratch(far, RELEASE["7.0"], Scaled(150)).anywhere > 1 << 63
    more = replace(one, boot_total=BootMemory(6 * MIB))
    assert plan_scratch(more, RELEASE["7.0"], Scaled(150)).anywhere == 2 * MIB
    assert plan_scratch(more, RELEASE["7.1"], Scaled(150)).anywhere == 2 * MIB
    odd = replace(one, boot_low=BootMemory(5 * MIB + 4096), boot_total=BootMemory(7 * MIB))
    assert plan_scratch(odd, RELEASE["7.0"], Scaled(200)).anywhere == 2 * MIB
    assert plan_scratch(odd, RELEASE["7.1"], Scaled(200)).anywhere == 4 * MIB


def test_hugetlb_pages_are_not_scaled_from_7_3_on() -> None:
    one = machine(boot_low=BootMemory(16 * MIB, 8 * MIB), boot_total=BootMemory(16 * MIB, 8 * MIB))
    assert plan_scratch(one, RELEASE["7.2"], Scaled()).lowmem == 32 * MIB
    assert plan_scratch(one, RELEASE["7.3"], Scaled()).lowmem == 16 * MIB


def test_without_numa_the_areas_just_made_inflate_the_only_node() -> None:
    one = machine(boot_low=BootMemory(8 * MIB), boot_total=BootMemory(10 * MIB), numa=False)
    plan = plan_scratch(one, RELEASE["7.3"], Scaled())
    assert plan.nodes == ((0, 2 * (10 + 16 + 4) * MIB),)


def test_reserved_regions_count_as_the_kernel_s_own() -> None:
    one = machine(boot_low=BootMemory(8 * MIB), boot_total=BootMemory(8 * MIB))
    assert plan_scratch(one, RELEASE["7.3"], Scaled(), RegionBytes(4 * MIB, 4 * MIB)).lowmem == 24 * MIB


def test_a_node_without_memory_switches_kho_off_until_6_18() -> None:
    one = machine()
    empty = replace(one, nodes=(*one.nodes, MemoryNode(2, ())))
    line = "kho=on kho_scratch=64M,64M,64M"
    old, new = (type(kernel("6.18"))(builtin(), empty, RELEASE[release], line) for release in ("6.18", "6.19"))
    assert old.kho is None
    assert any("node" in entry for entry in old.log)
    assert len(new.scratch) == 4


def test_scratch_that_does_not_fit_switches_kho_off_and_says_so() -> None:
    off = kernel("7.3", "kho=on kho_scratch=64M,64M,8G")
    assert off.kho is None
    assert off.scratch == ()
    assert "KHO is off: Failed to reserve scratch area" in off.log[-1]


def test_low_memory_is_below_the_limit_and_each_node_has_its_own() -> None:
    areas = kernel("7.3").scratch
    assert areas[0].start + areas[0].size < 4 * GIB
    assert areas[1].start > 4 * GIB
    assert areas[2].start < 2 * GIB
    assert areas[3].start > 4 * GIB
    assert [area.node for area in areas] == [None, None, 0, 1]
