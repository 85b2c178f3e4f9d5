"""Rules on LUO's root: its version, its number, and what the next kernel looks up in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kho_tui.abi.luo import (
    FLB_FORMATS,
    FLB_NODE_NAME,
    LUO_FORMATS,
    LUO_NAME,
    LUO_SER,
    SESSION_NODE_NAME,
)
from kho_tui.abi.properties import compatible_of, integer_property
from kho_tui.analysis.checks.answer import AFTER, Found
from kho_tui.analysis.checks.counted import Counted, earlier
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.rule import error, rule
from kho_tui.fdt.tree import Node
from kho_tui.model.facts import Missing, Status
from kho_tui.model.luo import Luo
from kho_tui.model.state import Side
from kho_tui.text import visible

_PANIC = "the next kernel panics at boot, even with liveupdate=off"
_MISCOUNTS = "live updates are only miscounted"
_ROOTS_OF = {b"luo-v1": (b"kho-v1", b"kho-v2", b"kho-v3"), b"luo-v5": (b"kho-v4",)}


@rule(
    "KHO039",
    "LUO's version belongs to the root's, and its number is one more than in the boot before",
    error("6.19"),
    explanation="luo-v1 stands in kho-v1 and kho-v3, luo-v5 in kho-v4. liveupdate-number is at least 1, and one more than that of the "
    "incoming side where that is still a fact (6.19 to 7.1), or that the log says was retrieved; 1 where the log shows that the boot was "
    "cold. With --after, the next kernel's is one more again.",
    consequence=f"{_PANIC}; a wrong number alone: {_MISCOUNTS}",
    source="kho-abi.md 1, 5.2, 5.3, 5.8",
)
def version(evidence: Evidence, found: Found) -> None:
    """Invariant 39."""
    subtree = evidence.subtree(LUO_NAME, found)
    if subtree is None:
        return
    root = evidence.side.root
    if subtree.compatible is None:
        if subtree.fdt is not None and subtree.fdt.tree.truncated:
            found.lack("version of LUO", "only part of its FDT is in this capture")
        elif subtree.status is Status.DAMAGED or subtree.status is Status.UNKNOWN:
            found.broken(f"no version: {subtree.reason}", subtree.path)
        else:
            found.lack("version of LUO", subtree.reason)
        return
    roots = _ROOTS_OF.get(subtree.compatible)
    if roots is None:
        found.broken(f"no release writes {visible(subtree.compatible)}", subtree.path)
        return
    if isinstance(root, Missing) or root.compatible is None:
        found.lack("version of the root", "the root FDT is not in this capture" if isinstance(root, Missing) else "it has none")
    elif root.format is not None and root.compatible not in roots:
        found.broken(f"{visible(subtree.compatible)} in {visible(root.compatible)}", subtree.path)
    if not isinstance(subtree.content, Luo):
        found.lack("content of LUO", subtree.reason)
        return
    number = found.need(subtree.content.number, "liveupdate number")
    before = earlier(evidence, _NUMBER, found)
    following = _number_of(evidence.successor) if evidence.side.name == "out" else None
    if number == 0:
        found.broken("its number is 0", subtree.path, consequence=_MISCOUNTS)
    elif number is not None and before is not None and number != before + 1:
        found.broken(f"its number is {number}, the one of the boot before {before}", subtree.path, consequence=_MISCOUNTS)
    if number is not None and following is not None and following != number + 1:
        found.broken(f"its number is {number}, the next kernel hands out {following}", subtree.path, consequence=_MISCOUNTS)
    if evidence.not_after:
        found.lack(AFTER, evidence.not_after)


def _number_of(side: Side | None) -> int | None:
    """The live update number of a side, where it is a fact."""
    subtree = None if side is None else side.named(LUO_NAME)
    content = None if subtree is None else subtree.content
    return content.number if isinstance(content, Luo) and isinstance(content.number, int) else None


_NUMBER = Counted("liveupdate number", LUO_NAME, _number_of, "liveupdate", re.compile(rb"liveupdate number: (\d{1,20})"))


@rule(
    "KHO136",
    "LUO's root is whole: what the next kernel looks up is there",
    error("6.19"),
    explanation="FDT form: liveupdate-number, the node luo-session with its version and header, from 7.0 on luo-flb likewise. Struct form: "
    "at least 32 bytes.",
    consequence=_PANIC,
    source="kho-abi.md 5.2, 5.3, 5.8",
)
def whole_root(evidence: Evidence, found: Found) -> None:
    """The checks of 5.2 and 5.3 that no other invariant makes."""
    subtree = evidence.subtree(LUO_NAME, found)
    if subtree is None:
        return
    if subtree.status is Status.STALE or isinstance(subtree.blob, Missing):
        found.lack("blob of LUO", subtree.reason)
        return
    if subtree.compatible not in LUO_FORMATS:
        found.lack("version of LUO", "it is not known (KHO039)")
        return
    root = None if subtree.fdt is None else subtree.fdt.tree.root
    if root is None:
        size = subtree.size if isinstance(subtree.size, int) else len(subtree.blob.data)
        if size < LUO_SER.size and not subtree.in_root:
            found.lack("blob of LUO", subtree.reason)
        elif size < LUO_SER.size:
            found.broken(f"{size} bytes where the struct has {LUO_SER.size}", subtree.path, subtree.blob.place.phys)
        return
    if subtree.compatible not in _ROOTS_OF:
        found.lack("form of LUO", "a version that no release writes (KHO039)")
        return
    if subtree.fdt is not None and subtree.fdt.tree.truncated:
        found.lack("blob of LUO", "only part of it is in this capture")
        return
    order = evidence.state.machine.platform.byte_order
    for name, node, versions, header in _nodes(root):
        if node is None:
            if name == FLB_NODE_NAME and not all(release.luo is not None and release.luo.flbs for release in evidence.releases):
                if any(release.luo is not None and release.luo.flbs for release in evidence.releases):
                    found.lack("release of the writer", "7.0 writes a luo-flb node and demands it, 6.19 does neither")
                continue
            found.broken(f"no {visible(name)} node", subtree.path)
            continue
        if compatible_of(node) not in versions:
            found.broken(f"{visible(name)} is of version {visible(compatible_of(node) or b'none')}", subtree.path)
        if integer_property(node, header, 8, order) is None:
            found.broken(f"{header} of {visible(name)} is missing or not 8 bytes", subtree.path)
    if integer_property(root, "liveupdate-number", 8, order) is None:
        found.broken("liveupdate-number is missing or not 8 bytes", subtree.path)


def _nodes(root: Node) -> Iterator[tuple[bytes, Node | None, tuple[bytes, ...], str]]:
    yield SESSION_NODE_NAME, root.child(SESSION_NODE_NAME), (b"luo-session-v2",), "luo-session-header"
    yield FLB_NODE_NAME, root.child(FLB_NODE_NAME), FLB_FORMATS, "luo-flb-header"


RULES = (version, whole_root)
