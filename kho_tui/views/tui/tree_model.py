"""The visible part of the entity tree as a flat list of rows; children are asked for when a row is opened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kho_tui.model.entity import Entity
from kho_tui.model.path import EntityPath
from kho_tui.views.tui.reading import read_children


@dataclass(slots=True)
class Node:
    """A visible row. ``leaf`` becomes true when an opened row turns out to have nothing below."""

    entity: Entity
    depth: int
    expanded: bool = False
    leaf: bool = False


class TreeModel:
    """Rows in order of the walk; the root itself is no row.

    Children are computed once and kept. ``fetch`` and ``fetch_way`` may run in another thread than the rest.
    """

    def __init__(self, root: Entity) -> None:
        self._children: dict[EntityPath, Sequence[Entity]] = {}
        self._root = root
        self.rows: list[Node] = [_node(child, 0) for child in self.fetch(root)]

    def fetch(self, entity: Entity) -> Sequence[Entity]:
        """The children of an entity, computed where they are not known yet."""
        known = self._children.get(entity.path)
        if known is None:
            known = self._children[entity.path] = read_children(entity)
        return known

    def is_fetched(self, entity: Entity) -> bool:
        """True where ``fetch`` answers at once."""
        return entity.path in self._children

    def fetch_way(self, path: EntityPath) -> None:
        """Compute all children on the way to an entity."""
        here: Entity | None = self._root
        while here is not None and here.path != path:
            here = next((child for child in self.fetch(here) if _leads_to(child.path, path)), None)

    def is_way_fetched(self, path: EntityPath) -> bool:
        """True where ``reveal`` has nothing to compute."""
        parts = path.parts
        return all(EntityPath(parts[:n]) in self._children for n in range(len(parts)))

    def open_to_fit(self, height: int) -> None:
        """Open what leads to sessions as far as ``height`` rows show it all: a state shows its shape at once."""
        for opens in (_is_side, self._holds_sessions, _is_session):
            index = 0
            while index < len(self.rows):
                node = self.rows[index]
                opened = opens(node.entity) and not node.expanded and self.expand(index)
                if opened and len(self.rows) > height:
                    self.collapse(index)
                index += 1

    @property
    def opened(self) -> list[EntityPath]:
        """The rows that are open, parents first."""
        return [node.entity.path for node in self.rows if node.expanded]

    def reopen(self, paths: Iterable[EntityPath]) -> None:
        """Open these rows, parents first, as far as they are still there."""
        for path in paths:
            index = self.reveal(path)
            if index is not None:
                self.expand(index)

    def _holds_sessions(self, entity: Entity) -> bool:
        return entity.kind == "subtree" and not entity.is_leaf and any(map(_is_session, self.fetch(entity)))

    def expand(self, index: int) -> bool:
        """Show the children of a row; False where there are none."""
        node = self.rows[index]
        if node.leaf or node.expanded:
            return node.expanded
        below = [_node(child, node.depth + 1) for child in self.fetch(node.entity)]
        node.leaf = not below
        node.expanded = bool(below)
        self.rows[index + 1 : index + 1] = below
        return node.expanded

    def collapse(self, index: int) -> bool:
        """Hide all below a row; False where nothing is shown below it."""
        node = self.rows[index]
        if not node.expanded:
            return False
        del self.rows[index + 1 : self.last_below(index) + 1]
        node.expanded = False
        return True

    def last_below(self, index: int) -> int:
        """The last visible row below a row; the row itself where there is none."""
        depth = self.rows[index].depth
        last = index
        while last + 1 < len(self.rows) and self.rows[last + 1].depth > depth:
            last += 1
        return last

    def parent(self, index: int) -> int | None:
        """The row one level up."""
        depth = self.rows[index].depth
        return next((above for above in range(index - 1, -1, -1) if self.rows[above].depth < depth), None)

    def reveal(self, path: EntityPath) -> int | None:
        """Open what lies on the way to an entity; its row, or None where there is no such entity."""
        start = 0
        stop = len(self.rows)
        while True:
            index = next((i for i in range(start, stop) if _leads_to(self.rows[i].entity.path, path)), None)
            if index is None or self.rows[index].entity.path == path:
                return index
            if not self.expand(index):
                return None
            start, stop = index + 1, self.last_below(index) + 1


def _node(entity: Entity, depth: int) -> Node:
    return Node(entity, depth, leaf=entity.is_leaf)


def _leads_to(part: EntityPath, path: EntityPath) -> bool:
    return bool(part.parts) and path.parts[: len(part.parts)] == part.parts


def _is_side(entity: Entity) -> bool:
    return entity.kind == "side"


def _is_session(entity: Entity) -> bool:
    return entity.kind == "session"
