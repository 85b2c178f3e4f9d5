"""The same pages under another name: a file that was retrieved and preserved again, a session that was renamed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from kho_tui.analysis.diff.match import Half
from kho_tui.analysis.diff.node import Node
from kho_tui.analysis.diff.values import compare_values
from kho_tui.context import Context
from kho_tui.model.change import ChangeKind
from kho_tui.model.contents.memblock import Memblock
from kho_tui.model.contents.memfd import FolioArray
from kho_tui.model.entity import Entity
from kho_tui.model.facts import Status
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText, plural

Contents = tuple[int | bytes, ...]
"""Which pages something holds, and in which order: equal for two things that hold the same."""


def folio_contents(folios: FolioArray) -> Contents | None:
    """The pages of a file; None for one that has none, or of which not all could be read."""
    table = folios.table
    if not len(table) or folios.status is not Status.DECODED:
        return None
    digest = blake2b(digest_size=16)
    for name in ("word0", "index"):
        digest.update(table.column(name).astype("<u8").tobytes())
    return (len(table), digest.digest())


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
    return _join_sessions(_without(nodes, joined), carried) if carried else nodes


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
    count = one.contents[0] if before.kind == "file" else None
    note = SafeText(f"the same {plural(count, 'folio')}" if isinstance(count, int) else "the same memory")
    return Node(kind=ChangeKind.CARRIED, old=before, new=after, fields=fields, note=note)


def _alone(nodes: list[Node], kind: ChangeKind, half: Half) -> list[_Alone]:
    """Files and regions that only one state has, with their pages, in the order of that state."""
    regions = dict(_regions(half))
    found = []
    stack = [node for node in reversed(nodes) if node.kind is kind]
    while stack:
        node = stack.pop()
        contents = _contents(node.entity, half.folios, regions)
        if contents is not None:
            found.append(_Alone(node, contents))
        stack += reversed(node.below)
    return found


def _contents(entity: Entity, folios: Mapping[EntityPath, FolioArray], regions: Mapping[EntityPath, Contents]) -> Contents | None:
    if entity.kind == "file":
        mine = folios.get(entity.path.child("folios"))
        return None if mine is None else folio_contents(mine)
    return regions.get(entity.path) if entity.kind == "reserve_mem" else None


def _regions(half: Half) -> Iterator[tuple[EntityPath, Contents]]:
    for subtree in half.side.subtrees:
        for region in subtree.content.regions if isinstance(subtree.content, Memblock) else ():
            if isinstance(region.start, int) and isinstance(region.size, int):
                yield region.path, (region.start, region.size, b"reserve_mem")


def _join_sessions(nodes: list[Node], carried: list[Node]) -> list[Node]:
    """A session whose files were all carried, under their tokens, into one new session that holds nothing else was renamed."""
    gone = {node.entity.path: node for node in nodes if node.kind is ChangeKind.REMOVED and node.entity.kind == "session"}
    came = {node.entity.path: node for node in nodes if node.kind is ChangeKind.ADDED and node.entity.kind == "session"}
    moves: dict[EntityPath, list[tuple[Node, EntityPath, EntityPath]]] = {}
    for node in carried:
        if node.old is not None and node.new is not None and node.old.kind == "file":
            moves.setdefault(node.old.path.parent, []).append((node, node.old.path, node.new.path))
    joined: set[int] = set()
    sessions: list[Node] = []
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
        sessions.append(Node(kind=ChangeKind.CARRIED, old=one.entity, new=other.entity, fields=fields, note=note, below=below))
    return [node for node in (*nodes, *carried, *sessions) if id(node) not in joined]
