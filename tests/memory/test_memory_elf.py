"""ELF cores: what a header promises, what the file really holds, and headers that lie."""

import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_tui.errors import EncodeError, GapError, InputError, KhoError
from kho_tui.memory.elf import describe_unsupported, is_elf, open_elf
from kho_tui.memory.elf_writer import write_elf_core
from kho_tui.memory.physical import Extent
from kho_tui.memory.segmented import SegmentedMemory
from kho_tui.memory.source import BytesSource, open_file
from kho_tui.memory.sparse import SparseImage

CAPTURES = Path(__file__).resolve().parents[2].parent / "shared" / "captures"
CORES = sorted(CAPTURES.rglob("memory.elf"))
NO_ADDRESS = (1 << 64) - 1


def core(
    loads: list[tuple[int, bytes, int]],
    *,
    order: Literal["<", ">"] = "<",
    bits: int = 64,
    kind: int = 4,
    machine: int = 62,
    note: bytes = b"",
    extended: bool = False,
    virtual: Sequence[int] = (),
    offsets: Sequence[int] = (),
) -> bytes:
    """A core of (p_paddr, bytes, p_memsz), with their p_vaddr, and p_offset where they share bytes of the file.

    Written from elf.h without the program's own declarations.
    """
    long = "Q" if bits == 64 else "I"
    header_size, entry_size, section_size = (64, 56, 64) if bits == 64 else (52, 32, 40)
    segments = [(1, *load) for load in loads] + ([(4, 0, note, len(note))] if note else [])
    sections_at = header_size + entry_size * len(segments)
    offset = sections_at + (section_size if extended else 0)
    ident = b"\x7fELF" + bytes((bits // 32, 1 if order == "<" else 2, 1)) + bytes(9)
    shoff, shentsize, shnum = (sections_at, section_size, 1) if extended else (0, 0, 0)
    phnum = 0xFFFF if extended else len(segments)
    out = [
        ident,
        struct.pack(
            f"{order}HHI{long * 3}I6H", kind, machine, 1, 0, header_size, shoff, 0, header_size, entry_size, phnum, shentsize, shnum, 0
        ),
    ]
    for row, (p_type, address, data, memory_size) in enumerate(segments):
        seen = virtual[row] if row < len(virtual) else 0
        at = offsets[row] if row < len(offsets) else offset
        if bits == 64:
            out.append(struct.pack(f"{order}IIQQQQQQ", p_type, 7, at, seen, address, len(data), memory_size, 0))
        else:
            out.append(struct.pack(f"{order}8I", p_type, at, seen, address, len(data), memory_size, 7, 0))
        offset += len(data)
    if extended:
        out.append(struct.pack(f"{order}II{long * 4}II{long * 2}", 0, 0, 0, 0, 0, 1, 0, len(segments), 0, 0))
    return b"".join(out + [data for _, _, data, _ in segments])


def opened(data: bytes) -> SegmentedMemory:
    return open_elf(BytesSource(data, "memory.elf"))


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize(("order", "byte_order"), [("<", "little"), (">", "big")])
def test_both_classes_and_byte_orders(bits: int, order: Literal["<", ">"], byte_order: str) -> None:
    memory = opened(core([(0x2000, b"second", 6), (0x1000, b"first", 5)], bits=bits, order=order, machine=183))
    assert (memory.byte_order, memory.machine, memory.notes) == (byte_order, "aarch64", ())
    assert memory.read(0x1000, 5) == b"first"
    assert memory.read(0x2001, 5) == b"econd"
    assert memory.total_bytes == 11


def test_machines_without_a_name_keep_their_number() -> None:
    assert opened(core([(0, b"x", 1)], machine=62)).machine == "x86_64"
    assert opened(core([(0, b"x", 1)], machine=243)).machine == "machine-243"
    assert opened(core([(0, b"x", 1)], machine=0xFEDC)).machine == "machine-65244"


def test_what_the_file_does_not_hold_of_a_segment_is_a_gap() -> None:
    memory = opened(core([(0x1000, b"data", 0x1000)]))
    assert memory.available(0x1000, 0x1000) == 4
    with pytest.raises(GapError) as error:
        memory.read(0x1002, 8)
    assert error.value.address == 0x1004
    assert memory.notes == ()


def test_a_truncated_core_says_so_and_reads_up_to_its_end() -> None:
    whole = core([(0x1000, b"aaaa", 4), (0x2000, b"bbbb", 4), (0x3000, b"cccc", 4)])
    memory = opened(whole[:-6])
    assert memory.read(0x2000, 2) == b"bb"
    assert memory.available(0x2000, 4) == 2
    assert memory.available(0x3000, 4) == 0
    assert len(memory.notes) == 1
    assert "2 of 3 segments are cut or missing" in memory.notes[0] and "0x2000" in memory.notes[0]


def test_overlaps_missing_and_absent_addresses_are_told() -> None:
    memory = opened(core([(0x1002, b"first", 5), (0x1000, b"second", 6), (NO_ADDRESS, b"vmalloc", 7)]))
    assert memory.read(0x1000, 7) == b"sefirst"
    assert "1 segments overlap" in memory.notes[0]
    assert "1 segments without a physical address" in memory.notes[1]
    assert "names no physical addresses" in opened(core([(0, b"one", 3), (0, b"two", 3)])).notes[0]
    assert opened(core([(0, b"one", 3)])).notes == ()
    assert opened(core([(0xFFFFFFFF, b"vmalloc", 7), (0, b"x", 1)], bits=32)).total_bytes == 1


DIRECT_MAP = 0xFFFF_8880_0000_0000
TEXT = 0xFFFF_FFFF_8100_0000


def test_the_text_of_the_kernel_beside_its_ram_is_no_overlap() -> None:
    ram = [(0x1000, b"low" * 100, 300), (0x10000, b"r" * 0x800, 0x800), (0x10800, b"s" * 0x800, 0x800)]
    direct = [DIRECT_MAP + address for address, _, _ in ram]
    # As in kcore and in kdump's vmcore: text, and here the whole image, over the end of one RAM segment and the begin of the next.
    text = (0x10400, b"t" * 0x800, 0x800)
    for at in (0, 3):
        segments, virtual = ram.copy(), direct.copy()
        segments.insert(at, text)
        virtual.insert(at, TEXT)
        memory = opened(core([*segments, (NO_ADDRESS, b"vmalloc", 7)], virtual=virtual))
        assert [note for note in memory.notes if "overlap" in note] == []
        assert memory.read(0x10400, 4) == (b"tttt" if at == 0 else b"rrrr")


def test_ram_that_overlaps_ram_is_told_whatever_its_virtual_addresses() -> None:
    ram, text = (0x10000, b"r" * 0x1000, 0x1000), (0x10400, b"t" * 0x800, 0x800)
    shifted = DIRECT_MAP + 0x1000
    cases = [
        # Two of the direct map; text that reaches behind all RAM; two texts where no RAM is; segments that name no virtual address.
        ([ram, text], [DIRECT_MAP + 0x10000, DIRECT_MAP + 0x10400]),
        ([ram, (0x10400, b"t" * 0x1000, 0x1000)], [DIRECT_MAP + 0x10000, TEXT]),
        ([ram, (0x90000, b"t" * 9, 9), (0x90004, b"u" * 9, 9)], [DIRECT_MAP + 0x10000, TEXT, TEXT + 0x1000]),
        ([ram, text], []),
        ([ram, text], [0, TEXT]),
        ([ram, (0xF800, b"s" * 0x1000, 0x1000)], [DIRECT_MAP + 0x10000, shifted + 0xF800]),
    ]
    for loads, virtual in cases:
        assert any("1 segments overlap" in note for note in opened(core(loads, virtual=virtual)).notes), (loads, virtual)


def test_segments_on_the_same_bytes_of_the_file_are_no_overlap() -> None:
    """As in QEMU's dump with paging: one for each mapping of the same memory."""
    loads = [(0x10000, b"r" * 0x1000, 0x1000), (0x10400, b"", 0x800), (0x10C00, b"x" * 0x400, 0x400)]
    start = 64 + 3 * 56
    data = bytearray(core(loads, offsets=[start, start + 0x400, start + 0xC00]))
    struct.pack_into("<Q", data, 64 + 56 + 32, 0x800)
    assert opened(bytes(data)).notes == ()
    struct.pack_into("<Q", data, 64 + 56 + 8, start + 0x401)
    assert any("overlap" in note for note in opened(bytes(data)).notes)


def test_a_segment_at_the_end_of_the_address_space_does_not_wrap() -> None:
    memory = opened(core([(NO_ADDRESS - 1, b"abcd", 4)]))
    assert list(memory.extents()) == [Extent(NO_ADDRESS - 1, 2, 64 + 56)]
    assert memory.available(0, 1) == 0


def test_vmcoreinfo_is_read_wherever_it_stands() -> None:
    text = b"OSRELEASE=6.19.0-rc1\nPAGESIZE=4096\nno pair\nSYMBOL(x)=1=2\n"
    other = struct.pack(">3I", 5, 3, 1) + b"CORE\0\0\0\0" + b"abc\0"
    note = other + struct.pack(">3I", 11, len(text), 0) + b"VMCOREINFO\0\0" + text
    memory = opened(core([(0, b"x", 1)], order=">", note=note))
    assert dict(memory.vmcoreinfo) == {"OSRELEASE": "6.19.0-rc1", "PAGESIZE": "4096", "SYMBOL(x)": "1=2"}
    assert dict(opened(core([(0, b"x", 1)])).vmcoreinfo) == {}


def test_more_than_65535_segments() -> None:
    count = 70_000
    memory = opened(core([(n * 16, struct.pack(">I", n), 4) for n in range(count)], order=">", extended=True))
    assert len(memory.extents()) == count
    assert memory.read((count - 1) * 16, 4) == struct.pack(">I", count - 1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not an ELF file"),
        (b"\x7fELF", "damaged ELF header"),
        (core([(0, b"x", 1)])[:40], "damaged ELF header"),
        (core([(0, b"x", 1)], kind=2), "not a core dump"),
        (core([]), "without any memory"),
        (core([], note=b"abcd"), "without any memory"),
        (core([(0, b"x", 1)])[:100], "ends inside its program header table"),
        (core([(0, b"x", 1)], extended=True)[:130], "section header 0"),
        (core([(0, b"x", 1)]).replace(struct.pack("<HH", 64, 56), struct.pack("<HH", 64, 57)), "program headers of 57 bytes"),
    ],
)
def test_what_is_no_core_is_refused_in_one_line(data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        opened(data)
    assert str(error.value).startswith("memory.elf: ") and "\n" not in str(error.value)


def test_a_promised_table_of_millions_is_refused_before_it_is_read() -> None:
    data = bytearray(core([(0, b"x", 1)], extended=True))
    struct.pack_into("<I", data, 64 + 56 + 44, 0xFFFFFFFF)
    with pytest.raises(InputError, match="4294967295 segments"):
        opened(bytes(data))


SAMPLES = [
    core([(0x1000, b"page" * 8, 64), (0x9000, b"tail", 4)], note=struct.pack("<3I", 11, 4, 0) + b"VMCOREINFO\0\0A=1\n", extended=extended)
    for extended in (False, True)
]


@settings(max_examples=300)
@given(st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(4, 300), st.integers(0, 255)), max_size=8), st.integers(0, 400))
def test_hostile_headers_end_in_a_message(sample: bytes, changes: list[tuple[int, int]], end: int) -> None:
    data = bytearray(sample)
    for at, value in changes:
        data[at % len(data)] = value
    survives(bytes(data[: end or None]))


