"""The kernel command line, as far as KHO reads it: ``kho=``, ``kho_scratch=``, ``reserve_mem=``, ``liveupdate=`` (kho-abi.md 6.1, 7.3).

A value that a kernel refuses leaves its default in place; ``refused`` says so, as the kernel's log would.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kho_tui.releases.table import MAX_REGIONS, Release

DEFAULT_SCALE = 200
_SUFFIXES = {"K": 10, "M": 20, "G": 30, "T": 40, "P": 50, "E": 60}
_LONGEST_PERCENT = 11
_NAME_BYTES = 16
_CACHE_LINE = 64
_U64 = (1 << 64) - 1


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


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What a booting kernel takes from its command line. ``refused``: one line for each value it does not take."""

    kho: bool
    scratch: Scaled | Explicit
    regions: tuple[ReserveMem, ...]
    liveupdate: bool
    refused: tuple[str, ...]

    @property
    def asked_regions(self) -> tuple[tuple[bytes, int, int], ...]:
        """(name, size, alignment) of each ``reserve_mem=`` region, as a receiver compares them with what was handed over."""
        return tuple((one.name, one.size, one.align) for one in self.regions)


def parse_cmdline(text: str, release: Release, *, on_by_default: bool = False) -> CommandLine:
    """Read ``text`` as a kernel of ``release`` does. ``on_by_default``: CONFIG_KEXEC_HANDOVER_ENABLE_DEFAULT, 6.19 on."""
    kho, liveupdate = on_by_default and release.luo is not None, False
    scratch: Scaled | Explicit = Scaled()
    regions: list[ReserveMem] = []
    refused: list[str] = []
    for word in re.findall(r'(?:[^\s"]|"[^"]*")+', text):
        name, _, value = word.replace('"', "").partition("=")
        if name == "--":
            break
        if name in ("kho", "liveupdate"):
            switch = parse_bool(value)
            if switch is None:
                refused.append(f"{name}={value}: no truth value, the default stays")
            elif name == "kho":
                kho = switch
            else:
                liveupdate = switch
        elif name == "kho_scratch":
            asked = parse_scratch(value, release)
            if asked is None:
                refused.append(f"kho_scratch={value}: refused by {release.name}, the default stays")
            else:
                scratch = asked
        elif name == "reserve_mem":
            region = _region(value, regions)
            if isinstance(region, str):
                refused.append(f"reserve_mem={value}: {region}")
            else:
                regions.append(region)
    return CommandLine(kho, scratch, tuple(regions), liveupdate and release.luo is not None, tuple(refused))


def parse_bool(value: str) -> bool | None:
    """kstrtobool: looks at the first character, and the second one of ``on`` and ``off``; None where it refuses."""
    first, second = value[:1].lower(), value[1:2].lower()
    if first in ("y", "t", "1"):
        return True
    if first in ("n", "f", "0"):
        return False
    return {"n": True, "f": False}.get(second) if first == "o" else None


def memparse(text: str) -> tuple[int, str]:
    """The kernel's size with a suffix, and what follows it: ``("4M,x")`` is ``(4194304, ",x")``. No digit: (0, text)."""
    number = re.match(r"0[xX][0-9a-fA-F]+|[0-9]+", text)
    if number is None:
        return 0, text
    digits, rest = number[0], text[number.end() :]
    if digits[:2] in ("0x", "0X"):
        value = int(digits, 16)
    elif digits[0] == "0" and len(digits) > 1:
        octal = re.match(r"[0-7]+", digits)
        assert octal is not None  # it begins with 0
        value, rest = int(octal[0], 8), digits[octal.end() :] + rest
    else:
        value = int(digits)
    shift = _SUFFIXES.get(rest[:1].upper())
    return ((value << shift) & _U64, rest[1:]) if shift is not None else (value & _U64, rest)


def parse_scratch(value: str, release: Release) -> Scaled | Explicit | None:
    """``N%`` or ``lowmem,global,pernode``; None where the release refuses it."""
    if re.fullmatch(r"[0-9]+%", value):
        return Scaled(int(value[:-1])) if len(value) <= _LONGEST_PERCENT and int(value[:-1]) < 1 << 31 else None
    sizes = []
    rest = value
    for last in (False, False, True):
        size, behind = memparse(rest)
        if behind == rest or (not last and not behind.startswith(",")):
            return None
        sizes.append(size)
        rest = behind[1:] if not last else behind
    if release.scratch.strict:
        return Explicit(*sizes) if not rest and sum(sizes) & _U64 else None
    return Explicit(*sizes) if all(sizes) else None


def _region(value: str, before: list[ReserveMem]) -> ReserveMem | str:
    size, rest = memparse(value)
    if not size or not rest.startswith(":"):
        return "no size"
    align, behind = memparse(rest[1:])
    # An empty alignment is none, as a 7.3.4 kernel was seen to take it: memparse gives 0 for it.
    if not behind.startswith(":"):
        return "no alignment"
    name = behind[1:].encode("utf-8", "surrogateescape")
    if not name.strip():
        return "no name"
    if len(name) + 1 > _NAME_BYTES:
        return f"the name is longer than {_NAME_BYTES - 1} characters"
    if len(before) >= MAX_REGIONS:
        return f"more than {MAX_REGIONS} regions"
    if any(region.name == name for region in before):
        return "the name is taken"
    align = max(align, _CACHE_LINE)
    return ReserveMem(name, size, align) if not align & (align - 1) else "the alignment is no power of two"
