"""Kernel images made by hand, from the documents that define their headers."""

from __future__ import annotations

import struct


def bzimage(payload: bytes, init_size: int = 0x1234000) -> bytes:
    """Documentation/arch/x86/boot.rst: the fields that matter, one setup sector, the payload 0x40 bytes into the code."""
    image = bytearray(1024)
    image[0x1F1] = 1
    image[0x202:0x206] = b"HdrS"
    image[0x206:0x208] = (0x20F).to_bytes(2, "little")
    image[0x238:0x23C] = (2047).to_bytes(4, "little")
    image[0x248:0x24C] = (0x40).to_bytes(4, "little")
    image[0x24C:0x250] = len(payload).to_bytes(4, "little")
    image[0x260:0x264] = init_size.to_bytes(4, "little")
    return bytes(image) + b"\x90" * 0x40 + payload + b"signature of PE behind it"


def arm64_image(body: bytes, flags: int) -> bytes:
    """Documentation/arch/arm64/booting.rst."""
    head = bytearray(64)
    head[0x10:0x18] = (0x2000000).to_bytes(8, "little")
    head[0x18:0x20] = flags.to_bytes(8, "little")
    head[0x38:0x3C] = b"ARM\x64"
    return bytes(head) + body


def arm64_efi_image(body: bytes, flags: int) -> bytes:
    """The same with the PE header of the EFI stub (arch/arm64/kernel/efi-header.S): .data goes on to the end of the file."""
    head = bytearray(arm64_image(b"", flags)) + bytearray(0x200 - 64)
    head[:2] = b"MZ"
    head[0x3C:0x40] = (0x40).to_bytes(4, "little")
    head[0x40:0x58] = struct.pack("<4sHHIIIHH", b"PE\0\0", 0xAA64, 2, 0, 0, 0, 0xA0, 0x206)
    half = len(body) // 2
    for number, (name, size, at) in enumerate([(b".text", half, 0x200), (b".data", len(body) - half, 0x200 + half)]):
        head[0xF8 + 40 * number : 0x120 + 40 * number] = struct.pack("<8sIIIIIIHHI", name, size, at, size, at, 0, 0, 0, 0, 0)
    return bytes(head) + body
