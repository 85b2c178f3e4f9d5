"""What the next kernel hands on itself, where it has to follow from what it was handed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kho_tui.layout.struct import Unit
from kho_tui.model.change import EntityFate, Fate, FieldChange
from kho_tui.model.facts import known
from kho_tui.model.luo import Luo
from kho_tui.model.state import KexecMetadata, Memblock, MemblockRegion, Side, Subtree
from kho_tui.text import SafeText, visible


def regions_of(side: Side | None) -> dict[bytes, MemblockRegion] | None:
    """The regions of a side's memblock subtree by name, the first of each; None where there is no such subtree to be read."""
    memblock = next((one.content for one in ([] if side is None else side.subtrees) if isinstance(one.content, Memblock)), None)
    return None if memblock is None else {region.name: region for region in reversed(memblock.regions)}


def onward_fates(before: Side, onward: Side | None) -> Iterator[EntityFate]:
    """One fate for each thing of B's outgoing side that A's decides: counts one higher, regions in their place."""
    if onward is None:
        return
    after = {one.name: one for one in onward.subtrees}
    for one in before.handed_over:
        other = after.get(one.name)
        if other is None:
            continue
        if isinstance(one.content, KexecMetadata) and isinstance(other.content, KexecMetadata):
            counts = (part.record.integer("kexec_count") for part in (one.content, other.content))
            yield _counted(one, other, "kexec_count", *counts)
        elif isinstance(one.content, Luo) and isinstance(other.content, Luo):
            numbers = known(one.content.number), known(other.content.number)
            if numbers[0] is not None and numbers[1] is not None:
                yield _counted(one, other, "liveupdate number", numbers[0], numbers[1])
        elif isinstance(one.content, Memblock) and isinstance(other.content, Memblock):
            yield from _regions(one.content, regions_of(onward) or {})


def _counted(one: Subtree, other: Subtree, name: str, was: int, now: int) -> EntityFate:
    """kho-abi.md 6.3 and invariants 36, 39: one higher after each handover."""
    follows = now == was + 1
    reason = f"{name} {was}, then {now}" if follows else f"{name} {now} does not follow {was}"
    fields = () if follows else (FieldChange(name, Unit.COUNT, was, now),)
    return EntityFate(Fate.MUST if follows else Fate.LOST, "subtree", one.path, other.path, visible(one.name), SafeText(reason), fields)


def _regions(memblock: Memblock, onward: Mapping[bytes, MemblockRegion]) -> Iterator[EntityFate]:
    for region in memblock.regions:
        again = onward.get(region.name)
        if again is None:
            continue
        pairs = (("start", Unit.PHYS, region.start, again.start), ("size", Unit.BYTES, region.size, again.size))
        fields = tuple(FieldChange(name, unit, was, now) for name, unit, was, now in pairs if was != now)
        fate = Fate.LOST if fields else Fate.MUST
        reason = SafeText("handed on elsewhere" if fields else "handed on where it lies")
        yield EntityFate(fate, "reserve_mem", region.path, again.path, visible(region.name), reason, fields)
