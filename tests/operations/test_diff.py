"""Two real states compared: each handover is kept with its evidence, and nothing that is taken away goes unnoticed."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from captures import capture, copy_of, opened, read
from handovers import KERNELS, compared, fates, without_node

from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.model.change import ChangeKind, Fate
from kho_tui.model.state import Root
from kho_tui.operations.diff_states import diff_states


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("stage", ["1", "2"])
def test_a_real_handover_loses_nothing_and_says_why_of_each_thing(kernel: str, stage: str) -> None:
    found = compared(f"{kernel}/{stage}-pre", f"{kernel}/{stage}-post")
    assert found.fates is not None and all(one.holds for one in found.evidence)
    assert found.exit_code(strict=False) == 0
    told = fates(found)
    assert all(one.reason for one in found.fates.fates)
    sure = [path for path in told if path == "out" or path.startswith(("scratch/", "out/memblock", "out/kho_test", "out/kexec-metadata"))]
    assert {told[path] for path in sure} == {Fate.KEPT}
    assert {one.entity for one in found.fates.of(Fate.UNTOLD)} <= {"session", "file"}
    assert {one.fate for one in found.fates.onward} <= {Fate.MUST}
    if kernel == "x86_64-6.18":
        assert found.verdict.startswith("handed over whole") and found.exit_code(strict=True) == 0
    else:
        assert told["out/LUO"] is Fate.KEPT
        assert found.exit_code(strict=True) == 2


def test_the_verdict_names_what_cannot_be_told() -> None:
    assert compared("x86_64-7.3/1-pre", "x86_64-7.3/1-post").verdict == (
        "no loss seen; cannot tell: 3 sessions, 3 files (stale on a running 7.3)"
    )


@pytest.mark.parametrize("kernel", [k for k in KERNELS if k != "x86_64-6.18"])
def test_the_story_of_the_captures_is_told(kernel: str) -> None:
    """shared/captures/README.md: alpha and beta retrieved, alpha's first file preserved again, gamma new, kho_test gone."""
    found = compared(f"{kernel}/1-pre", f"{kernel}/2-pre")
    told = fates(found)
    assert told["out/LUO/vm-alpha/0x1"] is Fate.KEPT and told["out/LUO/vm-alpha"] is Fate.KEPT
    assert found.diff is not None and not found.diff.memory and not found.diff.untold
    by_kind: dict[ChangeKind, set[str]] = {}
    for one in found.diff.changes:
        by_kind.setdefault(one.kind, set()).add(one.where.text)
    assert by_kind[ChangeKind.REMOVED] == {"out/kho_test", "out/LUO/vm-alpha", "out/LUO/vm-beta", "out/LUO/empty"}
    assert by_kind[ChangeKind.ADDED] == {"out/LUO/vm-alpha2", "out/LUO/vm-gamma"}
    (carried,) = (one for one in found.diff.changes if one.kind is ChangeKind.CARRIED)
    assert carried.path is not None and carried.other is not None
    assert (carried.path.text, carried.other.text) == ("out/LUO/vm-alpha/0x1", "out/LUO/vm-alpha2/0xb")
    flbs = [one for one in found.diff.changes if one.entity == "FLB"]
    assert [[(f.name, f.old, f.new) for f in one.fields] for one in flbs] == [[("count", 3, 2)]] * (0 if "6.19" in kernel else 3)


@pytest.mark.parametrize(
    ("old", "new"),
    [("x86_64-7.3/1-pre", "x86_64-7.3/2-post"), ("x86_64-6.19/1-pre", "x86_64-7.1/1-post"), ("x86_64-7.3/1-pre", "arm64-64k-7.3/1-post")],
)
def test_states_of_two_handovers_are_not_taken_for_one(old: str, new: str) -> None:
    found = compared(old, new)
    assert found.fates is None and found.not_one and "not one handover" in found.verdict
    assert found.exit_code(strict=False) == 1
    with pytest.raises(InputError, match="not one handover"):
        diff_states(opened(old), opened(new), "handover", Context())


def test_an_upgrade_that_was_taken() -> None:
    found = compared("upgrades/6.18-to-6.19/1-pre", "upgrades/6.18-to-6.19/1-post")
    assert found.verdict.startswith("handed over whole") and found.exit_code(strict=True) == 0


def test_an_upgrade_that_was_refused_is_said_in_one_line() -> None:
    found = compared("upgrades/7.1-to-7.3/1-pre", "upgrades/7.1-to-7.3/1-post")
    assert found.exit_code(strict=False) == 1
    assert found.verdict.startswith("refused, everything is lost") and "0x20135000" in found.verdict and "kho-v4" in found.verdict
    assert set(fates(found).values()) == {Fate.LOST}
    assert {f"scratch/{number}" for number in range(4)} <= set(fates(found))


