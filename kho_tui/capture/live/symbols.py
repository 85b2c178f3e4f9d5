"""Addresses of the kernel's own variables, as /proc/kallsyms shows them to root (CONFIG_KALLSYMS_ALL, kernel.kptr_restrict below 2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kho_tui.capture.files import chunks_until_eof

_LONGEST = 256 << 20
"""Bytes of /proc/kallsyms: a kernel with all its modules has about 15 MiB."""

_BEGINNING = 64 << 10
"""Bytes of it that show whether addresses are hidden."""

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


_seen: dict[tuple[Path, str, str], Symbols] = {}
"""What was found in this process. Symbols of the kernel itself do not move within a boot, and which it has does not change."""


def find_symbol(root: Path, name: str, function: str) -> Symbols:
    """The variable ``name`` of the running kernel, and whether it has ``function``, whose names everybody may see.

    The list is read once in a process; again only where it hid addresses, which the administrator may change, and no longer begins so.
    """
    path, key = root / "proc/kallsyms", (root, name, function)
    seen = _seen.get(key)
    try:
        if seen is None or (seen.shown == "hidden" and not _begins_hidden(path)):
            seen = _seen[key] = _find(_lines(path, _LONGEST), name.encode(), function.encode())
    except (OSError, EOFError):
        return Symbols("unreadable", None, None)
    return seen


def _find(lines: Iterator[tuple[bytes, bytes]], name: bytes, function: bytes) -> Symbols:
    """Read as far as it takes. Raises OSError, and EOFError where there is no line at all."""
    some = listed = kho = False
    address = behind = 0
    for where, symbol in lines:
        some = True
        if symbol == function:
            kho = True
        elif symbol == name:
            listed = True
            address = address or _address(where)
        elif address and not behind:
            # The kernel lists its own symbols by address: one further on is none that lies before the next.
            behind = max(_address(where) - address, 0)
        if kho and behind:
            break
    if not some:
        raise EOFError
    if not listed:
        return Symbols("not-listed", None, kho)
    return Symbols("yes", Symbol(address, max(behind, _LEAST)), kho) if address else Symbols("hidden", None, kho)


def _begins_hidden(path: Path) -> bool:
    """Whether the list shows no address where it begins; those of per-CPU variables may be 0 there. Raises OSError."""
    return not any(_address(where) for where, _ in _lines(path, _BEGINNING))


def _lines(path: Path, limit: int) -> Iterator[tuple[bytes, bytes]]:
    """Address and name of each symbol of the kernel itself and of its modules, a piece of the list at a time. Raises OSError."""
    rest = b""
    for piece in chunks_until_eof(path, limit):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            words = line.split(b" ", 2)
            if len(words) == 3:
                yield words[0], words[2]


def _address(word: bytes) -> int:
    """0 for a word that is no address, too."""
    try:
        return int(word, 16)
    except ValueError:
        return 0
