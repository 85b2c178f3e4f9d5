"""What the map is made of: its lanes, and what ``]`` steps through in them. Knows no screen and no glyphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kho_tui.analysis.memory_map import MemoryMap, Regions
from kho_tui.memory.physical import ADDRESS_END
from kho_tui.model.facts import Missing, Unavailable
from kho_tui.model.intervals import Intervals
from kho_tui.model.kinds import (
    KIND_FOLIO,
    KIND_KERNEL,
    KIND_NODE,
    KIND_PRESERVED,
    KIND_RAM,
    KIND_RESERVE_MEM,
    KIND_SCRATCH,
    KIND_TEST_FOLIO,
    KIND_TRACKER,
    Kind,
)
from kho_tui.model.path import EntityPath
from kho_tui.text import NO_TEXT, SafeText
from kho_tui.views.tui.lines import Role
from kho_tui.views.tui.map_axis import Axis

Shares = npt.NDArray[np.float64]

_KIND_ROLE = {KIND_FOLIO: Role.STRING, KIND_RESERVE_MEM: Role.ADDRESS, KIND_TEST_FOLIO: Role.UNKNOWN}
OWNERS = "owners"
_NODES = "node"


def kind_role(kind: Kind) -> Role:
    """The role of an owner kind's letter: contents stand out of what only tells where they are."""
    return _KIND_ROLE.get(kind, Role.NAME)


class Drawing(Enum):
    """How a lane is drawn: regions with their names, a shade for each share, or the letter of the densest kind."""

    NAMES = auto()
    SHADES = auto()
    LETTERS = auto()


@dataclass(frozen=True, eq=False, kw_only=True)
class Stop:
    """A lane, or a kind in one: what ``]`` goes to the next of.

    ``memory`` is where its kinds are looked up; ``within`` names the lane that it is drawn in where there is no room for one of its own.
    """

    name: str
    kinds: tuple[Kind, ...]
    memory: MemoryMap
    drawing: Drawing
    role: Role
    within: str = ""

    def shares(self, axis: Axis) -> Shares:
        """Share of each cell of the axis that is of it, 0..1, shape (axis.width,)."""
        return np.minimum(sum((cell_shares(self.memory, kind, axis) for kind in self.kinds), np.zeros(axis.width)), 1.0)

    def share(self, low: int, high: int) -> float:
        """Share of [low, high) that is of it, 0..1."""
        return min(sum(float(self.memory.density(kind, low, high, 1)[0]) for kind in self.kinds), 1.0)

    def following(self, address: int, step: int) -> int | None:
        """Start of the next (1) or previous (-1) stretch."""
        found = [at for kind in self.kinds if (at := self.memory.following(kind, address, step)) is not None]
        return (min if step > 0 else max)(found, default=None)

    def first_in(self, low: int, high: int) -> int | None:
        """The first address of [low, high) that is of it."""
        if self.share(low, low + 1) > 0:
            return low
        found = self.following(low, 1)
        return found if found is not None and found < high else None


