"""Large states for benchmarks: metadata pages only, as an ELF core, always the same bytes.

``python benchmarks/large_states.py host|chunks|mixed OUT.elf`` writes OUT.elf and what is true of it to OUT.json.

host    12 TiB, 10^8 order-0 pages in runs of 512, kho-v4: nearly every leaf of the radix tree exists (384 MiB)
chunks  the same pages as a kho-v1 chunk list with page bitmaps
mixed   150,000 blocks of orders 0 to 18, 64 sessions of four memfds each, kho-v4
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from states.image import X86_64, Image, elf_header
from states.luo import File, Flb, Folio, Memfd, Session, luo, memfd_struct
from states.preserved import Preserved
from states.producers import RootStyle, Subtree, kexec_metadata, memblock, root_fdt, vmalloc

U64 = npt.NDArray[np.uint64]
Kind = Literal["host", "chunks", "mixed"]

PAGE, SHIFT = 4096, 12
ORDER_0_BIT, LEAF_BITS, TABLE_BITS, INNER_LEVELS = 52, 15, 9, 5
CHUNK_CAPACITY = (PAGE - 16) // 16
GIB = 1 << 30
MACHINE = 12 << 40
LOW = 4 * GIB
"""Below: metadata, tracker and scratch. Above: what is preserved."""
TRACKER = 1 * GIB
SCRATCH = ((2 * GIB, GIB // 4), (3 * GIB, GIB // 2), (2 * GIB + GIB // 4, GIB // 4), (2 * GIB + GIB // 2, GIB // 4))
RUN = 512
HOST_PAGES = 100_000_000
MEMFD_FOLIOS = 4_000_000
SESSIONS, FILES, FOLIOS_PER_FILE = 64, 4, 400
MIXED_BLOCKS = 150_000
GROUP = 2048
"""Tracker pages made at a time."""


@dataclass(frozen=True, eq=False)
class Runs:
    """Preserved blocks as runs of tracker keys (order marker and page number), ascending; no run leaves its bitmap."""

    start: U64
    count: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tracker:
    """``heads`` are the pages above the bitmaps, radix nodes or chunks, 512 words each.

    ``addresses`` are of the heads, then of the bitmaps, which stand for the keys from ``leaf_ids`` * 32768 on.
    """

    root: int
    heads: U64
    leaf_ids: U64
    addresses: U64


class Host:
    """The low memory of the machine: root FDT page, scratch table, metadata."""

    def __init__(self) -> None:
        self.image = Image(PAGE)
        self.preserved = Preserved(self.image)
        self.root = self.preserved.alloc()
        self.scratch_address = self.image.alloc(at=SCRATCH[0][0] + SCRATCH[0][1] - 0x10000)
        self.image.write(self.scratch_address, b"".join(self.image.pack("QQ", *area) for area in SCRATCH))


def generate(kind: Kind, path: Path, *, without: int = 0) -> dict[str, Any]:
    """Write the state to ``path`` and return its truth. ``without``: so many pages are left out, each the last of a run."""
    host = Host()
    sessions: list[dict[str, Any]]
    if kind == "mixed":
        scattered = np.zeros(0, np.uint64)
        subtrees, sessions = mixed_subtrees(host)
    else:
        scattered = scattered_runs()
        subtrees, sessions = host_subtrees(host, scattered, kind)
    runs = without_pages(tracker_runs(host.preserved, scattered), without)
    tracker = lay_out(runs, chunk_heads if kind == "chunks" else radix_heads)
    style: RootStyle = "7.0" if kind == "chunks" else "7.3"
    compatible = "kho-v1" if kind == "chunks" else "kho-v4"
    fdt = root_fdt(host.preserved, compatible.encode(), tracker.root, subtrees, style)
    host.image.write(host.root, fdt)
    with path.open("wb") as stream:
        write_core(stream, host.image, tracker, runs)
    orders = key_orders(runs.start)
    by_order = {str(order): int(runs.count[orders == order].sum()) for order in np.unique(orders).tolist()}
    gaps = np.count_nonzero(runs.start[1:] != runs.start[:-1] + runs.count[:-1].astype(np.uint64))
    return {
        "kind": kind,
        "compatible": compatible,
        "page_size": PAGE,
        "fdt_phys": host.root,
        "totalsize": len(fdt),
        "map": tracker.root,
        "ram": [[0, MACHINE]],
        "scratch": [list(area) for area in SCRATCH],
        "scratch_address": host.scratch_address,
        "preserved": {
            "blocks": sum(by_order.values()),
            "bytes": sum(PAGE * count << int(order) for order, count in by_order.items()),
            "runs": int(gaps) + 1,
            "by_order": by_order,
        },
        "tracker": {"bitmaps": len(tracker.leaf_ids), "chunks" if kind == "chunks" else "nodes": len(tracker.heads)},
        "subtrees": [{"name": s.name.decode(), "phys": s.phys, "size": len(s.blob) if kind != "chunks" else None} for s in subtrees],
        "sessions": sessions,
    }


def scattered_runs() -> U64:
    """First page numbers of the host's runs, ascending: one in every bitmap's span, the rest anywhere, none beside another."""
    rng = np.random.default_rng(1)
    slot_pages = 2 * RUN
    per_leaf = (1 << LEAF_BITS) // slot_pages
    first, last = LOW >> SHIFT >> LEAF_BITS, MACHINE >> SHIFT >> LEAF_BITS
    leaves = np.arange(first, last)
    taken = leaves * per_leaf + rng.integers(0, per_leaf, len(leaves))
    free = np.setdiff1d(np.arange(first * per_leaf, last * per_leaf), taken, assume_unique=True)
    more = rng.choice(free, -(-HOST_PAGES // RUN) - len(taken), replace=False)
    slots = np.sort(np.concatenate([taken, more]))
    return (slots * slot_pages + rng.integers(0, RUN, len(slots))).astype(np.uint64)


def host_subtrees(host: Host, scattered: U64, kind: Kind) -> tuple[list[Subtree], list[dict[str, Any]]]:
    preserved = host.preserved
    handler = b"memfd-v1" if kind == "chunks" else b"memfd-v2"
    rng = np.random.default_rng(2)
    chosen = rng.permutation(len(scattered) - 1)[: -(-MEMFD_FOLIOS // RUN)]
    folios = np.empty((MEMFD_FOLIOS, 2), "<u8")
    pfns: U64 = np.add.outer(scattered[chosen], np.arange(RUN, dtype=np.uint64)).reshape(-1)[:MEMFD_FOLIOS]
    folios[:, 0] = pfns | np.uint64(3 << 52)
    folios[:, 1] = np.arange(MEMFD_FOLIOS)
    data = folios.tobytes()
    pages = -(-len(data) // PAGE)
    area = host.image.alloc(pages)
    descriptor = vmalloc(preserved, data, entries=[area + int(i) * PAGE for i in rng.permutation(pages)])
    memfd = Memfd(MEMFD_FOLIOS * PAGE)
    struct_at = memfd_struct(preserved, handler, memfd, MEMFD_FOLIOS, descriptor)
    sessions = [
        Session(b"vm-large", (File(0x1, handler, data=struct_at), File(0x2, handler, Memfd(0)))),
        Session(b"vm-small", (File(0x1, handler, Memfd(0)),)),
        Session(b"empty"),
    ]
    live_update = luo(preserved, 1 if kind == "chunks" else 5, 2, sessions, [Flb(b"liveupdate-test-flb-v0", 0xFEEDF00DCAFEBEE0, 3)])
    subtrees = [memblock(preserved, [(b"oops_trace", 0x3000_0000, 64 << 20)]), live_update]
    if kind == "host":
        subtrees.append(kexec_metadata(preserved, b"7.3.4", 2))
    truth = [session_truth(session) for session in sessions]
    truth[0]["files"][0] = {"token": 0x1, "size": memfd.size, "folios": MEMFD_FOLIOS}
    return subtrees, truth


def mixed_subtrees(host: Host) -> tuple[list[Subtree], list[dict[str, Any]]]:
    preserved = host.preserved
    regions = [(f"region{i}".encode(), (8 << 40) + 4 * GIB * i + PAGE, (2 * GIB) - PAGE) for i in range(8)]
    blocks = mixed_blocks()
    preserved.blocks.update(blocks)
    folios = [block for block in blocks if block[1] <= 9]
    random.Random(4).shuffle(folios)
    supply = iter(folios)
    sessions = []
    for i in range(SESSIONS):
        files = tuple(File(0x100 + j, memfd=mixed_memfd(supply)) for j in range(FILES))
        sessions.append(Session(f"vm-{i:02}".encode(), files))
    live_update = luo(preserved, 5, 2, sessions, [Flb(b"liveupdate-test-flb-v0", 0xFEEDF00DCAFEBEE0, SESSIONS * FILES)])
    subtrees = [memblock(preserved, regions), live_update, kexec_metadata(preserved, b"7.3.4", 2)]
    return subtrees, [session_truth(session) for session in sessions]


def mixed_blocks() -> list[tuple[int, int]]:
    """Bursts of equal neighbours, small orders far more often than large ones, between them a gap now and then."""
    rng = random.Random(3)
    orders = list(range(19))
    weights = [40, 12, 8, 8, 10, 6, 4, 4, 4, 12, 3, 1, 0.8, 0.6, 0.4, 0.3, 0.2, 0.1, 0.1]
    pfn = LOW >> SHIFT
    blocks: list[tuple[int, int]] = []
    while len(blocks) < MIXED_BLOCKS:
        order = rng.choices(orders, weights)[0]
        pfn = -(-(pfn + rng.choice((0, 1, 100))) >> order) << order
        for _ in range(min(rng.randint(1, 24 if order < 12 else 2), MIXED_BLOCKS - len(blocks))):
            blocks.append((pfn << SHIFT, order))
            pfn += 1 << order
    return blocks


def mixed_memfd(supply: Iterator[tuple[int, int]]) -> Memfd:
    folios, index = [], 0
    for _ in range(FOLIOS_PER_FILE):
        phys, order = next(supply)
        folios.append(Folio(phys, order, index))
        index += 1 << order
    return Memfd(index * PAGE - 123, tuple(folios), seals=6)


def session_truth(session: Session) -> dict[str, Any]:
    memfds = [(file.token, file.memfd or Memfd(0)) for file in session.files]
    files = [{"token": token, "size": memfd.size, "folios": len(memfd.folios)} for token, memfd in memfds]
    return {"name": session.name.decode(), "files": files}


def tracker_runs(preserved: Preserved, scattered: U64) -> Runs:
    blocks = np.array(preserved.ascending(), np.uint64)
    orders = blocks[:, 1]
    single = (np.uint64(1) << (np.uint64(ORDER_0_BIT) - orders)) | (blocks[:, 0] >> (orders + np.uint64(SHIFT)))
    start = np.concatenate([single, scattered | np.uint64(1 << ORDER_0_BIT)])
    count = np.ones(len(start), np.int64)
    count[len(single) :] = RUN
    if len(scattered):
        count[-1] -= len(scattered) * RUN - HOST_PAGES
    ascending = np.argsort(start)
    return Runs(start[ascending], count[ascending])


def without_pages(runs: Runs, pages: int) -> Runs:
    """The same, with the last page of so many runs left out; the runs are spread over all that have more than one."""
    long = np.flatnonzero(runs.count > 1)
    assert len(long) >= pages
    count = runs.count.copy()
    count[long[np.linspace(0, len(long) - 1, pages).astype(np.int64)]] -= 1
    return Runs(runs.start, count)


def key_orders(keys: U64) -> npt.NDArray[np.int64]:
    """The order that a key's highest bit stands for; the upper half is enough, and exact as a float."""
    high = (keys >> np.uint64(LEAF_BITS)).astype(np.float64)
    return ORDER_0_BIT - LEAF_BITS + 1 - np.frexp(high)[1].astype(np.int64)


