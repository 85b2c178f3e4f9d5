"""What became of everything that was handed over: kept, lost, as it must or may be, or not to be told, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from kho_tui.analysis.diff.ends import Ends, kept, lost_with, made, unspoken
from kho_tui.analysis.diff.evidence import OneHandover
from kho_tui.analysis.diff.facet import Diffing
from kho_tui.analysis.diff.failed import failed_restores, failures_of, with_nameless
from kho_tui.analysis.diff.half import Half
from kho_tui.analysis.diff.log import Failure, HandoverLog
from kho_tui.analysis.diff.onward import onward_fates
from kho_tui.analysis.diff.scratch import area_fields, paired_areas
from kho_tui.analysis.diff.subtree_fates import root_fate, root_settled, subtree_fate, unexpected
from kho_tui.analysis.diff.switched_off import kho_off
from kho_tui.analysis.diff.teller import Teller, teller_of
from kho_tui.context import Context
from kho_tui.model.change import EntityFate, Fate, HandoverFates
from kho_tui.model.entities.state import state_entity
from kho_tui.model.entity import Entity, find, walk
from kho_tui.model.facts import Missing
from kho_tui.model.path import EntityPath
from kho_tui.model.state import Side, State
from kho_tui.text import SafeText

_PARTS = frozenset({"chunks", "nodes", "reading", "copy"})
_TRACKER = "stale: read once at boot, then its pages are given back"
"""The map is walked once, before the page allocator is up (kernel/liveupdate/kexec_handover.c)."""


def handover_fates(old: State, new: State, one: OneHandover, log: HandoverLog, context: Context) -> HandoverFates:
    """The fate of every entity of A's outgoing side, of the scratch areas, and of what B hands on. Raises Cancelled."""
    assert one.before is not None
    top, before = state_entity(old), _half(old, one.before)
    if one.after is None or log.refusals:
        reason = log.refusals[0] if log.refusals else SafeText("B took nothing")
        entities = (entity for entity in walk(before.entity) if _has_fate(entity, before))
        lost = [made(Fate.LOST, entity, "the next kernel refused the handover") for entity in entities]
        return HandoverFates(one.evidence, (*_refused_scratch(old, top), *lost), (), reason)
    after_entity = find(state_entity(new), EntityPath((one.after.name,)))
    assert after_entity is not None
    onward = new.sides.get("out")
    ends = Ends(
        old=old,
        new=new,
        before=before,
        after=_half(new, one.after),
        onward=None if onward is None else _half(new, onward),
        log=log,
        release=new.registry.releases.of(new.machine.release),
        kho_off=kho_off(new, log),
        counterparts={subtree.name: subtree for subtree in reversed(one.after.handed_over)},
    )
    tellers = {subtree.path: teller_of(before.diffing_of(subtree))(subtree, ends) for subtree in one.before.subtrees}
    fates = [*_scratch(ends, top), *_side_fates(ends, tellers, context)]
    came = tuple(unexpected(ends))
    return HandoverFates(one.evidence, (*root_settled(fates, came), *came), tuple(onward_fates(ends, tellers)))


def _half(state: State, side: Side) -> Half:
    entity = find(state_entity(state), EntityPath((side.name,)))
    assert entity is not None
    return Half(registry=state.registry, side=side, entity=entity)


def _has_fate(entity: Entity, before: Half) -> bool:
    """False for what is told with the thing that it is a part of, as a tracker's pages are with the tracker."""
    return entity.kind not in _PARTS and not teller_of(before.diffing(entity)).is_part(entity)


def _side_fates(ends: Ends, tellers: Mapping[EntityPath, Teller], context: Context) -> list[EntityFate]:
    """What the next kernel says that it did not take goes before all else, then what the loss of a thing takes with it."""
    told: set[Failure] = set()
    fates: dict[EntityPath, EntityFate] = {}

    def fate_of(entity: Entity) -> EntityFate | None:
        teller = tellers.get(EntityPath(entity.path.parts[:2]))
        failures = list(failures_of(entity, teller, ends))
        told.update(failures)
        if failures:
            return made(Fate.LOST, entity, failures[0].said)
        if teller is None:
            return _outside_subtrees(entity, ends)
        if entity.path == teller.subtree.path:
            return subtree_fate(entity, teller, ends)
        return _under_a_loss(entity, fates, teller, ends.before.diffing(entity)) or teller.fate(entity)

    for entity in walk(ends.before.entity):
        context.step("telling what became of it", len(fates))
        fate = fate_of(entity) if _has_fate(entity, ends.before) else None
        if fate is not None:
            fates[entity.path] = fate
    settled: Iterable[EntityFate] = with_nameless(fates.values(), told, tellers)
    for teller in tellers.values():
        settled = teller.settled(settled)
    shown = list(settled)
    return [*shown, *failed_restores(shown, ends)]


def _under_a_loss(entity: Entity, fates: Mapping[EntityPath, EntityFate], teller: Teller, diffing: Diffing) -> EntityFate | None:
    """What goes with the thing that it is in, or with its subtree. Lists, and nodes of an FDT that nobody knows, are no such things."""
    above, subtree = fates.get(entity.path.parent), fates.get(teller.subtree.path)
    no_things = diffing.unlisted | diffing.placeholders | {"node"}
    if above is not None and above is not subtree and above.fate is Fate.LOST and above.entity not in no_things:
        return made(Fate.LOST, entity, lost_with(above.entity))
    if subtree is not None and subtree.fate is Fate.LOST and (subtree.other is None or teller.lost_if_altered):
        return made(Fate.LOST, entity, lost_with("subtree"))
    return None


def _outside_subtrees(entity: Entity, ends: Ends) -> EntityFate:
    if entity.kind == "side":
        return root_fate(entity, ends)
    return made(Fate.MUST, entity, _TRACKER) if entity.kind == "tracker" else unspoken(entity)


def _refused_scratch(old: State, top: Entity) -> Iterator[EntityFate]:
    """Only a kernel that takes a handover takes its table over; any other makes areas of its own.

    Source: kernel/liveupdate/kexec_handover.c, kho_populate().
    """
    entity = _scratch_entity(top)
    if isinstance(old.scratch, Missing):
        yield made(Fate.UNTOLD, entity, f"A does not tell it: {old.scratch.reason}")
    else:
        yield from (made(Fate.LOST, area, "the table went with the handover that was refused") for area in entity.children())


def _scratch_entity(top: Entity) -> Entity:
    entity = find(top, EntityPath(("scratch",)))
    assert entity is not None
    return entity


def _scratch(ends: Ends, top: Entity) -> Iterator[EntityFate]:
    old, new = ends.old.scratch, ends.new.scratch
    entity = _scratch_entity(top)
    if isinstance(old, Missing):
        yield made(Fate.UNTOLD, entity, f"A does not tell it: {old.reason}")
        return
    areas = entity.children()
    if isinstance(new, Missing):
        yield from (made(Fate.UNTOLD, area, f"B does not tell it: {new.reason}") for area in areas)
        return
    for one, other in paired_areas(old, new):
        if one is None:
            continue
        path = None if other is None else EntityPath(("scratch", str(other)))
        fields = [] if other is None else area_fields(old.areas[one], new.areas[other])
        if other is None and new.lacks_some:
            yield made(Fate.UNTOLD, areas[one], f"not among the areas that B tells: {new.reason}")
        elif other is None:
            yield made(Fate.LOST, areas[one], "not in the scratch table of the next kernel")
        elif fields:
            yield made(Fate.LOST, areas[one], "altered in the scratch table of the next kernel", path, fields)
        else:
            yield kept(areas[one], "the next kernel has the same start and size", path)
