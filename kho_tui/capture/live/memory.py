"""Memory of the running machine, and the pages that its kernel names as those of root FDTs."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from kho_tui.capture.live.symbols import Symbol
from kho_tui.errors import InputError, ReadError
from kho_tui.layout.platform import ByteOrder
from kho_tui.memory.elf import open_elf, open_virtual
from kho_tui.memory.kcore import KcoreMemory
from kho_tui.memory.page_flags import PageFlags
from kho_tui.memory.source import open_file
from kho_tui.memory.virtual import VirtualMap

_MOST_WORDS = 128
"""u64 words of that variable that are looked at for a pointer to the root FDT; it has about 30."""
_FLAGS_SIZE = 1 << 56
"""Bytes to take /proc/kpageflags for: stat says 0."""


def open_kcore(root: Path, platform: tuple[int, ByteOrder], outgoing: Symbol | None, closer: ExitStack) -> KcoreMemory:
    """The machine's memory; ``outgoing``: where the kernel's variable of the outgoing side is, if that is known.

    ``platform``: page size in bytes, byte order.

    The table of segments is read anew at each call: memory may have been added or removed. Raises InputError or ReadError where
    /proc/kcore cannot be read.
    """
    page_size, byte_order = platform
    source = closer.enter_context(open_file(root / "proc/kcore", "kcore"))
    core = open_elf(source, running=True)
    flags: PageFlags | None = None
    try:
        flags = PageFlags(closer.enter_context(open_file(root / "proc/kpageflags", "kpageflags", _FLAGS_SIZE)), byte_order)
        flags.of(0)
    except (InputError, ReadError):
        flags = None  # denied, or a kernel without CONFIG_PROC_PAGE_MONITOR
    virtual = open_virtual(source)

    def pointed_at() -> tuple[int, ...]:
        return () if outgoing is None else tuple(_pages_named(virtual, outgoing, byte_order, page_size))

    return KcoreMemory(core, flags=flags, page_size=page_size, pointed_at=pointed_at)


def _pages_named(virtual: VirtualMap, variable: Symbol, byte_order: ByteOrder, page_size: int) -> Iterator[int]:
    """Physical addresses of the pages that a variable of the kernel points at: one of them is the root FDT's.

    Which word of it that is depends on release and configuration, so each is asked; the page itself shows whether it is a root FDT.
    """
    try:
        data = virtual.read(variable.address, min(variable.size, 8 * _MOST_WORDS))
    except ReadError:
        return
    words = struct.unpack_from(f"{'<' if byte_order == 'little' else '>'}{len(data) // 8}Q", data)
    for word in dict.fromkeys(words):
        address = virtual.physical_address(word)
        if address is not None and address % page_size == 0:
            yield address
