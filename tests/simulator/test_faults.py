"""Faults: each breaks one thing, says what it breaks, and leaves all else as it was captured."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path

import pytest
from captures import SHARED, sample
from expected import shown
from mutations.probe import exercise

from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.memory.elf import open_elf
from kho_tui.memory.elf_writer import write_elf_core
from kho_tui.memory.segmented import SegmentedMemory
from kho_tui.memory.source import open_file
from kho_tui.memory.sparse import SparseImage
from kho_tui.model.state import Root, Side, State
from kho_tui.operations.fault_capture import FaultReport, fault_capture, list_faults
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.simulator.faults.case import DoesNotApply
from kho_tui.simulator.faults.catalogue import UNBREAKABLE, faults_of
from kho_tui.simulator.faults.fault import Fault
from kho_tui.subsystems.registry import builtin

FITTING = ["x86_64-7.3/1-pre", "x86_64-6.19/1-pre", "x86_64-7.1/1-pre", "x86_64-6.18/1-pre", "x86_64-7.3/1-post"]
"""Tried in this order: nearly every fault has its first fitting state among the first two."""

NEED_MORE = {"test-sum": "contents of the test folios", "node-split": "a border of two nodes that is not a round number"}
"""Faults that no captured state fits as it is, and what it would have to hold."""

SEEN_BY_DECODE = {
    **dict.fromkeys(("root-magic", "root-half-built", "root-format", "root-cut", "blob-refused"), "KHO101"),
    **dict.fromkeys(("root-version", "metadata-version", "region-version", "luo-version", "luo-too-early"), "KHO107"),
    **dict.fromkeys(("map-zero", "map-unaligned", "bitmap-zero", "bitmap-shared", "radix-unaligned"), "KHO104"),
    **dict.fromkeys(("map-short", "pointer-missing", "blob-size-missing", "luo-flb-node"), "KHO111"),
    **dict.fromkeys(("chunk-cycle", "radix-node-twice", "radix-cycle", "vmalloc-cycle"), "KHO105"),
    **dict.fromkeys(("session-block-cycle", "file-block-cycle"), "KHO105"),
    **dict.fromkeys(("session-block-empty", "file-block-empty", "session-block-overfull", "file-block-overfull"), "KHO106"),
    **dict.fromkeys(("chunk-overfull", "vmalloc-hole", "vmalloc-total", "vmalloc-order", "memfd-too-many-folios"), "KHO106"),
    **dict.fromkeys(("too-many-sessions", "too-many-files", "session-list-lost", "session-count", "flb-too-many"), "KHO106"),
    **dict.fromkeys(("handler-unknown", "handler-endless", "luo-renamed"), "KHO108"),
    "blob-short": "KHO102",
    "blob-size-zero": "KHO106",
    "chunk-unaligned": "KHO104",
    "radix-key": "KHO113",
    "test-magic": "KHO118",
    "passed-fdt-size": "KHO115",
    "subtree-forgotten": None,
}
"""What shows while decoding, by the reference's words for it; all other faults decode without a word and wait for the checks."""


@cache
def original(name: str) -> Opened:
    return open_state(sample(name), Context())


def fitting(fault: Fault, out: Path) -> tuple[str, FaultReport]:
    """The first state that the fault applies to, and the broken one beside it."""
    refused = []
    for name in FITTING:
        side = original(name).state.sides.get(fault.side)
        if side is None or (fault.needs and compatible(side) not in fault.roots(builtin())):
            continue
        try:
            return name, fault_capture(sample(name), fault.name, out, Context())
        except DoesNotApply as error:
            refused.append(str(error))
    raise AssertionError(refused)


def compatible(side: Side) -> bytes | None:
    return side.root.compatible if isinstance(side.root, Root) else None


def codes(state: State) -> list[str]:
    return sorted(one.code for one in state.findings)


def memory_of(path: Path) -> SegmentedMemory:
    return open_elf(open_file(path / "memory.elf"))


def tree(path: Path) -> dict[str, bytes]:
    return {str(one.relative_to(path)): one.read_bytes() for one in path.rglob("*") if one.is_file()}


@pytest.mark.parametrize("fault", [one for one in faults_of(builtin()) if one.name not in NEED_MORE], ids=lambda one: one.name)
def test_a_broken_state_opens_and_differs_only_in_what_the_fault_declares(fault: Fault, tmp_path: Path) -> None:
    name, report = fitting(fault, tmp_path / "broken")
    with open_state(report.directory, Context()) as opened:
        before, after = codes(original(name).state), codes(opened.state)
    new = {code for code in after if after.count(code) > before.count(code)}
    assert new <= {fault.primary, *fault.also}
    wanted = SEEN_BY_DECODE.get(fault.name)
    assert wanted is None or wanted in new
    if fault.name not in SEEN_BY_DECODE:
        assert not {code for code in new if code not in ("KHO103", "KHO109", "KHO116", "KHO120")}
    assert exercise(report.directory) == "read"
    only_what_it_says(sample(name), report)


