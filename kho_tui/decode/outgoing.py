"""Which root FDT in memory is that of the outgoing side.

debugfs never tells its address. What tells is: the bytes of out/fdt, the tracker that out/fdt names, the root's own tracker, and
blobs that do not change within a boot. Memory of another boot, laid beside a copied debugfs tree, must not pass for this one's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kho_tui.abi.properties import compatible_of, integer_property
from kho_tui.capture.sources import DebugfsSide
from kho_tui.decode.damaged_root import damaged_root
from kho_tui.decode.fdts import view_root
from kho_tui.decode.reader import Reader
from kho_tui.decode.roots import RootCandidate, tracker_keeps
from kho_tui.decode.same_boot import same_boot
from kho_tui.fdt.tree import Node
from kho_tui.layout.place import Blob, agree
from kho_tui.releases.table import Release

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
    window = None if debugfs.fdt is None else view_root(reader.registry.roots, debugfs.fdt).tree.root
    foreign: str | None = None
    for one in ranked:
        if debugfs.fdt is not None and agree(one.data, debugfs.fdt.data):
            return Choice(one)
        if window is not None and _kept_by(reader, window, one.phys):
            return Choice(one)
    for one in ranked:
        same, why = same_boot(reader, window, debugfs, one, release, keeps=keeps[one.phys])
        pending = one.map_address(reader.platform.byte_order) == 0 and one.phys % reader.platform.page_size == 0
        # A half-built page may be left over from building: only what proves it to be this boot's makes it the root.
        if same is not False and (same or (not one.half_built and (keeps[one.phys] is not False or pending))):
            return Choice(one)
        if same is False and keeps[one.phys] is not False and not one.half_built:
            foreign = foreign or why
    if foreign is None and debugfs.fdt is not None:
        return Choice(damaged=damaged_root(reader, debugfs.fdt, keeps))
    return Choice(foreign=foreign)


def _kept_by(reader: Reader, window: Node, page: int) -> bool:
    """Whether the tracker that out/fdt names keeps a page: then the page is that of the same side, whatever it holds by now."""
    tracker = integer_property(window, "preserved-memory-map", 8, reader.platform.byte_order)
    return bool(tracker) and tracker_keeps(reader, compatible_of(window, reader.registry.roots) or b"", tracker or 0, page) is True
