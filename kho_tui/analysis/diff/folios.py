"""Long lists of folios: those of a file by page index, those of the test module by their number in the list."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kho_tui.abi.memfd import FOLIO_FLAGS, FOLIO_PFN
from kho_tui.layout.arrays import I64s, U64s
from kho_tui.layout.struct import Unit
from kho_tui.layout.table import Table
from kho_tui.model.change import ChangeKind, FieldChange
from kho_tui.text import SafeText, plural

MOST_ROWS = 32
"""Rows of one list that are told one by one; the rest is counted."""

_NO_ROWS: I64s = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class RowChanges:
    """How two lists differ; ``resizes``: rows came or went."""

    kind: ChangeKind
    fields: tuple[FieldChange, ...]
    note: SafeText
    resizes: bool


def compare_folios(old: Table, new: Table, whole: tuple[bool, bool] = (True, True)) -> RowChanges | None:
    """The folios of a file in two states; None where none is seen to differ. What a list that is not ``whole`` lacks may be in the rest."""
    pairs = [(table.column("word0"), table.column("index")) for table in (old, new)]
    if all(np.array_equal(one, other) for one, other in zip(*pairs, strict=True)):
        return None
    (words, keys), (other_words, other_keys) = pairs
    here, there = _common(keys, other_keys)
    gone = _rest(len(keys), here) if whole[1] else _NO_ROWS
    came = _rest(len(other_keys), there) if whole[0] else _NO_ROWS
    differ = words[here] ^ other_words[there]
    moved, flags = FOLIO_PFN.of_column(differ) != 0, FOLIO_FLAGS.of_column(differ) != 0
    fields = _shown(keys[gone], words[gone], None)
    fields += _shown(other_keys[came], None, other_words[came])
    fields += _shown(keys[here][moved], words[here][moved], other_words[there][moved])
    fields += [
        FieldChange(f"{index}.flags", Unit.FLAGS, FOLIO_FLAGS.of(was), FOLIO_FLAGS.of(now))
        for index, was, now in zip(
            keys[here][flags][:MOST_ROWS].tolist(), words[here][flags][:MOST_ROWS].tolist(), other_words[there][flags][:MOST_ROWS].tolist(),
            strict=True,
        )
    ]  # fmt: skip
    if not (all(whole) or fields):
        return None
    return _said(len(gone), len(came), int(moved.sum()), int(flags.sum()), fields, len(keys))


def compare_blocks(old: Table, new: Table, whole: tuple[bool, bool] = (True, True)) -> RowChanges | None:
    """The test module's folios (address with the order in the low bits) in two states; None where none is seen to differ.

    What a list that is not ``whole`` lacks may be in the rest.
    """
    was, now = ({table.number(row): value for row, value in enumerate(table.column("phys_order").tolist())} for table in (old, new))
    moved = [number for number, value in was.items() if number in now and now[number] != value]
    gone = [number for number in was if number not in now] if whole[1] else []
    came = [number for number in now if number not in was] if whole[0] else []
    numbers = [*moved[:MOST_ROWS], *gone[:MOST_ROWS], *came[:MOST_ROWS]]
    fields = [FieldChange(f"{number}.phys_order", Unit.PHYS, was.get(number), now.get(number)) for number in numbers]
    return _said(len(gone), len(came), len(moved), 0, fields, len(old)) if fields else None


def _said(gone: int, came: int, moved: int, flagged: int, fields: list[FieldChange], total: int) -> RowChanges:
    counts = ((gone, "gone"), (came, "new"), (moved, "moved"), (flagged, "with other flags"))
    told = [f"{count} {word}" for count, word in counts if count]
    if not told:
        return RowChanges(ChangeKind.REORDERED, (), SafeText(f"the same {plural(total, 'folio')} in another order"), False)
    resizes = bool(gone or came)
    kind = ChangeKind.CHANGED if flagged or (resizes and moved) else ChangeKind.RESIZED if resizes else ChangeKind.MOVED
    return RowChanges(kind, tuple(fields[:MOST_ROWS]), SafeText(f"of {plural(total, 'folio')}: {', '.join(told)}"), resizes)


def _shown(keys: U64s, old: U64s | None, new: U64s | None) -> list[FieldChange]:
    rows = range(min(len(keys), MOST_ROWS))
    pfns = [[None] * len(rows) if words is None else [FOLIO_PFN.of(int(words[row])) for row in rows] for words in (old, new)]
    return [FieldChange(f"{int(keys[row])}.pfn", Unit.PFN, pfns[0][row], pfns[1][row]) for row in rows]


def _common(one: U64s, other: U64s) -> tuple[I64s, I64s]:
    """Rows of the same page index in both; where an index stands twice in a list, rows of the same number."""
    first, second = np.argsort(one, kind="stable"), np.argsort(other, kind="stable")
    if any(bool((keys[1:] == keys[:-1]).any()) for keys in (one[first], other[second])):
        both = np.arange(min(len(one), len(other)))
        both = both[one[both] == other[both]]
        return both, both
    if not len(one) or not len(other):
        return _NO_ROWS, _NO_ROWS
    at = np.minimum(np.searchsorted(one[first], other[second]), len(one) - 1)
    met = one[first][at] == other[second]
    return first[at[met]], second[met]


def _rest(length: int, taken: I64s) -> I64s:
    left = np.ones(length, np.bool_)
    left[taken] = False
    return np.flatnonzero(left)
