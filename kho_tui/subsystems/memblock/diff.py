"""The regions of ``reserve_mem=`` in two states, and what became of them in the next kernel (mm/memblock.c)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property

from kho_tui.analysis.diff.ends import kept, made, unspoken
from kho_tui.analysis.diff.facet import Contents, Diffing
from kho_tui.analysis.diff.log import Failure
from kho_tui.analysis.diff.subtree_fates import BYTES_ALTERED
from kho_tui.analysis.diff.teller import Teller, differing
from kho_tui.analysis.diff.values import compare_values
from kho_tui.layout.struct import Unit
from kho_tui.model.change import EntityFate, Fate, FieldChange
from kho_tui.model.entities.values import property_values
from kho_tui.model.entity import Entity
from kho_tui.model.facts import Status
from kho_tui.model.path import EntityPath
from kho_tui.model.state import Side, Subtree
from kho_tui.subsystems.memblock.content import Memblock, MemblockRegion
from kho_tui.text import SafeText, visible

_KIND = "reserve_mem"
_ALTERED = SafeText("altered in memblock's FDT")
_GONE = SafeText("not in memblock's FDT any more")


class MemblockTeller(Teller):
    """By the FDT that named a region, by what the log says, and by where the next kernel has it now."""

    @cached_property
    def _regions(self) -> Mapping[EntityPath, MemblockRegion]:
        content = self.subtree.content
        return {region.path: region for region in content.regions} if isinstance(content, Memblock) else {}

    @cached_property
    def _after(self) -> Mapping[bytes, MemblockRegion] | None:
        """The regions in the FDT that the next kernel was given; None where that is not told."""
        return _regions_of(self.ends.after.side)

    @cached_property
    def _onward(self) -> Mapping[bytes, MemblockRegion] | None:
        """The regions that the next kernel hands on; None where that is not told."""
        return None if self.ends.onward is None else _regions_of(self.ends.onward.side)

    @cached_property
    def _revived(self) -> Mapping[bytes, SafeText]:
        return self.ends.log.by_subject("revived")

    @cached_property
    def _not_found(self) -> Mapping[bytes, SafeText]:
        """Regions that were asked for and are not in the FDT."""
        return self.ends.log.by_subject("region-not-found")

    def failures(self) -> Iterable[Failure]:
        """That a region was not taken."""
        return self.ends.log.failures_of("region")

    def failures_of(self, entity: Entity) -> Iterable[Failure]:
        """By the name of a region."""
        region = self._regions.get(entity.path)
        return () if region is None else self.ends.log.failures_of("region", region.name)

    def fate(self, entity: Entity) -> EntityFate | None:
        """Of a region; None for one that is none of A's."""
        if entity.kind != _KIND:
            return unspoken(entity)
        region = self._regions.get(entity.path)
        return None if region is None else self._region_fate(entity, region)

    def _region_fate(self, entity: Entity, region: MemblockRegion) -> EntityFate:
        if region.name in self._not_found:
            return made(Fate.LOST, entity, self._not_found[region.name])
        other = self.ends.counterparts.get(self.subtree.name)
        if other is None or self._after is None:
            followed = self._by_what_followed(entity, region, None if other is None else other.path)
            if followed is not None:
                return followed
            if other is None:
                return made(Fate.UNTOLD, entity, "B does not tell its subtree")
            damaged = other.status is Status.DAMAGED
            return made(Fate.LOST if damaged else Fate.UNTOLD, entity, other.reason or "B does not tell it", other.path)
        same = self._after.get(region.name)
        if same is None:
            return made(Fate.LOST, entity, _GONE, other.path)
        fields, _ = compare_values(property_values(region.values), property_values(same.values))
        if fields:
            return made(Fate.LOST, entity, _ALTERED, same.path, fields)
        followed = self._by_what_followed(entity, region, same.path)
        if followed is not None:
            return followed
        if self._onward is not None:
            # A region that no reserve_mem= names again (mm/memblock.c).
            asked = "the next kernel's command line does not ask for it: it stays reserved, and out of reach"
            return made(Fate.MAY, entity, asked, same.path)
        # The receiver looks for the regions of its own command line only.
        return made(Fate.UNTOLD, entity, "whether it was revived stands neither in the log nor in B's outgoing side")

    def _by_what_followed(self, entity: Entity, region: MemblockRegion, path: EntityPath | None) -> EntityFate | None:
        """By what the next kernel said and did with it, whatever became of the FDT that named it. None: nothing is known of that."""
        if region.name in self._revived:
            return kept(entity, self._revived[region.name], path)
        again = (self._onward or {}).get(region.name)
        if again is None:
            return None
        if (again.start, again.size) == (region.start, region.size):
            return kept(entity, "the next kernel hands it on where it lies", again.path)
        fields, _ = compare_values(property_values(region.values), property_values(again.values))
        return made(Fate.LOST, entity, "not revived: the next kernel has it elsewhere", again.path, fields)

    def settled(self, fates: Iterable[EntityFate]) -> Iterator[EntityFate]:
        """That the FDT differs is no loss of its own where a region in it does."""
        fates = tuple(fates)
        lost = (fate for fate in fates if fate.path in self._regions and fate.fate is Fate.LOST)
        regions = [fate.title for fate in lost if fate.reason in (_ALTERED, _GONE)]
        for fate in fates:
            if regions and fate.path == self.subtree.path and fate.reason == BYTES_ALTERED and not fate.fields:
                yield replace(fate, fate=Fate.MUST, reason=SafeText(f"its bytes differ, as they must with {', '.join(regions)}"))
            else:
                yield fate

    def follows(self) -> bool:
        """A kernel registers it where it revived a region."""
        return any(region.name in self._revived for region in self._regions.values())

    def followed(self, other: Subtree, *, must: bool) -> Iterator[EntityFate]:
        """Region by region: each where it lies."""
        if isinstance(self.subtree.content, Memblock) and isinstance(other.content, Memblock):
            after = _by_name(other.content)
            for region in self._regions.values():
                yield from self._region_followed(region, after.get(region.name))
        else:
            yield from super().followed(other, must=must)

    def _region_followed(self, region: MemblockRegion, again: MemblockRegion | None) -> Iterator[EntityFate]:
        if again is None and region.name not in self._revived:
            return
        fields: list[FieldChange] = []
        fate, reason = Fate.LOST, "not handed on, though the next kernel revived it"
        if again is not None:
            fields = differing(
                FieldChange("start", Unit.PHYS, region.start, again.start), FieldChange("size", Unit.BYTES, region.size, again.size)
            )
            fate, reason = (Fate.LOST, "handed on elsewhere") if fields else (Fate.MUST, "handed on where it lies")
        yield EntityFate(
            fate=fate,
            entity=_KIND,
            path=region.path,
            other=None if again is None else again.path,
            title=visible(region.name),
            reason=SafeText(reason),
            fields=tuple(fields),
        )


def _regions_of(side: Side) -> Mapping[bytes, MemblockRegion] | None:
    """The regions of a side by name; None where there is no such subtree to be read."""
    return next((_by_name(subtree.content) for subtree in side.subtrees if isinstance(subtree.content, Memblock)), None)


def _by_name(memblock: Memblock) -> Mapping[bytes, MemblockRegion]:
    """The first region of each name."""
    return {region.name: region for region in reversed(memblock.regions)}


def _holds(memblock: Memblock) -> Mapping[EntityPath, Contents]:
    return {
        region.path: Contents((region.start, region.size), "memory", telling=True)
        for region in memblock.regions
        if isinstance(region.start, int) and isinstance(region.size, int)
    }


DIFFING = Diffing(teller=MemblockTeller, holds=_holds)
