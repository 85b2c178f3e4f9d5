"""A pointer to where no RAM is is wrong, whatever the capture holds; where RAM is not known it cannot be told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from altered import altered
from captures import sample

from kho_tui.analysis.checks.answer import Answer
from kho_tui.analysis.checks.report import Report
from kho_tui.context import Context
from kho_tui.model.facts import Missing
from kho_tui.model.host import Host
from kho_tui.model.sessions import SessionList
from kho_tui.model.state import Root, State
from kho_tui.model.tracker import ChunkList, PreservedMap, RadixTree
from kho_tui.operations.check_state import check_state
from kho_tui.operations.open_state import open_state
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.memfd.content import Memfd

NOWHERE = 0x70_0000_0000
"""Behind the end of the machine's memory."""
HOLE = 0x8000_0000
"""PCI space."""


def report(path: Path) -> Report:
    with open_state(path, Context()) as opened:
        return check_state(opened, Context(), side="out").report


def answers(path: Path) -> dict[str, Answer]:
    return {one.code: one.answer for one in report(path).results}


def state_of(name: str) -> State:
    with open_state(sample(name), Context()) as opened:
        return opened.state


def tracker(state: State) -> PreservedMap:
    kept = state.sides["out"].preserved
    assert isinstance(kept, PreservedMap)
    return kept


def root_property(state: State, name: bytes, subtree: bytes | None = None) -> int:
    """Address of a property's data in the root FDT."""
    root = state.sides["out"].root
    assert isinstance(root, Root) and isinstance(root.phys, int) and root.view.tree.root is not None
    node = root.view.tree.root if subtree is None else root.view.tree.root.child(subtree)
    found = None if node is None else node.property(name)
    assert found is not None
    return root.phys + found.data_offset


def radix_slot(state: State) -> int:
    tree = tracker(state).structure
    assert isinstance(tree, RadixTree)
    return int(tree.addresses[-2][0]) + 8 * 500


def inner_slot(state: State) -> int:
    tree = tracker(state).structure
    assert isinstance(tree, RadixTree)
    return int(tree.addresses[0][0]) + 8 * 1


def chunk_next(state: State) -> int:
    chain = tracker(state).structure
    assert isinstance(chain, ChunkList)
    return chain.chunks[-1].header.place.phys or 0


def bitmap(state: State) -> int:
    chain = tracker(state).structure
    assert isinstance(chain, ChunkList)
    return int(chain.chunks[0].elements.addresses[0]) + 8


def luo_sessions(state: State) -> SessionList:
    luo = next(one.content for one in state.sides["out"].subtrees if isinstance(one.content, Luo))
    assert isinstance(luo.sessions, SessionList)
    return luo.sessions


def file_data(state: State) -> int:
    files = next(one.files for one in luo_sessions(state).sessions if one.files)
    assert not isinstance(files, Missing)
    return (files[0].record.place.phys or 0) + 48


def folio_list(state: State) -> int:
    files = next(one.files for one in luo_sessions(state).sessions if one.files)
    assert not isinstance(files, Missing) and isinstance(files[0].content, Memfd)
    record = files[0].content.record
    return (record.place.phys or 0) + record.layout.span("folios.first")[0]


POINTERS: dict[str, tuple[str, str, Callable[[State], int]]] = {
    "map": ("x86_64-7.3/1-pre", "KHO006", lambda state: root_property(state, b"preserved-memory-map")),
    "blob": ("x86_64-7.3/1-pre", "KHO009", lambda state: root_property(state, b"preserved-data", b"memblock")),
    "blob of kho-v1": ("x86_64-6.18/1-pre", "KHO009", lambda state: root_property(state, b"fdt", b"memblock")),
    "chunk": ("x86_64-6.18/1-pre", "KHO013", chunk_next),
    "bitmap": ("x86_64-6.18/1-pre", "KHO016", bitmap),
    "leaf": ("x86_64-7.3/1-pre", "KHO017", radix_slot),
    "node": ("x86_64-7.3/1-pre", "KHO017", inner_slot),
    "session block": ("x86_64-7.3/1-pre", "KHO041", lambda state: luo_sessions(state).headers[0].place.phys or 0),
    "memfd struct of 6.19": ("x86_64-6.19/1-pre", "KHO045", file_data),
    "memfd struct": ("x86_64-7.3/1-pre", "KHO045", file_data),
    "page list": ("x86_64-7.3/1-pre", "KHO033", folio_list),
}