@given(st.binary(max_size=300), st.binary(max_size=3))
def test_random_bytes_after_the_magic_end_in_a_message(rest: bytes, ident: bytes) -> None:
    survives(b"\x7fELF" + ident + rest)


def survives(data: bytes) -> None:
    try:
        memory = opened(data)
        for extent in memory.extents()[:4]:
            assert extent.start + extent.size <= 1 << 64 and extent.offset + extent.size <= len(data)
            assert memory.read(extent.start, extent.size) == data[extent.offset : extent.offset + extent.size]
    except KhoError:
        pass


def test_known_dumps_that_are_not_read_come_with_advice() -> None:
    assert "kdump and makedumpfile" in (describe_unsupported(b"DISKDUMP" + bytes(8)) or "")
    assert describe_unsupported(b"KDUMP   " + bytes(8)) is None
    assert describe_unsupported(core([])) is None and describe_unsupported(b"") is None
    assert is_elf(core([])) and not is_elf(b"\x7fEL")


def segments_by_elftools(data: bytes) -> list[tuple[int, bytes]]:
    elf: Any = ELFFile(io.BytesIO(data))
    return [(segment["p_paddr"], segment.data()) for segment in elf.iter_segments(type="PT_LOAD")]


@pytest.mark.parametrize("byte_order", ["little", "big"])
@given(st.dictionaries(st.integers(0, 30), st.binary(min_size=16, max_size=16), min_size=1))
def test_a_written_core_is_read_back_by_us_and_by_pyelftools(byte_order: Literal["little", "big"], pages: dict[int, bytes]) -> None:
    image = SparseImage(16)
    for number, data in pages.items():
        image.write(number * 16, data)
    stream = io.BytesIO()
    write_elf_core(stream, image, "aarch64", byte_order)
    memory = opened(stream.getvalue())
    assert (memory.machine, memory.byte_order, memory.notes) == ("aarch64", byte_order, ())
    assert [(e.start, e.size) for e in memory.extents()] == [(e.start, e.size) for e in image.extents()]
    ranges = [(e.start, image.read(e.start, e.size)) for e in image.extents()]
    assert [(start, memory.read(start, len(data))) for start, data in ranges] == ranges
    assert segments_by_elftools(stream.getvalue()) == ranges


