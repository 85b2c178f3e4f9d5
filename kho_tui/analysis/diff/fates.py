"""What became of everything that was handed over: kept, lost, as it must or may be, or not to be told, each with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kho_tui.abi.luo import LUO_NAME
from kho_tui.analysis.diff.carried import Contents, folio_contents
from kho_tui.analysis.diff.evidence import OneHandover
from kho_tui.analysis.diff.expected import NOT_ASKED_FOR, NOT_WRITTEN_YET, expected
from kho_tui.analysis.diff.log import HandoverLog
from kho_tui.analysis.diff.match import Half, half_of
from kho_tui.analysis.diff.onward import onward_fates, regions_of
from kho_tui.analysis.diff.scratch import area_fields, paired_areas
from kho_tui.analysis.diff.values import compare_values
from kho_tui.context import Context
from kho_tui.layout.place import Blob, Origin, agree
from kho_tui.model.change import EntityFate, Fate, FieldChange, HandoverFates
from kho_tui.model.entities.state import state_entity
from kho_tui.model.entities.values import property_values
from kho_tui.model.entity import Entity, find, walk
from kho_tui.model.facts import Missing, Status
from kho_tui.model.luo import Luo, NotWritten
from kho_tui.model.path import EntityPath
from kho_tui.model.state import Memblock, MemblockRegion, Root, Side, State, Subtree
from kho_tui.releases.table import Finalize, release_of
from kho_tui.text import SafeText, c_string, plural

_PARTS = frozenset({"chunks", "nodes", "reading", "copy"})
_TEST_FOLIOS_DEPTH = 3
"""Parts of the path of folios that belong to no file but to the subtree itself."""
_TELLING_FOLIOS = 8
"""Folios from which on the same pages in the same order under another name are no chance: freed pages are given out again."""


@dataclass(frozen=True, eq=False)
class _Ends:
    """Both ends of a handover. ``again`` are the files that the next kernel preserves itself, by what they hold.

    ``regions`` are A's by path, ``regions_after`` and ``regions_onward`` those of B's two sides by name (None: not told).
    """

    old: State
    new: State
    before: Half
    after: Half
    log: HandoverLog
    again: Mapping[Contents, EntityPath]
    counterparts: Mapping[bytes, Subtree]
    entities_after: Mapping[EntityPath, Entity]
    regions: Mapping[EntityPath, MemblockRegion]
    regions_after: Mapping[bytes, MemblockRegion] | None
    regions_onward: Mapping[bytes, MemblockRegion] | None

    @property
    def version(self) -> bytes | None:
        root = self.before.side.root
        return None if isinstance(root, Missing) else root.compatible


def handover_fates(old: State, new: State, one: OneHandover, log: HandoverLog, context: Context) -> HandoverFates:
    """The fate of every entity of A's outgoing side, of the scratch areas, and of what B hands on. Raises Cancelled."""
    assert one.before is not None
    top = state_entity(old)
    side_entity = find(top, EntityPath((one.before.name,)))
    assert side_entity is not None
    if one.after is None:
        reason = log.refusals[0] if log.refusals else SafeText("B took nothing")
        lost = [_made(Fate.LOST, entity, "the next kernel refused the handover") for entity in walk(side_entity) if _has_fate(entity)]
        return HandoverFates(one.evidence, tuple(lost), (), reason)
    after_entity = find(state_entity(new), EntityPath((one.after.name,)))
    assert after_entity is not None
    onward = new.sides.get("out")
    memblocks = [subtree.content for subtree in one.before.subtrees if isinstance(subtree.content, Memblock)]
    ends = _Ends(
        old,
        new,
        half_of(one.before, side_entity),
        half_of(one.after, after_entity),
        log,
        _preserved_again(onward, new),
        {subtree.name: subtree for subtree in reversed(one.after.handed_over)},
        {child.path: child for child in after_entity.children()},
        {region.path: region for memblock in memblocks for region in memblock.regions},
        regions_of(one.after),
        regions_of(onward),
    )
    fates = [*_scratch(ends, top)]
    for entity in walk(side_entity):
        context.step("telling what became of it", len(fates))
        fate = _fate(entity, ends)
        if fate is not None:
            fates.append(fate)
    return HandoverFates(one.evidence, (*_settled(fates), *_unexpected(ends)), tuple(onward_fates(one.before, onward)))


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


