"""What a kernel is handed, as far as it looks at it: plain values, so that a check holds for a captured state, a simulated one, or one
put together by hand. ``analysis.offered`` takes them from a decoded side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kho_tui.releases.sessions import OfferedSessions


@dataclass(frozen=True, slots=True)
class OfferedLuo:
    """LUO's part as its reader meets it; None: cannot be told.

    ``form``: "fdt" or "struct". ``chain_fault`` says what is wrong with the chain of session blocks, empty: nothing.
    ``listed``: its sessions, None where they cannot be read. ``files_fault``: which files cannot be restored, and why; empty: all can.
    """

    form: str | None
    compatible: bytes | None = None
    number: bool | None = None
    sessions: bool | None = None
    session_compatible: bytes | None = None
    flb: bool | None = None
    flb_compatible: bytes | None = None
    size: int | None = None
    chain_fault: str | None = None
    listed: OfferedSessions | None = None
    files_fault: str | None = ""

    @property
    def handlers(self) -> frozenset[bytes] | None:
        """Compatible strings of the files; None where they cannot be read."""
        return None if self.listed is None else self.listed.handlers


@dataclass(frozen=True, slots=True)
class OfferedSubtree:
    """A subnode of the root: lengths of its properties by name, the address and size they tell, and whether its bytes can be read.

    ``lost``: its blob is known not to be preserved.
    """

    name: bytes
    properties: Mapping[str, int]
    phys: int | None
    size: int | None
    readable: bool | None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class OfferedRegion:
    """A memblock region; None for a property that is missing or not 8 bytes. ``lost``: its memory is known not to be preserved all over."""

    name: bytes
    start: int | None
    size: int | None
    compatible: bool
    lost: bool = False


@dataclass(frozen=True, eq=False)
class Offered:
    """What a kernel is handed, as far as it looks at it. None wherever it cannot be told from what is at hand.

    ``attached``: the old kernel gives it to the next one at all (6.16-6.18: finalized before the load). ``fdt``: the page of the root FDT.
    ``compatibles`` are the strings of its list, ``map_length`` the bytes of the map property (0: absent), ``map_address`` its value.
    ``bitmap_bytes``: size of kho-v1 bitmaps; ``blocks_beyond``: blocks whose bits lie behind those that the small bitmaps of 6.16 and 6.17
    have. ``highest_order`` of all preserved blocks. ``root_lost``: the page of the root FDT is known not to be preserved.

    Faults are in words, empty for none: ``tracker_fault`` of the tracker's structure, ``blocks_fault`` of where its blocks lie,
    ``test_fault`` of what the test module restores, ``memblock_fault`` of the FDT that lists regions.
    """

    page_size: int
    attached: bool | None
    not_attached: str
    fdt: bytes | None
    fdt_phys: int | None
    compatibles: tuple[bytes, ...] | None
    map_length: int | None
    map_address: int | None
    scratch: bool | None
    bitmap_bytes: int | None
    blocks_beyond: int | None
    highest_order: int | None
    subtrees: tuple[OfferedSubtree, ...] | None
    luo: OfferedLuo | None
    luo_readable: bool
    metadata_version: int | None
    test_inline: bool | None
    regions: tuple[OfferedRegion, ...] | None
    tracker_fault: str | None = ""
    blocks_fault: str | None = ""
    root_lost: bool = False
    test_fault: str | None = ""
    memblock_fault: str | None = ""

    @property
    def names_no_map(self) -> bool:
        """Whether the root is known to name no memory map: nothing is preserved then."""
        return self.map_length not in (None, 8) or self.map_address == 0

    def subtree(self, name: bytes) -> OfferedSubtree | None:
        """The first subnode of this name, which is the one that a kernel finds."""
        return next((one for one in self.subtrees or () if one.name == name), None)
