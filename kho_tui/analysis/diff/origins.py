"""Which copy of a thing was compared, where a state has two that hold other bytes (KHO109)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kho_tui.layout.place import Blob, agree
from kho_tui.model.facts import Missing, Status
from kho_tui.model.state import Side, State
from kho_tui.text import SafeText, visible


def origins(old: State, new: State, sides: Sequence[tuple[str, str]]) -> tuple[SafeText, ...]:
    """One clause for each copy that was not compared and holds other bytes; ``sides`` are those compared, A's name first."""
    told: dict[SafeText, None] = {}
    for one, other in sides:
        before, after = old.sides.get(one), new.sides.get(other)
        for letter, theirs, mine, against in (("A", "B", before, after), ("B", "A", after, before)):
            told |= dict.fromkeys(_of_side(letter, theirs, mine, against) if mine is not None else ())
    return tuple(told)


def _of_side(letter: str, other: str, mine: Side, against: Side | None) -> Iterator[SafeText]:
    """``letter`` names the state of ``mine``, ``other`` that of ``against``."""
    counterparts = {} if against is None else {one.name: one.blob for one in reversed(against.subtrees)}
    if not isinstance(mine.root, Missing):
        there = None if against is None or isinstance(against.root, Missing) else against.root.view.blob
        yield from _clauses(f"{letter} root FDT of {mine.name}", other, mine.root.view.blob, mine.root.copies, there)
    for one in mine.subtrees:
        if isinstance(one.blob, Blob) and one.status is not Status.STALE:
            yield from _clauses(f"{letter} {one.path}", other, one.blob, one.copies, counterparts.get(one.name))


def _clauses(what: str, other: str, shown: Blob, copies: Sequence[Blob], there: Blob | Missing | None) -> Iterator[SafeText]:
    for copy in copies:
        if agree(copy.data, shown.data):
            continue
        also = f", as {other} has them" if isinstance(there, Blob) and agree(copy.data, there.data) else ""
        compared, left = visible(shown.place.source), visible(copy.place.source)
        yield SafeText(f"{what} as {compared} has it; {left} holds other bytes{also}")
