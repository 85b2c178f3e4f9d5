"""Real captures with other bytes, or fewer pages, in their memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from captures import copy_of

from kho_tui.memory.elf import open_elf
from kho_tui.memory.elf_writer import write_elf_core
from kho_tui.memory.source import open_file
from kho_tui.memory.sparse import SparseImage


def altered(
    capture: Path, to: Path, writes: Mapping[int, bytes] | None = None, without: Collection[int] = (), page_size: int | None = None
) -> Path:
    """A copy of a capture directory at ``to``: bytes at physical addresses changed, pages at ``without`` not captured."""
    copy_of(capture, to)
    with open_file(capture / "memory.elf") as source:
        memory = open_elf(source)
        machine = memory.machine or "x86_64"
        page_size = page_size or (65536 if machine == "aarch64" else 4096)
        image = SparseImage(page_size, byte_order="little", machine=machine)
        for one in memory.extents():
            image.write(one.start, memory.read(one.start, one.size))
    for address, data in (writes or {}).items():
        image.write(address, data)
    core = SparseImage(page_size, byte_order="little", machine=machine)
    for one in image.extents():
        for page in range(one.start, one.start + one.size, page_size):
            if page not in without:
                core.write(page, image.read(page, page_size))
    (to / "memory.elf").unlink()
    with (to / "memory.elf").open("wb") as stream:
        write_elf_core(stream, core, machine)
    return to
