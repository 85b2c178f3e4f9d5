"""File-lifecycle-bound data whose data are the address of a struct."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kho_tui.abi.format import Family, Format, Formats
from kho_tui.analysis.checks.answer import Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.facet import FlbJudging
from kho_tui.analysis.checks.rule import error, rule
from kho_tui.decode.facet import FlbDecoding
from kho_tui.decode.reader import Reader
from kho_tui.encode.facet import Encoder, FlbEncoding
from kho_tui.encode.piece import Pieces, page_of
from kho_tui.layout.struct import Layout, Record, Unit, u64
from kho_tui.model.claims import ClaimCollector
from kho_tui.model.content import FlbContent, OneStruct
from kho_tui.model.facts import Missing
from kho_tui.model.json_value import Json
from kho_tui.model.kinds import owner
from kho_tui.model.path import EntityPath
from kho_tui.model.plain import Plain, PlainFlb
from kho_tui.model.registry import Declaration
from kho_tui.releases.ranges import Range
from kho_tui.simulator.faults.case import Case, DoesNotApply
from kho_tui.simulator.faults.facet import FlbBreaking
from kho_tui.simulator.faults.fault import fault

NAME = b"quota"
SER = Layout("QuotaSer", (u64("version", Unit.ID, "always 1"), u64("limit", Unit.BYTES, "made up")), "made up", "made up")
KIND = owner("quota", "q", "page of a quota", contents=False)


@dataclass(frozen=True)
class PlainQuota(Plain):
    version: int
    limit: int


@dataclass(frozen=True)
class Quota(OneStruct, FlbContent):
    path: EntityPath

    def summary(self) -> str:
        return f"limit {self.record.integer('limit')}"

    def claims(self, collector: ClaimCollector) -> None:
        assert self.record.place.phys is not None
        collector.pages(KIND, self.path, self.record.place.phys, SER.size)

    def json(self, *, rows: bool) -> Mapping[str, Json]:
        return {"version": self.record.integer("version"), "limit": self.record.integer("limit")}

    def plain(self) -> PlainQuota:
        return PlainQuota(self.record.integer("version"), self.record.integer("limit"))


def _decode(reader: Reader, entry: Record, where: EntityPath) -> Quota | Missing:
    record = reader.record(SER, entry.integer("data"))
    return record if isinstance(record, Missing) else Quota(record, where)


def _pieces(flb: PlainFlb, quota: PlainQuota, encoder: Encoder, what: EntityPath) -> Pieces:
    data = SER.encode({"version": quota.version, "limit": quota.limit}, encoder.platform.byte_order)
    yield page_of(flb.data, data, encoder.platform, what)


@rule("KHO997", "a quota is of version 1", error("9.9"), explanation="made up", consequence="made up", source="made up")
def _version(evidence: Evidence, found: Found) -> None:
    for flb, quota in evidence.handled_flbs(found, NAME):
        if isinstance(quota, Quota) and quota.record.integer("version") != 1:
            found.broken(f"version {quota.record.integer('version')}", flb.path)


def _other_version(case: Case) -> None:
    for flb in case.side.flbs:
        if isinstance(flb.content, Quota):
            case.change(flb.content.record, version=2)
            return
    raise DoesNotApply("no quota in this state")


DECLARATION: Declaration[Formats[Format]] = Declaration(
    family=Family("flb", NAME, Formats(())),
    formats=Formats((Format(compatible=NAME, written=Range("9.9")),)),
    facets={
        FlbDecoding: lambda: FlbDecoding(decode=_decode),
        FlbEncoding: lambda: FlbEncoding(pieces=_pieces),
        FlbJudging: lambda: FlbJudging(rules=(_version,)),
        FlbBreaking: lambda: FlbBreaking(faults=(fault("quota-version", "KHO997", "a quota is of version 2", _other_version),)),
    },
)
