"""Preserved vmalloc areas: a descriptor and a chain of chunk pages (6.18 on, unchanged to 7.3)."""

from __future__ import annotations

from kho_tui.layout.struct import Layout, Unit, u16, u32, u64
from kho_tui.layout.table import PageArray

SOURCE = "include/linux/kho/abi/kexec_handover.h 7.0-7.3 (include/linux/kexec_handover.h 6.18-6.19)"

KHO_VMALLOC = Layout(
    "KhoVmalloc",
    (
        u64("first", Unit.PHYS, "first chunk page; wrong: the whole array is lost"),
        u32("total_pages", Unit.PAGES, "base pages of the area; must equal the entries, else restore fails"),
        u16("flags", Unit.FLAGS, "1 plain, 2 huge mappings allowed; other bits are ignored on restore"),
        u16("order", Unit.ORDER, "order of every entry; wrong: restore fails or maps other memory"),
    ),
    SOURCE,
    "a virtually contiguous area, kept as a list of its physical pages",
)

KHO_VMALLOC_HDR = Layout(
    "KhoVmallocHdr",
    (u64("next", Unit.PHYS, "next chunk, 0 ends the chain; wrong: the rest of the area is lost"),),
    SOURCE,
    "a page of a vmalloc area's page list",
)

KHO_VMALLOC_PHYS = Layout(
    "KhoVmallocPhys",
    (u64("phys", Unit.PHYS, "2^order pages of the area; the first 0 ends the list"),),
    SOURCE,
    "one entry of the page list",
)

VMALLOC_CHUNK = PageArray(KHO_VMALLOC_HDR, KHO_VMALLOC_PHYS)
