"""Words of real captures changed one at a time: what no kernel writes is found, and nothing stops at it."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from altered import altered
from captures import sample

from kho_tui.analysis.checks.answer import Answer
from kho_tui.analysis.checks.report import Result
from kho_tui.context import Context
from kho_tui.model.sessions import SessionList
from kho_tui.model.state import Root, State
from kho_tui.model.tracker import ChunkList, PreservedMap
from kho_tui.operations.check_state import check_state
from kho_tui.operations.open_state import open_state
from kho_tui.subsystems.kexec_metadata.content import KexecMetadata
from kho_tui.subsystems.kho_test.content import KhoTest
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.memfd.content import Memfd

PRE = "x86_64-7.3/1-pre"


def state_of(name: str) -> State:
    with open_state(sample(name), Context()) as opened:
        return opened.state


def results(path: Path) -> dict[str, Result]:
    with open_state(path, Context()) as opened:
        return {one.code: one for one in check_state(opened, Context(), side="out").report.results}


def memfd(state: State) -> Memfd:
    """The first one, of several folios."""
    luo = next(one.content for one in state.sides["out"].subtrees if isinstance(one.content, Luo))
    assert isinstance(luo.sessions, SessionList)
    files = [file for one in luo.sessions.sessions if isinstance(one.files, tuple) for file in one.files]
    return next(file.content for file in files if isinstance(file.content, Memfd))


@pytest.mark.parametrize("name", [PRE, "x86_64-6.19/1-pre"])
def test_folios_behind_the_end_of_their_file_are_an_error(name: str, tmp_path: Path) -> None:
    """The kernel pins what lies within size, and nothing else."""
    record = memfd(state_of(name)).record
    at = (record.place.phys or 0) + record.layout.span("size")[0]
    found = results(altered(sample(name), tmp_path / "short", {at: (record.integer("size") - 0x2000).to_bytes(8, "little")}))["KHO045"]
    assert found.answer is Answer.BROKEN
    assert "behind the end of the file" in found.cases[0].message


def test_a_size_that_ends_within_the_last_page_is_none(tmp_path: Path) -> None:
    record = memfd(state_of(PRE)).record
    at = (record.place.phys or 0) + record.layout.span("size")[0]
    found = results(altered(sample(PRE), tmp_path / "short", {at: (record.integer("size") - 0xFFF).to_bytes(8, "little")}))["KHO045"]
    assert found.answer is Answer.HOLDS


@pytest.mark.parametrize(("pos", "answer"), [(2**63, Answer.BROKEN), (2**40, Answer.HOLDS)])
def test_a_position_may_be_behind_the_end_and_never_negative(pos: int, answer: Answer, tmp_path: Path) -> None:
    record = memfd(state_of(PRE)).record
    at = (record.place.phys or 0) + record.layout.span("pos")[0]
    assert results(altered(sample(PRE), tmp_path / "other", {at: pos.to_bytes(8, "little")}))["KHO045"].answer is answer


def test_a_root_without_kexec_metadata_is_not_that_of_a_kernel(tmp_path: Path) -> None:
    """From 7.1 on KHO is off where the kernel cannot make it (kernel/liveupdate/kexec_handover.c)."""
    state = state_of(PRE)
    root = state.sides["out"].root
    assert isinstance(root, Root) and isinstance(root.phys, int)
    at = root.phys + root.view.blob.data.index(b"kexec-metadata")
    found = results(altered(sample(PRE), tmp_path / "other", {at: b"kexec-metatata"}))["KHO036"]
    assert found.answer is Answer.BROKEN and found.severity == "warning"
    assert any(isinstance(one.content, KexecMetadata) for one in state.sides["out"].subtrees)


def test_a_page_list_of_absurd_order_stops_nothing(tmp_path: Path) -> None:
    test = next(one for one in state_of(PRE).sides["out"].subtrees if isinstance(one.content, KhoTest))
    assert isinstance(test.content, KhoTest)
    info = next(one for one in test.content.properties if one.field.name == "folios_info")
    assert info.place.phys is not None
    for order in (63, 64, 0xF000, 0xFFFF):
        path = altered(sample(PRE), tmp_path / str(order), {info.place.phys + 14: order.to_bytes(2, "little")})
        assert results(path)["KHO034"].answer is Answer.BROKEN


def test_a_chunk_of_absurd_order_stops_nothing(tmp_path: Path) -> None:
    kept = state_of("x86_64-6.19/1-pre").sides["out"].preserved
    assert isinstance(kept, PreservedMap) and isinstance(kept.structure, ChunkList)
    at = (kept.structure.chunks[-1].header.place.phys or 0) + 8
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for order in (36, 37, 40, 41, 2**31):
            path = altered(sample("x86_64-6.19/1-pre"), tmp_path / str(order), {at: order.to_bytes(4, "little")})
            assert any(one.answer is Answer.BROKEN and one.severity == "error" for one in results(path).values())
