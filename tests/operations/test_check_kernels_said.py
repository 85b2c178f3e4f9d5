"""What booted kernels did, against what ``check`` says of the state that they were given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from altered import altered
from captures import sample

from kho_tui.analysis.checks.answer import Answer
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.report import Result, check
from kho_tui.analysis.memory_map import memory_map
from kho_tui.context import Context
from kho_tui.model.runs import make_runs
from kho_tui.model.tracker import PreservedMap
from kho_tui.operations.check_state import Checked, check_state
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.operations.open_state import open_state
from kho_tui.operations.simulate import run_scenario

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases"

MACHINE = """
[machine]
[[machine.node]]
memory = [["1M", "511M"]]
[kernel]
release = "{release}"
cmdline = "kho=on liveupdate=on kho_scratch=32M,32M,32M"
seed = 1
"""
SESSION = """
[[step]]
do = "session"
name = "{name}"
"""
MEMFD = """
[[step]]
do = "memfd"
session = "vm"
token = 1
size = "16M"
order = {order}
"""
KEXEC = """
[[step]]
do = "kexec"
"""


def checked(path: Path, side: str | None = None) -> Checked:
    with open_state(path, Context()) as opened:
        return check_state(opened, Context(), side=side)


def of(found: Checked, code: str) -> Result:
    (one,) = [one for one in found.report.results if one.code == code]
    return one


def errors(found: Checked) -> set[str]:
    return {one.code for one in found.report.of(Answer.BROKEN) if one.severity == "error"}


def said(result: Result) -> str:
    return " ".join(str(case.message) for case in result.cases)


def simulated(tmp_path: Path, release: str, *steps: str) -> Path:
    """The state of a simulated machine right before its kexec."""
    tmp_path.mkdir(exist_ok=True)
    scenario = tmp_path / "scenario.toml"
    scenario.write_text("".join((MACHINE.format(release=release), *steps, KEXEC)))
    run_scenario(scenario, tmp_path / "run", Context())
    return tmp_path / "run/1-pre"


def case(name: str) -> Path:
    if not (CASES / name).exists():
        pytest.skip("../shared/cases is not there")
    return CASES / name


# Folios


def test_a_folio_beyond_the_limit_is_lost_by_6_19_and_restored_whole_from_7_1_on(tmp_path: Path) -> None:
    old = checked(simulated(tmp_path / "old", "6.19", SESSION.format(name="vm"), MEMFD.format(order=11)))
    assert errors(old) == {"KHO025"} and "is lost" in of(old, "KHO025").consequence
    new = checked(simulated(tmp_path / "new", "7.3", SESSION.format(name="vm"), MEMFD.format(order=11)))
    assert errors(new) == set()
    large = of(new, "KHO025")
    assert (large.severity, large.consequence) == ("info", "7.1 and later restore it whole")


@pytest.mark.parametrize("name", ["x86_64-7.3/1-pre", "x86_64-6.19/1-pre"])
def test_of_two_files_that_share_a_folio_the_second_is_lost(name: str, tmp_path: Path) -> None:
    fault_capture(sample(name), "folio-shared", tmp_path / "state", Context())
    shared = of(checked(tmp_path / "state"), "KHO046")
    assert (shared.answer, shared.severity) == (Answer.BROKEN, "error")
    assert "-EIO and a WARNING in kho_restore_page" in shared.consequence


# Blocks outside of RAM


def block_outside(path: Path) -> Result:
    return of(checked(path), "KHO020")


def test_a_block_in_a_section_without_ram_kills_the_next_kernel(tmp_path: Path) -> None:
    """One page at 0x40000000, where the machine has no RAM any more: one more leaf of the tree, at 0x30000000."""
    leaf = b"\x01".ljust(4096, b"\0")
    found = block_outside(altered(sample("x86_64-7.3/1-pre"), tmp_path / "state", {0x586043: b"\x30", 0x30000000: leaf}))
    assert (found.answer, found.severity) == (Answer.BROKEN, "error")
    assert "0x40000000-0x40001000 (4 KiB) is no System RAM, in a memory section (128 MiB) without any" in said(found)
    assert "dies in kho_memory_init" in found.consequence and "panics" not in found.consequence


def test_a_block_that_begins_in_ram_and_runs_on_behind_it_is_no_such_case() -> None:
    """Only the struct page of a block's first page is written to."""
    with open_state(sample("x86_64-7.3/1-pre"), Context()) as opened:
        side = opened.state.sides["out"]
        assert isinstance(side.preserved, PreservedMap)
        runs = make_runs(np.array([0], np.uint64), np.array([1]), np.array([19]), 12)
        large = replace(side, preserved=replace(side.preserved, runs=runs))
        report = check(
            Evidence(state=opened.state, side=large, memory=memory_map(opened.state, large), held=None, context=Context()), only=("KHO020",)
        )
    (found,) = report.results
    assert any("0x40000000-0x80000000" in case.message and "runs on behind the end" in case.message for case in found.cases)
    assert found.consequence.startswith("none at boot")


