"""What became of everything that was handed over: kept, lost, as it must or may be, or not to be told, each with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from kho_tui.abi.luo import LUO_NAME
from kho_tui.analysis.diff.carried import Contents, folio_contents
from kho_tui.analysis.diff.ends import Ends, as_expected, kept, made
from kho_tui.analysis.diff.evidence import OneHandover
from kho_tui.analysis.diff.expected import SESSION_LOST, SUBTREE_LOST
from kho_tui.analysis.diff.failed import failed_restores, failures_of, folio_holders, with_nameless
from kho_tui.analysis.diff.log import Failure, HandoverLog
from kho_tui.analysis.diff.luo_fates import file_fate, flb_fate, session_fate, unread_list_fate
from kho_tui.analysis.diff.match import half_of
from kho_tui.analysis.diff.onward import onward_fates, regions_of
from kho_tui.analysis.diff.region_fates import region_fate
from kho_tui.analysis.diff.scratch import area_fields, paired_areas
from kho_tui.analysis.diff.shared_folios import with_shared_folios
from kho_tui.analysis.diff.subtree_fates import root_fate, settled, subtree_fate, unexpected
from kho_tui.analysis.diff.switched_off import switched_off
from kho_tui.context import Context
from kho_tui.model.change import EntityFate, Fate, HandoverFates
from kho_tui.model.contents.memblock import Memblock
from kho_tui.model.entities.state import state_entity
from kho_tui.model.entity import Entity, find, walk
from kho_tui.model.facts import Missing, Status
from kho_tui.model.path import EntityPath
from kho_tui.model.state import Side, State
from kho_tui.text import SafeText

_PARTS = frozenset({"chunks", "nodes", "reading", "copy"})
_TEST_FOLIOS_DEPTH = 3
"""Parts of the path of folios that belong to no file but to the subtree itself."""
_TELLING_FOLIOS = 8
"""Folios from which on the same pages in the same order under another name are no chance: freed pages are given out again."""


def handover_fates(old: State, new: State, one: OneHandover, log: HandoverLog, context: Context) -> HandoverFates:
    """The fate of every entity of A's outgoing side, of the scratch areas, and of what B hands on. Raises Cancelled."""
    assert one.before is not None
    top = state_entity(old)
    side_entity = find(top, EntityPath((one.before.name,)))
    assert side_entity is not None
    if one.after is None or log.refusals:
        reason = log.refusals[0] if log.refusals else SafeText("B took nothing")
        lost = [made(Fate.LOST, entity, "the next kernel refused the handover") for entity in walk(side_entity) if _has_fate(entity)]
        return HandoverFates(one.evidence, (*_refused_scratch(old, top), *lost), (), reason)
    after_entity = find(state_entity(new), EntityPath((one.after.name,)))
    assert after_entity is not None
    onward = new.sides.get("out")
    memblocks = [subtree.content for subtree in one.before.subtrees if isinstance(subtree.content, Memblock)]
    before = half_of(one.before, side_entity)
    ends = Ends(
        old=old,
        new=new,
        before=before,
        after=half_of(one.after, after_entity),
        log=log,
        holders=folio_holders(log, before, old.machine.platform),
        release=new.registry.releases.of(new.machine.release),
        off=switched_off(new, log),
        again=_preserved_again(onward, new),
        counterparts={subtree.name: subtree for subtree in reversed(one.after.handed_over)},
        entities_after={child.path: child for child in after_entity.children()},
        regions={region.path: region for memblock in memblocks for region in memblock.regions},
        regions_after=regions_of(one.after),
        regions_onward=regions_of(onward),
    )
    fates = [*_scratch(ends, top), *_side_fates(side_entity, ends, context)]
    came = tuple(unexpected(ends))
    return HandoverFates(one.evidence, (*settled(fates, came), *came), tuple(onward_fates(one.before, onward, log, ends.release, ends.off)))


def _preserved_again(onward: Side | None, new: State) -> dict[Contents, EntityPath]:
    if onward is None:
        return {}
    entity = find(state_entity(new), EntityPath((onward.name,)))
    assert entity is not None
    contents = ((path.parent, folio_contents(folios)) for path, folios in half_of(onward, entity).folios.items())
    return {held: path for path, held in contents if held is not None and held[0] >= _TELLING_FOLIOS}  # type: ignore[operator]


def _has_fate(entity: Entity) -> bool:
    """False for what is told with the thing that it is a part of: folios with their file, a tracker's pages with the tracker."""
    if entity.kind == "folios":
        return len(entity.path.parts) == _TEST_FOLIOS_DEPTH
    if entity.kind in ("sessions", "FLBs"):
        return entity.status not in (Status.DECODED, Status.PARTIAL)
    return entity.kind not in _PARTS


def _side_fates(side: Entity, ends: Ends, context: Context) -> list[EntityFate]:
    """What the next kernel says that it did not take goes before all else, then what the loss of a subtree or session takes with it."""
    told: set[Failure] = set()

    def fate_of(entity: Entity) -> EntityFate | None:
        failures = list(failures_of(entity, ends))
        told.update(failures)
        if failures:
            return made(Fate.LOST, entity, failures[0].said)
        return _under_a_loss(entity, fates, ends) or _TELLERS.get(entity.kind, as_expected)(entity, ends)

    fates: dict[EntityPath, EntityFate] = {}
    for entity in walk(side):
        context.step("telling what became of it", len(fates))
        fate = fate_of(entity) if _has_fate(entity) else None
        if fate is not None:
            fates[entity.path] = fate
    shared = list(with_shared_folios(with_nameless(fates.values(), told, ends), ends))
    return [*shared, *failed_restores(shared, ends)]


def _under_a_loss(entity: Entity, fates: Mapping[EntityPath, EntityFate], ends: Ends) -> EntityFate | None:
    """What goes with its session or its subtree. A subtree that is there, but altered, takes nothing with it, unless it is LUO's."""
    above = fates.get(entity.path.parent)
    if entity.kind == "file" and above is not None and above.fate is Fate.LOST:
        return made(Fate.LOST, entity, SESSION_LOST)
    subtree = ends.before.subtrees.get(EntityPath(entity.path.parts[:2]))
    above = None if subtree is None else fates.get(subtree.path)
    if subtree is not None and above is not None and above.fate is Fate.LOST and (above.other is None or subtree.name == LUO_NAME):
        return made(Fate.LOST, entity, SUBTREE_LOST)
    return None


def _test_folios(entity: Entity, ends: Ends) -> EntityFate:
    return kept(entity, ends.log.restored) if ends.log.restored is not None else as_expected(entity, ends)


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


_TELLERS: Mapping[str, Callable[[Entity, Ends], EntityFate | None]] = {
    "side": root_fate,
    "subtree": subtree_fate,
    "reserve_mem": region_fate,
    "folios": _test_folios,
    "session": session_fate,
    "file": file_fate,
    "FLB": flb_fate,
    "sessions": unread_list_fate,
    "FLBs": unread_list_fate,
}
"""Who tells the fate of a kind of entity; of any other the table of what is to be expected does."""
