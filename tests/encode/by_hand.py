"""Bytes written by hand from the kernel's headers: nothing here knows kho_tui."""

from __future__ import annotations

import struct


def raw(*parts: str | bytes) -> bytes:
    """Hexadecimal words and plain bytes, one after the other."""
    return b"".join(part if isinstance(part, bytes) else bytes.fromhex(part) for part in parts)


def q(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}Q", *values)


def bits(size: int, *set_bits: tuple[int, int]) -> bytes:
    """A bitmap of ``size`` bytes with these (byte, mask)."""
    data = bytearray(size)
    for byte, mask in set_bits:
        data[byte] |= mask
    return bytes(data)


def page(data: bytes, size: int = 4096) -> bytes:
    return data.ljust(size, b"\0")


def slots(entries: dict[int, int], size: int = 4096) -> bytes:
    """A page of u64 slots."""
    data = bytearray(size)
    for slot, value in entries.items():
        data[8 * slot : 8 * slot + 8] = q(value)
    return bytes(data)


ROOT_V1_TWO = raw(
    "d00dfeed 000000ec 00000040 000000c8 00000030 00000011 00000010 00000000 00000024 00000088 00000000 00000000",
    "00000000 00000000 00000000 00000000 00000001 00000000",
    "00000003 00000007 00000019 6b686f2d 76310000",
    "00000003 00000008 00000004 0040be16 01000000",
    "00000001 6b686f5f 74657374 00000000 00000003 00000008 00000000 00100000 00000000 00000002",
    "00000001 6d656d62 6c6f636b 00000000 00000003 00000008 00000000 00200000 00000000 00000002 00000002 00000009",
    b"fdt\0preserved-memory-map\0compatible\0",
)
"""6.17 and 6.18: kho_test at 0x1000, memblock at 0x2000, tracker at 0x1_16be_4000 (2.4)."""

ROOT_V1_LUO = raw(
    "d00dfeed 000000b4 00000038 00000090 00000028 00000011 00000010 00000000 00000024 00000058",
    "00000000 00000000 00000000 00000000 00000001 00000000",
    "00000003 00000007 00000015 6b686f2d 76310000 00000003 00000008 00000000 00000000 00000000",
    "00000001 4c554f00 00000003 00000008 00000020 00100000 00000000 00000002 00000002 00000009",
    b"preserved-memory-map\0compatible\0fdt\0",
)
"""6.19 and 7.0: LUO at 0x1000, not finalized (2.4)."""

ROOT_V4_METADATA = raw(
    "d00dfeed 000000e9 00000038 000000b0 00000028 00000011 00000010 00000000 00000039 00000078",
    "00000000 00000000 00000000 00000000 00000001 00000000",
    "00000003 00000007 00000015 6b686f2d 76340000 00000003 00000008 00000000 00402301 00000000",
    "00000001 6b657865 632d6d65 74616461 74610000",
    "00000003 00000008 0000002f 49000000 00000000 00000003 00000008 00000020 00100000 00000000",
    "00000002 00000002 00000009",
    b"preserved-memory-map\0compatible\0preserved-data\0blob-size\0",
)
"""7.2 and 7.3: kexec-metadata at 0x1000, tracker at 0x1234000 (2.4); 7.1 differs in one character."""

MEMBLOCK = raw(
    "d00dfeed 000000ce 00000040 000000b8 00000030 00000011 00000010 00000000 00000016 00000078 00000000 00000000",
    "00000000 00000000 00000000 00000000 00000001 00000000 00000003 0000000c 0000000b",
    b"memblock-v1\0",
    "00000001",
    b"rm\0\0",
    "00000003 0000000f 0000000b",
    b"reserve-mem-v1\0\0",
    "00000003 00000008 00000005 00000040 00000000 00000003 00000008 00000000 00002000 00000000",
    "00000002 00000002 00000009",
    b"size\0start\0compatible\0",
)
"""One region ``rm`` at 0x4000_0000 of 2 MiB: 206 bytes (2.4, 6.1)."""


def test_kho(folios_info: bytes, csum: int) -> bytes:
    """Two folios, 16 bytes of folios_info: 240 bytes (2.4, 6.2)."""
    return raw(
        "d00dfeed 000000f0 00000040 000000c4 00000030 00000011 00000010 00000000 0000002c 00000084 00000000 00000000",
        "00000000 00000000 00000000 00000000 00000001 00000000 00000003 0000000c 00000021",
        b"kho-test-v1\0",
        "00000003 00000004 0000001b 214f484b",
        "00000001 64617461 00000000 00000003 00000004 00000011 02000000 00000003 00000010 00000005",
        folios_info,
        "00000003 00000004 00000000",
        struct.pack("<I", csum),
        "00000002 00000002 00000009",
        b"csum\0folios_info\0nr_folios\0magic\0compatible\0",
    )


test_kho.__test__ = False  # type: ignore[attr-defined]  # the kernel's name, not a test


def luo_v1(number: int, sessions: int) -> bytes:
    """6.19: without FLBs, 236 bytes (2.4, 5.3)."""
    return raw(
        "d00dfeed 000000ec 00000040 000000bc 00000030 00000011 00000010 00000000 00000030 0000007c 00000000 00000000",
        "00000000 00000000 00000000 00000000 00000001 00000000 00000003 00000007 00000025 6c756f2d 76310000",
        "00000003 00000008 00000013",
        q(number),
        "00000001",
        b"luo-session\0",
        "00000003 0000000f 00000025",
        b"luo-session-v2\0\0",
        "00000003 00000008 00000000",
        q(sessions),
        "00000002 00000002 00000009",
        b"luo-session-header\0liveupdate-number\0compatible\0",
    )


def luo_v1_flb(number: int, sessions: int, flbs: int) -> bytes:
    """7.0 and 7.1: with FLBs, 311 bytes (2.4, 5.3)."""
    return raw(
        "d00dfeed 00000137 00000040 000000f8 00000030 00000011 00000010 00000000 0000003f 000000b8 00000000 00000000",
        "00000000 00000000 00000000 00000000 00000001 00000000 00000003 00000007 00000034 6c756f2d 76310000",
        "00000003 00000008 00000022",
        q(number),
        "00000001",
        b"luo-session\0",
        "00000003 0000000f 00000034",
        b"luo-session-v2\0\0",
        "00000003 00000008 0000000f",
        q(sessions),
        "00000002 00000001",
        b"luo-flb\0",
        "00000003 0000000b 00000034",
        b"luo-flb-v1\0\0",
        "00000003 00000008 00000000",
        q(flbs),
        "00000002 00000002 00000009",
        b"luo-flb-header\0luo-session-header\0liveupdate-number\0compatible\0",
    )


def session(name: bytes, files: int, count: int) -> bytes:
    return name.ljust(64, b"\0") + q(files, count)


def file(compatible: bytes, data: int, token: int) -> bytes:
    return compatible.ljust(48, b"\0") + q(data, token)


def flb(name: bytes, data: int, count: int) -> bytes:
    return name.ljust(48, b"\0") + q(data, count)


def vmalloc(first: int, total_pages: int, flags: int, order: int) -> bytes:
    return struct.pack("<QIHH", first, total_pages, flags, order)


def metadata(release: bytes, count: int) -> bytes:
    """73 bytes, the count unaligned at 69 (6.3)."""
    return raw("01000000", release.ljust(65, b"\0"), struct.pack("<I", count))
