"""What the next kernel has to hand on itself: missing there is a loss, and where B does not show it, that is said."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from handovers import altered, lost

from kho_tui.model.change import Fate
from kho_tui.operations.diff_states import Compared

FOLLOWING = ["x86_64-6.19/1", "x86_64-7.1/2", "x86_64-7.3/1", "arm64-64k-7.3/2"]


def onward(found: Compared) -> dict[str, tuple[Fate, str]]:
    assert found.fates is not None
    return {one.path.text: (one.fate, one.reason) for one in found.fates.onward}


@pytest.mark.parametrize("name", ["LUO", "memblock", "kexec-metadata"])
@pytest.mark.parametrize("handover", FOLLOWING)
def test_a_subtree_that_the_next_kernel_always_registers_is_missed(handover: str, name: str, tmp_path: Path) -> None:
    if "6.19" in handover and name == "kexec-metadata":
        pytest.skip("this release writes no kexec-metadata")
    found = altered(handover, tmp_path, lambda post: (post / "kho/out/sub_fdts" / name).unlink())
    assert onward(found)[f"out/{name}"][0] is Fate.LOST
    assert set(lost(found)) == {f"out/{name}"} and found.exit_code(strict=False) == 1


def test_a_region_that_was_revived_and_is_not_handed_on_is_missed(tmp_path: Path) -> None:
    def rename(post: Path) -> None:
        blob = post / "kho/out/sub_fdts/memblock"
        assert b"pstore" in blob.read_bytes()
        blob.write_bytes(blob.read_bytes().replace(b"pstore", b"pstorf"))

    found = altered("x86_64-7.1/1", tmp_path, rename)
    assert set(lost(found)) == {"out/memblock/pstore"} and "revived" in lost(found)["out/memblock/pstore"]


@pytest.mark.parametrize("handover", FOLLOWING)
def test_where_B_shows_no_outgoing_side_that_is_said(handover: str, tmp_path: Path) -> None:
    found = altered(handover, tmp_path, lambda post: shutil.rmtree(post / "kho/out"))
    names = {"out/LUO", "out/memblock"} | (set() if "6.19" in handover else {"out/kexec-metadata"})
    assert onward(found) == dict.fromkeys(names, (Fate.UNTOLD, "B shows no outgoing side"))
    assert not lost(found) and found.exit_code(strict=True) == 2


def test_before_it_is_finalized_6_18_has_nothing_to_hand_on(tmp_path: Path) -> None:
    found = altered("x86_64-6.18/1", tmp_path, lambda post: (post / "kho/out/finalize").read_bytes())
    assert onward(found) == {} and found.exit_code(strict=True) == 0


def test_LUO_that_the_log_does_not_show_alive_need_not_be_handed_on(tmp_path: Path) -> None:
    def off(post: Path) -> None:
        (post / "kho/out/sub_fdts/LUO").unlink()
        log = (post / "dmesg").read_text().splitlines(keepends=True)
        (post / "dmesg").write_text("".join(line for line in log if "luo: " not in line))

    assert "out/LUO" not in onward(altered("x86_64-7.3/1", tmp_path, off))


def test_a_version_of_LUO_that_nobody_knows_is_not_compared_in_silence(tmp_path: Path) -> None:
    def newer(post: Path) -> None:
        blob = post / "kho/out/sub_fdts/LUO"
        blob.write_bytes(blob.read_bytes().replace(b"luo-v5", b"luo-v6"))

    found = altered("x86_64-7.3/1", tmp_path, newer)
    fate, reason = onward(found)["out/LUO"]
    assert fate is Fate.UNTOLD and "luo-v6" in reason
