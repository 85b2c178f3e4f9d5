"""The memory of a small kernel that has nothing but its own symbol tables, and the VMCOREINFO that tells where they are."""

from __future__ import annotations

import struct
from collections.abc import Mapping

IMAGE = 0xFFFF_FFFF_8000_0000
PHYS_BASE = 0x10_0000
STEXT, UTS = IMAGE, IMAGE + 0x5000
IMAGE_BYTES = 0x8000
TABLES = {"kallsyms_num_syms": 0x100, "kallsyms_names": 0x200, "kallsyms_token_table": 0x1000, "kallsyms_token_index": 0x2000}
OFFSETS = 0x3000
BASE = IMAGE - 0x1000


def kernel(symbols: Mapping[str, int], contents: Mapping[int, bytes], *, by_place: bool = True) -> tuple[bytes, dict[str, str]]:
    """Memory from address 0 on, and VMCOREINFO. ``symbols``: virtual addresses; ``contents``: bytes at these of the image.

    ``by_place``: offsets as 7.3 has them, to their own place; else to a base.
    """
    names = {"_stext": STEXT, "init_uts_ns": UTS, **symbols}
    image = bytearray(IMAGE_BYTES)

    def put(at: int, data: bytes) -> None:
        image[at : at + len(data)] = data

    put(TABLES["kallsyms_num_syms"], struct.pack("<I", len(names)))
    tokens = [chr(code) if 32 < code < 127 else "?" for code in range(256)]
    tokens[1] = "kho_"
    put(TABLES["kallsyms_token_table"], b"".join(token.encode() + b"\0" for token in tokens))
    starts = [sum(len(one) + 1 for one in tokens[:row]) for row in range(256)]
    put(TABLES["kallsyms_token_index"], struct.pack("<256H", *starts))
    packed = b""
    for row, (name, address) in enumerate(names.items()):
        coded = b"B" + name.encode().replace(b"kho_", b"\1")
        # Lengths from 128 on take two bytes.
        packed += (bytes([len(coded)]) if len(coded) < 128 else bytes([len(coded) & 0x7F | 0x80, len(coded) >> 7])) + coded
        put(OFFSETS + 4 * row, struct.pack("<i", address - (IMAGE + OFFSETS + 4 * row if by_place else BASE)))
    put(TABLES["kallsyms_names"], packed)
    for address, data in contents.items():
        put(address - IMAGE, data)
    told = {f"SYMBOL({name})": f"{IMAGE + at:x}" for name, at in {**TABLES, "kallsyms_offsets": OFFSETS}.items()}
    told |= {"SYMBOL(_stext)": f"{STEXT:x}", "SYMBOL(init_uts_ns)": f"{UTS:x}", "NUMBER(phys_base)": str(PHYS_BASE)}
    return bytes(PHYS_BASE) + bytes(image), told
