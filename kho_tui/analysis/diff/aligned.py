"""The bytes of one entity in two states, laid side by side: field against field, and what lies between so that insertions are seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from kho_tui.text import SafeText, visible

_MOST_UNITS = 1024
"""Units of a stretch that are searched for insertions; the search takes time by their square."""


@dataclass(frozen=True, slots=True)
class Span:
    """A field within some bytes: ``start`` and ``size`` in bytes."""

    name: str
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bytes [start, end) of A beside bytes of B; one of the two may be empty. ``name``: the field, empty between fields."""

    name: SafeText
    old: tuple[int, int]
    new: tuple[int, int]
    same: bool


def align(old: bytes, new: bytes, old_fields: Iterable[Span] = (), new_fields: Iterable[Span] = (), unit: int = 4) -> tuple[Stretch, ...]:
    """Both byte strings from end to end as stretches, in order.

    Fields of one name (and number, where a name repeats) stand beside each other as far as their order agrees. Between them equal bytes are
    looked for in units of ``unit`` bytes: 4 for an FDT, the size of an entry for a list.
    """
    return tuple(_merged(_pieces(old, new, _anchors(old_fields, new_fields, (len(old), len(new))), max(unit, 1))))


def _anchors(old: Iterable[Span], new: Iterable[Span], ends: tuple[int, int]) -> list[tuple[Span, Span]]:
    """Fields that stand in both, ascending in both and without overlap."""
    after = dict(_numbered(new))
    found: list[tuple[Span, Span]] = []
    reach = [0, 0]
    for key, one in sorted(_numbered(old), key=lambda item: item[1].start):
        other = after.get(key)
        if other is None or min(one.size, other.size) <= 0 or one.start < reach[0] or other.start < reach[1]:
            continue
        if one.start + one.size > ends[0] or other.start + other.size > ends[1]:
            continue
        reach = [one.start + one.size, other.start + other.size]
        found.append((one, other))
    return found


def _numbered(fields: Iterable[Span]) -> Iterator[tuple[tuple[str, int], Span]]:
    taken: dict[str, int] = {}
    for one in fields:
        number = taken[one.name] = taken.get(one.name, 0) + 1
        yield (one.name, number), one


def _pieces(old: bytes, new: bytes, anchors: list[tuple[Span, Span]], unit: int) -> Iterator[Stretch]:
    at = (0, 0)
    for one, other in anchors:
        yield from _between(old, new, (at[0], one.start), (at[1], other.start), unit)
        mine, theirs = (one.start, one.start + one.size), (other.start, other.start + other.size)
        yield Stretch(visible(one.name), mine, theirs, old[slice(*mine)] == new[slice(*theirs)])
        at = (mine[1], theirs[1])
    yield from _between(old, new, (at[0], len(old)), (at[1], len(new)), unit)


def _between(old: bytes, new: bytes, mine: tuple[int, int], theirs: tuple[int, int], unit: int) -> Iterator[Stretch]:
    """Bytes without a field of their own: equal ones at both ends first, then what was put in or taken out between."""
    one, other = _units(old[slice(*mine)], unit), _units(new[slice(*theirs)], unit)
    short = min(len(one), len(other))
    head = next((n for n in range(short) if one[n] != other[n]), short)
    tail = next((n for n in range(short - head) if one[-1 - n] != other[-1 - n]), short - head)
    blocks = [(0, 0, head), *_matches(one[head : len(one) - tail], other[head : len(other) - tail], head)]
    blocks.append((len(one) - tail, len(other) - tail, tail))
    at, to = mine[0], theirs[0]
    for first, second, count in blocks:
        start, begin = min(mine[0] + first * unit, mine[1]), min(theirs[0] + second * unit, theirs[1])
        if at < start or to < begin:
            yield Stretch(visible(b""), (at, start), (to, begin), False)
        at, to = min(mine[0] + (first + count) * unit, mine[1]), min(theirs[0] + (second + count) * unit, theirs[1])
        if count:
            yield Stretch(visible(b""), (start, at), (begin, to), True)
    if at < mine[1] or to < theirs[1]:
        yield Stretch(visible(b""), (at, mine[1]), (to, theirs[1]), False)


def _matches(one: list[bytes], other: list[bytes], head: int) -> list[tuple[int, int, int]]:
    """Equal stretches of units (number in A, number in B, units), ascending; by position alone where there are too many."""
    if max(len(one), len(other)) > _MOST_UNITS:
        return [(head + n, head + n, 1) for n in range(min(len(one), len(other))) if one[n] == other[n]]
    found = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return [(head + match.a, head + match.b, match.size) for match in found if match.size]


def _merged(pieces: Iterable[Stretch]) -> Iterator[Stretch]:
    """Neighbours without a field that say the same, as one."""
    last: Stretch | None = None
    for one in pieces:
        if last is not None and not last.name and not one.name and last.same is one.same:
            last = Stretch(last.name, (last.old[0], one.old[1]), (last.new[0], one.new[1]), last.same)
            continue
        if last is not None:
            yield last
        last = one
    if last is not None:
        yield last


def _units(data: bytes, unit: int) -> list[bytes]:
    return [data[at : at + unit] for at in range(0, len(data), unit)]
