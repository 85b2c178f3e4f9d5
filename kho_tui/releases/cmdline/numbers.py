"""Numbers and truth values on a command line (lib/kstrtox.c, lib/cmdline.c). Any length of digits takes linear time."""

from __future__ import annotations

import re

U64 = (1 << 64) - 1
_SUFFIXES = {"K": 10, "M": 20, "G": 30, "T": 40, "P": 50, "E": 60}
_PIECE = 18
_DETECTED = re.compile(r"0[xX](?P<hexadecimal>[0-9a-fA-F]+)|(?P<octal>0[0-7]*)|(?P<decimal>[0-9]+)")
_DECIMAL = re.compile(r"(?P<decimal>[0-9]+)")
_BASES = {"hexadecimal": 16, "octal": 8, "decimal": 10}


def kstrtobool(value: str | None) -> bool | None:
    """A switch: only the first letter counts, and the second of ``on`` and ``off``; None where the kernel refuses it.

    ``e`` and ``d`` (enable, disable): 6.18, 6.19, 7.1 and 7.3 were booted with them.
    """
    match (value or "")[:2].lower():
        case "on":
            return True
        case "of":
            return False
        case letters if letters[:1] in ("e", "y", "t", "1"):
            return True
        case letters if letters[:1] in ("d", "n", "f", "0"):
            return False
    return None


def kstrtouint(text: str) -> int | None:
    """An unsigned decimal of 32 bits, with a ``+`` or a newline at will; None where the kernel refuses it."""
    return _whole(text.removeprefix("+"), _DECIMAL, (1 << 32) - 1)


def kstrtoint(text: str | None) -> int | None:
    """A signed number of 32 bits, hexadecimal behind 0x, octal behind 0; None where the kernel refuses it."""
    if text is None:
        return None
    if text.startswith("-"):
        number = _whole(text[1:], _DETECTED, 1 << 31)
        return None if number is None else -number
    return _whole(text.removeprefix("+"), _DETECTED, (1 << 31) - 1)


def memparse(text: str, *, saturates: bool = True) -> tuple[int, str]:
    """A size with a suffix K to E, and what follows it: ``("4M,x")`` is ``(4194304, ",x")``. No digit: (0, text).

    ``saturates`` is how 7.3 does it: a number that is too large becomes 2^64 - 1. Up to 7.1 it wraps around, and a suffix
    without digits is read as 0 (both were booted; 7.2 was not).
    """
    number = _DETECTED.match(text)
    value, overflows, rest = (0, False, text) if number is None else (*_number(number), text[number.end() :])
    shift = _SUFFIXES.get(rest[:1].upper(), 0)
    if shift and (number is not None or not saturates):
        value, rest = value << shift, rest[1:]
    if saturates and (overflows or value > U64):
        return U64, rest
    return value & U64, rest


def _whole(text: str, form: re.Pattern[str], largest: int) -> int | None:
    number = form.fullmatch(text.removesuffix("\n"))
    if number is None:
        return None
    value, overflows = _number(number)
    return value if not overflows and value <= largest else None


def _number(match: re.Match[str]) -> tuple[int, bool]:
    """The number modulo 2^64, and whether it has more bits. int() alone takes quadratic time, and refuses 4300 digits."""
    form = match.lastgroup
    assert form is not None  # every form is a named group
    base, digits = _BASES[form], match[form].lstrip("0")
    value, overflows = 0, False
    for at in range(0, len(digits), _PIECE):
        piece = digits[at : at + _PIECE]
        value = value * base ** len(piece) + int(piece, base)
        overflows, value = overflows or value > U64, value & U64
    return value, overflows