def only_what_it_says(before: Path, report: FaultReport) -> None:
    """Every byte that differs lies in a patch, in a new page, or in a file that the report names."""
    old, new = memory_of(before), memory_of(report.directory)
    spared = [(address, address + size) for address, size in set(report.patches)]
    for extent in old.extents():
        here, there = (bytearray(memory.read(extent.start, extent.size)) for memory in (old, new))
        for low, high in spared:
            low, high = max(low - extent.start, 0), min(high - extent.start, extent.size)
            if low < high:
                assert here[low:high] != there[low:high]
                here[low:high] = there[low:high]
        assert here == there, hex(extent.start)
    assert new.total_bytes - old.total_bytes == report.new_pages * 4096
    one, other = tree(before), tree(report.directory)
    assert {name for name in {*one, *other} - {"memory.elf"} if one.get(name) != other.get(name)} == set(report.files)
    assert report.patches or report.files


def test_every_invariant_has_a_fault_or_a_reason() -> None:
    primaries = {int(one.primary.removeprefix("KHO")) for one in faults_of(builtin())}
    assert primaries | set(UNBREAKABLE) >= set(range(1, 51))
    assert not primaries & set(UNBREAKABLE)


def test_names_are_given_once() -> None:
    faults, unbreakable = list_faults()
    assert len({one.name for one in faults}) == len(faults) >= 100
    assert unbreakable[0][0] == "KHO019"


@pytest.mark.parametrize(
    ("name", "capture", "why"),
    [
        ("luo-flb-node", "x86_64-7.3/1-pre", "the root is kho-v4; this fault is one of kho-v3"),
        ("session-block-empty", "x86_64-7.1/1-pre", "luo-v1 has no blocks"),
        ("memfd-seals", "x86_64-6.19/1-pre", "memfd-v1 keeps neither seals nor flags"),
        ("folio-shared", "x86_64-6.18/1-pre", "no memfd of this state"),
        ("scratch-changed", "x86_64-7.3/1-pre", "this capture has no in side"),
        ("test-sum", "x86_64-7.3/1-pre", "the contents of the test folios are not in this capture"),
    ],
)
def test_a_fault_says_why_it_does_not_apply_and_leaves_nothing_behind(name: str, capture: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(DoesNotApply, match=why):
        fault_capture(sample(capture), name, tmp_path / "out", Context())
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_fault_names_those_like_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="map-zero"):
        fault_capture(sample("x86_64-7.3/1-pre"), "map-zer0", tmp_path / "out", Context())


def test_a_place_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(InputError, match="not an empty directory"):
        fault_capture(sample("x86_64-7.3/1-pre"), "leak", tmp_path, Context())
    assert [one.name for one in tmp_path.iterdir()] == ["kept"]


def test_a_capture_without_memory_cannot_be_broken(tmp_path: Path) -> None:
    copy = tmp_path / "capture"
    shutil.copytree(sample("x86_64-7.3/1-pre"), copy, ignore=shutil.ignore_patterns("memory.elf"))
    with pytest.raises(DoesNotApply, match=r"no memory in this capture"):
        fault_capture(copy, "leak", tmp_path / "out", Context())


def test_a_bare_core_is_broken_too(tmp_path: Path) -> None:
    core = tmp_path / "core"
    shutil.copy(sample("x86_64-7.3/1-pre") / "memory.elf", core)
    report = fault_capture(core, "map-zero", tmp_path / "out", Context())
    assert [one.name for one in report.directory.iterdir()] == ["memory.elf"]
    assert shown(report.directory)["sides"]["unsided"]["preserved"]["state"] == "damaged"


def test_debugfs_shows_the_fault_where_it_showed_the_bytes(tmp_path: Path) -> None:
    report = fault_capture(sample("x86_64-7.3/1-pre"), "metadata-version", tmp_path / "out", Context())
    blob = (report.directory / "kho/out/sub_fdts/kexec-metadata").read_bytes()
    assert (blob[:4], len(blob)) == (b"\x02\0\0\0", 73)


def test_what_debugfs_showed_of_an_earlier_moment_stays(tmp_path: Path) -> None:
    """LUO wrote sessions_pa in the reboot call, after debugfs was copied: the copy still says that there is none."""
    report = fault_capture(sample("x86_64-7.3/1-pre"), "luo-version", tmp_path / "out", Context())
    assert (report.directory / "kho/out/sub_fdts/LUO").read_bytes()[:8] == b"luo-v9\0\0"
    before, after = (path / "kho/out/sub_fdts/LUO" for path in (sample("x86_64-7.3/1-pre"), report.directory))
    assert before.read_bytes()[8:] == after.read_bytes()[8:]


