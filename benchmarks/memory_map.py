"""The memory map at scale: opening, first map, a zoom, a whois; seconds and peak memory, each state in a process of its own.

    python benchmarks/memory_map.py [--small]

States are made in a temporary directory: trackers of 10^6 and 10^8 preserved pages (``--small``: only 10^6) as radix tree and as chunk
list, with pages edge-free (whole bitmaps), clustered (mean run 512), random (every other page) and isolated (one in 64). They hold a
root FDT and kexec-metadata; the host of large_states.py adds one memfd of four million folios.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from large_states import LEAF_BITS, LOW, ORDER_0_BIT, PAGE, SHIFT, TRACKER, Host, chunk_heads, generate, radix_heads
from states.image import X86_64, elf_header
from states.producers import kexec_metadata, root_fdt

from kho_tui.model.kinds import KINDS

Pattern = Literal["edge-free", "clustered", "random", "isolated"]
PATTERNS: dict[Pattern, int] = {"edge-free": 1, "clustered": 2, "random": 2, "isolated": 64}
"""By name: one page in so many is preserved."""
LEAF_PAGES = 1 << LEAF_BITS


def leaves_of(pattern: Pattern, count: int) -> npt.NDArray[np.uint8]:
    """Bitmaps of one pattern, bytes of shape (count, 4096)."""
    rng = np.random.default_rng(7)
    if pattern == "edge-free":
        return np.full((count, PAGE), 0xFF, np.uint8)
    if pattern == "random":
        return rng.integers(0, 256, (count, PAGE), np.uint8)
    if pattern == "isolated":
        leaf = np.zeros(PAGE, np.uint8)
        leaf[::8] = 1
        return np.tile(leaf, (count, 1))
    # Runs of 512 pages at a random place in each stretch of 1024: 64 bytes of ones in 128.
    bitmaps = np.zeros((count, PAGE // 128, 128), np.uint8)
    at = rng.integers(0, 64, (count, PAGE // 128))
    np.put_along_axis(bitmaps, at[:, :, None] + np.arange(64), 0xFF, axis=2)
    return bitmaps.reshape(count, PAGE)


def write_state(path: Path, pattern: Pattern, pages: int, *, chunks: bool) -> int:
    """Write the state and return how many pages of the pattern it preserves."""
    host = Host()
    subtrees = [] if chunks else [kexec_metadata(host.preserved, b"7.3.4", 1)]
    count = -(-pages * PATTERNS[pattern] // LEAF_PAGES)
    bulk = leaves_of(pattern, count)
    first = LOW >> SHIFT >> LEAF_BITS
    marker = 1 << (ORDER_0_BIT - LEAF_BITS)
    low_pages = np.array([address >> SHIFT for address, order in host.preserved.ascending() if order == 0], np.int64)
    low_leaves = np.unique(low_pages >> LEAF_BITS)
    low = np.zeros((len(low_leaves), LEAF_PAGES), np.uint8)
    low[np.searchsorted(low_leaves, low_pages >> LEAF_BITS), low_pages & (LEAF_PAGES - 1)] = 1
    leaf_ids = np.concatenate([low_leaves.astype(np.uint64), np.arange(first, first + count, dtype=np.uint64)]) | np.uint64(marker)
    heads = (chunk_heads if chunks else radix_heads)(leaf_ids)
    total = len(heads.words) + len(leaf_ids)
    addresses = (TRACKER + np.random.default_rng(5).permutation(total) * PAGE).astype(np.uint64)
    heads.words[heads.row, heads.column] = addresses[heads.target]
    body = np.concatenate([heads.words.astype("<u8").view(np.uint8), np.packbits(low, axis=1, bitorder="little"), bulk])
    compatible, style = (b"kho-v1", "7.0") if chunks else (b"kho-v4", "7.3")
    host.image.write(host.root, root_fdt(host.preserved, compatible, int(addresses[0]), subtrees, style))  # type: ignore[arg-type]
    extents = sorted([*host.image.extents(), (TRACKER, total * PAGE)])
    with path.open("wb") as stream:
        stream.write(elf_header(extents, X86_64, "little", PAGE))
        for start, size in extents:
            stream.write(body[np.argsort(addresses)].tobytes() if start == TRACKER else host.image.read(start, size))
    return int(np.bitwise_count(bulk).sum())


def measure(path: Path) -> None:
    """Print one line of JSON about the state at ``path``; run in a process of its own."""
    from kho_tui.analysis.memory_map import memory_map
    from kho_tui.context import Context
    from kho_tui.model.tracker import PreservedMap
    from kho_tui.operations.open_state import open_state

    times = {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    with open_state(path, Context()) as opened:
        times["open"] = time.perf_counter() - start
        side = opened.state.sides["unsided"]
        assert isinstance(side.preserved, PreservedMap)
        start = time.perf_counter()
        found = memory_map(opened.state, side)
        low, high = found.extent
        for kind in KINDS:
            found.density(kind, low, high, 160)
        times["first map"] = time.perf_counter() - start
        start = time.perf_counter()
        middle = (low + high) // 2
        for kind in KINDS:
            found.density(kind, middle, middle + (high - low) // 1000, 160)
        times["zoom"] = time.perf_counter() - start
        start = time.perf_counter()
        for number in range(100):
            found.at(low + (high - low) * number // 100)
        times["whois"] = (time.perf_counter() - start) / 100
        runs = side.preserved.runs
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(
            json.dumps(
                {
                    **{name: round(seconds, 6) for name, seconds in times.items()},
                    "pages": runs.blocks,
                    "runs": len(runs),
                    "bytes a page": round(sum(a.nbytes for a in (runs.start, runs.count, runs.order)) / max(runs.blocks, 1), 4),
                    "peak MiB": round((peak - before) / 1024),
                }
            )
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        measure(options.measure)
        return
    print(
        f"{'state':28}{'pages':>12}{'runs':>10}{'open s':>8}{'map s':>8}{'zoom ms':>9}{'whois us':>9}{'B/page':>8}{'peak MiB':>9}",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.elf"
        for pages in (10**6,) if options.small else (10**6, 10**8):
            for pattern in PATTERNS:
                if pages > 10**6 and pattern == "isolated":
                    continue  # 100 million runs in 800 MB: as "random", which is more than the budget takes already
                for chunks in (False, True):
                    write_state(path, pattern, pages, chunks=chunks)
                    row(f"{pattern} {'chunks' if chunks else 'radix'} 10^{len(str(pages)) - 1}", path)
        if not options.small:
            generate("host", path)
            row("host (large_states.py)", path)


def row(name: str, path: Path) -> None:
    """One line of the table."""
    done = subprocess.run([sys.executable, __file__, "--measure", str(path)], capture_output=True, text=True, check=True)
    m = json.loads(done.stdout)
    numbers = (
        f"{m['open']:8.2f}{m['first map']:8.2f}{m['zoom'] * 1000:9.2f}{m['whois'] * 1e6:9.0f}{m['bytes a page']:8.3f}{m['peak MiB']:9}"
    )
    print(f"{name:28}{m['pages']:12}{m['runs']:10}{numbers}", flush=True)


if __name__ == "__main__":
    main()
