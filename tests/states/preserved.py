"""What a state preserves: blocks of 2^order pages."""

from __future__ import annotations

from collections.abc import Iterator

from .image import Image

Block = tuple[int, int]
"""Physical address and order."""


def split(address: int, pages: int, page_size: int) -> Iterator[Block]:
    """The blocks that stand for a range: the largest naturally aligned one that still fits, from low to high."""
    pfn = address // page_size
    while pages:
        order = pages.bit_length() - 1
        if pfn:
            order = min(order, (pfn & -pfn).bit_length() - 1)
        yield pfn * page_size, order
        pfn += 1 << order
        pages -= 1 << order


class Preserved:
    """The blocks preserved so far, and the memory image that metadata pages are taken from."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.blocks: set[Block] = set()

    def folio(self, address: int, order: int = 0) -> None:
        self.blocks.add((address, order))

    def pages(self, address: int, count: int) -> None:
        self.blocks.update(split(address, count, self.image.page_size))

    def alloc(self, size: int = 1) -> int:
        """Zeroed memory for ``size`` bytes, preserved as one block of the order that holds them."""
        pages = -(-size // self.image.page_size)
        order = (pages - 1).bit_length()
        address = self.image.alloc(1 << order, align=1 << order)
        self.folio(address, order)
        return address

    def ascending(self) -> list[list[int]]:
        return [list(block) for block in sorted(self.blocks)]
