"""States made by hand to cost far more than their size: what random changes will not find."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from running_machine import PROC
from states.catalogue import Machine
from states.fdt import Node, build, text
from states.luo import block_chain
from states.preserved import Preserved
from states.producers import RootStyle, Subtree, blob, vmalloc

_NAME = b"same name"


@dataclass(frozen=True, slots=True)
class Attack:
    """One of them: writes itself below an empty folder and gives the path to open."""

    how: Callable[[Path], Path]

    def __str__(self) -> str:
        return f"attack {self.how.__name__}"

    def write(self, folder: Path) -> Path:
        return self.how(folder)


def _finish(machine: Machine, subtrees: list[Subtree], folder: Path, style: RootStyle = "7.3", compatible: bytes = b"kho-v4") -> Path:
    machine.finish("attack", None, subtrees, style, compatible).to_elf(folder / "memory.elf")
    return folder / "memory.elf"


def _luo(preserved: Preserved, sessions: int) -> Subtree:
    """LUO with its sessions at an address."""
    return blob(preserved, b"LUO", b"luo-v5\0\0" + preserved.image.pack("QQQ", 1, sessions, 0), {})


def _memfd(preserved: Preserved, folios: int, total_pages: int, order: int, first: int) -> int:
    at = preserved.alloc()
    preserved.image.write(at, preserved.image.pack("QQIIQQIHH", 0, 1 << 30, 0, 0, folios, first, total_pages, 1, order))
    return at


def _file(preserved: Preserved, memfd: int, token: int = 1) -> bytes:
    return preserved.image.pack("48sQQ", b"memfd-v2", memfd, token)


def _session(preserved: Preserved, files: int, count: int) -> bytes:
    return preserved.image.pack("64sQQ", _NAME, files, count)


def sessions_of_one_name(folder: Path) -> Path:
    """10000 sessions that no path tells apart."""
    machine = Machine()
    chain = block_chain(machine.preserved, 80, [_session(machine.preserved, 0, 0)] * 10_000)
    return _finish(machine, [_luo(machine.preserved, chain)], folder)


def files_of_one_token(folder: Path) -> Path:
    """10000 files of one session, one token, no memfd."""
    machine = Machine()
    chain = block_chain(machine.preserved, 64, [machine.image.pack("48sQQ", b"other", 0, 1)] * 10_000)
    sessions = block_chain(machine.preserved, 80, [_session(machine.preserved, chain, 10_000)])
    return _finish(machine, [_luo(machine.preserved, sessions)], folder)


def sessions_share_files(folder: Path) -> Path:
    """1000 sessions that all have the same 1000 files: a million files in 150 KB."""
    machine = Machine()
    files = block_chain(machine.preserved, 64, [machine.image.pack("48sQQ", b"other", 0, n) for n in range(1000)])
    sessions = block_chain(machine.preserved, 80, [_session(machine.preserved, files, 1000)] * 1000)
    return _finish(machine, [_luo(machine.preserved, sessions)], folder)


def files_share_folios(folder: Path) -> Path:
    """3000 files with the same array of 20000 folios: 60 million rows in 600 KB."""
    machine = Machine()
    array = vmalloc(machine.preserved, machine.image.pack("QQ", 3 << 52 | 0x123, 0) * 20_000)
    first, total = machine.image.unpack("QI", array[:12])
    memfd = _memfd(machine.preserved, 20_000, total, 0, first)
    files = block_chain(machine.preserved, 64, [_file(machine.preserved, memfd, n) for n in range(3000)])
    sessions = block_chain(machine.preserved, 80, [_session(machine.preserved, files, 3000)])
    return _finish(machine, [_luo(machine.preserved, sessions)], folder)


def files_share_page_lists(folder: Path) -> Path:
    """3000 files with the same page list of 100 chunks, and no folio."""
    machine = Machine()
    chunks = [machine.preserved.alloc() for _ in range(100)]
    for chunk, following in zip(chunks, [*chunks[1:], 0], strict=True):
        machine.image.write(chunk, machine.image.pack("Q", following) + machine.image.pack("Q", 1 << 30) * 511)
    memfd = _memfd(machine.preserved, 1, 51_100, 0, chunks[0])
    files = block_chain(machine.preserved, 64, [_file(machine.preserved, memfd, n) for n in range(3000)])
    sessions = block_chain(machine.preserved, 80, [_session(machine.preserved, files, 3000)])
    return _finish(machine, [_luo(machine.preserved, sessions)], folder)


def _one_memfd(folder: Path, folios: int, total_pages: int, order: int, entries: int) -> Path:
    machine = Machine()
    chunk = machine.preserved.alloc()
    machine.image.write(chunk + 8, b"".join(machine.image.pack("Q", (n + 1) << 32) for n in range(entries)))
    memfd = _memfd(machine.preserved, folios, total_pages, order, chunk)
    files = block_chain(machine.preserved, 64, [_file(machine.preserved, memfd)])
    sessions = block_chain(machine.preserved, 80, [_session(machine.preserved, files, 1)])
    return _finish(machine, [_luo(machine.preserved, sessions)], folder)


def huge_vmalloc_order(folder: Path) -> Path:
    """A page list whose 511 entries stand for 2 TiB, with few folios in it."""
    return _one_memfd(folder, 10, 0xFFFF_FFFF, 20, 511)


def huge_folio_count(folder: Path) -> Path:
    """The same, and every byte of it claimed to be folios."""
    return _one_memfd(folder, 0xFFFF_FFFF << 8, 0xFFFF_FFFF, 20, 511)


def huge_folio_count_within_budget(folder: Path) -> Path:
    """As many folios as the budget allows, none of them in the capture."""
    return _one_memfd(folder, 4_900_000, 0xFFFF_FFFF, 20, 511)


def radix_of_one_page(folder: Path) -> Path:
    """Every slot of every node leads to the next level's one page."""
    machine = Machine()
    state = machine.finish("attack", None, [], "7.3", b"kho-v4")
    nodes = [state.truth["map"], *(machine.image.alloc() for _ in range(5))]
    for node, below in pairwise(nodes):
        machine.image.write(node, machine.image.pack("Q", below) * 512)
    machine.image.write(nodes[-1], b"\xaa" * 4096)
    state.to_elf(folder / "memory.elf")
    return folder / "memory.elf"


