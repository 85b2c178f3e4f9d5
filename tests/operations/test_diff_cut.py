"""What is not whole is no evidence: cut root FDTs, an FDT that is gone; and what B has besides is no loss of A's."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest
from captures import capture
from handovers import KERNELS, altered, fates, logged, lost, without_node

from kho_tui.model.change import Fate


def cut(post: Path, name: str, size: int) -> int:
    """A root FDT cut to ``size`` bytes, and nothing in memory that tells the rest; how long it was."""
    (post / "memory.elf").unlink()
    fdt = post / "kho" / name
    whole = fdt.read_bytes()
    fdt.write_bytes(whole[:size])
    return int.from_bytes(whole[4:8], "big")


@pytest.mark.parametrize("size", [100, 200])
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_root_FDT_of_B_that_is_cut_tells_nothing(kernel: str, size: int, tmp_path: Path) -> None:
    whole: list[int] = []
    found = altered(f"{kernel}/1", tmp_path, lambda post: whole.append(cut(post, "in/fdt", size)))
    assert found.fates is not None and not lost(found)
    (root,) = (one for one in found.fates.fates if one.path.text == "out")
    assert (root.fate, root.reason) == (Fate.UNTOLD, f"in/fdt holds only {size} of {whole[0]} bytes")
    assert found.exit_code(strict=True) == 2


@pytest.mark.parametrize("size", [100, 200])
@pytest.mark.parametrize("kernel", KERNELS)
def test_subtrees_beyond_the_cut_are_not_lost(kernel: str, size: int, tmp_path: Path) -> None:
    def alter(post: Path) -> None:
        cut(post, "in/fdt", size)
        shutil.rmtree(post / "kho/in/sub_fdts")

    found = altered(f"{kernel}/1", tmp_path, alter)
    assert not lost(found)
    assert fates(found)["out/kho_test"] is Fate.UNTOLD
    if kernel != "x86_64-6.18":
        assert fates(found)["out/LUO"] is Fate.KEPT


@pytest.mark.parametrize("kernel", ["x86_64-6.18", "x86_64-7.1", "x86_64-7.3"])
def test_a_root_FDT_of_A_that_is_cut_makes_nothing_of_B_unexpected(kernel: str, tmp_path: Path) -> None:
    def alter(pre: Path) -> None:
        cut(pre, "out/fdt", 200)
        shutil.rmtree(pre / "kho/out/sub_fdts")

    found = altered(f"{kernel}/1", tmp_path, alter, which="pre")
    assert fates(found)["out"] is Fate.UNTOLD
    assert not lost(found) and not [path for path in fates(found) if path.startswith("in/")]


@pytest.mark.parametrize("kernel", ["x86_64-6.18", "x86_64-7.1", "x86_64-7.3"])
def test_a_root_FDT_of_A_that_is_cut_before_its_pointers_does_not_tell_whether_it_is_one_handover(kernel: str, tmp_path: Path) -> None:
    found = altered(f"{kernel}/1", tmp_path, lambda pre: cut(pre, "out/fdt", 100), which="pre")
    assert found.not_one is not None and not found.not_one.told
    assert "do not reach the address of the tracker" in found.verdict


def test_other_bytes_before_the_cut_are_a_loss(tmp_path: Path) -> None:
    def alter(post: Path) -> None:
        cut(post, "in/fdt", 200)
        fdt = post / "kho/in/fdt"
        data = bytearray(fdt.read_bytes())
        data[199] ^= 1
        fdt.write_bytes(data)

    found = altered("x86_64-7.1/1", tmp_path, alter)
    assert "out" in lost(found) and "200 of 405" in lost(found)["out"]


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_region_that_the_log_revives_is_kept_whatever_became_of_memblocks_FDT(kernel: str, tmp_path: Path) -> None:
    def gone(post: Path) -> None:
        (post / "memory.elf").unlink()
        (post / "kho/in/sub_fdts/memblock").unlink()

    def garbage(post: Path) -> None:
        blob = (post / "kho/in/sub_fdts/memblock").read_bytes()
        for path in (post / "kho/in/sub_fdts/memblock", post / "memory.elf"):
            path.write_bytes(path.read_bytes().replace(blob, b"\xa5" * len(blob)))

    for number, alter in enumerate((gone, garbage)):
        told = fates(altered(f"{kernel}/1", tmp_path / str(number), alter))
        assert {told["out/memblock/pstore"], told["out/memblock/oops_trace"]} == {Fate.KEPT}


def test_an_altered_region_is_told_once(tmp_path: Path) -> None:
    def alter(post: Path) -> None:
        blob = (post / "kho/in/sub_fdts/memblock").read_bytes()
        size = struct.pack(">II", 8, 0) + struct.pack("<Q", 1 << 20)
        assert blob.count(size) == 1
        for path in (post / "kho/in/sub_fdts/memblock", post / "memory.elf"):
            path.write_bytes(path.read_bytes().replace(blob, blob.replace(size, size[:-8] + struct.pack("<Q", 1 << 19))))

    found = altered("x86_64-7.1/1", tmp_path, alter)
    assert set(lost(found)) == {"out/memblock/pstore"} and fates(found)["out/memblock"] is Fate.MUST


@pytest.mark.parametrize("kernel", ["x86_64-6.18", "x86_64-7.3"])
def test_a_subtree_that_only_B_has_is_no_loss(kernel: str, tmp_path: Path) -> None:
    root = (capture(f"{kernel}/1-post") / "kho/in/fdt").read_bytes()

    def alter(pre: Path) -> None:
        without = without_node(root, b"kho_test")
        memory = (pre / "memory.elf").read_bytes()
        assert root in memory
        (pre / "memory.elf").write_bytes(memory.replace(root, without))
        shutil.rmtree(pre / "kho/out")

    found = altered(f"{kernel}/1", tmp_path, alter, which="pre")
    told = fates(found)
    assert not lost(found) and found.exit_code(strict=False) == 0
    assert (told["in/kho_test"], told["out"]) == (Fate.UNTOLD, Fate.UNTOLD)


def test_an_altered_root_FDT_does_not_hide_behind_a_subtree_that_it_does_not_concern(tmp_path: Path) -> None:
    def alter(post: Path) -> None:
        whole = (post / "kho/in/fdt").read_bytes()
        other = whole[:28] + struct.pack(">I", 1) + whole[32:]  # boot_cpuid_phys of the header: of no property and no subtree
        assert other != whole
        for path in (post / "kho/in/fdt", post / "memory.elf"):
            path.write_bytes(path.read_bytes().replace(whole, other))
        logged("test_kho: failed to retrieve kho_test FDT: -22")(post)

    found = altered("x86_64-7.1/1", tmp_path, alter)
    assert {"out", "out/kho_test"} <= set(lost(found))
