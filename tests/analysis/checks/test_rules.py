"""Rules as such: sound states break none, the document is that of the rules, what cannot be seen is never said to hold."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from captures import CHECKOUT, all_captures, sample
from states.catalogue import STATES

from kho_tui.analysis.checks.answer import NAMED, Answer, Case, Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.registry import rules_of
from kho_tui.analysis.checks.report import Report, check
from kho_tui.analysis.checks.rule import error
from kho_tui.analysis.memory_map import memory_map
from kho_tui.context import Context
from kho_tui.model.codes import CODES
from kho_tui.model.facts import Unavailable
from kho_tui.model.host import MemoryRange
from kho_tui.model.path import EntityPath
from kho_tui.model.runs import make_runs
from kho_tui.model.state import Side
from kho_tui.model.tracker import PreservedMap
from kho_tui.operations import rules_document
from kho_tui.operations.check_state import check_state
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.releases.table import RELEASES
from kho_tui.subsystems.registry import builtin
from kho_tui.text import SafeText

HERE = EntityPath(("out",))

BY_CODE = rules_of(builtin())


def reports(path: Path) -> list[Report]:
    with open_state(path, Context()) as opened:
        return [check_state(opened, Context(), side=side).report for side in opened.state.sides or (None,)]


@cache
def report_of_state(name: str, directory: Path) -> Report:
    path = directory / f"{name}.elf"
    STATES[name]().to_elf(path)
    return reports(path)[0]


def broken(report: Report, severity: str) -> dict[str, list[str]]:
    return {one.code: [str(case.message) for case in one.cases] for one in report.of(Answer.BROKEN) if one.severity == severity}


@pytest.mark.parametrize("path", all_captures(), ids=lambda path: "-".join(path.parts[-2:]))
def test_no_real_capture_has_an_error_and_none_at_the_jump_has_a_warning(path: Path) -> None:
    for report in reports(path):
        assert broken(report, "error") == {}
        if path.name.endswith("-pre"):
            warnings = broken(report, "warning")
            assert warnings == {} or report.side == "in"


RELEASED = [
    "kho-v1-slab-bitmaps",
    "kho-v1-inline-two",
    "kho-v1-page-bitmaps",
    "kho-v1-big-endian",
    "kho-v3-16k",
    "kho-v4-16k",
    "kho-v4-64k",
    "luo-v1-6.19",
    "luo-v1-7.0",
    "luo-v1-7.1",
    "sessions-120",
    "files-200",
    "vmalloc-exact-fit",
]


@pytest.mark.parametrize("name", RELEASED)
def test_a_state_that_a_release_writes_has_no_error_and_no_warning(name: str, tmp_path: Path) -> None:
    report = report_of_state(name, tmp_path)
    assert broken(report, "error") == {} and broken(report, "warning") == {}
    assert len(report.of(Answer.HOLDS)) > 20


def test_blocks_are_not_judged_where_the_size_of_the_bitmaps_is_open(tmp_path: Path) -> None:
    report = report_of_state("kho-v1-ambiguous", tmp_path)
    assert broken(report, "error") == {}
    untold = {one.code for one in report.untold}
    assert {"KHO011", "KHO012", "KHO020", "KHO021", "KHO022"} <= untold


def test_sessions_that_fill_their_blocks_are_pointed_out(tmp_path: Path) -> None:
    assert broken(report_of_state("sessions-51", tmp_path), "info")["KHO137"] == ["51 sessions fill 1 block of 51"]
    assert "KHO137" not in broken(report_of_state("sessions-120", tmp_path), "info")


def test_a_version_that_was_never_released_is_an_error_and_its_addresses_are_not_judged(tmp_path: Path) -> None:
    errors = broken(report_of_state("kho-v2-16k", tmp_path), "error")
    assert set(errors) == {"KHO005", "KHO018", "KHO113"}


def test_names_without_an_end_are_errors(tmp_path: Path) -> None:
    report = report_of_state("unterminated-names", tmp_path)
    assert set(broken(report, "error")) == {"KHO042", "KHO043"}
    assert set(broken(report, "warning")) == {"KHO036", "KHO044"}


def test_a_side_of_which_nothing_is_known_holds_nothing() -> None:
    """Fail closed: with every input gone, only rules on the machine may still be told."""
    with open_state(sample("x86_64-7.3/1-pre"), Context()) as opened:
        gone = Unavailable(SafeText("taken away"))
        side = Side(name="out", root=gone, finalized=gone, preserved=gone, subtrees=(), subtrees_told=False, writer=None)
        report = check(Evidence(state=opened.state, side=side, memory=memory_map(opened.state, side), held=None, context=Context()))
    machine = {"KHO027", "KHO028", "KHO029", "KHO150"}
    assert {one.code for one in report.of(Answer.HOLDS)} <= machine
    assert all(one.lacks for one in report.untold) and len(report.untold) > 35
    assert not report.sound_for_certain


def test_codes_are_unique_and_every_invariant_has_a_rule() -> None:
    assert not set(BY_CODE) & set(CODES)
    assert [f"KHO{number:03d}" for number in range(1, 51)] == [code for code in BY_CODE if code < "KHO051"]
    assert all(re.fullmatch(r"KHO\d{3}", code) for code in BY_CODE)
    assert all(one.title and one.explanation and one.consequence and one.source and one.spans for one in BY_CODE.values())


def test_the_document_is_that_of_the_rules() -> None:
    written = (CHECKOUT / "docs/checks.md").read_text().splitlines()
    assert written == list(rules_document.lines()), "run: python -m kho_tui.operations.rules_document > docs/checks.md"


def test_severity_is_the_worst_of_the_releases_that_may_have_written_the_state() -> None:
    shared = BY_CODE["KHO046"]
    by_name = {release.name: release for release in RELEASES}
    assert shared.severity([by_name["6.19"]]) == "error"
    assert shared.severity([by_name["6.18"]]) is None
    large = BY_CODE["KHO025"]
    assert (large.severity([by_name["6.19"]]), large.severity([by_name["7.1"]])) == ("error", "info")
    assert large.severity([by_name["6.19"], by_name["7.1"]]) == "error"
    spans = (error("6.19", "7.1"), error("7.0", "7.0"), error("7.2"), error())
    assert [str(span) for span in spans] == ["error, 6.19 to 7.1", "error, 7.0", "error, 7.2 on", "error, all releases"]


def test_many_cases_are_counted_and_the_first_few_named() -> None:
    found = Found()
    found.broken("one", HERE)
    found.broken_rows(range(1000), 1000, lambda row: Case(SafeText(f"row {row}"), HERE))
    assert found.count == 1001
    assert [str(case.message) for case in found.cases] == ["one", "row 0", "row 1", "row 2", "row 3"][:NAMED]


def test_blocks_are_found_by_start_and_order_also_where_they_overlap() -> None:
    start = np.array([0x1000, 0x2000, 0x2000, 0x8000], np.uint64)
    runs = make_runs(start, np.array([1, 2, 1, 2]), np.array([0, 0, 1, 2]), 12)
    with open_state(sample("x86_64-7.3/1-pre"), Context()) as opened:
        side = opened.state.sides["out"]
        assert isinstance(side.preserved, PreservedMap)
        preserved = PreservedMap(
            address=0, structure=side.preserved.structure, runs=runs, status=side.preserved.status, reason=SafeText("")
        )
        torn = Side(name="out", root=side.root, finalized=side.finalized, preserved=preserved, subtrees=(), subtrees_told=True, writer=None)
        evidence = Evidence(state=opened.state, side=torn, memory=memory_map(opened.state, torn), held=None, context=Context())
    low, high = evidence.index.orders(np.array([0x1000, 0x2000, 0x3000, 0x8000, 0x9000, 0xC000, 0x20000], np.uint64))
    assert low.tolist() == [0, 0, 0, 2, -1, 2, -1]
    assert high.tolist() == [0, 1, 0, 2, -1, 2, -1]
    assert evidence.index.begins(np.array([0x2000, 0x3000], np.uint64), 1).tolist() == [True, False]


def test_a_single_block_is_found_where_none_overlap() -> None:
    with open_state(sample("x86_64-7.3/1-pre"), Context()) as opened:
        side = opened.state.sides["out"]
        assert isinstance(side.preserved, PreservedMap)
        evidence = Evidence(state=opened.state, side=side, memory=memory_map(opened.state, side), held=None, context=Context())
        addresses, orders = side.preserved.runs.expand(0, side.preserved.runs.blocks)
    low, high = evidence.index.orders(np.concatenate([addresses, addresses + np.uint64(64)]))
    assert low.tolist() == high.tolist() == [*orders.tolist(), *[-1] * len(orders)]


@pytest.mark.parametrize(("more", "answer"), [(0, Answer.HOLDS), (1, Answer.BROKEN)])
def test_the_test_module_s_contents_are_added_up(more: int, answer: Answer, tmp_path: Path) -> None:
    state = STATES["kho-v4-4k"]()
    (truth,) = [one for one in state.truth["subtrees"] if one["name"] == "kho_test"]
    csum = int.from_bytes(bytes.fromhex(truth["csum"]), "little")
    for address, order in truth["folios"]:
        state.image.pages.update({at: bytearray(4096) for at in range(address, address + (4096 << order), 4096)})
    first, second = truth["folios"][0][0], truth["folios"][1][0]
    # Two words of 16 bits that carry: their ones-complement sum is csum's, folded.
    state.image.write(first + 6, (0xFFFF).to_bytes(2, "little"))
    state.image.write(second, ((csum % 0xFFFF) + more).to_bytes(2, "little"))
    state.to_elf(tmp_path / "core")
    (found,) = [one for one in reports(tmp_path / "core")[0].results if one.code == "KHO049"]
    assert found.answer is answer


def with_blocks(opened: Opened, blocks: list[tuple[int, int]], nodes: list[tuple[int, int]]) -> Report:
    """The sound 7.3 state with other blocks (address, order), on a machine of other nodes (start, size)."""
    side = opened.state.sides["out"]
    assert isinstance(side.preserved, PreservedMap)
    start, order = np.array([at for at, _ in blocks], np.uint64), np.array([order for _, order in blocks])
    runs = make_runs(start, np.ones(len(blocks), np.int64), order, 12)
    ranges = tuple(MemoryRange(at, size, SafeText("node"), node) for node, (at, size) in enumerate(nodes))
    state = replace(opened.state, host=replace(opened.state.host, nodes=ranges))
    kept = replace(side, preserved=replace(side.preserved, runs=runs))
    return check(Evidence(state=state, side=kept, memory=memory_map(state, kept), held=None, context=Context()), only=("KHO133",))


NODES = [(0, 0x3000_0000), (0x3000_0000, 0x1000_0000)]


@pytest.mark.parametrize(
    "blocks",
    [
        [(0x2FFF_8000, 3), (0x3000_0000, 3)],  # together not naturally aligned: no kernel joins them
        [(0x2FFF_8000, 3), (0x3000_0000, 2)],
        [(0x1000_0000, 3), (0x1000_8000, 3)],  # siblings, but within a node
    ],
)
def test_neighbours_that_restore_takes_one_by_one_are_no_split(blocks: list[tuple[int, int]]) -> None:
    with open_state(sample("x86_64-7.3/1-pre"), Context()) as opened:
        assert with_blocks(opened, blocks, NODES).results[0].answer is Answer.HOLDS


def test_a_range_split_at_the_border_of_two_nodes_is_found() -> None:
    """3072 pages from pfn 0x104000 on, kexec_handover.c: the first block would be of order 11 and end behind the border."""
    border = 0x1_0400_0000 + (0x400 << 12)
    with open_state(sample("x86_64-7.3/1-pre"), Context()) as opened:
        blocks = [(0x1_0400_0000, 10), (border, 10), (0x1_0480_0000, 10)]
        report = with_blocks(opened, blocks, [(0, border), (border, 1 << 32)])
    (found,) = report.results
    assert found.answer is Answer.BROKEN and found.severity == "warning"
    assert [case.address for case in found.cases] == [border]
