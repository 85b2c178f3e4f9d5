"""Owners of blocks, against a loop over every page of every block."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from captures import sample
from hypothesis import given
from hypothesis import strategies as st

from kho_tui.analysis.memory_map import MemoryMap, Regions
from kho_tui.analysis.owned_blocks import NOBODY, OwnedRuns, blocks_of, owned_blocks
from kho_tui.context import Context
from kho_tui.errors import ReadError
from kho_tui.model.claims import Claim
from kho_tui.model.facts import Missing, Unavailable
from kho_tui.model.kinds import KIND_BLOB, KIND_FOLIO, KIND_RAM, KIND_RESERVE_MEM, KIND_SESSIONS, Kind
from kho_tui.model.path import EntityPath
from kho_tui.model.runs import Runs, make_runs
from kho_tui.operations.map_state import map_state
from kho_tui.operations.open_state import open_state
from kho_tui.text import SafeText

NONE = Unavailable(SafeText("not looked at"))
SHIFT = 2
PAGE = 1 << SHIFT
OWNERS = (KIND_FOLIO, KIND_BLOB, KIND_RESERVE_MEM)

RUN = st.tuples(st.integers(0, 40), st.integers(1, 6), st.integers(0, 3))
"""Page, blocks, order."""
PIECES = st.lists(st.tuples(st.integers(0, 280), st.integers(1, 60)), min_size=1, max_size=5)
"""Byte, bytes: also less than a page, or more than a run."""
CLAIMS = st.lists(st.tuples(st.sampled_from((*OWNERS, KIND_RAM)), PIECES), max_size=6)


def runs_of(pieces: list[tuple[int, int, int]]) -> Runs:
    page, count, order = (np.array(column) for column in zip(*pieces, strict=True)) if pieces else (np.empty(0, np.int64),) * 3
    return make_runs((page << order).astype(np.uint64) << np.uint64(SHIFT), count, order, SHIFT)


def map_of(claims: list[tuple[Kind, list[tuple[int, int]]]]) -> MemoryMap:
    made = [
        Claim(
            kind=kind,
            path=EntityPath(("out", str(i))),
            start=np.array([a for a, _ in some], np.uint64),
            end=np.array([a + n for a, n in some], np.uint64),
        )
        for i, (kind, some) in enumerate(claims)
    ]
    return MemoryMap(
        side="out",
        page_size=PAGE,
        claims=tuple(made),
        layers={kind: regions_of(kind, made) for kind in {one.kind for one in made}},
        preserved=NONE,
        sums=NONE,
    )


def regions_of(kind: Kind, claims: list[Claim]) -> Regions:
    some = sorted(
        (start, end, owner, row)
        for owner, one in enumerate(claims)
        if one.kind is kind
        for row, (start, end) in enumerate(zip(one.start.tolist(), one.end.tolist(), strict=True))
    )
    start, end, owner, row = (np.array(column) for column in zip(*some, strict=True))
    return Regions(start.astype(np.uint64), end.astype(np.uint64), owner.astype(np.uint32), row.astype(np.int64))


def naive(memory: MemoryMap, address: int, size: int) -> tuple[int, int]:
    """Owner and how many more, by asking for every byte of the block."""
    numbers = {str(one.path): i for i, one in enumerate(memory.claims)}
    holding = {numbers[str(hit.path)] for byte in range(address, address + size) for hit in memory.at(byte) if hit.kind.is_owner}
    total = [int((one.end - one.start).sum()) for one in memory.claims]
    return (min(holding, key=lambda one: (total[one], one)), len(holding) - 1) if holding else (NOBODY, 0)


def listed(owned: OwnedRuns) -> list[tuple[int, int, int, int, int]]:
    blocks = owned.expand(0, owned.blocks)
    columns = (blocks.address, blocks.order, blocks.claim, blocks.others, blocks.number)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@given(st.lists(RUN, max_size=6), CLAIMS)
def test_each_block_has_the_owner_that_its_bytes_have(
    pieces: list[tuple[int, int, int]], claims: list[tuple[Kind, list[tuple[int, int]]]]
) -> None:
    runs, memory = runs_of(pieces), map_of(claims)
    owned = owned_blocks(memory, runs)
    address, order = runs.expand(0, runs.blocks)
    expected = [
        (a, o, *naive(memory, a, PAGE << o), number) for number, (a, o) in enumerate(zip(address.tolist(), order.tolist(), strict=True))
    ]
    assert listed(owned) == expected
    assert (owned.blocks, owned.bytes) == (runs.blocks, runs.bytes)
    assert all(owned.row_of(number) == number for number in range(owned.blocks))
    assert owned.row_of(owned.blocks) is None and owned.row_of(-1) is None


@given(st.lists(RUN, max_size=6), st.lists(st.integers(0, 300), max_size=4), st.randoms(use_true_random=False))
def test_pieces_cut_at_addresses_are_the_same_blocks(pieces: list[tuple[int, int, int]], addresses: list[int], random: object) -> None:
    owned = blocks_of(runs_of(pieces))
    cut = owned.split_at(addresses)
    assert listed(cut) == listed(owned)
    for start, count, order in zip(cut.start.tolist(), cut.count.tolist(), cut.order.tolist(), strict=True):
        begins = [start + (PAGE << order) * i for i in range(count)]
        for address in addresses:
            assert len({(b > address) - (b < address) for b in begins}) == 1


@given(st.lists(RUN, max_size=6), CLAIMS, st.data())
def test_pieces_in_another_order_keep_their_blocks(
    pieces: list[tuple[int, int, int]], claims: list[tuple[Kind, list[tuple[int, int]]]], data: st.DataObject
) -> None:
    owned = owned_blocks(map_of(claims), runs_of(pieces))
    chosen = data.draw(st.permutations(range(len(owned)))) if len(owned) else []
    chosen = list(islice(chosen, data.draw(st.integers(0, len(owned)))))
    some = owned.take(np.array(chosen, np.int64))
    blocks = listed(some)
    whole = listed(owned)
    assert sorted(blocks) == sorted(one for one in whole if some.row_of(one[4]) is not None)
    assert all(some.row_of(one[4]) == row for row, one in enumerate(blocks))
    assert [one for row in range(some.blocks) for one in listed_window(some, row, 1)] == blocks
    changes = [row for row, one in enumerate(blocks) if not row or one[2] != blocks[row - 1][2]]
    for row in range(some.blocks):
        assert some.change(row, 1) == next((c for c in changes if c > row), None)
        assert some.change(row, -1) == next((c for c in reversed(changes) if c < row), None)


def listed_window(owned: OwnedRuns, first: int, count: int) -> list[tuple[int, int, int, int, int]]:
    blocks = owned.expand(first, count)
    return [
        (int(blocks.address[i]), int(blocks.order[i]), int(blocks.claim[i]), int(blocks.others[i]), int(blocks.number[i]))
        for i in range(len(blocks.address))
    ]


def test_a_block_larger_than_its_owner_and_an_owner_over_many_blocks() -> None:
    memory = map_of([(KIND_SESSIONS, [(0, PAGE)]), (KIND_RESERVE_MEM, [(16 * PAGE, 8 * PAGE)])])
    owned = owned_blocks(memory, runs_of([(0, 1, 4), (16, 8, 0), (24, 2, 0)]))
    assert list(zip(owned.start.tolist(), owned.count.tolist(), owned.order.tolist(), owned.claim.tolist(), strict=True)) == [
        (0, 1, 4, 0),
        (16 * PAGE, 8, 0, 1),
        (24 * PAGE, 2, 0, NOBODY),
    ]


def test_a_run_that_ends_with_the_address_space() -> None:
    top = (1 << 64) - 4 * PAGE
    runs = make_runs(np.array([top], np.uint64), np.array([4]), np.array([0]), SHIFT)
    owned = owned_blocks(map_of([(KIND_BLOB, [(top + PAGE, PAGE)])]), runs)
    assert owned.claim.tolist() == [NOBODY, 0, NOBODY] and owned.count.tolist() == [1, 1, 2]
    assert listed(owned.split_at([top + PAGE])) == listed(owned)


def test_memory_that_is_listed_again_and_again_is_refused() -> None:
    runs = runs_of([(0, 2, 0)] * 100)
    with pytest.raises(ReadError, match="too often"):
        owned_blocks(map_of([]), runs)


def test_many_claims_on_the_same_blocks_cost_no_more_than_their_number() -> None:
    whole = [(0, 4096 * PAGE)]
    owned = owned_blocks(map_of([(KIND_FOLIO, whole)] * 3000), runs_of([(2 * i, 1, 0) for i in range(2000)]))
    assert set(owned.claim.tolist()) == {0} and set(owned.others.tolist()) == {2999}


def test_a_captured_state_in_which_all_memory_has_an_owner() -> None:
    with open_state(str(sample("x86_64-7.3/1-pre")), Context()) as opened:
        memory = map_state(opened.state).memory
    assert not isinstance(memory.preserved, Missing)
    owned = owned_blocks(memory, memory.preserved.runs)
    assert owned.blocks == 2056 and NOBODY not in owned.claim
    row = owned.row_of(memory.preserved.runs.block_at(0x1931000) or -1)
    assert row is not None
    assert str(memory.claims[int(owned.expand(row, 1).claim[0])].path) == "out/LUO/vm-alpha/0x1/folios"
