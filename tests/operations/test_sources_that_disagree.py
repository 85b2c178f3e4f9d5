"""Sources that are not of one boot, or not whole, must not add up to a state that never was."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from captures import sample
from expected import shown

from kho_tui.context import Context
from kho_tui.memory.elf import open_elf
from kho_tui.memory.elf_writer import write_elf_core
from kho_tui.memory.source import open_file
from kho_tui.memory.sparse import SparseImage
from kho_tui.operations.check_state import check_state
from kho_tui.operations.open_state import open_state


def copy_of(name: str, folder: Path, *left_out: str) -> Path:
    shutil.copytree(sample(name), folder / "capture", ignore=shutil.ignore_patterns(*left_out))
    return folder / "capture"


def edit_memory(capture: Path, edit: Callable[[SparseImage], None], *, without: tuple[int, ...] = ()) -> None:
    """Rewrite the capture's memory, less the pages at ``without``."""
    image = SparseImage(4096)
    with open_file(capture / "memory.elf") as source:
        memory = open_elf(source)
        for extent in memory.extents():
            for page in range(extent.start, extent.start + extent.size, 4096):
                if page not in without:
                    image.write(page, memory.read(page, 4096))
    edit(image)
    with (capture / "memory.elf").open("wb") as stream:
        write_elf_core(stream, image)


def patch(address: int, data: bytes) -> Callable[[SparseImage], None]:
    return lambda image: image.write(address, data)


def nothing(_: SparseImage) -> None:
    pass


def codes(document: dict[str, Any]) -> set[str]:
    return {f["code"] for f in document["findings"]}


ROOT_73, MAP_OFFSET, LUO_73 = 0x584000, 96, 0x721000


def test_a_tracker_that_nothing_can_be_made_of_is_no_pass(tmp_path: Path) -> None:
    capture = copy_of("x86_64-7.3/1-pre", tmp_path)
    address = json.loads((capture / "expected.json").read_text())["map"]
    for content in (bytes(4096), b"text" * 1024):
        edit_memory(capture, patch(address, content))
        with open_state(capture / "memory.elf", Context()) as opened:
            assert check_state(opened, Context()).exit_code(strict=False) == 2


def test_memory_of_another_boot_is_not_this_boots_handover(tmp_path: Path) -> None:
    capture = copy_of("x86_64-7.3/1-post", tmp_path, "in", "setup_data", "dmesg")
    shutil.copy(sample("x86_64-7.3/1-pre") / "memory.elf", capture / "memory.elf")
    document = shown(capture)
    assert document["sides"]["out"]["preserved"]["blocks"] is None
    assert "KHO122" in codes(document)
    assert "sessions" not in document["verdict"].split("cannot be told")[0]


def test_memory_of_a_later_boot_beside_a_cold_boots_debugfs(tmp_path: Path) -> None:
    capture = copy_of("x86_64-7.3/1-pre", tmp_path)
    shutil.copy(sample("x86_64-7.3/2-pre") / "memory.elf", capture / "memory.elf")
    document = shown(capture)
    assert document["sides"]["out"]["preserved"]["blocks"] is None
    assert "KHO122" in codes(document)


def test_a_tracker_page_out_of_reach_gives_a_lower_bound_not_another_root(tmp_path: Path) -> None:
    capture = copy_of("x86_64-6.19/1-pre", tmp_path)
    edit_memory(capture, nothing, without=(0x200F8000,))
    side = shown(capture)["sides"]["out"]
    assert side["fdt"]["phys"] == "0x50e000" and side["preserved"]["map"] == "0x7ad000"
    assert side["preserved"]["state"] == "partial" and 0 < side["preserved"]["blocks"] < 2053


@pytest.mark.parametrize(
    ("data", "offset", "verdict"),
    [
        (struct.pack("<Q", 0x2019B008), MAP_OFFSET, "out: kho-v4: preserved memory damaged"),
        (struct.pack("<Q", 0), MAP_OFFSET, "out: kho-v4: preserved memory damaged: the root FDT names no tracker"),
        (b"kho-v5\0", 76, "out: a root FDT of a version that is not known"),
    ],
    ids=["map-misaligned", "map-zero", "version-unknown"],
)
def test_a_bad_root_at_the_jump_is_later_truth_than_out_fdt(data: bytes, offset: int, verdict: str, tmp_path: Path) -> None:
    capture = copy_of("x86_64-7.3/1-pre", tmp_path)
    edit_memory(capture, patch(ROOT_73 + offset, data))
    document = shown(capture)
    side = document["sides"]["out"]
    assert side["fdt"]["phys"] == hex(ROOT_73) and side["fdt"]["origin"] == "memory"
    assert side["preserved"]["blocks"] is None
    assert document["verdict"].startswith(verdict)


