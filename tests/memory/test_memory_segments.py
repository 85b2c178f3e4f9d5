"""Memory made of segments answers as a plain dict from address to byte does."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kho_tui.errors import GapError, InputError, ReadError
from kho_tui.memory.extents import Extents, arrange
from kho_tui.memory.physical import Extent, PhysicalMemory
from kho_tui.memory.pieces import Piece
from kho_tui.memory.raw import open_raw
from kho_tui.memory.segmented import SegmentedMemory
from kho_tui.memory.source import BytesSource, open_file
from kho_tui.memory.sparse import SparseImage

Segment = tuple[int, int, int]
FILE = bytes(range(251)) * 2
END = 1 << 64


def segmented(segments: list[Segment], data: bytes = FILE) -> tuple[SegmentedMemory, int]:
    starts, sizes, offsets = np.array(segments, dtype=np.uint64).reshape(-1, 3).T
    extents, overlaps = arrange(starts, sizes, offsets)
    return SegmentedMemory(source=BytesSource(data, "core"), segments=extents), overlaps


def model(segments: list[Segment]) -> dict[int, int]:
    """Address -> file offset; the segment listed first wins."""
    held: dict[int, int] = {}
    for start, size, offset in segments:
        for delta in range(size):
            held.setdefault(start + delta, offset + delta)
    return held


def first_gap(held: dict[int, int], address: int, size: int) -> int | None:
    return next((a for a in range(address, address + size) if a not in held), None)


@st.composite
def segment_lists(draw: st.DrawFn) -> list[Segment]:
    base = draw(st.sampled_from((0, 0x1000, (1 << 63) - 60, END - 120)))
    rows = draw(st.lists(st.tuples(st.integers(0, 119), st.integers(0, 40), st.integers(0, 200)), max_size=9))
    return [(base + at, min(size, END - base - at), offset) for at, size, offset in rows]


def near(segments: list[Segment]) -> st.SearchStrategy[int]:
    base = min((s for s, _, _ in segments), default=0)
    return st.integers(max(base - 5, 0), min(base + 170, END - 1))


@given(st.data())
def test_every_answer_equals_the_plain_model(data: st.DataObject) -> None:
    segments = data.draw(segment_lists())
    memory, _ = segmented(segments)
    held = model(segments)
    where = near(segments)
    assert memory.total_bytes == len(held)

    address, size = data.draw(where), data.draw(st.integers(0, 90))
    gap = first_gap(held, address, size)
    assert memory.available(address, size) == (size if gap is None else gap - address)
    if gap is None:
        assert memory.read(address, size) == bytes(FILE[held[a]] for a in range(address, address + size))
    else:
        with pytest.raises(GapError) as error:
            memory.read(address, size)
        assert (error.value.address, error.value.size) == (gap, address + size - gap)
    if address in held:
        assert memory.origin(address) == ("core", held[address])
    else:
        with pytest.raises(GapError):
            memory.origin(address)

    wanted = data.draw(st.lists(where, max_size=20))
    page_size = data.draw(st.integers(0, 30))
    pages, present = memory.read_pages(np.array(wanted, dtype=np.uint64), page_size)
    assert pages.shape == (len(wanted), page_size) and present.shape == (len(wanted),)
    for row, one in enumerate(wanted):
        whole = first_gap(held, one, page_size) is None
        assert bool(present[row]) == whole
        assert pages[row].tobytes() == (bytes(FILE[held[a]] for a in range(one, one + page_size)) if whole else bytes(page_size))


@given(segment_lists())
@example([(END - 20, 20, 0), (END - 40, 40, 50)])
@example([(END - 9, 9, 0), (END - 40, 40, 50), (END - 50, 45, 100), (END - 30, 30, 7)])
@example([(0, 100, 100), (10, 5, 0), (20, 100, 50), (20, 100, 0)])
def test_extents_are_sorted_apart_and_merged(segments: list[Segment]) -> None:
    memory, overlaps = segmented(segments)
    extents = list(memory.extents())
    assert {e.start + d: e.offset + d for e in extents for d in range(e.size)} == model(segments)
    for one, following in itertools.pairwise(extents):
        assert one.start + one.size <= following.start
        assert (one.start + one.size, one.offset + one.size) != (following.start, following.offset)
    used = [s for s in segments if s[1]]
    assert (overlaps > 0) == (sum(size for _, size, _ in used) > memory.total_bytes)


def test_extents_behave_as_a_sequence() -> None:
    memory, _ = segmented([(0x2000, 8, 8), (0x1000, 8, 0)])
    extents = memory.extents()
    assert len(extents) == 2
    assert extents[-1] == Extent(0x2000, 8, 8)
    assert extents[::-1] == [Extent(0x2000, 8, 8), Extent(0x1000, 8, 0)]
    with pytest.raises(ValueError, match="read-only"):
        extents.starts[0] = 1


def test_addresses_outside_64_bits_are_gaps() -> None:
    memory, _ = segmented([(END - 4, 4, 0)])
    assert memory.read(END - 4, 4) == FILE[:4]
    for address, size, missing in ((END - 4, 8, END), (END, 1, END), (-1, 1, -1)):
        with pytest.raises(GapError) as error:
            memory.read(address, size)
        assert error.value.address == missing


def test_pages_far_apart_and_together_larger_than_one_read() -> None:
    data = np.random.default_rng(7).bytes(6 << 20)
    memory, _ = segmented([(page << 13, 4096, page << 12) for page in range(len(data) >> 12)], data)
    order = np.random.default_rng(8).permutation(len(data) >> 12)
    pages, present = memory.read_pages(order.astype(np.uint64) << np.uint64(13), 4096)
    assert present.all()
    assert (pages == np.frombuffer(data, dtype=np.uint8).reshape(-1, 4096)[order]).all()
    huge, present = memory.read_pages(np.array([0], dtype=np.uint64), 5 << 20)
    assert not present.any() and not huge.any()


def test_pages_are_gathered_in_few_reads_and_without_what_lies_between() -> None:
    reads: list[int] = []

    class Counted(BytesSource):
        def read_at(self, offset: int, size: int) -> bytes:
            reads.append(size)
            return super().read_at(offset, size)

    memory = open_raw(Counted(bytes(4 << 20)))
    near = np.arange(64, dtype=np.uint64) << np.uint64(13)
    far = near[:2] + np.uint64(1 << 20), near[:1] + np.uint64(3 << 20)
    _, present = memory.read_pages(np.concatenate((*far, near)), 4096)
    assert present.all()
    assert reads == [63 * 8192 + 4096, 8192 + 4096, 4096]


def test_a_raw_image_has_no_gap_before_its_end() -> None:
    memory = open_raw(BytesSource(FILE, "memory.raw"), [Piece(0x4000_0000)])
    assert list(memory.extents()) == [Extent(0x4000_0000, len(FILE), 0)]
    assert (memory.byte_order, memory.machine) == (None, None)
    assert memory.read(0x4000_0000, len(FILE)) == FILE
    with pytest.raises(GapError, match=r"memory\.raw does not hold 1 bytes at 0x400001f6"):
        memory.read(0x4000_0000 + len(FILE) - 1, 2)
    with pytest.raises(InputError, match="is empty"):
        open_raw(BytesSource(b"", "memory.raw"))
    with pytest.raises(InputError, match="do not fit"):
        open_raw(BytesSource(FILE), [Piece(END - 1)])


def test_a_file_that_shrinks_is_a_read_error_and_no_zeros(tmp_path: Path) -> None:
    path = tmp_path / "memory.raw"
    path.write_bytes(bytes(8192))
    with open_file(path) as source:
        memory = open_raw(source)
        path.write_bytes(b"")
        with pytest.raises(ReadError, match="got shorter"):
            memory.read(0, 1)
        with pytest.raises(ReadError, match="got shorter"):
            memory.read_pages(np.array([0, 4096], dtype=np.uint64), 4096)


def test_both_kinds_are_physical_memory() -> None:
    kinds: list[PhysicalMemory] = [segmented([])[0], SparseImage(4096)]
    for memory in kinds:
        assert memory.total_bytes == 0 and len(memory.extents()) == 0
        assert not memory.read_pages(np.array([0], dtype=np.uint64), 8)[1].any()
        assert isinstance(memory.extents(), Extents)


@given(st.data())
def test_a_sparse_image_equals_the_plain_model(data: st.DataObject) -> None:
    base = data.draw(st.sampled_from((0, 0x8000_0000, END - 160)))
    image = SparseImage(16, name="image")
    held: dict[int, int] = {}
    for at, text in data.draw(st.lists(st.tuples(st.integers(0, 159), st.binary(max_size=40)), max_size=6)):
        text = text[: 160 - at]
        image.write(base + at, text)
        if text:
            first, last = (base + at) // 16 * 16, (base + at + len(text) - 1) // 16 * 16 + 16
            for address in range(first, last):
                held.setdefault(address, 0)
            held.update((base + at + n, value) for n, value in enumerate(text))
    assert {address + n: value for address, page in image.pages() for n, value in enumerate(page)} == held
    assert {e.start + n for e in image.extents() for n in range(e.size)} == set(held)
    assert image.total_bytes == len(held)

    address, size = base + data.draw(st.integers(0, 159)), data.draw(st.integers(0, 60))
    gap = first_gap(held, address, size)
    rows, present = image.read_pages(np.array([address], dtype=np.uint64), size)
    assert bool(present[0]) == (gap is None)
    if gap is None:
        assert image.read(address, size) == rows[0].tobytes() == bytes(held[a] for a in range(address, address + size))
    else:
        with pytest.raises(GapError) as error:
            image.read(address, size)
        assert error.value.address == gap and not rows.any()
    if address in held:
        assert image.origin(address) == ("image", address)


class _Ranges(BytesSource):
    """A file that stores only some of its bytes."""

    def __init__(self, size: int, ranges: list[tuple[int, int]]) -> None:
        super().__init__(bytes(size), "sparse")
        self.ranges = ranges

    def data_ranges(self, offset: int, size: int) -> Iterator[tuple[int, int]]:
        for at, length in self.ranges:
            low, high = max(at, offset), min(at + length, offset + size)
            if low < high:
                yield low, high - low


@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(1, 9000)), max_size=12), st.integers(0, 3))
def test_what_is_stored_is_whole_pages_and_leaves_nothing_out(ranges: list[tuple[int, int]], shift: int) -> None:
    disjoint: list[tuple[int, int]] = []
    for at, length in sorted(ranges):
        if not disjoint or at >= sum(disjoint[-1]):
            disjoint.append((at, length))
    base, size = shift * 512, (1 << 20) + 9000
    memory = open_raw(_Ranges(size, disjoint), [Piece(base)])
    stored = list(memory.stored())
    assert all(one.start + one.size < other.start for one, other in itertools.pairwise(stored))
    for one in stored:
        assert (one.start % 4096 == 0 or one.start == base) and one.offset == one.start - base
        assert (one.start + one.size) % 4096 == 0 or one.start + one.size == base + size
    for at, length in disjoint:
        end = min(at + length, size)
        assert any(one.offset <= at and end <= one.offset + one.size for one in stored)
