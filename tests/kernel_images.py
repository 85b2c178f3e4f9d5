"""Kernel images made by hand, from the documents that define their headers."""

from __future__ import annotations


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
