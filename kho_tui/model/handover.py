"""Handover: everything that one kernel hands to the next, as values and addresses, without a captured byte.

The simulator makes it, ``handover_of`` distils it from a decoded state, ``encode`` writes it. What follows from the rest by the rules
of a format (``next`` pointers, counts, string tables, leaf bits) is not kept, so that encoding proves the rules.
Addresses are physical, sizes in bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from kho_tui.abi.root import RootFormat
from kho_tui.layout.arrays import U64s
from kho_tui.layout.platform import Platform
from kho_tui.model.plain import Further, Plain
from kho_tui.model.runs import Runs


class RootStyle(Enum):
    """By which libfdt calls the root FDT came into being (kernel/liveupdate/kexec_handover.c; 6.16 to 6.18 kernel/kexec_handover.c)."""

    FINALIZED = "written in one go at finalize, 6.16-6.18"
    GROWN = "made at boot and packed after each subtree, 6.19 on"
    EMPTIED = "as GROWN, and every subtree removed again: strings and layout stay"


@dataclass(frozen=True, slots=True)
class ChunkPage:
    """One chunk of a kho-v1 tracker: its page and (phys_start, address of the bitmap) of each element."""

    phys: int
    order: int
    elements: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class ChunkTracker:
    """The chain of chunks in its order; which bits are set follows from the runs."""

    chunks: tuple[ChunkPage, ...]
    bitmap_bytes: int


@dataclass(frozen=True, eq=False)
class RadixTracker:
    """Node pages from the root level down to the leaves, with the key prefix that leads to each: u64 of shape (n,) a level."""

    addresses: tuple[U64s, ...]
    prefixes: tuple[U64s, ...]


@dataclass(frozen=True, eq=False)
class Registered:
    """A subtree. ``size`` is what ``blob-size`` says (from 7.1 on; else the size of its FDT). It and ``content`` are None if not known."""

    name: bytes
    phys: int
    size: int | None
    content: Plain | None


@dataclass(frozen=True, eq=False, kw_only=True)
class Handover:
    """One side, whole. ``subtrees`` in the order in which they were registered, oldest first, whatever the order in the FDT.

    ``map_address`` 0: not finalized. ``runs`` are the preserved blocks. ``more``: what this
    version of the root has more.
    """

    platform: Platform
    form: RootFormat
    style: RootStyle
    fdt_phys: int
    map_address: int
    subtrees: tuple[Registered, ...]
    tracker: ChunkTracker | RadixTracker | None
    runs: Runs
    more: Further = field(default_factory=dict)

    def by_name(self) -> Mapping[bytes, Registered]:
        """Subtrees by name; of equal names the first one in the FDT, which is what a kernel finds."""
        order = tuple(reversed(self.subtrees)) if self.style is RootStyle.FINALIZED else self.subtrees
        return {one.name: one for one in order}
