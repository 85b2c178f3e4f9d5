"""memblock: the regions of ``reserve_mem=`` that it handed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kho_tui.abi.memblock import RESERVE_MEM_COMPATIBLE
from kho_tui.errors import InputError
from kho_tui.layout.place import Blob
from kho_tui.layout.platform import Platform
from kho_tui.layout.struct import FieldValue
from kho_tui.model.claims import ClaimCollector
from kho_tui.model.content import WHOLE, Standing, SubtreeContent
from kho_tui.model.entities.values import cut_entity, property_values
from kho_tui.model.entity import Detail, Entity, Value
from kho_tui.model.facts import Count, Fact, Missing, Status, known
from kho_tui.model.gap import PART, Gap
from kho_tui.model.json_value import Json, address_text
from kho_tui.model.kinds import KIND_RESERVE_MEM
from kho_tui.model.path import EntityPath
from kho_tui.model.told import told
from kho_tui.model.vmalloc import DescribedArea
from kho_tui.text import NO_TEXT, SafeText, c_string, human_size, visible

if TYPE_CHECKING:
    from kho_tui.subsystems.memblock.plain import PlainMemblock, Region


@dataclass(frozen=True, slots=True)
class MemblockRegion:
    """One ``reserve_mem=`` region. ``start`` physical, ``size`` in bytes."""

    path: EntityPath
    name: bytes
    start: Fact[int]
    size: Fact[int]
    values: tuple[FieldValue, ...]

    def entity(self, blob: Blob) -> Entity:
        """The region; ``blob`` is the FDT that it stands in."""
        start, size = known(self.start), known(self.size)
        missing = next((fact for fact in (self.start, self.size) if isinstance(fact, Missing)), None)
        return Entity(
            path=self.path,
            kind="reserve_mem",
            title=visible(self.name),
            status=Status.DECODED if missing is None else missing.status,
            summary=SafeText(f"{human_size(size or 0)} at {start:#x}") if missing is None else NO_TEXT,
            reason=NO_TEXT if missing is None else missing.reason,
            address=start,
            size=size or 0,
            detail=lambda: Detail(property_values(self.values), (blob,)),
        )

    def plain(self) -> Region:
        """Its values. Raises InputError where it is of another version, or not told whole."""
        from kho_tui.subsystems.memblock.plain import Region

        versions = [c_string(value.raw) for value in self.values if value.field.name == "compatible" and value.cut_from is None]
        if versions != [RESERVE_MEM_COMPATIBLE]:
            raise InputError(f"{self.path}: its compatible is not {visible(RESERVE_MEM_COMPATIBLE)}")
        return Region(self.name, told(self.start, self.path), told(self.size, self.path))


@dataclass(frozen=True, kw_only=True)
class Memblock(SubtreeContent):
    """The regions that memblock handed over, in the order of the FDT.

    ``properties`` of the root node. ``whole``: False where its FDT could be read in part only. ``cut_region``: what the name of one more
    begins with, inside which it ends.
    """

    path: EntityPath
    blob: Blob
    properties: tuple[FieldValue, ...]
    regions: tuple[MemblockRegion, ...]
    whole: bool
    cut_region: bytes | None

    @property
    def count(self) -> Count:
        """Regions that could be read, of how many."""
        known_of = len(self.regions) + (self.cut_region is not None)
        return Count(known_of, known_of if self.whole else None)

    def region_sizes(self) -> Sequence[tuple[bytes, Fact[int]]]:
        """Of those that could be read."""
        return [(region.name, region.size) for region in self.regions]

    def summary(self) -> str:
        """How many regions."""
        return self.count.words("region")

    def standing(self) -> Standing:
        """A region that is damaged says so itself."""
        return WHOLE

    def values(self) -> tuple[Value, ...]:
        """The properties of the root node."""
        return property_values(self.properties)

    def blobs(self) -> tuple[Blob, ...]:
        """None but its own."""
        return ()

    @property
    def has_children(self) -> bool:
        """Whether there are regions."""
        return bool(self.regions) or self.cut_region is not None

    def children(self, platform: Platform) -> Sequence[Entity]:
        """The regions."""
        regions = [region.entity(self.blob) for region in self.regions]
        return regions if self.cut_region is None else [*regions, cut_entity("region", self.cut_region, self.path)]

    def claims(self, collector: ClaimCollector) -> None:
        """The regions."""
        for region in self.regions:
            if isinstance(region.start, int) and isinstance(region.size, int):
                collector.span(KIND_RESERVE_MEM, region.path, region.start, region.size)

    def gaps(self) -> Iterator[Gap]:
        """Regions, or one of the two numbers of a region."""
        if not self.count.whole:
            yield Gap("regions", self.path, Status.PARTIAL, PART, self.count)
        for region in self.regions:
            for fact in (region.start, region.size):
                if isinstance(fact, Missing):
                    yield Gap("blob", region.path, fact.status, fact.reason)

    def opaque(self) -> Iterator[str]:
        """Nothing of it."""
        return iter(())

    def always_kept(self) -> Iterator[tuple[int, bytes]]:
        """The first page of each region: 6.16 and 6.17 refuse one that is not page aligned, later kernels keep whole pages only."""
        return ((region.start, b"region " + region.name) for region in self.regions if not isinstance(region.start, Missing))

    def counted(self) -> tuple[str, int] | None:
        """Nothing."""
        return None

    def written_by(self) -> bytes | None:
        """It does not say."""
        return None

    def areas(self) -> Iterator[DescribedArea | Missing]:
        """None."""
        return iter(())

    def json(self, *, rows: bool) -> Mapping[str, Json]:
        """The regions."""
        regions = [{"name": visible(r.name), "start": address_text(r.start), "size": known(r.size)} for r in self.regions]
        return {"regions_count": self.count.of, "regions": regions}

    def plain(self) -> PlainMemblock:
        """The regions."""
        from kho_tui.subsystems.memblock.plain import PlainMemblock

        return PlainMemblock(tuple(region.plain() for region in self.regions))
