"""A state without a decoder: the shapes that the app must cope with, hostile names and a list of 10^8 rows among them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from kho_tui.errors import InputError
from kho_tui.layout.place import Blob, Origin, Place
from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Column, Detail, Entity, RowSource, Value
from kho_tui.model.facts import Damaged, Stale, Status, Unavailable
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText, visible
from kho_tui.views.tui.loaded import Loaded

LUO = 0x7F80_1000
SESSIONS = 0x7F80_2000
BLOCKS_START = 0x1_0000_0000
HOSTILE = (
    b"\x1b[31mred\x1b[0m",
    b"[bold red]markup[/] $panic",
    b"line\nbreak\ttab\x07",
    "bidi \u202egpj.exe".encode(),
    b"\xff\xfe broken utf-8",
    "宽字符会话名宽字符会话名宽字符会话名".encode(),
    b"x" * 63,
)


class BlockRows:
    """10^8 blocks of order 0, every second page; computed, never stored."""

    columns = (Column("phys", Unit.PHYS, 18), Column("order", Unit.ORDER, 5))

    def __init__(self, count: int = 100_000_000) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def rows(self, start: int, count: int) -> list[tuple[int | bytes, ...]]:
        return [(BLOCKS_START + row * 8192, 0) for row in range(start, min(start + count, self._count))]

    def place(self, row: int) -> Place | None:
        return None

    def target(self, row: int) -> int | None:
        return BLOCKS_START + row * 8192

    def row_at(self, address: int) -> int | None:
        row, rest = divmod(address - BLOCKS_START, 8192)
        return row if 0 <= row < self._count and rest < 4096 else None


class BrokenRows(BlockRows):
    def rows(self, start: int, count: int) -> list[tuple[int | bytes, ...]]:
        raise InputError("the file has shrunk")


def memory(phys: int) -> Place:
    return Place(Origin.MEMORY, "memory.elf", phys - 0x7F80_0000, phys)


def entity(
    path: str,
    kind: str,
    title: bytes,
    *,
    children: Sequence[Entity] = (),
    detail: Callable[[], Detail] | None = None,
    status: Status = Status.DECODED,
    summary: str = "",
    reason: str = "",
    address: int | None = None,
    size: int = 0,
) -> Entity:
    made = Entity(
        path=EntityPath(tuple(path.split("/"))),
        kind=kind,
        title=visible(title),
        status=status,
        summary=SafeText(summary),
        reason=SafeText(reason),
        address=address,
        size=size,
        detail=detail or Detail,
    )
    if not children:
        return made
    return Entity(
        path=made.path,
        kind=made.kind,
        title=made.title,
        status=made.status,
        summary=made.summary,
        reason=made.reason,
        address=made.address,
        size=made.size,
        detail=made.detail,
        children=lambda: children,
    )


def luo_detail() -> Detail:
    data = b"luo-v5".ljust(16, b"\0") + struct.pack("<QQQQ", 3, SESSIONS, 1, 0x7F80_3000)
    blob = Blob(data.ljust(256, b"\0"), memory(LUO))
    source = "include/linux/kho/abi/luo.h, 7.2 to 7.3"
    at = blob.place.at
    return Detail(
        (
            Value(
                name="compatible",
                unit=Unit.TEXT,
                value=data[:16],
                meaning="format of this struct; a kernel that knows another one panics",
                source=source,
                place=at(0),
                size=16,
            ),
            Value(
                name="liveupdate_num",
                unit=Unit.COUNT,
                value=3,
                meaning="live updates since the last cold boot",
                source=source,
                place=at(16),
                size=8,
            ),
            Value(
                name="sessions_pa",
                unit=Unit.PHYS,
                value=SESSIONS,
                meaning="first block of the session list; 0 where no session is preserved",
                source=source,
                place=at(24),
                size=8,
            ),
            Value(name="nr_flbs", unit=Unit.COUNT, value=1, meaning="file-lifecycle-bound objects", source=source, place=at(32), size=8),
            Value(
                name="flbs_pa",
                unit=Unit.PHYS,
                value=0x7F80_3000,
                meaning="the FLB page",
                source=source,
                place=at(40),
                size=8,
                status=Status.STALE,
            ),
            Value(
                name="total_size",
                unit=Unit.BYTES,
                value=5 << 20,
                meaning="all memory that LUO metadata takes; not stored, summed from what was decoded",
            ),
            Value(
                name="checksum",
                unit=Unit.CHECKSUM,
                value=Unavailable(SafeText("memory.elf does not hold 0x7f803000")),
                meaning="checksum of the FLB page",
            ),
            Value(
                name="flags",
                unit=Unit.FLAGS,
                value=Damaged(SafeText("bits 12 to 63 are reserved and set")),
                meaning="flag bits of the first block",
                source=source,
                place=at(48),
                size=8,
            ),
        ),
        (blob,),
    )


def session(index: int, name: bytes) -> Entity:
    base = SESSIONS + 128 * index
    raw = name[:64].ljust(64, b"\0") + struct.pack("<QQ", 2, 0x7F80_9000)
    place = memory(base)

    def detail() -> Detail:
        return Detail(
            (
                Value(
                    name="name",
                    unit=Unit.TEXT,
                    value=raw[:64],
                    meaning="name the agent gave; lookup after the kexec goes by it",
                    source="luo.h",
                    place=place,
                    size=64,
                ),
                Value(
                    name="count",
                    unit=Unit.COUNT,
                    value=2,
                    meaning="files preserved in the session",
                    source="luo.h",
                    place=place.at(64),
                    size=8,
                ),
                Value(
                    name="files",
                    unit=Unit.PHYS,
                    value=0x7F80_9000,
                    meaning="first block of the file list",
                    source="luo.h",
                    place=place.at(72),
                    size=8,
                ),
                Value(
                    name="folio",
                    unit=Unit.PFN,
                    value=BLOCKS_START // 4096 + 4,
                    meaning="first folio",
                    source="memfd.h",
                    place=place.at(72),
                    size=8,
                ),
            ),
            (Blob(raw, place),),
        )

    path = EntityPath(("out", "LUO")).named(name)
    return Entity(path=path, kind="session", title=visible(name), summary=SafeText("2 files"), address=base, size=128, detail=detail)


def finding(index: int, code: str, message: str, where: str) -> Entity:
    def detail() -> Detail:
        return Detail(
            (
                Value(name="code", unit=Unit.TEXT, value=code.encode(), meaning="stable name of the rule"),
                Value(name="severity", unit=Unit.TEXT, value=b"error", meaning="what it means for the next kernel"),
                Value(name="message", unit=Unit.TEXT, value=message.encode(), meaning="what is wrong"),
                Value(name="where", unit=Unit.TEXT, value=where.encode(), meaning="Enter goes there"),
            )
        )

    return entity(f"findings/{code}-{index}", "finding", code.encode(), summary=message, detail=detail)


def fake_state(blocks: RowSource | None = None) -> Loaded:
    rows = blocks or BlockRows()
    preserved = Detail(
        (
            Value(name="blocks", unit=Unit.COUNT, value=len(rows), meaning="preserved blocks"),
            Value(name="bytes", unit=Unit.BYTES, value=len(rows) * 4096, meaning="memory in them"),
        ),
        (),
        rows,
    )

    def fail() -> Detail:
        raise ValueError("bug \x1b[31m")

    sessions = [session(0, b"vm-alpha"), session(1, b"vm-beta"), *(session(2 + i, name) for i, name in enumerate(HOSTILE))]
    out = entity(
        "out",
        "side",
        b"out",
        summary="kho-v4",
        children=[
            entity(
                "out/fdt",
                "fdt",
                b"root FDT",
                summary="233 bytes, cut short",
                status=Status.PARTIAL,
                reason="out/fdt is frozen at 233 bytes",
            ),
            entity("out/preserved", "map", b"preserved memory", summary=f"{len(rows)} blocks", detail=lambda: preserved),
            entity("out/LUO", "subtree", b"LUO", summary="3 sessions", address=LUO, size=4096, detail=luo_detail, children=sessions),
            entity("out/vfio", "subtree", b"vfio-v3", status=Status.UNKNOWN, reason="no release up to 7.3 writes vfio-v3"),
            entity("out/broken", "subtree", b"broken", detail=fail),
        ],
    )
    stale = Stale(SafeText("given back after the KHO boot"))
    inside = entity(
        "in",
        "side",
        b"in",
        summary="kho-v4",
        children=[
            entity(
                "in/preserved",
                "map",
                b"preserved memory",
                status=Status.STALE,
                reason="the kernel has given this memory back; it may look right and be wrong",
                detail=lambda: Detail((Value(name="blocks", unit=Unit.COUNT, value=stale, meaning="preserved blocks"),)),
            ),
            entity(
                "in/kho_test",
                "subtree",
                b"kho_test",
                status=Status.DAMAGED,
                reason="FDT magic is 0x0, 0xd00dfeed expected",
                address=0x7F80_4000,
                size=4096,
            ),
        ],
    )
    scratch = entity(
        "scratch",
        "scratch",
        b"scratch",
        summary="2 areas, 512 MiB",
        detail=lambda: Detail((Value(name="areas", unit=Unit.COUNT, value=2, meaning="entries"),)),
    )
    overview = entity(
        "overview",
        "overview",
        b"overview",
        detail=lambda: Detail(
            (
                Value(name="path", unit=Unit.TEXT, value=b"x86_64-7.3/2-pre", meaning="what was opened"),
                Value(name="kernel", unit=Unit.TEXT, value=b"7.3.4", meaning="release of the running kernel"),
                Value(name="page size", unit=Unit.BYTES, value=4096, meaning="both kernels must use the same one"),
            )
        ),
    )
    findings = entity(
        "findings",
        "findings",
        b"findings",
        summary="2 errors",
        children=[
            finding(0, "KHO012", "session count does not match the list", "out/LUO"),
            finding(1, "KHO101", "name without NUL", "out/LUO/vm-beta"),
        ],
    )
    root = Entity(path=EntityPath(), kind="state", title=SafeText("state"), children=lambda: (overview, scratch, inside, out, findings))
    verdict = SafeText(
        "7.3 handing over to the next kernel: kho-v4, 3 sessions, 100000000 preserved blocks (381 GiB); 2 errors found. "
        "A 7.2 or 7.3 kernel takes it; any other ignores it or panics on the LUO struct."
    )
    return Loaded(title=SafeText("x86_64-7.3/2-pre"), verdict=verdict, root=root)