def cell_shares(memory: MemoryMap, kind: Kind, axis: Axis) -> Shares:
    """Share of each cell of the axis that is of a kind, 0..1, shape (axis.width,); of cells beyond the last address 0."""
    whole = min(axis.width, (ADDRESS_END - 1 - axis.low) // axis.cell)
    shares = np.zeros(axis.width)
    if whole:
        shares[:whole] = memory.density(kind, axis.low, axis.low + whole * axis.cell, whole)
    if whole < axis.width:
        last = axis.low + whole * axis.cell
        shares[whole] = memory.density(kind, last, ADDRESS_END - 1, 1)[0] if last < ADDRESS_END - 1 else 0.0
    return shares


@dataclass(frozen=True, eq=False)
class Chart:
    """A memory map ready to be drawn. ``names``: what scratch areas are called."""

    memory: MemoryMap
    stops: tuple[Stop, ...]
    names: Mapping[EntityPath, SafeText]

    @cached_property
    def lanes(self) -> tuple[int, ...]:
        """The stops that always have a lane."""
        return tuple(i for i, stop in enumerate(self.stops) if not stop.within)

    @cached_property
    def owners(self) -> npt.NDArray[np.int64]:
        """For each claim of the map the first one of the same kind and path: what is one thing to its owner may be many claims."""
        first: dict[tuple[Kind, EntityPath], int] = {}
        return np.array([first.setdefault((claim.kind, claim.path), index) for index, claim in enumerate(self.memory.claims)], np.int64)

    def lane_of(self, stop: int) -> int:
        """The lane that a stop is drawn in where only lanes are."""
        within = self.stops[stop].within
        return self.index(within) if within else stop

    def index(self, name: str) -> int:
        """The stop of that name, the first one where there is none."""
        return next((i for i, stop in enumerate(self.stops) if stop.name == name), 0)

    def name(self, path: EntityPath) -> SafeText:
        """The last part of a path as people call it."""
        return self.names.get(path) or SafeText(path.parts[-1] if path.parts else "")


def make_chart(memory: MemoryMap, names: Mapping[EntityPath, SafeText]) -> Chart:
    """Lanes of what there is. Slow on a large map, so that drawing is quick."""
    there = [kind for kind in memory.kinds if len(memory.unions.get(kind, ()))]

    def lane(name: str, kinds: tuple[Kind, ...], drawing: Drawing, role: Role, within: str = "") -> list[Stop]:
        present = tuple(kind for kind in kinds if kind in there)
        return [Stop(name=name, kinds=present, memory=memory, drawing=drawing, role=role, within=within)] if present else []

    owners = tuple(sorted((kind for kind in there if kind.is_owner), key=lambda kind: not kind.contents))
    place = lane(_NODES, (KIND_NODE,), Drawing.NAMES, Role.DIM) or lane("ram", (KIND_RAM,), Drawing.NAMES, Role.DIM)
    stops = [
        *place,
        *(lane("kernel", (KIND_KERNEL,), Drawing.SHADES, Role.NAME, place[0].name) if place else ()),
        *lane("scratch", (KIND_SCRATCH,), Drawing.NAMES, Role.NAME),
        *lane("preserved", (KIND_PRESERVED,), Drawing.SHADES, Role.KEY),
        *lane("tracker", (KIND_TRACKER,), Drawing.SHADES, Role.NAME),
        *lane(OWNERS, owners, Drawing.LETTERS, Role.TEXT),
        *(one for kind in owners for one in lane(kind.name, (kind,), Drawing.SHADES, kind_role(kind), OWNERS)),
    ]
    if not isinstance(memory.sums, Missing):
        stops += _alone("unowned", memory.sums.unowned, memory, Role.WARN)
        stops += _alone("lost", memory.sums.lost, memory, Role.BAD)
    # Whatever the map computes when it is first asked: here, and not on the way to the screen.
    for regions in memory.layers.values():
        regions.within(0, 1)
    if not isinstance(memory.preserved, Missing):
        memory.preserved.runs.block_at(0)
        memory.preserved.runs.expand(0, 1)
    return Chart(memory, tuple(stops), names)


def subject_range(chart: Chart, path: EntityPath) -> tuple[int, int, str] | None:
    """The memory of an entity and all below it: first address, the one behind the last, and what to choose.

    Of what has contents these count, not the structs that lead to them. None where it has no memory of its own.
    """
    if path.parts[1:] == ("preserved",):
        kept = chart.memory.unions.get(KIND_PRESERVED)
        return (int(kept.start[0]), int(kept.end[-1]), "preserved") if kept is not None and len(kept) else None
    below = [
        claim for claim in chart.memory.claims if claim.path.parts[: len(path.parts)] == path.parts and (claim.end > claim.start).any()
    ]
    meant = [claim for claim in below if claim.kind.contents] or below
    if not meant:
        return None
    kinds = {claim.kind for claim in meant}
    low = min(int(claim.start[claim.end > claim.start].min()) for claim in meant)
    high = max(int(claim.end.max()) for claim in meant)
    return low, high, next(iter(kinds)).name if len(kinds) == 1 else OWNERS


def _alone(name: str, some: Intervals, memory: MemoryMap, role: Role) -> list[Stop]:
    """A lane for intervals that are of no kind: a map in which they are all there is."""
    if not len(some):
        return []
    nobody = np.zeros(len(some), np.uint32)
    only = {KIND_PRESERVED: Regions(some.start, some.end, nobody, nobody.astype(np.int64))}
    nothing = Unavailable(NO_TEXT)
    alone = MemoryMap(side=memory.side, page_size=memory.page_size, claims=(), layers=only, preserved=nothing, sums=nothing)
    return [Stop(name=name, kinds=(KIND_PRESERVED,), memory=alone, drawing=Drawing.SHADES, role=role)]
