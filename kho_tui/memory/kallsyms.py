"""Addresses of a kernel's own symbols out of a dump of its memory: the tables of kernel/kallsyms.c, which VMCOREINFO names.

Variables are in them with CONFIG_KALLSYMS_ALL alone, which distributions set. x86-64 only: VMCOREINFO of 6.0 and later.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from kho_tui.errors import GapError, ReadError
from kho_tui.memory.physical import PhysicalMemory

_IMAGE_MAP = 0xFFFF_FFFF_8000_0000
"""__START_KERNEL_map: where x86-64 maps its image; the physical address of its first byte is phys_base."""
_PAGE = 4096
_MOST_SYMBOLS = 1 << 21
_MOST_NAMES = 64 << 20
"""Bytes of all names, packed and unpacked: those of a distribution's kernel have about 10 MiB."""
_LONGEST_NAME = 1024
"""Bytes; KSYM_NAME_LEN is 512."""
_TOKEN_TABLE = 4096
"""Bytes of the token table that are read: 256 tokens of a few bytes each."""
_KNOWN = ("_stext", "init_uts_ns")
"""Symbols whose addresses VMCOREINFO says, too: by these the offsets show how they are to be read."""


@dataclass(frozen=True, slots=True)
class KernelImage:
    """The image of the kernel whose memory this is. ``shift``: what to take from a virtual address of the image for the physical one."""

    memory: PhysicalMemory
    vmcoreinfo: Mapping[str, str]
    shift: int

    def read(self, virtual: int, size: int) -> bytes:
        """Bytes of the image. Raises GapError where the dump does not hold them, ReadError."""
        return self.memory.read(virtual - self.shift, size)

    def symbols(self, names: Collection[str]) -> Mapping[str, int]:
        """Virtual addresses of the symbols that the kernel lists. Empty where its tables cannot be read or contradict VMCOREINFO."""
        try:
            return self._symbols({name.encode() for name in (*names, *_KNOWN)})
        except (GapError, ReadError, LookupError, ValueError, struct.error):
            return {}

    def _symbols(self, wanted: Collection[bytes]) -> Mapping[str, int]:
        (count,) = struct.unpack("<I", self.read(self._told("kallsyms_num_syms"), 4))
        if not 0 < count <= _MOST_SYMBOLS:
            return {}
        table = self.read(self._told("kallsyms_token_table"), _TOKEN_TABLE)
        starts = struct.unpack("<256H", self.read(self._told("kallsyms_token_index"), 512))
        tokens = [table[start : table.index(0, start)] for start in starts]
        if max(map(len, tokens)) > _LONGEST_NAME:
            return {}
        # The first byte of a name is its type.
        found = {name[1:].decode(): row for row, name in enumerate(self._names(count, tokens)) if name[1:] in wanted}
        at = self._told("kallsyms_offsets")
        rows = {name: struct.unpack("<i", self.read(at + 4 * row, 4))[0] for name, row in found.items()}
        # 7.3: what is to be added to the place of the offset itself; before: to kallsyms_relative_base, which a known symbol gives.
        by_place = {name: at + 4 * found[name] + offset for name, offset in rows.items()}
        checked = [name for name in _KNOWN if name in rows and f"SYMBOL({name})" in self.vmcoreinfo]
        if not checked:
            return {}
        base = self._told(checked[0]) - (rows[checked[0]] & 0xFFFF_FFFF)
        by_base = {name: base + (offset & 0xFFFF_FFFF) for name, offset in rows.items()}
        for addresses in (by_place, by_base):
            if len(checked) > 1 and all(addresses[name] == self._told(name) for name in checked):
                return addresses
        return {}

    def _told(self, name: str) -> int:
        """A symbol's address in VMCOREINFO. Raises KeyError, ValueError."""
        return int(self.vmcoreinfo[f"SYMBOL({name})"], 16)

    def _names(self, count: int, tokens: list[bytes]) -> Iterator[bytes]:
        at = self._told("kallsyms_names")
        # By pages, for nothing says where they end: what lies behind may be missing.
        size = 0
        expanded = 0
        data = bytearray()
        for _ in range(count):
            while size + 2 + (1 << 14) > len(data) and len(data) < _MOST_NAMES:
                step = _PAGE - (at + len(data)) % _PAGE
                try:
                    data += self.read(at + len(data), step)
                except GapError:
                    break
            length = data[size]
            size += 1
            if length & 0x80:
                length = length & 0x7F | data[size] << 7
                size += 1
            name = b"".join([tokens[one] for one in data[size : size + length]])
            size += length
            expanded += len(name)
            if len(name) > _LONGEST_NAME or expanded > _MOST_NAMES:
                raise ValueError("no table of symbols")
            yield name


def kernel_image(memory: PhysicalMemory, vmcoreinfo: Mapping[str, str]) -> KernelImage | None:
    """The image of the kernel that VMCOREINFO speaks of; None where that does not say where it lies, as on arm64."""
    base = vmcoreinfo.get("NUMBER(phys_base)", "")
    try:
        return KernelImage(memory, vmcoreinfo, _IMAGE_MAP - int(base, 0))
    except ValueError:
        return None
