"""Writes kdump-compressed dumps by what makedumpfile's diskdump_mod.h and IMPLEMENTATION say, without the program's own declarations."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

ZLIB, LZO, SNAPPY, ZSTD = 1, 2, 4, 0x20
NAMES = {0: "raw", ZLIB: "zlib", LZO: "lzo", SNAPPY: "snappy", ZSTD: "zstd"}


def _lzo(data: bytes) -> bytes:
    from lzallright import LZOCompressor

    return LZOCompressor().compress(data)


def _snappy(data: bytes) -> bytes:
    import cramjam

    return bytes(cramjam.snappy.compress_raw(data))


def _zstd(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor().compress(data)


COMPRESS: dict[int, Callable[[bytes], bytes]] = {ZLIB: zlib.compress, LZO: _lzo, SNAPPY: _snappy, ZSTD: _zstd}


@dataclass(frozen=True, kw_only=True)
class Dump:
    """What a dump is to say. Pages by number; a page that is not there is left out."""

    pages: Mapping[int, bytes] = field(repr=False)
    exists: Sequence[int] = ()
    """Pages of the machine; all in ``pages`` exist anyway."""
    end: int
    block: int = 4096
    version: int = 6
    bits: int = 64
    order: str = "<"
    padded: bool = False
    method: int = ZLIB
    level: int = 31
    split: tuple[int, int] | None = None
    status: int | None = None
    share_zeros: bool = True
    vmcoreinfo: bytes = b""
    note: bytes = b""
    erased: bytes = b""
    release: bytes = b"7.3.4"
    machine: bytes = b"x86_64"
    timestamp: tuple[int, int] = (1_700_000_000, 5)
    places: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Filled while writing: of each page where its descriptor and its bytes lie."""

    def write(self) -> bytes:
        """The file."""
        word = "Q" if self.bits == 64 else "I"
        behind = self.block * 2
        extra = b""
        offsets: list[tuple[int, int]] = []
        for text in (self.vmcoreinfo, self.note):
            offsets.append((self.block + 200 + len(extra), len(text)) if text else (0, 0))
            extra += text
        blocks = -(-(200 + len(extra)) // self.block)
        behind = self.block * (1 + blocks)
        bitmap_size = -(-self.end // (8 * self.block)) * self.block
        first, last = self.split or (0, self.end)
        held = [page for page in sorted(self.pages) if first <= page < last]
        descriptors_at = behind + 2 * bitmap_size
        data_at = descriptors_at + 24 * len(held)
        descriptors, data = b"", b""
        if self.share_zeros:
            data = bytes(self.block)
        for page in held:
            content = self.pages[page]
            at, flags, stored = data_at + len(data), 0, content
            if self.share_zeros and not any(content):
                at, stored = data_at, b""
            elif self.method:
                packed = COMPRESS[self.method](content)
                if len(packed) < self.block:
                    stored, flags = packed, self.method
            self.places[page] = descriptors_at + len(descriptors), at
            descriptors += struct.pack(f"{self.order}QIIQ", at, len(stored) or self.block, flags, 0)
            data += stored
        erased_at = data_at + len(data)
        start, end = self.split or (0, 0)
        sub = struct.pack(f"{self.order}{word}i", 0x1000000, self.level)
        if self.version >= 2:
            sub += struct.pack(f"{self.order}i{word}{word}", bool(self.split), start & 0xFFFFFFFF, end & 0xFFFFFFFF)
        fields = [(3, *offsets[0]), (4, *offsets[1]), (5, erased_at if self.erased else 0, len(self.erased))]
        for since, offset, size in fields:
            if self.version >= since:
                sub += bytes(4 if self.padded else 0) + struct.pack(f"{self.order}Q{word}", offset, size)
        if self.version >= 6:
            sub += bytes(4 if self.padded else 0) + struct.pack(f"{self.order}3Q", start, end, self.end)
        names = b"".join(name.ljust(65, b"\0") for name in (b"Linux", b"node", self.release, b"#1", self.machine, b"(none)"))
        time = "q" if self.bits == 64 else "i"
        status = self.method if self.status is None else self.status
        head = b"KDUMP   " + struct.pack(f"{self.order}i", self.version) + names + bytes(6 if self.bits == 64 else 2)
        head += struct.pack(f"{self.order}2{time}", *self.timestamp)
        # The 32-bit max_mapnr is obsolete in version 6: what it says is not to be believed.
        mapnr = self.end & 0xFFFFFFFF if self.version < 6 else 7
        head += struct.pack(
            f"{self.order}Iii7Ii", status, self.block, blocks, 2 * bitmap_size // self.block, mapnr, 0, 0, len(held), 0, 1, 0
        )
        front = head.ljust(self.block, b"\0") + (sub.ljust(200, b"\0") + extra).ljust(blocks * self.block, b"\0")
        exists = bits(set(self.exists) | set(self.pages), bitmap_size)
        return front + exists + bits(self.pages, bitmap_size) + descriptors + data + self.erased


def bits(numbers: Iterable[int], size: int) -> bytes:
    """A bitmap of ``size`` bytes."""
    out = bytearray(size)
    for number in numbers:
        out[number // 8] |= 1 << number % 8
    return bytes(out)


def flatten(data: bytes, records: Sequence[tuple[int, int]], *, ended: bool = True) -> bytes:
    """A dump as ``makedumpfile -F`` writes it: records (offset, bytes) of it in any order."""
    head = (b"makedumpfile".ljust(16, b"\0") + struct.pack(">qq", 1, 1)).ljust(4096, b"\0")
    body = b"".join(struct.pack(">qq", at, len(data[at : at + size])) + data[at : at + size] for at, size in records)
    return head + body + (struct.pack(">qq", -1, -1) if ended else b"")


def note(name: bytes, content: bytes, order: str = "<") -> bytes:
    """An ELF note."""
    padded = name + b"\0" + bytes(-(len(name) + 1) % 4)
    return struct.pack(f"{order}3I", len(name) + 1, len(content), 0) + padded + content + bytes(-len(content) % 4)
