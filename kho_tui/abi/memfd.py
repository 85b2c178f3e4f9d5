"""memfd file handler: a struct and a vmalloc'ed array of folios (include/linux/kho/abi/memfd.h, 6.19 to 7.3)."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.abi.format import Family, Format, Formats
from kho_tui.abi.vmalloc import KHO_VMALLOC
from kho_tui.layout.struct import Layout, Part, Unit, embed, u32, u64
from kho_tui.releases.ranges import Range

SOURCE = "include/linux/kho/abi/memfd.h"

_POS = u64("pos", Unit.BYTES, "file position, refreshed in the reboot call")
_SIZE = u64("size", Unit.BYTES, "file size; the next kernel does not hold it against the folios")
_NR = u64("nr_folios", Unit.COUNT, "entries of the folio array; must fit its pages, else the file is lost")

MEMFD_LUO_SER_V1 = Layout(
    "MemfdLuoSerV1",
    (_POS, _SIZE, _NR, *embed("folios", KHO_VMALLOC)),
    f"{SOURCE} 6.19-7.0",
    "a preserved memfd; seals are not kept",
)

MEMFD_LUO_SER_V2 = Layout(
    "MemfdLuoSerV2",
    (
        _POS,
        _SIZE,
        u32("seals", Unit.FLAGS, "F_SEAL_* of the file; a bit above 0x3f makes restore fail"),
        u32("flags", Unit.FLAGS, "always 0 up to 7.3"),
        _NR,
        *embed("folios", KHO_VMALLOC),
    ),
    f"{SOURCE} 7.1-7.3",
    "a preserved memfd with its seals",
)

MEMFD_LUO_FOLIO_SER = Layout(
    "MemfdLuoFolioSer",
    (
        u64(
            "word0",
            Unit.OPAQUE,
            "page frame number and flags of one folio; pfn 0 is skipped",
            parts=(
                Part("pfn", 0, 52, Unit.PFN, "first page of the folio; wrong: other memory becomes the file"),
                Part("flags", 52, 12, Unit.FLAGS, "1 dirty, 2 uptodate; the kernel always writes both"),
            ),
        ),
        u64("index", Unit.INDEX, "page index in the file; wrong: contents at the wrong offset"),
    ),
    f"{SOURCE} 6.19-7.3",
    "one folio of a memfd",
)

FOLIO_PFN, FOLIO_FLAGS = MEMFD_LUO_FOLIO_SER.fields[0].parts

FOLIO_DIRTY, FOLIO_UPTODATE = 1, 2
"""MEMFD_LUO_FOLIO_DIRTY and MEMFD_LUO_FOLIO_UPTODATE (6.19 to 7.3)."""
FOLIO_FLAGS_WRITTEN = FOLIO_DIRTY | FOLIO_UPTODATE
"""What every kernel writes for every folio."""


LIMITED = Range("7.1")
"""Kernels that refuse a memfd of more than UINT_MAX pages with -EFBIG."""


@dataclass(frozen=True, kw_only=True)
class MemfdFormat(Format):
    """One version of the handler."""

    layout: Layout

    @property
    def has_seals(self) -> bool:
        """Whether it keeps the seals of a file."""
        return "seals" in self.layout


MEMFD_FORMATS = Formats(
    (
        MemfdFormat(compatible=b"memfd-v1", written=Range("6.19", "7.0"), layout=MEMFD_LUO_SER_V1),
        MemfdFormat(compatible=b"memfd-v2", written=Range("7.1"), layout=MEMFD_LUO_SER_V2),
    )
)


MEMFD: Family[Formats[MemfdFormat]] = Family("file", b"memfd", Formats(()))

SEALS: tuple[tuple[int, str], ...] = ((1, "SEAL"), (2, "SHRINK"), (4, "GROW"), (8, "WRITE"), (0x10, "FUTURE_WRITE"), (0x20, "EXEC"))
"""F_SEAL_* bits (include/uapi/linux/fcntl.h)."""
ALL_SEALS = sum(bit for bit, _ in SEALS)
"""MEMFD_LUO_ALL_SEALS."""
