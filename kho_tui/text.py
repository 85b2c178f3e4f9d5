"""The only door from captured bytes to a screen.

Captured names come from untrusted memory: they may hold escape sequences, bidi controls, markup or broken
UTF-8. ``visible`` turns any bytes into text that a terminal prints as it stands, and does so injectively:
two different byte strings never look the same, so the backslash is escaped too.
"""

from __future__ import annotations

import unicodedata
from contextvars import ContextVar
from typing import Literal, NewType

SafeText = NewType("SafeText", str)

NO_TEXT = SafeText("")

Sizes = Literal["short", "exact"]
"""How sizes are written: four digits and a binary unit, or every byte counted."""
sizes_written: ContextVar[Sizes] = ContextVar("sizes_written", default="short")
"""Set once by who shows, before anything is put into words."""

_SIZE_SUFFIXES = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Mn", "Me", "Mc"})


def visible(raw: bytes | str) -> SafeText:
    r"""Text that shows ``raw`` and can do nothing else to a terminal.

    Printable UTF-8 stays, ``\`` becomes ``\\``, C0, DEL and bytes that are no UTF-8 become ``\xNN``, every other
    control, format, bidi, unassigned or combining character ``\u{N}``. A ``str`` (a file name) is taken as the bytes the
    system gave for it.
    """
    data = raw.encode("utf-8", "surrogateescape" if _only_escaped_surrogates(raw) else "surrogatepass") if isinstance(raw, str) else raw
    if data.isascii() and b"\\" not in data:
        text = data.decode("ascii")
        if text.isprintable():
            return SafeText(text)
    return SafeText("".join(_visible_char(char) for char in data.decode("utf-8", "surrogateescape")))


def join_safe(separator: str, parts: list[SafeText] | tuple[SafeText, ...]) -> SafeText:
    """Safe pieces joined by a separator of ours are safe."""
    return SafeText(separator.join(parts))


def c_string(raw: bytes) -> bytes:
    """The bytes of a fixed char array up to its NUL; all of them where it has none."""
    return raw.split(b"\0", 1)[0]


def name_start(prefix: bytes) -> SafeText:
    """What is known of a captured name that is cut off after ``prefix``."""
    return SafeText(f'its name begins with "{visible(prefix)}"' if prefix else "nothing of its name is captured")


def human_size(size: int) -> str:
    """A size in bytes, as ``sizes_written`` says: ``5 MiB``, ``2.861 MiB``, ``17 bytes``, or all of it in bytes."""
    if sizes_written.get() == "exact":
        return plural(size, "byte")
    step = 0
    while step < len(_SIZE_SUFFIXES) - 1 and size >= 1024 ** (step + 1):
        step += 1
    return f"{size / 1024**step:.4g} {_SIZE_SUFFIXES[step]}" if size != 1 else "1 byte"


def plural(count: int, word: str) -> str:
    """``1 block``, ``2 blocks``."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _only_escaped_surrogates(text: str) -> bool:
    return all(not 0xD800 <= ord(char) <= 0xDFFF or 0xDC80 <= ord(char) <= 0xDCFF for char in text)


def _visible_char(char: str) -> str:
    code = ord(char)
    if char == "\\":
        return "\\\\"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    if code == 0x20 or (code < 0x7F):
        return char
    if unicodedata.category(char) in _HIDDEN_CATEGORIES or unicodedata.category(char) == "Zs":
        return f"\\u{{{code:x}}}"
    return char


def where_shown(*, live: bool) -> str:
    """What is said to be, or not to be, where a state is read: ``memory at 0x1000 is not in this capture``.

    >>> f"nothing {where_shown(live=True)} lists them"
    'nothing shown by this machine lists them'
    """
    return "shown by this machine" if live else "in this capture"
