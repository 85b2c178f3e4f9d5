"""What a comparison shows as a tree: entities with a mark and a word each, and what is below counted up. Knows no screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from kho_tui.model.change import Change, Diff, EntityFate, MemoryChange, Untold
from kho_tui.model.entity import Entity
from kho_tui.model.path import EntityPath
from kho_tui.operations.diff_states import Compared
from kho_tui.text import NO_TEXT, SafeText
from kho_tui.views.diff_words import PART_MARKS, memory_words
from kho_tui.views.tui.reading import read_children

MARKS = "-?+~>"
"""What is worth stopping at, worst first; ``=`` and a blank are not."""
_MOST_UNCHANGED = 20_000
"""Entities of A that are listed only because they are there."""
_OPEN_AT_FIRST = 400

Subject = Change | EntityFate | Untold | MemoryChange


@dataclass(slots=True, eq=False, kw_only=True)
class Node:
    """A row. ``old`` and ``new`` are where it is in A and in B, as far as it is there; ``counts``: marks of all below, by mark.

    ``parent`` is the number of another node, -1 for none; ``end`` the number behind the last node below this one.
    """

    label: SafeText
    old: EntityPath | None = None
    new: EntityPath | None = None
    mark: str = " "
    word: SafeText = NO_TEXT
    note: SafeText = NO_TEXT
    subject: Subject | None = None
    children: list[Node] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    expanded: bool = False
    depth: int = 0
    parent: int = -1
    end: int = 0

    @property
    def is_change(self) -> bool:
        """Whether ``]`` stops here."""
        return self.subject is not None and self.mark in MARKS

    @property
    def text(self) -> str:
        """What a filter is looked for in, for ``casefold`` is done already."""
        return f"{self.word} {self.label} {self.old or ''} {self.new or ''} {self.note}".casefold()


class _Section:
    """One tree by path, under nodes of its own."""

    def __init__(self, renamed: dict[str, str]) -> None:
        self.tops: list[Node] = []
        self._renamed = renamed
        self._by_path: dict[EntityPath, Node] = {}

    def at(self, path: EntityPath) -> Node:
        """The node of a path, with all above it."""
        missing = []
        while path.parts and path not in self._by_path:
            missing.append(path)
            path = path.parent
        above = self._by_path.get(path)
        for one in reversed(missing):
            side = one.parts[0]
            node = Node(label=SafeText(one.parts[-1]), old=one, new=EntityPath((self._renamed.get(side, side), *one.parts[1:])))
            (self.tops if above is None else above.children).append(node)
            self._by_path[one] = above = node
        assert above is not None
        return above

    def put(self, path: EntityPath, node: Node) -> None:
        """A node of a path: the one that stands for it there, or below that where it is taken."""
        there = self.at(path)
        if there.subject is None and not isinstance(node.subject, MemoryChange):
            there.old, there.new, there.mark, there.word, there.note = node.old, node.new, node.mark, node.word, node.note
            there.subject = node.subject
            there.children += node.children
            if isinstance(node.subject, EntityFate | Change | Untold):
                there.label = _named(there.label, node.subject)
        else:
            there.children.append(node)


class DiffTree:
    """All rows in order. Opening, closing and choosing what is shown are linear in the rows, drawing is not."""

    def __init__(self, tops: Sequence[Node]) -> None:
        self.nodes: list[Node] = []
        self._lay_out(tops)
        for node in reversed(self.nodes):
            if node.parent >= 0:
                above = self.nodes[node.parent]
                above.counts.update(node.counts)
                if node.is_change:
                    above.counts[node.mark] += 1
        few = sum(node.is_change for node in self.nodes) <= _OPEN_AT_FIRST
        for node in self.nodes:
            node.expanded = bool(node.counts) and (few or node.depth == 0)

    def _lay_out(self, tops: Sequence[Node]) -> None:
        """Number the nodes, parents first."""
        stack = [(node, -1, 0) for node in reversed(tops)]
        while stack:
            node, parent, depth = stack.pop()
            node.parent, node.depth = parent, depth
            number = len(self.nodes)
            self.nodes.append(node)
            stack += [(child, number, node.depth + 1) for child in reversed(node.children)]
        for number in range(len(self.nodes) - 1, -1, -1):
            node = self.nodes[number]
            node.end = max(node.end, number + 1)
            if node.parent >= 0:
                above = self.nodes[node.parent]
                above.end = max(above.end, node.end)

    def fitting(self, words: str, *, only_changes: bool) -> list[bool]:
        """Which nodes hold all of the words, and differ."""
        parts = [part.casefold() for part in words.split()]
        return [
            (node.is_change or not only_changes) and (not parts or (node.subject is not None and all(part in node.text for part in parts)))
            for node in self.nodes
        ]

    def with_above(self, fitting: Sequence[bool]) -> list[bool]:
        """Those nodes, and all above them: what is to be seen."""
        shown = list(fitting)
        for number in range(len(self.nodes) - 1, -1, -1):
            parent = self.nodes[number].parent
            if shown[number] and parent >= 0:
                shown[parent] = True
        return shown

    def rows(self, wanted: Sequence[bool]) -> list[int]:
        """The numbers of the nodes in sight: wanted, and everything above them open."""
        found = []
        at = 0
        while at < len(self.nodes):
            node = self.nodes[at]
            if wanted[at]:
                found.append(at)
                at = at + 1 if node.expanded else node.end
            else:
                at = node.end
        return found

    def reveal(self, number: int) -> None:
        """Open everything above a node."""
        while (number := self.nodes[number].parent) >= 0:
            self.nodes[number].expanded = True


def diff_tree(compared: Compared, root: Entity) -> DiffTree:
    """The tree of a comparison; ``root`` is A's, whose entities are listed beside those that differ."""
    fates, diff = compared.fates, compared.diff
    if fates is None:
        return DiffTree([] if diff is None else _plain(diff, root))
    sections = [Node(label=SafeText("what was handed over"), children=_fates(fates.fates))]
    if fates.onward:
        sections.append(Node(label=SafeText("what B hands on of it"), children=_fates(fates.onward)))
    if diff is not None:
        sections.append(Node(label=SafeText("what B hands on, against what it was handed"), children=_plain(diff, root)))
    return DiffTree(sections)


