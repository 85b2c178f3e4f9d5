"""The header of a kdump-compressed dump: makedumpfile's IMPLEMENTATION and diskdump_mod.h, QEMU's include/sysemu/dump.h."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from kho_tui.errors import InputError
from kho_tui.layout.platform import PAGE_SIZES, ByteOrder
from kho_tui.memory.physical import ADDRESS_END
from kho_tui.memory.source import ByteSource
from kho_tui.text import SafeText, c_string, visible

KDUMP_MAGIC = b"KDUMP   "

INCOMPLETE, WITHOUT_VMEMMAP = 0x8, 0x10
"""Bits of the header's status beside those of codecs: makedumpfile ran out of room; it left out vmemmap pages that nobody uses (-e)."""

LAYERS: Mapping[int, str] = MappingProxyType({2: "cache", 4: "private cache", 8: "user", 16: "free"})
"""Bits of the dump level: which pages makedumpfile leaves out. Zero pages (1) are in the dump all the same, as one page for all."""

_NEWEST = 6
_BITMAP_LIMIT = 2 << 30
"""Bytes of one bitmap: 64 TiB in pages of 4 KiB."""

DumpBits = Literal[32, 64]
"""The word size of the kernel that wrote the dump; makedumpfile writes its own C structs."""


def descriptor_dtype(byte_order: ByteOrder) -> np.dtype[np.void]:
    """A page descriptor (struct page_desc): where the page's bytes lie in the file, how many they are, how they are compressed."""
    sign = _sign(byte_order)
    return np.dtype([("offset", f"{sign}u8"), ("size", f"{sign}u4"), ("flags", f"{sign}u4"), ("page_flags", f"{sign}u8")])


@dataclass(frozen=True, slots=True, kw_only=True)
class KdumpHeader:
    """What main header and sub header say, checked against the size of the file."""

    version: int
    bits: DumpBits
    byte_order: ByteOrder
    release: str
    """utsname.release, untrusted; empty where the writer did not know it."""
    machine: str
    timestamp: tuple[int, int]
    """Seconds and microseconds: the same in all files of a split dump."""
    status: int
    page_size: int
    """Bytes of a block, which is what the dump calls a page. QEMU writes an arm64 guest in blocks of its own choice."""
    end_pfn: int
    """Behind the last page of the machine (max_mapnr)."""
    level: int
    split: tuple[int, int] | None
    """First page and one behind the last of this file of a split dump."""
    exists_at: int | None
    """File offset of the 1st bitmap, of pages that exist; None where the dump has only the other."""
    dumped_at: int
    """File offset of the 2nd bitmap, of pages that are dumped."""
    descriptors_at: int
    vmcoreinfo: tuple[int, int]
    """File offset and bytes of the text; 0 bytes where there is none."""
    note: tuple[int, int]
    eraseinfo: tuple[int, int]

    @property
    def compressions(self) -> int:
        """Bits of the status that say how pages may be compressed."""
        return self.status & ~(INCOMPLETE | WITHOUT_VMEMMAP)

    @property
    def dumped_range(self) -> tuple[int, int]:
        """First page and one behind the last that this file may hold."""
        if self.split is None:
            return 0, self.end_pfn
        return min(self.split[0], self.end_pfn), min(self.split[1], self.end_pfn)

    def is_of_same_dump(self, other: KdumpHeader) -> bool:
        """Whether two files of a split dump are of one dump."""
        ours, theirs = (
            (one.version, one.bits, one.byte_order, one.release, one.machine, one.timestamp, one.page_size, one.end_pfn, one.level)
            for one in (self, other)
        )
        return ours == theirs


def read_header(source: ByteSource) -> KdumpHeader:
    """The header at the start of ``source``. Raises InputError with one line where it is damaged or of a kind that is not read."""
    shown = visible(source.name)
    # No more than the struct: a flattened dump holds nothing between the structs, nor behind that of an older version.
    head = source.read_at(0, _main_dtype(64, "little").itemsize)
    if not head.startswith(KDUMP_MAGIC):
        raise InputError(f"{shown}: not a kdump-compressed dump")
    if len(head) < _main_dtype(64, "little").itemsize:
        raise InputError(f"{shown}: the dump ends inside its header")
    versions: dict[int, ByteOrder] = {int.from_bytes(head[8:12], "big"): "big", int.from_bytes(head[8:12], "little"): "little"}
    version = next((one for one in versions if 1 <= one <= _NEWEST), None)
    if version is None:
        raise InputError(f"{shown}: a kdump-compressed dump of version {min(versions)}; makedumpfile's 1 to {_NEWEST} are read")
    order = versions[version]
    words: tuple[DumpBits, DumpBits] = (64, 32)
    for bits in words:
        main = _row(head, _main_dtype(bits, order), 0)
        if int(main["block_size"]) in PAGE_SIZES and int(main["sub_hdr_size"]) > 0 and int(main["bitmap_blocks"]) > 0:
            return _checked(source, main, version, bits, order, shown)
    raise InputError(f"{shown}: damaged header (block size {int(_row(head, _main_dtype(64, order), 0)['block_size'])})")


