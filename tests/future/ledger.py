"""A subtree whose struct describes a preserved vmalloc area of u64, as memfd's struct does its folios."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kho_tui.abi.format import Family, SubtreeFormat, SubtreeFormats
from kho_tui.abi.vmalloc import KHO_VMALLOC
from kho_tui.analysis.checks.answer import Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.facet import Judging, no_losses, no_names
from kho_tui.analysis.checks.rule import error, rule
from kho_tui.analysis.diff.facet import Diffing
from kho_tui.analysis.receiver.facet import Receiving, no_arrivals, restores_nothing
from kho_tui.analysis.receiver.node import needs_kho, node_checks
from kho_tui.capture.facet import LogText, Naming
from kho_tui.decode.facet import Decoding, SubtreeBlob, no_struct
from kho_tui.decode.reader import Reader
from kho_tui.decode.vmalloc import area_rows, decode_vmalloc
from kho_tui.encode.facet import Buffer, Encoder, Encoding
from kho_tui.encode.piece import Pieces
from kho_tui.encode.subtrees import subtree_blob
from kho_tui.encode.vmalloc import chunk_pieces, content_pieces, descriptor_values
from kho_tui.layout.arrays import U64s
from kho_tui.layout.place import Blob
from kho_tui.layout.platform import Platform
from kho_tui.layout.struct import Layout, Record, Unit, chars, embed, u64
from kho_tui.layout.table import Table
from kho_tui.model.claims import ClaimCollector
from kho_tui.model.content import WHOLE, Standing, SubtreeContent
from kho_tui.model.entities.values import bytes_of, record_values
from kho_tui.model.entity import Entity, Value
from kho_tui.model.facts import Damaged, Missing, Status
from kho_tui.model.gap import Gap
from kho_tui.model.json_value import Json
from kho_tui.model.path import EntityPath
from kho_tui.model.plain import Plain, PlainVmalloc
from kho_tui.model.registry import Declaration
from kho_tui.model.vmalloc import DescribedArea, VmallocArea
from kho_tui.releases.ranges import Range
from kho_tui.simulator.consumers import Handed
from kho_tui.simulator.facet import NO_STEPS, Module, Simulating, idle_task_killed, nothing_early
from kho_tui.simulator.faults.case import Case, DoesNotApply
from kho_tui.simulator.faults.facet import Breaking
from kho_tui.simulator.faults.fault import fault
from kho_tui.simulator.kho import Kho
from kho_tui.simulator.producer import LogLine, Producer
from kho_tui.simulator.scenario_values import within
from kho_tui.text import SafeText

NAME = b"ledger"
_LOST = "its entries are lost"
SER = Layout(
    "LedgerSer",
    (chars("compatible", 16, "its version"), u64("entries", Unit.COUNT, "u64 in the list"), *embed("list", KHO_VMALLOC)),
    "made up",
    "made up",
)
ROW = Layout("LedgerEntry", (u64("value", Unit.COUNT, "made up"),), "made up", "made up")
FORMATS = SubtreeFormats((SubtreeFormat(compatible=b"ledger-v1", written=Range("9.9"), node=None, struct=SER),))


@dataclass(frozen=True)
class PlainLedger(Plain):
    values: U64s
    area: PlainVmalloc


@dataclass(frozen=True)
class Ledger(SubtreeContent):
    path: EntityPath
    record: Record
    area: VmallocArea
    table: Table

    @property
    def listed(self) -> list[int]:
        return [int(value) for value in self.table.column("value")]

    def summary(self) -> str:
        return f"{self.record.integer('entries')} entries"

    def standing(self) -> Standing:
        return WHOLE if self.area.status is Status.DECODED else (self.area.status, self.area.reason)

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
        self.area.claims(collector, self.path.child("list"))

    def gaps(self) -> Iterator[Gap]:
        if len(self.table) < self.record.integer("entries"):
            yield Gap("list", self.path, Status.PARTIAL, self.area.reason)

    def areas(self) -> Iterator[DescribedArea | Missing]:
        at = self.record.place.phys
        yield DescribedArea.of(self.area, self.path.child("list"), None if at is None else at + SER.span("list.first")[0])

    def opaque(self) -> Iterator[str]:
        return iter(())

    def always_kept(self) -> Iterator[tuple[int, bytes]]:
        return iter(())

    def counted(self) -> tuple[str, int] | None:
        return None

    def written_by(self) -> bytes | None:
        return None

    def json(self, *, rows: bool) -> Mapping[str, Json]:
        return {"entries": self.record.integer("entries"), "values": self.listed}

    def plain(self) -> PlainLedger:
        return PlainLedger(self.table.column("value"), self.area.plain(self.path))


def _decode(reader: Reader, subtree: SubtreeBlob) -> Ledger | Missing:
    if len(subtree.blob.data) < SER.size:
        return Damaged(SafeText("cut short"))
    record = SER.record(subtree.blob.data, reader.platform.byte_order, subtree.blob.place)
    first, total, flags, order = (record.integer(f"list.{field.name}") for field in KHO_VMALLOC.fields)
    path = subtree.path.child("list")
    area = decode_vmalloc(reader, first, total, flags, order, path)
    return Ledger(subtree.path, record, area, area_rows(reader, area, ROW, record.integer("entries"), path))


def _buffer(plain: PlainLedger, encoder: Encoder) -> Buffer:
    values: dict[str, int | bytes] = {"compatible": b"ledger-v1", "entries": len(plain.values)}
    values |= {f"list.{name}": value for name, value in descriptor_values(plain.area).items()}
    data = SER.encode(values, encoder.platform.byte_order)
    return Buffer(data.ljust(encoder.platform.page_size, b"\0"), len(data))


def _pieces(plain: PlainLedger, encoder: Encoder, what: EntityPath) -> Pieces:
    yield from chunk_pieces(plain.area, encoder.platform, what)
    data = plain.values.astype("<u8").tobytes()
    yield from content_pieces(plain.area, data.ljust(plain.area.total_pages * encoder.platform.page_size, b"\0"), encoder.platform, what)


@rule("KHO998", "entries of a ledger ascend", error("9.9"), explanation="made up", consequence="made up", source="made up")
def _ascending(evidence: Evidence, found: Found) -> None:
    subtree = evidence.subtree(NAME, found)
    if subtree is not None and isinstance(subtree.content, Ledger) and sorted(subtree.content.listed) != subtree.content.listed:
        found.broken("entries do not ascend", subtree.path)


def _descend(case: Case) -> None:
    content = case.subtree(NAME).content
    if not isinstance(content, Ledger) or len(content.listed) < 2:
        raise DoesNotApply("no ledger of two entries in this state")
    case.put(ROW, int(content.table.addresses[0]), value=1 << 40)


class _Producer(Producer[tuple[int, ...]]):
    """Hands on what it got with one entry more; ``ledger`` in ``[kernel]`` says how many a cold boot begins with."""

    def start(self, kho: Kho) -> None:
        begun = self.kernel.config.built.get(NAME)
        if begun is None:
            return
        values = (*self.arrived, len(self.arrived)) if self.arrived is not None else tuple(range(begun))
        area = kho.kho_preserve_vmalloc(kho.vmalloc(8 * len(values), "ledger"), "ledger")
        content = PlainLedger(np.array(values, np.uint64), area)
        phys = kho.kho_alloc_preserve(SER.size, "ledger")
        size = len(subtree_blob(content, kho.encoder))
        kho.when_handed_over(lambda: kho.kho_add_subtree(NAME, phys, size, lambda: content))

    def taken_lines(self) -> Iterator[LogLine]:
        if self.arrived is not None:
            yield 6, f"ledger: found {len(self.arrived)} entries"


def _receive(handed: Handed, built: int | None) -> tuple[int, ...] | None:
    content = handed.content(NAME)
    if built is None or not isinstance(content, Ledger):
        return None
    handed.freed.extend(handed.area_pages(content.area))
    return tuple(content.listed)


DECLARATION = Declaration(
    family=Family("subtree", NAME, SubtreeFormats(())),
    formats=FORMATS,
    facets={
        Naming: lambda: Naming(
            words=(b"ledger",),
            texts=(LogText("ledger", "in", rb"ledger: found (\d+) entries"),),
            rest=(LogText("ledger", None, rb"ledger: "),),
        ),
        Decoding: lambda: Decoding(
            decode=_decode,
            recognises=lambda data, _compatible: data.startswith(b"ledger-v"),
            first_words=(b"ledg",),
            struct_head=no_struct,
            least=lambda _registry, _data: SER.size,
            stays=lambda _registry, _root: False,
            bytes_fixed=False,
            counted=None,
            owns_memory=True,
            is_fdt=False,
        ),
        Encoding: lambda: Encoding(plain=PlainLedger, buffer=_buffer, pieces=_pieces),
        Receiving: lambda: Receiving(
            turn=9,
            option=None,
            restores=restores_nothing,
            sessions=None,
            arrivals=no_arrivals,
            checks=(
                needs_kho(NAME, "its entries are lost", "made up"),
                *node_checks(NAME, Range("9.9"), "its entries are lost", "made up"),
            ),
        ),
        Diffing: Diffing,
        Judging: lambda: Judging(rules=(_ascending,), names=no_names, losses=no_losses, taken_back=False),
        Simulating: lambda: Simulating(
            turn=9,
            log_prefix="ledger",
            producer=_Producer,
            receive=_receive,
            module=Module(
                keys={"ledger": within(0, 4096)},
                asked=lambda kernel: kernel.get("ledger"),
                seen=lambda state, _options: 0 if any(s.name == NAME for side in state.sides.values() for s in side.subtrees) else None,
            ),
            steps=NO_STEPS,
            early_bytes=nothing_early,
            panic_line=idle_task_killed,
        ),
        Breaking: lambda: Breaking(faults=(fault("ledger-descends", "KHO998", "entries of a ledger descend", _descend),)),
    },
)
