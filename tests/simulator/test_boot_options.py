"""The command line and the scratch areas that follow from it, release by release (kho-abi.md 6.1, 7)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kho_tui.releases.cmdline import Explicit, Scaled, memparse, parse_bool, parse_cmdline, parse_scratch
from kho_tui.simulator.machine import BootMemory, MemoryNode
from kho_tui.simulator.scratch import RegionBytes, alignment, plan_scratch

from .playing import GIB, MIB, RELEASE, kernel, machine


def test_sizes_are_read_as_the_kernel_reads_them() -> None:
    assert memparse("4M:x") == (4 * MIB, ":x")
    assert memparse("0x10k") == (16384, "")
    assert memparse("010") == (8, "")
    assert memparse("M") == (0, "M")


@pytest.mark.parametrize(
    ("text", "value"), [("on", True), ("1", True), ("y", True), ("off", False), ("0", False), ("no", False), ("maybe", None), ("", None)]
)
def test_switches(text: str, value: bool | None) -> None:
    assert parse_bool(text) is value


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("50%", Scaled(50), Scaled(50)),
        ("0%", Scaled(0), Scaled(0)),
        ("9999999999%", None, None),
        ("1M,2M,3M", Explicit(MIB, 2 * MIB, 3 * MIB), Explicit(MIB, 2 * MIB, 3 * MIB)),
        ("0,2M,3M", None, Explicit(0, 2 * MIB, 3 * MIB)),
        ("0,0,0", None, None),
        ("1M,2M,3Mrest", Explicit(MIB, 2 * MIB, 3 * MIB), None),
        ("1M,2M", None, None),
        ("1M,,3M", None, None),
        ("%", None, None),
    ],
)
def test_scratch_grammar_changed_with_6_18(text: str, old: Scaled | Explicit | None, new: Scaled | Explicit | None) -> None:
    assert parse_scratch(text, RELEASE["6.17"]) == old
    assert parse_scratch(text, RELEASE["6.18"]) == new


def test_what_a_kernel_refuses_leaves_the_default_and_is_said() -> None:
    options = parse_cmdline(
        'kho=perhaps kho_scratch=1M reserve_mem=4M:4096:ok reserve_mem=0:1:no "reserve_mem=1M:1:two words"', RELEASE["7.3"]
    )
    assert not options.kho
    assert options.scratch == Scaled()
    assert [region.name for region in options.regions] == [b"ok", b"two words"]
    assert options.regions[1].align == 64
    assert options.asked_regions == ((b"ok", 4 * MIB, 4096), (b"two words", MIB, 64))
    assert [line.split(":")[0] for line in options.refused] == ["kho=perhaps", "kho_scratch=1M", "reserve_mem=0"]


def test_an_empty_alignment_is_none() -> None:
    """A real 7.3.4 revives regions asked for so."""
    options = parse_cmdline("kho=on reserve_mem=4M::oops_trace", RELEASE["7.3"], on_by_default=False)
    assert [(one.name, one.size, one.align) for one in options.regions] == [(b"oops_trace", 4 << 20, 64)]
    assert not options.refused


def test_the_ninth_region_and_a_long_name_are_refused() -> None:
    line = " ".join(f"reserve_mem=64K:4096:region{n}" for n in range(9)) + " reserve_mem=4K:4096:sixteen-long-nam"
    options = parse_cmdline(line, RELEASE["7.3"])
    assert len(options.regions) == 8
    assert len(options.refused) == 2


def test_only_releases_with_luo_know_liveupdate() -> None:
    assert not parse_cmdline("liveupdate=on", RELEASE["6.18"]).liveupdate
    assert parse_cmdline("liveupdate=on", RELEASE["6.19"]).liveupdate
    assert parse_cmdline("", RELEASE["6.19"], on_by_default=True).kho
    assert not parse_cmdline("", RELEASE["6.18"], on_by_default=True).kho


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
    old, new = (type(kernel("6.18"))(empty, RELEASE[release], line) for release in ("6.18", "6.19"))
    assert old.kho is None
    assert any("node" in entry for entry in old.log)
    assert len(new.scratch) == 4


def test_scratch_that_does_not_fit_switches_kho_off_and_says_so() -> None:
    off = kernel("7.3", "kho=on kho_scratch=64M,64M,8G")
    assert off.kho is None
    assert off.scratch == ()
    assert "KHO is off" in off.log[-1]


def test_low_memory_is_below_the_limit_and_each_node_has_its_own() -> None:
    areas = kernel("7.3").scratch
    assert areas[0].start + areas[0].size < 4 * GIB
    assert areas[1].start > 4 * GIB
    assert areas[2].start < 2 * GIB
    assert areas[3].start > 4 * GIB
    assert [area.node for area in areas] == [None, None, 0, 1]