def radix_to_everywhere(folder: Path) -> Path:
    """300 nodes with 512 different pages below each, none of them in the capture."""
    machine = Machine()
    state = machine.finish("attack", None, [], "7.3", b"kho-v4")
    nodes = [machine.image.alloc() for _ in range(300)]
    machine.image.write(state.truth["map"], b"".join(machine.image.pack("Q", node) for node in nodes))
    for number, node in enumerate(nodes):
        machine.image.write(node, b"".join(machine.image.pack("Q", (number * 512 + n + 1) << 40 & ~0xFFF) for n in range(512)))
    state.to_elf(folder / "memory.elf")
    return folder / "memory.elf"


def chunks_of_stripes(folder: Path) -> Path:
    """Every other page preserved: as many runs as 100 bitmaps give, all of them overlapping."""
    machine = Machine()
    state = machine.finish("attack", None, [], "7.0", b"kho-v1")
    bitmaps = [machine.image.alloc() for _ in range(100)]
    for bitmap in bitmaps:
        machine.image.write(bitmap, b"\x55" * 4096)
    elements = b"".join(machine.image.pack("QQ", 0, bitmap) for bitmap in bitmaps)
    machine.image.write(state.truth["map"], machine.image.pack("QII", 0, 0, len(bitmaps)) + elements)
    state.to_elf(folder / "memory.elf")
    return folder / "memory.elf"


def overlapping_segments(folder: Path) -> Path:
    """20000 segments that all lie over the same 200 KB of the file: 4 GB of memory without a root in it."""
    count, data_at = 20_000, 64 + 56 * 20_000
    size = 200 * 4096
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, count, 0, 0, 0)
    table = b"".join(struct.pack("<IIQQQQQQ", 1, 7, data_at, 0, n * size, size, size, 0) for n in range(count))
    (folder / "core").write_bytes(header + table + b"\x77" * size)
    return folder / "core"


_TEXTS = (
    *(name for name in PROC if name != "config.gz"), "dmesg", "config", "memblock/memory", "memblock/reserved",
    "kho/out/scratch_phys", "kho/out/scratch_len", "kho/out/finalize", "node/node0.meminfo", "memblock/reserve_mem_param",
)  # fmt: skip


def _root(children: tuple[Node, ...] = ()) -> Node:
    return Node(b"", ((b"compatible", text(b"kho-v4")), (b"preserved-memory-map", bytes(8))), children)


def _with_fdt(folder: Path, root: Node, name: str) -> Path:
    target = folder / "capture" / name
    target.parent.mkdir(parents=True)
    target.write_bytes(build(root))
    return folder / "capture"


def many_subtrees(folder: Path) -> Path:
    """10000 subtrees of one name in a root FDT."""
    return _with_fdt(folder, _root((Node(_NAME),) * 10_000), "kho/out/fdt")