def test_a_core_of_more_than_65535_ranges_is_written_with_pn_xnum() -> None:
    image = SparseImage(8)
    for number in range(65_600):
        image.write(number * 16, struct.pack("<Q", number))
    stream = io.BytesIO()
    write_elf_core(stream, image)
    elf: Any = ELFFile(io.BytesIO(stream.getvalue()))
    assert (elf["e_phnum"], elf.num_segments()) == (0xFFFF, 65_600)
    assert elf.get_segment(65_599)["p_paddr"] == 65_599 * 16
    memory = opened(stream.getvalue())
    assert len(memory.extents()) == 65_600
    assert memory.read(65_599 * 16, 8) == struct.pack("<Q", 65_599)


def test_a_core_made_from_a_core_keeps_machine_numbers() -> None:
    memory = opened(core([(0x10, b"low", 3), (0x13, b"next", 4)], machine=243))
    stream = io.BytesIO()
    write_elf_core(stream, memory, memory.machine or "", "little")
    again = opened(stream.getvalue())
    assert again.machine == "machine-243" and segments_by_elftools(stream.getvalue()) == [(0x10, b"lownext")]
    for unknown in ("vax", "machine-", "machine-65536", "243"):
        with pytest.raises(EncodeError, match="machine number"):
            write_elf_core(io.BytesIO(), memory, unknown)


@pytest.mark.shared
def test_real_captures_hold_what_pyelftools_finds() -> None:
    for path in CORES:
        with open_file(path) as source:
            memory = open_elf(source)
            assert memory.machine == ("aarch64" if "arm64" in str(path) else "x86_64")
            assert (memory.byte_order, memory.notes) == ("little", ())
            found = segments_by_elftools(path.read_bytes())
            assert memory.total_bytes == sum(len(data) for _, data in found)
            assert all(memory.read(start, len(data)) == data for start, data in found)
            assert [e.start for e in memory.extents()] == sorted(start for start, _ in found)
