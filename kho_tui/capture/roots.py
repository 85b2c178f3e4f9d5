"""Where in a tree of files the captures are."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from kho_tui.capture.machine_names import FOLDERS, TEXTS, name_in_capture
from kho_tui.releases.names import Names

RootKind = Literal["capture", "debugfs", "in", "out"]

_CORE = re.compile(r"memory\.elf(?:\.(?:gz|xz|bz2))?|capture\.json")
_SIDE = r"(?:kho[-_])?(?P<side>in|out)/"
"""The folder of a side, as debugfs names it or as a copy beside others is named: ``in``, ``kho-in``, ``kho_in``."""
_BELOW_TREE = re.compile(rf"{_SIDE}(?P<rest>.*)", re.DOTALL)
_MACHINE = f"{FOLDERS['kho/']}/"


@dataclass(frozen=True, slots=True)
class Root:
    """Where a capture begins: ``prefix`` ends in ``/`` or is empty.

    ``tree`` is the prefix of its kho tree (below ``prefix``, not always named kho), None where it has none. A root of kind ``in`` or
    ``out`` is one side of a kho tree. ``machine``: what lies below ``prefix`` is named as in a machine's file system, as sosreport does.
    """

    prefix: str
    kind: RootKind
    tree: str | None = None
    machine: bool = False

    def name_in_capture(self, path: str) -> str:
        """A path below ``prefix`` under its name in the layout of a capture."""
        below = path[len(self.prefix) :]
        if self.machine:
            return name_in_capture(below)
        if self.kind in ("in", "out"):
            return f"kho/{self.kind}/{below}"
        in_tree = None if self.tree is None or not path.startswith(self.tree) else _BELOW_TREE.fullmatch(path, len(self.tree))
        return below if in_tree is None else f"kho/{in_tree['side']}/{in_tree['rest']}"


def find_roots(paths: Sequence[str], name: str, names: Iterable[Names]) -> tuple[Root, ...]:
    """The outermost captures in a tree called ``name``; only where there is none, folders that are one side of a kho tree.

    ``names``: what the files of debugfs may be called.
    """
    names = tuple(names)
    in_tree = re.compile(rf"(?P<tree>(?:.*/)?){_SIDE}{_side_file(names)}", re.DOTALL)
    trees: set[str] = set()
    cores: set[str] = set()
    surroundings: Counter[str] = Counter()
    for path in paths:
        folder, slash, last = path.rpartition("/")
        if (match := in_tree.fullmatch(path)) is not None:
            trees.add(match["tree"])
        elif _CORE.fullmatch(last):
            cores.add(folder + slash)
        elif last in TEXTS:
            surroundings[folder + slash] += 1
    machines = {tree[: -len(_MACHINE)] for tree in trees if tree == _MACHINE or tree.endswith(f"/{_MACHINE}")}
    machines = {prefix for prefix in machines if any(path.startswith(f"{prefix}proc/") for path in paths)}
    if machines:
        return _outermost([Root(prefix, "capture", prefix + _MACHINE, machine=True) for prefix in machines])
    places = cores | {prefix for prefix, count in surroundings.items() if count > 1}
    roots = _roots_of_trees(trees, places)
    below: defaultdict[str, set[str]] = defaultdict(set)
    for prefix in roots:
        for ancestor in _ancestors(prefix):
            below[ancestor].add(prefix)
    for place in sorted(places - set(roots), key=len, reverse=True):
        nested = below[place]
        if nested and place not in cores and (len(nested) > 1 or nested <= places):
            continue
        only = next(iter(nested)) if len(nested) == 1 and not nested <= places else None
        roots[place] = Root(place, "capture")
        if only is not None:
            # A copy of the kho tree under another name, or deeper, than usual.
            roots[place] = Root(place, "capture", roots.pop(only).tree)
        for ancestor in _ancestors(place):
            below[ancestor].discard(only or "")
            below[ancestor].add(place)
    return _outermost(roots.values()) or _outermost(_sides(paths, name, names))


def _side_file(names: Sequence[Names]) -> str:
    """A regular expression of all files of a side."""
    files = "|".join(re.escape(file) for one in names for file in one.side_files)
    folders = "|".join(re.escape(one.sub_fdts) for one in names)
    return rf"(?:{files}|(?:{folders})/[^/]+)"


def _ancestors(prefix: str) -> Iterator[str]:
    """The prefixes that hold ``prefix``, the nearest first, itself not among them."""
    while prefix:
        prefix = prefix[: prefix.rfind("/", 0, -1) + 1]
        yield prefix


def _roots_of_trees(trees: set[str], places: set[str]) -> dict[str, Root]:
    roots: dict[str, Root] = {}
    # Longest first, so that CAPTURE/kho/ wins over an in/ beside it.
    for tree in sorted(trees, key=len, reverse=True):
        is_named = tree == "kho/" or tree.endswith("/kho/")
        home = tree[: -len("kho/")] if is_named else tree
        roots.setdefault(home, Root(home, "capture" if is_named or home in places else "debugfs", tree))
    return roots


def _outermost(roots: Iterable[Root]) -> tuple[Root, ...]:
    found: list[Root] = []
    for root in sorted(roots, key=lambda one: one.prefix):
        # All that lies below a prefix sorts right after it.
        if not found or not root.prefix.startswith(found[-1].prefix):
            found.append(root)
    return tuple(found)


def _sides(paths: Sequence[str], name: str, names: Sequence[Names]) -> Iterable[Root]:
    """Folders with an ``fdt`` or ``sub_fdts`` of their own. One whose side neither its name nor its files show is left out."""
    sides: dict[str, Root] = {}
    in_side = re.compile(rf"(?P<side>(?:.*/)?){_side_file(names)}", re.DOTALL)
    only_outgoing = {file for one in names for file in one.only_outgoing}
    for path in paths:
        match = in_side.fullmatch(path)
        if match is None:
            continue
        prefix = match["side"]
        folder = prefix.rstrip("/").rpartition("/")[2] if prefix else name
        if folder == "out" or path.rpartition("/")[2] in only_outgoing:
            sides[prefix] = Root(prefix, "out")
        elif folder == "in":
            sides[prefix] = Root(prefix, "in")
    return sides.values()
