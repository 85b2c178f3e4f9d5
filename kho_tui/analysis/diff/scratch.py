"""The scratch tables of two states: areas by kind and node, not by their number in the table."""

from __future__ import annotations

from collections.abc import Iterator

from kho_tui.analysis.diff.node import Node, kind_of
from kho_tui.layout.struct import Unit
from kho_tui.model.change import ChangeKind, FieldChange
from kho_tui.model.entity import Entity
from kho_tui.model.facts import Missing
from kho_tui.model.state import Scratch, ScratchArea
from kho_tui.text import NO_TEXT


def keyed_areas(scratch: Scratch, *, by_number: bool) -> dict[tuple[str, int], tuple[int, ScratchArea]]:
    """The areas with their numbers in the table, by kind and node; ``by_number``: node areas by their number among these."""
    found: dict[tuple[str, int], tuple[int, ScratchArea]] = {}
    nodes = 0
    for number, area in enumerate(scratch.areas):
        within = 0
        if area.kind == "node":
            within = nodes if by_number or area.node is None else area.node
            nodes += 1
        while (area.kind, within) in found:
            within += 1
        found[area.kind, within] = (number, area)
    return found


def paired_areas(old: Scratch, new: Scratch) -> Iterator[tuple[int | None, int | None]]:
    """The numbers of areas that belong together, None where a table has none such."""
    # Which node an area is of is told by other files of the capture; where one of the two cannot tell, the order of nodes does.
    by_number = any(area.kind == "node" and area.node is None for scratch in (old, new) for area in scratch.areas)
    before, after = (keyed_areas(scratch, by_number=by_number) for scratch in (old, new))
    for key in [*before, *(key for key in after if key not in before)]:
        one, other = before.get(key), after.get(key)
        yield (None if one is None else one[0], None if other is None else other[0])


def comparable_areas(old: Scratch, new: Scratch) -> Iterator[tuple[int | None, int | None]]:
    """As ``paired_areas``, without the areas that the other table may have where it is not known."""
    for one, other in paired_areas(old, new):
        if (one is not None or not old.lacks_some) and (other is not None or not new.lacks_some):
            yield one, other


def area_fields(one: ScratchArea, other: ScratchArea) -> list[FieldChange]:
    """Start and size where they differ."""
    pairs = (("addr", Unit.PHYS, one.start, other.start), ("size", Unit.BYTES, one.size, other.size))
    return [FieldChange(name, unit, was, now) for name, unit, was, now in pairs if was != now]


def compare_scratch(old: Scratch | Missing, new: Scratch | Missing, entities: tuple[Entity, Entity]) -> list[Node]:
    """Areas that differ; ``entities``: the tables' own in A and in B."""
    if isinstance(old, Missing) or isinstance(new, Missing):
        return []
    before, after = (entity.children() for entity in entities)
    nodes = []
    for one, other in comparable_areas(old, new):
        if one is None or other is None:
            kind = ChangeKind.REMOVED if other is None else ChangeKind.ADDED
            nodes.append(
                Node(kind=kind, old=None if one is None else before[one], new=None if other is None else after[other], note=NO_TEXT)
            )
            continue
        fields = area_fields(old.areas[one], new.areas[other])
        if fields:
            nodes.append(Node(kind=kind_of(fields), old=before[one], new=after[other], fields=fields))
    return nodes
