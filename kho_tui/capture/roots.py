"""Where in a tree of files the captures are."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

RootKind = Literal["capture", "debugfs", "in", "out"]

_SURROUNDINGS = frozenset({"iomem", "cmdline", "version", "zoneinfo", "buddyinfo", "meminfo", "dmesg", "config.gz"})
_CORE = re.compile(r"memory\.elf(?:\.(?:gz|xz|bz2))?|capture\.json")
_SIDE_FILE = r"(?:fdt|finalize|scratch_phys|scratch_len|sub_fdts/[^/]+)"
_IN_TREE = re.compile(rf"(?P<tree>(?:.*/)?)(?:in|out)/{_SIDE_FILE}", re.DOTALL)
_IN_SIDE = re.compile(rf"(?P<side>(?:.*/)?){_SIDE_FILE}", re.DOTALL)
_ONLY_OUT = re.compile(r"(?:.*/)?(?:finalize|scratch_phys|scratch_len)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Root:
    """Where a capture begins: ``prefix`` ends in ``/`` or is empty.

    ``tree`` is the prefix of its kho tree (below ``prefix``, not always named kho), None where it has none. A root of kind ``in`` or
    ``out`` is one side of a kho tree.
    """

    prefix: str
    kind: RootKind
    tree: str | None = None

    def name_in_capture(self, path: str) -> str:
        """A path below ``prefix`` under its name in the layout of a capture."""
        if self.kind in ("in", "out"):
            return f"kho/{self.kind}/{path[len(self.prefix) :]}"
        if self.tree is not None and path.startswith((self.tree + "in/", self.tree + "out/")):
            return "kho/" + path[len(self.tree) :]
        return path[len(self.prefix) :]


def find_roots(paths: Sequence[str], name: str) -> tuple[Root, ...]:
    """The outermost captures in a tree called ``name``; only where there is none, folders that are one side of a kho tree."""
    trees: set[str] = set()
    cores: set[str] = set()
    surroundings: Counter[str] = Counter()
    for path in paths:
        folder, slash, last = path.rpartition("/")
        if (match := _IN_TREE.fullmatch(path)) is not None:
            trees.add(match["tree"])
        elif _CORE.fullmatch(last):
            cores.add(folder + slash)
        elif last in _SURROUNDINGS:
            surroundings[folder + slash] += 1
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
    return _outermost(roots.values()) or _outermost(_sides(paths, name))


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


def _sides(paths: Sequence[str], name: str) -> Iterable[Root]:
    """Folders with an ``fdt`` or ``sub_fdts`` of their own. One whose side neither its name nor its files show is left out."""
    sides: dict[str, Root] = {}
    for path in paths:
        match = _IN_SIDE.fullmatch(path)
        if match is None:
            continue
        prefix = match["side"]
        folder = prefix.rstrip("/").rpartition("/")[2] if prefix else name
        if folder == "out" or _ONLY_OUT.fullmatch(path):
            sides[prefix] = Root(prefix, "out")
        elif folder == "in":
            sides[prefix] = Root(prefix, "in")
    return sides.values()
