"""Files that list one folio: a folio is restored once, so at most one of them can be retrieved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from kho_tui.layout.arrays import U64s
from kho_tui.model.change import EntityFate, Fate
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText

_SECOND = "a folio is restored once, so the second file to be retrieved is lost"
"""kho_restore_page (kernel/kexec_handover.c, 6.18 on) clears the mark of a folio that it restores: every release with LUO."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two files, and the address of the first folio that both list."""

    files: tuple[EntityPath, EntityPath]
    folio: int


def with_shared_folios(fates: Iterable[EntityFate], folios: Mapping[EntityPath, U64s], warned: str) -> Iterator[EntityFate]:
    """The fates, with one loss for each two files of which at most one arrives: the other one where the one that arrived is known.

    ``folios``: physical addresses of those of each file; ``warned``: a clause with the line by which a restore failed, empty where there
    is none.
    """
    told = {one.path: one for one in fates}
    losses: list[EntityFate] = []
    for pair in _pairs(folios):
        first, second = (told[path] for path in pair.files)
        if Fate.LOST in (first.fate, second.fate):
            continue
        why = f"both list the folio at {pair.folio:#x}: {_SECOND}{warned}"
        if (first.fate is Fate.KEPT) is not (second.fate is Fate.KEPT):
            one, other = (first, second) if first.fate is Fate.KEPT else (second, first)
            told[other.path] = replace(other, fate=Fate.LOST, reason=SafeText(f"{one.path} arrived, and {why}"))
            continue
        losses.append(_one_of(pair, why))
        for one, other in ((first, second), (second, first)):
            told[one.path] = replace(one, fate=Fate.UNTOLD, other=None, reason=SafeText(f"it or {other.path} is lost: {why}"))
    yield from told.values()
    yield from losses


def _one_of(pair: _Pair, why: str) -> EntityFate:
    """That one of two files is lost; it stands at what both are below."""
    parts = [path.parts for path in pair.files]
    depth = next(at for at, (one, other) in enumerate(zip(*parts, strict=True)) if one != other)
    above = EntityPath(parts[0][:depth])
    title = SafeText(" or ".join(path.text.removeprefix(f"{above.text}/") for path in pair.files))
    return EntityFate(fate=Fate.LOST, entity="file", path=above, other=None, title=title, reason=SafeText(why))


def _pairs(folios: Mapping[EntityPath, U64s]) -> list[_Pair]:
    """Files that share a folio, two and two, in the order of the handover."""
    if len(folios) < 2:
        return []
    paths = list(folios)
    lists = [np.unique(addresses) for addresses in folios.values()]
    address, owner = np.concatenate(lists), np.repeat(np.arange(len(lists)), [len(one) for one in lists])
    order = np.argsort(address, kind="stable")
    address, owner = address[order], owner[order]
    again = np.flatnonzero(address[1:] == address[:-1])
    pairs, first = np.unique(np.stack([owner[again], owner[again + 1]], axis=1), axis=0, return_index=True)
    return [
        _Pair((paths[one], paths[other]), int(address[again[at]])) for (one, other), at in zip(pairs.tolist(), first.tolist(), strict=True)
    ]
