"""A file handler of three u64: a page of its own, the token of another file of its session, and a mode. Its version names a sub-version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kho_tui.abi.format import Family, Format, Formats
from kho_tui.analysis.checks.answer import Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.facet import FileJudging
from kho_tui.analysis.checks.rule import error, rule
from kho_tui.analysis.diff.facet import FileDiffing
from kho_tui.analysis.receiver.facet import FileReceiving
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.analysis.receiver.reserved import Reserved
from kho_tui.analysis.receiver.sections import Sections
from kho_tui.analysis.receiver.sessions import RestoredFile
from kho_tui.analysis.receiver.target import Target
from kho_tui.analysis.receiver.verdict import Fails
from kho_tui.capture.facet import FileNaming
from kho_tui.decode.facet import FileDecoding
from kho_tui.decode.reader import Reader
from kho_tui.encode.facet import Encoder, FileEncoding
from kho_tui.encode.piece import Pieces, page_of
from kho_tui.layout.arrays import U64s
from kho_tui.layout.struct import Layout, Record, Unit, u64
from kho_tui.model.claims import ClaimCollector
from kho_tui.model.content import FileContent, OneStruct
from kho_tui.model.facts import Damaged, Missing
from kho_tui.model.json_value import Json, further_fields
from kho_tui.model.kinds import owner
from kho_tui.model.path import EntityPath
from kho_tui.model.plain import Plain, PlainFile
from kho_tui.model.registry import Declaration
from kho_tui.model.sessions import File
from kho_tui.releases.ranges import Range
from kho_tui.simulator.consumers import Handed
from kho_tui.simulator.facet import FileSimulating
from kho_tui.simulator.faults.case import Case, DoesNotApply
from kho_tui.simulator.faults.facet import FileBreaking
from kho_tui.simulator.faults.fault import fault
from kho_tui.simulator.incoming import Stretch
from kho_tui.simulator.kho import Kho
from kho_tui.simulator.producer import OpenFile, PreservedFile
from kho_tui.simulator.scenario_values import a_byte_string, a_size
from kho_tui.simulator.steps import Action, StepKind, Userspace
from kho_tui.text import SafeText

VERSION = b"trio-v1;page-v3"
SER = Layout(
    "TrioSer",
    (u64("page", Unit.PHYS, "made up"), u64("peer", Unit.ID, "token of another file"), u64("mode", Unit.FLAGS, "0 or 1")),
    "made up",
    "made up",
)
KIND = owner("trio", "P", "page of a trio", contents=True)


@dataclass(frozen=True)
class PlainTrio(Plain):
    page: int
    peer: int
    mode: int


@dataclass(frozen=True)
class Trio(OneStruct, FileContent):
    path: EntityPath

    def summary(self) -> str:
        return f"with {self.record.integer('peer'):#x}"

    @property
    def nr_folios(self) -> int:
        return 1

    def heads(self, page_shift: int) -> U64s:
        return np.array([self.record.integer("page")], np.uint64)

    def claims(self, collector: ClaimCollector) -> None:
        assert self.record.place.phys is not None
        collector.pages(KIND, self.path, self.record.place.phys, SER.size)
        collector.pages(KIND, self.path.child("page"), self.record.integer("page"), 1)

    def json(self, *, rows: bool) -> Mapping[str, Json]:
        return {"handler": "trio-v1;page-v3", **further_fields(self.record.further())}

    def plain(self) -> PlainTrio:
        return PlainTrio(*(self.record.integer(name) for name in ("page", "peer", "mode")))


def _decode(reader: Reader, entry: Record, form: Format, where: EntityPath) -> Trio | Missing:
    address = entry.integer("data")
    record = reader.record(SER, address)
    if not isinstance(record, Missing) and not reader.reached_first(address):
        record = Damaged(SafeText(f"its struct at {address:#x} is that of another file"))
    if isinstance(record, Missing):
        reader.unreadable(record, where, "trio struct", address)
        return record
    return Trio(record, where)


def _pieces(file: PlainFile, trio: PlainTrio, encoder: Encoder, what: EntityPath) -> Pieces:
    data = SER.encode({"page": trio.page, "peer": trio.peer, "mode": trio.mode}, encoder.platform.byte_order)
    yield page_of(file.data, data, encoder.platform, what)


@rule("KHO999", "the mode of a trio is 0 or 1", error("9.9"), explanation="made up", consequence="made up", source="made up")
def _mode(evidence: Evidence, found: Found) -> None:
    for file, content in evidence.handled_files(found, b"trio"):
        if isinstance(content, Trio) and content.record.integer("mode") > 1:
            found.broken(f"mode {content.record.integer('mode')}", file.path)


def _fault(file: File, trio: Trio, reserved: Reserved, sections: Sections | Missing, target: Target) -> Fails | Missing | None:
    lost = reserved.lost(trio.record.integer("page"), 4096)
    return Fails("its page is not preserved", Outcome.PART) if lost else None


def _large_mode(case: Case) -> None:
    for file in case.side.files:
        if isinstance(file.content, Trio):
            case.change(file.content.record, mode=2)
            return
    raise DoesNotApply("no trio in this state")


@dataclass(frozen=True, eq=False)
class OpenTrio(OpenFile):
    page: int
    peer: int
    mode: int

    @property
    def kind(self) -> str:
        return "a trio"

    def stretches(self, page_size: int) -> list[Stretch]:
        return [(self.page, page_size)]


@dataclass(frozen=True, eq=False, kw_only=True)
class PreservedTrio(PreservedFile):
    file: OpenTrio

    def content(self, page_shift: int) -> PlainTrio:
        return PlainTrio(self.file.page, self.file.peer, self.file.mode)

    def unpreserve(self, kho: Kho) -> None:
        kho.kho_unpreserve_folio(self.file.page, 0)
        kho.kho_unpreserve_free(self.data, SER.size)


def _preserve(kho: Kho, file: OpenTrio, what: str) -> PreservedTrio:
    kho.kho_preserve_folio(file.page, 0)
    return PreservedTrio(file=file, data=kho.kho_alloc_preserve(SER.size, what), compatible=VERSION)


def _retrieve(restored: RestoredFile, handed: Handed) -> tuple[OpenTrio, tuple[Stretch, ...]] | None:
    trio = restored.file.content
    if not isinstance(trio, Trio):
        return None
    plain = trio.plain()
    return OpenTrio(plain.page, plain.peer, plain.mode), ((restored.file.data, handed.page_size),)


@dataclass(frozen=True)
class PreserveTrio(Action):
    session: bytes
    token: int
    peer: int

    def perform(self, user: Userspace) -> None:
        keeper = user.kernel.file_keeper()
        file = OpenTrio(user.kernel.allocator.alloc(0, "trio"), self.peer, 1)
        keeper.preserve_file(self.session, self.token, file)
        user.files[self.session, self.token] = file


DECLARATION: Declaration[Formats[Format]] = Declaration(
    family=Family("file", b"trio", Formats(())),
    formats=Formats((Format(compatible=VERSION, written=Range("9.9")),)),
    facets={
        FileNaming: lambda: FileNaming(words=(), texts=()),
        FileDecoding: lambda: FileDecoding(decode=_decode),
        FileEncoding: lambda: FileEncoding(pieces=_pieces),
        FileDiffing: FileDiffing,
        FileJudging: lambda: FileJudging(rules=(_mode,)),
        FileReceiving: lambda: FileReceiving(
            retrieve_fault=_fault, restores=Trio.heads, frees=lambda file: np.array([file.data], np.uint64)
        ),
        FileSimulating: lambda: FileSimulating(
            can_preserve=lambda _kho, file: isinstance(file, OpenTrio),
            preserve=_preserve,
            retrieve=_retrieve,
            steps={
                "trio": StepKind(
                    {"session": a_byte_string, "token": a_size, "peer": a_size},
                    lambda table: PreserveTrio(table.need("session"), table.need("token"), table.need("peer")),
                )
            },
        ),
        FileBreaking: lambda: FileBreaking(faults=(fault("trio-mode", "KHO999", "the mode of a trio is 2", _large_mode),)),
    },
)
