"""One value altered in the memory of a real capture: one root of change, by the right name, with what follows below it."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from captures import alter_memory, capture, copy_of, opened, read

from kho_tui.analysis.diff.states import diff_states
from kho_tui.analysis.diff.verdict import diff_verdict
from kho_tui.fdt.tree import parse_fdt
from kho_tui.layout.place import Blob
from kho_tui.layout.struct import Record
from kho_tui.model.change import Change, ChangeKind, Diff, Part
from kho_tui.model.runs import make_runs
from kho_tui.model.sessions import Session, SessionList
from kho_tui.model.state import Subtree
from kho_tui.model.tracker import PreservedMap
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.memblock.content import Memblock
from kho_tui.subsystems.memfd.content import Memfd

KERNELS = ("x86_64-6.19", "x86_64-7.1", "x86_64-7.3", "arm64-64k-7.3")


def subtree(kernel: str, name: bytes) -> Subtree:
    return next(one for one in opened(f"{kernel}/1-pre").sides["out"].subtrees if one.name == name)


def alpha(kernel: str) -> Session:
    luo = subtree(kernel, b"LUO").content
    assert isinstance(luo, Luo) and isinstance(luo.sessions, SessionList)
    return luo.sessions.sessions[0]


def memfd(kernel: str) -> Record:
    files = alpha(kernel).files
    assert isinstance(files, tuple) and isinstance(files[0].content, Memfd)
    return files[0].content.record


def altered(kernel: str, tmp_path: Path, address: int | None, data: bytes) -> Diff:
    assert address is not None
    copy_of(capture(f"{kernel}/1-pre"), tmp_path / "copy")
    alter_memory(tmp_path / "copy", address, data)
    return diff_states(opened(f"{kernel}/1-pre"), read(tmp_path / "copy"))


def with_one_more(kernel: str, tmp_path: Path, record: Record, name: str) -> Diff:
    offset, size = record.layout.span(name)
    assert record.place.phys is not None
    return altered(kernel, tmp_path, record.place.phys + offset, (record.integer(name) + 1).to_bytes(size, "little"))


def only(diff: Diff) -> Change:
    (change,) = diff.changes
    assert not diff.memory
    return change


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_place_in_a_file_is_not_its_size(kernel: str, tmp_path: Path) -> None:
    for name, kind in (("pos", ChangeKind.CHANGED), ("size", ChangeKind.RESIZED)):
        change = only(with_one_more(kernel, tmp_path / name, memfd(kernel), name))
        assert change.kind is kind and [field.name for field in change.fields] == [name]


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_session_that_counts_wrong_is_one_root(kernel: str, tmp_path: Path) -> None:
    change = only(with_one_more(kernel, tmp_path, alpha(kernel).record, "count"))
    counted = [one for one in (change, *change.consequences) if any(field.name == "count" for field in one.fields)]
    assert [one.where.text for one in counted] == ["out/LUO/vm-alpha"]


@pytest.mark.parametrize("kernel", KERNELS[:3])
def test_a_file_that_is_damaged_is_the_root_of_what_holds_it(kernel: str, tmp_path: Path) -> None:
    change = only(with_one_more(kernel, tmp_path, memfd(kernel), "nr_folios"))
    assert change.where.text == "out/LUO/vm-alpha/0x1"
    assert {one.where.text for one in change.consequences} == {"out/LUO", "out/LUO/vm-alpha"}


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_property_is_not_held_against_a_field_of_the_header(kernel: str, tmp_path: Path) -> None:
    """kho_test's magic is gone: the header of its FDT has a field of that name too."""
    blob = subtree(kernel, b"kho_test").blob
    assert isinstance(blob, Blob)
    root = parse_fdt(blob.data).root
    magic = None if root is None else root.property(b"magic")
    assert magic is not None and blob.place.phys is not None
    length = magic.data_offset + len(magic.data) - magic.offset
    change = only(altered(kernel, tmp_path, blob.place.phys + magic.offset, struct.pack(">I", 4) * (length // 4)))
    assert change.where.text == "out/kho_test"
    assert [(field.name, field.old, field.new) for field in change.fields if field.name == "magic"] == [("magic", 0x4B484F21, None)]


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_memory_of_a_region_follows_from_its_size(kernel: str) -> None:
    """As a kernel would leave it: half the region, and no block for the rest."""
    before = opened(f"{kernel}/1-pre")
    side = before.sides["out"]
    memblock, preserved = subtree(kernel, b"memblock"), side.preserved
    assert isinstance(memblock.content, Memblock) and isinstance(preserved, PreservedMap)
    region = memblock.content.regions[0]
    assert isinstance(region.start, int) and isinstance(region.size, int)
    half = region.size // 2
    values = tuple(replace(one, value=half, raw=struct.pack("<Q", half)) if one.field.name == "size" else one for one in region.values)
    content = replace(memblock.content, regions=(replace(region, size=half, values=values), *memblock.content.regions[1:]))
    start, order = preserved.runs.expand(0, preserved.runs.blocks)
    keep = (start < np.uint64(region.start)) | (start >= np.uint64(region.start + region.size))
    pages = np.arange(region.start, region.start + half, 1 << preserved.runs.page_shift, dtype=np.uint64)
    starts, orders = np.concatenate([start[keep], pages]), np.concatenate([order[keep], np.zeros(len(pages), np.uint8)])
    runs = make_runs(starts, np.ones(len(starts), np.uint32), orders, preserved.runs.page_shift)
    subtrees = tuple(replace(one, content=content) if one is memblock else one for one in side.subtrees)
    after = replace(before, sides={"out": replace(side, subtrees=subtrees, preserved=replace(preserved, runs=runs))})
    change = only(diff_states(before, after))
    assert change.kind is ChangeKind.RESIZED and change.where.text == "out/memblock/oops_trace"
    assert sum(one.size for one in change.memory if one.part is Part.OLD) == half and not change.consequences


def test_two_reasons_for_one_thing_are_one_thing_that_cannot_be_told(tmp_path: Path) -> None:
    copy_of(capture("x86_64-6.19/1-pre"), tmp_path / "copy")
    (tmp_path / "copy" / "memory.elf").unlink()
    diff = diff_states(opened("x86_64-6.19/1-pre"), read(tmp_path / "copy"))
    assert len([one for one in diff.untold if one.entity == "side"]) == 2
    assert "1 root FDT" in diff_verdict(diff)