def _fate(entity: Entity, ends: _Ends) -> EntityFate | None:
    if not _has_fate(entity):
        return None
    return _TELLERS.get(entity.kind, _as_expected)(entity, ends)


def _made(fate: Fate, entity: Entity, reason: str, other: EntityPath | None = None, fields: Sequence[FieldChange] = ()) -> EntityFate:
    return EntityFate(fate, entity.kind, entity.path, other, entity.title, SafeText(reason), tuple(fields))


def _kept(entity: Entity, reason: str, other: EntityPath | None = None) -> EntityFate:
    return _made(Fate.KEPT, entity, reason, other)


def _as_expected(entity: Entity, ends: _Ends, kind: str | None = None) -> EntityFate:
    """As the table says of its kind, where nothing speaks for or against it."""
    row = expected(kind or entity.kind, ends.version)
    return _made(row.fate, entity, row.reason)


def _scratch(ends: _Ends, top: Entity) -> Iterator[EntityFate]:
    old, new = ends.old.scratch, ends.new.scratch
    entity = find(top, EntityPath(("scratch",)))
    assert entity is not None
    if isinstance(old, Missing):
        yield _made(Fate.UNTOLD, entity, f"A does not tell it: {old.reason}")
        return
    areas = entity.children()
    if isinstance(new, Missing):
        yield from (_made(Fate.UNTOLD, area, f"B does not tell it: {new.reason}") for area in areas)
        return
    for one, other in paired_areas(old, new):
        if one is None:
            continue
        path = None if other is None else EntityPath(("scratch", str(other)))
        fields = [] if other is None else area_fields(old.areas[one], new.areas[other])
        if other is None:
            yield _made(Fate.LOST, areas[one], "not in the scratch table of the next kernel")
        elif fields:
            yield _made(Fate.LOST, areas[one], "altered in the scratch table of the next kernel", path, fields)
        else:
            yield _kept(areas[one], "the next kernel has the same start and size", path)


def _root(entity: Entity, ends: _Ends) -> EntityFate:
    one, other = ends.before.side.root, ends.after.side.root
    if isinstance(one, Missing) or isinstance(other, Missing):
        missing = one if isinstance(one, Missing) else other
        assert isinstance(missing, Missing)
        return _made(Fate.UNTOLD, entity, missing.reason)
    before, after = (root.view.blob.data[: root.view.tree.total_size] for root in (one, other))
    path = ends.after.entity.path
    if agree(before, after):
        return _kept(entity, f"in/fdt holds the same {plural(min(len(before), len(after)), 'byte')}", path)
    fields, _ = compare_values(property_values(one.values), property_values(other.values))
    early = one.view.blob.place.origin is not Origin.MEMORY and _serializes_late(one, ends.old)
    if early and [field.name for field in fields] == ["preserved-memory-map"]:
        return _made(Fate.MAY, entity, "the tracker is written anew inside the reboot call, after A was taken", path, fields)
    if fields:
        return _made(Fate.LOST, entity, "altered", path, fields)
    fields, _ = compare_values(entity.detail().values, ends.after.entity.detail().values)
    return _made(Fate.LOST, entity, "in/fdt holds other bytes", path, fields)


def _serializes_late(root: Root, state: State) -> bool:
    """Whether the kernel may write the tracker anew inside the reboot call: LUO of 6.19 and 7.0 does (kho-abi.md 8.1)."""
    writer = release_of(state.machine.release)
    return root.compatible == b"kho-v1" and (writer is None or writer.finalize is Finalize.SERIALIZE)


def _settled(fates: list[EntityFate]) -> Iterator[EntityFate]:
    """A root FDT that differs only because a subtree's node is lost or altered is no loss of its own."""
    lost = [one.title for one in fates if one.entity == "subtree" and one.fate is Fate.LOST]
    properties = ("compatible", "preserved-memory-map")
    for one in fates:
        if one.entity == "side" and one.fate is Fate.LOST and lost and not any(f.name in properties for f in one.fields):
            reason = SafeText(f"in/fdt differs, as it must without {', '.join(lost)}")
            yield EntityFate(Fate.MUST, one.entity, one.path, one.other, one.title, reason, one.fields)
        else:
            yield one


