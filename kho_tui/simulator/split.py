"""How a range of pages is split into blocks (kernel/liveupdate/kexec_handover.c, kho_preserve_pages())."""

from __future__ import annotations

from collections.abc import Callable, Iterator


def greedy_blocks(pfn: int, pages: int, node_of: Callable[[int], int] | None = None) -> Iterator[tuple[int, int]]:
    """(pfn, order) from low to high: each block as large as its alignment and the rest of the range allow.

    ``node_of`` a page frame number: blocks also shrink until their first and last page are of one node (7.1 on).
    """
    while pages:
        order = pages.bit_length() - 1
        if pfn:
            order = min(order, (pfn & -pfn).bit_length() - 1)
        while node_of is not None and order and node_of(pfn) != node_of(pfn + (1 << order) - 1):
            order -= 1
        yield pfn, order
        pfn += 1 << order
        pages -= 1 << order
