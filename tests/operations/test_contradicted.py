"""Memory and an earlier copy in debugfs: one contradiction is damage, a majority of them another boot, and neither stands for the other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from altered import altered
from captures import capture, copy_of, read

from kho_tui.analysis.checks.answer import Answer
from kho_tui.context import Context
from kho_tui.model.facts import Damaged, Missing
from kho_tui.model.state import Root, State
from kho_tui.operations.check_state import check_state
from kho_tui.operations.open_state import open_state
from kho_tui.subsystems.memblock.content import Memblock


def root_of(state: State) -> Root:
    root = state.sides["out"].root
    assert not isinstance(root, Missing)
    return root


def codes(path: Path) -> tuple[set[str], int]:
    """What ``check`` finds, and its exit code."""
    with open_state(path, Context()) as opened:
        checked = check_state(opened, Context())
        broken = {one.code for one in checked.report.of(Answer.BROKEN)} | {one.code for one in opened.state.findings}
        return broken, checked.exit_code(strict=False)


@pytest.mark.parametrize("name", ["x86_64-6.19/1-pre", "x86_64-7.1/1-pre", "x86_64-7.3/1-pre"])
def test_a_byte_of_memblocks_FDT(name: str, tmp_path: Path) -> None:
    memblock = next(one for one in read(capture(name)).sides["out"].subtrees if one.name == b"memblock")
    assert isinstance(memblock.phys, int) and isinstance(memblock.content, Memblock)
    start = memblock.content.regions[0].values[1].place.phys
    assert start is not None
    state = read(altered(capture(name), tmp_path / "damaged", {start: b"\x77"}))
    errors = [one for one in state.findings if one.code == "KHO126"]
    assert [one.where.text for one in errors] == ["out/memblock"]
    after = next(one for one in state.sides["out"].subtrees if one.name == b"memblock").content
    assert isinstance(after, Memblock) and after.regions[0].start != memblock.content.regions[0].start
    assert codes(tmp_path / "damaged")[1] == 1


@pytest.mark.parametrize("name", ["x86_64-7.1/1-pre", "x86_64-7.3/1-pre"])
def test_a_byte_of_the_trackers_address(name: str, tmp_path: Path) -> None:
    """Of a radix tree; 6.19 and 7.0 write theirs anew inside the reboot call."""
    root = root_of(read(capture(name)))
    place = next(value.place.phys for value in root.values if value.field.name == "preserved-memory-map")
    assert place is not None and isinstance(root.map_address, int)
    damaged = altered(capture(name), tmp_path / "damaged", {place + 1: b"\xf0"})
    after = root_of(read(damaged))
    assert after.map_address == root.map_address & ~0xFF00 | 0xF000, "what memory holds counts"
    errors, code = codes(damaged)
    assert code == 1 and "KHO126" in errors


@pytest.mark.parametrize("name", ["x86_64-7.1", "x86_64-7.3"])
def test_memory_of_another_boot_is_none_of_this_one(name: str, tmp_path: Path) -> None:
    copy_of(capture(f"{name}/1-pre"), tmp_path / "mixed")
    (tmp_path / "mixed" / "memory.elf").unlink()
    shutil.copy(capture(f"{name}/2-pre") / "memory.elf", tmp_path / "mixed" / "memory.elf")
    state = read(tmp_path / "mixed")
    assert "KHO122" in {one.code for one in state.findings}
    assert root_of(state).view.blob.place.source.startswith("kho/out/fdt")


@pytest.mark.parametrize("address", [0, 0x7FFF_FFFF_F000], ids=["0", "no RAM"])
def test_no_earlier_copy_stands_for_a_pointer_to_nothing(address: int, tmp_path: Path) -> None:
    name = "x86_64-7.3/1-pre"
    memblock = next(one for one in read(capture(name)).sides["out"].subtrees if one.name == b"memblock")
    place = next(value.place.phys for value in memblock.values if value.field.name == "preserved-data")
    assert place is not None
    state = read(altered(capture(name), tmp_path / "damaged", {place: address.to_bytes(8, "little")}))
    after = next(one for one in state.sides["out"].subtrees if one.name == b"memblock")
    assert isinstance(after.blob, Damaged) and isinstance(after.content, Damaged)
    assert [copy.place.source for copy in after.copies] == ["kho/out/sub_fdts/memblock"]
    assert codes(tmp_path / "damaged")[1] == 1
