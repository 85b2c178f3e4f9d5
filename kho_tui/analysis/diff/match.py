"""Two walks of entities side by side: matched by path, compared field by field. Nothing here asks what follows from what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kho_tui.analysis.diff.folios import RowChanges, compare_blocks, compare_folios
from kho_tui.analysis.diff.node import Key, Node, key_of, kind_of
from kho_tui.analysis.diff.values import compare_values, state_change
from kho_tui.context import Context
from kho_tui.layout.place import Blob, Origin
from kho_tui.layout.struct import Unit
from kho_tui.model.change import ChangeKind, FieldChange, Untold
from kho_tui.model.contents.kho_test import KhoTest
from kho_tui.model.contents.luo import Luo
from kho_tui.model.contents.memfd import FolioArray, Memfd
from kho_tui.model.entities.values import header_values, property_values
from kho_tui.model.entity import Entity, Value
from kho_tui.model.facts import Missing, Status
from kho_tui.model.path import EntityPath
from kho_tui.model.state import RawContent, Side, Subtree
from kho_tui.text import NO_TEXT, SafeText

LEFT_OUT = frozenset({"copy", "chunks", "nodes", "reading", "tracker", "sessions", "cut"})
"""Kinds that are no things of their own: copies of one thing, the shape of the tracker (its blocks are compared as memory), and what
stands for a list or a name that could not be read."""

_UNTOLD = frozenset({Status.STALE, Status.UNAVAILABLE})
_WHOLE = frozenset({Status.DECODED, Status.DERIVED})
_NOT_LISTED = frozenset({"folios", "FLBs", "node"})
"""Kinds that go without saying with what holds them; nodes of an FDT that nobody knows may be as deep as they like."""

_MOST_NAMES = 40
_EXCERPT = 32
"""Bytes shown of a subtree that nobody knows, from the first one that differs."""


@dataclass(frozen=True, eq=False)
class Half:
    """One side of one state: its entity, and the parts of the model that the walk shows as long lists or does not show."""

    entity: Entity
    side: Side
    subtrees: Mapping[EntityPath, Subtree]
    folios: Mapping[EntityPath, FolioArray]

    def folios_of(self, entity: Entity) -> FolioArray | None:
        """The folios of a memfd by the path of their entity."""
        return self.folios.get(entity.path)


def half_of(side: Side, entity: Entity) -> Half:
    """A side with what its comparison needs."""
    subtrees = {one.path: one for one in side.subtrees}
    folios = {}
    for file in (file for one in side.subtrees if isinstance(one.content, Luo) for file in one.content.files):
        if isinstance(file.content, Memfd) and isinstance(file.content.folios, FolioArray):
            folios[file.path.child("folios")] = file.content.folios
    return Half(entity, side, subtrees, folios)


@dataclass(slots=True)
class Found:
    """What a comparison gave: roots of change as far as one entity tells, and what could not be compared."""

    nodes: list[Node] = field(default_factory=list)
    untold: list[Untold] = field(default_factory=list)


def compare_halves(old: Half, new: Half, context: Context) -> Found:
    """Everything that differs between two sides but for preserved memory. Linear in their entities and rows. Raises Cancelled."""
    found = Found()
    stack: list[tuple[Entity, Entity]] = [(old.entity, new.entity)]
    while stack:
        one, other = stack.pop()
        context.step("comparing", len(found.nodes))
        _compare(one, other, old, new, found)
        if _has_content(one, old) and _has_content(other, new):
            stack += reversed(_children(one, other, old, new, found))
    return found


def _compare(one: Entity, other: Entity, old: Half, new: Half, found: Found) -> None:
    """Two entities by themselves, without what is below them."""
    unread = next((entity for entity in (one, other) if entity.status in _UNTOLD), None)
    partial = next((entity for entity in (one, other) if entity.status is Status.PARTIAL), None)
    if unread is not None or (partial is not None and one.status is not other.status):
        of = unread or partial
        assert of is not None
        found.untold.append(Untold(one.kind, one.path, one.title, of.reason or SafeText(of.status.value)))
    if one.kind == "folios":
        rows, pages = _rows(one, other, old, new), _page_list(one, other, old, new)
        if rows is not None:
            found.nodes.append(
                Node(kind=rows.kind, old=one, new=other, fields=[*rows.fields, *pages], note=rows.note, resizes=rows.resizes)
            )
        elif pages:
            found.nodes.append(Node(kind=kind_of(pages), old=one, new=other, fields=pages))
        return
    fields, untold = compare_values(_values(one, old), _values(other, new))
    found.untold += [Untold(one.kind, one.path, SafeText(f"{one.title}: {name}"), reason) for name, reason in untold]
    if not (_shows_all(one, old) and _shows_all(other, new)):
        # A field that only one of them shows may be there in the other too.
        fields = [field for field in fields if field.old is not None and field.new is not None]
    if one.kind == "subtree":
        pair = old.subtrees.get(one.path), new.subtrees.get(other.path)
        fields = fields or _bytes(*pair)
        earlier = _of_another_moment(*pair) if fields else None
        if earlier is not None:
            found.untold.append(Untold(one.kind, one.path, one.title, earlier[0]))
            fields = [field for field in fields if field.unit not in earlier[1]]
    note = NO_TEXT
    if unread is None and partial is None and one.status is not other.status:
        broken = other if one.status is Status.DECODED else one
        note = broken.reason
        fields = fields or [state_change(one.status, other.status)]
    if fields:
        found.nodes.append(Node(kind=kind_of(fields), old=one, new=other, fields=fields, note=note))


def _values(entity: Entity, half: Half) -> Iterable[Value]:
    """Of a stale subtree only its node in the root FDT is a fact."""
    subtree = half.subtrees.get(entity.path) if entity.kind == "subtree" else None
    if subtree is not None and subtree.status is Status.STALE:
        return property_values(subtree.values)
    return entity.detail().values


def _has_content(entity: Entity, half: Half) -> bool:
    """Whether what is below an entity is its content, as its own format has it; a stale one is no fact, one of an unknown version raw."""
    subtree = half.subtrees.get(entity.path) if entity.kind == "subtree" else None
    return subtree is None or (subtree.status is not Status.STALE and not isinstance(subtree.content, Missing))


def _is_raw(entity: Entity, half: Half) -> bool:
    """Whether nobody knows what it is, so that it is shown whole, as it is."""
    subtree = half.subtrees.get(entity.path) if entity.kind == "subtree" else None
    return entity.kind == "node" or (subtree is not None and isinstance(subtree.content, RawContent))


def _shows_all(entity: Entity, half: Half) -> bool:
    """Whether an entity without a field does not have it, and not only could not be read."""
    subtree = half.subtrees.get(entity.path) if entity.kind == "subtree" else None
    if entity.status not in _WHOLE and not _is_raw(entity, half):
        return False
    if subtree is None:
        return True
    root = half.side.root
    nodes = None if isinstance(root, Missing) else root.view.tree.root
    node = None if nodes is None else nodes.child(subtree.name)
    return node is not None and node.has_all and not (isinstance(subtree.content, Luo) and isinstance(subtree.content.sessions, Missing))


def _rows(one: Entity, other: Entity, old: Half, new: Half) -> RowChanges | None:
    before, after = old.folios_of(one), new.folios_of(other)
    if before is not None and after is not None:
        whole = (before.status is not Status.PARTIAL, after.status is not Status.PARTIAL)
        return compare_folios(before.table, after.table, whole)
    subtrees = [half.subtrees.get(entity.path.parent) for half, entity in ((old, one), (new, other))]
    contents = [None if subtree is None else subtree.content for subtree in subtrees]
    tests = [content for content in contents if isinstance(content, KhoTest)]
    tables = [test.folios for test in tests if not isinstance(test.folios, Missing)]
    if len(tables) < 2:
        return None
    return compare_blocks(tables[0], tables[1], (tests[0].folio_count.whole, tests[1].folio_count.whole))


def _page_list(one: Entity, other: Entity, old: Half, new: Half) -> list[FieldChange]:
    """The links between the pages of the folio array's page list."""
    before, after = old.folios_of(one), new.folios_of(other)
    if before is None or after is None:
        return []
    lists = ([chunk.header for chunk in folios.area.chunks] for folios in (before, after))
    return compare_values(*(header_values("chunk", headers) for headers in lists))[0]


