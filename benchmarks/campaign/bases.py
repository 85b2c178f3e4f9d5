"""The states that a campaign alters."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from verdicts import SHARED, Verdict, scenario_stage

from campaign.sites import Site, sites
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.model.facts import Missing
from kho_tui.model.intervals import Intervals, intervals
from kho_tui.model.sessions import Session, SessionList
from kho_tui.model.state import State
from kho_tui.operations.open_state import Opened
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.memblock.content import Memblock

_PAGE = 4096
_MIB = 1 << 20
_KERNELS = {
    "encoded/enc-v1": ("6.19",),
    "encoded/enc-v3": ("7.1",),
    "encoded/enc-v4": ("7.3", "7.3-server"),
    "x86_64-6.18/1-pre": ("6.18",),
    "x86_64-6.18/2-pre": ("6.18",),
    "x86_64-6.19/1-pre": ("6.19",),
    "x86_64-7.1/1-pre": ("7.1",),
    "x86_64-7.3/1-pre": ("7.3", "7.3-server"),
    "x86_64-7.3/2-pre": ("7.3", "7.3-server"),
    "scenario/story-6.18": ("6.18",),
    "scenario/story-6.19": ("6.19",),
    "scenario/story-7.1": ("7.1",),
    "scenario/story-7.3": ("7.3", "7.3-server"),
}
BASES: Sequence[str] = tuple(_KERNELS)


@dataclass(frozen=True, eq=False)
class Base:
    """An unaltered state. ``path`` is what opens it, ``words`` the state's own part of the command line."""

    name: str
    opened: Opened

    @property
    def kernels(self) -> tuple[str, ...]:
        """Those of its own release."""
        return _KERNELS[self.name]

    @property
    def path(self) -> Path:
        """Where it lies."""
        if self.name.startswith("scenario/"):
            return scenario_stage(self.name)
        return SHARED / "verdicts" / f"{self.name}.tar.xz" if self.name.startswith("encoded/") else SHARED / "captures" / self.name

    @property
    def memory(self) -> PhysicalMemory:
        """Its memory."""
        assert self.opened.memory is not None
        return self.opened.memory

    @cached_property
    def by_kind(self) -> dict[str, list[Site]]:
        """Its fields by kind."""
        found: dict[str, list[Site]] = {}
        for site in sites(self.opened):
            found.setdefault(site.kind, []).append(site)
        return found

    @cached_property
    def words(self) -> tuple[str, ...]:
        """``reserve_mem=`` of each region that it has."""
        known = self.opened.state.registry.releases
        cmdline, release = self.opened.sources.cmdline, known.of(self.opened.state.machine.release)
        aligns = (
            {}
            if isinstance(cmdline, Missing) or release is None
            else {own.name: own.align for own in cmdline.options(release, known).regions}
        )
        return tuple(
            f"reserve_mem={region.size}:{aligns.get(region.name) or _PAGE}:{region.name.decode()}"
            for subtree in self.opened.state.sides["out"].handed_over
            for region in (subtree.content.regions if isinstance(subtree.content, Memblock) else ())
        )

    @cached_property
    def _kept(self) -> Intervals:
        preserved = self.opened.state.sides["out"].preserved
        assert not isinstance(preserved, Missing)
        return intervals(preserved.runs.start, preserved.runs.ends)

    @cached_property
    def _scratch(self) -> Intervals:
        scratch = self.opened.state.scratch
        assert not isinstance(scratch, Missing)
        return intervals([area.start for area in scratch.areas], [area.start + area.size for area in scratch.areas])

    @cached_property
    def _free(self) -> Intervals:
        """Memory that nobody keeps and that is in no capture, between the first MiB and what the firmware uses."""
        extents = self.memory.extents()
        captured = intervals([extent.start for extent in extents], [extent.start + extent.size for extent in extents])
        return intervals([_MIB], [self._top - 32 * _MIB]) - self._kept - self._scratch - captured

    @cached_property
    def _top(self) -> int:
        ram = self.opened.state.host.ram
        assert not isinstance(ram, Missing)
        return max(area.start + area.size for area in ram)

    def page(self, where: str, rng: random.Random) -> tuple[int, bytes | None]:
        """A page of memory that is free, preserved, reserved by the firmware, scratch or not there; with what is put into it."""
        match where:
            case "free":
                return _page_of(self._free, rng), rng.choice((bytes(_PAGE), rng.randbytes(_PAGE)))
            case "preserved":
                return _page_of(self._kept, rng), None
            case "scratch":
                return _page_of(self._scratch, rng), None
            case "reserved":
                return rng.choice((0xA0000, 0xF0000, 0xB0000000, 0xFED1C000)), None
        return rng.choice((self._top + (1 << 30), 1 << 40, (1 << 46) - _PAGE, 0xDEAD000)) // _PAGE * _PAGE, None


def _page_of(ranges: Intervals, rng: random.Random) -> int:
    row = rng.randrange(len(ranges))
    start, end = int(ranges.start[row]), int(ranges.end[row])
    return start + rng.randrange(max((end - start) // _PAGE, 1)) * _PAGE


@cache
def base_named(name: str) -> Base:
    """The state of this name, opened once."""
    return Base(name, Verdict(name, name, _KERNELS[name][0], "", (), "", None, {}).open())


def listed_sessions(state: State) -> tuple[Session, ...]:
    """The sessions of the outgoing side, as far as they can be read."""
    for subtree in state.sides["out"].handed_over if "out" in state.sides else ():
        if isinstance(subtree.content, Luo) and isinstance(subtree.content.sessions, SessionList):
            return subtree.content.sessions.sessions
    return ()
