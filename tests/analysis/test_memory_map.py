"""Queries of the map against lists that are searched from end to end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from captures import sample
from hypothesis import given
from hypothesis import strategies as st

from kho_tui.analysis.memory_map import MemoryMap, Sums, layers_of
from kho_tui.context import Context
from kho_tui.model.claims import Claim
from kho_tui.model.facts import Missing, Status, Unavailable
from kho_tui.model.intervals import intervals
from kho_tui.model.kinds import KIND_FOLIO, KIND_PRESERVED, KIND_TRACKER, KINDS, Kind
from kho_tui.model.path import EntityPath
from kho_tui.model.runs import make_runs
from kho_tui.model.tracker import ChunkList, PreservedMap
from kho_tui.operations.map_state import map_state, stretches
from kho_tui.operations.open_state import open_state
from kho_tui.text import NO_TEXT, SafeText

NONE = Unavailable(SafeText("not looked at"))
Pieces = list[tuple[int, int]]
PIECES = st.lists(st.tuples(st.integers(0, 80), st.integers(1, 30)).map(lambda p: (p[0], p[0] + p[1])), max_size=10)
WINDOW = st.tuples(st.integers(0, 120), st.integers(1, 60)).map(lambda p: (p[0], p[0] + p[1]))


def claim(pieces: Pieces, kind: Kind = KIND_FOLIO, name: str = "a", *, rows: bool = True) -> Claim:
    start, end = np.array([a for a, _ in pieces], np.uint64), np.array([b for _, b in pieces], np.uint64)
    return Claim(kind=kind, path=EntityPath(("out", name)), start=start, end=end, rows=rows)


def made(claims: Sequence[Claim], preserved: PreservedMap | Missing = NONE, page_size: int = 4096) -> MemoryMap:
    layers = layers_of(claims, Context())
    none = intervals([], [])
    kept = NONE if isinstance(preserved, Missing) else intervals(preserved.runs.start, preserved.runs.ends)
    sums = (
        kept
        if isinstance(kept, Missing)
        else Sums(
            preserved=kept.bytes,
            kept=kept,
            owned=0,
            unowned=kept,
            lost=none,
            overlap=0,
            reason=NO_TEXT,
            shared=none,
            tracker_whole=True,
            owners_whole=True,
        )
    )
    return MemoryMap(side="out", page_size=page_size, claims=tuple(claims), layers=layers, preserved=preserved, sums=sums)


@given(PIECES, st.integers(0, 130))
def test_at_names_every_row_that_holds_the_address(pieces: Pieces, address: int) -> None:
    hits = made([claim(pieces)]).at(address)
    assert sorted(int(hit.path.parts[-1]) for hit in hits) == [row for row, (a, b) in enumerate(pieces) if a <= address < b]
    assert all((hit.start, hit.end) == pieces[int(hit.path.parts[-1])] for hit in hits)
    assert [hit.start for hit in hits] == sorted((hit.start for hit in hits), reverse=True)


@given(PIECES, WINDOW)
def test_within_is_every_region_that_reaches_into_the_window(pieces: Pieces, window: tuple[int, int]) -> None:
    regions = made([claim(pieces)]).layers[KIND_FOLIO]
    rows = regions.within(*window).tolist()
    assert rows == sorted(rows)
    assert sorted(int(regions.row[r]) for r in rows) == [i for i, (a, b) in enumerate(pieces) if a < window[1] and window[0] < b]


@given(PIECES, WINDOW, st.integers(1, 40))
def test_density_is_the_share_of_each_bin(pieces: Pieces, window: tuple[int, int], bins: int) -> None:
    low, high = window
    held = {n for a, b in pieces for n in range(a, b)}
    edges = [low + (high - low) * i // bins for i in range(bins + 1)]
    wanted = [len(held & set(range(a, b))) / max(b - a, 1) for a, b in pairwise(edges)]
    assert made([claim(pieces)]).density(KIND_FOLIO, low, high, bins).tolist() == pytest.approx(wanted)


@given(PIECES, st.integers(0, 130))
def test_following_steps_over_joined_stretches(pieces: Pieces, address: int) -> None:
    held = {n for a, b in pieces for n in range(a, b)}
    starts = sorted(n for n in held if n - 1 not in held)
    memory = made([claim(pieces)])
    assert memory.following(KIND_FOLIO, address, 1) == next((s for s in starts if s > address), None)
    assert memory.following(KIND_FOLIO, address, -1) == next((s for s in reversed(starts) if s < address), None)


@given(PIECES, PIECES, WINDOW)
def test_stretches_cover_what_their_owners_claim(one: Pieces, other: Pieces, window: tuple[int, int]) -> None:
    memory = made([claim(one), claim(other, name="b")])
    found = stretches(memory, *window, (KIND_FOLIO,))
    rows = found.rows(0, len(found))
    assert [row.start for row in rows] == sorted(row.start for row in rows)
    for name, pieces in (("a", one), ("b", other)):
        reaching = [(a, b) for a, b in pieces if a < window[1] and window[0] < b]
        mine = [(row.start, row.end) for row in rows if row.path.parts[-1] == name]
        assert {n for a, b in mine for n in range(a, b)} == {n for a, b in reaching for n in range(a, b)}
        assert sum(b - a for a, b in mine) == sum(b - a for a, b in reaching), "what overlaps is shown as often as it is claimed"


def test_neighbours_of_one_owner_are_one_stretch_across_claims() -> None:
    levels = [claim([(at, at + 1)], KIND_TRACKER, "nodes", rows=False) for at in (1, 2, 4)]
    assert [(hit.start, hit.end) for hit in stretches(made(levels), 0, 9, KINDS).rows(0, 9)] == [(1, 3), (4, 5)]


def test_blocks_are_found_from_their_first_to_their_last_byte() -> None:
    runs = make_runs(np.array([0x10000, 0x40000], np.uint64), np.array([2, 1]), np.array([1, 3]), 12)
    kept = PreservedMap(address=0, structure=ChunkList((), 4096), runs=runs, status=Status.DECODED, reason=NO_TEXT)
    memory = made([], kept)
    edges = {0xFFFF: None, 0x10000: 0x10000, 0x11FFF: 0x10000, 0x12000: 0x12000, 0x13FFF: 0x12000, 0x14000: None}
    edges |= {0x3FFFF: None, 0x40000: 0x40000, 0x47FFF: 0x40000, 0x48000: None, 0: None, 2**64 - 1: None}
    assert {address: next((hit.start for hit in memory.at(address)), None) for address in edges} == edges
    assert [str(hit.path) for hit in memory.at(0x12345)] == ["out/preserved/1"]


def test_a_hostile_number_of_layers_at_one_address_is_bounded() -> None:
    everywhere = claim([(0, 100)] * 1000)
    assert len(made([everywhere]).at(50)) == 64


def test_nothing_known_answers_nothing() -> None:
    memory = made([])
    assert memory.extent == (0, 0) and memory.at(0) == []
    assert memory.density(KIND_FOLIO, 0, 100, 4).tolist() == [0, 0, 0, 0]
    assert memory.following(KIND_FOLIO, 0, 1) is None
    assert len(stretches(memory, 0, 2**64 - 1, ())) == 0


def test_a_capture_without_its_tracker_says_why_there_is_no_sum() -> None:
    with open_state(sample("x86_64-7.3/1-post"), Context()) as opened:
        memory = map_state(opened.state).memory
    assert memory.side == "out" and isinstance(memory.sums, Missing) and memory.sums.reason
    assert KIND_PRESERVED not in memory.unions


def test_every_kind_has_a_name_of_its_own() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
