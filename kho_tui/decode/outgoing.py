"""Which root FDT in memory is that of the outgoing side.

debugfs never tells its address. What tells is: the bytes of out/fdt, the tracker that out/fdt names, the root's own tracker, and
blobs that do not change within a boot. Memory of another boot, laid beside a copied debugfs tree, must not pass for this one's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kho_tui.abi.luo import LUO_NAME
from kho_tui.abi.properties import compatible_of, integer_property
from kho_tui.abi.root import ROOT_FORMATS, Tracker
from kho_tui.capture.sources import DebugfsSide
from kho_tui.decode.damaged_root import damaged_root
from kho_tui.decode.fdts import view_root
from kho_tui.decode.luo import luo_number, luo_number_at
from kho_tui.decode.reader import Reader
from kho_tui.decode.roots import RootCandidate, tracker_keeps
from kho_tui.decode.subtrees import SAME_ALL_BOOT
from kho_tui.fdt.tree import Node
from kho_tui.layout.place import Blob, agree
from kho_tui.layout.platform import ByteOrder
from kho_tui.model.facts import Missing
from kho_tui.releases.table import Release
from kho_tui.text import visible

Keeps = Mapping[int, bool | None]
"""By address of a candidate: whether its own tracker keeps it; None where that cannot be told."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The outgoing root in memory, or why memory cannot be that of this boot (``foreign``), or neither.

    ``damaged``: the page where the root lies, so damaged that it is known only by what out/fdt shows.
    """

    root: RootCandidate | None = None
    foreign: str | None = None
    damaged: Blob | None = None


def choose_outgoing(
    reader: Reader, debugfs: DebugfsSide | None, candidates: Sequence[RootCandidate], keeps: Keeps, release: Release | None
) -> Choice:
    """The candidate that belongs to what debugfs shows; without debugfs the one that keeps itself. ``release``: the running kernel's."""
    ranked = sorted(candidates, key=lambda c: (keeps[c.phys] is not True, keeps[c.phys] is False, c.half_built, c.phys))
    if debugfs is None:
        certain = next((c for c in ranked if keeps[c.phys] is True), None)
        only = ranked[0] if len(ranked) == 1 and keeps[ranked[0].phys] is None else None
        return Choice(certain or only)
    window = None if debugfs.fdt is None else view_root(debugfs.fdt).tree.root
    foreign: str | None = None
    for one in ranked:
        if debugfs.fdt is not None and agree(one.data, debugfs.fdt.data):
            return Choice(one)
        if window is not None and _kept_by(reader, window, one.phys):
            return Choice(one)
    for one in ranked:
        if one.half_built:
            continue
        same, why = _same_boot(reader, window, debugfs, one, release, keeps=keeps[one.phys])
        pending = one.map_address(reader.platform.byte_order) == 0 and one.phys % reader.platform.page_size == 0
        if same is not False and (same or keeps[one.phys] is not False or pending):
            return Choice(one)
        if same is False and keeps[one.phys] is not False:
            foreign = foreign or why
    if foreign is None and debugfs.fdt is not None:
        return Choice(damaged=damaged_root(reader, debugfs.fdt, keeps))
    return Choice(foreign=foreign)


def _kept_by(reader: Reader, window: Node, page: int) -> bool:
    """Whether the tracker that out/fdt names keeps a page: then the page is that of the same side, whatever it holds by now."""
    tracker = integer_property(window, "preserved-memory-map", 8, reader.platform.byte_order)
    return bool(tracker) and tracker_keeps(reader, compatible_of(window, ROOT_FORMATS) or b"", tracker or 0, page) is True


def _same_boot(
    reader: Reader, window: Node | None, debugfs: DebugfsSide, one: RootCandidate, release: Release | None, *, keeps: bool | None
) -> tuple[bool | None, str | None]:
    """Whether the candidate and debugfs are of one boot: True with proof, False with what speaks against it, else None.

    ``keeps``: whether its own tracker keeps the candidate.
    """
    order = reader.platform.byte_order
    agreeing, alike, differing = 0, 0, []
    version = (None if window is None else compatible_of(window, ROOT_FORMATS)) or (None if release is None else release.root)
    if version is not None and version != one.version:
        differing.append(f"its root FDT is {visible(one.version)}, the running kernel writes {visible(version)}")
        kinds = {ROOT_FORMATS[name].tracker for name in (version, one.version) if name in ROOT_FORMATS}
        if keeps and len(kinds) > 1:
            # Nothing that is damaged leads through a tracker of another kind back to itself.
            return False, differing[0]
    lacking = frozenset(debugfs.subtrees) - one.names - (frozenset() if window is None else _names(window))
    if lacking:
        differing.append(f"its root FDT does not name {', '.join(map(visible, sorted(lacking)))}, which debugfs showed")
    form = ROOT_FORMATS.get(version or one.version)
    if window is not None and form is not None and form.tracker is Tracker.RADIX:
        there, here = (integer_property(node, "preserved-memory-map", 8, order) for node in (window, one.root))
        if there is not None and there == here:
            agreeing += 1
        elif there is not None:
            differing.append(f"its tracker is not the one that out/fdt names ({there:#x}), which does not change within a boot")
    for name, blob in debugfs.subtrees.items():
        pointer = one.pointer(name, order)
        if pointer is None:
            continue
        shown = None if window is None or form is None else _pointer(window, name, form.pointer, order)
        if shown == pointer:
            agreeing += 1
        elif shown is not None and name in (*SAME_ALL_BOOT, LUO_NAME):
            differing.append(f"its {visible(name)} is at {pointer:#x}, by out/fdt at {shown:#x}, which does not change within a boot")
        if name in SAME_ALL_BOOT:
            memory = reader.blob(pointer, len(blob.data))
            if isinstance(memory, Missing):
                continue
            if memory.data == blob.data:
                # Equal bytes at another place are another boot's.
                alike |= shown is None or shown == pointer
            else:
                differing.append(f"its {visible(name)} differs from that of debugfs, which does not change within a boot")
        elif name == LUO_NAME:
            there, here = luo_number(reader, blob.data), luo_number_at(reader, pointer)
            if there is None or here is None:
                continue
            if there == here:
                alike |= shown is None or shown == pointer
            else:
                differing.append(f"its live update number is {here}, that of debugfs {there}")
    # One thing that differs where as many agree is damage, which no earlier copy may hide. What every boot of a machine has alike proves
    # little, however much of it there is.
    agreeing += alike
    if len(differing) > agreeing:
        return False, differing[0]
    return (True if agreeing else None), None


def _pointer(root: Node, name: bytes, pointer: str, order: ByteOrder) -> int | None:
    node = root.child(name)
    return None if node is None else integer_property(node, pointer, 8, order)


def _names(node: Node) -> frozenset[bytes]:
    return frozenset(child.name for child in node.children)
