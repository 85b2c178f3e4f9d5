"""Every fault of the simulator is found by the rule that names it, and by no error that does not follow from it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from captures import copy_of, sample
from raw_images import segments_of, write_raw

from kho_tui.analysis.checks.answer import Answer
from kho_tui.analysis.checks.report import Report
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.operations.check_state import check_state
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.simulator.faults.case import DoesNotApply
from kho_tui.simulator.faults.catalogue import faults_of
from kho_tui.simulator.faults.fault import Fault
from kho_tui.subsystems.registry import builtin

CAPTURES = {
    "out": ("x86_64-7.3/1-pre", "x86_64-6.19/1-pre", "x86_64-7.1/1-pre", "x86_64-6.18/1-pre"),
    "in": ("x86_64-7.3/1-post", "x86_64-6.19/1-post"),
}
"""Tried in this order."""


@cache
def before(name: str) -> Opened:
    return open_state(sample(name.replace("1-post", "1-pre")), Context())


def report_of(fault: Fault, name: str, out: Path) -> Report:
    with open_state(out, Context()) as opened:
        if fault.needs_before:
            return check_state(before(name), Context(), after=opened.state).report
        return check_state(opened, Context(), side=fault.side if fault.side in opened.state.sides else None).report


@pytest.mark.parametrize("fault", faults_of(builtin()), ids=lambda fault: fault.name)
def test_a_fault_is_found_by_its_own_rule_and_by_no_error_that_does_not_follow(fault: Fault, tmp_path: Path) -> None:
    tried = 0
    for name in CAPTURES[fault.side]:
        out = tmp_path / name.replace("/", "-")
        try:
            fault_capture(sample(name), fault.name, out, Context())
        except DoesNotApply:
            continue
        tried += 1
        report = report_of(fault, name, out)
        errors = {one.code for one in report.of(Answer.BROKEN) if one.severity == "error"}
        assert errors <= {fault.primary, *fault.also}, f"in {name}"
        (primary,) = [one for one in report.results if one.code == fault.primary]
        assert primary.answer is not Answer.HOLDS, f"in {name}"
        if primary.answer is Answer.BROKEN:
            return
        # 7.2 and later take blocks of 2 GiB, and FLBs may own what looks like a leak: another capture has to tell.
    if not tried:
        pytest.skip("no captured state has what this fault breaks")
    pytest.fail(f"{fault.primary} was not found in any capture")


def test_a_fault_in_a_large_sparse_memory_takes_little(tmp_path: Path) -> None:
    """What is not changed is read through, and zeros become holes of the file."""
    image = write_raw(tmp_path / "guest.raw", segments_of(sample("x86_64-7.3/1-pre")), 9 << 27)
    report = fault_capture(image, "radix-unaligned", tmp_path / "out", Context())
    core = report.directory / "memory.elf"
    assert core.stat().st_size > 9 << 27 and core.stat().st_blocks * 512 < 512 << 20
    with open_state(core, Context()) as opened:
        assert "unsided" in opened.state.sides


@pytest.mark.parametrize("size", [(16 << 20) + 1, 1 << 40])
def test_a_fault_reads_no_more_of_a_file_than_is_shown_of_it(size: int, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy_of(sample("x86_64-7.3/1-pre"), copy)
    with (copy / "kho/out/sub_fdts/large").open("wb") as out:
        out.truncate(size)
    with pytest.raises(InputError, match="kho/out/sub_fdts/large: of what debugfs shows at most 16 MiB are read"):
        fault_capture(copy, "radix-unaligned", tmp_path / "out", Context())
    assert not (tmp_path / "out").exists()


def test_what_no_fault_changes_is_copied_whatever_its_size(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy_of(sample("x86_64-7.3/1-pre"), copy)
    (copy / "notes.txt").write_bytes(b"0123456789abcdef" * (9 << 16))
    fault_capture(copy, "radix-unaligned", tmp_path / "out", Context())
    assert (tmp_path / "out/notes.txt").read_bytes() == (copy / "notes.txt").read_bytes()
