"""Bitmaps to runs: the decoder's rate as a ratio to compiled C over the same bitmaps, and its memory, all in one run.

    python benchmarks/bitmaps.py [--mib N] [--rounds N]

Each round times C and the decoder one after the other, in batches as the tracker decoders take them; a ratio is the median over
the rounds, 1 is as fast as C. ``C by bit`` is the honest straightforward loop: each word, each bit, count the run, append (start,
length) to an array that grows by realloc. It has no shortcut, and so costs the same whatever the bitmap holds but for what the
processor predicts. ``C by word`` is what somebody would write who cared: edges of a word by XOR, walked with ctz. The aims are
for the first; the second tells how far the decoder is from what is possible. The decoder makes three arrays of 64-bit integers
(bitmap, bit, length), C an array of two. C never reads the file: where pages come from one, its time is that over memory.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kho_tui.decode.bitmaps import bit_runs
from kho_tui.memory.elf import open_elf
from kho_tui.memory.elf_writer import write_elf_core
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.memory.source import open_file
from kho_tui.memory.sparse import SparseImage
from kho_tui.model.runs import make_runs

U64s = npt.NDArray[np.uint64]

PAGE = 4096
WIDTH = PAGE // 8
BATCH = (16 << 20) // PAGE
"""Bitmaps decoded by one call, as decode/radix.py and decode/chunks.py do it."""
FIRST_LEAF = 1 << 32
ALL_ONES = np.uint64(2**64 - 1)

C_SOURCE = r"""
#include <stdint.h>
#include <stdlib.h>

struct run { uint64_t start, length; };
struct runs { struct run *run; size_t count, room; };

static void append(struct runs *runs, uint64_t start, uint64_t length)
{
    if (runs->count == runs->room) {
        runs->room = runs->room ? 2 * runs->room : 1024;
        runs->run = realloc(runs->run, runs->room * sizeof(*runs->run));
        if (!runs->run)
            abort();
    }
    runs->run[runs->count++] = (struct run){ start, length };
}

void by_bit(const uint64_t *word, size_t bitmaps, size_t width, struct runs *runs)
{
    for (size_t bitmap = 0; bitmap < bitmaps; bitmap++) {
        uint64_t at = bitmap * width * 64, length = 0;

        for (size_t i = 0; i < width; i++, word++) {
            for (int bit = 0; bit < 64; bit++, at++) {
                if (*word >> bit & 1) {
                    length++;
                } else if (length) {
                    append(runs, at - length, length);
                    length = 0;
                }
            }
        }
        if (length)
            append(runs, at - length, length);
    }
}

void by_word(const uint64_t *word, size_t bitmaps, size_t width, struct runs *runs)
{
    for (size_t bitmap = 0; bitmap < bitmaps; bitmap++) {
        uint64_t at = bitmap * width * 64, carry = 0, start = 0;

        for (size_t i = 0; i < width; i++, word++, at += 64) {
            uint64_t edges = *word ^ (*word << 1 | carry), in_run = carry;

            carry = *word >> 63;
            for (; edges; edges &= edges - 1, in_run ^= 1) {
                uint64_t edge = at + __builtin_ctzll(edges);

                if (in_run)
                    append(runs, start, edge - start);
                else
                    start = edge;
            }
        }
        if (carry)
            append(runs, start, at - start);
    }
}

