"""Handovers as hypothesis invents them: every released format, all page sizes, both byte orders, sound as a kernel would leave them.

What a decoder needs to believe a state holds: the tracker keeps the root FDT's page, every blob and every region.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from kho_tui.abi.luo import LUO_FORMATS
from kho_tui.abi.memfd import MEMFD_FORMATS
from kho_tui.abi.root import ROOT_FORMATS
from kho_tui.encode.facet import Encoder
from kho_tui.encode.subtrees import subtree_blob
from kho_tui.layout.arrays import U64s
from kho_tui.layout.platform import PAGE_SIZES, ByteOrder, Platform
from kho_tui.model.handover import ChunkPage, ChunkTracker, Handover, RadixTracker, Registered, RootStyle
from kho_tui.model.plain import Plain, PlainFile, PlainFlb, PlainFlbPage, PlainSession, PlainVmalloc, RawBytes
from kho_tui.model.runs import Runs, make_runs
from kho_tui.subsystems.kexec_metadata.plain import PlainMetadata
from kho_tui.subsystems.kho_test.plain import PlainTest
from kho_tui.subsystems.luo.plain import PlainLuo
from kho_tui.subsystems.memblock.plain import PlainMemblock, Region
from kho_tui.subsystems.memfd.plain import PlainMemfd
from kho_tui.subsystems.registry import builtin

U64 = st.integers(0, 2**64 - 1)
U32 = st.integers(0, 2**32 - 1)
BYTE_ORDERS: tuple[ByteOrder, ...] = ("little", "big")


@dataclass(frozen=True, slots=True)
class Formats:
    """What one group of releases writes. ``luo`` None: no LUO at all."""

    root: bytes
    style: RootStyle
    small_bitmaps: bool
    inline_test: bool
    luo: bytes | None
    has_flbs: bool
    memfd: bytes
    metadata: bool


FORMATS = {
    "6.17": Formats(b"kho-v1", RootStyle.FINALIZED, True, True, None, False, b"", False),
    "6.18": Formats(b"kho-v1", RootStyle.FINALIZED, False, False, None, False, b"", False),
    "6.19": Formats(b"kho-v1", RootStyle.GROWN, False, False, b"luo-v1", False, b"memfd-v1", False),
    "7.0": Formats(b"kho-v1", RootStyle.GROWN, False, False, b"luo-v1", True, b"memfd-v1", False),
    "7.1": Formats(b"kho-v3", RootStyle.GROWN, False, False, b"luo-v1", True, b"memfd-v2", True),
    "7.3": Formats(b"kho-v4", RootStyle.GROWN, False, False, b"luo-v5", True, b"memfd-v2", True),
}


def names(longest: int, shortest: int = 0) -> st.SearchStrategy[bytes]:
    """C strings, also such as are no UTF-8."""
    return st.binary(min_size=shortest, max_size=longest).map(lambda raw: raw.replace(b"\0", b"\xff"))


@dataclass
class Memory:
    """Hands out pages upwards and notes what is preserved."""

    platform: Platform
    at: int = 0x100_0000
    blocks: list[tuple[int, int]] = field(default_factory=list)

    def take(self, order: int = 0) -> int:
        size = self.platform.page_size << order
        address = -(-self.at // size) * size
        self.at = address + size
        return address

    def preserved(self, size: int = 1) -> int:
        order = (-(-size // self.platform.page_size) - 1).bit_length()
        address = self.take(order)
        self.blocks.append((address, order))
        return address


def u64s(values: list[int]) -> U64s:
    return np.array(values, np.uint64)


@st.composite
def areas(draw: st.DrawFn, memory: Memory, size: int) -> PlainVmalloc:
    """A vmalloc area that holds ``size`` bytes."""
    order = draw(st.integers(0, 2))
    entries = [memory.preserved(memory.platform.page_size << order) for _ in range(-(-size // (memory.platform.page_size << order)))]
    capacity = (memory.platform.page_size - 8) // 8
    chunks = tuple(memory.preserved() for _ in range(len(entries) // capacity + 1))
    return PlainVmalloc(chunks, u64s(entries), len(entries) << order, draw(st.integers(1, 3)), order)


@st.composite
def memblocks(draw: st.DrawFn, memory: Memory) -> PlainMemblock:
    found = draw(st.lists(st.tuples(names(15, 1), U64), max_size=8))
    return PlainMemblock(tuple(Region(name, memory.preserved(), size) for name, size in found))


@st.composite
def tests(draw: st.DrawFn, memory: Memory, inline: bool) -> PlainTest:
    # Two inline folios of no order at all could pass for a descriptor only with flags 1 to 3 in their addresses.
    orders = draw(st.lists(st.integers(0, 4), min_size=1, max_size=6))
    folios = tuple((memory.preserved(memory.platform.page_size << order), order) for order in orders)
    area = None if inline else draw(areas(memory, 8 * len(folios)))
    return PlainTest(0x4B484F21, folios, draw(U32), area)


@st.composite
def memfds(draw: st.DrawFn, memory: Memory, handler: bytes) -> PlainMemfd:
    row = st.tuples(st.integers(0, 2**52 - 1), st.integers(0, 2**12 - 1), U64)
    rows = draw(st.lists(row, max_size=5)) * draw(st.sampled_from([1, 1, 1, 300]))
    area = draw(areas(memory, 16 * len(rows))) if rows else None
    seals, flags = (None, 0) if handler == b"memfd-v1" else (draw(U32), draw(U32))
    return PlainMemfd(
        form=MEMFD_FORMATS[handler],
        pos=draw(U64),
        size=draw(U64),
        seals=seals,
        flags=flags,
        folios=np.array(rows, np.uint64).reshape(-1, 3),
        area=area,
    )


@st.composite
def files(draw: st.DrawFn, memory: Memory, handler: bytes) -> PlainFile:
    is_memfd: bool = draw(st.booleans())
    if is_memfd:
        return PlainFile(handler, memory.preserved(), draw(U64), draw(memfds(memory, handler)))
    other = draw(names(48).filter(lambda name: not name.startswith(b"memfd-v")))
    return PlainFile(other, draw(U64), draw(U64), None)


def pages_for(memory: Memory, entries: int, entry_size: int) -> tuple[int, ...]:
    """Blocks that hold so many entries."""
    capacity = (memory.platform.page_size - 16) // entry_size
    return tuple(memory.preserved() for _ in range(-(-entries // capacity)))


@st.composite
def sessions(draw: st.DrawFn, memory: Memory, formats: Formats) -> PlainSession:
    found = tuple(draw(st.lists(files(memory, formats.memfd), max_size=2)))
    has_more: bool = draw(st.booleans())
    if found and has_more:
        found += tuple(PlainFile(b"other", number, number, None) for number in range(draw(st.sampled_from([1, 62, 63, 64]))))
    if formats.luo == b"luo-v5":
        pages = pages_for(memory, len(found), 64)
    else:
        pages = (memory.preserved(2 * memory.platform.page_size),) if found else ()
    return PlainSession(draw(names(64)), pages, found)


@st.composite
def luos(draw: st.DrawFn, memory: Memory, formats: Formats) -> PlainLuo:
    assert formats.luo is not None
    found = tuple(draw(st.lists(sessions(memory, formats), max_size=3)))
    if found:
        found += tuple(PlainSession(f"s{i}".encode(), (), ()) for i in range(draw(st.sampled_from([0, 0, 49, 51]))))
    struct = formats.luo == b"luo-v5"
    pages = pages_for(memory, len(found), 80) if struct else (memory.preserved(16 * memory.platform.page_size),)
    flb_page = None
    if formats.has_flbs:
        entries = st.builds(PlainFlb, names(48), U64, U64)
        listed = draw(st.lists(entries, max_size=3)) if found else []
        flb_page = PlainFlbPage(memory.preserved(), draw(U64) if listed else 1, tuple(listed))
    flb_compatible = b"luo-flb-v1" if formats.has_flbs and not struct else b""
    return PlainLuo(
        form=LUO_FORMATS[formats.luo],
        number=draw(U64),
        session_compatible=b"" if struct else b"luo-session-v2",
        pages=pages,
        sessions=found,
        flb_compatible=flb_compatible,
        flb_page=flb_page,
    )


@st.composite
def contents(draw: st.DrawFn, memory: Memory, formats: Formats) -> dict[bytes, Plain]:
    """Some of the subtrees that a release has, in any order."""
    makers: dict[bytes, Callable[[], Plain]] = {
        b"memblock": lambda: draw(memblocks(memory)),
        b"kho_test": lambda: draw(tests(memory, formats.inline_test)),
    }
    if formats.luo is not None:
        makers[b"LUO"] = lambda: draw(luos(memory, formats))
    if formats.metadata:
        makers[b"kexec-metadata"] = lambda: PlainMetadata(1, draw(names(65)), draw(U32))
        raw = draw(names(12, 1).filter(lambda name: b"@" not in name and name not in makers))
        makers[raw] = lambda: RawBytes(b"not an FDT" + draw(st.binary(max_size=40)))
    chosen = draw(st.lists(st.sampled_from(sorted(makers)), unique=True, min_size=0 if formats.metadata else 1))
    return {name: makers[name]() for name in chosen}


@st.composite
def free_blocks(draw: st.DrawFn, page_shift: int) -> list[tuple[int, int]]:
    """Blocks far from everything else, those of each order in a TiB of their own: single ones, neighbours, far ends of a bitmap."""
    found: set[tuple[int, int]] = set()
    for order in draw(st.lists(st.integers(0, 14), unique=True, max_size=4)):
        most = (1 << 40 >> order + page_shift) - 1
        for first in draw(st.lists(st.integers(0, most), max_size=4)):
            count = draw(st.sampled_from([1, 2, 63, 64, 65, 200]))
            found.update((((order + 1) << 40) + (n << order + page_shift), order) for n in range(first, min(first + count, most + 1)))
    return sorted(found)


def runs_of(blocks: list[tuple[int, int]], page_shift: int) -> Runs:
    start, order = (u64s([block[column] for block in blocks]) for column in (0, 1))
    return make_runs(start, np.ones(len(blocks), np.uint32), order, page_shift)


def chunk_tracker(memory: Memory, blocks: list[tuple[int, int]], small: bool, cleared: list[tuple[int, int]]) -> ChunkTracker:
    """The chunk list of kho-v1; the bitmaps of ``cleared`` blocks are there without their bit."""
    page, shift = memory.platform.page_size, memory.platform.page_shift
    size = 512 if small else page
    starts: dict[int, set[int]] = {}
    for address, order in [*blocks, *cleared]:
        span = size * 8 << order + shift
        starts.setdefault(order, set()).add(address // span * span)
    # Small bitmaps begin off a page's start, which tells them from those of a page.
    slab = memory.take() + 512 if small else 0
    chunks: list[ChunkPage] = []
    capacity = (page - 16) // 16
    for order in sorted(starts):
        elements = []
        for start in sorted(starts[order]):
            if small:
                slab = memory.take() if slab % page == 0 else slab
                elements.append((start, slab))
                slab += 512
            else:
                elements.append((start, memory.take()))
        chunks += [ChunkPage(memory.take(), order, tuple(elements[at : at + capacity])) for at in range(0, len(elements), capacity)]
    return ChunkTracker(tuple(chunks), size)


def radix_tracker(memory: Memory, blocks: list[tuple[int, int]], cleared: list[tuple[int, int]]) -> RadixTracker:
    """The radix tree; the nodes of ``cleared`` blocks are there, empty."""
    shift = memory.platform.page_shift
    keys = [(1 << 64 - shift - order) | address >> shift + order for address, order in [*blocks, *cleared]]
    shifts = {12: (51, 42, 33, 24, 15), 14: (50, 39, 28, 17), 16: (45, 32, 19)}[shift]
    levels = [[0], *(sorted({key >> level << level for key in keys}) for level in shifts)]
    return RadixTracker(tuple(u64s([memory.take() for _ in level]) for level in levels), tuple(u64s(level) for level in levels))


@st.composite
def handovers(draw: st.DrawFn) -> Handover:
    """A whole side of any release group, page size and byte order."""
    platform = Platform(draw(st.sampled_from(BYTE_ORDERS)), draw(st.sampled_from(PAGE_SIZES)))
    formats = draw(st.sampled_from(list(FORMATS.values())))
    memory = Memory(platform)
    root = memory.preserved()
    subtrees = []
    for name, content in draw(contents(memory, formats)).items():
        room = 8 * len(content.folios) + platform.page_size if isinstance(content, PlainTest) else 1
        subtrees.append(Registered(name, memory.preserved(room), len(subtree_blob(content, Encoder(platform, builtin()))), content))
    blocks = memory.blocks + draw(free_blocks(platform.page_shift))
    cleared = draw(free_blocks(platform.page_shift))[:3]
    runs = runs_of(blocks, platform.page_shift)
    if formats.root == b"kho-v1":
        chunks = chunk_tracker(memory, blocks, formats.small_bitmaps, cleared)
        return Handover(
            platform=platform,
            form=ROOT_FORMATS[formats.root],
            style=formats.style,
            fdt_phys=root,
            map_address=chunks.chunks[0].phys,
            subtrees=tuple(subtrees),
            tracker=chunks,
            runs=runs,
        )
    tree = radix_tracker(memory, blocks, [block for block in cleared if block not in blocks])
    return Handover(
        platform=platform,
        form=ROOT_FORMATS[formats.root],
        style=formats.style,
        fdt_phys=root,
        map_address=int(tree.addresses[0][0]),
        subtrees=tuple(subtrees),
        tracker=tree,
        runs=runs,
    )
