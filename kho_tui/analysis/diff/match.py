"""Two walks of entities side by side: matched by path, compared field by field. Nothing here asks what follows from what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from kho_tui.analysis.diff.half import Half
from kho_tui.analysis.diff.node import Key, Node, key_of, kind_of
from kho_tui.analysis.diff.values import compare_values, state_change
from kho_tui.context import Context
from kho_tui.layout.place import Blob, Origin
from kho_tui.layout.struct import Unit
from kho_tui.model.change import ChangeKind, FieldChange, Untold
from kho_tui.model.entities.values import property_values
from kho_tui.model.entity import Entity, Value
from kho_tui.model.facts import Missing, Status
from kho_tui.model.state import RawContent, Subtree
from kho_tui.text import NO_TEXT, SafeText

_LEFT_OUT = frozenset({"copy", "chunks", "nodes", "reading", "tracker", "cut"})
"""Kinds that are no things of their own: copies of one thing, the shape of the tracker (its blocks are compared as memory), and what
stands for a name that could not be read."""

_UNTOLD = frozenset({Status.STALE, Status.UNAVAILABLE})
_WHOLE = frozenset({Status.DECODED, Status.DERIVED})
_NODE = "node"
"""Nodes of an FDT that nobody knows: they go without saying with what holds them, and may be as deep as they like."""

_MOST_NAMES = 40
_EXCERPT = 32
"""Bytes shown of a subtree that nobody knows, from the first one that differs."""


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
    if one.path in old.lists or other.path in new.lists:
        found.nodes += _list_changes(one, other, old, new)
        return
    fields, untold = compare_values(_values(one, old), _values(other, new))
    found.untold += [Untold(one.kind, one.path, SafeText(f"{one.title}: {name}"), reason) for name, reason in untold]
    if not (_shows_all(one, old) and _shows_all(other, new)):
        # A field that only one of them shows may be there in the other too.
        fields = [field for field in fields if field.old is not None and field.new is not None]
    if one.kind == "subtree":
        pair = old.subtrees.get(one.path), new.subtrees.get(other.path)
        fields = fields or _bytes(*pair)
        earlier = _of_another_moment(*pair) if fields and old.diffing(one).written_late else None
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
    return entity.kind == _NODE or (subtree is not None and isinstance(subtree.content, RawContent))


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
    return node is not None and node.has_all and not half.unread(entity)


def _list_changes(one: Entity, other: Entity, old: Half, new: Half) -> Iterator[Node]:
    before, after = old.lists.get(one.path), new.lists.get(other.path)
    if before is None or type(before) is not type(after):
        return
    rows, links = before.compare(after), before.links(after)
    if rows is not None:
        yield Node(kind=rows.kind, old=one, new=other, fields=[*rows.fields, *links], note=rows.note, resizes=rows.resizes)
    elif links:
        yield Node(kind=kind_of(links), old=one, new=other, fields=links)


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

    Addresses are what the kernel writes in between.
    """
    if one is None or other is None or not isinstance(one.blob, Blob) or not isinstance(other.blob, Blob):
        return None
    if bool(one.outdated) is bool(other.outdated) or isinstance(one.content, Missing):
        return None
    earlier = [blob for subtree in (one, other) for blob in (subtree.blob, *subtree.copies) if isinstance(blob, Blob)]
    copies = [blob.data for blob in earlier if blob.place.origin is not Origin.MEMORY]
    same = len(copies) > 1 and len(set(copies)) == 1
    also = ": such copies of both are the same" if same else ""
    said = SafeText(f"one is memory at the jump, the other a copy that debugfs gave before{also}")
    return said, frozenset(Unit) if same else frozenset({Unit.PHYS})


def _children(one: Entity, other: Entity, old: Half, new: Half, found: Found) -> list[tuple[Entity, Entity]]:
    """Pairs of children; those of one state alone are added or removed, or cannot be told where the other list is not whole."""
    before, after = _keyed(one, old), _keyed(other, new)
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


def _keyed(entity: Entity, half: Half) -> dict[tuple[str, Key], Entity]:
    depth = len(entity.path.parts)
    return {(child.kind, child.path.parts[depth:]): child for child in _things(entity, half)}


def _things(entity: Entity, half: Half) -> Iterator[Entity]:
    """What is below an entity, less what is no thing of its own."""
    placeholders = half.diffing(entity).placeholders
    return (child for child in entity.children() if child.kind not in _LEFT_OUT and child.kind not in placeholders)


def _unread(entity: Entity, half: Half) -> SafeText:
    """Why the children of an entity may be more than those that are shown; empty where they are all."""
    if entity.kind == "side":
        root = half.side.root
        reason = root.reason if isinstance(root, Missing) else entity.reason
        told = half.side.subtrees_told and (entity.status in _WHOLE or isinstance(root, Missing))
        return NO_TEXT if told else reason or SafeText("its subtrees are not all known")
    if unread := half.unread(entity):
        return unread
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
        unlisted = half.diffing(node.entity).unlisted
        for child in _things(node.entity, half):
            if child.kind != _NODE and child.kind not in unlisted and child.path not in half.lists:
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
