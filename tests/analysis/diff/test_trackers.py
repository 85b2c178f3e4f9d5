"""One word of a tracker altered in a real dump: it is the one root of change, found by page and number, and memory follows from it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from captures import alter_memory, capture, copy_of, opened, read

from kho_tui.analysis.diff.states import diff_states
from kho_tui.model.change import Change, Diff
from kho_tui.model.tracker import ChunkList, PreservedMap

KERNELS = ("x86_64-6.18", "x86_64-6.19", "x86_64-7.1", "x86_64-7.3", "arm64-64k-7.3")
NOT_CAPTURED, NOT_ALIGNED = 0x12340000, 0x12345008


def tracker(kernel: str) -> PreservedMap:
    preserved = opened(f"{kernel}/1-pre").sides["out"].preserved
    assert isinstance(preserved, PreservedMap)
    return preserved


def pointers(kernel: str) -> Iterator[tuple[int, str, int]]:
    """Address, name and value of one pointer of each kind and level."""
    structure = tracker(kernel).structure
    if isinstance(structure, ChunkList):
        chunk = structure.chunks[0]
        at = chunk.header.place.phys
        assert at is not None
        yield at, f"chunk at {at:#x}: next", chunk.header.integer("next")
        yield at + 24, f"chunk at {at:#x}: [0].bitmap", int(chunk.elements.column("bitmap")[0])
        return
    page = 1 << tracker(kernel).runs.page_shift
    words = structure.words
    for level in structure.addresses[:-1]:
        node = int(level[0])
        row = next(row for row, at in enumerate(words.address.tolist()) if at // page * page == node)
        at = int(words.address[row])
        yield at, f"word {at % page // 8} of the node at {node:#x}", int(words.value[row])


def altered(kernel: str, tmp_path: Path, address: int, value: int) -> Diff:
    copy = tmp_path / "copy"
    copy_of(capture(f"{kernel}/1-pre"), copy)
    alter_memory(copy, address, struct.pack("<Q", value))
    return diff_states(opened(f"{kernel}/1-pre"), read(copy))


def root(diff: Diff) -> Change:
    (change,) = diff.changes
    assert not diff.memory and change.where.text == "out/preserved"
    return change


@pytest.mark.parametrize("value", [NOT_CAPTURED, NOT_ALIGNED, 0])
@pytest.mark.parametrize("kernel", KERNELS)
def test_an_altered_pointer_is_found_wherever_it_leads(kernel: str, value: int, tmp_path: Path) -> None:
    for number, (address, name, was) in enumerate(pointers(kernel)):
        change = root(altered(kernel, tmp_path / str(number), address, value))
        assert [(field.name, field.old, field.new) for field in change.fields] == [(name, was, value)]


@pytest.mark.parametrize("kernel", KERNELS)
def test_an_altered_bitmap_is_one_root_and_its_memory_follows(kernel: str, tmp_path: Path) -> None:
    structure = tracker(kernel).structure
    where = structure.chunks[0].elements.column("bitmap")[0] if isinstance(structure, ChunkList) else structure.addresses[-1][-1]
    copy = tmp_path / "copy"
    copy_of(capture(f"{kernel}/1-pre"), copy)
    page = 1 << tracker(kernel).runs.page_shift
    was = alter_memory(copy, int(where), bytes(page))
    old = struct.unpack(f"<{page // 8}Q", was)
    number = next(number for number, word in enumerate(old) if word)
    alter_memory(copy, int(where), was)
    now = old[number] & (old[number] - 1)
    alter_memory(copy, int(where) + number * 8, struct.pack("<Q", now))
    change = root(diff_states(opened(f"{kernel}/1-pre"), read(copy)))
    assert change.memory
    assert [(field.name, field.old, field.new) for field in change.fields] == [
        (f"word {number} of the bitmap at {int(where):#x}", old[number], now)
    ]


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_chunk_without_elements_is_told_with_the_memory_that_goes(kernel: str, tmp_path: Path) -> None:
    structure = tracker(kernel).structure
    if not isinstance(structure, ChunkList):
        pytest.skip("a radix tree has no counts")
    chunk = structure.chunks[0]
    at = chunk.header.place.phys
    assert at is not None
    change = root(altered(kernel, tmp_path, at + 8, chunk.header.integer("order")))
    assert [(field.name, field.new) for field in change.fields] == [(f"chunk at {at:#x}: num_elms", 0)]
    assert change.memory
