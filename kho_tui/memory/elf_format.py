"""What reader and writer of ELF cores agree on (System V gABI, elf.h)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np

from kho_tui.layout.platform import ByteOrder

PT_LOAD = 1
PT_NOTE = 4

PN_XNUM = 0xFFFF
"""As e_phnum: there are so many program headers or more, and sh_info of section header 0 has their number."""

ElfMachine = Literal["x86_64", "aarch64"]
MACHINES: Mapping[int, ElfMachine] = MappingProxyType({62: "x86_64", 183: "aarch64"})
"""e_machine to the name ``uname -m`` gives."""

OTHER_MACHINE = "machine-"
"""Before the number of any other e_machine."""


def program_header_dtype(bits: int, byte_order: ByteOrder) -> np.dtype[np.void]:
    """A row of the program header table of a 32- or 64-bit ELF file."""
    sign = "<" if byte_order == "little" else ">"
    word = f"{sign}u4"
    if bits == 32:
        names = ("p_type", "p_offset", "p_vaddr", "p_paddr", "p_filesz", "p_memsz", "p_flags", "p_align")
        return np.dtype([(name, word) for name in names])
    wide = ("p_offset", "p_vaddr", "p_paddr", "p_filesz", "p_memsz", "p_align")
    return np.dtype([("p_type", word), ("p_flags", word), *((name, f"{sign}u8") for name in wide)])
