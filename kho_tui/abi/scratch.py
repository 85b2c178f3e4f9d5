"""The scratch table: an array of (addr, size) without a header: lowmem, global, then one entry a node."""

from __future__ import annotations

from kho_tui.layout.struct import Layout, Unit, u64

KHO_SCRATCH = Layout(
    "KhoScratch",
    (
        u64("addr", Unit.PHYS, "start of memory the next kernel may boot in; never preserved memory"),
        u64("size", Unit.BYTES, "its size, not its end; 0 is an empty entry and harmless"),
    ),
    "include/linux/kexec_handover.h 6.16-7.2, include/asm-generic/kexec_handover.h 7.3",
    "a region that holds the next kernel while it boots",
)

FIRST_NODE_ENTRY = 2
"""Entries before the per-node ones: lowmem and global."""
TABLE_ALIGNMENT = 64 << 10
"""Of the copy that the next kernel gets: SZ_64K in kho_fill_kimage (kernel/liveupdate/kexec_handover.c; before 6.19 in kernel/)."""
LOW_LIMIT = 1 << 32
"""Below it lies the lowmem area: ARCH_LOW_ADDRESS_LIMIT on x86, and the DMA limit of most arm64 machines."""
