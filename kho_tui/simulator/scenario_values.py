"""Values of a scenario file: each converter takes what TOML gave and raises ValueError with a reason for the user."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from typing import Any

from kho_tui.layout.platform import PAGE_SIZES
from kho_tui.releases.cmdline import memparse
from kho_tui.releases.table import Release, Releases

Convert = Callable[[Any], Any]


def a_table(value: Any) -> Mapping[str, Any]:
    """A table."""
    if not isinstance(value, dict):
        raise ValueError("not a table")
    return value


def some_tables(value: Any) -> list[Mapping[str, Any]]:
    """A list of tables."""
    if not isinstance(value, list):
        raise ValueError("not a list of tables: write it with two brackets")
    return [a_table(one) for one in value]


def a_string(value: Any) -> str:
    """A string."""
    if not isinstance(value, str):
        raise ValueError("not a string")
    return value


def a_byte_string(value: Any) -> bytes:
    """A string as UTF-8."""
    return a_string(value).encode()


def hex_bytes(value: Any) -> bytes:
    """Bytes in hexadecimal."""
    return bytes.fromhex(a_string(value))


def a_boolean(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")
    return value


def a_size(value: Any) -> int:
    """A number, also as text with a suffix K to E or in hexadecimal."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError('no number: write 4096, "4K" or "0x1000"')
    number, rest = memparse(value) if isinstance(value, str) else (value, "")
    if rest or value == "" or not 0 <= number < 1 << 64:
        raise ValueError('no number: write 4096, "4K" or "0x1000"')
    return number


def within(low: int, high: int) -> Convert:
    """A number in these bounds."""

    def convert(value: Any) -> int:
        number = a_size(value)
        if not low <= number <= high:
            raise ValueError(f"{number} is not from {low} to {high}")
        return number

    return convert


def some_pairs(value: Any) -> tuple[tuple[int, int], ...]:
    """A list of (start, size)."""
    if not isinstance(value, list) or not all(isinstance(one, list) and len(one) == 2 for one in value):
        raise ValueError('not a list of pairs: write [["1G", "512M"]]: start and size')
    return tuple((a_size(start), a_size(length)) for start, length in value)


def one_of(*words: str) -> Convert:
    """One of these words."""

    def convert(value: Any) -> str:
        if value not in words:
            raise ValueError(f"it is one of {', '.join(words)}")
        return str(value)

    return convert


def a_release(known: Releases) -> Convert:
    """The name of a release that is known."""

    def convert(value: Any) -> Release:
        found = next((release for release in known if release.name == value), None)
        if found is None:
            raise ValueError(f"it is one of {', '.join(release.name for release in known)}")
        return found

    return convert


def a_uname(known: Releases) -> Convert:
    """What ``uname -r`` of a known release says."""

    def convert(value: Any) -> str:
        if known.of(a_string(value)) is None:
            raise ValueError("begins with no known release")
        return str(value)

    return convert


def an_errno(value: Any) -> int:
    """The name of an errno."""
    code = getattr(errno, a_string(value), None)
    if not isinstance(code, int):
        raise ValueError("not the name of an errno")
    return code


an_order = within(0, 51)
a_count = within(1, 1_000_000)


def a_page_size(value: Any) -> int:
    """4K, 16K or 64K."""
    if (number := a_size(value)) not in PAGE_SIZES:
        raise ValueError("it is one of 4K, 16K, 64K")
    return number
