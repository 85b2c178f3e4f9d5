"""Kdump-compressed dumps: what is written is read, what is left out is a gap with a reason, and what lies ends in a message."""

import os
import random
import re
import struct
import sys
import tomllib
from collections.abc import Sequence
from itertools import count, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory.kdump_writer import LZO, NAMES, SNAPPY, ZLIB, ZSTD, Dump, bits, flatten, note
from peak import MIB, peak_of

from kho_tui.context import Context
from kho_tui.decode.scan import chunks
from kho_tui.errors import GapError, InputError, KhoError, ReadError
from kho_tui.memory import kdump, kdump_bitmap, page_codecs
from kho_tui.memory.flattened import FlattenedSource
from kho_tui.memory.kdump import KdumpMemory, is_dump, open_dump
from kho_tui.memory.kdump_bitmap import runs_of_bits
from kho_tui.memory.kdump_format import INCOMPLETE, WITHOUT_VMEMMAP
from kho_tui.memory.page_codecs import CODECS
from kho_tui.memory.physical import Extent
from kho_tui.memory.source import BytesSource
from kho_tui.operations.open_state import open_state

PAGE = 4096
UNKNOWN = 1 << max(*CODECS, WITHOUT_VMEMMAP).bit_length()
"""A bit that no codec has."""


def content(number: int, size: int = PAGE, kind: str = "text") -> bytes:
    """A page that compresses, one that does not, or zeros."""
    if kind == "zeros":
        return bytes(size)
    if kind == "noise":
        return random.Random(number).randbytes(size)
    return (b"page %d " % number * size)[:size]


def opened(data: bytes, beside: Sequence[BytesSource] = ()) -> KdumpMemory:
    memory = open_dump(BytesSource(data, "vmcore"), lambda: beside)
    assert isinstance(memory, KdumpMemory)
    return memory


def why(memory: KdumpMemory, address: int) -> str:
    """Why an address cannot be read; empty where nothing is said."""
    absence = memory.absence(address)
    return "" if absence is None else absence.reason