def replace_everywhere(post: Path, old: bytes, new: bytes) -> None:
    """In debugfs' copy and in the dumped memory: the same kernel gave both."""
    assert len(old) == len(new) and old != new
    hits = 0
    for path in [*(post / "kho/in").rglob("*"), post / "memory.elf"]:
        if path.is_file():
            data = path.read_bytes()
            hits += old in data
            path.write_bytes(data.replace(old, new))
    assert hits


def alter_region(post: Path) -> str:
    blob = (post / "kho/in/sub_fdts/memblock").read_bytes()
    head = struct.pack(">II", 8, 0)  # a property of 8 bytes whose name stands first: size
    old, new = (head + struct.pack("<Q", size) for size in (1 << 20, 1 << 19))
    assert blob.count(old) == 1
    replace_everywhere(post, blob, blob.replace(old, new))
    return "out/memblock/pstore"


def remove_region(post: Path) -> str:
    blob = (post / "kho/in/sub_fdts/memblock").read_bytes()
    replace_everywhere(post, blob, without_node(blob, b"pstore"))
    return "out/memblock/pstore"


def remove_subtree(post: Path) -> str:
    blob = (post / "kho/in/fdt").read_bytes()
    replace_everywhere(post, blob, without_node(blob, b"memblock"))
    return "out/memblock"


def alter_scratch(post: Path) -> str:
    path = post / "kho/out/scratch_len"
    lines = path.read_text().split("\n")
    lines[3] = hex(int(lines[3], 16) // 2)
    path.write_text("\n".join(lines))
    return "scratch/3"


def drop_scratch(post: Path) -> str:
    for name in ("scratch_phys", "scratch_len"):
        path = post / "kho/out" / name
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    # The boot record and the table itself as well: else lines are only cut off.
    for path, order in ((post / "setup_data/1/data", "<Q"), (post / "dt-chosen/linux,kho-scratch", ">Q")):
        if path.exists():
            data = path.read_bytes()
            assert struct.unpack(order, data[-8:]) == (4 * 16,)
            path.write_bytes(data[:-8] + struct.pack(order, 3 * 16))
    return "scratch/3"


def alter_count(post: Path) -> str:
    path = post / "kho/in/sub_fdts/kexec-metadata"
    if not path.exists():
        pytest.skip("this release writes no kexec-metadata")
    blob = path.read_bytes()
    replace_everywhere(post, blob, blob[:69] + struct.pack("<I", 7))
    return "out/kexec-metadata"


def fail_restore(post: Path) -> str:
    log = (post / "dmesg").read_bytes()
    if b"KHO restore succeeded" not in log:
        pytest.skip("the test module had nothing to restore in this boot")
    (post / "dmesg").write_bytes(log.replace(b"KHO restore succeeded", b"KHO restore failed"))
    return "out/kho_test/folios"


@pytest.mark.parametrize("stage", ["1", "2"])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    "damage",
    [alter_region, remove_region, remove_subtree, alter_scratch, drop_scratch, alter_count, fail_restore],
    ids=lambda one: one.__name__,
)
def test_a_loss_is_never_missed(kernel: str, stage: str, damage: Callable[[Path], str], tmp_path: Path) -> None:
    post = tmp_path / "post"
    copy_of(capture(f"{kernel}/{stage}-post"), post)
    lost = damage(post)
    found = diff_states(opened(f"{kernel}/{stage}-pre"), read(post), "auto", Context())
    assert found.fates is not None
    assert lost in {one.path.text for one in found.fates.of(Fate.LOST)}
    assert found.exit_code(strict=False) == 1
    assert f"{len(found.fates.of(Fate.LOST))} lost: " in found.verdict


def test_what_is_lost_is_told_once_and_its_root_fdt_follows(tmp_path: Path) -> None:
    post = tmp_path / "post"
    copy_of(capture("x86_64-7.1/1-post"), post)
    remove_subtree(post)
    found = diff_states(opened("x86_64-7.1/1-pre"), read(post), "auto", Context())
    assert fates(found)["out"] is Fate.MUST
    assert found.verdict.startswith("3 lost: subtree memblock, reserve_mem oops_trace, reserve_mem pstore")


def test_a_capture_without_memory_is_held_against_the_next_boot(tmp_path: Path) -> None:
    """debugfs alone, cut to 233 bytes and older than the reboot call: no loss is made up, and what LUO wrote later may differ."""
    pre = tmp_path / "pre"
    shutil.copytree(capture("x86_64-7.1/1-pre"), pre, ignore=shutil.ignore_patterns("memory.elf"))
    found = diff_states(read(pre), opened("x86_64-7.1/1-post"), "auto", Context())
    assert found.fates is not None and not found.fates.of(Fate.LOST)
    assert any("as far as they are captured" in one.text for one in found.evidence)