def _fates(fates: Sequence[EntityFate]) -> list[Node]:
    section = _Section({})
    for one in fates:
        word = SafeText(f"{one.fate.value} {one.entity}")
        section.put(
            one.path, Node(label=one.title, old=one.path, new=one.other, mark=one.fate.mark, word=word, note=one.reason, subject=one)
        )
    return section.tops


def _plain(diff: Diff, root: Entity) -> list[Node]:
    section = _Section(dict(diff.sides))
    for path in _entities(root, {"scratch", *(old for old, _ in diff.sides)}):
        section.at(path)
    for change in diff.changes:
        section.put(change.where, _with_consequences(change))
    for memory in diff.memory:
        path = memory.owner or EntityPath((diff.sides[0][0],) if diff.sides else ("memory",))
        section.put(
            path,
            Node(
                label=memory_words(memory),
                old=path,
                new=path,
                mark=PART_MARKS[memory.part],
                word=SafeText("memory"),
                note=NO_TEXT,
                subject=memory,
            ),
        )
    for one in diff.untold:
        section.put(
            one.where,
            Node(
                label=one.title,
                old=one.where,
                new=one.where,
                mark="?",
                word=SafeText(f"cannot tell {one.entity}"),
                note=one.reason,
                subject=one,
            ),
        )
    return section.tops


def _entities(root: Entity, sides: set[str]) -> Iterator[EntityPath]:
    """Entities of the sides that are compared, parents first, as many as there is a point in listing."""
    stack = [one for one in reversed(read_children(root)) if one.path.parts and one.path.parts[0] in sides]
    for _ in range(_MOST_UNCHANGED):
        if not stack:
            return
        one = stack.pop()
        yield one.path
        stack.extend(reversed(read_children(one)))


def _with_consequences(top: Change) -> Node:
    """A change with what follows from it below."""
    made = _node(top, top.where)
    stack = [(top, made)]
    while stack:
        change, node = stack.pop()
        for one in change.consequences:
            below = _node(one, change.where)
            node.children.append(below)
            stack.append((one, below))
    return made


def _named(part: SafeText, subject: EntityFate | Change | Untold) -> SafeText:
    """The last part of a path, with the title where that says more."""
    same = subject.entity == "side" or part.endswith(subject.title) or not subject.title
    return part if same else SafeText(f"{part} ({subject.title})")


def _node(change: Change, above: EntityPath) -> Node:
    path = change.where
    inside = path.parts[: len(above.parts)] == above.parts and len(path.parts) > len(above.parts)
    label = SafeText("/".join(path.parts[len(above.parts) :])) if inside else path.text
    word = SafeText(f"{change.kind.value} {change.entity}")
    there = change.other.text if change.other is not None and change.other != path else NO_TEXT
    # The new place of what was carried over is what one looks for.
    note = SafeText(f"to {there}: {change.note}" if there and change.path is not None else change.note)
    if change.declared:
        note = SafeText("; ".join(text for text in (note, f"declared unpredictable: {change.declared}") if text))
    return Node(label=label, old=change.path, new=change.other, mark=change.kind.mark, word=word, note=note, subject=change)
