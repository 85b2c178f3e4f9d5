"""A bzImage: what its setup header says, and a copy that starts from memory that was written beforehand.

Offsets of Documentation/arch/x86/boot.rst; the same in all releases since boot protocol 2.12.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from kho_tui.errors import InputError

_SETUP_SECTS = 0x1F1
_MAGIC = slice(0x202, 0x206)
_VERSION = 0x206
_CODE32_START = 0x214
_RAMDISK = 0x218
_INITRD_MAX = 0x22C
_ALIGNMENT = 0x230
_RELOCATABLE = 0x234
_XLOADFLAGS = 0x236
_CMDLINE_SIZE = 0x238
_SETUP_DATA = 0x250
_PREFERRED = 0x258
_INIT_SIZE = 0x260
_HEADER_END = 0x264

_SECTOR = 512
_OLDEST = 0x20C
_KERNEL_64 = 1
"""XLF_KERNEL_64: what is loaded is an x86_64 kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BzImage:
    """A kernel file. Addresses are physical, sizes in bytes.

    ``preferred``: where it unpacks to, at least, when relocatable, else exactly. ``init_size``: memory it needs from there on.
    ``setup_data``: first node of the list that the file brings along, 0 for none.
    """

    data: bytes
    setup_size: int
    alignment: int
    relocatable: bool
    preferred: int
    init_size: int
    initrd_max: int
    cmdline_size: int
    setup_data: int

    @property
    def protected(self) -> bytes:
        """What runs in protected mode, the packed kernel."""
        return self.data[self.setup_size :]

    @property
    def room(self) -> int:
        """Memory that nothing else may use from the load address on until the kernel runs."""
        return max(self.init_size, len(self.data) - self.setup_size)

    def started_at(self, load: int, setup_data: int, initrd: tuple[int, int] | None) -> bytes:
        """The real-mode part alone, patched: it jumps to ``load``, where the caller has put ``protected``.

        ``initrd``: address and size of one that lies in memory.
        """
        setup = bytearray(self.data[: self.setup_size])
        struct.pack_into("<I", setup, _CODE32_START, load)
        struct.pack_into("<Q", setup, _SETUP_DATA, setup_data)
        if initrd is not None:
            struct.pack_into("<II", setup, _RAMDISK, *initrd)
        return bytes(setup)


def parse_bzimage(data: bytes, name: str) -> BzImage:
    """The kernel in ``data``; ``name`` is the safe text for messages. Raises InputError where it is no x86_64 bzImage."""
    if len(data) < _HEADER_END or data[_MAGIC] != b"HdrS":
        raise InputError(f"{name}: not a bzImage (no setup header)")
    (version,) = struct.unpack_from("<H", data, _VERSION)
    (flags,) = struct.unpack_from("<H", data, _XLOADFLAGS)
    if version < _OLDEST or not flags & _KERNEL_64:
        raise InputError(f"{name}: not a 64-bit x86 kernel")
    setup_size = ((data[_SETUP_SECTS] or 4) + 1) * _SECTOR
    alignment, cmdline_size, initrd_max, init_size = (
        struct.unpack_from("<I", data, at)[0] for at in (_ALIGNMENT, _CMDLINE_SIZE, _INITRD_MAX, _INIT_SIZE)
    )
    setup_data, preferred = (struct.unpack_from("<Q", data, at)[0] for at in (_SETUP_DATA, _PREFERRED))
    if setup_size >= len(data) or not alignment or alignment & (alignment - 1) or not init_size:
        raise InputError(f"{name}: the bzImage is cut or damaged")
    return BzImage(
        data=data,
        setup_size=setup_size,
        alignment=alignment,
        relocatable=bool(data[_RELOCATABLE]),
        preferred=preferred,
        init_size=init_size,
        initrd_max=initrd_max,
        cmdline_size=cmdline_size,
        setup_data=setup_data,
    )
