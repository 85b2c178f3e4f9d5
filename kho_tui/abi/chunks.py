"""Tracker of kho-v1 (6.16-7.0): a chain of chunk pages whose elements point at bitmaps."""

from __future__ import annotations

import numpy as np

from kho_tui.layout.arrays import U64s
from kho_tui.layout.struct import Layout, Unit, u32, u64
from kho_tui.layout.table import PageArray

SOURCE = "kernel/kexec_handover.c 6.16-6.18, kernel/liveupdate/kexec_handover.c 6.19-7.0"

KHOSER_MEM_CHUNK_HDR = Layout(
    "KhoserMemChunkHdr",
    (
        u64("next", Unit.PHYS, "next chunk, 0 ends the chain; wrong: preserved pages are forgotten"),
        u32("order", Unit.ORDER, "order of every block in this chunk; wrong: other memory is kept"),
        u32("num_elms", Unit.COUNT, "elements in use; the next kernel does not check it"),
    ),
    SOURCE,
    "a page of pointers to bitmaps, all of one order",
)

KHOSER_MEM_BITMAP_PTR = Layout(
    "KhoserMemBitmapPtr",
    (
        u64("phys_start", Unit.PHYS, "first byte that bit 0 stands for; wrong: other memory is kept"),
        u64("bitmap", Unit.PHYS, "the bitmap, one bit a block; wrong: other memory is kept"),
    ),
    SOURCE,
    "one bitmap and the memory it speaks of",
)

CHUNK = PageArray(KHOSER_MEM_CHUNK_HDR, KHOSER_MEM_BITMAP_PTR)

SMALL_BITMAP_BYTES = 512
"""Bitmap size of 6.16 and 6.17; from 6.18 on a bitmap is one page. The compatible string is the same."""


def bitmap_span(bitmap_bytes: int, order: int, page_shift: int) -> int:
    """Bytes of memory that one bitmap speaks of."""
    return (bitmap_bytes * 8) << (order + page_shift)


def bitmap_spans(bitmap_bytes: int, orders: U64s, page_shift: int) -> U64s:
    """The same for many orders; 2^63 where it is that or more, so that nothing but 0 and 2^63 is a multiple of it."""
    shifts = orders + np.uint64(page_shift + (bitmap_bytes * 8).bit_length() - 1)
    spans: U64s = np.uint64(1) << np.minimum(shifts, np.uint64(63))
    return spans
