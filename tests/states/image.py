"""Physical memory as a set of pages, and the ELF core that holds it."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

ByteOrder = Literal["little", "big"]
Extent = tuple[int, int]
"""Start address and size in bytes."""

X86_64 = 62
AARCH64 = 183

_PT_LOAD = 1
_PN_XNUM = 0xFFFF
_EHDR, _PHDR, _SHDR = 64, 56, 64


class Arena:
    """Hands out physical address space upwards; nothing is given back."""

    def __init__(self, start: int, page_size: int) -> None:
        self.next = start
        self.page_size = page_size

    def take(self, pages: int = 1, align: int = 1) -> int:
        """Address of ``pages`` pages, aligned to ``align`` pages."""
        step = align * self.page_size
        address = -(-self.next // step) * step
        self.next = address + pages * self.page_size
        return address


class Image:
    """Pages of physical memory. A page exists once it was allocated; writing elsewhere is an error of the test."""

    def __init__(self, page_size: int = 4096, byte_order: ByteOrder = "little", base: int = 0x100_0000) -> None:
        self.page_size = page_size
        self.byte_order: ByteOrder = byte_order
        self.pages: dict[int, bytearray] = {}
        self._arena = Arena(base, page_size)
        self._endian = "<" if byte_order == "little" else ">"

    def alloc(self, pages: int = 1, at: int | None = None, align: int = 1) -> int:
        """Add ``pages`` zeroed pages, at ``at`` or at the next free address aligned to ``align`` pages."""
        address = self._arena.take(pages, align) if at is None else at
        if address % self.page_size:
            raise ValueError(f"{address:#x} is not page aligned")
        for page in range(address, address + pages * self.page_size, self.page_size):
            if page in self.pages:
                raise ValueError(f"page {page:#x} allocated twice")
            self.pages[page] = bytearray(self.page_size)
        return address

    def write(self, address: int, data: bytes) -> None:
        done = 0
        while done < len(data):
            offset = (address + done) % self.page_size
            part = data[done : done + self.page_size - offset]
            self.pages[address + done - offset][offset : offset + len(part)] = part
            done += len(part)

    def read(self, address: int, size: int) -> bytes:
        out = bytearray()
        while len(out) < size:
            offset = (address + len(out)) % self.page_size
            out += self.pages[address + len(out) - offset][offset : offset + size - len(out)]
        return bytes(out)

    def pack(self, fmt: str, *values: int | bytes) -> bytes:
        """``struct.pack`` without padding in this image's byte order."""
        return struct.pack(self._endian + fmt, *values)

    def unpack(self, fmt: str, data: bytes) -> tuple[int, ...]:
        """``struct.unpack`` without padding in this image's byte order."""
        return struct.unpack(self._endian + fmt, data)

    def u16(self, address: int, value: int) -> None:
        self.write(address, self.pack("H", value))

    def u32(self, address: int, value: int) -> None:
        self.write(address, self.pack("I", value))

    def u64(self, address: int, value: int) -> None:
        self.write(address, self.pack("Q", value))

    def set_bits(self, bitmap: int, bits: Iterable[int]) -> None:
        """Set bits the way the kernel does: in an array of native 64-bit words, so a big-endian byte view differs."""
        words: dict[int, int] = {}
        for bit in bits:
            words[bit // 64] = words.get(bit // 64, 0) | 1 << bit % 64
        for index, value in words.items():
            (old,) = self.unpack("Q", self.read(bitmap + index * 8, 8))
            self.u64(bitmap + index * 8, old | value)

    def extents(self) -> list[Extent]:
        """The contiguous ranges, ascending."""
        out: list[Extent] = []
        for page in sorted(self.pages):
            if out and sum(out[-1]) == page:
                out[-1] = (out[-1][0], out[-1][1] + self.page_size)
            else:
                out.append((page, self.page_size))
        return out

    def to_elf(self, path: Path, machine: int = X86_64, byte_order: ByteOrder | None = None) -> None:
        """Write an ELF64 core with one PT_LOAD for each contiguous range."""
        extents = self.extents()
        with path.open("wb") as stream:
            stream.write(elf_header(extents, machine, byte_order or self.byte_order, self.page_size))
            for start, size in extents:
                stream.write(self.read(start, size))


def elf_header(extents: Sequence[Extent], machine: int, byte_order: ByteOrder, align: int) -> bytes:
    """Everything of an ELF64 core before the data of its segments, which follow in the order given, without gaps.

    From 65535 segments on, e_phnum is PN_XNUM and the count is in sh_info of section header 0.
    """
    endian = "<" if byte_order == "little" else ">"
    extended = len(extents) >= _PN_XNUM
    headers = _EHDR + (_SHDR if extended else 0)
    end = headers + _PHDR * len(extents)
    data = -(-end // align) * align
    ident = b"\x7fELF" + bytes([2, 1 if byte_order == "little" else 2, 1]) + bytes(9)
    out = bytearray(ident)
    out += struct.pack(
        endian + "HHIQQQIHHHHHH",
        *(4, machine, 1, 0, headers, _EHDR if extended else 0, 0, _EHDR, _PHDR),
        *(_PN_XNUM if extended else len(extents), _SHDR if extended else 0, 1 if extended else 0, 0),
    )
    if extended:
        out += struct.pack(endian + "IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, len(extents), 0, 0)
    out += b"".join(_program_headers(extents, data, endian, align))
    return bytes(out) + bytes(data - end)


def _program_headers(extents: Iterable[Extent], offset: int, endian: str, align: int) -> Iterable[bytes]:
    phdr = struct.Struct(endian + "IIQQQQQQ")
    for start, size in extents:
        yield phdr.pack(_PT_LOAD, 7, offset, 0, start, size, size, align)
        offset += size
