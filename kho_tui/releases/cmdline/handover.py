"""What the command line asks of KHO and its producers: ``kho_scratch=``, ``reserve_mem=``, and what of it a kernel refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from kho_tui.releases.cmdline.numbers import U64, kstrtouint
from kho_tui.releases.cmdline.words import BLANKS
from kho_tui.releases.table import MAX_REGIONS, Release

DEFAULT_SCALE = 200
Memparse = Callable[[str], tuple[int, str]]
"""``numbers.memparse`` of one release."""
_LONGEST_PERCENT = 11
_NAME_BYTES = 16
_CACHE_LINE = 64
_BLANK_NAME = re.compile(f"[{BLANKS}]*".encode("latin-1"))


@dataclass(frozen=True, slots=True)
class Scaled:
    """Scratch as a percentage of what the boot allocated."""

    percent: int = DEFAULT_SCALE


@dataclass(frozen=True, slots=True)
class Explicit:
    """Scratch sizes in bytes."""

    lowmem: int
    anywhere: int
    per_node: int


@dataclass(frozen=True, slots=True)
class ReserveMem:
    """One ``reserve_mem=SIZE:ALIGN:NAME``; sizes in bytes, ``align`` raised to a cache line."""

    name: bytes
    size: int
    align: int

    def is_aligned(self, start: int) -> bool:
        """Whether a region handed over at ``start`` may be revived (mm/memblock.c, reserve_mem_kho_revive).

        The kernel masks by ``align - 1`` also where ``align`` is no power of two: 12288 asks for bits 0 to 11 and 13 to be 0.
        """
        return not start & (self.align - 1)


@dataclass(frozen=True, slots=True)
class BootOptions:
    """What a booting kernel takes from its command line. ``refused``: one line for each value it does not take."""

    kho: bool
    scratch: Scaled | Explicit
    regions: tuple[ReserveMem, ...]
    liveupdate: bool
    refused: tuple[str, ...]


def parse_scratch(value: str, release: Release, parse: Memparse) -> Scaled | Explicit | None:
    """``N%`` or ``lowmem,global,pernode``; None where the release refuses it.

    That the sizes do not fit into memory is no matter of the parser: the kernel finds it out when it allocates them.
    """
    if value.endswith("%"):
        percent = kstrtouint(value[:-1]) if len(value) <= _LONGEST_PERCENT else None
        return None if percent is None else Scaled(percent)
    sizes, rest = [], value
    for separator in ("", ",", ","):
        if not rest.startswith(separator):
            return None
        rest = rest[len(separator) :]
        size, behind = parse(rest)
        if behind == rest:
            return None
        sizes.append(size)
        rest = behind
    if release.scratch.strict:
        return Explicit(*sizes) if not rest and sum(sizes) & U64 else None
    return Explicit(*sizes) if all(sizes) else None


def parse_region(value: str, before: list[ReserveMem], parse: Memparse) -> ReserveMem | str:
    """One ``reserve_mem=``, or why it is refused. ``before``: the regions that came before it (mm/memblock.c, reserve_mem)."""
    if len(before) >= MAX_REGIONS:
        return f"more than {MAX_REGIONS} regions"
    size, rest = parse(value)
    if not size or not rest.startswith(":"):
        return "no size"
    align, behind = parse(rest[1:])
    # An empty alignment is none, as a 7.3.4 kernel was seen to take it: memparse gives 0 for it.
    if not behind.startswith(":"):
        return "no alignment"
    name = behind[1:].encode("utf-8", "surrogateescape")
    if _BLANK_NAME.fullmatch(name):
        return "no name"
    if len(name) >= _NAME_BYTES:
        return f"the name is longer than {_NAME_BYTES - 1} characters"
    if any(region.name == name for region in before):
        return "the name is taken"
    return ReserveMem(name, size, max(align, _CACHE_LINE))
