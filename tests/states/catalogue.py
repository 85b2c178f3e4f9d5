"""Named complete states. ``STATES[name]()`` builds a fresh one each time, so a test may damage it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from .image import AARCH64, X86_64, Arena, ByteOrder, Image
from .luo import File, Flb, Folio, Memfd, Session, luo, luo_first_draft
from .preserved import Block, Preserved
from .producers import RootStyle, Subtree, blob, kexec_metadata, memblock, root_fdt, test_kho
from .tracker import chunks, radix, radix_key

GIB = 1 << 30
_FOLIOS = 8 * GIB
_LOWMEM, _GLOBAL, _NODE_0, _NODE_1 = 0x6000_0000, 4 * GIB, 4 * GIB + (GIB >> 1), 5 * GIB
_REGIONS = 2 * GIB


@dataclass(frozen=True, slots=True)
class State:
    """What a kernel left in memory.

    ``truth`` has the shape of a capture's expected.json; ``alternative`` is the other reading where the state allows two. ``root`` is the
    address of the root FDT, ``fdt`` its totalsize bytes, ``blobs`` the bytes of the subtrees, ``ram`` and ``scratch`` are (start, size).
    ``release`` is a kernel that writes such a state, None if none ever did.
    """

    name: str
    release: str | None
    machine: int
    image: Image
    root: int
    fdt: bytes
    blobs: dict[str, bytes]
    ram: tuple[tuple[int, int], ...]
    scratch: tuple[tuple[int, int], ...]
    scratch_address: int
    scratch_table: bytes
    truth: dict[str, Any]
    alternative: dict[str, Any] | None = None

    def to_elf(self, path: Path) -> None:
        self.image.to_elf(path, self.machine)


class Machine:
    """16 GiB of RAM, two nodes, a scratch table, and a root FDT page that waits for its bytes."""

    def __init__(self, page_size: int = 4096, byte_order: ByteOrder = "little", base: int = 0x100_0000) -> None:
        self.image = Image(page_size, byte_order, base)
        self.preserved = Preserved(self.image)
        self.folios = Arena(_FOLIOS, page_size)
        area = {4096: 64 << 20, 16384: 64 << 20, 65536: 512 << 20}[page_size]
        self.scratch = tuple((start, area) for start in (_LOWMEM, _GLOBAL, _NODE_0, _NODE_1))
        self.scratch_address = self.image.alloc(at=_LOWMEM + area - 0x10000)
        self.scratch_table = b"".join(self.image.pack("QQ", *entry) for entry in self.scratch)
        self.image.write(self.scratch_address, self.scratch_table)
        self.root = self.preserved.alloc()

    def memfd(self, orders: Sequence[int], size: int | None = None, pos: int = 0, seals: int = 0) -> Memfd:
        """A memfd on folios of the given orders, in the file one after the other; full length unless ``size`` is given."""
        folios, index = [], 0
        for order in orders:
            folios.append(Folio(self.folios.take(1 << order, 1 << order), order, index))
            index += 1 << order
        return Memfd(index * self.image.page_size if size is None else size, tuple(folios), pos, seals)

    def regions(self) -> Subtree:
        """Two ``reserve_mem`` regions, the second of a size that is split into several blocks."""
        page = self.image.page_size
        return memblock(self.preserved, [(b"oops_trace", _REGIONS, 1024 * page), (b"pstore", _REGIONS + 2048 * page, 7 * page)])

    def test_folios(self, count: int = 5) -> list[Block]:
        return [(self.folios.take(1 << order, 1 << order), order) for order in [3, 0, 10, 1, 5, 2, 9][:count]]

    def finish(
        self,
        name: str,
        release: str | None,
        subtrees: Sequence[Subtree],
        style: RootStyle,
        compatible: bytes,
        bitmap_bytes: int | None = None,
        removed: Sequence[Block] = (),
    ) -> State:
        """Write tracker (``bitmap_bytes`` is for the chunk list) and root FDT."""
        image, blocks = self.image, self.preserved.blocks
        if style in ("6.17", "7.0"):
            tracker = chunks(image, blocks, bitmap_bytes or image.page_size, removed)
        else:
            tracker = radix(image, blocks, "v2" if style == "v2" else "v3", removed)
        fdt = root_fdt(self.preserved, compatible, tracker, subtrees, style)
        image.write(self.root, fdt)
        sized = style == "7.3"
        truth = {
            "compatible": compatible.decode(),
            "map": tracker,
            "totalsize": len(fdt),
            "subtrees": [
                {
                    "name": subtree.name.decode("utf-8", "surrogateescape"),
                    "phys": subtree.phys,
                    "size": len(subtree.blob) if sized else None,
                    **subtree.truth,
                }
                for subtree in subtrees
            ],
            "preserved": self.preserved.ascending(),
            "fdt_phys": [self.root],
        }
        return State(
            name=name,
            release=release,
            machine=AARCH64 if image.page_size > 4096 or image.byte_order == "big" else X86_64,
            image=image,
            root=self.root,
            fdt=fdt,
            blobs={subtree.name.decode("utf-8", "surrogateescape"): subtree.blob for subtree in subtrees},
            ram=((0, 3 * GIB), (4 * GIB, 12 * GIB)),
            scratch=self.scratch,
            scratch_address=self.scratch_address,
            scratch_table=self.scratch_table,
            truth=truth,
        )


FLBS = tuple(Flb(f"liveupdate-test-flb-v{i}".encode(), 0xFEEDF00DCAFEBEE0 + i, 4) for i in range(3))


def sample_sessions(machine: Machine, handler: bytes = b"memfd-v2") -> list[Session]:
    """Two VMs (large folios, an unaligned size, seals, an empty memfd) and a session without files."""
    page = machine.image.page_size
    sealed = 0 if handler == b"memfd-v1" else 6
    alpha = (
        File(0x1, handler, machine.memfd([0, 0, 2, 9, 0, 0], pos=12345)),
        File(0x2, handler, machine.memfd([0], size=page, seals=sealed)),
        File(0xFFFF_FFFF_FFFF_FFFF, handler, Memfd(0)),
    )
    return [
        Session(b"vm-alpha", alpha),
        Session(b"empty"),
        Session(b"vm-beta", (File(0xDEADBEEF, handler, machine.memfd([0] * 40, size=39 * page + 17)),)),
    ]


def kho_v1_slab_bitmaps() -> State:
    """6.17: order 0 has more elements than one chunk holds, order 4 an element whose bits are all clear again."""
    machine = Machine()
    for i in range(300):
        machine.preserved.folio(_FOLIOS + GIB + i * (16 << 20) + i * 4096)
    tests = test_kho(machine.preserved, machine.test_folios(), "inline")
    return machine.finish("kho-v1-slab-bitmaps", "6.17", [tests, machine.regions()], "6.17", b"kho-v1", 512, [(3 * _FOLIOS, 4)])


def kho_v1_inline() -> State:
    """6.17 with a two-folio test payload: 16 inline bytes are as long as the descriptor of later releases."""
    machine = Machine()
    tests = test_kho(machine.preserved, machine.test_folios(2), "inline")
    return machine.finish("kho-v1-inline-two", "6.17", [tests], "6.17", b"kho-v1", 512)


def kho_v1_page_bitmaps() -> State:
    machine = Machine()
    tests = test_kho(machine.preserved, machine.test_folios(), "vmalloc")
    return machine.finish("kho-v1-page-bitmaps", "6.18", [tests, machine.regions()], "6.17", b"kho-v1", removed=[(3 * _FOLIOS, 4)])


def kho_v1_ambiguous() -> State:
    """One element, aligned for both bitmap sizes.

    ``truth`` reads 512 bytes; ``alternative`` reads the page, and so the slab objects behind them too.
    """
    machine = Machine(base=0x20_0000)
    subtree = memblock(machine.preserved, [(b"pstore", 0x80_1000, 4096)])
    state = machine.finish("kho-v1-ambiguous", "6.17", [subtree], "6.17", b"kho-v1", 512)
    (bitmap,) = machine.image.unpack("Q", machine.image.read(state.truth["map"] + 24, 8))
    neighbours = [4096, 5000, 5001, 32767]
    machine.image.set_bits(bitmap, neighbours)
    alternative = {**state.truth, "preserved": state.truth["preserved"] + [[bit << 12, 0] for bit in neighbours]}
    return replace(state, alternative=alternative)


def kho_v1_big_endian() -> State:
    machine = Machine(byte_order="big")
    sessions = luo(machine.preserved, 1, 1, sample_sessions(machine, b"memfd-v1"), None)
    return machine.finish("kho-v1-big-endian", None, [machine.regions(), sessions], "7.0", b"kho-v1")


def luo_v1(release: Literal["6.19", "7.0", "7.1"]) -> State:
    """6.19 without FLB part, 7.0 with one, 7.1 with radix tree and memfd-v2."""
    machine = Machine()
    handler = b"memfd-v2" if release == "7.1" else b"memfd-v1"
    sessions = luo(machine.preserved, 1, 2, sample_sessions(machine, handler), None if release == "6.19" else FLBS)
    subtrees = [machine.regions(), sessions]
    if release != "7.1":
        return machine.finish(f"luo-v1-{release}", release, subtrees, "7.0", b"kho-v1")
    return machine.finish("luo-v1-7.1", release, [*subtrees, kexec_metadata(machine.preserved, b"7.1.13", 2)], "7.3", b"kho-v3")


def luo_v1_first_draft() -> State:
    machine = Machine()
    sessions = luo_first_draft(machine.preserved, 1, [b"vm-alpha", b"vm-beta"])
    return machine.finish("luo-v1-first-draft", None, [sessions], "7.0", b"kho-v1")


def kho_v2(page_size: int) -> State:
    """On 16 KiB pages the order-0 marker is lost: ``truth`` is what the tree says, ``alternative`` what was meant."""
    machine = Machine(page_size)
    sessions = luo(machine.preserved, 1, 1, sample_sessions(machine), FLBS)
    name = f"kho-v2-{page_size >> 10}k"
    state = machine.finish(name, None, [machine.regions(), sessions], "v2", b"kho-v2")
    if page_size != 16384:
        return state
    said = sorted(_without_marker(phys, order) for phys, order in machine.preserved.blocks)
    return replace(state, alternative=state.truth, truth={**state.truth, "preserved": [list(block) for block in said]})


def _without_marker(phys: int, order: int) -> Block:
    key = radix_key(16384, phys, order) % (1 << 50)
    read_order = 50 - (key.bit_length() - 1)
    return (key << (14 + read_order)) % (1 << 64), read_order


def kho_v3_16k() -> State:
    machine = Machine(16384)
    tests = test_kho(machine.preserved, machine.test_folios(), "vmalloc")
    sessions = luo(machine.preserved, 1, 1, sample_sessions(machine), FLBS)
    subtrees = [machine.regions(), sessions, tests, kexec_metadata(machine.preserved, b"7.1.13")]
    return machine.finish("kho-v3-16k", "7.1", subtrees, "7.3", b"kho-v3")


def kho_v4(page_size: int = 4096, byte_order: ByteOrder = "little") -> State:
    """Every subsystem of 7.3, and a leaf that lost its only block."""
    machine = Machine(page_size, byte_order)
    tests = test_kho(machine.preserved, machine.test_folios(), "vmalloc")
    sessions = luo(machine.preserved, 5, 3, sample_sessions(machine), FLBS)
    subtrees = [machine.regions(), sessions, tests, kexec_metadata(machine.preserved, b"7.3.4", 3)]
    little = byte_order == "little"
    name = f"kho-v4-{page_size >> 10}k" if little else "kho-v4-big-endian"
    return machine.finish(name, "7.3" if little else None, subtrees, "7.3", b"kho-v4", removed=[(3 * _FOLIOS, 4)])


def luo_struct(version: Literal[2, 3, 4]) -> State:
    machine = Machine()
    sessions = luo(machine.preserved, version, 4, sample_sessions(machine), FLBS)
    root = b"kho-v4" if version == 4 else b"kho-v3"
    return machine.finish(f"luo-v{version}", None, [sessions, kexec_metadata(machine.preserved, b"7.2.0-rc1", 4)], "7.3", root)


def _kho_v4_with(name: str, machine: Machine, *subtrees: Subtree) -> State:
    return machine.finish(name, "7.3", [*subtrees, kexec_metadata(machine.preserved, b"7.3.4")], "7.3", b"kho-v4")


def unknown_root() -> State:
    """The layout of kho-v4 under a string nobody knows."""
    machine = Machine()
    return machine.finish("unknown-root", None, [machine.regions()], "7.3", b"kho-v9")


def unknown_subtrees() -> State:
    """A blob without a known name, and a FDT one with a ``compatible`` nobody knows."""
    machine = Machine()
    raw = blob(machine.preserved, b"telemetry", bytes(range(100)))
    regions = machine.regions()
    newer = regions.blob.replace(b"memblock-v1\0", b"memblock-v7\0")
    machine.image.write(regions.phys, newer)
    tree = Subtree(b"memblock", regions.phys, newer, {"compatible": "memblock-v7"})
    return _kho_v4_with("unknown-subtrees", machine, raw, tree)


def unknown_handler() -> State:
    machine = Machine()
    files = (
        File(0x10, b"vfio-v3", data=0xDEAD_BEEF_0000_1234),
        File(0x11, b"memfd-v2", machine.memfd([0])),
        File(0x12, b"memfd-v9", data=machine.preserved.alloc()),
    )
    return _kho_v4_with("unknown-handler", machine, luo(machine.preserved, 5, 1, [Session(b"vm-passthrough", files)], ()))


def many_sessions(count: int) -> State:
    """51 fill a block exactly, 120 need three."""
    machine = Machine()
    sessions = [Session(f"vm-{i:03}".encode(), (File(i, memfd=machine.memfd([0])),) if i % 10 == 0 else ()) for i in range(count)]
    return _kho_v4_with(f"sessions-{count}", machine, luo(machine.preserved, 5, 1, sessions, ()))


def many_files() -> State:
    machine = Machine()
    files = tuple(File(0x1000 + i, memfd=machine.memfd([i % 3])) for i in range(200))
    return _kho_v4_with("files-200", machine, luo(machine.preserved, 5, 1, [Session(b"vm-many", files)], ()))


def vmalloc_exact_fit() -> State:
    """A folio array of 511 pages fills a chunk, so an empty one follows."""
    machine = Machine()
    memfd = machine.memfd([0] * (511 * 256))
    return _kho_v4_with("vmalloc-exact-fit", machine, luo(machine.preserved, 5, 1, [Session(b"vm-exact", (File(1, memfd=memfd),))], ()))


HOSTILE_NAMES = (
    b"\x1b[2J\x1b]0;owned\x07",
    "user\u202etxt.exe\u2066".encode(),
    b"[red]not markup[/red]",
    b"two\nlines\r\tand more",
    b"../../etc/passwd",
    b"\xff\xfe not utf-8 \xc3",
    b"back\\slash \\x1b",
    b"\xc2\x9b31mC1 and \x7f DEL",
    b"-rf --help",
    b"x" * 63,
)
"""Legal session names that hurt a careless screen."""


def hostile_names() -> State:
    machine = Machine()
    preserved = machine.preserved
    sessions = [Session(name, (File(i, memfd=machine.memfd([0])),)) for i, name in enumerate(HOSTILE_NAMES)]
    sessions.append(Session(b"handler", (File(1, b"[bold]vfio\x1b[31m", data=7),)))
    names = luo(preserved, 5, 1, sessions, [Flb(b"flb\x1b[5m[blink]", 1, 1)])
    regions = memblock(preserved, [(b"[b]\x1b[7m", _REGIONS, 4096), ("\u202emem".encode(), _REGIONS + 8192, 8192)])
    subtrees = [blob(preserved, b"sub\x1b[1m\ntree[/]", b"\x1b[31m" * 8), regions, names, kexec_metadata(preserved, b"7.3.4\x1b[2J[red]")]
    return machine.finish("hostile-names", None, subtrees, "7.3", b"kho-v4")


def unterminated_names() -> State:
    """Damage: names that fill their field, so that no NUL ends them."""
    machine = Machine()
    sessions = [Session(b"n" * 64, (File(1, b"c" * 48, data=1),))]
    subtrees = [luo(machine.preserved, 5, 1, sessions, [Flb(b"f" * 48, 1, 1)]), kexec_metadata(machine.preserved, b"r" * 65)]
    return machine.finish("unterminated-names", None, subtrees, "7.3", b"kho-v4")


STATES: dict[str, Callable[[], State]] = {
    "kho-v1-slab-bitmaps": kho_v1_slab_bitmaps,
    "kho-v1-inline-two": kho_v1_inline,
    "kho-v1-page-bitmaps": kho_v1_page_bitmaps,
    "kho-v1-ambiguous": kho_v1_ambiguous,
    "kho-v1-big-endian": kho_v1_big_endian,
    "kho-v2-4k": lambda: kho_v2(4096),
    "kho-v2-16k": lambda: kho_v2(16384),
    "kho-v2-64k": lambda: kho_v2(65536),
    "kho-v3-16k": kho_v3_16k,
    "kho-v4-4k": kho_v4,
    "kho-v4-16k": lambda: kho_v4(16384),
    "kho-v4-64k": lambda: kho_v4(65536),
    "kho-v4-big-endian": lambda: kho_v4(byte_order="big"),
    "luo-v1-first-draft": luo_v1_first_draft,
    "luo-v1-6.19": lambda: luo_v1("6.19"),
    "luo-v1-7.0": lambda: luo_v1("7.0"),
    "luo-v1-7.1": lambda: luo_v1("7.1"),
    "luo-v2": lambda: luo_struct(2),
    "luo-v3": lambda: luo_struct(3),
    "luo-v4": lambda: luo_struct(4),
    "unknown-root": unknown_root,
    "unknown-subtrees": unknown_subtrees,
    "unknown-handler": unknown_handler,
    "sessions-51": lambda: many_sessions(51),
    "sessions-120": lambda: many_sessions(120),
    "files-200": many_files,
    "vmalloc-exact-fit": vmalloc_exact_fit,
    "hostile-names": hostile_names,
    "unterminated-names": unterminated_names,
}
