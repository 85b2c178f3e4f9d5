"""What the variables of a dump's kernel say of its root FDTs and its scratch table."""

from __future__ import annotations

import struct
from dataclasses import replace

from symbol_tables import IMAGE, kernel

from kho_tui.decode.kernel_variables import KernelSays, kernel_says
from kho_tui.memory.raw import open_raw
from kho_tui.memory.source import BytesSource

DIRECT = 0xFF11_0000_0000_0000
"""Of five levels of page tables."""
OUT, IN, SCRATCH, COUNT, OFFSET = (IMAGE + 0x6000 + 0x100 * row for row in range(5))
SYMBOLS = {"kho_out": OUT, "kho_in": IN, "kho_scratch": SCRATCH, "kho_scratch_cnt": COUNT, "page_offset_base": OFFSET}
ROOTS = {0x52_7000, 0x112_7000}


def said(*, outgoing: int, incoming: int, table: int = 0, areas: int = 0, symbols: dict[str, int] = SYMBOLS) -> KernelSays | None:
    contents = {
        OUT: struct.pack("<Q", outgoing),
        IN: struct.pack("<QQ", incoming, table),
        SCRATCH: struct.pack("<Q", table + DIRECT),
        COUNT: struct.pack("<I", areas),
        OFFSET: struct.pack("<Q", DIRECT),
    }
    data, told = kernel(symbols, contents)
    return kernel_says(replace(open_raw(BytesSource(data, "memory")), vmcoreinfo=told), ROOTS)


def test_after_a_kexec_both_sides_are_named() -> None:
    says = said(outgoing=0x112_7000 + DIRECT, incoming=0x52_7000, table=0x3EBF_0000, areas=3)
    assert says == KernelSays(outgoing=0x112_7000, incoming=0x52_7000, scratch=(0x3EBF_0000, 48))


def test_on_a_first_boot_only_what_is_built() -> None:
    assert said(outgoing=0x52_7000 + DIRECT, incoming=0) == KernelSays(outgoing=0x52_7000, incoming=None, scratch=None)


def test_root_fdts_that_an_earlier_kernel_left_are_named_by_nothing() -> None:
    assert said(outgoing=0, incoming=0) == KernelSays(outgoing=None, incoming=None, scratch=None)


def test_a_kernel_that_lists_functions_only_says_nothing() -> None:
    assert said(outgoing=0x52_7000 + DIRECT, incoming=0, symbols={}) is None
