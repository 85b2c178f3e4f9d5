"""Symbols out of a kernel's own tables in memory, in both forms of their offsets."""

from __future__ import annotations

import struct

import pytest

from kho_tui.memory.kallsyms import KernelImage, kernel_image
from kho_tui.memory.raw import open_raw
from kho_tui.memory.source import BytesSource

IMAGE = 0xFFFF_FFFF_8000_0000
PHYS_BASE = 0x10_0000
STEXT, UTS, WANTED, LONG = IMAGE, IMAGE + 0x5000, IMAGE + 0x6008, IMAGE + 0x7000
NAMES = {"_stext": STEXT, "init_uts_ns": UTS, "kho_out": WANTED, "a" * 200: LONG}
TABLES = {"kallsyms_num_syms": 0x100, "kallsyms_names": 0x200, "kallsyms_token_table": 0x1000, "kallsyms_token_index": 0x2000}
OFFSETS = 0x3000
BASE = IMAGE - 0x1000


def kernel(*, by_place: bool) -> tuple[bytes, dict[str, str]]:
    image = bytearray(0x8000)

    def put(at: int, data: bytes) -> None:
        image[at : at + len(data)] = data

    put(TABLES["kallsyms_num_syms"], struct.pack("<I", len(NAMES)))
    tokens = [chr(code) if 32 < code < 127 else "?" for code in range(256)]
    tokens[1] = "kho_"
    put(TABLES["kallsyms_token_table"], b"".join(token.encode() + b"\0" for token in tokens))
    starts = [sum(len(one) + 1 for one in tokens[:row]) for row in range(256)]
    put(TABLES["kallsyms_token_index"], struct.pack("<256H", *starts))
    names = b""
    for row, (name, address) in enumerate(NAMES.items()):
        coded = b"B" + name.encode().replace(b"kho_", b"\1")
        # Lengths from 128 on take two bytes.
        names += (bytes([len(coded)]) if len(coded) < 128 else bytes([len(coded) & 0x7F | 0x80, len(coded) >> 7])) + coded
        offset = address - (IMAGE + OFFSETS + 4 * row if by_place else BASE)
        put(OFFSETS + 4 * row, struct.pack("<i", offset))
    put(TABLES["kallsyms_names"], names)
    told = {f"SYMBOL({name})": f"{IMAGE + at:x}" for name, at in {**TABLES, "kallsyms_offsets": OFFSETS}.items()}
    told |= {"SYMBOL(_stext)": f"{STEXT:x}", "SYMBOL(init_uts_ns)": f"{UTS:x}", "NUMBER(phys_base)": str(PHYS_BASE)}
    return bytes(PHYS_BASE) + bytes(image), told


def opened(data: bytes, told: dict[str, str]) -> KernelImage:
    image = kernel_image(open_raw(BytesSource(data, "memory")), told)
    assert image is not None
    return image


@pytest.mark.parametrize("by_place", [True, False])
def test_symbols(by_place: bool) -> None:
    data, told = kernel(by_place=by_place)
    found = opened(data, told).symbols(("kho_out", "kho_in", "a" * 200))
    assert found["kho_out"] == WANTED and found["a" * 200] == LONG and "kho_in" not in found


def test_tables_that_contradict_vmcoreinfo_are_not_believed() -> None:
    data, told = kernel(by_place=True)
    for damaged in (
        {"SYMBOL(init_uts_ns)": f"{UTS + 8:x}"},
        {"SYMBOL(kallsyms_names)": f"{IMAGE + 0x7FFF_0000:x}"},
        {"SYMBOL(kallsyms_names)": f"{IMAGE + 0x7F00:x}"},
        {"SYMBOL(kallsyms_num_syms)": "no number"},
        {"SYMBOL(kallsyms_token_table)": f"{IMAGE + 0x5000:x}"},
    ):
        assert opened(data, told | damaged).symbols(("kho_out",)) == {}
    del told["SYMBOL(kallsyms_offsets)"]
    assert opened(data, told).symbols(("kho_out",)) == {}


def test_without_phys_base_nothing_says_where_the_image_lies() -> None:
    memory = open_raw(BytesSource(bytes(4096), "memory"))
    assert kernel_image(memory, {}) is None
    assert kernel_image(memory, {"NUMBER(phys_base)": "much"}) is None
