"""What is told about the selected value, row or byte: meaning, unit, source, other readings, place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kho_tui.layout.place import Blob, Place
from kho_tui.layout.platform import ByteOrder
from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Value
from kho_tui.model.facts import Missing, Status
from kho_tui.text import SafeText, plural, visible
from kho_tui.views.format import Base, format_value, plain_value
from kho_tui.views.tui.lines import STATUS_ROLE, Line, Role, indented, spans, wrap
from kho_tui.views.tui.theme import Glyphs

if TYPE_CHECKING:
    from kho_tui.analysis.memory_map import MemoryMap

_NAME_WIDTH = 24
_WORD = 8
_HALF_WORD = 4
_SHORTEST_STRING = 4
_LONGEST_STRING = 32


def unit_role(unit: Unit) -> Role:
    """The role of a value of this unit."""
    if unit in (Unit.PHYS, Unit.PFN):
        return Role.ADDRESS
    return Role.STRING if unit is Unit.TEXT else Role.NUMBER


def place_text(place: Place, size: int, glyphs: Glyphs) -> SafeText:
    """File and offset, physical address, bytes."""
    parts = [place.source if place.offset is None else f"{place.source} +{place.offset:#x}"]
    if place.phys is not None:
        parts.append(f"phys {place.phys:#x}")
    if size:
        parts.append(plural(size, "byte"))
    return SafeText(f" {glyphs.dot} ".join(parts))


def shown_value(value: Value, base: Base) -> SafeText:
    """The value as a line of detail: words of ours stand without the quotes that captured text has."""
    ours = value.status is Status.DERIVED and isinstance(value.value, bytes)
    return (plain_value if ours else format_value)(value.value, value.unit, base)


def owner_text(memory: MemoryMap, address: int) -> SafeText | None:
    """In a few words what lies at a physical address: its owner, else the outermost layer that is known; None outside of all that is."""
    hits = memory.at(address)
    if not hits:
        return None
    owner = next((hit for hit in hits if hit.kind.is_owner), hits[-1])
    return SafeText(f"{owner.kind.name}: {owner.path.text}")


def other_readings(value: Value, raw: bytes | None, owner: SafeText | None, glyphs: Glyphs) -> Line:
    """An integer with its bytes in the other order (as a tool of the other order shows it), its text, the owner of what it points at."""
    pieces = [] if raw is None or not isinstance(value.value, int) else _swapped(value.value, raw)
    if raw is not None and value.unit is not Unit.TEXT and (text := _printable(raw)):
        pieces.append(f'text "{text}"')
    line = spans((f" {glyphs.dot} ".join(pieces), Role.NUMBER))
    return line + _owned(owner, glyphs, bool(pieces))


def value_info(
    value: Value, base: Base, width: int, height: int, glyphs: Glyphs, raw: bytes | None = None, owner: SafeText | None = None
) -> list[Line]:
    """About the selected value, most important first.

    Meaning, unit with the source of the declaration, why it is doubtful, where it lies, other readings of its bytes ``raw`` (None: not
    at hand), and of a long text the whole. Never more than ``height`` lines; what comes last goes first.
    """
    inner = width - 4
    missing = value.value if isinstance(value.value, Missing) else None
    unit = value.unit.value.partition(" (")[0]
    lines = wrap(SafeText(value.meaning or value.unit.value), inner, 1 + (height > 4), Role.TEXT, glyphs.ellipsis)
    told = SafeText(f"{unit} {glyphs.dot} {value.source}" if value.source else unit if value.meaning else "")
    if value.place is not None or value.source:
        lines += wrap(told, inner, 3 if height > 5 else 2, Role.DIM, glyphs.ellipsis)
    if missing is not None:
        lines += wrap(format_value(missing, value.unit), inner, 3, STATUS_ROLE[missing.status], glyphs.ellipsis)
    elif value.status not in (Status.DECODED, Status.DERIVED):
        lines.append(spans((f"{value.status.value}: not to be taken as fact", STATUS_ROLE[value.status])))
    last: list[Line] = []
    if value.place is not None:
        last += wrap(place_text(value.place, value.size, glyphs), inner, 1, Role.ADDRESS, glyphs.ellipsis)
    elif missing is None:
        last.append(spans(("derived, no bytes of its own", Role.DIM)))
    if line := other_readings(value, raw, owner, glyphs):
        last.append(line)
    if isinstance(value.value, bytes) and len(whole := shown_value(value, base)) > inner - _NAME_WIDTH:
        lines += wrap(whole, inner, max(2, height - len(lines) - len(last)), unit_role(value.unit), glyphs.ellipsis)
    return indented((lines + last)[:height])


def word_at(blob: Blob, offset: int) -> tuple[int, bytes]:
    """The u64 around a byte of a blob (offset and bytes): aligned in memory, or in the blob where no address is known."""
    start = blob.place.phys or 0
    first = (start + offset) // _WORD * _WORD - start
    return first, blob.data[max(first, 0) : first + _WORD]


def byte_info(
    blob: Blob, offset: int, byte_order: ByteOrder, owner: SafeText | None, width: int, height: int, glyphs: Glyphs
) -> list[Line]:
    """About a byte that no field holds: where it is, the numbers and the text that could stand there. ``owner``: of the u64."""
    inner = width - 4
    first, raw = word_at(blob, offset)
    lines = [spans(("no field here (padding / unused)", Role.TEXT))]
    lines += wrap(place_text(blob.place.at(offset), 1, glyphs), inner, 1, Role.ADDRESS, glyphs.ellipsis)
    for size in (_WORD, _HALF_WORD):
        start = (offset - first) // size * size
        part = raw[start : start + size]
        if len(part) == size and len(raw) == _WORD:
            number = int.from_bytes(part, byte_order)
            line = spans((f"u{size * 8} {number:#x}, {' '.join(_swapped(number, part))}", Role.NUMBER))
            lines.append(line + (_owned(owner, glyphs, True) if size == _WORD else ()))
    if text := _printable(blob.data[offset : offset + _LONGEST_STRING].split(b"\0", 1)[0]):
        lines.append(spans((f'text "{text}"', Role.STRING)))
    return indented(lines[:height])


def _swapped(value: int, raw: bytes) -> list[str]:
    """The number read in the other byte order; nothing for a part of a number and for single bytes."""
    readings = [int.from_bytes(raw, "little"), int.from_bytes(raw, "big")]
    if len(raw) not in (2, _HALF_WORD, _WORD) or value not in readings:
        return []
    other = readings[1 - readings.index(value)]
    return [f"{value:#x} byte-swapped {other:#x}"] if value else []


def _owned(owner: SafeText | None, glyphs: Glyphs, follows: bool) -> Line:
    return () if owner is None else spans((f" {glyphs.dot} " if follows else "", Role.DIM), (f"{glyphs.follow} {owner}", Role.ADDRESS))


def _printable(raw: bytes) -> SafeText | None:
    """Bytes that are text and nothing else, NULs at the end aside."""
    text = raw.rstrip(b"\0")
    return visible(text) if len(text) >= _SHORTEST_STRING and all(0x20 <= byte < 0x7F for byte in text) else None
