"""What the next kernel hands on itself, where it has to follow from what it was handed."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

from kho_tui.abi.luo import LUO_NAME
from kho_tui.abi.metadata import KEXEC_METADATA_NAME
from kho_tui.analysis.diff.ends import cut_short, lists_subtrees
from kho_tui.analysis.diff.log import HandoverLog
from kho_tui.analysis.diff.switched_off import SwitchedOff
from kho_tui.layout.struct import Unit
from kho_tui.model.change import EntityFate, Fate, FieldChange
from kho_tui.model.contents.kexec_metadata import KexecMetadata
from kho_tui.model.contents.luo import Luo
from kho_tui.model.contents.memblock import Memblock, MemblockRegion
from kho_tui.model.facts import Missing
from kho_tui.model.state import Side, Subtree
from kho_tui.releases.table import Finalize, Release
from kho_tui.text import SafeText, visible


def regions_of(side: Side | None) -> dict[bytes, MemblockRegion] | None:
    """The regions of a side's memblock subtree by name, the first of each; None where there is no such subtree to be read."""
    memblock = next((one.content for one in ([] if side is None else side.subtrees) if isinstance(one.content, Memblock)), None)
    return None if memblock is None else {region.name: region for region in reversed(memblock.regions)}


def onward_fates(before: Side, onward: Side | None, log: HandoverLog, release: Release | None, off: SwitchedOff) -> Iterator[EntityFate]:
    """One fate for each thing of B's outgoing side that A's decides: there, counts one higher, regions in their place.

    ``release`` is B's series. Nothing has to be there yet where it is not finalized (kernel/liveupdate/kexec_handover.c, kho_finalize()).
    """
    stateful = release is not None and release.finalize is Finalize.STATEFUL
    complete = onward is not None and onward.finalized is True
    after = {} if onward is None else {one.name: one for one in onward.subtrees}
    for one in before.handed_over:
        must = _always_follows(one, log, off) and (complete or not stateful)
        other = after.get(one.name)
        if other is not None:
            yield from _followed(one, other, log, must=must)
        elif must and onward is not None and lists_subtrees(onward):
            yield _onward(Fate.LOST, one, None, "not handed on: this kernel always registers it")
        elif must:
            told = "B shows no outgoing side" if onward is None else cut_short(onward) or "B does not tell what it hands on"
            yield _onward(Fate.UNTOLD, one, None, told)


def _always_follows(one: Subtree, log: HandoverLog, off: SwitchedOff) -> bool:
    """What a kernel that took a handover registers anew (kexec_handover.c): kexec-metadata, LUO where it runs, regions it revived."""
    if off.kho is not None:
        return False
    if one.name == LUO_NAME:
        return log.number is not None and off.luo is None
    if isinstance(one.content, Memblock):
        return any(region.name in log.revived for region in one.content.regions)
    return one.name == KEXEC_METADATA_NAME


def _followed(one: Subtree, other: Subtree, log: HandoverLog, *, must: bool) -> Iterator[EntityFate]:
    if isinstance(one.content, KexecMetadata) and isinstance(other.content, KexecMetadata):
        yield _counted(one, other, "kexec_count", one.content.kexec_count, other.content.kexec_count)
    elif isinstance(one.content, Luo) and isinstance(other.content, Luo):
        numbers = one.content.number, other.content.number
        missing = next((number for number in numbers if isinstance(number, Missing)), None)
        if missing is not None:
            yield _onward(Fate.UNTOLD, one, other, missing.reason)
        else:
            yield _counted(one, other, "liveupdate number", *(number for number in numbers if not isinstance(number, Missing)))
    elif isinstance(one.content, Memblock) and isinstance(other.content, Memblock):
        after = {region.name: region for region in reversed(other.content.regions)}
        yield from _regions(one.content, after, log.revived)
    elif must:
        unread = next((content for content in (one.content, other.content) if isinstance(content, Missing)), None)
        yield _onward(Fate.UNTOLD, one, other, "of another format than before" if unread is None else unread.reason)


def _onward(fate: Fate, one: Subtree, other: Subtree | None, reason: str) -> EntityFate:
    return EntityFate(
        fate=fate,
        entity="subtree",
        path=one.path,
        other=None if other is None else other.path,
        title=visible(one.name),
        reason=SafeText(reason),
    )


def _counted(one: Subtree, other: Subtree, name: str, was: int, now: int) -> EntityFate:
    """kernel/liveupdate/kexec_handover.c, 7.1+, and luo_core.c: one higher after each handover."""
    follows = now == was + 1
    reason = f"{name} {was}, then {now}" if follows else f"{name} {now} does not follow {was}"
    fields = () if follows else (FieldChange(name, Unit.COUNT, was, now),)
    return EntityFate(
        fate=Fate.MUST if follows else Fate.LOST,
        entity="subtree",
        path=one.path,
        other=other.path,
        title=visible(one.name),
        reason=SafeText(reason),
        fields=fields,
    )


def _regions(memblock: Memblock, onward: Mapping[bytes, MemblockRegion], revived: Container[bytes]) -> Iterator[EntityFate]:
    for region in memblock.regions:
        again = onward.get(region.name)
        if again is None and region.name in revived:
            reason = SafeText("not handed on, though the next kernel revived it")
            yield EntityFate(fate=Fate.LOST, entity="reserve_mem", path=region.path, other=None, title=visible(region.name), reason=reason)
        if again is None:
            continue
        pairs = (("start", Unit.PHYS, region.start, again.start), ("size", Unit.BYTES, region.size, again.size))
        fields = tuple(FieldChange(name, unit, was, now) for name, unit, was, now in pairs if was != now)
        fate = Fate.LOST if fields else Fate.MUST
        reason = SafeText("handed on elsewhere" if fields else "handed on where it lies")
        yield EntityFate(
            fate=fate, entity="reserve_mem", path=region.path, other=again.path, title=visible(region.name), reason=reason, fields=fields
        )