def test_a_block_outside_of_ram_in_a_section_with_ram_is_accepted(tmp_path: Path) -> None:
    """As firmware at the end of memory: 0x3ffe0000 of a machine whose RAM ends at 0x3ffdffff."""
    path = altered(sample("x86_64-7.3/1-pre"), tmp_path / "state", {0x2019E01E: b"\x01"})
    found = block_outside(path)
    assert found.answer is Answer.BROKEN and found.severity == "error"
    assert "that has some" in said(found) and found.consequence.startswith("none at boot")


# Chains of blocks


SESSIONS = tuple(SESSION.format(name=f"vm-{number}") for number in range(51))


def test_an_empty_block_behind_full_ones_is_the_known_bug_and_the_cure_is_named(tmp_path: Path) -> None:
    path = simulated(tmp_path, "7.3", *SESSIONS)
    fault_capture(path, "session-block-empty", tmp_path / "state", Context())
    found = of(checked(tmp_path / "state"), "KHO041")
    assert "behind 51 sessions, which fill their blocks: the known bug of 7.2" in said(found)
    assert "panics" in found.consequence and "create one more session" in found.consequence


def test_an_empty_block_behind_one_that_is_not_full_is_not_the_known_bug(tmp_path: Path) -> None:
    fault_capture(sample("x86_64-7.3/1-pre"), "session-block-empty", tmp_path / "state", Context())
    found = of(checked(tmp_path / "state"), "KHO041")
    assert "bug" not in said(found) and "one more session" not in found.consequence and "panics" in found.consequence


def test_an_empty_block_of_files_locks_out_luo_and_makes_nobody_panic(tmp_path: Path) -> None:
    fault_capture(sample("x86_64-7.3/1-pre"), "file-block-empty", tmp_path / "state", Context())
    found = of(checked(tmp_path / "state"), "KHO041")
    assert "every open of /dev/liveupdate fails with -EIO" in found.consequence and "panics" not in found.consequence


def test_a_half_full_block_is_read_by_its_count(tmp_path: Path) -> None:
    fault_capture(sample("x86_64-7.3/1-pre"), "session-block-half-full", tmp_path / "state", Context())
    found = of(checked(tmp_path / "state"), "KHO041")
    assert found.consequence.startswith("none by itself")


def test_a_page_of_flbs_that_is_not_preserved_is_an_error(tmp_path: Path) -> None:
    """7.3 oopsed at boot."""
    fault_capture(sample("x86_64-7.3/1-pre"), "flb-not-preserved", tmp_path / "state", Context())
    found = checked(tmp_path / "state")
    assert errors(found) == {"KHO044"} and "Oops" in of(found, "KHO044").consequence


def test_of_two_files_with_one_token_the_second_is_lost(tmp_path: Path) -> None:
    fault_capture(sample("x86_64-7.3/1-pre"), "token-twice", tmp_path / "state", Context())
    assert "nobody can ask for the other one" in of(checked(tmp_path / "state"), "KHO043").consequence


# memblock


def test_regions_under_another_version_of_memblock_are_lost(tmp_path: Path) -> None:
    """7.3 revived neither of the two."""
    found = checked(altered(sample("x86_64-7.3/1-pre"), tmp_path / "state", {0x2082805E: b"2"}))
    # That its bytes are not those that debugfs showed is damage of its own.
    assert errors(found) == {"KHO037", "KHO126"} and "memblock-v2" in said(of(found, "KHO037"))


# vmalloc


def test_flags_that_no_kernel_knows_are_dropped_and_lose_nothing(tmp_path: Path) -> None:
    fault_capture(sample("x86_64-7.3/1-pre"), "vmalloc-flags", tmp_path / "state", Context())
    found = checked(tmp_path / "state")
    assert errors(found) == set() and of(found, "KHO034").severity == "warning"


# Cases that were once got wrong

_READ_AS_DAMAGE = {"KHO101"}
"""What reading itself says of an FDT that libfdt refuses."""


@pytest.mark.parametrize(
    ("name", "code", "severity", "words"),
    [
        ("luo-renamed-73.tar.xz", "KHO148", "error", "3 sessions and 3 files are lost"),
        ("flbs-other-71.tar.xz", "KHO145", "error", "luo-flb-header is 0"),
        ("root-offstruct-618", "KHO144", "error", "libfdt: FDT_ERR_BADSTRUCTURE"),
        ("sub-totalsize-max-73-0.tar.xz", "KHO144", "error", "libfdt: FDT_ERR_TRUNCATED"),
        ("luo-v1-6.18.15", "KHO147", "warning", "mainline 6.18 has no LUO (a backport, or files of two machines?)"),
        ("numa-too-few", "KHO027", "info", "3 areas where 2 nodes ask for 4"),
    ],
)
def test_a_case_is_judged_by_its_own_rule(name: str, code: str, severity: str, words: str) -> None:
    found = checked(case(name))
    result = of(found, code)
    assert (result.answer, result.severity) == (Answer.BROKEN, severity) and words in said(result)
    assert errors(found) - _READ_AS_DAMAGE == ({code} if severity == "error" else set())
    assert found.exit_code(strict=False) == (1 if severity == "error" else 0)


def test_a_handover_of_which_the_root_is_not_there_could_not_be_checked() -> None:
    found = checked(case("2pre-root0-magic-73.tar.xz"))
    assert found.report.verdict.startswith("could not check: the root FDT was not read")
    assert found.exit_code(strict=False) == 2
