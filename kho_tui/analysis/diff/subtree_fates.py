"""What became of the root FDT and of each subtree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from kho_tui.abi.root import Tracker
from kho_tui.analysis.diff.ends import Ends, cut_short, kept, lists_subtrees, made
from kho_tui.analysis.diff.teller import Teller
from kho_tui.analysis.diff.values import compare_values
from kho_tui.layout.place import Blob, Origin, agree
from kho_tui.model.change import EntityFate, Fate
from kho_tui.model.entities.values import property_values
from kho_tui.model.entity import Entity, find
from kho_tui.model.facts import Damaged, Missing, Status, Unknown
from kho_tui.model.state import Root, State, Subtree
from kho_tui.releases.table import Finalize
from kho_tui.text import SafeText, plural

NOT_IN_ROOT = SafeText("not in the root FDT that the next kernel was given")
ALTERED_IN_ROOT = SafeText("altered in the root FDT")
BYTES_ALTERED = SafeText("its bytes were altered")
_ROOT_PROPERTIES = ("compatible", "preserved-memory-map")


def root_fate(entity: Entity, ends: Ends) -> EntityFate:
    """The root FDT: the same bytes, all of them."""
    one, other = ends.before.side.root, ends.after.side.root
    if isinstance(one, Missing) or isinstance(other, Missing):
        missing = one if isinstance(one, Missing) else other
        assert isinstance(missing, Missing)
        return made(Fate.UNTOLD, entity, missing.reason)
    before, after = one.data, other.data
    path = ends.after.entity.path
    cut = _cut(ends)
    if agree(before, after):
        if cut:
            return made(Fate.UNTOLD, entity, cut, path)
        return kept(entity, f"in/fdt holds the same {plural(len(before), 'byte')}", path)
    fields, _ = compare_values(property_values(one.values), property_values(other.values))
    early = one.view.blob.place.origin is not Origin.MEMORY and _serializes_late(one, ends.old)
    if early and [field.name for field in fields] == ["preserved-memory-map"]:
        return made(Fate.MAY, entity, "the tracker is written anew inside the reboot call, after A was taken", path, fields)
    if cut_short(ends.before.side):
        return made(Fate.UNTOLD, entity, f"in/fdt holds other bytes, and {cut}", path)
    if cut:
        return made(Fate.LOST, entity, f"other bytes than before, and {cut}", path)
    if fields:
        return made(Fate.LOST, entity, "altered", path, fields)
    fields, _ = compare_values(entity.detail().values, ends.after.entity.detail().values)
    return made(Fate.LOST, entity, "in/fdt holds other bytes", path, fields)


def _serializes_late(root: Root, state: State) -> bool:
    """Whether the kernel may write the tracker anew inside the reboot call: LUO of 6.19 and 7.0 does.

    Source: kernel/liveupdate/kexec_handover.c.
    """
    writer = state.registry.releases.of(state.machine.release)
    return root.format is not None and root.format.tracker is Tracker.CHUNKS and (writer is None or writer.finalize is Finalize.SERIALIZE)


def subtree_fate(entity: Entity, teller: Teller, ends: Ends) -> EntityFate:
    """By its node in the root FDT, by its bytes where the next kernel still holds them, and by the log."""
    one = teller.subtree
    fate = _subtree(entity, one, teller, ends)
    if fate.fate is Fate.KEPT and isinstance(one.content, Unknown | Damaged):
        return made(Fate.UNTOLD, entity, f"what it leads to: {one.content.reason}", fate.other)
    return fate


def _subtree(entity: Entity, one: Subtree, teller: Teller, ends: Ends) -> EntityFate:
    other = ends.counterparts.get(one.name)
    if one.in_root is False:
        return made(Fate.MAY, entity, "only in debugfs and not in the root FDT, so it was not handed over")
    contradiction, arrival = teller.contradiction(), teller.arrival()
    path = None if other is None else other.path
    if contradiction is not None:
        return made(Fate.LOST, entity, contradiction.reason, path, contradiction.fields)
    if other is None and lists_subtrees(ends.after.side):
        return made(Fate.LOST, entity, NOT_IN_ROOT)
    if other is None:
        why = cut_short(ends.after.side) or "B does not tell what was in its root FDT"
        return made(Fate.UNTOLD, entity, why) if arrival is None else kept(entity, arrival)
    fields = [] if _cut(ends) else compare_values(property_values(one.values), property_values(other.values))[0]
    if fields and one.values and other.values:
        return made(Fate.LOST, entity, ALTERED_IN_ROOT, other.path, fields)
    if other.status is Status.STALE or not isinstance(other.blob, Blob):
        if arrival is not None:
            return kept(entity, arrival, other.path)
        return teller.unseen(entity) or made(Fate.UNTOLD, entity, other.reason, other.path)
    if not isinstance(one.blob, Blob):
        return made(Fate.UNTOLD, entity, f"its bytes before are not known: {one.blob.reason}", other.path)
    if one.blob.data == other.blob.data:
        also = "" if arrival is None else f"; {arrival}"
        return kept(entity, f"the same {plural(len(one.blob.data), 'byte')}, still held by the next kernel{also}", other.path)
    if agree(one.blob.data, other.blob.data):
        cut = [f"of {state} {subtree.cut}" for state, subtree in (("A", one), ("B", other)) if subtree.cut]
        sizes = f"{len(one.blob.data)} bytes in A, {len(other.blob.data)} in B"
        return made(Fate.UNTOLD, entity, f"the same bytes as far as both go: {', '.join(cut) or sizes}", other.path)
    return _other_bytes(entity, one, other, ends)


def _other_bytes(entity: Entity, one: Subtree, other: Subtree, ends: Ends) -> EntityFate:
    after = find(ends.after.entity, other.path)
    fields = [] if after is None else compare_values(entity.detail().values, after.detail().values)[0]
    assert isinstance(one.blob, Blob)
    late = ends.before.diffing_of(one).written_late
    if late and one.blob.place.origin is not Origin.MEMORY:
        return made(Fate.MAY, entity, late, other.path, fields)
    return made(Fate.LOST, entity, BYTES_ALTERED, other.path, fields)


def _cut(ends: Ends) -> str:
    """That the root FDT of one end is not all there: what was put together from its rest is no evidence."""
    return cut_short(ends.before.side) or cut_short(ends.after.side)


def unexpected(ends: Ends) -> Iterator[EntityFate]:
    """Subtrees that the next kernel was given and A does not list: no loss of A's."""
    if not ends.before.side.subtrees_told or _cut(ends):
        return
    names = {one.name for one in ends.before.side.handed_over}
    root = ends.before.side.root
    later = isinstance(root, Root) and root.view.blob.place.origin is not Origin.MEMORY
    fate, reason = (Fate.MAY, "registered after A was taken") if later else (Fate.UNTOLD, "where it comes from cannot be told")
    for child in ends.after.entity.children():
        subtree = ends.after.subtrees.get(child.path) if child.kind == "subtree" else None
        if subtree is not None and subtree.in_root is not False and subtree.name not in names:
            yield EntityFate(
                fate=fate, entity=child.kind, path=child.path, other=child.path, title=child.title, reason=SafeText(f"not in A: {reason}")
            )


def root_settled(fates: Iterable[EntityFate], came: Sequence[EntityFate]) -> Iterator[EntityFate]:
    """The fates, where a root FDT differs only because of a subtree that is told for itself: gone, altered, or one that ``came``."""
    fates = tuple(fates)
    lost = [one.title for one in fates if one.entity == "subtree" and one.reason in (NOT_IN_ROOT, ALTERED_IN_ROOT)]
    for one in fates:
        altered = one.fate is Fate.LOST and one.entity == "side" and not any(f.name in _ROOT_PROPERTIES for f in one.fields)
        if altered and (lost or came):
            why = [f"without {', '.join(lost)}"] if lost else []
            why += [f"with {', '.join(extra.title for extra in came)}, which A does not list"] if came else []
            fate = Fate.MUST if lost else came[0].fate
            yield replace(one, fate=fate, reason=SafeText(f"in/fdt differs, as it must {' and '.join(why)}"))
        else:
            yield one
