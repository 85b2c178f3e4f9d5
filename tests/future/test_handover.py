"""What a newcomer declares in one place is read, shown, mapped, judged, compared and written everywhere: nothing edited elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encode.strategies import Memory, radix_tracker

from kho_tui.analysis.checks.answer import Answer
from kho_tui.analysis.diff.evidence import OneHandover
from kho_tui.analysis.diff.fates import handover_fates
from kho_tui.analysis.diff.log import read_log
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.context import Context
from kho_tui.encode.handover import encode_handover
from kho_tui.layout.platform import Platform
from kho_tui.memory.elf_writer import write_elf_core
from kho_tui.memory.sparse import SparseImage
from kho_tui.model.change import Change, ChangeKind, Fate
from kho_tui.model.entities.state import state_entity
from kho_tui.model.entity import find
from kho_tui.model.facts import Missing
from kho_tui.model.handover import Handover, RadixTracker, Registered, RootStyle
from kho_tui.model.path import EntityPath
from kho_tui.model.plain import PlainFile, PlainFlb, PlainFlbPage, PlainSession
from kho_tui.model.registry import Declaration, Facet
from kho_tui.model.runs import make_runs
from kho_tui.model.state import LogLine
from kho_tui.operations.check_state import check_state
from kho_tui.operations.check_target import TargetRequest, check_target, read_target
from kho_tui.operations.diff_states import diff_states
from kho_tui.operations.map_state import map_state, whois
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.operations.replay import compare, replay
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.luo.plain import PlainLuo
from kho_tui.subsystems.registry import builtin
from kho_tui.text import NO_TEXT
from kho_tui.views.export.json_stream import json_pieces
from kho_tui.views.export.state_json import state_json

from . import ledger, quota, trio
from .quota import PlainQuota
from .release import LUO_V999, ROOT, future
from .trio import KIND, VERSION, PlainTrio, Trio


def handover(mode: int = 1, *, shared: bool = False, limit: int | None = 4096) -> Handover:
    """A side that 9.9 would leave: a session of two trios that name each other, and a quota.

    ``shared``: both trios have the same page; ``limit`` None: the page of the quota is not there.
    """
    root, luo, sessions, files, flbs, first, second, limits, *pages = (0x100_0000 + at * 0x1000 for at in (0, 1, 2, 4, 6, 7, 8, 11, 9, 10))
    trios = (
        PlainFile(VERSION, first, 0x1, PlainTrio(pages[0], 0x2, mode)),
        PlainFile(VERSION, second, 0x2, PlainTrio(pages[0 if shared else 1], 0x1, 0)),
    )
    session = PlainSession(b"vm", (files,), trios, {"deadline": 77})
    content = PlainLuo(
        form=LUO_V999,
        number=3,
        session_compatible=b"",
        pages=(sessions,),
        sessions=(session,),
        flb_compatible=b"",
        flb_page=PlainFlbPage(flbs, 1, (PlainFlb(b"quota", limits, 2, None if limit is None else PlainQuota(1, limit)),)),
        more={"boot_id": 0xB007},
    )
    blocks = [(at, 0) for at in (root, luo, sessions, flbs, first, second, limits, *pages)] + [(files, 1)]
    start, order = np.array([at for at, _ in blocks], np.uint64), np.array([order for _, order in blocks], np.uint8)
    memory = Memory(Platform(), at=0x200_0000)
    return Handover(
        platform=Platform(),
        form=ROOT,
        style=RootStyle.GROWN,
        fdt_phys=root,
        map_address=0,
        subtrees=(Registered(b"LUO", luo, 40, content),),
        tracker=radix_tracker(memory, blocks, []),
        runs=make_runs(start, np.ones(len(start), np.uint32), order, 12),
        more={"kho-flags": 5},
    )


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    with _opened(handover(), tmp_path / "core") as state:
        yield state


def _opened(made: Handover, path: Path) -> Opened:
    tracker = made.tracker
    assert isinstance(tracker, RadixTracker)
    made = replace(made, map_address=int(tracker.addresses[0][0]))
    image = SparseImage(4096)
    encode_handover(made, future(), image)
    with path.open("wb") as stream:
        write_elf_core(stream, image)
    return open_state(path, Context(), registry=future())


def test_it_is_read_and_shown(opened: Opened) -> None:
    luo = opened.state.sides["unsided"].subtrees[0].content
    assert isinstance(luo, Luo) and luo.number == 3 and luo.more == {"boot_id": 0xB007}
    assert [type(file.content) for file in luo.files] == [Trio, Trio]
    assert not [finding for finding in opened.state.findings if finding.severity != "info"]
    entity = find(state_entity(opened.state), EntityPath(("unsided", "LUO", "vm")))
    assert entity is not None and ("deadline", 77) in [(value.name, value.value) for value in entity.detail().values]
    trio = find(state_entity(opened.state), EntityPath(("unsided", "LUO", "vm", "0x1")))
    assert trio is not None and trio.summary == "trio-v1;page-v3, with 0x2"
    assert ("peer", 2) in [(value.name, value.value) for value in trio.detail().values]


def test_json_names_what_the_contract_does_not(opened: Opened) -> None:
    side = json.loads("".join(json_pieces(state_json(opened.state, blocks=True))))["sides"]["unsided"]
    luo = side["subtrees"][0]["content"]
    assert side["fdt"]["fields"] == {"kho-flags": 5} and luo["fields"] == {"boot_id": 0xB007}
    session = luo["sessions"][0]
    assert session["fields"] == {"deadline": 77}
    assert session["files"][0]["content"] == {"handler": "trio-v1;page-v3", "fields": {"page": 0x1009000, "peer": 2, "mode": 1}}


def test_its_memory_has_an_owner(opened: Opened) -> None:
    mapped = map_state(opened.state)
    assert not isinstance(mapped.memory.sums, Missing) and mapped.memory.sums.unowned.bytes == 0
    owners = [layer.hit.path.text for layer in whois(mapped, opened.memory, 0x1009123).layers if layer.hit.kind is KIND]
    assert owners == ["unsided/LUO/vm/0x1/page"]


@pytest.mark.parametrize(("mode", "answer"), [(1, Answer.HOLDS), (2, Answer.BROKEN)])
def test_its_rule_is_asked(tmp_path: Path, mode: int, answer: Answer) -> None:
    with _opened(handover(mode), tmp_path / "core") as opened:
        results = {result.code: result for result in check_state(opened, Context()).report.results}
        assert results["KHO999"].answer is answer
        broken = {code for code, result in results.items() if result.answer is Answer.BROKEN and result.severity == "error"}
        assert broken == ({"KHO999"} if answer is Answer.BROKEN else set())


def test_it_is_written_again_byte_for_byte(opened: Opened) -> None:
    again = replay(opened, Context())
    assert opened.memory is not None and not again.not_known
    comparison = compare(again, opened.memory, Context())
    assert comparison.claimed and not comparison.differing and not comparison.absent


@pytest.mark.parametrize(("release", "outcome"), [("9.9", Outcome.TAKEN), ("7.3", Outcome.IGNORED)])
def test_the_verdict_of_a_target_is_that_of_its_release(opened: Opened, release: str, outcome: Outcome) -> None:
    request = TargetRequest(release, cmdline="kho=on liveupdate=on")
    found = check_target(opened, read_target(request, Context(), future())).reception
    assert found.worst in (outcome, None) if outcome is Outcome.TAKEN else found.worst is outcome


def _changes(old: Opened, new: Opened) -> list[Change]:
    diff = diff_states(old.state, new.state, "plain", Context()).diff
    assert diff is not None
    return list(_all(diff.changes))


def _all(changes: Sequence[Change]) -> Iterator[Change]:
    for change in changes:
        yield change
        yield from _all(change.consequences)


def test_a_changed_field_and_a_file_that_came_or_went_are_told(opened: Opened, tmp_path: Path) -> None:
    made = handover(mode=0)
    luo = made.subtrees[0].content
    assert isinstance(luo, PlainLuo)
    session = replace(luo.sessions[0], files=luo.sessions[0].files[:1], more={"deadline": 78})
    changed = replace(made, subtrees=(replace(made.subtrees[0], content=replace(luo, sessions=(session,))),))
    with _opened(changed, tmp_path / "other") as other:
        changes = _changes(opened, other)
        assert "unsided/LUO/vm/0x2" in {one.where.text for one in _changes(other, opened) if one.kind is ChangeKind.ADDED}
    fields = {(change.where.text, one.name, one.old, one.new) for change in changes for one in change.fields}
    assert ("unsided/LUO/vm", "deadline", 77, 78) in fields and ("unsided/LUO/vm/0x1", "mode", 1, 0) in fields
    assert "unsided/LUO/vm/0x2" in {change.where.text for change in changes if change.kind is ChangeKind.REMOVED}


@pytest.mark.parametrize(
    ("shared", "lines", "fates"),
    [
        (False, (), {"0x1": (Fate.UNTOLD, "stale"), "0x2": (Fate.UNTOLD, "stale")}),
        (
            False,
            (LogLine("handler-failed", "in", None, b"luo: No registered handler", VERSION),),
            dict.fromkeys(("0x1", "0x2"), (Fate.LOST, "log: ")),
        ),
        (True, (), {"0x1": (Fate.UNTOLD, "it or"), "0x2": (Fate.UNTOLD, "it or"), "vm": (Fate.LOST, "both list the folio at 0x1009000")}),
    ],
)
def test_what_became_of_its_files_is_told(
    tmp_path: Path, shared: bool, lines: tuple[LogLine, ...], fates: Mapping[str, tuple[Fate, str]]
) -> None:
    with _opened(handover(shared=shared), tmp_path / "core") as opened:
        old, side = opened.state, opened.state.sides["unsided"]
        new = replace(old, machine=replace(old.machine, release="9.9.0"), log=lines)
        one = OneHandover(before=side, after=side, evidence=(), shown=True, refused=False, why=NO_TEXT)
        files = [fate for fate in handover_fates(old, new, one, read_log(new.log), Context()).fates if fate.entity == "file"]
    assert {fate.path.parts[-1]: (fate.fate, fate.reason[: len(fates[fate.path.parts[-1]][1])]) for fate in files} == fates


DECLARED: tuple[Declaration[Any], ...] = (ledger.DECLARATION, trio.DECLARATION, quota.DECLARATION)
PARTS = [(declared, facet) for declared in DECLARED for facet in declared.facets]


@pytest.mark.parametrize(
    ("declared", "facet"), PARTS, ids=[f"{declared.family.name.decode()}-{facet.__name__}" for declared, facet in PARTS]
)
def test_a_forgotten_part_is_named(declared: Declaration[Any], facet: type[Facet]) -> None:
    forgetful = replace(declared, facets={one: load for one, load in declared.facets.items() if one is not facet})
    registry = builtin().plus(forgetful)
    with pytest.raises(TypeError, match=f"{declared.family.name.decode()} declares no {facet.__name__}"):
        registry.facets(facet)


def test_what_flb_data_say_is_shown_and_owned(opened: Opened) -> None:
    found = find(state_entity(opened.state), EntityPath(("unsided", "LUO", "FLBs", "quota")))
    assert found is not None and found.summary == "data 0x100b000, 2 files: limit 4096"
    assert ("limit", 4096) in [(value.name, value.value) for value in found.detail().values]
    side = json.loads("".join(json_pieces(state_json(opened.state, blocks=True))))["sides"]["unsided"]
    flb = side["subtrees"][0]["content"]["flbs"][0]
    assert flb == {"name": "quota", "data": "0x100b000", "count": 2, "content": {"version": 1, "limit": 4096}}
    layers = whois(map_state(opened.state), opened.memory, 0x100B010).layers
    assert "unsided/LUO/FLBs/quota" in [layer.hit.path.text for layer in layers if layer.hit.kind is quota.KIND]


def test_what_flb_data_own_is_not_known_where_they_are_not_there(tmp_path: Path) -> None:
    with _opened(handover(limit=None), tmp_path / "core") as opened:
        results = {result.code: result for result in check_state(opened, Context()).report.results}
    for code in ("KHO047", "KHO048", "KHO997"):
        assert results[code].answer is Answer.CANNOT_TELL, code
        assert "content of unsided/LUO/FLBs/quota" in [lack.name for lack in results[code].lacks] or code == "KHO047"


def test_a_changed_field_of_flb_data_is_told(opened: Opened, tmp_path: Path) -> None:
    with _opened(handover(limit=8192), tmp_path / "other") as other:
        changes = _changes(opened, other)
    fields = {(change.where.text, field.name, field.old, field.new) for change in changes for field in change.fields}
    assert ("unsided/LUO/FLBs/quota", "limit", 4096, 8192) in fields
