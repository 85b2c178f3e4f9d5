"""What /proc/kpageflags says of a page: whether /proc/kcore gives its bytes, and whether it is user memory.

Source: include/uapi/linux/kernel-page-flags.h, fs/proc/page.c and fs/proc/kcore.c (6.16 to 7.3).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from kho_tui.memory.source import ByteSource
from kho_tui.text import SafeText

NAMES: Final = {
    0: "locked",
    2: "referenced",
    3: "uptodate",
    4: "dirty",
    5: "lru",
    6: "active",
    7: "slab",
    8: "writeback",
    9: "reclaim",
    10: "buddy",
    11: "mmap",
    12: "anonymous",
    13: "swapcache",
    14: "swapbacked",
    15: "compound-head",
    16: "compound-tail",
    17: "huge",
    18: "unevictable",
    19: "hwpoison",
    20: "nopage",
    21: "ksm",
    22: "thp",
    23: "offline",
    24: "zero-page",
    25: "idle",
    26: "pgtable",
    32: "reserved",
}
"""The bits, in lower case, as tools/mm/page-types.c calls them."""

_WORD = 8
"""Bytes of one page's flags, native u64, indexed by pfn."""

_NO_BYTES: Final = {19: "hardware-poisoned", 20: "without a page behind it", 23: "offline or ballooned"}
"""KPF_HWPOISON, KPF_NOPAGE, KPF_OFFLINE: for these read_kcore_iter gives zeros."""

_FREE: Final = {10: "free", 24: "the page of zeros that all share"}
"""KPF_BUDDY, KPF_ZERO_PAGE."""

_USER: Final = {
    5: "LRU",
    11: "mapped",
    12: "anonymous",
    13: "swap cache",
    14: "swap-backed",
    17: "hugetlb",
    18: "unevictable",
    21: "KSM",
    26: "page table",
}
"""Pages of user space, or that describe it. No structure of KHO lies on one: what once pointed here is outdated."""


class PageFlags:
    """Flags by pfn from ``source``, /proc/kpageflags or a copy of it, in ``byte_order`` of the machine."""

    def __init__(self, source: ByteSource, byte_order: str) -> None:
        self._source = source
        self._order = byte_order

    def many(self, pfn: int, count: int) -> npt.NDArray[np.uint64]:
        """The flags of ``count`` pages from ``pfn`` on; fewer where the file ends. Raises ReadError."""
        data = self._source.read_at(pfn * _WORD, count * _WORD)
        return np.frombuffer(data[: len(data) // _WORD * _WORD], f"{'<' if self._order == 'little' else '>'}u8")

    def of(self, pfn: int) -> int | None:
        """The flags of a page; None where the file ends before it. Raises ReadError."""
        word = self._source.read_at(pfn * _WORD, _WORD)
        return int.from_bytes(word, "little" if self._order == "little" else "big") if len(word) == _WORD else None


def has_no_bytes(flags: int) -> SafeText | None:
    """Why the kernel gives zeros for such a page; None where it gives its bytes.

    >>> has_no_bytes(1 << 19)
    'hardware-poisoned'
    """
    return _first(_NO_BYTES, flags)


def is_user_memory(flags: int) -> SafeText | None:
    """By which flag such a page is user space's; None where it is none.

    >>> is_user_memory(1 << 12), is_user_memory(0)
    ('anonymous', None)
    """
    return _first(_USER, flags)


def is_nobodys(flags: int) -> SafeText | None:
    """In which word such a page is nobody's now; None where it is in use.

    >>> is_nobodys(1 << 10)
    'free'
    """
    return _first(_FREE, flags)


def _first(words: dict[int, str], flags: int) -> SafeText | None:
    return next((SafeText(word) for bit, word in words.items() if flags >> bit & 1), None)