@pytest.mark.parametrize("where", [NOWHERE, HOLE], ids=["behind the end", "in a hole"])
@pytest.mark.parametrize("pointer", POINTERS)
def test_a_pointer_to_where_no_ram_is_is_an_error(pointer: str, where: int, tmp_path: Path) -> None:
    name, code, place = POINTERS[pointer]
    broken = altered(sample(name), tmp_path / "broken", {place(state_of(name)): where.to_bytes(8, "little")})
    found = {one.code: one for one in report(broken).of(Answer.BROKEN)}
    assert found[code].severity == "error"
    assert any("no RAM" in case.message for case in found[code].cases)


@pytest.mark.parametrize("pointer", ["chunk", "leaf", "session block", "memfd struct"])
def test_with_part_of_the_tracker_gone_too_it_is_still_an_error(pointer: str, tmp_path: Path) -> None:
    """What is no RAM is not preserved either, so that nobody has to ask the tracker."""
    name, code, place = POINTERS[pointer]
    state = state_of(name)
    structure = tracker(state).structure
    gone = int(structure.addresses[-1][-1]) if isinstance(structure, RadixTree) else int(structure.chunks[0].elements.column("bitmap")[0])
    broken = altered(sample(name), tmp_path / "broken", {place(state): NOWHERE.to_bytes(8, "little")}, without=[gone])
    assert answers(broken)[code] is Answer.BROKEN


@pytest.mark.parametrize("pointer", ["chunk", "leaf", "page list"])
def test_where_ram_is_not_known_it_cannot_be_told(pointer: str, tmp_path: Path) -> None:
    name, code, place = POINTERS[pointer]
    broken = altered(sample(name), tmp_path / "broken", {place(state_of(name)): NOWHERE.to_bytes(8, "little")})
    (broken / "iomem").unlink()
    assert answers(broken)[code] is Answer.CANNOT_TELL


def test_memory_that_a_driver_added_is_ram(tmp_path: Path) -> None:
    path = altered(sample("x86_64-7.3/1-pre"), tmp_path / "copy")
    listed = (path / "iomem").read_text().replace("00100000-3ffdffff : System RAM", "00100000-2fffffff : System RAM", 1)
    added = "30000000-37ffffff : Soft Reserved\n  30000000-37ffffff : dax0.0\n    30000000-37ffffff : System RAM (kmem)\n"
    (path / "iomem").write_text(listed + added + "38000000-3ffdffff : System RAM (virtio_mem)\n")
    assert not report(path).broken["error"]


def test_ranges_that_lie_over_each_other_are_one() -> None:
    host: Host = state_of("x86_64-7.3/1-pre").host
    told = host.surely_no_ram(np.array([0, 0x1000, 0x9FBFF, 0x9FC00, 0x100000, 0x3FFDFFFF, 0x3FFE0000, 2**64 - 1], np.uint64))
    assert told.tolist() == [True, False, False, True, False, False, True, True]


@pytest.mark.parametrize(
    ("name", "slot", "answer"),
    [
        ("x86_64-7.3/1-pre", 3, Answer.BROKEN),  # a block at or above 2^63
        ("x86_64-7.3/1-pre", 4, Answer.BROKEN),  # a key above the marker of order 0
        ("x86_64-7.3/1-pre", 511, Answer.BROKEN),
        ("x86_64-7.3/1-pre", 1, Answer.HOLDS),  # order 1
        ("x86_64-7.1/1-pre", 4, Answer.BROKEN),
    ],
)
def test_a_slot_of_the_root_node_that_no_block_has_is_an_error_though_no_key_is_in_it(
    name: str, slot: int, answer: Answer, tmp_path: Path
) -> None:
    """The way down is there, of empty nodes, so that no key of it is ever met."""
    state = state_of(name)
    spare = 0x2000_0000
    writes = {tracker(state).address + 8 * slot: spare.to_bytes(8, "little"), spare: bytes(4096)}
    found = answers(altered(sample(name), tmp_path / "broken", writes))
    assert found["KHO018"] is answer
