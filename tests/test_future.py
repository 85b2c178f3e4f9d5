"""What a newcomer declares in one place is read, shown, mapped, judged and written everywhere: with no edit elsewhere, and nothing patched.

A release 9.9 with a root that has one more property, an LUO whose struct and sessions have one more u64 and whose files stand in another
form of list, and a file handler of three u64 with a page of its own that names another file by its token.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from encode.strategies import Memory, radix_tracker

from kho_tui.abi.block import KHO_BLOCK_HEADER_SER, block_of
from kho_tui.abi.format import Family, Format, Formats
from kho_tui.abi.luo import LUO, LUO_FILE_SER, LUO_SER, LUO_SESSION_SER, LUO_V5
from kho_tui.analysis.checks.answer import Answer, Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.facet import FileJudging
from kho_tui.analysis.checks.rule import error, rule
from kho_tui.analysis.diff.evidence import OneHandover
from kho_tui.analysis.diff.facet import FileDiffing
from kho_tui.analysis.diff.fates import handover_fates
from kho_tui.analysis.diff.log import read_log
from kho_tui.analysis.receiver.facet import FileReceiving
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.analysis.receiver.reserved import Reserved
from kho_tui.analysis.receiver.sections import Sections
from kho_tui.analysis.receiver.target import Target
from kho_tui.analysis.receiver.verdict import Fails
from kho_tui.context import Context
from kho_tui.decode.facet import FileDecoding
from kho_tui.decode.reader import Reader
from kho_tui.encode.facet import Encoder, FileEncoding
from kho_tui.encode.handover import encode_handover
from kho_tui.encode.piece import Pieces, page_of
from kho_tui.layout.arrays import U64s
from kho_tui.layout.place import Blob
from kho_tui.layout.platform import Platform
from kho_tui.layout.struct import Field, Layout, Record, Unit, u64
from kho_tui.layout.table import PageArray
from kho_tui.memory.elf_writer import write_elf_core
from kho_tui.memory.sparse import SparseImage
from kho_tui.model.change import Change, ChangeKind, Fate
from kho_tui.model.claims import ClaimCollector
from kho_tui.model.content import WHOLE, FileContent, Standing
from kho_tui.model.contents.flbs import PlainFlbPage
from kho_tui.model.contents.luo import Luo, PlainLuo
from kho_tui.model.contents.sessions import File, PlainFile, PlainSession
from kho_tui.model.entities.state import state_entity
from kho_tui.model.entities.values import bytes_of, record_values
from kho_tui.model.entity import Entity, Value, find
from kho_tui.model.facts import Missing
from kho_tui.model.gap import Gap
from kho_tui.model.handover import Handover, RadixTracker, Registered, RootStyle
from kho_tui.model.json_value import Json, further_fields
from kho_tui.model.kinds import owner
from kho_tui.model.path import EntityPath
from kho_tui.model.plain import Plain
from kho_tui.model.registry import Declaration, Registry
from kho_tui.model.runs import make_runs
from kho_tui.model.state import LogLine
from kho_tui.operations.check_state import check_state
from kho_tui.operations.check_target import TargetRequest, check_target, read_target
from kho_tui.operations.diff_states import diff_states
from kho_tui.operations.map_state import map_state, whois
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.operations.replay import compare, replay
from kho_tui.releases.ranges import Range
from kho_tui.subsystems.registry import builtin
from kho_tui.text import NO_TEXT
from kho_tui.views.export.json_stream import json_pieces
from kho_tui.views.export.state_json import state_json

ROOT = replace(
    builtin().roots[b"kho-v4"],
    compatible=b"kho-v999",
    written=Range("9.9"),
    node=replace(
        builtin().roots[b"kho-v4"].node,
        properties=(*builtin().roots[b"kho-v4"].node.properties, Field("kho-flags", 8, Unit.FLAGS, "made up")),
    ),
)
LUO_V999 = replace(
    LUO_V5,
    compatible=b"luo-v99",
    written=Range("9.9"),
    struct=Layout("LuoSer", (*LUO_SER.fields, u64("boot_id", Unit.ID, "made up")), "made up", "made up"),
    sessions=block_of(Layout("LuoSessionSer", (*LUO_SESSION_SER.fields, u64("deadline", Unit.COUNT, "made up")), "made up", "made up")),
    files=PageArray(KHO_BLOCK_HEADER_SER, LUO_FILE_SER, 2),
    roots=frozenset({b"kho-v999"}),
)

TRIO = Layout(
    "TrioSer",
    (u64("page", Unit.PHYS, "made up"), u64("peer", Unit.ID, "token of another file"), u64("mode", Unit.FLAGS, "0 or 1")),
    "made up",
    "made up",
)
KIND_TRIO = owner("trio", "page of a trio", contents=True)


@dataclass(frozen=True)
class PlainTrio(Plain):
    page: int
    peer: int
    mode: int


@dataclass(frozen=True)
class Trio(FileContent):
    path: EntityPath
    record: Record

    def summary(self) -> str:
        return f"with {self.record.integer('peer'):#x}"

    def standing(self) -> Standing:
        return WHOLE

    def values(self) -> tuple[Value, ...]:
        return record_values(self.record)

    def blobs(self) -> tuple[Blob, ...]:
        return (bytes_of(self.record),)

    @property
    def has_children(self) -> bool:
        return False

    def children(self, platform: Platform) -> Sequence[Entity]:
        return ()

    def claims(self, collector: ClaimCollector) -> None:
        assert self.record.place.phys is not None
        collector.pages(KIND_TRIO, self.path, self.record.place.phys, TRIO.size)
        collector.pages(KIND_TRIO, self.path.child("page"), self.record.integer("page"), 1)

    def gaps(self) -> Iterator[Gap]:
        return iter(())

    def json(self, *, rows: bool) -> Mapping[str, Json]:
        return {"handler": "trio-v1", **further_fields(self.record.further())}

    def plain(self) -> PlainTrio:
        return PlainTrio(*(self.record.integer(name) for name in ("page", "peer", "mode")))


def _decode(reader: Reader, entry: Record, form: Format, where: EntityPath) -> Trio | Missing:
    record = reader.record(TRIO, entry.integer("data"))
    return record if isinstance(record, Missing) else Trio(where, record)


def _pieces(file: PlainFile, trio: PlainTrio, encoder: Encoder, what: EntityPath) -> Pieces:
    data = TRIO.encode({"page": trio.page, "peer": trio.peer, "mode": trio.mode}, encoder.platform.byte_order)
    yield page_of(file.data, data, encoder.platform, what)


@rule("KHO999", "the mode of a trio is 0 or 1", error("9.9"), explanation="made up", consequence="made up", source="made up")
def _mode(evidence: Evidence, found: Found) -> None:
    for _, file in evidence.files(found):
        if isinstance(file.content, Trio) and file.content.record.integer("mode") > 1:
            found.broken(f"mode {file.content.record.integer('mode')}", file.path)


def _fault(file: File, trio: Trio, reserved: Reserved, sections: Sections | Missing, target: Target) -> Fails | Missing | None:
    lost = reserved.lost(trio.record.integer("page"), 4096)
    return Fails("its page is not preserved", Outcome.PART) if lost else None


def _restores(trio: Trio, page_shift: int) -> U64s:
    return np.array([trio.record.integer("page")], np.uint64)


TRIO_FORMATS: Formats[Format] = Formats((Format(compatible=b"trio-v1", written=Range("9.9")),))
DECLARATION: Declaration[Formats[Format]] = Declaration(
    family=Family("file", b"trio", Formats(())),
    formats=TRIO_FORMATS,
    facets={
        FileDecoding: lambda: FileDecoding(decode=_decode),
        FileEncoding: lambda: FileEncoding(pieces=_pieces),
        FileDiffing: FileDiffing,
        FileJudging: lambda: FileJudging(rules=(_mode,)),
        FileReceiving: lambda: FileReceiving(
            retrieve_fault=_fault, restores=_restores, contents=_restores, frees=lambda file: np.array([file.data], np.uint64)
        ),
    },
)


@cache
def future() -> Registry:
    """All that is known, and what this file declares."""
    versions = replace(builtin().formats(LUO), versions=(LUO_V999,))
    return builtin().plus(
        Declaration(family=LUO, formats=versions, facets={}),
        DECLARATION,
        releases=[builtin().releases.newest.next("9.9")],
        roots=[ROOT],
    )


def handover(mode: int = 1, *, shared: bool = False) -> Handover:
    """A side that 9.9 would leave: a session of two trios that name each other. ``shared``: both have the same page."""
    root, luo, sessions, files, flbs, first, second, *pages = (0x100_0000 + at * 0x1000 for at in (0, 1, 2, 4, 6, 7, 8, 9, 10))
    trios = (
        PlainFile(b"trio-v1", first, 0x1, PlainTrio(pages[0], 0x2, mode)),
        PlainFile(b"trio-v1", second, 0x2, PlainTrio(pages[0 if shared else 1], 0x1, 0)),
    )
    session = PlainSession(b"vm", (files,), trios, {"deadline": 77})
    content = PlainLuo(
        form=LUO_V999,
        number=3,
        session_compatible=b"",
        pages=(sessions,),
        sessions=(session,),
        flb_compatible=b"",
        flb_page=PlainFlbPage(flbs, 1, ()),
        more={"boot_id": 0xB007},
    )
    blocks = [(at, 0) for at in (root, luo, sessions, flbs, first, second, *pages)] + [(files, 1)]
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
    assert trio is not None and trio.summary == "trio-v1, with 0x2"
    assert ("peer", 2) in [(value.name, value.value) for value in trio.detail().values]


def test_json_names_what_the_contract_does_not(opened: Opened) -> None:
    side = json.loads("".join(json_pieces(state_json(opened.state, blocks=True))))["sides"]["unsided"]
    luo = side["subtrees"][0]["content"]
    assert side["fdt"]["fields"] == {"kho-flags": 5} and luo["fields"] == {"boot_id": 0xB007}
    session = luo["sessions"][0]
    assert session["fields"] == {"deadline": 77}
    assert session["files"][0]["content"] == {"handler": "trio-v1", "fields": {"page": 0x1009000, "peer": 2, "mode": 1}}


def test_its_memory_has_an_owner(opened: Opened) -> None:
    mapped = map_state(opened.state)
    assert not isinstance(mapped.memory.sums, Missing) and mapped.memory.sums.unowned.bytes == 0
    owners = [layer.hit.path.text for layer in whois(mapped, opened.memory, 0x1009123).layers if layer.hit.kind is KIND_TRIO]
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
            (LogLine("handler-failed", "in", None, b"luo: No registered handler", b"trio-v1"),),
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


@pytest.mark.parametrize("facet", list(DECLARATION.facets), ids=lambda facet: facet.__name__)
def test_a_forgotten_part_is_named(opened: Opened, facet: type) -> None:
    forgetful = replace(DECLARATION, facets={one: load for one, load in DECLARATION.facets.items() if one is not facet})
    registry = builtin().plus(forgetful)
    with pytest.raises(TypeError, match=f"trio declares no {facet.__name__}"):
        registry.facets(facet)
