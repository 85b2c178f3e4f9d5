"""One state a release against bytes written by hand from the kernel's headers: what formats say, not what our declarations make of them."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest

from kho_tui.abi.luo import LUO_FORMATS
from kho_tui.abi.memfd import MEMFD_FORMATS
from kho_tui.abi.root import ROOT_FORMATS
from kho_tui.encode.facet import Encoder
from kho_tui.encode.handover import encode_handover
from kho_tui.encode.roots import root_file
from kho_tui.encode.subtrees import subtree_blob
from kho_tui.layout.arrays import U64s
from kho_tui.layout.platform import Platform
from kho_tui.memory.sparse import SparseImage
from kho_tui.model import handover as m
from kho_tui.model.plain import PlainFile, PlainFlb, PlainFlbPage, PlainSession, PlainVmalloc
from kho_tui.model.runs import Runs, make_runs, no_runs
from kho_tui.subsystems.kexec_metadata.plain import PlainMetadata
from kho_tui.subsystems.kho_test.plain import PlainTest
from kho_tui.subsystems.luo.plain import PlainLuo
from kho_tui.subsystems.memblock.plain import PlainMemblock, Region
from kho_tui.subsystems.memfd.plain import PlainMemfd
from kho_tui.subsystems.registry import builtin

from . import by_hand as b

ALPHA, GIB = 0x1_2345_6000, 0x4000_0000
"""The blocks of the worked examples of 3.1 and 3.2: the first of order 0, the second of order 9."""


def runs(*blocks: tuple[int, int], page_shift: int = 12) -> Runs:
    start, order = (np.array(column, np.uint64) for column in zip(*blocks, strict=True))
    return make_runs(start, np.ones(len(blocks), np.uint32), order, page_shift)


def numbers(*values: int) -> U64s:
    return np.array(values, np.uint64)


def image_of(handover: m.Handover) -> SparseImage:
    image = SparseImage(handover.platform.page_size)
    encode_handover(handover, builtin(), image)
    return image


def assert_holds(handover: m.Handover, expected: dict[int, bytes]) -> None:
    image = image_of(handover)
    for address, data in expected.items():
        assert image.read(address, len(data)) == data, hex(address)


FOLIOS = ((0x5000_0000, 3), (0x5001_0000, 0))
LISTED = b.q(0x5000_0003, 0x5001_0000)
BLOCKS = ((ALPHA, 0), (GIB, 9))
MEMBLOCK = m.Registered(b"memblock", 0x2000, 206, PlainMemblock((Region(b"rm", GIB, 0x20_0000),)))
MAP_V1 = 0x1_16BE_4000


def test_6_17_small_bitmaps_and_a_list_inside_the_fdt() -> None:
    tracker = m.ChunkTracker((m.ChunkPage(MAP_V1, 0, ((0x1_2300_0000, 0x7200),)), m.ChunkPage(0x8000, 9, ((0, 0x7400),))), bitmap_bytes=512)
    test = m.Registered(b"kho_test", 0x1000, 240, PlainTest(0x4B484F21, FOLIOS, 0xF00AB7C, None))
    one = m.Handover(
        platform=Platform(),
        form=ROOT_FORMATS[b"kho-v1"],
        style=m.RootStyle.FINALIZED,
        fdt_phys=0x9000,
        map_address=MAP_V1,
        subtrees=(test, MEMBLOCK),
        tracker=tracker,
        runs=runs(*BLOCKS),
    )
    assert_holds(
        one,
        {
            0x9000: b.ROOT_V1_TWO.ljust(4060, b"\0") + b"fdt\0preserved-memory-map\0compatible\0",
            0x1000: b.test_kho(LISTED, 0xF00AB7C),
            0x2000: b.MEMBLOCK.ljust(4074, b"\0") + b"size\0start\0compatible\0",
            MAP_V1: b.page(b.q(0x8000) + struct.pack("<II", 0, 1) + b.q(0x1_2300_0000, 0x7200)),
            0x8000: b.page(b.q(0) + struct.pack("<II", 9, 1) + b.q(0, 0x7400)),
            0x7200: b.bits(512, (138, 0x40)),
            0x7400: b.bits(512, (64, 0x01)),
        },
    )


def release_6_18() -> m.Handover:
    tracker = m.ChunkTracker(
        (m.ChunkPage(MAP_V1, 0, ((0x1_2000_0000, 0x7000), (0x1_2800_0000, 0x6000))), m.ChunkPage(0x8000, 9, ((0, 0xA000),))), 4096
    )
    area = PlainVmalloc((0xB000,), numbers(0xC000), 1, 1, 0)
    test = m.Registered(b"kho_test", 0x1000, 240, PlainTest(0x4B484F21, FOLIOS, 0xF00AB7C, area))
    return m.Handover(
        platform=Platform(),
        form=ROOT_FORMATS[b"kho-v1"],
        style=m.RootStyle.FINALIZED,
        fdt_phys=0x9000,
        map_address=MAP_V1,
        subtrees=(test, MEMBLOCK),
        tracker=tracker,
        runs=runs(*BLOCKS),
    )


def test_6_18_page_size_bitmaps_and_a_vmalloc_list() -> None:
    assert_holds(
        release_6_18(),
        {
            0x9000: b.ROOT_V1_TWO,
            0x1000: b.test_kho(b.vmalloc(0xB000, 1, 1, 0), 0xF00AB7C),
            0xB000: b.page(b.q(0, 0xC000)),
            0xC000: LISTED,
            MAP_V1: b.page(b.q(0x8000) + struct.pack("<II", 0, 2) + b.q(0x1_2000_0000, 0x7000, 0x1_2800_0000, 0x6000)),
            0x7000: b.bits(4096, (1674, 0x40)),
            0x6000: bytes(4096),  # bits cleared again: the bitmap stays
            0xA000: b.bits(4096, (64, 0x01)),
        },
    )


def memfd_v1(area: int) -> PlainMemfd:
    folios = np.array([[0x50000, 3, 0], [0x50001, 3, 7]], np.uint64)
    return PlainMemfd(
        form=MEMFD_FORMATS[b"memfd-v1"],
        pos=0x11,
        size=0x8000,
        seals=None,
        flags=0,
        folios=folios,
        area=PlainVmalloc((area,), numbers(area + 0x1000), 1, 1, 0),
    )


FOLIO_WORDS = b.q(0x50000 | 3 << 52, 0, 0x50001 | 3 << 52, 7)


def test_6_19_luo_as_fdt_without_flbs() -> None:
    files = (PlainFile(b"memfd-v1", 0x1_0000, 7, memfd_v1(0x1_1000)),)
    sessions = (PlainSession(b"vm", (0xE000,), files), PlainSession(b"empty", (), ()))
    luo = PlainLuo(
        form=LUO_FORMATS[b"luo-v1"],
        number=2,
        session_compatible=b"luo-session-v2",
        pages=(0x20_0000,),
        sessions=sessions,
        flb_compatible=b"",
        flb_page=None,
    )
    one = m.Handover(
        platform=Platform(),
        form=ROOT_FORMATS[b"kho-v1"],
        style=m.RootStyle.GROWN,
        fdt_phys=0x9000,
        map_address=0,
        subtrees=(m.Registered(b"LUO", 0x1000, 236, luo),),
        tracker=None,
        runs=no_runs(12),
    )
    assert_holds(
        one,
        {
            0x9000: b.ROOT_V1_LUO,
            0x1000: b.luo_v1(2, 0x20_0000),
            0x20_0000: b.page(b.q(2) + b.session(b"vm", 0xE000, 1) + b.session(b"empty", 0, 0), 16 * 4096),
            0xE000: b.page(b.file(b"memfd-v1", 0x1_0000, 7), 2 * 4096),
            0x1_0000: b.page(b.q(0x11, 0x8000, 2) + b.vmalloc(0x1_1000, 1, 1, 0)),
            0x1_1000: b.page(b.q(0, 0x1_2000)),
            0x1_2000: b.page(FOLIO_WORDS),
        },
    )


def test_6_19_root_pages_keep_what_the_first_pack_left_behind() -> None:
    luo = PlainLuo(
        form=LUO_FORMATS[b"luo-v1"],
        number=1,
        session_compatible=b"luo-session-v2",
        pages=(0x20_0000,),
        sessions=(),
        flb_compatible=b"",
        flb_page=None,
    )
    one = m.Handover(
        platform=Platform(),
        form=ROOT_FORMATS[b"kho-v1"],
        style=m.RootStyle.GROWN,
        fdt_phys=0x9000,
        map_address=0,
        subtrees=(m.Registered(b"LUO", 0x1000, 236, luo),),
        tracker=None,
        runs=no_runs(12),
    )
    # 180 bytes; before the pack all lay 8 bytes further on, so the last 8 of that stay; at the end the strings of the sequential part.
    leftover = b.ROOT_V1_LUO[-8:] + bytes(4064 - 188) + b"preserved-memory-map\0compatible\0"
    assert image_of(one).read(0x9000, 4096) == b.ROOT_V1_LUO + leftover


def radix(root: int, l4: tuple[int, int], leaves: tuple[int, int]) -> tuple[m.RadixTracker, dict[int, bytes]]:
    """The two paths of 3.2 for 4 KiB pages; nodes of one path follow each other from its L4 node on."""
    (a4, b4), (a0, b0) = l4, leaves
    key0, key9 = 1 << 52, 1 << 43
    pages = {root: b.slots({2: a4, 0: b4}), a4: b.slots({0: a4 + 0x1000}), b4: b.slots({2: b4 + 0x1000})}
    pages |= {a4 + 0x1000: b.slots({0: a4 + 0x2000}), b4 + 0x1000: b.slots({0: b4 + 0x2000})}
    pages |= {a4 + 0x2000: b.slots({0: a4 + 0x3000}), b4 + 0x2000: b.slots({0: b4 + 0x3000})}
    pages |= {a4 + 0x3000: b.slots({36: a0}), b4 + 0x3000: b.slots({0: b0})}
    pages |= {a0: b.bits(4096, (1674, 0x40)), b0: b.bits(4096, (64, 0x01))}
    levels = [[(root, 0)], [(b4, 0), (a4, key0)]]
    levels += [[(b4 + step, key9), (a4 + step, key0)] for step in (0x1000, 0x2000, 0x3000)]
    levels += [[(b0, key9), (a0, key0 | 36 << 15)]]
    return m.RadixTracker(tuple(numbers(*(a for a, _ in x)) for x in levels), tuple(numbers(*(p for _, p in x)) for x in levels)), pages


META = m.Registered(b"kexec-metadata", 0x1000, 73, PlainMetadata(1, b"7.3.4", 3))


def memfd_v2(area: int) -> PlainMemfd:
    return replace(memfd_v1(area), form=MEMFD_FORMATS[b"memfd-v2"], seals=6)


def test_7_1_radix_tree_and_luo_as_fdt_with_flbs() -> None:
    tracker, pages = radix(0x123_4000, (0x20_0000, 0x21_0000), (0x22_0000, 0x22_1000))
    files = (PlainFile(b"memfd-v2", 0x1_0000, 7, memfd_v2(0x1_1000)),)
    flbs = PlainFlbPage(0x30_0000, 1, (PlainFlb(b"liveupdate-test-flb-v0", 0xFEEDF00DCAFEBEE0, 1),))
    luo = PlainLuo(
        form=LUO_FORMATS[b"luo-v1"],
        number=1,
        session_compatible=b"luo-session-v2",
        pages=(0x40_0000,),
        sessions=(PlainSession(b"vm", (0xE000,), files),),
        flb_compatible=b"luo-flb-v1",
        flb_page=flbs,
    )
    one = m.Handover(
        platform=Platform(),
        form=ROOT_FORMATS[b"kho-v3"],
        style=m.RootStyle.GROWN,
        fdt_phys=0x9000,
        map_address=0x123_4000,
        subtrees=(META, m.Registered(b"LUO", 0x5000, 311, luo)),
        tracker=tracker,
        runs=runs(*BLOCKS),
    )
    assert_holds(
        one,
        {
            **pages,
            0x1000: b.page(b.metadata(b"7.3.4", 3)),
            0x5000: b.luo_v1_flb(1, 0x40_0000, 0x30_0000),
            0x40_0000: b.page(b.q(1) + b.session(b"vm", 0xE000, 1), 16 * 4096),
            0x30_0000: b.page(b.q(1, 1) + b.flb(b"liveupdate-test-flb-v0", 0xFEEDF00DCAFEBEE0, 1)),
            0x1_0000: b.page(b.q(0x11, 0x8000) + struct.pack("<II", 6, 0) + b.q(2) + b.vmalloc(0x1_1000, 1, 1, 0)),
            0x1_2000: b.page(FOLIO_WORDS),
        },
    )
    assert root_file(replace(one, subtrees=(META,))) == b.ROOT_V4_METADATA.replace(b"kho-v4", b"kho-v3")


def test_7_3_luo_as_struct_with_block_chains() -> None:
    tracker, pages = radix(0x123_4000, (0x20_0000, 0x21_0000), (0x22_0000, 0x22_1000))
    file = PlainFile(b"memfd-v2", 0x1_0000, 7, memfd_v2(0x1_1000))
    other = PlainFile(b"vfio-v1", 0xABCD, 8, None)
    sessions = tuple(PlainSession(f"vm-{i}".encode(), (0xE000,) if i == 0 else (), (file, other) if i == 0 else ()) for i in range(52))
    luo = PlainLuo(
        form=LUO_FORMATS[b"luo-v5"],
        number=3,
        session_compatible=b"",
        pages=(0x50_0000, 0x51_0000),
        sessions=sessions,
        flb_compatible=b"",
        flb_page=PlainFlbPage(0x30_0000, 1, ()),
    )
    assert subtree_blob(luo, Encoder(Platform(), builtin())) == b"luo-v5\0\0" + b.q(3, 0x50_0000, 0x30_0000)
    one = m.Handover(
        platform=Platform(),
        form=ROOT_FORMATS[b"kho-v4"],
        style=m.RootStyle.GROWN,
        fdt_phys=0x9000,
        map_address=0x123_4000,
        subtrees=(META, m.Registered(b"LUO", 0x5000, 32, luo)),
        tracker=tracker,
        runs=runs(*BLOCKS),
    )
    listed = [b.session(f"vm-{i}".encode(), 0xE000 if i == 0 else 0, 2 if i == 0 else 0) for i in range(52)]
    assert_holds(
        one,
        {
            **pages,
            0x5000: b.page(b"luo-v5\0\0" + b.q(3, 0x50_0000, 0x30_0000)),
            0x50_0000: b.page(b.q(0x51_0000, 51) + b"".join(listed[:51])),
            0x51_0000: b.page(b.q(0, 1) + listed[51]),
            0xE000: b.page(b.q(0, 2) + b.file(b"memfd-v2", 0x1_0000, 7) + b.file(b"vfio-v1", 0xABCD, 8)),
            0x30_0000: b.page(b.q(1, 0)),
        },
    )
    assert root_file(replace(one, subtrees=(META,))) == b.ROOT_V4_METADATA


@pytest.mark.parametrize(
    ("page_size", "address", "order", "path", "byte", "mask"),
    [
        (4096, ALPHA, 0, (2, 0, 0, 0, 36), 1674, 0x40),
        (4096, GIB, 9, (0, 2, 0, 0, 0), 64, 0x01),
        (4096, 0x8000_0000, 18, (0, 0, 2, 0, 0), 0, 0x04),
        (16384, 0x1_2345_4000, 0, (1, 0, 0, 2), 36117 // 8, 1 << 36117 % 8),
        (16384, GIB, 9, (0, 4, 0, 0), 128 // 8, 1),
        (65536, 0x1_2345_0000, 0, (8, 0, 0), 74565 // 8, 1 << 74565 % 8),
        (65536, GIB, 9, (0, 128, 0), 32 // 8, 1),
    ],
)
def test_the_worked_examples_of_the_radix_tree(
    page_size: int, address: int, order: int, path: tuple[int, ...], byte: int, mask: int
) -> None:
    shift = page_size.bit_length() - 1
    shifts = {12: (51, 42, 33, 24, 15), 14: (50, 39, 28, 17), 16: (45, 32, 19)}[shift]
    nodes = [0x100_0000 + page_size * i for i in range(len(path) + 1)]
    prefixes = [0]
    for slot, level_shift in zip(path, shifts, strict=True):
        prefixes.append(prefixes[-1] + (slot << level_shift))
    tracker = m.RadixTracker(tuple(numbers(n) for n in nodes), tuple(numbers(p) for p in prefixes))
    preserved = runs((address, order), page_shift=shift)
    one = m.Handover(
        platform=Platform("little", page_size),
        form=ROOT_FORMATS[b"kho-v4"],
        style=m.RootStyle.GROWN,
        fdt_phys=0,
        map_address=nodes[0],
        subtrees=(),
        tracker=tracker,
        runs=preserved,
    )
    expected = {node: b.slots({slot: nodes[i + 1]}, page_size) for i, (node, slot) in enumerate(zip(nodes, path, strict=False))}
    assert_holds(one, expected | {nodes[-1]: b.bits(page_size, (byte, mask))})


def test_big_endian_values_stand_in_words_of_that_order() -> None:
    one = replace(release_6_18(), platform=Platform("big"))
    image = image_of(one)
    # Bit 13398 of a native word array: word 209, byte 7 - (13398 % 64) / 8 of it.
    assert image.read(0x7000, 4096) == b.bits(4096, (209 * 8 + 7 - 13398 % 64 // 8, 1 << 13398 % 8))
    assert image.read(MAP_V1, 16) == struct.pack(">QII", 0x8000, 0, 2)
    assert image.read(0x9000, 4) == bytes.fromhex("d00dfeed")


@pytest.mark.parametrize("count", [1, 510, 511, 512, 1022])
def test_a_new_chunk_is_started_as_soon_as_one_is_full(count: int) -> None:
    """511 entries fill a chunk of 4 KiB pages, so that an empty one follows.

    Source: kernel/liveupdate/kexec_handover.c, kho_preserve_vmalloc().
    """
    chunks = tuple(0x10_0000 + 0x1000 * i for i in range(count // 511 + 1))
    entries = numbers(*(0x1000_0000 + 0x1000 * i for i in range(count)))
    area = PlainVmalloc(chunks, entries, count, 1, 0)
    test = m.Registered(b"kho_test", 0x1000, 240, PlainTest(0x4B484F21, FOLIOS, 0, area))
    one = replace(release_6_18(), subtrees=(test,))
    written = [0x1000_0000 + 0x1000 * i for i in range(count)]
    pages = {
        chunk: b.page(b.q(chunks[i + 1] if i + 1 < len(chunks) else 0, *written[511 * i : 511 * (i + 1)])) for i, chunk in enumerate(chunks)
    }
    assert_holds(one, pages)
