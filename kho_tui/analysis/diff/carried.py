"""The same pages under another name: a file that was retrieved and preserved again, a session that was renamed."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.analysis.diff.facet import Contents
from kho_tui.analysis.diff.half import Half
from kho_tui.analysis.diff.node import Node
from kho_tui.analysis.diff.values import compare_values
from kho_tui.context import Context
from kho_tui.model.change import ChangeKind
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText, plural


@dataclass(frozen=True, slots=True)
class _Alone:
    """A thing of one state alone, with what it holds."""

    node: Node
    contents: Contents


def join_carried(nodes: list[Node], old: Half, new: Half, context: Context) -> list[Node]:
    """The changes, with what was removed under one name and added under another with the very same pages as one change."""
    gone, came = _alone(nodes, ChangeKind.REMOVED, old), _alone(nodes, ChangeKind.ADDED, new)
    waiting: dict[Contents, list[_Alone]] = {}
    for one in reversed(gone):
        waiting.setdefault(one.contents, []).append(one)
    carried: list[Node] = []
    joined: set[int] = set()
    for other in came:
        context.step("looking for pages under another name")
        matches = waiting.get(other.contents)
        if matches:
            one = matches.pop()
            joined |= {id(one.node), id(other.node)}
            carried.append(_joined(one, other))
    return _join_renamed(_without(nodes, joined), carried, old) if carried else nodes


def _without(nodes: list[Node], joined: set[int]) -> list[Node]:
    """The branches less the nodes that became part of another change."""
    stack = list(nodes)
    while stack:
        node = stack.pop()
        node.below = [below for below in node.below if id(below) not in joined]
        stack += node.below
    return [node for node in nodes if id(node) not in joined]


def _joined(one: _Alone, other: _Alone) -> Node:
    before, after = one.node.entity, other.node.entity
    fields, _ = compare_values(before.detail().values, after.detail().values)
    return Node(kind=ChangeKind.CARRIED, old=before, new=after, fields=fields, note=SafeText(f"the same {one.contents.words}"))


def _alone(nodes: list[Node], kind: ChangeKind, half: Half) -> list[_Alone]:
    """Things that only one state has, with the memory that they hold, in the order of that state."""
    found = []
    stack = [node for node in reversed(nodes) if node.kind is kind]
    while stack:
        node = stack.pop()
        contents = half.contents(node.entity.path)
        if contents is not None:
            found.append(_Alone(node, contents))
        stack += reversed(node.below)
    return found


def _join_renamed(nodes: list[Node], carried: list[Node], old: Half) -> list[Node]:
    """What held files that were all carried, under their tokens, into one new thing that holds nothing else was renamed."""
    gone = {node.entity.path: node for node in nodes if node.kind is ChangeKind.REMOVED}
    came = {node.entity.path: node for node in nodes if node.kind is ChangeKind.ADDED}
    moves: dict[EntityPath, list[tuple[Node, EntityPath, EntityPath]]] = {}
    for node in carried:
        if node.old is not None and node.new is not None and node.old.path in old.files:
            moves.setdefault(node.old.path.parent, []).append((node, node.old.path, node.new.path))
    joined: set[int] = set()
    renamed: list[Node] = []
    for path, files in moves.items():
        targets = {target.parent for _, _, target in files}
        one, other = gone.get(path), came.get(next(iter(targets)))
        same_tokens = all(source.parts[-1] == target.parts[-1] for _, source, target in files)
        if one is None or other is None or len(targets) > 1 or not same_tokens or one.below or other.below:
            continue
        fields, _ = compare_values(one.entity.detail().values, other.entity.detail().values)
        joined |= {id(node) for node in (one, other, *(file for file, _, _ in files))}
        note = SafeText(f"the same {plural(len(files), 'file')}")
        below = [file for file, _, _ in files if file.fields]
        renamed.append(Node(kind=ChangeKind.CARRIED, old=one.entity, new=other.entity, fields=fields, note=note, below=below))
    return [node for node in (*nodes, *carried, *renamed) if id(node) not in joined]