def _bytes(one: Subtree | None, other: Subtree | None) -> list[FieldChange]:
    """The bytes of a subtree that nobody knows, from the first that differs on."""
    if one is None or other is None or not isinstance(one.content, RawContent) or not isinstance(other.content, RawContent):
        return []
    if not isinstance(one.blob, Blob) or not isinstance(other.blob, Blob) or one.blob.data == other.blob.data or one.fdt is not None:
        return []
    pairs = zip(one.blob.data, other.blob.data, strict=False)
    at = next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one.blob.data), len(other.blob.data)))
    excerpts = (blob.data[at : at + _EXCERPT] for blob in (one.blob, other.blob))
    return [FieldChange(f"bytes from {at:#x}", Unit.OPAQUE, *excerpts)]


def _of_another_moment(one: Subtree | None, other: Subtree | None) -> tuple[SafeText, frozenset[Unit]] | None:
    """Where one blob is memory at the jump and the other an earlier copy of debugfs: that, and the units of fields that tell nothing.

    LUO writes the addresses in its struct in the reboot call (kernel/liveupdate/luo_session.c).
    """
    if one is None or other is None or not isinstance(one.blob, Blob) or not isinstance(other.blob, Blob):
        return None
    if bool(one.outdated) is bool(other.outdated) or not isinstance(one.content, Luo):
        return None
    earlier = [blob for subtree in (one, other) for blob in (subtree.blob, *subtree.copies) if isinstance(blob, Blob)]
    copies = [blob.data for blob in earlier if blob.place.origin is not Origin.MEMORY]
    same = len(copies) > 1 and len(set(copies)) == 1
    also = ": such copies of both are the same" if same else ""
    said = SafeText(f"one is memory at the jump, the other a copy that debugfs gave before{also}")
    return said, frozenset(Unit) if same else frozenset({Unit.PHYS})


