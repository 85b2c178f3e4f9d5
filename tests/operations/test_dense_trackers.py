"""A tracker of as many runs as the budget allows: no command takes more than 500 MB, and what lies beyond the budget is said."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest
from captures import sample
from peak import COMMAND, peak_of

from kho_tui.context import Budget, Context
from kho_tui.memory.elf import open_elf
from kho_tui.memory.elf_writer import write_elf_core
from kho_tui.memory.source import open_file
from kho_tui.memory.sparse import SparseImage
from kho_tui.operations.open_state import open_state

MB = 1_000_000
CHUNK_BITMAPS = (4096 - 16) // 16
RUNS = 4096 * 8 // 2
"""Runs of a bitmap in which every other bit is set."""
_CHUNKS, _BITMAPS, _KEPT = 8 << 30, 9 << 30, 64 << 30


def dense(folder: Path, bitmaps: int) -> Path:
    """A capture of 6.19 whose chain goes on with bitmaps of single pages, every other one preserved. Written from the kernel's structs."""
    source, copy = sample("x86_64-6.19/1-pre"), folder / "dense"
    shutil.copytree(source, copy)
    image = SparseImage(4096, byte_order="little", machine="x86_64")
    with open_file(source / "memory.elf") as core:
        memory = open_elf(core)
        for extent in memory.extents():
            image.write(extent.start, memory.read(extent.start, extent.size))
    with open_state(source, Context()) as opened:
        root = opened.state.sides["out"].root
        last = getattr(root, "map_address", None)
        assert isinstance(last, int)
    while following := struct.unpack("<Q", image.read(last, 8))[0]:
        last = following
    image.write(last, struct.pack("<Q", _CHUNKS))
    for chunk, first in enumerate(range(0, bitmaps, CHUNK_BITMAPS)):
        numbers = range(first, min(first + CHUNK_BITMAPS, bitmaps))
        following = _CHUNKS + (chunk + 1) * 4096 if numbers.stop < bitmaps else 0
        entries = b"".join(struct.pack("<QQ", _KEPT + (number << 27), _BITMAPS + number * 4096) for number in numbers)
        image.write(_CHUNKS + chunk * 4096, struct.pack("<QII", following, 0, len(numbers)) + entries)
        for number in numbers:
            image.write(_BITMAPS + number * 4096, b"\x55" * 4096)
    with (copy / "memory.elf").open("wb") as out:
        write_elf_core(out, image)
    return copy


FULL = Budget().runs // RUNS - 1


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As dense as the budget allows."""
    return dense(tmp_path_factory.mktemp("full"), FULL)


@pytest.mark.parametrize("words", ["show", "map", "check", "check --target 6.19", "check --target 6.17", "diff", "sim kexec", "sim replay"])
def test_no_command_takes_more_than_500_mb(words: str, full: Path, tmp_path: Path) -> None:
    command, *options = words.split()
    if command == "sim":
        arguments = ["sim", options[0], str(full), "-o", str(tmp_path / "out")]
    else:
        arguments = [command, str(full), *([str(full)] if command == "diff" else []), *options]
    code, peak = peak_of(COMMAND, *arguments)
    assert code in ("0", "1", "2") and peak < 500 * MB


def test_what_is_beyond_the_budget_is_a_lower_bound(tmp_path: Path) -> None:
    with open_state(dense(tmp_path, 300), Context(Budget(runs=200 * RUNS))) as opened:
        preserved = opened.state.sides["out"].preserved
        assert preserved.status.value == "partial"
        assert any("split into more runs than the budget allows" in one.message for one in opened.state.findings)
