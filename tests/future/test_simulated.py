"""A release of the future on a simulated machine: kexec, faults, target, and the other engines on what it hands over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kho_tui.analysis.checks.answer import Answer
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.context import Context
from kho_tui.model.facts import Missing
from kho_tui.model.registry import Declaration
from kho_tui.operations.check_state import check_state
from kho_tui.operations.check_target import TargetRequest, check_target, read_target
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.operations.kexec_capture import jump_of, kexec_capture, next_kernel
from kho_tui.operations.map_state import map_state
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.operations.replay import compare, replay
from kho_tui.operations.simulate import Run, replay_capture, run_scenario
from kho_tui.simulator.facet import FileSimulating, Simulating
from kho_tui.simulator.kexec import kexec
from kho_tui.subsystems.luo.content import Luo

from . import ledger, trio
from .ledger import Ledger
from .release import future
from .trio import Trio

SCENARIO = """
[machine]
boot_low = "19M"
boot_total = "60M"
[[machine.node]]
memory = [["1M", "1023M"]]
boot = "19M"

[kernel]
release = "9.9"
cmdline = "kho=on liveupdate=on reserve_mem=4M:4096:log"
ledger = 3

[[step]]
do = "session"
name = "vm"

[[step]]
do = "trio"
session = "vm"
token = 1
peer = 2

[[step]]
do = "trio"
session = "vm"
token = 2
peer = 1

[[step]]
do = "memfd"
session = "vm"
token = 3
size = "64K"

[[step]]
do = "kexec"

[[step]]
do = "retrieve"
session = "vm"

[[step]]
do = "session"
name = "again"

[[step]]
do = "again"
session = "again"
token = 7
from_session = "vm"
from_token = 1

[[step]]
do = "kexec"
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("future")
    (folder / "future.toml").write_text(SCENARIO)
    return run_scenario(folder / "future.toml", folder / "run", Context(), registry=future())


@pytest.fixture
def handed_over(run: Run) -> Iterator[Opened]:
    with open_state(run.directory / "1-pre", Context(), registry=future()) as opened:
        yield opened


def _ledger(opened: Opened, side: str) -> list[int]:
    content = next(subtree.content for subtree in opened.state.sides[side].subtrees if subtree.name == b"ledger")
    assert isinstance(content, Ledger)
    return content.listed


def test_every_kexec_takes_all(run: Run) -> None:
    outcomes = {stage.name: None if stage.reception is None else stage.reception.outcome for stage in run.stages}
    assert outcomes == {"1-pre": None, "1-post": Outcome.TAKEN, "2-pre": None, "2-post": Outcome.TAKEN}
    assert not run.panic and not run.failed and run.lost is False


def test_a_subtree_is_handed_on_by_its_own_producer(run: Run) -> None:
    for stage, listed in (("1-pre", [0, 1, 2]), ("2-pre", [0, 1, 2, 3])):
        with open_state(run.directory / stage, Context(), registry=future()) as opened:
            assert _ledger(opened, "out") == listed
    with open_state(run.directory / "1-post", Context(), registry=future()) as opened:
        assert [(line.side, line.subject) for line in opened.state.log if line.kind == "ledger"] == [("in", b"3")]


def test_a_file_lives_through_both(run: Run) -> None:
    pages = []
    for stage, session in (("1-pre", b"vm"), ("2-pre", b"again")):
        with open_state(run.directory / stage, Context(), registry=future()) as opened:
            luo = next(subtree.content for subtree in opened.state.sides["out"].subtrees if isinstance(subtree.content, Luo))
            assert not isinstance(luo.sessions, Missing)
            files = next(one.files for one in luo.sessions.sessions if one.name == session)
            assert not isinstance(files, Missing)
            trio = next(file.content for file in files if isinstance(file.content, Trio))
            pages.append(trio.record.integer("page"))
    assert pages[0] == pages[1]


def test_what_it_hands_over_is_sound_and_every_block_has_an_owner(handed_over: Opened) -> None:
    report = check_state(handed_over, Context()).report
    # KHO109: debugfs was read before the reboot call; KHO121: it is simulated.
    assert {result.code for result in report.results if result.answer is Answer.BROKEN} == {"KHO109", "KHO121"}
    assert not {result.code: result.lacks for result in report.results if result.answer is Answer.CANNOT_TELL}
    sums = map_state(handed_over.state).memory.sums
    assert not isinstance(sums, Missing) and sums.unowned.bytes == 0


def test_a_capture_of_it_is_kexeced_and_replayed(run: Run, tmp_path: Path) -> None:
    path = run.directory / "1-pre"
    kexeced = kexec_capture(path, tmp_path / "kexec", Context(), registry=future())
    assert (kexeced.kernel, kexeced.lost, kexeced.reception.outcome) == ("9.9.0", False, Outcome.TAKEN)
    replayed = replay_capture(path, tmp_path / "replay", Context(), registry=future())
    assert replayed.written and not replayed.not_known


def test_it_is_written_again_byte_for_byte(handed_over: Opened) -> None:
    again = replay(handed_over, Context())
    assert handed_over.memory is not None and not again.not_known
    comparison = compare(again, handed_over.memory, Context())
    assert comparison.claimed and not comparison.differing and not comparison.absent


FAULTS = {
    "ledger-descends": "KHO998",
    "trio-mode": "KHO999",
    "vmalloc-cycle": "KHO033",
    "scratch-overlap": "KHO028",
    "root-magic": "KHO001",
}


@pytest.mark.parametrize(("name", "code"), FAULTS.items())
def test_a_fault_is_found_by_its_rule(run: Run, tmp_path: Path, name: str, code: str) -> None:
    fault_capture(run.directory / "1-pre", name, tmp_path / "broken", Context(), future())
    with open_state(tmp_path / "broken", Context(), registry=future()) as opened:
        results = {result.code: result.answer for result in check_state(opened, Context()).report.results}
    assert results[code] is Answer.BROKEN


@pytest.mark.parametrize(("release", "outcome"), [("9.9", Outcome.TAKEN), ("7.3", Outcome.IGNORED)])
def test_the_verdict_of_a_target_is_that_of_its_release(handed_over: Opened, release: str, outcome: Outcome) -> None:
    found = check_target(handed_over, read_target(TargetRequest(release), Context(), future()))
    assert found.reception.worst is outcome


@pytest.mark.parametrize(
    ("declared", "facet", "said"),
    [
        (ledger.DECLARATION, Simulating, "in/ledger: not simulated: a reason"),
        (trio.DECLARATION, FileSimulating, "file 0x1 of a session: not simulated: a reason; taken not to come back"),
    ],
)
def test_what_is_not_simulated_by_design_is_said(run: Run, declared: Declaration[Any], facet: type, said: str) -> None:
    left = {kind: load for kind, load in declared.facets.items() if kind is not facet}
    registry = future().without(declared.family).plus(replace(declared, facets=left, without={facet: "a reason"}))
    with open_state(run.directory / "1-pre", Context(), registry=registry) as opened:
        done = kexec(jump_of(opened), next_kernel(opened, None, None, 0), Context())
    assert done.running is not None and said in [unsure.text for unsure in done.unpredictable]
