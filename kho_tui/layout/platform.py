"""Byte order and page size: what KHO data takes for granted and never records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ByteOrder = Literal["little", "big"]

PAGE_SIZES = (4096, 16384, 65536)

MAX_PAGE_ORDERS: Mapping[int, int] = {4096: 10, 16384: 11, 65536: 13}
"""MAX_PAGE_ORDER by page size, as built by default: include/linux/mmzone.h, and ARCH_FORCE_MAX_ORDER in arch/arm64/Kconfig."""
PAGEBLOCK_ORDERS: Mapping[int, int] = {4096: 9, 16384: 11, 65536: 13}
"""pageblock_order likewise: include/linux/pageblock-flags.h. CMA_MIN_ALIGNMENT_BYTES (include/linux/cma.h) are a pageblock's."""


@dataclass(frozen=True, slots=True)
class Platform:
    """The machine a state was written on. Page size in bytes, a power of two."""

    byte_order: ByteOrder = "little"
    page_size: int = 4096

    def __post_init__(self) -> None:
        if self.page_size < 512 or self.page_size & (self.page_size - 1):
            raise ValueError(f"page size {self.page_size} is not a power of two from 512 up")

    @property
    def page_shift(self) -> int:
        """log2 of the page size."""
        return self.page_size.bit_length() - 1