def holds(memory: KdumpMemory, pages: dict[int, bytes], size: int = PAGE) -> None:
    """That the memory answers as the pages do."""
    assert memory.total_bytes == sum(map(len, pages.values()))
    for number, data in pages.items():
        assert memory.read(number * size, size) == data
    addresses = np.array([*pages, 1 << 40], np.uint64) * np.uint64(size)
    found, present = memory.read_pages(addresses[::-1], size)
    assert present.tolist() == [False] + [True] * len(pages)
    assert [row.tobytes() for row in found[1:]] == list(pages.values())[::-1]
    stored: set[int] = set()
    for extent in memory.stored():
        assert extent.start % size == 0 and memory.available(extent.start, extent.size) == extent.size
        stored |= set(range(extent.start // size, (extent.start + extent.size) // size))
    assert {number for number, data in pages.items() if any(data)} <= stored <= pages.keys()


METHODS = [0, ZLIB, LZO, SNAPPY, ZSTD]


@pytest.mark.parametrize("method", METHODS, ids=NAMES.__getitem__)
def test_every_compression(method: int) -> None:
    pages = {2: content(2), 3: content(3, kind="noise"), 4: content(4, kind="zeros"), 9: content(9), 70000: content(7)}
    memory = opened(Dump(pages=pages, end=100_000, method=method).write())
    holds(memory, pages)
    assert (memory.machine, memory.byte_order, memory.notes, memory.cut) == ("x86_64", "little", (), "")
    assert [(e.start, e.size, e.offset) for e in memory.extents()] == [
        (2 * PAGE, 3 * PAGE, 0),
        (9 * PAGE, PAGE, 3 * PAGE),
        (70000 * PAGE, PAGE, 4 * PAGE),
    ]


@pytest.mark.parametrize("version", range(1, 7))
@pytest.mark.parametrize(("width", "padded"), [(64, False), (32, False), (32, True)])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("block", [4096, 65536])
def test_every_version_word_size_and_byte_order(version: int, width: int, padded: bool, order: str, block: int) -> None:
    pages = {1: content(1, block), 2: content(2, block)}
    text = b"OSRELEASE=7.3.4-test\nPAGESIZE=4096\n"
    dump = Dump(
        pages=pages,
        end=600,
        block=block,
        version=version,
        bits=width,
        padded=padded,
        order=order,
        vmcoreinfo=text,
        note=note(b"CORE", b"abc", order) + note(b"VMCOREINFO", b"OSRELEASE=note\n", order),
        machine=b"aarch64",
        release=b"header",
    )
    memory = opened(dump.write())
    holds(memory, pages, block)
    assert (memory.machine, memory.byte_order) == ("aarch64", "little" if order == "<" else "big")
    assert memory.vmcoreinfo["OSRELEASE"] == ("7.3.4-test" if version >= 3 else "header")
    assert why(memory, 600 * block) and not why(memory, 2 * block)


def test_vmcoreinfo_out_of_the_note_and_a_release_out_of_the_header() -> None:
    notes = note(b"CORE", b"abc") + note(b"VMCOREINFO", b"A=1\n")
    memory = opened(Dump(pages={1: content(1)}, end=8, note=notes).write())
    assert dict(memory.vmcoreinfo) == {"A": "1", "OSRELEASE": "7.3.4"}
    assert dict(opened(Dump(pages={1: content(1)}, end=8, release=b"").write()).vmcoreinfo) == {}


def test_what_is_left_out_says_why() -> None:
    memory = opened(Dump(pages={1: content(1)}, exists=range(4), end=8, level=31).write())
    said = [why(memory, number * PAGE) for number in range(9)]
    assert said[0] == "left out by makedumpfile -d 31 (cache, private cache, user and free pages)"
    assert said[1] == "" and "no memory there" in said[4] and "behind the end of the machine's memory (0x8000)" in said[8]
    with pytest.raises(GapError) as error:
        memory.read(PAGE, PAGE + 1)
    assert error.value.address == 2 * PAGE
    assert why(memory, -1) == why(memory, 1 << 64) == ""
    kinds = {8: "(user pages)", 6: "(cache and private cache pages)", 1: "poisoned or offline", 0: "poisoned or offline"}
    for level, words in kinds.items():
        assert words in why(opened(Dump(pages={}, exists=[0], end=8, level=level).write()), 0)


def test_an_address_is_found_in_the_file() -> None:
    dump = Dump(pages={1: content(1), 2: content(2, kind="noise")}, end=8)
    data = dump.write()
    for place, memory in ((0, opened(data)), (4096 + 16, opened(flatten(data, [(0, len(data))])))):
        assert memory.origin(PAGE + 5) == ("vmcore", dump.places[1][1] + place)
        assert memory.origin(2 * PAGE + 5) == ("vmcore", dump.places[2][1] + 5 + place)
        with pytest.raises(GapError):
            memory.origin(3 * PAGE)


@st.composite
def dumps(draw: st.DrawFn) -> Dump:
    end = draw(st.sampled_from((20, 64, 4096 * 8, 4096 * 8 + 1)))
    kinds = st.sampled_from(("text", "zeros", "noise"))
    numbers = draw(st.dictionaries(st.integers(0, end - 1) | st.integers(0, 19), kinds, max_size=12))
    pages = {number: content(number, kind=kind) for number, kind in sorted(numbers.items())}
    return Dump(
        pages=pages,
        exists=draw(st.lists(st.integers(0, end - 1), max_size=5)),
        end=end,
        method=draw(st.sampled_from(METHODS)),
        share_zeros=draw(st.booleans()),
        version=draw(st.integers(1, 6)),
    )


@settings(max_examples=80)
@given(dumps(), st.data())
def test_what_is_encoded_reads_back(dump: Dump, data: st.DataObject) -> None:
    pages = dict(dump.pages)
    memory = opened(dump.write())
    holds(memory, pages)
    held = {number * PAGE + at for number in pages for at in (0, PAGE - 1)}
    address = data.draw(st.integers(0, dump.end * PAGE) | st.sampled_from(sorted(held) or [0]))
    size = data.draw(st.integers(0, 3 * PAGE))
    there = memory.available(address, size)
    gap = next(at for at in count(address // PAGE) if at not in pages) * PAGE
    assert there == max(min(gap - address, size), 0)
    whole = b"".join(pages.get(number, b"") for number in range(address // PAGE, gap // PAGE))
    assert memory.read(address, there) == whole[address % PAGE :][:there]
    # Pieces of any size at any address, also over the ends of pages.
    starts = data.draw(st.lists(st.integers(0, 19 * PAGE), max_size=6))
    found, present = memory.read_pages(np.array(starts, np.uint64), size)
    for row, start in enumerate(starts):
        fits = memory.available(start, size) == size
        assert bool(present[row]) == fits
        assert found[row].tobytes() == (memory.read(start, size) if fits else bytes(size))


@settings(max_examples=60)
@given(dumps(), st.randoms(use_true_random=False), st.booleans())
def test_a_flattened_dump_reads_as_the_plain_one(dump: Dump, chance: random.Random, overlaps: bool) -> None:
    data = dump.write()
    cuts = sorted({0, len(data), *(chance.randrange(len(data)) for _ in range(20))})
    records = [(start, end - start) for start, end in pairwise(cuts)]
    chance.shuffle(records)
    flat = flatten(data, records)
    if overlaps:
        # A header that is written once more at the end, as makedumpfile does: what was written first does not count.
        stale = bytearray(data)
        stale[:600] = bytes(600)
        flat = flatten(bytes(stale), records, ended=False) + flatten(data, [(0, 600)])[4096:]
    source = FlattenedSource(BytesSource(flat, "flat"))
    assert source.size == len(data) and source.read_at(0, len(data) + 9) == data and not source.cut
    holds(opened(flat), dict(dump.pages))


def test_a_flattened_dump_without_its_end_says_so_and_keeps_what_it_has() -> None:
    dump = Dump(pages={number: content(number, kind="noise") for number in range(8)}, end=8, share_zeros=False)
    data = dump.write()
    flat = flatten(data, [(0, len(data) - 3 * PAGE), (len(data) - PAGE, PAGE)], ended=False)
    memory = opened(flat)
    assert "without its end mark" in memory.cut and memory.notes[0] == memory.cut
    assert [memory.available(number * PAGE, PAGE) for number in range(8)] == [PAGE] * 5 + [0, 0, PAGE]
    assert why(memory, 6 * PAGE) and any("does not hold the bytes of 2 of its 8 pages" in note for note in memory.notes)


def test_a_core_in_a_flattened_file_is_read_as_a_core() -> None:
    from memory.test_memory_elf import core

    data = core([(0x1000, b"first", 5), (0x9000, b"second", 6)])
    memory = open_dump(BytesSource(flatten(data, [(100, len(data)), (0, 100)]), "core"))
    assert memory.read(0x9000, 6) == b"second" and memory.machine == "x86_64"


@given(st.lists(st.integers(0, 2999), max_size=60), st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 9), st.integers(1, 40))
def test_runs_of_a_bitmap(numbers: list[int], one: int, other: int, offset: int, most: int) -> None:
    first, behind = sorted((one, other))
    wanted = sorted({number for number in numbers if first <= number < behind})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kdump_bitmap, "_PIECE", 64)
        source = BytesSource(bytes(offset) + bits(numbers, 375))
        runs = runs_of_bits(source, offset, first, behind)
        few = runs_of_bits(source, offset, first, behind, most)
    found = [page for start, end in zip(runs.starts.tolist(), runs.ends.tolist(), strict=True) for page in range(start, end)]
    assert (found, runs.read_to) == (wanted, behind)
    assert few.starts.tolist() == runs.starts.tolist()[:most]
    assert few.read_to == (behind if len(runs.starts) <= most else runs.ends.tolist()[most - 1])


def split_dump(**more: bytes) -> tuple[dict[int, bytes], list[bytes]]:
    pages = {number: content(number) for number in (0, 1, 5, 6, 7, 8, 12, 20)}
    ranges = ((0, 7), (7, 12), (12, 30))
    return pages, [Dump(pages=pages, end=30, split=one).write() for one in ranges]


def test_all_parts_of_a_split_dump_are_one_memory() -> None:
    pages, files = split_dump()
    parts = [BytesSource(data, f"part{number}") for number, data in enumerate(files)]
    stranger = Dump(pages={3: content(3)}, end=30, split=(0, 7), timestamp=(1, 1)).write()
    beside = [BytesSource(stranger, "another dump"), BytesSource(b"KDUMP   ", "damaged"), *parts]
    for one in parts:
        memory = open_dump(one, lambda: beside)
        assert isinstance(memory, KdumpMemory)
        holds(memory, pages)
        assert (memory.notes, memory.cut) == ((), "")
        assert memory.name == one.name
        assert [name for name, _ in memory.part_files] == ["part0", "part1", "part2"]
        assert [(e.start // PAGE, e.size // PAGE) for e in memory.extents()] == [(0, 2), (5, 4), (12, 1), (20, 1)]
        assert memory.origin(12 * PAGE)[0] == "part2"


def test_a_part_alone_says_what_is_missing() -> None:
    pages, files = split_dump()
    memory = opened(files[1])
    holds(memory, {7: pages[7], 8: pages[8]})
    assert "a split dump of which 1 file is here: pages 0x0 to 0x7, 0xc to 0x1e are in others" in memory.cut
    assert memory.notes == (memory.cut,)
    assert why(memory, 0) == "in a file of this split dump that is not here"
    assert "left out" not in why(memory, 20 * PAGE) and "no memory" in why(memory, 3 * PAGE)
    overlapping = Dump(pages=pages, end=30, split=(5, 9)).write()
    both = opened(files[0], [BytesSource(overlapping, "odd")])
    assert any("overlaps another part" in said for said in both.notes)


def test_a_dump_that_ends_too_early_reads_up_to_its_end() -> None:
    pages = {number: content(number, kind="zeros" if number == 11 else "noise") for number in range(12)}
    dump = Dump(pages=pages, end=12)
    data = dump.write()
    for end in range(dump.places[0][0], len(data), 1500):
        memory = opened(data[:end])
        whole = {
            number: page for number, page in pages.items() if dump.places[number][0] + 24 <= end and dump.places[number][1] + PAGE <= end
        }
        holds(memory, whole)
        lost = min(pages.keys() - whole.keys())
        assert f"the bytes of {12 - len(whole)} of its 12 pages, the first of them at {lost * PAGE:#x}" in memory.cut
        assert why(memory, lost * PAGE) == "the dump, cut or damaged, does not hold the bytes of this page"
    assert "incomplete" in opened(Dump(pages=pages, end=12, status=9).write()).notes[0]


def test_descriptors_that_were_never_written_are_pages_that_are_missing() -> None:
    pages = {number: content(number) for number in range(6)}
    dump = Dump(pages=pages, end=6)
    data = bytearray(dump.write())
    data[dump.places[4][0] : dump.places[5][0] + 24] = bytes(48)
    memory = opened(bytes(data))
    holds(memory, {number: pages[number] for number in range(4)})
    assert "2 of its 6 pages" in memory.cut


@pytest.mark.parametrize("method", METHODS[1:], ids=NAMES.__getitem__)
def test_a_damaged_page_is_a_gap_and_its_neighbours_are_not(method: int) -> None:
    pages = {number: content(number) for number in range(6)}
    dump = Dump(pages=pages, end=6, method=method)
    data = bytearray(dump.write())
    for at in range(dump.places[2][1], dump.places[3][1]):
        data[at] ^= 0xA5
    struct.pack_into("<I", data, dump.places[4][0] + 12, UNKNOWN)
    memory = opened(bytes(data))
    assert memory.available(0, 6 * PAGE) == 6 * PAGE
    with pytest.raises(GapError) as error:
        memory.read(PAGE + 100, 4 * PAGE)
    assert (error.value.address, error.value.size) == (2 * PAGE, 3 * PAGE + 100)
    assert memory.available(PAGE, 3 * PAGE) == PAGE and memory.available(2 * PAGE + 1, 1) == 0
    assert "damaged" in why(memory, 2 * PAGE + 7) and why(memory, 4 * PAGE) == f"page descriptor damaged (flags {UNKNOWN:#x})"
    found, present = memory.read_pages(np.arange(0, 6 * PAGE - 2048, 2048, dtype=np.uint64), 4096)
    assert present.tolist() == [True, True, True] + [False] * 3 + [True] + [False] * 3 + [True]
    assert found[6].tobytes() == pages[3] and not found[3].any()
    with pytest.raises(ReadError, match="dumped page 2"):
        memory.source.read_at(0, 6 * PAGE)
    read = dict(chunks(opened(bytes(data)), Context(), "x"))
    assert read == {0: pages[0] + pages[1], 3 * PAGE: pages[3], 5 * PAGE: pages[5]}


def test_a_compression_that_is_not_known_is_told_and_its_pages_are_gaps() -> None:
    pages = {number: content(number) for number in range(3)}
    dump = Dump(pages=pages, end=3, status=1 | UNKNOWN)
    data = bytearray(dump.write())
    struct.pack_into("<I", data, dump.places[1][0] + 12, UNKNOWN)
    memory = opened(bytes(data))
    assert memory.notes == (f"vmcore: its header says what is not known here (status {UNKNOWN:#x}): its pages may be compressed so",)
    with pytest.raises(GapError):
        memory.read(PAGE, PAGE)
    assert why(memory, PAGE) == f"compressed in a way that is not known (flags {UNKNOWN:#x})"
    assert memory.read(2 * PAGE, PAGE) == pages[2]


@pytest.mark.parametrize("bit", [INCOMPLETE, WITHOUT_VMEMMAP])
def test_a_bit_of_the_header_is_no_compression_of_a_page(bit: int) -> None:
    dump = Dump(pages={1: content(1)}, end=3, status=1 | bit)
    data = bytearray(dump.write())
    struct.pack_into("<I", data, dump.places[1][0] + 12, bit)
    memory = opened(bytes(data))
    with pytest.raises(GapError):
        memory.read(PAGE, PAGE)
    assert why(memory, PAGE) == f"page descriptor damaged (flags {bit:#x})"


def test_vmemmap_that_is_left_out_is_told_as_such() -> None:
    memory = opened(Dump(pages={1: content(1)}, exists=range(8), end=8, level=0, status=1 | WITHOUT_VMEMMAP).write())
    assert not memory.notes
    assert why(memory, 2 * PAGE) == "left out by makedumpfile -d 0 (unused vmemmap pages)"


def test_every_package_of_a_codec_is_in_the_extra_dumps() -> None:
    project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())["project"]
    named = {re.match(r"[\w-]+", one)[0] for one in project["optional-dependencies"]["dumps"]}  # type: ignore[index]
    assert named == {codec.package for codec in CODECS.values() if codec.package}


def test_erased_data_is_told() -> None:
    memory = opened(Dump(pages={1: content(1)}, end=8, erased=b"erase key 16\nerase other 8\n").write())
    assert memory.notes == ("vmcore: makedumpfile wrote X over erased data (erase key 16 and 1 more): where is not told",)


@pytest.mark.parametrize(("method", "package"), [(LZO, "lzallright"), (SNAPPY, "cramjam"), (ZSTD, "zstandard")])
def test_a_missing_package_is_named(method: int, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {1: content(1), 2: content(2, kind="noise")}
    told, hidden = Dump(pages=pages, end=8, method=method).write(), Dump(pages=pages, end=8, method=method, status=0).write()
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, "compression", None)
    page_codecs.decompressor.cache_clear()
    try:
        with pytest.raises(InputError, match=rf"vmcore: compressed by \w+: pip install 'kho-tui\[dumps\]' \(or {package}\)"):
            opened(told)
        # Its header does not say so: pages that are not compressed are read.
        memory = opened(hidden)
        assert memory.read(2 * PAGE, PAGE) == pages[2]
        with pytest.raises(GapError):
            memory.read(PAGE, PAGE)
        assert f"or {package}" in why(memory, PAGE)
    finally:
        page_codecs.decompressor.cache_clear()


def bomb(method: int) -> bytes:
    """Compressed zeros, many more than a page."""
    from memory.kdump_writer import COMPRESS

    return COMPRESS[method](bytes(3 << 20))


@pytest.mark.parametrize("method", METHODS[1:], ids=NAMES.__getitem__)
def test_a_page_that_unpacks_to_more_is_damaged(method: int) -> None:
    unpack = page_codecs.decompressor(CODECS[method])
    with pytest.raises(ValueError, match=r"."):
        unpack(bomb(method), PAGE)
    for data in (b"", b"\xff" * 60, bytes(60), random.Random(1).randbytes(4000)):
        with pytest.raises(ValueError, match=r"."):
            unpack(data, PAGE)


def changed(data: bytes, at: int, form: str, value: int) -> bytes:
    out = bytearray(data)
    struct.pack_into(form, out, at, value)
    return bytes(out)


WHOLE = Dump(pages={number: content(number) for number in range(8)}, end=64).write()
STATUS = 424


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (WHOLE[:200], "ends inside its header"),
        (changed(WHOLE, 8, "<i", 7), "of version 7; makedumpfile's 1 to 6 are read"),
        (changed(WHOLE, STATUS + 4, "<i", 4097), r"damaged header \(block size 4097\)"),
        (changed(WHOLE, STATUS + 8, "<i", -1), "damaged header"),
        (changed(WHOLE, STATUS + 12, "<I", 0xFFFFFFFF), "ends before its bitmaps do"),
        (WHOLE[:9000], "ends before its bitmaps do"),
        (changed(WHOLE, PAGE + 96, "<Q", 1 << 62), "4611686018427387904 pages of memory"),
        (changed(WHOLE, PAGE + 96, "<Q", 0), "damaged header: 0 pages"),
        (b"makedumpfile".ljust(20, b"\0"), "not a flattened dump"),
        (flatten(WHOLE, [])[:4096], "without any record"),
        (flatten(WHOLE, []), "without any record"),
        (changed(flatten(WHOLE, [(0, 10)]), 16, ">q", 2), "flattened dump of type 2, version 1"),
        (changed(flatten(WHOLE, [(0, 10)]), 4104, ">q", -5), "damaged record at offset 0x1000"),
        (flatten(b"nothing known" * 100, [(0, 1300)]), "not a kdump-compressed dump"),
        (flatten(WHOLE, [(0, 100)]), "ends inside its header"),
    ],
)
def test_what_is_no_usable_dump_is_refused_in_one_line(data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        open_dump(BytesSource(data, "vmcore"))
    assert str(error.value).startswith("vmcore: ") and "\n" not in str(error.value)


def test_what_is_known_by_its_first_bytes() -> None:
    assert is_dump(WHOLE) and is_dump(flatten(WHOLE, [])) and not is_dump(b"KDUMP") and not is_dump(b"DISKDUMP") and not is_dump(b"")


def survives(data: bytes, beside: Sequence[BytesSource] = ()) -> None:
    """Whatever the file says, reading all of it ends, in bytes or in a message of one line."""
    try:
        memory = open_dump(BytesSource(data, "vmcore"), lambda: beside)
        for said in (*memory.notes, memory.cut):
            assert "\n" not in said
        extents = memory.extents()
        wanted = [extent.start for extent in extents[:20]] + [0, 1 << 63, (1 << 64) - 1]
        found, present = memory.read_pages(np.array(wanted, np.uint64), 64)
        for row, address in enumerate(wanted):
            if present[row]:
                assert memory.read(address, 64) == found[row].tobytes()
            elif isinstance(memory, KdumpMemory):
                why(memory, address)
                assert memory.available(address, 64) < 64
        for extent in (*extents[:4], *extents[-4:]):
            assert extent.start + extent.size <= 1 << 64
            memory.origin(extent.start)
        for at, (start, part) in enumerate(chunks(memory, Context(), "x")):
            assert memory.read(start, len(part)) == part
            if at > 20:
                break
    except KhoError as error:
        assert "\n" not in str(error)


def hostile(seed: int) -> None:
    """A dump with a few lies in it, in header, bitmaps, descriptors, records or anywhere, or cut somewhere."""
    chance = random.Random(seed)
    pages = {number: content(number, kind=chance.choice(("text", "noise", "zeros"))) for number in chance.sample(range(200), 12)}
    split = chance.choice((None, None, (0, 100)))
    text = b"OSRELEASE=1\n"
    dump = Dump(
        pages=dict(sorted(pages.items())),
        end=chance.choice((200, 40000)),
        method=chance.choice(METHODS),
        version=chance.randint(1, 6),
        bits=chance.choice((32, 64)),
        split=split,
        vmcoreinfo=text,
        note=note(b"VMCOREINFO", text),
        erased=b"erase x 1",
    )
    data = bytearray(dump.write())
    other = bytes(data)
    places = [at for place in dump.places.values() for at in (*range(place[0], place[0] + 24), place[1])]
    for _ in range(chance.randint(1, 6)):
        at = chance.choice(
            (chance.randrange(12, 480), PAGE + chance.randrange(120), chance.randrange(len(data)), *chance.choices(places, k=2))
        )
        form, value = chance.choice(
            (("<B", chance.randrange(256)), ("<I", chance.choice((0, 0xFFFFFFFF, 1 << 31, 4096))), ("<Q", (1 << 64) - 1))
        )
        if at + struct.calcsize(form) <= len(data):
            struct.pack_into(form, data, at, value)
    if chance.random() < 0.3:
        cuts = sorted({0, len(data), *(chance.randrange(len(data)) for _ in range(9))})
        records = [(start, end - start) for start, end in pairwise(cuts)]
        chance.shuffle(records)
        data = bytearray(flatten(bytes(data), records))
        for _ in range(chance.randint(0, 3)):
            data[chance.randrange(12, min(len(data), 9000))] = chance.randrange(256)
    if chance.random() < 0.3:
        del data[chance.randrange(len(data)) :]
    survives(bytes(data), [BytesSource(other, "other")])


@pytest.mark.parametrize("batch", range(6))
def test_hostile_dumps_end_in_bytes_or_a_message(batch: int) -> None:
    for seed in range(batch * 50, batch * 50 + 50):
        hostile(seed)


@pytest.mark.nightly
@pytest.mark.parametrize("batch", range(20))
def test_many_hostile_dumps(batch: int) -> None:
    for seed in range(1000 + batch * 100, 1100 + batch * 100):
        hostile(seed)


@given(
    st.binary(max_size=600),
    st.sampled_from((b"KDUMP   ", b"KDUMP   \6\0\0\0", b"makedumpfile\0\0\0\0" + struct.pack(">qq", 1, 1) + bytes(4064))),
)
def test_random_bytes_behind_the_magic(rest: bytes, magic: bytes) -> None:
    survives(magic + rest)


OPEN = """
from pathlib import Path
from kho_tui.errors import KhoError
from kho_tui.memory.source import open_file
from kho_tui.memory.kdump import open_dump
try:
    memory = open_dump(open_file(Path(sys.argv[1])))
    code = memory.cut
    for extent, _ in zip(memory.stored(), range(10)):
        pass
    memory.read_pages(memory.extents().starts[:1000], 64)
except KhoError as error:
    code = error
"""


@pytest.mark.nightly
def test_a_bitmap_of_12_tib_whose_bits_alternate_stays_small(tmp_path: Path) -> None:
    end = (12 << 40) // PAGE
    path = tmp_path / "vmcore"
    size = end // 8
    header = Dump(pages={}, end=end).write()[: 2 * PAGE]
    with path.open("wb") as file:
        file.write(header)
        file.seek(len(header) + size)
        for _ in range(size >> 20):
            file.write(b"\x55" * (1 << 20))
        # Descriptors of which none was ever written: as large as it takes, and a hole.
        file.truncate(file.tell() + 24 * (end // 2) + PAGE)
    said, peak = peak_of(OPEN, str(path))
    assert "more than 4194304 runs" in said
    assert peak < 500 * MIB


@pytest.mark.nightly
@pytest.mark.parametrize("kind", ["apart", "nested", "same"])
def test_a_flattened_dump_of_millions_of_records_stays_small(tmp_path: Path, kind: str) -> None:
    records = 2 << 20
    numbers = np.arange(records, dtype=np.int64)
    starts = {"apart": numbers * 3, "nested": numbers, "same": numbers * 0}[kind]
    rows = np.zeros(records, np.dtype([("start", ">i8"), ("size", ">i8"), ("data", "S1")]))
    rows["start"], rows["size"] = starts, 1
    path = tmp_path / "vmcore"
    path.write_bytes(flatten(b"", [], ended=False) + rows.tobytes() + struct.pack(">qq", -1, -1))
    said, peak = peak_of(OPEN, str(path))
    assert "ends inside its header" in said or "not a kdump-compressed dump" in said or "holds nothing" in said
    assert peak < 500 * MIB


def test_a_dump_is_opened_alone_and_in_a_capture(tmp_path: Path) -> None:
    pages, files = split_dump()
    for number, data in enumerate(files):
        (tmp_path / f"part{number}").write_bytes(data)
    os.mkfifo(tmp_path / "fifo")
    with open_state(tmp_path / "part1", Context()) as found:
        assert found.sources.kind == "core" and found.sources.memory is not None
        assert found.sources.memory.total_bytes == len(pages) * PAGE and found.sources.release == "7.3.4"
        assert [file.path for file in found.sources.files] == ["part1", "part0", "part2"]
    (tmp_path / "fifo").unlink()
    with open_state(tmp_path, Context()) as found:
        assert found.sources.memory is not None and found.sources.memory.total_bytes == len(pages) * PAGE
        assert {file.path: file.gave for file in found.sources.files} == dict.fromkeys(("part0", "part1", "part2"), "physical memory")
    (tmp_path / "part2").unlink()
    (tmp_path / "vmcore").write_bytes(Dump(pages=pages, end=30).write())
    with open_state(tmp_path, Context()) as found:
        assert [(file.path, file.gave) for file in found.sources.files][-1] == ("vmcore", "not used")
        assert any("pages 0xc to 0x1e are in others" in one.message for one in found.sources.notes)


def test_extents_are_those_of_the_bitmap() -> None:
    assert list(opened(Dump(pages={}, end=8).write()).extents()) == []
    memory = opened(Dump(pages={7: content(7)}, end=8).write())
    assert list(memory.extents()) == [Extent(7 * PAGE, PAGE, 0)]
    assert kdump.PARTS_LIMIT > 64
