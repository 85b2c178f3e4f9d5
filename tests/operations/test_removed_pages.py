"""Each captured page of each real capture removed in turn: it hides only what it holds, and nothing exact was larger before.

Which facts a page holds is worked out here, from the whole state and the formats' own chains: that is the second count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from altered import altered
from captures import captures_with_truth
from states.catalogue import STATES

from kho_tui.analysis.memory_map import Bound, Sums
from kho_tui.context import Context
from kho_tui.model.facts import Count, Missing, Status
from kho_tui.model.path import EntityPath
from kho_tui.model.sessions import File
from kho_tui.model.state import Side, State
from kho_tui.model.tracker import ChunkList, PreservedMap, RadixTree
from kho_tui.model.vmalloc import VmallocArea
from kho_tui.operations.map_state import map_state
from kho_tui.operations.open_state import open_state
from kho_tui.subsystems.kho_test.content import KhoTest
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.memfd.content import Memfd

_MOST_PAGES = 40
"""Pages of one state that are removed in turn; of a larger one some, evenly spread."""
_LARGE, _FEW_PAGES = 400, 8

Facts = dict[str, tuple[object, frozenset[int]]]
"""Each fact by its path: its value, and the pages without which it cannot be read."""


def captures() -> list[Path]:
    """The real captures with memory."""
    return [path for path in captures_with_truth() if (path / "memory.elf").exists()]


def facts_of(side: Side, page_size: int) -> Facts:
    """What LUO and the test module of a side say, each with the pages that lead to it."""
    found: Facts = {}
    if isinstance(side.root, Missing):
        return found
    root = frozenset(_pages(side.root.phys, 1, page_size))
    for subtree in side.handed_over:
        need = root | frozenset(_pages(subtree.phys, 1, page_size))
        content = subtree.content
        if isinstance(content, Luo):
            found |= _luo(content, subtree.path, need, page_size)
        elif isinstance(content, KhoTest) and not isinstance(content.area, Missing) and not isinstance(content.folios, Missing):
            rows = _rows(content.area, content.folios.addresses.tolist(), need, page_size)
            values = content.read_blocks
            assert not isinstance(values, Missing)
            numbers = range(len(values)) if content.folios.numbers is None else content.folios.numbers.tolist()
            for number, value, pages in zip(numbers, values, rows, strict=True):
                found[f"{subtree.path}/{number}"] = (value, pages)
    return found


def _pages(address: object, size: int, page_size: int) -> Iterator[int]:
    if isinstance(address, int):
        for page in range(address // page_size, (address + size - 1) // page_size + 1):
            yield page * page_size


def _luo(luo: Luo, path: EntityPath, need: frozenset[int], page_size: int) -> Facts:
    found: Facts = {}
    if luo.header is not None:
        need |= frozenset(_pages(luo.header.place.phys, 1, page_size))
    if not isinstance(luo.flbs, Missing):
        for flb in luo.flbs.flbs:
            found[f"{path}/FLB {flb.name.decode()}"] = (flb.data, need | frozenset(_pages(luo.flbs_at, 1, page_size)))
    if isinstance(luo.sessions, Missing):
        return found
    chain = [header.place.phys for header in luo.sessions.headers]
    for session in luo.sessions.sessions:
        own = need | _up_to(chain, session.record.place.phys, page_size, len(session.record.data), luo.format.sessions.chained)
        found[session.path.text] = ((session.name, session.count, session.files_at), own)
        files = () if isinstance(session.files, Missing) else session.files
        blocks = [header.place.phys for header in session.blocks]
        for file in files:
            there = own | _up_to(blocks, file.record.place.phys, page_size, len(file.record.data), luo.format.files.chained)
            found[file.path.text] = ((file.token, file.compatible, file.data), there)
            found |= _file(file, there, page_size)
    return found


def _up_to(chain: list[int | None], address: int | None, page_size: int, size: int, in_chain: bool) -> frozenset[int]:
    """The pages of a row, and in a chain of blocks those that lead to them."""
    own = list(_pages(address, size, page_size))
    if not in_chain:
        return frozenset(own)
    at = chain.index(own[0])
    return frozenset(page for page in chain[: at + 1] if page is not None)


def _file(file: File, need: frozenset[int], page_size: int) -> Facts:
    memfd = file.content
    if not isinstance(memfd, Memfd):
        return {}
    need |= frozenset(_pages(file.data, len(memfd.record.data), page_size))
    found: Facts = {f"{file.path}/struct": (memfd.record.data, need)}
    if not isinstance(memfd.folios, Missing):
        table = memfd.folios.table
        numbers = range(len(table)) if table.numbers is None else table.numbers.tolist()
        rows = _rows(memfd.folios.area, table.addresses.tolist(), need, page_size)
        for number, row, pages in zip(numbers, table.rows.tolist(), rows, strict=True):
            found[f"{file.path}/{number}"] = (row, pages)
    return found


def _rows(area: VmallocArea, addresses: list[int], need: frozenset[int], page_size: int) -> Iterator[frozenset[int]]:
    """For each row of an array its page and the chunks of the page list up to the one that lists it."""
    listed: dict[int, frozenset[int]] = {}
    chain: list[int] = []
    for chunk in area.chunks:
        assert chunk.header.place.phys is not None
        chain.append(chunk.header.place.phys)
        for entry in chunk.entries.column("phys")[: chunk.used].tolist():
            for page in range(entry, entry + (page_size << area.order), page_size):
                listed.setdefault(page, frozenset(chain))
    for address in addresses:
        page = address // page_size * page_size
        yield need | listed[page] | {page}


def counts_of(side: Side) -> dict[str, Count]:
    """Every count of a side by its path."""
    found = {side.name: side.subtree_count}
    for subtree in side.handed_over:
        content = subtree.content
        if isinstance(content, KhoTest):
            found[f"{subtree.path}/folios"] = content.folio_count
        if not isinstance(content, Luo):
            continue
        if not isinstance(content.flbs, Missing):
            found[f"{subtree.path}/FLBs"] = content.flbs.count
        if isinstance(content.sessions, Missing):
            continue
        found[subtree.path.text] = content.sessions.count
        found[f"{subtree.path}, all files"] = content.sessions.file_count
        for session in content.sessions.sessions:
            found[session.path.text] = session.file_count
            for file in () if isinstance(session.files, Missing) else session.files:
                if isinstance(file.content, Memfd):
                    found[file.path.text] = file.content.folio_count
    return found


def sums_of(state: State) -> Sums | None:
    sums = map_state(state).memory.sums
    return None if isinstance(sums, Missing) else sums


def tracker_pages(preserved: PreservedMap, page_size: int) -> Mapping[int, bool]:
    """The pages of the tracker, each with whether it holds bits alone, so that only the blocks of these bits hang on it."""
    if isinstance(preserved.structure, RadixTree):
        *inner, leaves = preserved.structure.addresses
        return {**{page: False for level in inner for page in level.tolist()}, **dict.fromkeys(leaves.tolist(), True)}
    assert isinstance(preserved.structure, ChunkList)
    chunks = [chunk.header.place.phys for chunk in preserved.structure.chunks]
    bitmaps = [address for chunk in preserved.structure.chunks for address in chunk.elements.column("bitmap").tolist()]
    found = {address // page_size * page_size: True for address in bitmaps}
    return {**found, **{page: False for page in chunks if page is not None}}


@cache
def whole_of(path: Path) -> tuple[State, list[int], Sums | None]:
    with open_state(path, Context()) as opened:
        assert opened.memory is not None
        size = opened.state.machine.platform.page_size
        pages = [page for one in opened.memory.extents() for page in range(one.start, one.start + one.size, size)]
        return opened.state, pages, sums_of(opened.state)


def blocks_of(side: Side) -> Counter[tuple[int, int]]:
    preserved = side.preserved
    if isinstance(preserved, Missing):
        return Counter()
    addresses, orders = preserved.runs.expand(0, preserved.runs.blocks)
    return Counter(zip(addresses.tolist(), orders.tolist(), strict=True))


@pytest.mark.parametrize("path", captures(), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_page_of_a_capture_hides_only_what_it_holds(path: Path, tmp_path: Path) -> None:
    hides_only_what_it_holds(path, tmp_path)


@pytest.mark.parametrize("name", [name for name in STATES if "big-endian" not in name])
def test_a_page_of_a_long_list_hides_only_what_it_holds(name: str, tmp_path: Path) -> None:
    """States by an encoder of the tests' own, with lists of many pages and chunks."""
    (tmp_path / "state").mkdir()
    STATES[name]().to_elf(tmp_path / "state" / "memory.elf")
    hides_only_what_it_holds(tmp_path / "state", tmp_path)


