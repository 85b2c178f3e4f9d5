"""The folios of a memfd in two states: known by their page index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from kho_tui.abi.memfd import FOLIO_FLAGS, FOLIO_PFN
from kho_tui.analysis.diff.facet import Contents, FileDiffing
from kho_tui.analysis.diff.rows import MOST_ROWS, LongList, RowChanges, RowCounts, row_changes
from kho_tui.analysis.diff.values import compare_values
from kho_tui.layout.arrays import I64s, U64s
from kho_tui.layout.struct import Unit
from kho_tui.layout.table import Table
from kho_tui.model.change import FieldChange
from kho_tui.model.entities.values import header_values
from kho_tui.model.facts import Missing, Status
from kho_tui.model.path import EntityPath
from kho_tui.subsystems.memfd.content import FolioArray, Memfd
from kho_tui.text import plural

_NO_ROWS: I64s = np.empty(0, np.int64)
_TELLING = 8
"""Folios from which on the same pages in the same order are no chance."""


@dataclass(frozen=True, slots=True)
class _FolioList(LongList):
    folios: FolioArray | Missing

    def compare(self, other: _FolioList) -> RowChanges | None:
        """Row by row, by page index."""
        old, new = self.folios, other.folios
        if isinstance(old, Missing) or isinstance(new, Missing):
            return None
        return compare_folios(old.table, new.table, (old.status is not Status.PARTIAL, new.status is not Status.PARTIAL))

    def links(self, other: _FolioList) -> list[FieldChange]:
        """Between the pages of the array's page list."""
        old, new = self.folios, other.folios
        if isinstance(old, Missing) or isinstance(new, Missing):
            return []
        lists = ([chunk.header for chunk in folios.area.chunks] for folios in (old, new))
        return compare_values(*(header_values("chunk", headers) for headers in lists))[0]


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
    counts = RowCounts(gone=len(gone), came=len(came), moved=int(moved.sum()), flagged=int(flags.sum()))
    return row_changes(counts, fields, plural(len(keys), "folio"))


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


def _lists(memfd: Memfd) -> Mapping[EntityPath, LongList]:
    return {memfd.path.child("folios"): _FolioList(memfd.folios)}


def _holds(memfd: Memfd) -> Contents | None:
    folios = memfd.folios
    if isinstance(folios, Missing) or not len(folios.table) or folios.status is not Status.DECODED:
        return None
    digest = blake2b(digest_size=16)
    for name in ("word0", "index"):
        digest.update(folios.table.column(name).astype("<u8").tobytes())
    count = len(folios.table)
    return Contents((count, digest.digest()), plural(count, "folio"), count >= _TELLING)


DIFFING = FileDiffing(lists=_lists, holds=_holds, follows=r"nr_folios|folios\.total_pages")
