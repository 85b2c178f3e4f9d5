"""The next kernel reads the root FDT in memory: where that is damaged, an older copy in debugfs changes nothing."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from operations.test_sources_that_disagree import ROOT_73, copy_of, edit_memory, nothing, patch

from kho_tui.analysis.checks.answer import Answer
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.context import Context
from kho_tui.operations.check_state import check_state
from kho_tui.operations.check_target import TargetRequest, check_target, read_target
from kho_tui.operations.open_state import open_state

LINE = "kho=on liveupdate=on reserve_mem=4M:4K:oops_trace reserve_mem=1M:2M:pstore"
TARGET = TargetRequest("7.3", LINE)
HEADER = {
    "totalsize-beyond-int": (4, struct.pack(">I", 0x80000000)),
    "totalsize-of-nothing": (4, struct.pack(">I", 20)),
    "magic": (0, b"\0\0\0\0"),
    "structure-outside": (8, struct.pack(">I", 0x80000000)),
    "strings-outside": (12, struct.pack(">I", 0xF0000000)),
    "zeroed": (0, bytes(40)),
}


@pytest.mark.parametrize(("offset", "data"), HEADER.values(), ids=HEADER)
def test_a_damaged_header_in_memory_is_refused_though_out_fdt_is_sound(offset: int, data: bytes, tmp_path: Path) -> None:
    capture = copy_of("x86_64-7.3/1-pre", tmp_path)
    edit_memory(capture, patch(ROOT_73 + offset, data))
    with open_state(capture, Context()) as opened:
        found = check_target(opened, read_target(TARGET, Context()))
        errors = {one.code for one in check_state(opened, Context()).report.of(Answer.BROKEN)}
        differ = [str(one.message) for one in opened.state.findings if one.code == "KHO109" and str(one.where) == "out"]
    assert found.outcome is Outcome.IGNORED
    assert found.reception.deciding is not None and found.reception.deciding.check.name == "fdt-header"
    assert "KHO001" in errors
    assert len(differ) == 1 and "memory.elf" in differ[0] and "kho/out/fdt" in differ[0]


def test_without_out_fdt_an_impossible_size_is_refused_too(tmp_path: Path) -> None:
    capture = copy_of("x86_64-7.3/2-pre", tmp_path)
    with open_state(capture, Context()) as opened:
        root = opened.state.sides["out"].root
        at = root.phys  # type: ignore[union-attr]
    assert isinstance(at, int)
    edit_memory(capture, patch(at + 4, struct.pack(">I", 0x80000000)))
    with open_state(capture, Context()) as opened:
        found = check_target(opened, read_target(TARGET, Context()))
    assert found.outcome is Outcome.IGNORED and found.reception.deciding is not None
    assert found.reception.deciding.met == "total size 2147483648"


def test_a_root_that_memory_does_not_hold_is_not_judged_by_its_copy(tmp_path: Path) -> None:
    capture = copy_of("x86_64-7.3/1-pre", tmp_path)
    edit_memory(capture, nothing, without=(ROOT_73,))
    with open_state(capture, Context()) as opened:
        found = check_target(opened, read_target(TARGET, Context()))
    assert found.outcome is None
    assert "the root FDT was not found in memory" in found.verdict
