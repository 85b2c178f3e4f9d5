"""Values as text, the same in the app and in the commands: units, number bases, hex rows, addresses typed by a user."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from kho_tui.errors import InputError
from kho_tui.layout.struct import Unit
from kho_tui.model.facts import Missing
from kho_tui.text import SafeText, human_size, join_safe, plural, sizes_written, visible

Base = Literal["natural", "hex", "dec"]
"""How integers are written; natural: by their unit (addresses and bits hex, sizes and counts decimal)."""

_HEX_UNITS = frozenset({Unit.PHYS, Unit.PFN, Unit.FLAGS, Unit.ID, Unit.CHECKSUM, Unit.OPAQUE})
_TEXT_LIMIT = 1024
_BYTES_LIMIT = 32
_LARGEST_ORDER = 51  # 2^51 pages of 4 KiB fill the physical address space; more is damage and is not computed.


def plain_value(value: int | bytes | Missing, unit: Unit, base: Base = "natural") -> SafeText:
    """The value alone, as it is copied and as it stands in table columns: no unit, no quotes."""
    if isinstance(value, Missing):
        return SafeText(value.status.value)
    if isinstance(value, bytes):
        return _text(value, quote=False) if unit is Unit.TEXT else _hex_string(value)
    return _integer(value, unit, base)


def format_value(value: int | bytes | Missing, unit: Unit, base: Base = "natural") -> SafeText:
    """The value with what its unit adds: ``5242880 (5 MiB)``, ``3 (8 pages)``, ``pfn 0x12345``; or why there is none."""
    if isinstance(value, Missing):
        return SafeText(f"{value.status.value}: {value.reason}" if value.reason else value.status.value)
    if isinstance(value, bytes):
        return _text(value, quote=True) if unit is Unit.TEXT else _hex_string(value)
    digits = _integer(value, unit, base)
    match unit:
        case Unit.BYTES:
            is_short = value >= 1024 and sizes_written.get() == "short"
            return SafeText(f"{digits} ({human_size(value)})" if is_short else f"{digits} byte{'s' * (value != 1)}")
        case Unit.PAGES:
            return SafeText(f"{digits} page{'s' * (value != 1)}")
        case Unit.ORDER if value <= _LARGEST_ORDER:
            return SafeText(f"{digits} ({plural(1 << value, 'page')})")
        case Unit.PFN:
            return SafeText(f"pfn {digits}")
        case Unit.INDEX:
            return SafeText(f"page {digits}")
        case _:
            return digits


def format_pair(
    old: int | bytes | Missing | None, new: int | bytes | Missing | None, unit: Unit, base: Base = "natural", absent: str = "(none)"
) -> tuple[SafeText, SafeText]:
    """Two values of one field side by side: sizes that differ and would read the same in short are written in bytes alone."""
    if isinstance(old, int) and isinstance(new, int) and unit is Unit.BYTES and old != new and human_size(old) == human_size(new):
        first, second = (SafeText(f"{_integer(value, unit, base)} bytes") for value in (old, new))
        return first, second
    first, second = (SafeText(absent) if value is None else format_value(value, unit, base) for value in (old, new))
    return first, second


def _integer(value: int, unit: Unit, base: Base) -> SafeText:
    as_hex = unit in _HEX_UNITS if base == "natural" else base == "hex"
    return SafeText(f"{value:#x}" if as_hex else str(value))


def _text(raw: bytes, *, quote: bool) -> SafeText:
    """Strings up to their NULs; more than one (an FDT string list, bytes behind a NUL) are all shown."""
    parts = raw[:_TEXT_LIMIT].rstrip(b"\0").split(b"\0")
    # visible() escapes the backslash, so an escaped quote cannot be mistaken for one of the value.
    shown = [SafeText('"' + visible(part).replace('"', '\\"') + '"') if quote else visible(part) for part in parts]
    joined = join_safe(", ", shown)
    return SafeText(f"{joined}… ({len(raw)} bytes)") if len(raw) > _TEXT_LIMIT else joined


def _hex_string(raw: bytes) -> SafeText:
    shown = raw[:_BYTES_LIMIT].hex(" ")
    return SafeText(f"{shown} … ({len(raw)} bytes)" if len(raw) > _BYTES_LIMIT else shown)


@dataclass(frozen=True, slots=True)
class HexRow:
    """Some consecutive bytes of a dump; ``offset`` in bytes from the start of the dumped data."""

    offset: int
    data: bytes

    @property
    def hex(self) -> SafeText:
        """Two digits a byte, a wider gap in the middle of 16."""
        halves = [self.data[at : at + 8].hex(" ") for at in range(0, len(self.data), 8)]
        return SafeText("  ".join(halves))

    @property
    def text(self) -> SafeText:
        """One character a byte, a dot for all that is not printable ASCII."""
        return SafeText("".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in self.data))


def hex_rows(data: bytes, per_row: int = 16, start: int = 0, stop: int | None = None) -> Iterator[HexRow]:
    """Rows of ``per_row`` bytes over ``data[start:stop]``; the last may be shorter."""
    end = len(data) if stop is None else min(stop, len(data))
    for offset in range(start, end, per_row):
        yield HexRow(offset, data[offset : min(offset + per_row, end)])


_SHIFTS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50}
_DECIMAL = re.compile(r"(\d+)(?:([kmgtp])(?:i?b)?)?", re.IGNORECASE)
_HEX = re.compile(r"(?:0x)?([0-9a-f]+)", re.IGNORECASE)


def parse_address(text: str, page_size: int) -> int:
    """A physical address typed by a user: ``0x12345000``, ``7f80_1000`` (hex by its letters), decimal, ``4G``, ``pfn:0x12345``.

    Raises InputError with a line that says what is understood.
    """
    typed = text.strip().replace("_", "")
    scale = 1
    if typed[:4].lower() == "pfn:":
        typed, scale = typed[4:].strip(), page_size
    address = -1
    if typed.isascii() and len(typed) <= 32:
        if decimal := _DECIMAL.fullmatch(typed):
            address = (int(decimal[1]) << _SHIFTS[(decimal[2] or "").lower()]) * scale
        elif digits := _HEX.fullmatch(typed):
            address = int(digits[1], 16) * scale
    if not 0 <= address < 1 << 64:
        raise InputError(f"not an address: {visible(text[:40])} (try 0x12345000, 4G, pfn:0x12345)")
    return address
