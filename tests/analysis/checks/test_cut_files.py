"""A sound state stays one when files of its capture are cut short: less can be told, and nothing becomes an error or a rule's warning."""

from __future__ import annotations

from pathlib import Path

import pytest
from altered import altered
from captures import SHARED, copy_of, sample

from kho_tui.analysis.checks.answer import Answer
from kho_tui.context import Context
from kho_tui.operations.check_state import Checked, check_state
from kho_tui.operations.open_state import open_state

CAPTURES = ["x86_64-7.3/1-pre", "x86_64-6.19/1-pre", "arm64-64k-7.3/1-pre"]


def checked(path: Path) -> Checked:
    with open_state(path, Context()) as opened:
        return check_state(opened, Context(), side="out")


def blamed(found: Checked) -> dict[str, str]:
    """Errors, and warnings of rules."""
    broken = (one for one in found.report.of(Answer.BROKEN) if one.severity != "info")
    return {one.code: str(one.cases[0].message) for one in broken if one.severity == "error" or not "KHO101" <= one.code <= "KHO130"}


def cuts(data: bytes) -> list[int]:
    """Behind each of the first lines, and within them."""
    ends = [at + 1 for at, byte in enumerate(data) if byte == 10][:14]
    return sorted({0, 1, *ends, *(end - 1 for end in ends), *(end - 3 for end in ends if end > 3), len(data) // 2})


@pytest.mark.parametrize("name", CAPTURES)
@pytest.mark.parametrize("file", ["iomem", "cmdline", "version", "zoneinfo", "memblock/memory"])
def test_a_file_that_is_cut_short_is_no_fault_of_the_state(name: str, file: str, tmp_path: Path) -> None:
    if not (sample(name) / file).exists():
        pytest.skip("not in this capture")
    copy_of(sample(name), tmp_path / "copy")
    whole = (sample(name) / file).read_bytes()
    for at in cuts(whole):
        (tmp_path / "copy" / file).write_bytes(whole[:at])
        assert blamed(checked(tmp_path / "copy")) == {}, at


@pytest.mark.parametrize("name", ["x86_64-6.18/1-pre", "x86_64-6.19/1-pre", "x86_64-7.1/1-pre"])
def test_memory_that_is_cut_short_is_no_fault_of_the_state(name: str, tmp_path: Path) -> None:
    copy_of(sample(name), tmp_path / "copy")
    whole = (sample(name) / "memory.elf").read_bytes()
    for at in [*range(4096, len(whole), 5999), len(whole) - 1]:
        (tmp_path / "copy/memory.elf").write_bytes(whole[:at])
        found = checked(tmp_path / "copy")
        assert blamed(found) == {}, at
        assert found.exit_code(strict=True) == 2, at


def test_a_subtree_of_which_only_an_earlier_copy_is_at_hand_is_not_said_to_be_sound(tmp_path: Path) -> None:
    """Memory was captured at the jump, the page of LUO's FDT was not: debugfs showed it before the reboot call."""
    with open_state(sample("x86_64-7.1/1-pre"), Context()) as opened:
        page = next(one.phys for one in opened.state.sides["out"].subtrees if one.name == b"LUO")
    assert isinstance(page, int)
    found = checked(altered(sample("x86_64-7.1/1-pre"), tmp_path / "copy", without=[page]))
    assert {"KHO039", "KHO041"} & {one.code for one in found.report.untold} == {"KHO039"}
    assert found.exit_code(strict=True) == 2


def test_a_table_of_nodes_that_is_cut_between_two_of_them_is_not_taken_for_all(tmp_path: Path) -> None:
    copy_of(sample("x86_64-6.18/1-pre"), tmp_path / "copy")
    zones = tmp_path / "copy/zoneinfo"
    zones.write_bytes(zones.read_bytes().partition(b"Node 1, zone")[0])
    (found,) = [one for one in checked(tmp_path / "copy").report.results if one.code == "KHO027"]
    assert found.answer is Answer.CANNOT_TELL


@pytest.mark.parametrize(
    ("file", "side"), [("out/sub_fdts/kexec-metadata", "out"), ("in/sub_fdts/kexec-metadata", "in"), ("out/sub_fdts/LUO", "out")]
)
def test_a_struct_of_debugfs_that_is_cut_short_is_no_fault_of_the_state(file: str, side: str, tmp_path: Path) -> None:
    """No root tells how long the kernel's own is: the outgoing one of a kernel that booted through KHO is in memory only."""
    name = "x86_64-7.3/1-post"
    copy_of(sample(name), tmp_path / "copy")
    whole = (sample(name) / "kho" / file).read_bytes()
    for at in (8, 12, len(whole) - 1):
        (tmp_path / "copy/kho" / file).write_bytes(whole[:at])
        with open_state(tmp_path / "copy", Context()) as opened:
            assert blamed(check_state(opened, Context(), side=side)) == {}, at


@pytest.mark.shared
def test_half_of_what_a_boot_was_told_is_no_fault_of_the_state(tmp_path: Path) -> None:
    copy_of(SHARED / "arm64-64k-7.3/1-post", tmp_path / "copy")
    for name in ("linux,kho-fdt", "linux,kho-scratch"):
        path = tmp_path / "copy/dt-chosen" / name
        data = path.read_bytes()
        path.unlink()
        with open_state(tmp_path / "copy", Context()) as opened:
            assert blamed(check_state(opened, Context(), side="in")) == {}
        path.write_bytes(data)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["x86_64-6.18/2-pre", "x86_64-7.3/2-pre", "arm64-64k-7.3/2-pre"])
def test_an_fdt_of_debugfs_that_is_cut_anywhere_is_no_fault_of_the_state(name: str, tmp_path: Path) -> None:
    copy_of(SHARED / name, tmp_path / "copy")
    for file in sorted((tmp_path / "copy/kho/in").rglob("*")):
        whole = file.read_bytes() if file.is_file() else b""
        for at in range(0, len(whole), 7):
            file.write_bytes(whole[:at])
            with open_state(tmp_path / "copy", Context()) as opened:
                if "in" in opened.state.sides:
                    assert blamed(check_state(opened, Context(), side="in")) == {}, (file.name, at)
        if whole:
            file.write_bytes(whole)
