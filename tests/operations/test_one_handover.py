"""Whether two states are one handover: what speaks against it is not outvoted, and what nobody tells is not taken for a no."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest
from captures import capture, copy_of, opened, read

from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.model.change import Fate
from kho_tui.model.state import Root, State
from kho_tui.operations.diff_states import Compared, diff_states

KERNELS = ("x86_64-6.18", "x86_64-6.19", "x86_64-7.1", "x86_64-7.3", "arm64-64k-7.3")


def compare(old: State, new: State) -> Compared:
    return diff_states(old, new, "auto", Context())


def root_of(state: State, side: str) -> Root:
    root = state.sides[side].root
    assert isinstance(root, Root)
    return root


def tell_another_address(post: Path, root: int) -> None:
    """In setup_data of x86, little-endian."""
    was = struct.pack("<Q", root)
    (record,) = (path for path in (post / "setup_data").rglob("data") if was in path.read_bytes())
    record.write_bytes(record.read_bytes().replace(was, struct.pack("<Q", root + 0x10000)))


def assert_none(found: Compared, *, told: bool, why: str) -> None:
    assert found.fates is None and found.not_one is not None
    assert found.not_one.told is told and why in found.not_one.why
    assert ("not one handover" if told else "cannot tell whether one handover") in found.verdict


@pytest.mark.parametrize("kernel", KERNELS[:4])
def test_equal_bytes_do_not_outvote_another_address(kernel: str, tmp_path: Path) -> None:
    post = tmp_path / "post"
    copy_of(capture(f"{kernel}/1-post"), post)
    before = opened(f"{kernel}/1-pre")
    phys = root_of(before, "out").phys
    assert isinstance(phys, int)
    tell_another_address(post, phys)
    assert_none(compare(before, read(post)), told=True, why=f"B's root FDT is at {phys + 0x10000:#x}, A's at {phys:#x}")


@pytest.mark.parametrize("kernel", KERNELS[:4])
def test_equal_bytes_do_not_outvote_a_scratch_table_of_which_nothing_is_the_same(kernel: str, tmp_path: Path) -> None:
    post = tmp_path / "post"
    copy_of(capture(f"{kernel}/1-post"), post)
    table = post / "kho/out/scratch_phys"
    table.write_text("".join(f"{int(line, 16) + 0x100000:#x}\n" for line in table.read_text().split()))
    assert_none(compare(opened(f"{kernel}/1-pre"), read(post)), told=True, why="no area is the same")


@pytest.mark.parametrize("length", [60, 72, 80])
def test_a_few_equal_bytes_are_no_evidence(length: int, tmp_path: Path) -> None:
    """Two machines: the first bytes of every root FDT of one version and size are the same."""
    pre = tmp_path / "pre"
    copy_of(capture("x86_64-7.3/1-pre"), pre)
    (pre / "memory.elf").unlink()
    fdt = pre / "kho/out/fdt"
    other = root_of(opened("arm64-64k-7.3/1-post"), "in").view.blob.data
    fdt.write_bytes(other[:length])
    found = compare(read(pre), opened("arm64-64k-7.3/1-post"))
    assert found.fates is None and found.not_one is not None
    assert not any(one.holds for one in found.evidence)


def test_states_that_were_handed_a_root_at_two_addresses_are_not_of_one_boot(tmp_path: Path) -> None:
    post = tmp_path / "post"
    copy_of(capture("x86_64-7.1/1-post"), post)
    phys = root_of(opened("x86_64-7.1/1-post"), "in").phys
    assert isinstance(phys, int)
    tell_another_address(post, phys)
    found = compare(opened("x86_64-7.1/1-post"), read(post))
    assert found.not_one is not None and "one boot" not in found.not_one.why


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_root_whose_tracker_alone_was_altered_is_lost_by_name(kernel: str, tmp_path: Path) -> None:
    post = tmp_path / "post"
    copy_of(capture(f"{kernel}/1-post"), post)
    before = opened(f"{kernel}/1-pre")
    pointer = root_of(before, "out").map_address
    assert isinstance(pointer, int)
    was = root_of(before, "out").view.blob.data
    now = was.replace(struct.pack("<Q", pointer), struct.pack("<Q", pointer + 0x10000))
    hits = 0
    for path in (post / "kho/in/fdt", post / "memory.elf"):
        hits += was in path.read_bytes()
        path.write_bytes(path.read_bytes().replace(was, now))
    assert hits
    found = compare(before, read(post))
    assert found.fates is not None
    (lost,) = found.fates.of(Fate.LOST)
    assert lost.path.text == "out" and [field.name for field in lost.fields] == ["preserved-memory-map"]
    assert found.exit_code(strict=False) == 1


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("stage", ["1", "2"])
def test_memory_alone_that_holds_the_root_where_it_lay_is_the_next_kernel(kernel: str, stage: str) -> None:
    core = capture(f"{kernel}/{stage}-post") / "memory.elf"
    found = compare(opened(f"{kernel}/{stage}-pre"), read(core))
    assert found.fates is not None and not found.fates.of(Fate.LOST)
    assert any(one.holds is None and "does not tell which side" in one.text for one in found.evidence)


def test_memory_of_before_is_not_taken_for_the_next_kernel() -> None:
    old, new = opened("x86_64-7.1/1-pre"), read(capture("x86_64-7.1/1-pre") / "memory.elf")
    assert_none(compare(old, new), told=False, why="handed in or is to be handed out")


@pytest.mark.parametrize("name", ["x86_64-7.1/1-pre", "x86_64-7.1/1-post", "x86_64-7.3/2-pre", "x86_64-7.3/2-post"])
def test_memory_alone_against_itself_shows_no_handover(name: str) -> None:
    state = read(capture(name) / "memory.elf")
    found = compare(state, state)
    assert found.fates is None and found.exit_code(strict=False) == 0 and found.verdict.startswith("no difference seen")


def test_a_side_that_was_not_asked_for_is_not_said_to_be_missing() -> None:
    pre, post = opened("x86_64-7.1/1-pre"), opened("x86_64-7.1/1-post")
    assert_none(compare(pre, post.only("out")), told=False, why="B does not tell its incoming side: its side in is there")
    incoming = opened("x86_64-7.1/2-pre").only("in")
    why = "A does not tell its outgoing side: its side out is there"
    assert_none(compare(incoming, opened("x86_64-7.1/2-post")), told=False, why=why)
    assert_none(compare(pre, pre), told=True, why="B shows no incoming side")
    found = compare(opened("x86_64-7.1/2-pre"), opened("x86_64-7.1/2-post").only("out"))
    assert found.diff is not None and "in" not in {one.where.text for one in found.diff.changes}


def test_another_root_in_memory_alone_does_not_tell() -> None:
    found = compare(opened("x86_64-7.1/1-pre"), read(capture("x86_64-7.1/2-post") / "memory.elf"))
    assert_none(found, told=False, why="B does not tell its incoming side")


@pytest.mark.parametrize("kernel", KERNELS[1:])
def test_debugfs_without_the_root_cannot_tell_and_says_what_there_is(kernel: str, tmp_path: Path) -> None:
    """From 6.19 on a kernel that booted through KHO has no out/fdt."""
    pre = tmp_path / "pre"
    shutil.copytree(capture(f"{kernel}/2-pre"), pre, ignore=shutil.ignore_patterns("memory.elf"))
    found = compare(read(pre), opened(f"{kernel}/2-post"))
    assert_none(found, told=False, why="A's root FDT is not known")
    told = {str(one.name): one for one in found.evidence}
    assert told["scratch table"].holds and "memblock" in told["subtrees"].text
    with pytest.raises(InputError, match="cannot tell whether one handover"):
        diff_states(read(pre), opened(f"{kernel}/2-post"), "handover", Context())


@pytest.mark.parametrize("kernel", KERNELS[1:])
def test_another_count_of_handovers_speaks_against_one(kernel: str, tmp_path: Path) -> None:
    pre = tmp_path / "pre"
    shutil.copytree(capture(f"{kernel}/1-post"), pre, ignore=shutil.ignore_patterns("memory.elf", "in", "setup_data", "dt-chosen"))
    found = compare(read(pre), opened(f"{kernel}/1-post"))
    assert_none(found, told=True, why="does not change within a boot")


def flipped(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x10
    path.write_bytes(data)


@pytest.mark.parametrize("kernel", ["x86_64-7.1", "x86_64-7.3"])
def test_two_sources_that_disagree_are_told_with_the_one_that_was_compared(kernel: str, tmp_path: Path) -> None:
    """A byte of debugfs' copy altered, memory left as it was: in B the former is shown, in A the latter."""
    pre, post = opened(f"{kernel}/1-pre"), tmp_path / "post"
    copy_of(capture(f"{kernel}/1-post"), post)
    blob = post / "kho/in/sub_fdts/memblock"
    flipped(blob, blob.read_bytes().index(struct.pack("<Q", 0x3EE00000)) + 2)
    found = compare(pre, read(post))
    assert found.fates is not None and "out/memblock/pstore" in {one.path.text for one in found.fates.of(Fate.LOST)}
    said = "B in/memblock as kho/in/sub_fdts/memblock has it; memory.elf holds other bytes, as A has them"
    assert said in found.origins

    other = tmp_path / "pre"
    copy_of(capture(f"{kernel}/1-pre"), other)
    flipped(other / "kho/out/sub_fdts/kexec-metadata", 69)
    found = compare(pre, read(other))
    assert found.verdict.startswith("no difference seen")
    assert "B out/kexec-metadata as memory.elf has it; kho/out/sub_fdts/kexec-metadata holds other bytes" in found.origins


@pytest.mark.parametrize("kernel", ["x86_64-6.18", "x86_64-7.1"])
def test_sources_that_agree_are_not_spoken_of(kernel: str) -> None:
    assert compare(opened(f"{kernel}/1-pre"), opened(f"{kernel}/1-post")).origins == ()