@dataclass(frozen=True, eq=False)
class Heads:
    """The pages above the bitmaps before they have addresses.

    Word (row, column) of them points to page ``target``, heads counted first, then bitmaps. Row 0 is the root.
    """

    words: U64
    row: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    target: npt.NDArray[np.int64]


def radix_heads(leaf_ids: U64) -> Heads:
    levels = [leaf_ids]
    for _ in range(INNER_LEVELS):
        levels.append(np.unique(levels[-1] >> np.uint64(TABLE_BITS)))
    levels.reverse()
    sizes = [len(level) for level in levels]
    first = np.concatenate([[0], np.cumsum(sizes)])
    row, column, target = [], [], []
    for i in range(1, len(levels)):
        parents = np.searchsorted(levels[i - 1], levels[i] >> np.uint64(TABLE_BITS))
        row.append(parents + first[i - 1])
        column.append((levels[i] & np.uint64((1 << TABLE_BITS) - 1)).astype(np.int64))
        target.append(np.arange(len(levels[i])) + first[i])
    words = np.zeros((int(first[INNER_LEVELS]), PAGE // 8), np.uint64)
    return Heads(words, np.concatenate(row), np.concatenate(column), np.concatenate(target))


def chunk_heads(leaf_ids: U64) -> Heads:
    orders = key_orders(leaf_ids << np.uint64(LEAF_BITS))
    parts: list[tuple[int, npt.NDArray[np.int64]]] = []
    for order in np.unique(orders).tolist():
        of_order = np.flatnonzero(orders == order)
        parts += [(order, of_order[i : i + CHUNK_CAPACITY]) for i in range(0, len(of_order), CHUNK_CAPACITY)]
    words = np.zeros((len(parts), PAGE // 8), np.uint64)
    row, column, target = [np.arange(len(parts) - 1)], [np.zeros(len(parts) - 1, np.int64)], [np.arange(1, len(parts))]
    for i, (order, elements) in enumerate(parts):
        words[i, 1] = order | len(elements) << 32
        without_marker = (leaf_ids[elements] << np.uint64(LEAF_BITS)) - np.uint64(1 << (ORDER_0_BIT - order))
        words[i, 2 : 2 + 2 * len(elements) : 2] = without_marker << np.uint64(SHIFT + order)
        row.append(np.full(len(elements), i))
        column.append(3 + 2 * np.arange(len(elements)))
        target.append(len(parts) + elements)
    return Heads(words, np.concatenate(row), np.concatenate(column), np.concatenate(target))


def lay_out(runs: Runs, build: Callable[[U64], Heads]) -> Tracker:
    """Give every tracker page an address; they lie in no order, as pages that were allocated on first use do."""
    leaf_ids = np.unique(runs.start >> np.uint64(LEAF_BITS))
    heads = build(leaf_ids)
    shuffled = np.random.default_rng(5).permutation(len(heads.words) + len(leaf_ids))
    addresses = (TRACKER + shuffled * PAGE).astype(np.uint64)
    heads.words[heads.row, heads.column] = addresses[heads.target]
    return Tracker(int(addresses[0]), heads.words, leaf_ids, addresses)


def write_core(stream: BinaryIO, image: Image, tracker: Tracker, runs: Runs) -> None:
    extents = sorted([*image.extents(), (TRACKER, len(tracker.addresses) * PAGE)])
    assert all(sum(lower) <= higher[0] for lower, higher in pairwise(extents)), "metadata and tracker overlap"
    stream.write(elf_header(extents, X86_64, "little", PAGE))
    for start, size in extents:
        if start == TRACKER:
            stream.writelines(pages.tobytes() for pages in tracker_pages(tracker, runs))
        else:
            stream.write(image.read(start, size))


def tracker_pages(tracker: Tracker, runs: Runs) -> Iterator[npt.NDArray[np.uint8]]:
    """The tracker's pages in order of address, a group at a time, shape (pages, 4096)."""
    by_address = np.argsort(tracker.addresses)
    leaf_of_run = runs.start >> np.uint64(LEAF_BITS)
    first = np.searchsorted(leaf_of_run, tracker.leaf_ids, "left").tolist()
    last = np.searchsorted(leaf_of_run, tracker.leaf_ids, "right").tolist()
    begin = (runs.start & np.uint64((1 << LEAF_BITS) - 1)).astype(np.int64)
    end = (begin + runs.count).tolist()
    starts: Sequence[int] = begin.tolist()
    for group in range(0, len(by_address), GROUP):
        members = by_address[group : group + GROUP].tolist()
        bits = np.zeros((len(members), PAGE * 8), np.uint8)
        for row, member in enumerate(members):
            leaf = member - len(tracker.heads)
            if leaf >= 0:
                for run in range(first[leaf], last[leaf]):
                    bits[row, starts[run] : end[run]] = 1
        pages = np.packbits(bits, axis=1, bitorder="little")
        for row, member in enumerate(members):
            if member < len(tracker.heads):
                pages[row] = tracker.heads[member].astype("<u8").view(np.uint8)
        yield pages


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 2 or arguments[0] not in ("host", "chunks", "mixed"):
        print(__doc__, file=sys.stderr)
        return 2
    kind: Kind = arguments[0]  # type: ignore[assignment]
    path = Path(arguments[1])
    truth = json.dumps(generate(kind, path))
    path.with_suffix(".json").write_text(truth + "\n")
    print(truth)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
