"""Rules on LUO's root: its version, its number, and what the next kernel looks up in it."""

from __future__ import annotations

from kho_tui.abi.luo import (
    FLB_NODE_NAME,
    LUO,
    LUO_FORMATS,
    LUO_NAME,
    LUO_V5,
    ListNode,
)
from kho_tui.abi.properties import compatible_of, integer_property
from kho_tui.abi.root import ROOT_FORMATS
from kho_tui.analysis.checks.answer import AFTER, Found
from kho_tui.analysis.checks.counted import Counted, earlier
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.rule import error, rule, warning
from kho_tui.fdt.tree import Node
from kho_tui.layout.place import Blob
from kho_tui.model.facts import Missing, Status, known
from kho_tui.model.path import EntityPath
from kho_tui.model.state import Side, Subtree
from kho_tui.subsystems.luo.content import Luo
from kho_tui.text import visible

_PANIC = "the next kernel panics at boot, even with liveupdate=off"
_MISCOUNTS = "live updates are only miscounted"
_STRUCT = LUO_V5
"""The first version that is a struct."""


def _pairings() -> str:
    """Which released version of LUO stands in which released versions of the root."""
    pairs: list[str] = []
    for form in LUO_FORMATS:
        if form.released:
            roots = " and ".join(root.compatible.decode() for root in ROOT_FORMATS if root.released and root.compatible in form.roots)
            pairs.append(f"{form.compatible.decode()} {'stands ' if not pairs else ''}in {roots}")
    return ", ".join(pairs)


@rule(
    "KHO039",
    "LUO's version belongs to the root's, and its number is one more than in the boot before",
    error("6.19"),
    explanation=f"{_pairings()}. liveupdate-number is at least 1, and one more than that of the "
    "incoming side where that is still a fact (6.19 to 7.1), or that the log says was retrieved; 1 where the log shows that the boot was "
    "cold. With --after, the next kernel's is one more again.",
    consequence=f"{_PANIC}; a wrong number alone: {_MISCOUNTS}",
    source="kernel/liveupdate/luo_core.c, luo_early_startup and liveupdate_early_init (6.19 to 7.3)",
)
def version(evidence: Evidence, found: Found) -> None:
    """Invariant 39."""
    subtree = evidence.subtree(LUO_NAME, found)
    if subtree is None:
        return
    root = evidence.side.root
    if subtree.compatible is None:
        if subtree.fdt is not None and subtree.fdt.tree.truncated:
            found.lack("version of LUO", f"only part of its FDT is {evidence.here}")
        elif isinstance(subtree.blob, Blob) and subtree.status in (Status.DAMAGED, Status.UNKNOWN):
            found.broken(f"no version: {subtree.reason}", subtree.path)
        else:
            found.lack("version of LUO", subtree.reason)
        return
    form = evidence.state.registry.formats(LUO).get(subtree.compatible)
    if form is None or not form.released:
        _unknown(evidence, subtree.path, subtree.compatible, found)
        return
    if isinstance(root, Missing) or root.compatible is None:
        found.lack("version of the root", root.reason if isinstance(root, Missing) else "it has none")
    elif root.format is not None and root.compatible not in form.roots:
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


def _unknown(evidence: Evidence, path: EntityPath, version: bytes, found: Found) -> None:
    """A version that is in no release: wrong where the writer's release is known, or it was never released; else perhaps newer."""
    own = evidence.state.registry.formats(LUO).of(evidence.release)
    if version in evidence.state.registry.formats(LUO):
        found.broken(f"no release writes {visible(version)}", path)
    elif evidence.newer is None and own is not None and evidence.state.registry.releases.of(evidence.writer) is not None:
        found.broken(f"{visible(version)}, yet {visible(evidence.writer or '')} writes and takes {visible(own.compatible)}", path)
    else:
        found.lack("version of LUO", evidence.newer or f"{visible(version)} is not known here, and neither is the writer's release")


def _number_of(side: Side | None) -> int | None:
    """The live update number of a side, where it is a fact."""
    subtree = None if side is None else side.named(LUO_NAME)
    content = None if subtree is None else subtree.content
    return content.number if isinstance(content, Luo) and isinstance(content.number, int) else None


_NUMBER = Counted("liveupdate number", LUO_NAME, _number_of, "liveupdate")