def test_a_preserved_block_in_scratch_is_the_only_new_block(tmp_path: Path) -> None:
    report = fault_capture(sample("x86_64-7.3/1-pre"), "block-in-scratch", tmp_path / "out", Context())
    before, after = (blocks(path) for path in (sample("x86_64-7.3/1-pre"), report.directory))
    ((address, order),) = after - before
    assert before < after and order == 0
    scratch = shown(report.directory)["scratch"]
    assert any(int(area["start"], 16) <= address < int(area["start"], 16) + area["size"] for area in scratch)


def blocks(path: Path) -> set[tuple[int, int]]:
    return {(int(address, 16), order) for address, order in shown(path)["sides"]["out"]["preserved"]["block_list"]}


def test_a_leak_is_one_block_more_for_chunks_and_for_the_radix_tree(tmp_path: Path) -> None:
    for name in ("x86_64-6.18/1-pre", "x86_64-7.1/1-pre"):
        report = fault_capture(sample(name), "leak", tmp_path / name, Context())
        assert len(blocks(report.directory) - blocks(sample(name))) == 1


def test_an_order_that_the_tracker_had_not_gets_its_pages(tmp_path: Path) -> None:
    for name in ("x86_64-6.19/1-pre", "x86_64-7.1/1-pre"):
        report = fault_capture(sample(name), "block-2g", tmp_path / name, Context())
        ((address, order),) = blocks(report.directory) - blocks(sample(name))
        assert (address % (1 << 31), order) == (0, 19)


def test_the_sum_of_the_test_folios_can_be_wrong_where_they_are_captured(tmp_path: Path) -> None:
    opened = original("x86_64-6.18/1-pre")
    test = next(one for one in shown(sample("x86_64-6.18/1-pre"))["sides"]["out"]["subtrees"] if one["name"] == "kho_test")
    whole = tmp_path / "whole"
    shutil.copytree(sample("x86_64-6.18/1-pre"), whole)
    with_pages(opened, whole, [(int(address, 16), 4096 << order) for address, order in test["content"]["folio_list"]])
    report = fault_capture(whole, "test-sum", tmp_path / "out", Context())
    now = next(one for one in shown(report.directory)["sides"]["out"]["subtrees"] if one["name"] == "kho_test")
    assert int(now["content"]["csum"], 16) == int(test["content"]["csum"], 16) + 1


def with_pages(opened: Opened, path: Path, stretches: list[tuple[int, int]]) -> None:
    """The capture's memory with these stretches, zeros in them."""
    image = SparseImage(4096, byte_order="little", machine="x86_64")
    assert opened.memory is not None
    for one in opened.memory.extents():
        image.write(one.start, opened.memory.read(one.start, one.size))
    for start, size in stretches:
        image.write(start, bytes(size))
    (path / "memory.elf").unlink()
    with (path / "memory.elf").open("wb") as stream:
        write_elf_core(stream, image)


def test_a_range_split_at_a_node_is_two_blocks_that_would_be_one(tmp_path: Path) -> None:
    copy = tmp_path / "capture"
    shutil.copytree(sample("arm64-64k-7.3/1-pre"), copy)
    ranges = copy / "memblock/memory"
    text = ranges.read_text().replace("13fffffff", "14009ffff").replace("0000000140000000", "00000001400a0000")
    ranges.unlink()
    ranges.write_text(text)
    report = fault_capture(copy, "node-split", tmp_path / "out", Context())
    first, second = sorted(blocks(report.directory) - blocks(copy))
    assert (first[0] + (65536 << first[1]), second[0]) == (0x1400A0000, 0x1400A0000)
    assert first[1] == second[1] == 1


@pytest.mark.shared
def test_all_real_captures_can_be_broken_or_say_why_not(tmp_path: Path) -> None:
    """One fault of each kind on states that the samples have not: a second kexec, 64 KiB pages."""
    for number, path in enumerate(("arm64-64k-7.3/2-pre", "x86_64-6.19/2-pre", "x86_64-7.1/2-pre")):
        for name in ("map-zero", "leak", "scratch-overlap", "vmalloc-total", "region-empty", "memfd-not-preserved", "folio-shared"):
            out = tmp_path / str(number) / name
            fault_capture(SHARED / path, name, out, Context())
            assert json.dumps(shown(out)) != json.dumps(shown(SHARED / path)) or name == "memfd-not-preserved"