def test_a_tracker_written_anew_inside_the_reboot_call_is_no_loss(tmp_path: Path) -> None:
    """6.19: debugfs' copy of before names another tracker, and is cut to 152 bytes."""
    pre = tmp_path / "pre"
    shutil.copytree(capture("x86_64-6.19/1-pre"), pre, ignore=shutil.ignore_patterns("memory.elf"))
    found = diff_states(read(pre), opened("x86_64-6.19/1-post"), "auto", Context())
    assert found.exit_code(strict=False) == 0
    assert fates(found)["out"] is Fate.MAY


def test_before_6_19_nothing_writes_the_tracker_anew(tmp_path: Path) -> None:
    """6.18 builds all of it when it is finalized: another tracker after the kexec is not the one that was handed over."""
    pre, post = tmp_path / "pre", tmp_path / "post"
    shutil.copytree(capture("x86_64-6.18/1-pre"), pre, ignore=shutil.ignore_patterns("memory.elf"))
    copy_of(capture("x86_64-6.18/1-post"), post)
    (pointer,) = (one for one in opened("x86_64-6.18/1-pre").sides.values())
    assert isinstance(pointer.root, Root) and isinstance(pointer.root.map_address, int)
    replace_everywhere(post, struct.pack("<Q", pointer.root.map_address), struct.pack("<Q", pointer.root.map_address + 4096))
    found = diff_states(read(pre), read(post), "auto", Context())
    assert fates(found)["out"] is Fate.LOST
    assert found.exit_code(strict=False) == 1


def test_a_region_that_the_next_kernel_has_elsewhere_was_lost(tmp_path: Path) -> None:
    post = tmp_path / "post"
    copy_of(capture("x86_64-7.1/1-post"), post)
    log = (post / "dmesg").read_bytes()
    (post / "dmesg").write_bytes(log.replace(b"Revived memory reservation 'pstore' from KHO", b"nothing of that kind"))
    onward = post / "kho/out/sub_fdts/memblock"
    assert diff_states(opened("x86_64-7.1/1-pre"), read(post), "auto", Context()).exit_code(strict=False) == 0
    blob = onward.read_bytes()
    start = struct.pack("<Q", 0x3EE00000)
    assert blob.count(start) == 1
    onward.write_bytes(blob.replace(start, struct.pack("<Q", 0x3ED00000)))
    found = diff_states(opened("x86_64-7.1/1-pre"), read(post), "auto", Context())
    assert fates(found)["out/memblock/pstore"] is Fate.LOST
    assert found.exit_code(strict=False) == 1


def test_another_live_update_than_the_one_that_was_handed_over(tmp_path: Path) -> None:
    post = tmp_path / "post"
    copy_of(capture("x86_64-7.3/1-post"), post)
    log = (post / "dmesg").read_bytes()
    (post / "dmesg").write_bytes(log.replace(b"liveupdate number: 1", b"liveupdate number: 4"))
    found = diff_states(opened("x86_64-7.3/1-pre"), read(post), "auto", Context())
    assert fates(found)["out/LUO"] is Fate.LOST


@pytest.mark.parametrize(
    ("kernel", "old", "new", "path"),
    [
        ("x86_64-7.3", b"luo-v5", b"luo-v6", "out/LUO"),
        ("x86_64-7.1", b"luo-v1", b"luo-v6", "out/LUO"),
        ("x86_64-7.1", b"memblock-v1", b"memblock-v9", "out/memblock"),
    ],
)
def test_a_version_that_nobody_knows_is_told_as_such(kernel: str, old: bytes, new: bytes, path: str, tmp_path: Path) -> None:
    """What such a subtree leads to is in no list, so its equal bytes do not say that all arrived."""
    ends = []
    for end in ("pre", "post"):
        copy_of(capture(f"{kernel}/1-{end}"), tmp_path / end)
        for file in [*(tmp_path / end / "kho").rglob("*"), tmp_path / end / "memory.elf"]:
            if file.is_file():
                file.write_bytes(file.read_bytes().replace(old + b"\0", new + b"\0"))
        ends.append(read(tmp_path / end))
    found = diff_states(ends[0], ends[1], "auto", Context())
    assert found.fates is not None
    (fate,) = (one for one in found.fates.fates if one.path.text == path)
    assert fate.fate is Fate.UNTOLD and new.decode() in fate.reason
    assert found.exit_code(strict=True) == 2
