"""A machine that panics: its /proc/vmcore, copied and filtered in the crash kernel, holds the state that it showed while it ran."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from comparable import without_origin

from guests.guest import Guest, kernel, why_not
from guests.looks import areas, messages, only_side, shown, shown_here
from kho_tui.memory.elf import open_elf
from kho_tui.memory.kdump import open_dump
from kho_tui.memory.source import open_file

pytestmark = [pytest.mark.qemu, pytest.mark.guest, pytest.mark.shared]

IMAGE = kernel("7.3-server")
PAGE = 4096
COPIES = {
    "vmcore": "cp --sparse=always /proc/vmcore /share/vmcore",
    "l1": "makedumpfile -l -d 1 /proc/vmcore /share/l1",
    "c31": "makedumpfile -c -d 31 /proc/vmcore /share/c31",
    "l31": "makedumpfile -l -d 31 /proc/vmcore /share/l31",
}
"""makedumpfile 1.7.2 warns that it does not support 7.3, and works: it needs no vmlinux and no BTF for -d 31.

-c -d 1 works too, and takes a minute.
"""
LEAVES_CONTENTS_OUT = frozenset({"c31", "l31"})
"""-d 31 leaves out user data and the page cache, and so what is in memfds; KHO's structures it keeps."""


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    if reason := why_not(IMAGE):
        pytest.skip(reason)
    with Guest(IMAGE, memory_mib=448, project=True, cmdline="kho=on liveupdate=on crashkernel=96M") as running:
        yield running


def test_a_vmcore_holds_the_state_of_the_machine_that_panicked(guest: Guest) -> None:
    guest.check("hold_state hold /share/truth.json")
    truth = json.loads((guest.share / "truth.json").read_text())
    pfns = [pfn for session in truth["sessions"] for file in session["files"] for pfn in file["pfns"]]
    live = shown(guest)
    guest.load_crash_kernel("kho=on liveupdate=on")
    guest.crash()
    # 7.3.4 does without KHO where elfcorehdr= says that it is the crash kernel.
    assert "KHO: disabled in the kdump kernel" in guest.check("dmesg")
    assert guest.run("test -e /sys/kernel/debug/kho").status == 1

    for name, command in COPIES.items():
        guest.check(command)
        core = shown_here(guest.share / name)
        assert core["sides"]["out"] is not None and only_side(core) == without_origin(live["sides"]["out"]), name
        assert areas(core) == areas(live), name
        assert core["source"]["kernel"] == live["source"]["kernel"]
        said = messages(core)
        assert "overlap" not in said and "cut" not in said and "without a physical address" not in said, said
    same_pages(guest.share, pfns)


def same_pages(folder: Path, held: list[int]) -> None:
    """That the dumps hold what the copy holds, also of the memfds' pages ``held``, where they do not leave them out."""
    with open_file(folder / "vmcore") as source:
        core = open_elf(source)
        for name in list(COPIES)[1:]:
            with open_file(folder / name) as file:
                dump = open_dump(file)
                addresses = [np.arange(one.start, one.start + one.size, PAGE, dtype=np.uint64) for one in dump.extents()]
                chosen = np.random.default_rng(1).permutation(np.concatenate(addresses))[:2000]
                found, present = dump.read_pages(chosen, PAGE)
                assert present.all() and (found == core.read_pages(chosen, PAGE)[0]).all(), name
                handed = np.array(held, np.uint64) * np.uint64(PAGE)
                found, present = dump.read_pages(handed, PAGE)
                if name in LEAVES_CONTENTS_OUT:
                    assert not present.any(), name
                else:
                    assert present.all() and (found == core.read_pages(handed, PAGE)[0]).all(), name
