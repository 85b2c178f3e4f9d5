"""Addresses of the kernel's own variables, as /proc/kallsyms shows them to root (CONFIG_KALLSYMS_ALL, kernel.kptr_restrict below 2)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kho_tui.capture.files import read_until_eof

_LONGEST = 256 << 20
"""Bytes of /proc/kallsyms: a kernel with all its modules has about 15 MiB."""

_LEAST = 256
"""Bytes to take a variable for at least: an alias of it, or nothing at all, may stand behind it in the list."""

Shown = Literal["yes", "hidden", "not-listed", "unreadable"]
"""hidden: every address is 0; not-listed: variables are not in it, or not this one."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A variable: its virtual ``address``, and bytes that surely hold all of it, up to the next symbol or further."""

    address: int
    size: int


@dataclass(frozen=True, slots=True)
class Symbols:
    """What /proc/kallsyms showed of one variable. ``kho``: whether the kernel has KHO, by a function of it; None: not readable."""

    shown: Shown
    variable: Symbol | None
    kho: bool | None


def find_symbol(root: Path, name: str, function: str) -> Symbols:
    """The variable ``name`` of the running kernel, and whether it has ``function``, whose names everybody may see."""
    try:
        data, _ = read_until_eof(root / "proc/kallsyms", _LONGEST)
    except OSError:
        return Symbols("unreadable", None, None)
    if not data:
        return Symbols("unreadable", None, None)
    has_function = f" {function}\n".encode() in data
    lines = data.splitlines()
    rows = [line for line in lines if line.endswith(f" {name}".encode())]
    if not rows:
        return Symbols("not-listed", None, has_function)
    address = next((found for found in map(_address, rows) if found), None)
    if address is None:
        return Symbols("hidden", None, has_function)
    behind = min((other for other in map(_address, lines) if other is not None and other > address), default=address)
    return Symbols("yes", Symbol(address, max(behind - address, _LEAST)), has_function)


def _address(line: bytes) -> int | None:
    word = line.partition(b" ")[0]
    try:
        return int(word, 16)
    except ValueError:
        return None
