"""What became of the regions of ``reserve_mem=``."""

from __future__ import annotations

from kho_tui.analysis.diff.ends import Ends, as_expected, kept, made
from kho_tui.analysis.diff.expected import NOT_ASKED_FOR
from kho_tui.analysis.diff.values import compare_values
from kho_tui.model.change import EntityFate, Fate
from kho_tui.model.contents.memblock import MemblockRegion
from kho_tui.model.entities.values import property_values
from kho_tui.model.entity import Entity
from kho_tui.model.facts import Status
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText

ALTERED = SafeText("altered in memblock's FDT")
GONE = SafeText("not in memblock's FDT any more")


def region_fate(entity: Entity, ends: Ends) -> EntityFate | None:
    """By the FDT that named it, by what the log says, and by where the next kernel has it now. None for no region of A's."""
    subtree = ends.before.subtrees.get(entity.path.parent)
    region = ends.regions.get(entity.path)
    if subtree is None or region is None:
        return None
    other = ends.counterparts.get(subtree.name)
    if region.name in ends.log.not_found:
        return made(Fate.LOST, entity, ends.log.not_found[region.name])
    if other is None or ends.regions_after is None:
        told = _by_what_followed(entity, region, ends, None if other is None else other.path)
        if told is not None:
            return told
        if other is None:
            return made(Fate.UNTOLD, entity, "B does not tell its subtree")
        damaged = other.status is Status.DAMAGED
        return made(Fate.LOST if damaged else Fate.UNTOLD, entity, other.reason or "B does not tell it", other.path)
    same = ends.regions_after.get(region.name)
    if same is None:
        return made(Fate.LOST, entity, GONE, other.path)
    fields, _ = compare_values(property_values(region.values), property_values(same.values))
    if fields:
        return made(Fate.LOST, entity, ALTERED, same.path, fields)
    told = _by_what_followed(entity, region, ends, same.path)
    if told is not None:
        return told
    if ends.regions_onward is not None:
        return made(Fate.MAY, entity, NOT_ASKED_FOR, same.path)
    return as_expected(entity, ends)


def _by_what_followed(entity: Entity, region: MemblockRegion, ends: Ends, path: EntityPath | None) -> EntityFate | None:
    """By what the next kernel said and did with it, whatever became of the FDT that named it. None: nothing is known of that."""
    if region.name in ends.log.revived:
        return kept(entity, ends.log.revived[region.name], path)
    again = (ends.regions_onward or {}).get(region.name)
    if again is None:
        return None
    if (again.start, again.size) == (region.start, region.size):
        return kept(entity, "the next kernel hands it on where it lies", again.path)
    fields, _ = compare_values(property_values(region.values), property_values(again.values))
    return made(Fate.LOST, entity, "not revived: the next kernel has it elsewhere", again.path, fields)