def _children(one: Entity, other: Entity, old: Half, new: Half, found: Found) -> list[tuple[Entity, Entity]]:
    """Pairs of children; those of one state alone are added or removed, or cannot be told where the other list is not whole."""
    before, after = _keyed(one), _keyed(other)
    unread_old, unread_new = _unread(one, old), _unread(other, new)
    for key, child in before.items():
        if key not in after:
            _alone(child, ChangeKind.REMOVED, unread_new, old, found)
    for key, child in after.items():
        if key not in before:
            _alone(child, ChangeKind.ADDED, unread_old, new, found)
    common = [key for key in before if key in after]
    # Without the root FDT its subtrees stand in the order of a directory.
    listed = one.kind != "side" or not (isinstance(old.side.root, Missing) or isinstance(new.side.root, Missing))
    if listed and not unread_old and not unread_new:
        _order(one, other, common, [key for key in after if key in before], found)
    return [(before[key], after[key]) for key in common]


def _keyed(entity: Entity) -> dict[tuple[str, Key], Entity]:
    depth = len(entity.path.parts)
    return {(child.kind, child.path.parts[depth:]): child for child in entity.children() if child.kind not in LEFT_OUT}


def _unread(entity: Entity, half: Half) -> SafeText:
    """Why the children of an entity may be more than those that are shown; empty where they are all."""
    if entity.kind == "side":
        root = half.side.root
        reason = root.reason if isinstance(root, Missing) else entity.reason
        told = half.side.subtrees_told and (entity.status in _WHOLE or isinstance(root, Missing))
        return NO_TEXT if told else reason or SafeText("its subtrees are not all known")
    subtree = half.subtrees.get(entity.path) if entity.kind == "subtree" else None
    if subtree is not None and isinstance(subtree.content, Luo):
        sessions = subtree.content.sessions
        if isinstance(sessions, Missing) or sessions.status is not Status.DECODED:
            return sessions.reason or SafeText(sessions.status.value)
    return NO_TEXT if entity.status in _WHOLE or _is_raw(entity, half) else entity.reason or SafeText(entity.status.value)


def _alone(child: Entity, kind: ChangeKind, unread: SafeText, half: Half, found: Found) -> None:
    if unread:
        found.untold.append(Untold(child.kind, child.path, child.title, unread))
        return
    found.nodes.append(alone(child, kind, half))


def alone(entity: Entity, kind: ChangeKind, half: Half) -> Node:
    """A whole branch of one state: the entity, with all that went or came with it below."""
    top = _one_state(entity, kind)
    stack = [top]
    while stack:
        node = stack.pop()
        for child in node.entity.children():
            if child.kind not in LEFT_OUT and child.kind not in _NOT_LISTED:
                made = _one_state(child, kind)
                node.below.append(made)
                stack.append(made)
    return top


def _one_state(entity: Entity, kind: ChangeKind) -> Node:
    return (
        Node(kind=kind, old=entity, new=None, note=entity.summary)
        if kind is ChangeKind.REMOVED
        else Node(kind=kind, old=None, new=entity, note=entity.summary)
    )


def _order(one: Entity, other: Entity, before: Sequence[tuple[str, Key]], after: Sequence[tuple[str, Key]], found: Found) -> None:
    if list(before) == list(after):
        return
    names = [b", ".join("/".join(key).encode() for _, key in keys[:_MOST_NAMES]) for keys in (before, after)]
    found.nodes.append(Node(kind=ChangeKind.REORDERED, old=one, new=other, fields=[FieldChange("order", Unit.TEXT, *names)]))


def key_text(entity: Entity) -> str:
    """What stands for an entity when things are put in an order that does not depend on which state is A."""
    return "/".join(key_of(entity))
