"""Handover: everything that one kernel hands to the next, as values and addresses, without a captured byte.

The simulator makes it, ``handover_of`` distils it from a decoded state, ``encode`` writes it. What follows from the rest by the rules
of a format (``next`` pointers, counts, string tables, leaf bits) is not kept, so that encoding proves the rules.
Addresses are physical, sizes in bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from kho_tui.abi.luo import LuoFormat
from kho_tui.abi.memfd import MemfdFormat
from kho_tui.abi.root import RootFormat
from kho_tui.layout.arrays import U64s
from kho_tui.layout.platform import Platform
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
class Vmalloc:
    """A preserved vmalloc area: the pages of its chunk chain, and the ``entries`` (u64 of shape (n,)) of 2^order pages each."""

    chunks: tuple[int, ...]
    entries: U64s
    total_pages: int
    flags: int
    order: int


@dataclass(frozen=True, slots=True)
class Region:
    """A ``reserve_mem=`` region."""

    name: bytes
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class MemblockContent:
    """The regions in the order of the FDT."""

    regions: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class MetadataContent:
    """struct kexec-metadata."""

    version: int
    previous_release: bytes
    kexec_count: int


@dataclass(frozen=True, eq=False)
class TestContent:
    """The test module's state: (address, order) of each folio, and the area that holds the list (None: the list stands in the FDT)."""

    magic: int
    folios: tuple[tuple[int, int], ...]
    csum: int
    area: Vmalloc | None


@dataclass(frozen=True, eq=False, kw_only=True)
class MemfdContent:
    """A memfd. ``folios``: u64 of shape (n, 3), the columns page frame number, flag bits, page index; ``seals`` None in memfd-v1.

    ``area`` is None for a file of size 0: a descriptor of zeros.
    """

    form: MemfdFormat
    pos: int
    size: int
    seals: int | None
    flags: int
    folios: U64s
    area: Vmalloc | None


@dataclass(frozen=True, eq=False)
class FileContent:
    """One file of a session. ``data`` is the handler's u64, ``memfd`` what lies there, None for a handler nobody knows."""

    compatible: bytes
    data: int
    token: int
    memfd: MemfdContent | None


@dataclass(frozen=True, eq=False)
class SessionContent:
    """One session. ``pages``: where its list of files lies, one array or the blocks of a chain; none for a session without files."""

    name: bytes
    pages: tuple[int, ...]
    files: tuple[FileContent, ...]


@dataclass(frozen=True, slots=True)
class FlbContent:
    """One piece of file-lifecycle-bound data."""

    name: bytes
    data: int
    count: int


@dataclass(frozen=True, slots=True)
class FlbPage:
    """The FLB page. ``pgcnt`` is written at boot, the entries in the reboot call."""

    phys: int
    pgcnt: int
    flbs: tuple[FlbContent, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class LuoContent:
    """LUO's state. ``pages``: the session array (there from boot on) or the session blocks (only once LUO froze, else none).

    ``session_compatible`` and ``flb_compatible`` are those of the nodes of luo-v1, empty in later forms. ``header`` is where the struct
    behind the FDT lies, 0 in every form but luo-v2.
    """

    form: LuoFormat
    number: int
    session_compatible: bytes
    pages: tuple[int, ...]
    sessions: tuple[SessionContent, ...]
    flb_compatible: bytes
    flb_page: FlbPage | None
    header: int = 0

    @property
    def sessions_at(self) -> int:
        """Where the list of sessions begins, 0 where there is none."""
        return self.pages[0] if self.pages else 0

    @property
    def flbs_at(self) -> int:
        """Where the list of FLBs lies, 0 where there is none."""
        return self.flb_page.phys if self.flb_page else 0


@dataclass(frozen=True, slots=True)
class RawContent:
    """A subtree of nobody we know: its bytes are its value."""

    data: bytes


Content = MemblockContent | MetadataContent | TestContent | LuoContent | RawContent


@dataclass(frozen=True, eq=False)
class Registered:
    """A subtree. ``size`` is what ``blob-size`` says (from 7.1 on; else the size of its FDT). It and ``content`` are None if not known."""

    name: bytes
    phys: int
    size: int | None
    content: Content | None


@dataclass(frozen=True, eq=False, kw_only=True)
class Handover:
    """One side, whole. ``subtrees`` in the order in which they were registered, oldest first, whatever the order in the FDT.

    ``map_address`` 0: not finalized. ``runs`` are the preserved blocks.
    """

    platform: Platform
    form: RootFormat
    style: RootStyle
    fdt_phys: int
    map_address: int
    subtrees: tuple[Registered, ...]
    tracker: ChunkTracker | RadixTracker | None
    runs: Runs

    def by_name(self) -> Mapping[bytes, Registered]:
        """Subtrees by name; of equal names the first one in the FDT, which is what a kernel finds."""
        order = tuple(reversed(self.subtrees)) if self.style is RootStyle.FINALIZED else self.subtrees
        return {one.name: one for one in order}
