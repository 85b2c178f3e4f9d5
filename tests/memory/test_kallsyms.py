"""Symbols out of a kernel's own tables in memory, in both forms of their offsets."""

from __future__ import annotations

import pytest
from symbol_tables import IMAGE, PHYS_BASE, TABLES, UTS, kernel

from kho_tui.memory.kallsyms import KernelImage, kernel_image
from kho_tui.memory.raw import open_raw
from kho_tui.memory.source import BytesSource

SYMBOLS = {"kho_out": IMAGE + 0x6008, "a" * 200: IMAGE + 0x7000}


def opened(data: bytes, told: dict[str, str]) -> KernelImage:
    image = kernel_image(open_raw(BytesSource(data, "memory")), told)
    assert image is not None
    return image


@pytest.mark.parametrize("by_place", [True, False])
def test_symbols(by_place: bool) -> None:
    found = opened(*kernel(SYMBOLS, {}, by_place=by_place)).symbols(("kho_out", "kho_in", "a" * 200))
    assert {name: found[name] for name in SYMBOLS} == SYMBOLS and "kho_in" not in found


def test_tables_that_contradict_vmcoreinfo_are_not_believed() -> None:
    data, told = kernel(SYMBOLS, {})
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


def test_tables_that_would_unpack_to_any_size_are_none() -> None:
    data, told = kernel(SYMBOLS, {})
    at = PHYS_BASE + TABLES["kallsyms_token_table"]
    longest = b"x" * 3000 + b"\0"
    assert opened(data[:at] + longest + data[at + len(longest) :], told).symbols(("kho_out",)) == {}
    at = PHYS_BASE + TABLES["kallsyms_names"]
    name = b"\xff\x1f" + b"\1" * 0xFFF
    assert opened(data[:at] + name + data[at + len(name) :], told).symbols(("kho_out",)) == {}


def test_without_phys_base_nothing_says_where_the_image_lies() -> None:
    memory = open_raw(BytesSource(bytes(4096), "memory"))
    assert kernel_image(memory, {}) is None
    assert kernel_image(memory, {"NUMBER(phys_base)": "much"}) is None