void drop(struct runs *runs)
{
    free(runs->run);
}
"""


class CRuns(ctypes.Structure):
    """struct runs of C_SOURCE."""

    _fields_ = (("run", ctypes.POINTER(ctypes.c_uint64)), ("count", ctypes.c_size_t), ("room", ctypes.c_size_t))


class CLoops:
    """The loops of C_SOURCE, compiled with gcc -O2."""

    def __init__(self, folder: Path) -> None:
        source, library = folder / "runs.c", folder / "runs.so"
        source.write_text(C_SOURCE)
        subprocess.run(["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", library, source], check=True)
        self._library = ctypes.CDLL(str(library))

    def count(self, loop: str, words: U64s) -> int:
        """Runs that a loop finds."""
        return len(self.runs(loop, words, keep=False))

    def runs(self, loop: str, words: U64s, keep: bool = True) -> U64s | range:
        """(start, length) of each run, shape (runs, 2); without ``keep`` only as many things as there are runs."""
        found = CRuns()
        self._library[loop](ctypes.c_void_p(words.ctypes.data), ctypes.c_size_t(len(words)), ctypes.c_size_t(WIDTH), ctypes.byref(found))
        try:
            if not keep:
                return range(found.count)
            return np.ctypeslib.as_array(found.run, (found.count, 2)).copy() if found.count else np.empty((0, 2), np.uint64)
        finally:
            self._library.drop(ctypes.byref(found))


@dataclass(frozen=True, slots=True)
class Case:
    """Bitmaps of one kind, and the least ratio to ``C by bit`` that is aimed at from memory and from a file."""

    name: str
    make: Callable[[int], U64s]
    aim: float | None = None
    file_aim: float | None = None


def edge_free(words: int) -> U64s:
    full = np.random.default_rng(1).integers(0, 2, words // WIDTH, np.uint64)
    return np.repeat(full * ALL_ONES, WIDTH)


def clustered(mean: int) -> Callable[[int], U64s]:
    """Runs of set and of clear bits, each of ``mean`` bits in the mean (geometric)."""

    def make(words: int) -> U64s:
        random = np.random.default_rng(mean)
        piece = min(words, 1 << 18)
        return np.concatenate([_toggled(random, piece, mean) for _ in range(words // piece)])

    return make


def _toggled(random: np.random.Generator, words: int, mean: int) -> U64s:
    bits = (random.random(words * 64) < 1 / mean).astype(np.uint8)
    np.bitwise_xor.accumulate(bits, out=bits)
    return np.packbits(bits, bitorder="little").view("<u8").astype(np.uint64)


def random_bits(words: int) -> U64s:
    return np.random.default_rng(2).integers(0, 2**64 - 1, words, np.uint64, endpoint=True)


def isolated(words: int) -> U64s:
    random = np.random.default_rng(3)
    stream = np.zeros(words, np.uint64)
    chosen = np.arange(0, words, 64) + random.integers(0, 64, words // 64)
    stream[chosen] = np.uint64(1) << random.integers(0, 64, len(chosen), np.uint64)
    return stream


CASES = (
    Case("edge-free", edge_free, 0.45),
    Case("clustered, mean run 512", clustered(512), 0.30, 0.25),
    Case("clustered, mean run 64", clustered(64)),
    Case("random bits", random_bits, 0.15),
    Case("isolated pages", isolated),
)


def batches(count: int) -> Iterator[slice]:
    return (slice(at, at + BATCH) for at in range(0, count, BATCH))


def seconds(work: Callable[[slice], object], count: int) -> float:
    """Seconds that ``work`` on every batch takes; each result is dropped before the next."""
    start = time.perf_counter()
    for batch in batches(count):
        work(batch)
    return time.perf_counter() - start


def peak_beyond(work: Callable[[slice], object], count: int) -> float:
    """MiB by which the resident memory rose above what it was before, at its highest."""
    ctypes.CDLL(None).malloc_trim(0)  # what was freed before is still resident, and would be used again unseen
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _status("VmRSS")
    seconds(work, count)
    return (_status("VmHWM") - before) / 1024


def _status(field: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1])


def scattered_file(bitmaps: U64s, path: Path) -> tuple[U64s, PhysicalMemory]:
    """An ELF core with the bitmaps on shuffled pages, half of the pages of the range missing: their addresses, ascending as
    decode/radix.py reads its leaves, and the opened core."""
    slots = np.random.default_rng(4).permutation(2 * len(bitmaps))[: len(bitmaps)].astype(np.uint64)
    addresses = np.uint64(FIRST_LEAF) + slots * np.uint64(PAGE)
    image = SparseImage(PAGE)
    for address, page in zip(addresses.tolist(), bitmaps, strict=True):
        image.write(address, page.tobytes())
    with path.open("wb") as stream:
        write_elf_core(stream, image)
    return np.sort(addresses), open_elf(open_file(path))


def require_same(loops: CLoops, words: U64s) -> None:
    """Raise unless C and the decoder give the same runs."""
    bitmap, bit, length = bit_runs(words)
    for loop in ("by_bit", "by_word"):
        runs = loops.runs(loop, words)
        assert isinstance(runs, np.ndarray)
        if not np.array_equal(runs[:, 0], bitmap * (WIDTH * 64) + bit) or not np.array_equal(runs[:, 1], length):
            raise SystemExit(f"the decoder and {loop} disagree")


def kept_bytes_per_run(words: U64s) -> float:
    """Bytes a run takes in the model."""
    bitmap, bit, length = bit_runs(words)
    start = ((bitmap * (WIDTH * 64) + bit) * PAGE).astype(np.uint64)
    runs = make_runs(start, length, np.zeros(len(start), np.uint8), PAGE.bit_length() - 1)
    return (runs.start.nbytes + runs.count.nbytes + runs.order.nbytes) / len(runs)


def measure(case: Case, words: int, rounds: int, loops: CLoops, folder: Path) -> None:
    """Print the lines of one case."""
    bitmaps = case.make(words).reshape(-1, WIDTH)
    pages = int(np.bitwise_count(bitmaps).sum())
    runs = sum(loops.count("by_word", bitmaps[batch]) for batch in batches(len(bitmaps)))
    require_same(loops, bitmaps[:64])
    ways: dict[str, tuple[Callable[[slice], object], float | None]] = {
        "memory": (lambda batch: bit_runs(bitmaps[batch]), case.aim),
    }
    if case.file_aim is not None:
        addresses, memory = scattered_file(bitmaps, folder / "scattered.elf")
        ways["scattered file"] = (
            lambda batch: bit_runs(memory.read_pages(addresses[batch], PAGE)[0].view("<u8").astype(np.uint64, copy=False)),
            case.file_aim,
        )
    peaks = {way: peak_beyond(work, len(bitmaps)) for way, (work, _) in ways.items()}
    c_bit: list[float] = []
    c_word: list[float] = []
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        c_bit.append(seconds(lambda batch: loops.count("by_bit", bitmaps[batch]), len(bitmaps)))
        c_word.append(seconds(lambda batch: loops.count("by_word", bitmaps[batch]), len(bitmaps)))
        for way, (work, _aim) in ways.items():
            taken[way].append(seconds(work, len(bitmaps)))
    kept = kept_bytes_per_run(bitmaps[:64]) * runs / pages
    for way, (_, aim) in ways.items():
        to_bit, to_word = (statistics.median(c / own for c, own in zip(times, taken[way], strict=True)) for times in (c_bit, c_word))
        aimed = "" if aim is None else f"{aim:.2f} {'met' if to_bit >= aim else 'MISSED'}"
        print(
            f"{case.name:25}{way:16}{statistics.median(taken[way]) * 1000:8.0f}{to_bit:10.2f}{aimed:>13}{to_word:11.2f}"
            f"{runs:12d}{24 * runs / pages:11.3f}{kept:10.3f}{peaks[way]:10.0f}",
            flush=True,
        )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=128, help="bitmaps of each case, in MiB (a power of two from 2 on)")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(
        f"{'bitmaps':25}{'from':16}{'ms':>8}{'/C by bit':>10}{'aim':>13}{'/C by word':>11}"
        f"{'runs':>12}{'B/page out':>11}{'B/p kept':>10}{'peak MiB':>10}"
    )
    with tempfile.TemporaryDirectory() as name:
        loops = CLoops(Path(name))
        for case in CASES:
            measure(case, (options.mib << 20) // 8, options.rounds, loops, Path(name))
    print(
        "B/page out: bytes of what bit_runs returns a preserved page; B/p kept: of the runs in the model; "
        "peak MiB: memory beyond the bitmaps while batches of 16 MiB are decoded"
    )


if __name__ == "__main__":
    main()
