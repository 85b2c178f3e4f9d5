"""What the kernel of a memory dump says itself: its variables kho_in, kho_out and kho_scratch name both root FDTs and the scratch table.

Source: kernel/liveupdate/kexec_handover.c, 6.19 to 7.3. kho_out of 6.16 to 6.18 (kernel/kexec_handover.c) has a pointer to the struct page
of the root FDT, and no address of it.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass

from kho_tui.abi.scratch import KHO_SCRATCH
from kho_tui.errors import GapError, ReadError
from kho_tui.memory.kallsyms import KernelImage, kernel_image
from kho_tui.memory.physical import MemoryFile

_OUTGOING, _INCOMING = "kho_out", "kho_in"
_TABLE, _ENTRIES = "kho_scratch", "kho_scratch_cnt"
_DIRECT_MAP = "page_offset_base"
_VARIABLE_BYTES = {_OUTGOING: 96, _INCOMING: 160}
"""Bytes that are looked at; which word it is depends on release and configuration."""


@dataclass(frozen=True, slots=True)
class KernelSays:
    """Physical addresses of the root FDTs of both sides, None where there is none or the variable does not name one that was found.

    ``scratch``: physical address and bytes of the scratch table.
    """

    outgoing: int | None
    incoming: int | None
    scratch: tuple[int, int] | None


def kernel_says(memory: MemoryFile, roots: Collection[int]) -> KernelSays | None:
    """What the kernel of this dump says of the root FDTs that lie at ``roots``; None where its variables cannot be found.

    They are where VMCOREINFO and the kernel's own symbols say; of a kernel that ran here before nothing is read.
    """
    image = kernel_image(memory, memory.vmcoreinfo)
    symbols = {} if image is None else image.symbols((_OUTGOING, _INCOMING, _TABLE, _ENTRIES, _DIRECT_MAP))
    if image is None or not {_OUTGOING, _INCOMING, _DIRECT_MAP} <= symbols.keys():
        return None
    try:
        (direct_map,) = struct.unpack("<Q", image.read(symbols[_DIRECT_MAP], 8))
        outgoing, incoming = (_words(image, symbols[name], size) for name, size in _VARIABLE_BYTES.items())
    except (GapError, ReadError):
        return None
    sent = [root for root in roots if root + direct_map in outgoing]
    received = [root for root in roots if root in incoming]
    return KernelSays(
        sent[0] if len(sent) == 1 else None,
        received[0] if len(received) == 1 else None,
        _scratch(image, symbols.get(_TABLE), symbols.get(_ENTRIES), direct_map),
    )


def _words(image: KernelImage, address: int, size: int) -> tuple[int, ...]:
    return struct.unpack(f"<{size // 8}Q", image.read(address, size))


def _scratch(image: KernelImage, table: int | None, entries: int | None, direct_map: int) -> tuple[int, int] | None:
    if table is None or entries is None:
        return None
    try:
        (pointer,), (count,) = _words(image, table, 8), struct.unpack("<I", image.read(entries, 4))
    except (GapError, ReadError):
        return None
    return (pointer - direct_map, count * KHO_SCRATCH.size) if count and pointer >= direct_map else None
