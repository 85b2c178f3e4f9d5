"""What follows from what: counts and sizes from what came and went, preserved memory from whoever owns it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping

from kho_tui.analysis.diff.half import Half
from kho_tui.analysis.diff.match import key_text
from kho_tui.analysis.diff.node import MEMBERSHIP, Key, Node, kind_of
from kho_tui.analysis.diff.values import STATE
from kho_tui.layout.struct import Unit
from kho_tui.model.change import ChangeKind, FieldChange, MemoryChange, Part
from kho_tui.model.kinds import KIND_ROOT, Kind

_FDT_SIZES = r"totalsize|off_dt_struct|off_dt_strings|off_mem_rsvmap|size_dt_strings|size_dt_struct"
_FOLLOWS: Mapping[str, str] = {"side": _FDT_SIZES, "subtree": rf"{_FDT_SIZES}|blob-size"}
"""By kind of entity, besides what its module says: fields that say how much is below it, so that they follow what comes or goes there."""

_MEMORY_UNITS = frozenset({Unit.PHYS, Unit.PFN, Unit.BYTES, Unit.PAGES, Unit.ORDER, Unit.OPAQUE})
"""Units of fields that can decide which memory an entity owns."""
_NO_MEMORY = frozenset({"pos"})
"""A place in a file, which decides nothing."""


def settle(nodes: list[Node], old: Half) -> list[Node]:
    """The roots of change, with everything else put below the change that it follows from. ``old`` is the side of A."""
    by_parent = _membership(nodes)
    grown = {n.old_key: n for n in nodes if any(field.name == "size" for field in n.fields)}
    tops: list[Node] = []
    for node in nodes:
        # A thing of another size has other rows: that it was resized is why they came or went.
        cause = grown.get(node.old_key[:-1]) if node.resizes and node.old_key is not None else None
        if cause is not None:
            cause.below.append(node)
            continue
        cause = _first(by_parent, node)
        following = _following(node, old) if cause is not None else []
        if cause is None or not following:
            tops.append(node)
            continue
        own = [field for field in node.fields if field not in following]
        cause.below.append(Node(kind=kind_of(following), old=node.old, new=node.new, fields=following))
        if own:
            node.fields, node.kind = own, kind_of(own)
            tops.append(node)
    return _below_what_is_broken(tops)


def _below_what_is_broken(nodes: list[Node]) -> list[Node]:
    """What can be read in another way only because of a thing in it: put below the innermost such thing, the first by name."""
    tops: list[Node] = []
    for node in nodes:
        inside = [one for one in nodes if _is_inside(one, node)] if _is_state_alone(node) else []
        cause = min(inside, key=lambda one: (-len(one.entity.path.parts), key_text(one.entity)), default=None)
        if cause is None:
            tops.append(node)
        else:
            cause.below.append(node)
    return tops


def _is_state_alone(node: Node) -> bool:
    return len(node.fields) == 1 and node.fields[0].name == STATE


def _is_inside(one: Node, node: Node) -> bool:
    """Whether one thing is a part of another in both states, and can be read in another way than before too."""
    if one.old is None or one.new is None or one.old.status is one.new.status:
        return False
    keys = ((one.old_key, node.old_key), (one.new_key, node.new_key))
    return all(mine is not None and whole is not None and len(mine) > len(whole) and mine[: len(whole)] == whole for mine, whole in keys)


def _membership(nodes: Iterable[Node]) -> dict[tuple[str, Key], list[Node]]:
    """What came or went, by where: in A ("old") or in B ("new"), and the path of what it is a part of."""
    found: dict[tuple[str, Key], list[Node]] = {}
    for node in nodes:
        if node.kind not in MEMBERSHIP and not node.resizes:
            continue
        for state, key in (("old", node.old_key), ("new", node.new_key)):
            if key:
                found.setdefault((state, key[:-1]), []).append(node)
    return found


def _first(by_parent: Mapping[tuple[str, Key], list[Node]], node: Node) -> Node | None:
    """The change that a parent's counts follow from: of several the first by name, whichever state is A."""
    if node.kind in MEMBERSHIP:
        return None
    keys = (("old", node.old_key), ("new", node.new_key))
    below = [one for state, key in keys if key is not None for one in by_parent.get((state, key), ())]
    return min(below, key=lambda one: key_text(one.entity), default=None)


def _following(node: Node, old: Half) -> list[FieldChange]:
    patterns = (_FOLLOWS.get(node.entity.kind), old.follows(node.entity))
    pattern = re.compile("|".join(filter(None, patterns)) or r"(?!)")
    # A pointer follows where there was no list before or is none now; from one place to another it has moved by itself.
    return [f for f in node.fields if pattern.fullmatch(f.name) and (f.unit is not Unit.PHYS or 0 in (f.old, f.new))]


class Owners:
    """The changes by the paths of their entities, to find why an owner's memory differs."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._old: dict[Key, Node] = {}
        self._new: dict[Key, Node] = {}
        stack = deque(nodes)
        while stack:
            node = stack.popleft()
            for index, key in ((self._old, node.old_key), (self._new, node.new_key)):
                if key is not None and (node.entity.kind != "scratch area"):
                    index.setdefault(key, node)
            stack += node.below

    def explain(self, kind: Kind | None, change: MemoryChange) -> bool:
        """Put the memory below the change that it follows from; whether there is one."""
        if change.owner is None:
            return False
        key = change.owner.parts[1:]
        indexes = (self._new,) if change.part is Part.NEW else (self._old, self._new)
        cause = next((node for index in indexes for node in [_cause(index, kind, key)] if node is not None), None)
        if cause is None:
            return False
        cause.memory.append(change)
        return True


def _cause(index: Mapping[Key, Node], kind: Kind | None, key: Key) -> Node | None:
    near = [index.get(key)]
    if len(key) > 1 or kind is KIND_ROOT:
        near.append(index.get(key[:-1]))
    for node in near:
        if node is not None and _moves_memory(node):
            return node
    above = (index.get(key[:end]) for end in range(len(key), 0, -1))
    return next((node for node in above if node is not None and node.kind in MEMBERSHIP), None)


def _moves_memory(node: Node) -> bool:
    return (
        node.kind in MEMBERSHIP
        or any(f.unit in _MEMORY_UNITS and f.name not in _NO_MEMORY for f in node.fields)
        or node.kind is ChangeKind.MOVED
    )
