"""Both ends of real handovers, and what is told of them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from captures import capture, copy_of, opened, read

from kho_tui.context import Context
from kho_tui.model.change import Fate
from kho_tui.operations.diff_states import Compared, diff_states

KERNELS = ("x86_64-6.18", "x86_64-6.19", "x86_64-7.1", "x86_64-7.3", "arm64-64k-7.3")
BEGIN_NODE, END_NODE, PROP, NOP = (struct.pack(">I", tag) for tag in (1, 2, 3, 4))


def compared(old: str, new: str) -> Compared:
    return diff_states(opened(old), opened(new), "auto", Context())


def fates(found: Compared) -> dict[str, Fate]:
    assert found.fates is not None
    return {one.path.text: one.fate for one in found.fates.fates}


def altered(handover: str, tmp_path: Path, alter: Callable[[Path], object], *, which: str = "post") -> Compared:
    """A real handover (``x86_64-7.3/1``) of which one end was altered on disk."""
    ends = {"pre": capture(f"{handover}-pre"), "post": capture(f"{handover}-post")}
    copy = tmp_path / which
    copy_of(ends[which], copy)
    alter(copy)
    states = {end: read(copy) if end == which else opened(f"{handover}-{end}") for end in ends}
    return diff_states(states["pre"], states["post"], "auto", Context())


def logged(*lines: str) -> Callable[[Path], None]:
    """The kernel said these too, after everything else."""

    def alter(where: Path) -> None:
        log = where / "dmesg"
        log.write_text(
            log.read_text().rstrip("\n") + "\n" + "".join(f"{line if line[0] in '<[' else f'<4>[    9.000000] {line}'}\n" for line in lines)
        )

    return alter


def lost(found: Compared) -> dict[str, str]:
    """What is lost, by path, each with the reason."""
    assert found.fates is not None
    return {one.path.text: one.reason for one in found.fates.of(Fate.LOST)}


def without_node(blob: bytes, name: bytes) -> bytes:
    """An FDT with a node overwritten by NOP tags, as libfdt's fdt_nop_node leaves it."""
    begin = blob.index(BEGIN_NODE + name + b"\0")
    at = begin + 4 + (len(name) + 4) // 4 * 4
    while blob[at : at + 4] == PROP:
        at += 12 + (struct.unpack(">I", blob[at + 4 : at + 8])[0] + 3) // 4 * 4
    assert blob[at : at + 4] == END_NODE
    return blob[:begin] + NOP * ((at + 4 - begin) // 4) + blob[at + 4 :]
