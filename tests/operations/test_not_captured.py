"""What an input does not hold is unknown: no loss, no count, no owner and no verdict comes of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from itertools import chain, combinations
from pathlib import Path

import libfdt
import pytest
from altered import altered as with_memory
from captures import all_captures, alter_memory, capture, copy_of, read, sample
from fdt_samples import libfdt_shape
from handovers import KERNELS, altered, lost, without_node

from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.model.change import Fate
from kho_tui.model.facts import Missing
from kho_tui.model.state import State
from kho_tui.model.tracker import PreservedMap, RadixTree
from kho_tui.operations.check_state import check_state
from kho_tui.operations.open_state import open_state
from kho_tui.views.cli.main import run

PRE = sample("x86_64-7.3/1-pre")
LUO_PAGE, FLB_PAGE, MEMFD_PAGE, FOLIO_LIST, FOLIO = 0x721000, 0x20829000, 0x774000, 0x78C000, "0x15e2000"
"""Where it has LUO's struct, the FLBs, the struct of a memfd, the first page of another's folios, and the first of these."""

Say = Callable[..., tuple[int, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """A command, as typed: its exit code and what it prints."""

    def command(*words: object) -> tuple[int, str]:
        code = run([str(word) for word in words])
        return code, capsys.readouterr().out

    return command


def first_line(text: str) -> str:
    return text.partition("\n")[0]


# Files of debugfs that end early


@pytest.mark.parametrize("name", ["memblock", "LUO", "kho_test", "kexec-metadata"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_subtree_of_B_that_ends_early_is_no_loss(kernel: str, name: str, tmp_path: Path) -> None:
    blob = capture(f"{kernel}/1-post") / "kho/in/sub_fdts" / name
    if not blob.exists():
        pytest.skip("this release has no such subtree")
    whole = compared_lost(kernel, tmp_path / "whole", name, None)
    size = blob.stat().st_size
    for cut in {0, 1, 39, 40, size // 3, size // 2, size - 30, size - 1} & set(range(size)):
        assert compared_lost(kernel, tmp_path / str(cut), name, cut) <= whole, f"cut to {cut} of {size}"


def compared_lost(kernel: str, where: Path, name: str, size: int | None) -> set[str]:
    def alter(post: Path) -> None:
        path = post / "kho/in/sub_fdts" / name
        path.write_bytes(path.read_bytes()[:size])
        (post / "memory.elf").unlink()

    where.mkdir()
    return set(lost(altered(f"{kernel}/1", where, alter)))


def test_other_bytes_before_the_end_are_a_loss(tmp_path: Path) -> None:
    def alter(post: Path) -> None:
        path = post / "kho/in/sub_fdts/kexec-metadata"
        data = bytearray(path.read_bytes()[:70])
        data[5] ^= 1
        path.write_bytes(data)
        (post / "memory.elf").unlink()

    assert "out/kexec-metadata" in lost(altered("x86_64-7.3/1", tmp_path, alter))


def test_a_scratch_table_that_ends_early_has_lost_no_area(tmp_path: Path, say: Say) -> None:
    def alter(post: Path) -> None:
        path = post / "kho/out/scratch_len"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))

    found = altered("x86_64-7.3/1", tmp_path, alter)
    assert not lost(found) and found.fates is not None
    assert {one.path.text for one in found.fates.of(Fate.UNTOLD)} >= {"scratch/2", "scratch/3"}
    copy_of(PRE, tmp_path / "pre")
    alter(tmp_path / "pre")
    code, text = say("diff", PRE, tmp_path / "pre", "--as", "plain")
    assert code == 0 and "cannot tell scratch scratch: 4 addresses and 2 sizes" in text
    assert "unless it is scratch, which this capture does not tell" in say("whois", tmp_path / "pre", "0x1d000000")[1]
    mapped = say("map", tmp_path / "pre")[1]
    assert "not known here: scratch (unavailable: not all of it:" in mapped and "S" in mapped
    assert "scratch" in json.loads(say("map", tmp_path / "pre", "--json")[1])["unknown"]
    assert "Scratch (at least 64 MiB here)" in say("show", tmp_path / "pre", "--memory")[1]


# What was not copied


@pytest.mark.parametrize("kept", ["kho/out", "kho/out and the rest"])
def test_a_kernel_that_counts_a_handover_had_one(kept: str, tmp_path: Path, say: Say) -> None:
    post = tmp_path / "post"
    copy_of(capture("x86_64-7.3/1-post"), post)
    for name in ("kho/in", "setup_data"):
        shutil.rmtree(post / name)
    for name in ("memory.elf", "dmesg"):
        (post / name).unlink()
    _, text = say("diff", PRE, post / "kho" if kept == "kho/out" else post)
    assert "so it was not booted with a handover" not in text and "removed side in" not in text
    assert "B does not tell its incoming side: its outgoing live update number is 2 and kexec count is 2" in text or "A's root FDT" in text


def test_a_subtree_beyond_a_cut_root_that_only_debugfs_shows_is_judged_by_nobody(tmp_path: Path, say: Say) -> None:
    copy_of(PRE, tmp_path / "pre")
    (tmp_path / "pre/memory.elf").unlink()
    files = tmp_path / "pre/kho/out/sub_fdts"
    (files / "LUO").rename(files / "luo")
    (files / "memblock").rename(files / "memblock.bak")
    assert "KHO148: not so" not in say("check", tmp_path / "pre")[1]
    code, text = say("check", tmp_path / "pre", "--target", "7.3")
    assert code == 2 and "taken in part" not in text


def test_a_file_longer_than_the_root_FDT_says_is_not_of_this_boot(tmp_path: Path, say: Say) -> None:
    copy_of(PRE, tmp_path / "pre")
    (tmp_path / "pre/memory.elf").unlink()
    shutil.copyfile(sample("x86_64-7.1/1-pre") / "kho/out/sub_fdts/LUO", tmp_path / "pre/kho/out/sub_fdts/LUO")
    code, text = say("check", tmp_path / "pre", "--target", "7.3")
    assert code == 2 and "PANIC" not in text
    assert "LUO has 311 bytes, the root FDT says 32: not of one boot" in say("show", tmp_path / "pre")[1]


# Memory and logs of another boot

OUTGOING = [path for path in all_captures() if (path / "kho/out/fdt").exists() and (path / "memory.elf").exists()]


@pytest.mark.parametrize("path", OUTGOING, ids=str)
def test_memory_of_another_boot_is_never_taken_for_this_ones(path: Path, tmp_path: Path) -> None:
    """It is told, or its root FDT is not found; its own memory is always known as such."""
    for number, other in enumerate(OUTGOING):
        if other.read_bytes() if other.is_file() else read(other).machine.arch != read(path).machine.arch:
            continue
        mixed = tmp_path / str(number)
        copy_of(path, mixed)
        shutil.copyfile(other / "memory.elf", mixed / "memory.elf")
        state = read(mixed)
        told = any("memory is not of the boot that debugfs was copied from" in finding.message for finding in state.findings)
        same = (other / "memory.elf").read_bytes() == (path / "memory.elf").read_bytes()
        if same:
            assert not told
        elif not told:
            assert state.sides["out"].preserved.status.value in ("unavailable", "damaged"), other
            assert not any(finding.code == "KHO126" for finding in state.findings), other


def test_a_log_of_another_boot_of_the_same_kernel_is_no_evidence(tmp_path: Path, say: Say) -> None:
    found = altered("x86_64-7.3/1", tmp_path, lambda post: shutil.copyfile(capture("x86_64-7.3/2-post") / "dmesg", post / "dmesg"))
    assert not lost(found)
    said = "dmesg is the log of another boot: it says kexec count 2, here it is 1: none of its lines is read"
    assert said in say("show", tmp_path / "post")[1]


# Pages that are not in memory


def test_a_tracker_of_which_nothing_was_read_was_not_checked(tmp_path: Path, say: Say) -> None:
    preserved = read(PRE).sides["out"].preserved
    assert isinstance(preserved, PreservedMap) and isinstance(preserved.structure, RadixTree)
    below_root = [int(address) for level in preserved.structure.addresses[1:] for address in level]
    path = with_memory(PRE, tmp_path / "pre", without=below_root)
    code, text = say("check", path)
    assert code == 2 and "could not check: nothing that the tracker lists was read" in text


def test_LUO_whose_struct_is_not_in_memory_was_not_checked(tmp_path: Path, say: Say) -> None:
    path = with_memory(PRE, tmp_path / "pre", without=[LUO_PAGE])
    code, text = say("check", path)
    assert code == 2 and "LUO's state was not read: its blob is not in the captured memory" in text
    code, text = say("diff", PRE, path)
    assert code == 0 and "such copies of both are the same" in text and "0x0" not in text
    bare = with_memory(PRE, tmp_path / "bare", without=[LUO_PAGE, FLB_PAGE])
    assert "none written" not in say("show", bare)[1] and say("diff", PRE, bare)[0] == 0


def test_a_root_FDT_that_was_read_in_part_was_not_checked(tmp_path: Path, say: Say) -> None:
    path = with_memory(PRE, tmp_path / "pre", without=[0x584000])
    code, text = say("check", path)
    said = "the root FDT was not read but for an earlier copy, of which there are 233 of 405 bytes: the root FDT was not found in memory"
    assert code == 2 and said in text


def test_a_page_of_zeros_lists_no_FLBs_for_a_fact(tmp_path: Path, say: Say) -> None:
    copy_of(PRE, tmp_path / "pre")
    alter_memory(tmp_path / "pre", FLB_PAGE, bytes(4096))
    assert "[damaged: the FLB page at 0x20829000 is zero" in say("show", tmp_path / "pre")[1]
    assert say("check", tmp_path / "pre", "--target", "7.3")[0] != 0


def test_the_cost_of_files_that_were_not_read_is_a_lower_bound(tmp_path: Path, say: Say) -> None:
    path = with_memory(PRE, tmp_path / "pre", without=[MEMFD_PAGE])
    assert json.loads(say("check", path, "--json")[1])["cost"]["lower_bound_because"] is not None


def test_preserved_memory_beside_an_opaque_owner_may_be_his(tmp_path: Path, say: Say) -> None:
    copy_of(PRE, tmp_path / "pre")
    alter_memory(tmp_path / "pre", FOLIO_LIST, bytes(4096))
    code, text = say("whois", tmp_path / "pre", FOLIO)
    assert code == 2 and "owner cannot be told: an opaque owner: the FLBs' data may keep memory" in first_line(text)


def test_what_lies_behind_the_last_segment_of_a_core_is_said_to_be_unread(tmp_path: Path, say: Say) -> None:
    core = tmp_path / "two.elf"
    core.write_bytes((PRE / "memory.elf").read_bytes() + (sample("x86_64-7.3/2-pre") / "memory.elf").read_bytes())
    assert "bytes behind its last segment are not read" in say("show", core)[1]


def test_equal_blocks_are_no_misreading(tmp_path: Path, say: Say) -> None:
    """A state of 6.18 beside the version file of a 6.17."""
    pre = capture("x86_64-6.18/1-pre")
    copy_of(pre, tmp_path / "pre")
    (tmp_path / "pre/version").write_text((pre / "version").read_text().replace("6.18.15", "6.17.1"))
    (tmp_path / "pre/dmesg").unlink()
    assert "MISREAD" not in say("check", tmp_path / "pre", "--target", "6.18")[1]


# Parts of a capture


@pytest.mark.parametrize("stage", ["1-post", "2-post"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_root_FDT_that_was_handed_in_is_not_handed_out(kernel: str, stage: str, tmp_path: Path) -> None:
    """Neither in/ nor the boot record is there: the counts and the log tell it."""
    post = capture(f"{kernel}/{stage}")
    for name in ("memory.elf", "dmesg", "version"):
        (tmp_path / name).write_bytes((post / name).read_bytes())
    shutil.copytree(post / "kho/out", tmp_path / "kho/out")
    state = read(tmp_path)
    assert isinstance(state.sides["out"].root, Missing) and not isinstance(state.sides["in"].root, Missing)
    assert {finding.code for finding in state.findings if finding.severity == "error"} <= {"KHO117"}
    assert not any("another boot" in finding.message or "not of the boot" in finding.message for finding in state.findings)


@pytest.mark.parametrize("kernel", KERNELS)
def test_memory_beside_the_incoming_side_shows_what_is_handed_out(kernel: str, tmp_path: Path) -> None:
    pre = capture(f"{kernel}/2-pre")
    (tmp_path / "memory.elf").write_bytes((pre / "memory.elf").read_bytes())
    shutil.copytree(pre / "kho/in", tmp_path / "kho/in")
    parts, whole = (read(path).sides["out"].preserved for path in (tmp_path, pre))
    assert isinstance(parts, PreservedMap) and isinstance(whole, PreservedMap)
    assert parts.runs.same_as(whole.runs)


@pytest.mark.parametrize("kernel", KERNELS)
def test_memory_alone_after_a_kexec_is_no_refusal(kernel: str, tmp_path: Path, say: Say) -> None:
    (tmp_path / "memory.elf").write_bytes((capture(f"{kernel}/1-post") / "memory.elf").read_bytes())
    code, text = say("check", capture(f"{kernel}/1-pre"), "--after", tmp_path)
    assert "did not take the handover" not in text
    assert code == say("check", capture(f"{kernel}/1-pre"))[0]


# Damage


@pytest.mark.parametrize("kernel", KERNELS)
def test_one_damaged_byte_of_the_root_FDT_is_damage(kernel: str, tmp_path: Path, say: Say) -> None:
    """Neither another boot nor a root FDT that is not there, and never sound unless libfdt reads the same of it."""
    pre = capture(f"{kernel}/1-pre")
    copy_of(pre, tmp_path / "pre")
    root = read(pre).sides["out"].root
    assert not isinstance(root, Missing) and isinstance(root.phys, int)
    content = (tmp_path / "pre/memory.elf").read_bytes()
    for offset in (0, 3, 7, 11, *range(56, 152, 7)):
        (tmp_path / "pre/memory.elf").write_bytes(content)
        damaged = root.data[:offset] + bytes([root.data[offset] ^ 1]) + root.data[offset + 1 :]
        alter_memory(tmp_path / "pre", root.phys, damaged)
        code, text = say("check", tmp_path / "pre")
        assert "KHO122" not in text and "was not found in memory" not in text, offset
        assert code or libfdt_shape(libfdt.Fdt(damaged), 0) == libfdt_shape(libfdt.Fdt(root.data), 0), f"byte {offset}: {first_line(text)}"


@pytest.mark.parametrize("offset", [104, 106, 120, 122, 124, 126, 140, 144])
def test_names_behind_damage_are_unread_and_not_absent(offset: int, tmp_path: Path, say: Say) -> None:
    """A kernel that booted through KHO has no out/fdt to compare with."""
    pre = sample("x86_64-7.3/2-pre")
    root = read(pre).sides["out"].root
    assert not isinstance(root, Missing) and isinstance(root.phys, int)
    copy_of(pre, tmp_path / "pre")
    alter_memory(tmp_path / "pre", root.phys + offset, bytes([root.data[offset] ^ 1]))
    code, text = say("check", tmp_path / "pre")
    assert code == 1 and "KHO122" not in text


def test_one_damaged_byte_of_the_incoming_root_FDT_is_damage(tmp_path: Path, say: Say) -> None:
    copy_of(sample("x86_64-7.3/1-post"), tmp_path / "post")
    alter_memory(tmp_path / "post", 0x584000 + 174, b"\xee")
    text = say("check", tmp_path / "post", "--side", "in")[1]
    assert "error KHO126" in text and "KHO122" not in text and "KHO116" not in text


@pytest.mark.parametrize("name", [b"memblock", b"LUO"])
def test_a_subtree_that_no_kernel_takes_back_and_the_root_FDT_lacks_is_lost(name: bytes, tmp_path: Path, say: Say) -> None:
    root = read(PRE).sides["out"].root
    assert not isinstance(root, Missing) and isinstance(root.phys, int)
    path = with_memory(PRE, tmp_path / "pre", {root.phys: without_node(root.data, name)})
    code, text = say("check", path)
    assert code == 1 and f"{name.decode()} is in debugfs, and the root FDT does not name it" in text


def test_a_half_built_root_FDT_of_this_boot_is_what_the_next_kernel_finds(tmp_path: Path, say: Say) -> None:
    for kernel in KERNELS:
        root = read(capture(f"{kernel}/1-pre")).sides["out"].root
        assert not isinstance(root, Missing) and isinstance(root.phys, int)
        copy_of(capture(f"{kernel}/1-pre"), tmp_path / kernel)
        alter_memory(tmp_path / kernel, root.phys, bytes.fromhex("2ff20112"))
        code, text = say("check", tmp_path / kernel)
        assert code == 1 and "KHO001: not so" in text, kernel


PARTS = ("memory.elf", "kho/out", "kho/in", "boot record", "dmesg", "version")
BOOT_RECORD = ("setup_data", "dt-chosen")


def copy_part(capture: Path, part: str, to: Path) -> None:
    for name in BOOT_RECORD if part == "boot record" else (part,):
        if (capture / name).is_dir():
            shutil.copytree(capture / name, to / name)
        elif (capture / name).exists():
            (to / name).write_bytes((capture / name).read_bytes())


def blocks_of(state: State) -> set[int]:
    return {side.preserved.runs.blocks for side in state.sides.values() if isinstance(side.preserved, PreservedMap)}


@pytest.mark.parametrize("stage", ["1-pre", "1-post", "2-pre", "2-post"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_no_part_of_a_capture_is_judged_worse_than_all_of_it(kernel: str, stage: str, tmp_path: Path) -> None:
    """Nothing wrong, nothing of another boot and no other count comes of what was left out."""
    whole = capture(f"{kernel}/{stage}")
    with open_state(whole, Context()) as opened:
        wrong, blocks = check_state(opened, Context()).exit_code(strict=False) == 1, blocks_of(opened.state)
    for number, kept in enumerate(chain.from_iterable(combinations(PARTS, count) for count in range(1, len(PARTS)))):
        part = tmp_path / str(number)
        (part / "kho").mkdir(parents=True)
        for name in kept:
            copy_part(whole, name, part)
        try:
            opened = open_state(part, Context())
        except InputError:
            continue  # nothing that tells anything of KHO, refused in one line
        with opened:
            assert check_state(opened, Context()).exit_code(strict=False) != 1 or wrong, kept
            assert blocks_of(opened.state) <= blocks, kept
            assert not {"KHO122", "KHO126"} & {finding.code for finding in opened.state.findings}, kept
