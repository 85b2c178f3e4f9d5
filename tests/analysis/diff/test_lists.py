"""Long lists compared without building a row: the same answer as comparing them one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kho_tui.abi.memfd import MEMFD_LUO_FOLIO_SER
from kho_tui.analysis.diff.memory import compare_runs
from kho_tui.context import Context
from kho_tui.layout.place import Origin, Place
from kho_tui.layout.table import Table, table_of
from kho_tui.model.change import ChangeKind
from kho_tui.model.intervals import Intervals
from kho_tui.model.runs import Runs, make_runs
from kho_tui.subsystems.memfd.diff import compare_folios

PAGE = 4096
BLOCKS = st.sets(st.tuples(st.integers(0, 40), st.integers(0, 3)), max_size=30)
FOLIOS = st.dictionaries(st.integers(0, 20), st.tuples(st.integers(1, 30), st.integers(0, 3)), max_size=20)


def runs_of(blocks: set[tuple[int, int]]) -> Runs:
    """Blocks given by page number (made a multiple of their size) and order."""
    aligned = sorted({(page >> order << order, order) for page, order in blocks})
    start = np.array([page * PAGE for page, _ in aligned], np.uint64)
    return make_runs(start, np.ones(len(aligned), np.uint32), np.array([order for _, order in aligned], np.uint8), 12)


def pages(found: Intervals) -> set[int]:
    spans = zip(found.start.tolist(), found.end.tolist(), strict=True)
    return {page for start, end in spans for page in range(start // PAGE, end // PAGE)}


def as_blocks(runs: Runs) -> set[tuple[int, int]]:
    start, order = runs.expand(0, runs.blocks)
    return set(zip((start // np.uint64(PAGE)).tolist(), order.tolist(), strict=True))


def covered(blocks: set[tuple[int, int]]) -> set[int]:
    return {page for first, order in blocks for page in range(first, first + (1 << order))}


@given(BLOCKS, BLOCKS)
def test_preserved_memory_differs_exactly_where_the_blocks_do(one: set[tuple[int, int]], other: set[tuple[int, int]]) -> None:
    old, new = runs_of(one), runs_of(other)
    before, after = as_blocks(old), as_blocks(new)
    found = compare_runs(old, new, Context())
    gone, came = covered(before - after), covered(after - before)
    assert pages(found.old) == gone - covered(after)
    assert pages(found.new) == came - covered(before)
    assert pages(found.order) == (gone & covered(after)) | (came & covered(before))


def folios_of(folios: dict[int, tuple[int, int]]) -> Table:
    words = [(pfn | flags << 52, index) for index, (pfn, flags) in folios.items()]
    data = b"".join(word.to_bytes(8, "little") + index.to_bytes(8, "little") for word, index in words)
    return table_of(MEMFD_LUO_FOLIO_SER, "little", data, 0, Place(Origin.MEMORY, "memory.elf"))


@given(FOLIOS, FOLIOS)
def test_the_folios_of_a_file_are_matched_by_page_index(one: dict[int, tuple[int, int]], other: dict[int, tuple[int, int]]) -> None:
    found = compare_folios(folios_of(one), folios_of(other))
    expected: set[tuple[str, int | None, int | None]] = set()
    for index in one.keys() | other.keys():
        was, now = one.get(index), other.get(index)
        for number, name in enumerate(("pfn", "flags")):
            pair = (None if was is None else was[number], None if now is None else now[number])
            if pair[0] != pair[1] and not (name == "flags" and None in pair):
                expected.add((f"{index}.{name}", *pair))
    if found is None or found.kind is ChangeKind.REORDERED:
        assert one == other
        assert (found is None) == (list(one) == list(other))
        return
    told = {(field.name, field.old, field.new) for field in found.fields}
    assert told == expected or (len(expected) > len(told) and told < expected)
    assert found.resizes == (one.keys() != other.keys())


def test_an_index_that_stands_twice_is_compared_row_by_row() -> None:
    twice = table_of(MEMFD_LUO_FOLIO_SER, "little", (b"\1" + bytes(15)) * 2, 0, Place(Origin.MEMORY, "memory.elf"))
    other = table_of(MEMFD_LUO_FOLIO_SER, "little", b"\1" + bytes(15) + b"\2" + bytes(15), 0, Place(Origin.MEMORY, "memory.elf"))
    found = compare_folios(twice, other)
    assert found is not None and [(f.name, f.old, f.new) for f in found.fields] == [("0.pfn", 1, 2)]
