"""``map``, ``whois`` and ``show --memory`` with --json: addresses "0x...", sizes integers, what cannot be told is null with its reason."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from kho_tui.analysis.memory_map import Bound, Sums
from kho_tui.model.facts import Fact, Missing, known
from kho_tui.model.intervals import Intervals
from kho_tui.model.json_value import Json, Rows, hex_text
from kho_tui.model.kinds import Kind
from kho_tui.model.tracker import Reading
from kho_tui.operations.map_state import Layer, Mapped, Stretches, Whois, stretches
from kho_tui.operations.memory_cost import MemoryCost

MAP_SCHEMA = "kho-tui.map/1"
WHOIS_SCHEMA = "kho-tui.whois/1"
MEMORY_SCHEMA = "kho-tui.memory/1"
_BATCH = 512


def map_json(mapped: Mapped, window: tuple[int, int] | None, kinds: Collection[Kind]) -> Json:
    """The whole map, or the stretches of a range and of some kinds; sums are always of the whole side."""
    memory = mapped.memory
    low, high = window or memory.extent
    found = stretches(memory, low, high, kinds or memory.kinds)
    kept = memory.preserved
    status, reason = (kept.status, kept.reason) if isinstance(kept, Missing) else kept.standing
    return {
        "schema": MAP_SCHEMA,
        "path": mapped.state.machine.path,
        "side": memory.side,
        "page_size": memory.page_size,
        "range": [hex_text(low), hex_text(high)],
        "preserved_state": status.value,
        "preserved_reason": reason,
        "other_readings": [] if isinstance(kept, Missing) or not kept.ambiguous else [_reading(one) for one in kept.others],
        "owners_missing": None if memory.owner_gap is None else _reason(memory.owner_gap),
        "sums": None if isinstance(memory.sums, Missing) else _sums(memory.sums),
        "kinds": {
            kind.name: {"lane": kind.lane.value, "duty": kind.duty.value, "meaning": kind.meaning, "bytes": union.bytes}
            for kind, union in memory.unions.items()
        },
        "unknown": _unknown(mapped.unknown),
        "columns": ["start", "size", "kind", "owner"],
        "stretches": Rows(_stretch_batches(found)),
    }


def _reading(other: Reading) -> Json:
    return {"bitmap_bytes": other.bitmap_bytes, "reason": other.why, "blocks": other.runs.blocks, "bytes": other.runs.bytes}


def _unknown(missing: Mapping[Kind, Missing]) -> Json:
    return {kind.name: _reason(fact) for kind, fact in missing.items()}


def _sums(sums: Sums) -> Json:
    return {
        "preserved": sums.preserved,
        "covered": sums.covered,
        "owned": sums.owned,
        "unowned": sums.unowned.bytes,
        "unowned_reason": sums.reason if len(sums.unowned) else None,
        "unowned_ranges": Rows(_range_batches(sums.unowned)),
        "lost": sums.lost.bytes,
        "lost_ranges": Rows(_range_batches(sums.lost)),
        "overlap": sums.overlap,
        "overlap_ranges": Rows(_range_batches(sums.shared)),
        "hold": sums.hold,
        "bounds": _bounds(sums.bounds),
    }


def _bounds(bounds: Mapping[str, Bound]) -> Json:
    """What is known of each sum: ``exact``, ``at least``, ``at most``, or ``unknown`` where it may be more or less."""
    return {name: bound.name.lower().replace("_", " ") for name, bound in bounds.items()}


def _range_batches(some: Intervals) -> Callable[[], Iterator[list[list[str | int]]]]:
    def batches() -> Iterator[list[list[str | int]]]:
        for first in range(0, len(some), _BATCH):
            pairs = zip(some.start[first : first + _BATCH].tolist(), some.end[first : first + _BATCH].tolist(), strict=True)
            yield [[hex_text(start), end - start] for start, end in pairs]

    return batches


def _stretch_batches(found: Stretches) -> Callable[[], Iterator[list[list[str | int]]]]:
    def batches() -> Iterator[list[list[str | int]]]:
        for first in range(0, len(found), _BATCH):
            yield [[hex_text(hit.start), hit.end - hit.start, hit.kind.name, str(hit.path)] for hit in found.rows(first, _BATCH)]

    return batches


def whois_json(found: Whois) -> Json:
    """One address."""
    return {
        "schema": WHOIS_SCHEMA,
        "address": hex_text(found.address),
        "pfn": hex_text(found.address // found.page_size),
        "side": found.side,
        "owned": known(found.owned),
        "owned_reason": _reason(found.owned),
        "preserved": known(found.preserved),
        "preserved_reason": _reason(found.preserved),
        "standing": found.standing,
        "layers": [_layer(layer) for layer in found.layers],
        "unknown": _unknown(found.unknown),
        "bytes": [
            {
                "start": hex_text(row.address),
                "hex": None if isinstance(row.data, Missing) else row.data.hex(),
                "reason": _reason(row.data),
            }
            for row in found.around
        ],
    }


def _layer(layer: Layer) -> Json:
    hit = layer.hit
    return {
        "kind": hit.kind.name,
        "lane": hit.kind.lane.value,
        "duty": hit.kind.duty.value,
        "owner": str(hit.path),
        "way": layer.way,
        "start": hex_text(hit.start),
        "size": hit.end - hit.start,
    }


def memory_json(cost: MemoryCost, said: Collection[str]) -> Json:
    """What KHO costs; ``said`` are the sentences on scratch."""
    areas = cost.areas
    return {
        "schema": MEMORY_SCHEMA,
        "side": cost.side,
        "ram": known(cost.ram),
        "ram_bound": cost.ram_bound or None,
        "nodes": [{"node": node.node, "start": hex_text(node.start), "size": node.size, "present": node.memory} for node in cost.nodes],
        "scratch": {
            "bytes": known(cost.scratch),
            "reason": _reason(cost.scratch) or cost.areas_bound or None,
            "areas": None
            if isinstance(areas, Missing)
            else [{"kind": a.kind, "node": a.node, "start": hex_text(a.start), "size": a.size} for a in areas],
            "free_cma": known(cost.scratch_free),
            "free_cma_is_scratch_only": cost.free_is_scratch_only,
        },
        "preserved": {
            "blocks": known(cost.blocks),
            "bytes": known(cost.preserved),
            "reason": _reason(cost.preserved) or cost.bound or None,
        },
        "tracker": known(cost.tracker),
        "metadata": {kind.name: size for kind, size in cost.metadata.items()},
        "content": {kind.name: size for kind, size in cost.content.items()},
        "unowned": known(cost.unowned),
        "unowned_reason": cost.unowned_reason if cost.unowned else None,
        "overlap": known(cost.overlap),
        "counted_in_two_kinds": known(cost.shared),
        "lost": known(cost.lost),
        "listed_twice": known(cost.twice),
        "lower_bounds": bool(cost.bound or cost.owners_bound),
        "bounds": _bounds(cost.bounds),
        "meminfo": {name: known(value) for name, value in cost.counters.items()},
        "booted_by_kho": cost.by_kho or None,
        "notes": list(said),
    }


def _reason(fact: Fact[object]) -> str | None:
    return f"{fact.status.value}: {fact.reason}" if isinstance(fact, Missing) else None