@rule(
    "KHO136",
    "LUO's root is whole: what the next kernel looks up is there",
    error("6.19"),
    explanation="FDT form: liveupdate-number, the node luo-session with its version and header, from 7.0 on luo-flb likewise. Struct form: "
    f"at least {LUO_FORMATS.struct_of(_STRUCT.compatible).size} bytes.",
    consequence=_PANIC,
    source="kernel/liveupdate/luo_core.c, luo_early_startup; luo_session.c and luo_flb.c, their setup_incoming (6.19 to 7.3)",
)
def whole_root(evidence: Evidence, found: Found) -> None:
    """What luo_early_startup looks up and no other rule looks at."""
    subtree = evidence.subtree(LUO_NAME, found)
    if subtree is None:
        return
    if subtree.status is Status.STALE or isinstance(subtree.blob, Missing):
        found.lack("blob of LUO", subtree.reason)
        return
    form = evidence.state.registry.formats(LUO).get(subtree.compatible)
    if form is None:
        found.lack("version of LUO", "it is not known (KHO039)")
        return
    root = None if subtree.fdt is None else subtree.fdt.tree.root
    if root is None:
        size = subtree.size if isinstance(subtree.size, int) else len(subtree.blob.data)
        needed = evidence.state.registry.formats(LUO).struct_of(form.compatible).size
        if size < needed and not subtree.in_root:
            found.lack("blob of LUO", subtree.reason)
        elif size < needed:
            found.broken(f"{size} bytes where the struct has {needed}", subtree.path, subtree.blob.place.phys)
        return
    if not form.released:
        found.lack("form of LUO", "a version that no release writes (KHO039)")
        return
    if subtree.fdt is not None and subtree.fdt.tree.truncated:
        found.lack("blob of LUO", f"only part of it is {evidence.here}")
        return
    order = evidence.state.machine.platform.byte_order
    for list_node in (form.session_node, form.flb_node):
        if list_node is not None:
            _list_node(evidence, subtree, list_node, root.child(list_node.name), found)
    if integer_property(root, "liveupdate-number", 8, order) is None:
        found.broken("liveupdate-number is missing or not 8 bytes", subtree.path)


def _list_node(evidence: Evidence, subtree: Subtree, form: ListNode, node: Node | None, found: Found) -> None:
    """A node that says where a list is; 6.19 has none for FLBs."""
    name = visible(form.name)
    if node is None:
        writers = {form.since is None or form.since.covers(release.version) for release in evidence.releases}
        if writers == {True}:
            found.broken(f"no {name} node", subtree.path)
        elif form.since is not None and True in writers:
            found.lack("release of the writer", f"{form.since.since} writes a {name} node and demands it, 6.19 does neither")
        return
    version = compatible_of(node, (form.written,))
    if version != form.written:
        found.broken(f"{name} is of version {visible(compatible_of(node) or b'none')}", subtree.path)
    if integer_property(node, form.pointer, 8, evidence.state.machine.platform.byte_order) is None:
        found.broken(f"{form.pointer} of {name} is missing or not 8 bytes", subtree.path)


@rule(
    "KHO141",
    "blob-size of LUO's struct is the size of the struct",
    warning("7.2"),
    explanation=f"{_STRUCT.compatible.decode()}: {LUO_FORMATS.struct_of(_STRUCT.compatible).size} bytes. Fewer are KHO136.",
    consequence="none by itself: the next kernel takes any size that is not too small; somebody other than the kernel wrote it",
    source="kernel/liveupdate/luo_core.c, luo_early_startup (7.2, 7.3)",
)
def struct_size(evidence: Evidence, found: Found) -> None:
    """What the kernel passes to kho_add_subtree."""
    subtree = evidence.subtree(LUO_NAME, found)
    if subtree is None:
        return
    form = evidence.state.registry.formats(LUO).get(subtree.compatible or b"")
    if form is None:
        found.lack("version of LUO", subtree.reason or "it is not known")
    elif not form.is_struct:
        found.not_here(f"{form.compatible.decode()} is an FDT")
    elif subtree.in_root:
        size = found.need(subtree.size, f"blob-size of {subtree.path}")
        wanted = evidence.state.registry.formats(LUO).struct_of(form.compatible).size
        if size is not None and size != wanted:
            found.broken(f"blob-size is {size}, the struct has {wanted} bytes", subtree.path, known(subtree.phys))
    else:
        found.lack(f"blob-size of {subtree.path}", "the root FDT, as far as it was read, does not name it")


@rule(
    "KHO145",
    "luo-flb-header is not 0",
    error("7.0", "7.1"),
    explanation="The property of the node luo-flb in LUO's FDT: the page is there from boot on.",
    consequence="the next kernel takes physical address 0 for the FLB page, and a driver that asks for its data gets what lies there",
    source="kernel/liveupdate/luo_flb.c, luo_flb_setup_incoming: phys_to_virt without a check (7.0, 7.1)",
)
def flb_header(evidence: Evidence, found: Found) -> None:
    """Address 0 is an address for phys_to_virt."""
    luo = evidence.content(LUO_NAME, Luo, found)
    if luo is None:
        return
    subtree = evidence.named(LUO_NAME)
    if has_flb_node(subtree):
        at = found.need(luo.flbs_at, "luo-flb-header")
        if at == 0:
            found.broken("luo-flb-header is 0", evidence.path.named(LUO_NAME))
    elif subtree is not None and subtree.fdt is not None and subtree.fdt.tree.salvaged:
        found.lack("luo-flb node", "LUO's FDT is cut short or damaged")
    else:
        found.not_here("no luo-flb node")


def has_flb_node(subtree: Subtree | None) -> bool:
    """Whether LUO's FDT has the node that names the FLB page."""
    root = None if subtree is None or subtree.fdt is None else subtree.fdt.tree.root
    return root is not None and root.child(FLB_NODE_NAME) is not None


RULES = (version, whole_root, struct_size, flb_header)