def hides_only_what_it_holds(path: Path, tmp_path: Path) -> None:
    whole, pages, sums = whole_of(path)
    every = -(-len(pages) // (_MOST_PAGES if len(pages) < _LARGE else _FEW_PAGES))
    complete = every == 1
    size = whole.machine.platform.page_size
    hidden_blocks: dict[str, Counter[tuple[int, int]]] = {}
    for page in pages[::every]:
        with open_state(altered(path, tmp_path / f"{page:x}", without=(page,), page_size=size), Context()) as opened:
            state = opened.state
        # Whatever becomes of the root itself is another question.
        for name, side in whole.sides.items():
            roots = () if isinstance(side.root, Missing) else tuple(_pages(side.root.phys, 1, size))
            if page in roots or name not in state.sides:
                assert page in roots or name == "unsided", f"{page:#x}: no side {name}"
                continue
            there = state.sides[name]
            facts, left = facts_of(side, size), facts_of(there, size)
            for fact, (value, needed) in facts.items():
                assert page in needed or (fact in left and left[fact][0] == value), f"without {page:#x} {fact} is hidden"
            for fact, count in counts_of(there).items():
                before = counts_of(side).get(fact)
                assert before is None or before.of is None or count.of in (None, before.of), f"without {page:#x} {fact}: {count}"
                assert before is None or count.read <= before.read, f"without {page:#x} {fact}: {count}"
            hidden = blocks_of(side) - blocks_of(there)
            assert not blocks_of(there) - blocks_of(side)
            if there.preserved.status is Status.DECODED:
                assert not hidden, f"without {page:#x}"
            if isinstance(side.preserved, PreservedMap) and isinstance(there.preserved, PreservedMap):
                bits = tracker_pages(side.preserved, size)
                assert page in bits or not hidden
                if bits.get(page):
                    hidden_blocks.setdefault(name, Counter()).update(hidden)
        after = sums_of(state)
        if sums is not None and after is not None:
            _bounds_hold(sums, after, page)
    for name, counted in hidden_blocks.items():
        # Each block hangs on one page of bits.
        assert not complete or counted == blocks_of(whole.sides[name]), name


def _bounds_hold(sums: Sums, after: Sums, page: int) -> None:
    before = {"preserved": sums.preserved, "owned": sums.owned, "unowned": sums.unowned.bytes, "lost": sums.lost.bytes}
    told = {"preserved": after.preserved, "owned": after.owned, "unowned": after.unowned.bytes, "lost": after.lost.bytes}
    for name, value in {**before, "overlap": sums.overlap}.items():
        shown, bound = {**told, "overlap": after.overlap}[name], after.bounds[name]
        held = {Bound.EXACT: shown == value, Bound.AT_LEAST: shown <= value, Bound.AT_MOST: shown >= value, Bound.UNKNOWN: True}[bound]
        assert held, f"without {page:#x}: {name} is {bound.value}{shown}, it was {value}"