def _subtree(entity: Entity, ends: _Ends) -> EntityFate:
    one = ends.before.subtrees[entity.path]
    other = ends.counterparts.get(one.name)
    if one.in_root is False:
        return _made(Fate.MAY, entity, "only in debugfs and not in the root FDT, so it was not handed over")
    if other is None and not ends.after.side.subtrees_told:
        return _made(Fate.UNTOLD, entity, "B does not tell what was in its root FDT")
    if other is None:
        return _made(Fate.LOST, entity, "not in the root FDT that the next kernel was given")
    fields = compare_values(property_values(one.values), property_values(other.values))[0] if one.values and other.values else []
    if fields:
        return _made(Fate.LOST, entity, "altered in the root FDT", other.path, fields)
    if other.status is Status.STALE or not isinstance(other.blob, Blob):
        return _luo_by_log(entity, one, other, ends) if one.name == LUO_NAME else _made(Fate.UNTOLD, entity, other.reason, other.path)
    if not isinstance(one.blob, Blob):
        return _made(Fate.UNTOLD, entity, f"its bytes before are not known: {one.blob.reason}", other.path)
    if one.blob.data == other.blob.data:
        also = f"; {ends.log.number[1]}" if one.name == LUO_NAME and ends.log.number is not None else ""
        return _kept(entity, f"the same {plural(len(one.blob.data), 'byte')}, still held by the next kernel{also}", other.path)
    return _other_bytes(entity, one, other, ends)


def _other_bytes(entity: Entity, one: Subtree, other: Subtree, ends: _Ends) -> EntityFate:
    after = ends.entities_after.get(other.path)
    fields = [] if after is None else compare_values(entity.detail().values, after.detail().values)[0]
    assert isinstance(one.blob, Blob)
    if one.name == LUO_NAME and one.blob.place.origin is not Origin.MEMORY:
        return _made(Fate.MAY, entity, NOT_WRITTEN_YET, other.path, fields)
    return _made(Fate.LOST, entity, "its bytes were altered", other.path, fields)


def _luo_by_log(entity: Entity, one: Subtree, other: Subtree, ends: _Ends) -> EntityFate:
    """LUO whose memory is given back: the log says whether it was read, and which live update it was."""
    number = one.content.number if isinstance(one.content, Luo) else None
    said = ends.log.number
    if said is not None and isinstance(number, int) and said[0] != number:
        field = FieldChange("liveupdate number", entity.detail().values[0].unit, str(number).encode(), str(said[0]).encode())
        return _made(Fate.LOST, entity, f"another live update was retrieved: {said[1]}", other.path, [field])
    if said is not None:
        return _kept(entity, said[1], other.path)
    if ends.log.luo_failed is not None:
        return _made(Fate.LOST, entity, ends.log.luo_failed, other.path)
    return _as_expected(entity, ends, "LUO")


def _region(entity: Entity, ends: _Ends) -> EntityFate | None:
    subtree = ends.before.subtrees.get(entity.path.parent)
    region = ends.regions.get(entity.path)
    if subtree is None or region is None:
        return None
    other = ends.counterparts.get(subtree.name)
    if other is None:
        told = ends.after.side.subtrees_told
        return _made(Fate.LOST if told else Fate.UNTOLD, entity, "its subtree is lost" if told else "B does not tell its subtree")
    if ends.regions_after is None:
        damaged = other.status is Status.DAMAGED
        return _made(Fate.LOST if damaged else Fate.UNTOLD, entity, other.reason or "B does not tell it", other.path)
    same = ends.regions_after.get(region.name)
    if same is None:
        return _made(Fate.LOST, entity, "not in memblock's FDT any more", other.path)
    fields, _ = compare_values(property_values(region.values), property_values(same.values))
    if fields:
        return _made(Fate.LOST, entity, "altered in memblock's FDT", same.path, fields)
    if region.name in ends.log.revived:
        return _kept(entity, ends.log.revived[region.name], same.path)
    again = (ends.regions_onward or {}).get(region.name)
    if again is not None and (again.start, again.size) == (region.start, region.size):
        return _kept(entity, "the next kernel hands it on where it lies", again.path)
    if again is not None:
        fields, _ = compare_values(property_values(region.values), property_values(again.values))
        return _made(Fate.LOST, entity, "not revived: the next kernel has it elsewhere", again.path, fields)
    if ends.regions_onward is not None:
        return _made(Fate.MAY, entity, NOT_ASKED_FOR, same.path)
    return _as_expected(entity, ends)


