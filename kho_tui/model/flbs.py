"""LUO's page of file-lifecycle-bound data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kho_tui.layout.platform import Platform
from kho_tui.layout.struct import Record
from kho_tui.model.claims import ClaimCollector
from kho_tui.model.content import FlbContent
from kho_tui.model.entities.values import bytes_of, missing_entity, record_values, words
from kho_tui.model.entity import Detail, Entity
from kho_tui.model.facts import Count, Missing, Status, Unknown
from kho_tui.model.gap import Gap
from kho_tui.model.json_value import Json, hex_text
from kho_tui.model.path import EntityPath
from kho_tui.model.told import require_whole, told
from kho_tui.text import NO_TEXT, SafeText, plural, visible

if TYPE_CHECKING:
    from kho_tui.model.plain import PlainFlb, PlainFlbPage


@dataclass(frozen=True, eq=False)
class Flb:
    """An entry of the FLB page. ``content`` of its data is Unknown where nobody declares what the driver stores there."""

    path: EntityPath
    record: Record
    content: FlbContent | Missing

    @property
    def name(self) -> bytes:
        """By which a driver asks for its data."""
        return self.record.text("name")

    @property
    def data(self) -> int:
        """What the driver stored."""
        return self.record.integer("data")

    @property
    def count(self) -> int:
        """Files that depend on it."""
        return self.record.integer("count")

    @property
    def is_opaque(self) -> bool:
        """Whether nobody knows what its data are."""
        return isinstance(self.content, Unknown)

    def claims(self, collector: ClaimCollector) -> None:
        """What its data are known to own."""
        if not isinstance(self.content, Missing):
            self.content.claims(collector)

    def gaps(self) -> Iterator[Gap]:
        """What of its data was not read."""
        if not isinstance(self.content, Missing):
            yield from self.content.gaps()
        elif not self.is_opaque:
            yield Gap("content", self.path, self.content.status, self.content.reason)

    def json(self) -> Mapping[str, Json]:
        """Its object, with that of its data where they are declared."""
        shown: dict[str, Json] = {"name": visible(self.name), "data": hex_text(self.data), "count": self.count}
        if not isinstance(self.content, Missing):
            shown["content"] = self.content.json(rows=False)
        elif not self.is_opaque:
            shown |= {"content": None, "reason": self.content.reason}
        return shown

    def plain(self) -> PlainFlb:
        """Its values."""
        from kho_tui.model.plain import PlainFlb

        content = None if self.is_opaque else told(self.content, self.path).plain()
        return PlainFlb(self.name, self.data, self.count, content)

    def entity(self, platform: Platform) -> Entity:
        """The entry with what is known of its data."""
        content = None if isinstance(self.content, Missing) else self.content
        status, reason = (
            (Status.DECODED, NO_TEXT)
            if self.is_opaque
            else (self.content.status, self.content.reason)
            if isinstance(self.content, Missing)
            else self.content.standing()
        )
        said = f"data {self.data:#x}, {plural(self.count, 'file')}"
        entity = Entity(
            path=self.path,
            kind="FLB",
            title=visible(self.name),
            status=status,
            summary=SafeText(said if content is None else f"{said}: {content.summary()}"),
            reason=reason,
            address=self.record.place.phys,
            size=len(self.record.data),
            detail=lambda: Detail(
                (*record_values(self.record), *(() if content is None else content.values())),
                (bytes_of(self.record), *(() if content is None else content.blobs())),
            ),
        )
        return entity if content is None or not content.has_children else replace(entity, children=lambda: content.children(platform))


@dataclass(frozen=True, eq=False)
class FlbList:
    """The FLB page: its header (None in 6.19, which has no FLBs) and the entries in use."""

    header: Record | None
    flbs: tuple[Flb, ...]
    status: Status
    reason: SafeText
    count: Count

    def json(self) -> Sequence[Json]:
        """Each of them."""
        return [flb.json() for flb in self.flbs]

    def plain(self, at: int, where: EntityPath) -> PlainFlbPage:
        """Their values; ``at`` is where the page lies."""
        from kho_tui.model.plain import PlainFlbPage

        require_whole(self.status, self.reason, where)
        assert self.header is not None  # there is a page
        return PlainFlbPage(at, self.header.integer("pgcnt"), tuple(flb.plain() for flb in self.flbs))


def flbs_entity(flbs: FlbList | Missing, path: EntityPath, platform: Platform) -> Entity:
    """The page with its entries."""
    if isinstance(flbs, Missing):
        return missing_entity(path, "FLBs", flbs)
    header = flbs.header

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
    return replace(entity, children=lambda: [flb.entity(platform) for flb in flbs.flbs]) if flbs.flbs else entity