def _checked(source: ByteSource, main: Any, version: int, bits: DumpBits, order: ByteOrder, shown: SafeText) -> KdumpHeader:
    block = int(main["block_size"])
    sub = _sub_header(source, bits, order, version, block, int(main["sub_hdr_size"]))
    bitmaps_at = (1 + int(main["sub_hdr_size"])) * block
    bitmap_size = int(main["bitmap_blocks"]) * block
    descriptors_at = bitmaps_at + bitmap_size
    if sub is None or descriptors_at > source.size:
        raise InputError(f"{shown}: the dump ends before its bitmaps do (at {min(descriptors_at, ADDRESS_END):#x}); take it again")
    end_pfn = int(sub["max_mapnr_64"]) if version >= 6 else int(main["max_mapnr"])
    both = end_pfn <= bitmap_size // 2 * 8
    one = bitmap_size // 2 if both else bitmap_size
    if not 0 < end_pfn <= one * 8 or end_pfn * block > ADDRESS_END:
        raise InputError(f"{shown}: damaged header: {end_pfn} pages of memory, and bitmaps of {bitmap_size} bytes")
    if one > _BITMAP_LIMIT:
        raise InputError(f"{shown}: a bitmap of {one} bytes; at most {_BITMAP_LIMIT} are read")
    split = None
    if version >= 2 and int(sub["split"]):
        wide = "_64" if version >= 6 else ""
        split = int(sub[f"start_pfn{wide}"]), int(sub[f"end_pfn{wide}"])
        if not split[0] <= split[1]:
            raise InputError(f"{shown}: damaged header: a part of a split dump from page {split[0]:#x} to {split[1]:#x}")
    return KdumpHeader(
        version=version,
        bits=bits,
        byte_order=order,
        release=_text(main["release"]),
        machine=_text(main["machine"]),
        timestamp=(int(main["tv_sec"]), int(main["tv_usec"])),
        status=int(main["status"]),
        page_size=block,
        end_pfn=end_pfn,
        level=int(sub["dump_level"]),
        split=split,
        exists_at=bitmaps_at if both else None,
        dumped_at=bitmaps_at + (one if both else 0),
        descriptors_at=descriptors_at,
        vmcoreinfo=_place(sub, "vmcoreinfo", version >= 3),
        note=_place(sub, "note", version >= 4),
        eraseinfo=_place(sub, "eraseinfo", version >= 5),
    )


def _place(sub: Any, name: str, there: bool) -> tuple[int, int]:
    return (int(sub[f"offset_{name}"]), int(sub[f"size_{name}"])) if there else (0, 0)


def _text(raw: bytes) -> str:
    return c_string(bytes(raw)).decode("utf-8", "surrogateescape")


def _sign(byte_order: ByteOrder) -> str:
    return "<" if byte_order == "little" else ">"


def _row(data: bytes, dtype: np.dtype[np.void], at: int) -> Any:
    return np.frombuffer(data, dtype, 1, at)[0]


def _main_dtype(bits: DumpBits, byte_order: ByteOrder) -> np.dtype[np.void]:
    """struct disk_dump_header without what stands behind the last field that is read."""
    s = _sign(byte_order)
    names = ("sysname", "nodename", "release", "version", "machine", "domainname")
    time = f"{s}i{bits // 8}"
    fields: list[tuple[str, str]] = [("signature", "S8"), ("header_version", f"{s}i4"), *((name, "S65") for name in names)]
    fields += [("pad", "V6" if bits == 64 else "V2"), ("tv_sec", time), ("tv_usec", time), ("status", f"{s}u4")]
    fields += [("block_size", f"{s}i4"), ("sub_hdr_size", f"{s}i4"), ("bitmap_blocks", f"{s}u4"), ("max_mapnr", f"{s}u4")]
    return np.dtype(fields)


def _sub_header(source: ByteSource, bits: DumpBits, order: ByteOrder, version: int, block: int, blocks: int) -> Any:
    """struct kdump_sub_header, None where the file ends before. For 32 bits there are two layouts: i386 aligns 8 bytes to 4, ARM to 8."""
    for padded in (False, True):
        dtype = _sub_dtype(order, f"u{bits // 8}", version, padded=padded)
        raw = source.read_at(block, dtype.itemsize)
        if len(raw) < dtype.itemsize:
            return None
        sub = _row(raw, dtype, 0)
        if bits == 64 or version < 3 or padded:
            break
        at, size = int(sub["offset_vmcoreinfo"]), int(sub["size_vmcoreinfo"])
        if not (at or size) or block < at <= at + size <= (1 + blocks) * block:
            break
    return sub


def _sub_dtype(byte_order: ByteOrder, word: str, version: int, *, padded: bool) -> np.dtype[np.void]:
    s = _sign(byte_order)
    fields: list[tuple[str, str]] = [("phys_base", s + word), ("dump_level", f"{s}i4")]
    if version >= 2:
        fields += [("split", f"{s}i4"), ("start_pfn", s + word), ("end_pfn", s + word)]
    for name, since in (("vmcoreinfo", 3), ("note", 4), ("eraseinfo", 5)):
        if version >= since:
            fields += [(f"pad_{name}", "V4")] if padded else []
            fields += [(f"offset_{name}", f"{s}u8"), (f"size_{name}", s + word)]
    if version >= 6:
        fields += [("pad", "V4")] if padded else []
        fields += [("start_pfn_64", f"{s}u8"), ("end_pfn_64", f"{s}u8"), ("max_mapnr_64", f"{s}u8")]
    return np.dtype(fields)
