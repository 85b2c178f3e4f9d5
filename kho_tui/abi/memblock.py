"""memblock's subtree: the regions of ``reserve_mem=`` (mm/memblock.c, all releases)."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.abi.format import Family, SubtreeFormat, SubtreeFormats
from kho_tui.abi.properties import NodeLayout, compatible
from kho_tui.layout.struct import Field, Unit
from kho_tui.releases.ranges import Range

SOURCE = "include/linux/kho/abi/memblock.h 7.0-7.3 (mm/memblock.c 6.16-6.19)"

MEMBLOCK_NAME = b"memblock"
MEMBLOCK_COMPATIBLE = b"memblock-v1"
RESERVE_MEM_COMPATIBLE = b"reserve-mem-v1"
WHOLE_REGIONS = Range("6.16", "6.17")
"""Kernels that refuse a region that is not whole pages; later ones do not preserve a partial last page."""

MEMBLOCK_NODE = NodeLayout(
    "memblock", (compatible("if unknown, all reserve_mem regions are allocated anew"),), SOURCE, "the regions that reserve_mem= asked for"
)

RESERVE_MEM_NODE = NodeLayout(
    "reserve_mem",
    (
        compatible("if unknown, this region is allocated anew"),
        Field("start", 8, Unit.PHYS, "where the region lies; must suit the alignment asked for again"),
        Field("size", 8, Unit.BYTES, "must equal the size on the new command line, else a fresh one is made"),
    ),
    SOURCE,
    "one region of reserve_mem=, revived if the new command line asks for it",
)


@dataclass(frozen=True, kw_only=True)
class MemblockFormat(SubtreeFormat):
    """One version of memblock's FDT. ``region``: the compatible string of the node of each region."""

    region: bytes

    @property
    def strings(self) -> tuple[bytes, ...]:
        """With that of the regions."""
        return self.compatible, self.region


MEMBLOCK_FORMATS = SubtreeFormats(
    (MemblockFormat(compatible=MEMBLOCK_COMPATIBLE, written=Range("6.16"), node=MEMBLOCK_NODE, struct=None, region=RESERVE_MEM_COMPATIBLE),)
)
MEMBLOCK: Family[SubtreeFormats[MemblockFormat]] = Family("subtree", MEMBLOCK_NAME, SubtreeFormats(()))
