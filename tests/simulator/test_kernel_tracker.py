"""The tracker as the kernel keeps it: worked examples, and that any set of blocks decodes to itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_tui.encode.handover import encode_handover
from kho_tui.memory.sparse import SparseImage
from kho_tui.model.handover import ChunkTracker, RadixTracker
from kho_tui.simulator.kho import Kho
from kho_tui.simulator.split import greedy_blocks
from kho_tui.simulator.tracker import KernelChunks
from kho_tui.subsystems.registry import builtin

from .playing import GIB, bare_kho, opened


def handed(kho: Kho) -> ChunkTracker | RadixTracker:
    if kho.release.name in ("6.17", "6.18", "6.19"):
        kho.kho_finalize()
    done = kho.handover()
    assert done is not None and done.tracker is not None
    return done.tracker


@pytest.mark.parametrize(
    ("release", "page_size", "start"), [("6.17", 4096, 0x1_2300_0000), ("6.18", 4096, 0x1_2000_0000), ("6.19", 16384, 0x1_0000_0000)]
)
def test_which_bitmap_a_page_is_in(release: str, page_size: int, start: int) -> None:
    kho = bare_kho(release, page_size)
    kho.kho_preserve_folio(0x1_2345_6000 & -page_size, 0)
    tracker = handed(kho)
    assert isinstance(tracker, ChunkTracker)
    assert start in [found for found, _ in tracker.chunks[0].elements]
    if release == "6.17":
        assert tracker.bitmap_bytes == 512


@pytest.mark.parametrize(
    ("page_size", "block", "order", "key"),
    [
        (4096, 0x1_2345_6000, 0, 0x0010_0000_0012_3456),
        (4096, 0x4000_0000, 9, 0x0000_0800_0000_0200),
        (4096, 0x8000_0000, 18, 0x0000_0004_0000_0002),
        (16384, 0x1_2345_4000, 0, 0x0004_0000_0004_8D15),
        (16384, 0x4000_0000, 9, 0x0000_0200_0000_0080),
        (65536, 0x1_2345_0000, 0, 0x0001_0000_0001_2345),
        (65536, 0x4000_0000, 9, 0x0000_0080_0000_0020),
    ],
)
def test_which_leaf_a_block_is_in(page_size: int, block: int, order: int, key: int) -> None:
    kho = bare_kho("7.3", page_size)
    before = handed(kho)
    kho.kho_preserve_folio(block, order)
    tracker = handed(kho)
    assert isinstance(tracker, RadixTracker) and isinstance(before, RadixTracker)
    leaf = key & -(page_size * 8)
    assert leaf in tracker.prefixes[-1].tolist()
    assert len(tracker.addresses) == {4096: 6, 16384: 5, 65536: 4}[page_size]


def test_every_order_ever_used_has_a_chunk_even_if_its_bitmaps_are_empty() -> None:
    kho = bare_kho("6.19")
    kho.kho_preserve_folio(GIB, 3)
    kho.kho_preserve_folio(GIB + (1 << 20), 5)
    kho.kho_unpreserve_folio(GIB, 3)
    tracker = handed(kho)
    assert isinstance(tracker, ChunkTracker)
    assert [(chunk.order, len(chunk.elements)) for chunk in tracker.chunks] == [(0, 1), (3, 1), (5, 1)]
    done = kho.handover()
    assert done is not None
    assert set(done.runs.by_order) == {0, 5}


def test_a_full_chunk_is_followed_by_another_of_its_order() -> None:
    pages = iter(range(1 << 20, 1 << 30, 4096))
    tracker = KernelChunks(4096, 512, lambda _what: next(pages), lambda _page: None)
    for index in range(256):
        tracker.preserve(index * 4096, 1, 0)
    tracker.serialize()
    chunks = tracker.handed_over()[0].chunks
    assert [len(chunk.elements) for chunk in chunks] == [255, 1]
    starts = [start for chunk in chunks for start, _ in chunk.elements]
    assert starts == sorted(starts)


def test_bits_set_after_finalize_are_handed_over_only_in_bitmaps_that_were_there() -> None:
    kho = bare_kho("6.19")
    kho.kho_preserve_folio(GIB, 0)
    kho.kho_finalize()
    kho.kho_preserve_folio(GIB + 4096, 0)
    kho.kho_preserve_folio(GIB + (1 << 20), 4)
    done = kho.handover()
    assert done is not None
    assert done.runs.covers(GIB + 4096, 0)
    assert not done.runs.covers(GIB + (1 << 20))
    kho.kho_finalize()
    again = kho.handover()
    assert again is not None and again.runs.covers(GIB + (1 << 20), 4)


def test_radix_nodes_stay_when_their_blocks_go() -> None:
    kho = bare_kho("7.3")
    kho.kho_preserve_folio(GIB, 9)
    full = handed(kho)
    kho.kho_unpreserve_folio(GIB, 9)
    empty = handed(kho)
    assert isinstance(full, RadixTracker) and isinstance(empty, RadixTracker)
    assert [level.tolist() for level in full.addresses] == [level.tolist() for level in empty.addresses]


def test_a_range_is_split_greedily() -> None:
    assert list(greedy_blocks(0x104000, 3072)) == [(0x104000, 11), (0x104800, 10)]
    assert list(greedy_blocks(3, 6)) == [(3, 0), (4, 2), (8, 0)]
    assert list(greedy_blocks(0, 5)) == [(0, 2), (4, 0)]


def test_from_7_1_on_no_block_crosses_a_node() -> None:
    assert list(greedy_blocks(0, 16, lambda pfn: int(pfn >= 6))) == [(0, 2), (4, 1), (6, 1), (8, 3)]


_BLOCKS = st.sets(st.tuples(st.integers(0, 300), st.sampled_from([0, 0, 1, 3, 9, 10])), max_size=25)


@settings(max_examples=40)
@given(_BLOCKS, st.sampled_from(["6.17", "6.18", "6.19", "7.1", "7.3"]), st.sampled_from([4096, 16384, 65536]))
def test_what_is_preserved_is_what_an_opened_core_lists(blocks: set[tuple[int, int]], release: str, page_size: int) -> None:
    kho = bare_kho(release, page_size)
    shift = page_size.bit_length() - 1
    wanted = {((order + 1 << 40) + (at << (order + shift)), order) for at, order in blocks}
    for address, order in wanted:
        kho.kho_preserve_folio(address, order)
    tracker = handed(kho)
    done = kho.handover()
    assert done is not None
    image = SparseImage(page_size)
    encode_handover(done, builtin(), image)
    listed = opened(image, kho.machine.platform).runs
    addresses, orders = listed.expand(0, listed.blocks)
    assert set(zip(addresses.tolist(), orders.tolist(), strict=True)) == wanted | {(kho.root.phys, 0)}
    pages = (
        {page for level in tracker.addresses for page in level.tolist()}
        if isinstance(tracker, RadixTracker)
        else {c.phys for c in tracker.chunks}
    )
    assert not any(kho.tracker.marked(page >> shift, 0) for page in pages)