def test_a_subtree_that_only_debugfs_has_is_not_handed_over(tmp_path: Path) -> None:
    capture = copy_of("x86_64-7.3/1-pre", tmp_path)
    shutil.copy(capture / "kho/out/sub_fdts/memblock", capture / "kho/out/sub_fdts/extra")
    document = shown(capture)
    extra = next(s for s in document["sides"]["out"]["subtrees"] if s["name"] == "extra")
    assert extra["in_root"] is False and extra["phys"] is None
    assert "; 4 subtrees;" in document["verdict"]


def test_a_missing_page_of_luo_is_said_and_the_earlier_copy_named(tmp_path: Path) -> None:
    capture = copy_of("x86_64-7.3/1-pre", tmp_path)
    edit_memory(capture, nothing, without=(LUO_73,))
    document = shown(capture)
    luo = next(s for s in document["sides"]["out"]["subtrees"] if s["name"] == "LUO")
    assert luo["origin"] == "debugfs" and luo["content"]["sessions"] is None
    assert any(f["where"] == "out/LUO" and "earlier" in f["message"] for f in document["findings"])


def test_a_core_alone_with_a_leaf_out_of_reach_is_not_called_stale(tmp_path: Path) -> None:
    capture = copy_of("x86_64-7.3/1-pre", tmp_path)
    with open_file(capture / "memory.elf") as source:
        pages = [e.start + at for e in open_elf(source).extents() for at in range(0, e.size, 4096)]
    states = set()
    for page in pages:
        edit_memory(capture, nothing, without=(page,))
        shutil.copy(capture / "memory.elf", tmp_path / "alone.elf")
        side = shown(tmp_path / "alone.elf")["sides"]["unsided"]
        if side is not None:
            states.add(side["preserved"]["state"])
        shutil.copy(sample("x86_64-7.3/1-pre") / "memory.elf", capture / "memory.elf")
    assert "stale" not in states and "damaged" not in states
    assert "partial" in states


def test_scratch_that_could_not_be_read_is_not_zero(tmp_path: Path) -> None:
    capture = copy_of("x86_64-7.3/1-pre", tmp_path)
    (capture / "kho/out/scratch_phys").write_bytes(b"")
    assert shown(capture)["scratch"] is None


def test_the_incoming_side_is_there_without_its_copy(tmp_path: Path) -> None:
    capture = copy_of("x86_64-7.3/1-post", tmp_path, "in")
    side = shown(capture)["sides"]["in"]
    assert side["fdt"]["phys"] == hex(ROOT_73) and side["fdt"]["origin"] == "memory"
    assert side["preserved"]["state"] == "stale"


def test_an_incoming_fdt_of_another_boot_gets_no_address(tmp_path: Path) -> None:
    capture = copy_of("x86_64-7.3/1-post", tmp_path)
    shutil.copy(sample("x86_64-7.3/2-post") / "kho/in/fdt", capture / "kho/in/fdt")
    document = shown(capture)
    assert document["sides"]["in"]["fdt"]["phys"] is None
    assert "KHO122" in codes(document)


def test_the_structure_overrules_the_release_string(tmp_path: Path) -> None:
    for name, blocks in (("x86_64-6.19/1-pre", 2053), ("x86_64-6.18/1-pre", 24)):
        capture = copy_of(name, tmp_path / name.replace("/", "-"))
        (capture / "version").write_text((capture / "version").read_text().replace("6.19.11", "6.17.8").replace("6.18.15", "6.17.8"))
        assert shown(capture)["sides"]["out"]["preserved"]["blocks"] == blocks


def test_finalize_0_beside_an_outgoing_fdt_is_a_contradiction(tmp_path: Path) -> None:
    capture = copy_of("x86_64-6.18/1-pre", tmp_path)
    (capture / "kho/out/finalize").write_text("0\n")
    document = shown(capture)
    assert document["sides"]["out"]["finalized"] is None
    assert any("only while finalized" in f["message"] for f in document["findings"])
