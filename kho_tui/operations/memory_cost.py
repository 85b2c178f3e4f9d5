"""What KHO costs a machine: scratch, preserved memory, and the pages that KHO needs for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kho_tui.analysis.memory_map import Bound
from kho_tui.model.facts import Fact, Missing, Status, Unavailable
from kho_tui.model.host import MemoryRange
from kho_tui.model.kinds import KIND_FOLIO, KIND_RESERVE_MEM, KIND_TEST_FOLIO, KIND_TRACKER, Kind, Lane
from kho_tui.model.state import ScratchArea
from kho_tui.operations.map_state import Mapped
from kho_tui.text import NO_TEXT, SafeText

COUNTERS = ("MemTotal", "MemFree", "MemAvailable", "CmaFree", "CmaTotal")
CONTENT = (KIND_RESERVE_MEM, KIND_FOLIO, KIND_TEST_FOLIO)
"""Kinds that are kept for somebody else's sake; the other owners are what KHO and LUO need to describe them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryCost:
    """Bytes, each a fact or why it is not known.

    ``scratch_free`` are the free CMA bytes of all nodes; ``free_is_scratch_only``: no other CMA area exists, so that all of them lie in
    scratch. ``metadata`` and ``content`` by kind, addresses of a kind counted once. Together they are ``preserved``: with ``unowned``
    (``unowned_reason``), less what two kinds claim (``shared``, that part of ``overlap`` between kinds), less what is not preserved and
    must be (``lost``), with what overlapping blocks count twice (``twice``). ``bound`` says why ``preserved`` is a lower bound,
    ``owners_bound`` why ``metadata`` and ``content`` are, ``ram_bound`` why ``ram`` is; empty where they are not. ``bounds``: what is known
    of the sums of preserved, unowned, overlapping and lost memory. ``by_kho``: an incoming
    side, or the kernel log, shows that this boot was a KHO boot. ``scratch_parameter``: the word of the command line that sizes scratch.
    """

    side: str
    ram: Fact[int]
    ram_bound: SafeText
    nodes: tuple[MemoryRange, ...]
    areas: Fact[tuple[ScratchArea, ...]]
    areas_bound: SafeText
    scratch_free: Fact[int]
    free_is_scratch_only: bool
    blocks: Fact[int]
    preserved: Fact[int]
    tracker: Fact[int]
    metadata: Mapping[Kind, int]
    content: Mapping[Kind, int]
    unowned: Fact[int]
    unowned_reason: SafeText
    overlap: Fact[int]
    shared: Fact[int]
    lost: Fact[int]
    twice: Fact[int]
    bound: SafeText
    owners_bound: SafeText
    bounds: Mapping[str, Bound]
    counters: Mapping[str, Fact[int]]
    by_kho: bool
    scratch_parameter: str

    @property
    def scratch(self) -> Fact[int]:
        """Sum of the table, never MemTotal less something."""
        return self.areas if isinstance(self.areas, Missing) else sum(area.size for area in self.areas)

    @property
    def metadata_bytes(self) -> int:
        """What the structures that describe the handover take; part of the preserved memory."""
        return sum(self.metadata.values())


def memory_cost(mapped: Mapped) -> MemoryCost:
    """What is known of one side's cost."""
    state, memory = mapped.state, mapped.memory
    host, kept, scratch = state.host, memory.preserved, state.scratch
    sizes = {kind: union.bytes for kind, union in memory.unions.items() if kind.lane in (Lane.OWNER, Lane.TRACKER)}
    counters = {name: _counter(host.meminfo, name) for name in COUNTERS}
    whole = not isinstance(kept, Missing) and kept.status is Status.DECODED
    sums = memory.sums
    owners = sum(size for kind, size in sizes.items() if kind.is_owner)
    gap = memory.owner_gap
    return MemoryCost(
        side=memory.side,
        ram=host.ram if isinstance(host.ram, Missing) else sum(one.size for one in host.ram),
        ram_bound=host.iomem_bound,
        nodes=host.nodes,
        areas=scratch if isinstance(scratch, Missing) else scratch.areas,
        areas_bound=SafeText("") if isinstance(scratch, Missing) else scratch.reason,
        scratch_free=host.free_cma if isinstance(host.free_cma, Missing) else sum(host.free_cma.values()),
        free_is_scratch_only=counters["CmaTotal"] == 0,
        blocks=kept if isinstance(kept, Missing) else kept.runs.blocks,
        preserved=kept if isinstance(kept, Missing) else kept.runs.bytes,
        tracker=kept if isinstance(kept, Missing) else sizes.get(KIND_TRACKER, 0),
        metadata={kind: sizes[kind] for kind in memory.kinds if kind.is_owner and not kind.contents and kind in sizes},
        content={kind: sizes[kind] for kind in (*CONTENT, *memory.kinds) if kind.contents and kind in sizes},
        unowned=sums if isinstance(sums, Missing) else sums.unowned.bytes,
        unowned_reason=NO_TEXT if isinstance(sums, Missing) else sums.reason,
        overlap=sums if isinstance(sums, Missing) else sums.overlap,
        shared=sums if isinstance(sums, Missing) else owners - sums.owned - sums.lost.bytes,
        lost=sums if isinstance(sums, Missing) else sums.lost.bytes,
        twice=sums if isinstance(sums, Missing) else sums.preserved - sums.covered,
        bound=NO_TEXT if whole else kept.reason,
        owners_bound=gap.reason if gap is not None else kept.reason if isinstance(kept, Missing) else NO_TEXT,
        bounds={} if isinstance(sums, Missing) else sums.bounds,
        counters=counters,
        by_kho="in" in state.sides or any(line.kind == "found" for line in state.log),
        scratch_parameter=state.registry.releases.names_of(state.machine.release).kho_scratch,
    )


def _counter(meminfo: Mapping[str, int] | Missing, name: str) -> Fact[int]:
    if isinstance(meminfo, Missing):
        return meminfo
    return meminfo[name] if name in meminfo else Unavailable(SafeText("not in /proc/meminfo"))