def _test_folios(entity: Entity, ends: _Ends) -> EntityFate:
    if ends.log.restored is not None:
        succeeded, said = ends.log.restored
        return _made(Fate.KEPT if succeeded else Fate.LOST, entity, said)
    return _as_expected(entity, ends)


def _session(entity: Entity, ends: _Ends) -> EntityFate:
    kept = [again for again in (_again(child, ends) for child in entity.children()) if again is not None]
    if kept:
        return _kept(entity, f"retrieved: B preserves pages of its files again, as {kept[0]}", kept[0].parent)
    return _luo_part(entity, ends)


def _file(entity: Entity, ends: _Ends) -> EntityFate:
    again = _again(entity, ends)
    if again is not None:
        count = len(ends.before.folios[entity.path.child("folios")].table)
        return _kept(entity, f"retrieved: B preserves the same {plural(count, 'folio')} again, as {again}", again)
    return _luo_part(entity, ends)


def _flb(entity: Entity, ends: _Ends) -> EntityFate:
    names = (value.value for value in entity.detail().values if value.name == "name")
    said = next((ends.log.flbs.get(c_string(name)) for name in names if isinstance(name, bytes)), None)
    return _kept(entity, said) if said is not None else _luo_part(entity, ends)


def _luo_part(entity: Entity, ends: _Ends) -> EntityFate:
    """What is reached through LUO's own memory: lost with the subtree, else as the table says."""
    subtree = ends.before.subtrees.get(EntityPath(entity.path.parts[:2]))
    if subtree is not None and ends.after.side.subtrees_told and subtree.name not in ends.counterparts:
        return _made(Fate.LOST, entity, "its subtree is lost")
    return _as_expected(entity, ends)


def _again(entity: Entity, ends: _Ends) -> EntityPath | None:
    folios = ends.before.folios.get(entity.path.child("folios"))
    held = None if folios is None else folio_contents(folios)
    return None if held is None else ends.again.get(held)


def _unread_list(entity: Entity, ends: _Ends) -> EntityFate:
    subtree = ends.before.subtrees.get(entity.path.parent)
    luo = subtree.content if subtree is not None and isinstance(subtree.content, Luo) else None
    lists = [] if luo is None else [luo.sessions if entity.kind == "sessions" else luo.flbs]
    if any(isinstance(one, NotWritten) for one in lists):
        return _made(Fate.MAY, entity, NOT_WRITTEN_YET)
    return _made(Fate.UNTOLD, entity, f"not known before: {entity.reason or entity.status.value}")


def _unexpected(ends: _Ends) -> Iterator[EntityFate]:
    """Subtrees that the next kernel was given and A does not list."""
    if not ends.before.side.subtrees_told:
        return
    names = {one.name for one in ends.before.side.handed_over}
    root = ends.before.side.root
    later = isinstance(root, Root) and root.view.blob.place.origin is not Origin.MEMORY
    for child in ends.after.entity.children():
        subtree = ends.after.subtrees.get(child.path) if child.kind == "subtree" else None
        if subtree is not None and subtree.in_root is not False and subtree.name not in names:
            reason = "not in A: registered after A was taken" if later else "not in the root FDT before"
            yield EntityFate(Fate.MAY if later else Fate.LOST, child.kind, child.path, child.path, child.title, SafeText(reason))


_TELLERS: Mapping[str, Callable[[Entity, _Ends], EntityFate | None]] = {
    "side": _root,
    "subtree": _subtree,
    "reserve_mem": _region,
    "folios": _test_folios,
    "session": _session,
    "file": _file,
    "FLB": _flb,
    "sessions": _unread_list,
    "FLBs": _unread_list,
}
"""Who tells the fate of a kind of entity; of any other the table of what is to be expected does."""
