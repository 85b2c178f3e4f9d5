"""The captures that mutants are made from, wholly in memory, and where in their cores the worthwhile bytes lie."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import cached_property

from captures import CHECKOUT, all_captures

FDT_MAGIC = b"\xd0\x0d\xfe\xed"
_NAME = re.compile(rb"[!-~][ -~]{2,63}\0")
_LEFT_OUT = frozenset({"expected.json"})


@dataclass(frozen=True, slots=True)
class Segment:
    """A captured range: ``size`` bytes from physical ``address`` on lie at ``offset`` of the file, its program header at ``header``."""

    address: int
    offset: int
    size: int
    header: int


@dataclass(frozen=True)
class Core:
    """An ELF core of 64 bits, little-endian, read without the program under test."""

    data: bytes

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        table, count = struct.unpack_from("<Q", self.data, 32)[0], struct.unpack_from("<H", self.data, 56)[0]
        found = []
        for header in range(table, table + 56 * count, 56):
            kind, _, offset, _, address, size, _, _ = struct.unpack_from("<IIQQQQQQ", self.data, header)
            if kind == 1:
                found.append(Segment(address, offset, size, header))
        return tuple(found)

    @cached_property
    def pages(self) -> tuple[tuple[int, int], ...]:
        """(physical address, file offset) of every 4 KiB page."""
        return tuple((s.address + at, s.offset + at) for s in self.segments for at in range(0, s.size, 4096))

    @cached_property
    def pointers(self) -> tuple[int, ...]:
        """File offsets of u64 that hold the address of a captured page; FDT properties are aligned to 4 bytes only."""
        addresses = {address for address, _ in self.pages}
        return tuple(
            at
            for _, offset in self.pages
            for at in range(offset, offset + 4096 - 7, 4)
            if struct.unpack_from("<Q", self.data, at)[0] in addresses
        )

    @cached_property
    def names(self) -> tuple[tuple[int, int], ...]:
        """(file offset, bytes) of what reads as a string of three letters or more."""
        start = min((s.offset for s in self.segments), default=0)
        return tuple((m.start(), len(m[0]) - 1) for m in _NAME.finditer(self.data, start))

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """File offsets of u64 that hold a small number, as counts and orders do."""
        return tuple(
            at
            for _, offset in self.pages
            for at in range(offset, offset + 4096, 8)
            if 0 < struct.unpack_from("<Q", self.data, at)[0] < 20_000
        )

    @cached_property
    def fdts(self) -> tuple[int, ...]:
        """File offsets of pages that begin as an FDT."""
        return tuple(offset for _, offset in self.pages if self.data.startswith(FDT_MAGIC, offset))


@dataclass(frozen=True)
class Original:
    """One capture: its name and every file by relative path."""

    name: str
    files: dict[str, bytes]

    @cached_property
    def core(self) -> Core | None:
        data = self.files.get("memory.elf")
        return None if data is None else Core(data)


def originals() -> tuple[Original, ...]:
    """Every capture at hand, in a fixed order."""
    found = {}
    for folder in all_captures():
        name = str(folder.relative_to(CHECKOUT.parent))
        files = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file() and p.name not in _LEFT_OUT}
        found[name] = Original(name, files)
    return tuple(found[name] for name in sorted(found))