def many_regions(folder: Path) -> Path:
    """8000 nodes in a memblock FDT."""
    root = Node(b"", ((b"compatible", text(b"memblock-v1")),), (Node(b"r"),) * 8000)
    return _with_fdt(folder, root, "kho/out/sub_fdts/memblock")


def deep_fdt(folder: Path) -> Path:
    """50000 nodes inside each other."""
    flat = build(Node(b"", ((b"compatible", text(b"kho-v4")),)))
    structure = struct.unpack_from(">I", flat, 8)[0]
    deep = bytearray(flat[:structure] + struct.pack(">II", 1, 0) * 50_000 + flat[structure:])
    struct.pack_into(">I", deep, 4, len(deep))
    struct.pack_into(">I", deep, 36, len(deep) - structure)
    target = folder / "capture/kho/out/fdt"
    target.parent.mkdir(parents=True)
    target.write_bytes(deep)
    return folder / "capture"


def many_files(folder: Path) -> Path:
    """3000 files beside the subtrees."""
    target = folder / "capture/kho/out/sub_fdts"
    target.mkdir(parents=True)
    for number in range(3000):
        (target / f"{number}\x1b[31m").write_bytes(b"x")
    return folder / "capture"


def long_lines(folder: Path) -> Path:
    """Every text file one line that regular expressions may go back over again and again."""
    patterns = (
        b"a",
        b" ",
        b"0",
        b"0-",
        b"0x0 ",
        b"kho: ",
        b"KHO: [",
        b"[ 0.0] ",
        b"\t",
        b"kho_scratch=1M, ",
        b"Node 0, zone ",
        b"CONFIG_",
        b"<6>",
        b"1:",
    )
    content = b"\n".join(pattern * (200_000 // len(pattern)) for pattern in patterns)
    capture = _with_fdt(folder, _root(), "kho/out/fdt")
    for name in _TEXTS:
        (capture / name).parent.mkdir(parents=True, exist_ok=True)
        (capture / name).write_bytes(content)
    return capture


def many_lines(folder: Path) -> Path:
    """Every text file of very many lines."""
    lines = {
        "iomem": b"00000000-00000fff : Reserved\n",
        "cmdline": b"kho=on kho_scratch=1M ",
        "zoneinfo": b"Node 0, zone      DMA\n  start_pfn: 1\n        spanned  1\n",
        "dmesg": b"[    0.000000] KHO: disabling \x1b[31m\n",
        "config": b"CONFIG_A=y\n",
        "meminfo": b"MemTotal: 1 kB\n",
        "memblock/memory": b"   0: 0x0000000000000000..0x0000000000000fff    0 NONE\n",
        "kho/out/scratch_phys": b"0x0000000000001000\n",
        "kho/out/scratch_len": b"0x0000000000001000\n",
    }
    capture = _with_fdt(folder, _root(), "kho/out/fdt")
    for name, line in lines.items():
        (capture / name).parent.mkdir(parents=True, exist_ok=True)
        (capture / name).write_bytes(line * 30_000)
    return capture


def many_roots(folder: Path) -> Path:
    """40 roots in memory that all have one tracker of 100 chunks, none of which keeps them."""
    machine = Machine()
    image = machine.image
    state = machine.finish("attack", None, [], "7.0", b"kho-v1")
    for _ in range(40):
        image.write(image.alloc(), state.fdt)
    bitmap = image.alloc()
    chunks = [state.truth["map"], *(image.alloc() for _ in range(100))]
    for chunk, following in zip(chunks, [*chunks[1:], 0], strict=True):
        image.write(chunk, image.pack("QII", following, 0, 255) + image.pack("QQ", 0, bitmap) * 255)
    state.to_elf(folder / "memory.elf")
    return folder / "memory.elf"


def bomb(folder: Path) -> Path:
    """100 MB of zeros in 100 KB."""
    (folder / "capture.tar.gz").write_bytes(gzip.compress(bytes(100 << 20), 1))
    return folder / "capture.tar.gz"


ATTACKS = tuple(
    Attack(how)
    for how in (
        sessions_of_one_name, files_of_one_token, sessions_share_files, files_share_folios, files_share_page_lists, huge_vmalloc_order,
        huge_folio_count, huge_folio_count_within_budget, radix_of_one_page, radix_to_everywhere, chunks_of_stripes, overlapping_segments,
        many_subtrees, many_regions, deep_fdt, many_files, long_lines, many_lines,
        many_roots, bomb,
    )
)  # fmt: skip
