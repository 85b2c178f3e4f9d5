"""LUO's page of file-lifecycle-bound data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kho_tui.layout.struct import Record
from kho_tui.model.entities.values import bytes_of, missing_entity, record_values, words
from kho_tui.model.entity import Detail, Entity
from kho_tui.model.facts import Count, Missing, Status
from kho_tui.model.json_value import Json, hex_text
from kho_tui.model.path import EntityPath, Siblings
from kho_tui.model.plain import Plain
from kho_tui.model.told import require_whole
from kho_tui.text import SafeText, plural, visible


@dataclass(frozen=True, slots=True)
class PlainFlb(Plain):
    """One piece of file-lifecycle-bound data."""

    name: bytes
    data: int
    count: int


@dataclass(frozen=True, slots=True)
class PlainFlbPage(Plain):
    """The FLB page. ``pgcnt`` is written at boot, the entries in the reboot call."""

    phys: int
    pgcnt: int
    flbs: tuple[PlainFlb, ...]


@dataclass(frozen=True, eq=False)
class FlbList:
    """The FLB page: its header (None in 6.19, which has no FLBs) and the entries in use."""

    header: Record | None
    flbs: tuple[Record, ...]
    status: Status
    reason: SafeText
    count: Count

    def json(self) -> Sequence[Json]:
        """Each of them."""
        return [{"name": visible(f.text("name")), "data": hex_text(f.integer("data")), "count": f.integer("count")} for f in self.flbs]

    def plain(self, at: int, where: EntityPath) -> PlainFlbPage:
        """Their values; ``at`` is where the page lies."""
        require_whole(self.status, self.reason, where)
        assert self.header is not None  # there is a page
        flbs = tuple(PlainFlb(one.text("name"), one.integer("data"), one.integer("count")) for one in self.flbs)
        return PlainFlbPage(at, self.header.integer("pgcnt"), flbs)


def flbs_entity(flbs: FlbList | Missing, path: EntityPath) -> Entity:
    """The page with its entries."""
    if isinstance(flbs, Missing):
        return missing_entity(path, "FLBs", flbs)
    header = flbs.header

    def children() -> list[Entity]:
        siblings = Siblings(path)
        return [_flb(one, siblings) for one in flbs.flbs]

    def detail() -> Detail:
        if header is None:
            return Detail((words("FLBs", "absent", flbs.reason),))
        return Detail(record_values(header), (bytes_of(header),))

    entity = Entity(
        path=path,
        kind="FLBs",
        title=SafeText("FLBs"),
        status=flbs.status,
        summary=flbs.count.words("FLB") if header is not None else flbs.reason,
        reason=flbs.reason,
        address=None if header is None else header.place.phys,
        size=0 if header is None else len(header.data),
        detail=detail,
    )
    return replace(entity, children=children) if flbs.flbs else entity


def _flb(record: Record, siblings: Siblings) -> Entity:
    name = record.text("name")
    return Entity(
        path=siblings.named(name),
        kind="FLB",
        title=visible(name),
        summary=SafeText(f"data {record.integer('data'):#x}, {plural(record.integer('count'), 'file')}"),
        address=record.place.phys,
        size=len(record.data),
        detail=lambda: Detail(record_values(record), (bytes_of(record),)),
    )
