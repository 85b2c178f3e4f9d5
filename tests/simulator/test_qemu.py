"""The guest without QEMU: where memory lies, where things are loaded, what the console means, that processes end."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.model.intervals import intervals
from kho_tui.model.runs import make_runs
from kho_tui.simulator.qemu.bzimage import BzImage, parse_bzimage
from kho_tui.simulator.qemu.console import BootOutcome, Console, RetrievedFile
from kho_tui.simulator.qemu.guest import GuestOrder, Ran, find_qemu, run_guest
from kho_tui.simulator.qemu.placement import Handed, conflict, place
from kho_tui.simulator.qemu.ram import GuestRam, RamLayout, ram_layout, ram_size
from kho_tui.text import SafeText

MIB, GIB = 1 << 20, 1 << 30
SCRATCH = ((64 * MIB, 32 * MIB), (512 * MIB, 0))
FDT = 40 * MIB


def handed(*blocks: tuple[int, int], scratch: tuple[tuple[int, int], ...] = SCRATCH) -> Handed:
    start, order = np.array([b[0] for b in blocks], np.uint64), np.array([b[1] for b in blocks], np.uint8)
    return Handed(FDT, scratch, make_runs(start, np.ones(len(blocks), np.uint32), order, 12), intervals([FDT], [FDT + 4096]))


def bzimage(*, setup_data: int = 0, relocatable: bool = True, init_size: int = 12 * MIB) -> BzImage:
    data = bytearray(1024 + 2048)
    data[0x1F1] = 1
    data[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", data, 0x206, 0x20F)
    struct.pack_into("<I", data, 0x22C, 0x7FFF_FFFF)
    struct.pack_into("<IB", data, 0x230, 2 * MIB, relocatable)
    struct.pack_into("<HI", data, 0x236, 0x63, 2047)
    struct.pack_into("<QQI", data, 0x250, setup_data, 16 * MIB, init_size)
    return parse_bzimage(bytes(data), "kernel")


def layout(size: int = GIB) -> RamLayout:
    return RamLayout(size, (size,))


@pytest.mark.parametrize(
    ("mib", "ranges"),
    [
        (1024, [(0, GIB)]),
        (2815, [(0, 2815 * MIB)]),
        (2816, [(0, 2 * GIB), (4 * GIB, 4 * GIB + 768 * MIB)]),
        (4096, [(0, 2 * GIB), (4 * GIB, 6 * GIB)]),
    ],
)
def test_q35_splits_memory_from_2816_mib_on(mib: int, ranges: list[tuple[int, int]]) -> None:
    found = layout(mib * MIB).ranges
    assert list(zip(found.start.tolist(), found.end.tolist(), strict=True)) == ranges


@given(st.integers(1, 16 * GIB))
def test_the_guest_reaches_up_to_the_top_of_the_machine(top: int) -> None:
    ranges = layout(ram_size(top)).ranges
    assert int(ranges.end[-1]) >= top
    assert ram_size(top) % MIB == 0


def test_more_memory_than_emulation_boots_is_refused() -> None:
    with pytest.raises(InputError, match=r"1\.998 TiB of memory"):
        ram_size(2048 * GIB)


def test_nodes_get_their_own_files_and_a_hole_is_no_memory() -> None:
    found = ram_layout(8 * GIB, [(4096, 0), (4 * GIB, 0), (6 * GIB, 1), (8 * GIB, 2)])
    assert found.nodes == (4 * GIB, 2 * GIB, 2 * GIB)
    assert ram_layout(GIB, [(0, 0), (256 * MIB, 1), (512 * MIB, 0)]).nodes == (GIB,)


def test_writes_reach_physical_addresses_across_nodes_and_the_hole() -> None:
    with GuestRam(RamLayout(3 * GIB, (2 * GIB + 4096, GIB - 4096))) as ram:
        data = bytes(range(256)) * 32
        ram.write(4 * GIB, data)
        assert ram.read(4 * GIB, len(data)) == data
        assert ram.read(4 * GIB + 4096, 4096) == data[4096:]
        assert ram.read(2 * GIB - 4096, 4096) == bytes(4096)
        words = " ".join(ram.arguments())
    assert "-m 3072M" in words
    assert words.count("-numa") == 2


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ((0x9000, 0), "block 0x9000 of order 0 lies where the firmware and the loader"),
        ((GIB - 16 * MIB - 4096, 0), "while it starts"),
        ((GIB - 2 * MIB, 9), "block 0x3fe00000 of order 9 lies where the firmware's tables"),
        ((3 * GIB, 3), "block 0xc0000000 of order 3 lies where a guest of 1 GiB has no memory (memory is 0x0-0x3fffffff)"),
        ((2**64 - 4096, 0), "reaches beyond the last address"),
    ],
)
def test_a_block_in_the_way_is_named_with_the_conflict(block: tuple[int, int], words: str) -> None:
    assert words in (conflict(handed((48 * MIB, 0), block), layout()) or "")


def test_scratch_without_memory_below_it_is_named() -> None:
    assert "scratch at 0x80000000" in (conflict(handed((48 * MIB, 0), scratch=((2 * GIB, MIB),)), layout()) or "")
    assert conflict(handed((48 * MIB, 0)), layout()) is None


def test_everything_is_loaded_into_free_scratch_and_the_header_points_there() -> None:
    state = handed((48 * MIB, 0), (80 * MIB, 9))
    placed = place(state, layout(), bzimage(setup_data=0x1234_5000), b"initrd" * 2000)
    kernel, table, node, initrd = placed.segments
    spans = sorted([(placed.image[0], sum(placed.image)), *((s.address, s.address + len(s.data)) for s in placed.segments[1:])])
    assert all(start >= 64 * MIB and end <= 96 * MIB for start, end in spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert not any(start < 82 * MIB and end > 80 * MIB for start, end in spans)
    assert kernel.address % (2 * MIB) == 0
    assert table.data == struct.pack("<4Q", *(word for area in SCRATCH for word in area))
    assert node.data == struct.pack("<QIIQQQQ", 0x1234_5000, 10, 32, FDT, 4096, table.address, 32)
    assert struct.unpack_from("<I", placed.setup, 0x214) == (kernel.address,)
    assert struct.unpack_from("<II", placed.setup, 0x218) == (initrd.address, 12000)
    assert struct.unpack_from("<Q", placed.setup, 0x250) == (node.address,)
    assert len(placed.setup) == 1024


def test_no_room_says_what_lies_in_scratch() -> None:
    with pytest.raises(InputError, match=r"the kernel needs 40 MiB of free scratch.*EADDRNOTAVAIL"):
        place(handed((48 * MIB, 0)), layout(), bzimage(init_size=40 * MIB), b"")
    with pytest.raises(InputError, match="block 0x5000000 of order 10 lies in scratch"):
        place(handed((80 * MIB, 10)), layout(), bzimage(init_size=30 * MIB), b"")


def test_a_kernel_that_cannot_move_is_put_where_it_wants_to_be() -> None:
    low = handed((48 * MIB, 0), scratch=((16 * MIB, 20 * MIB),))
    assert place(low, layout(), bzimage(relocatable=False), b"").image == (16 * MIB, 12 * MIB)
    with pytest.raises(InputError, match="the kernel needs"):
        place(handed((48 * MIB, 0)), layout(), bzimage(relocatable=False), b"")


@given(st.binary(max_size=700))
def test_what_is_no_kernel_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        parse_bzimage(data, "kernel")


FOUND = "[    0.000000] KHO: found kexec handover data.\r\n"
REFUSED = "[    0.000000] KHO: setup: handover FDT (0xf51000) is incompatible with 'kho-v3': 1\n[    0.000000] KHO: disabling KHO revival\n"
RUN = "[    1.281056] Run /sbin/init as init process\n"
NO_INIT = "[    1.283423] Kernel panic - not syncing: No working init found.  Try passing init= option to kernel.\n"
LUO = "[    0.717421] Kernel panic - not syncing: The incoming tree failed to initialize properly [-22], disabling live update\n"


@pytest.mark.parametrize(
    ("said", "ended", "outcome", "deciding"),
    [
        (FOUND + RUN + NO_INIT, True, BootOutcome.TAKEN, "found kexec"),
        (FOUND, False, BootOutcome.TAKEN, "found kexec"),
        (FOUND + LUO, True, BootOutcome.PANIC, "incoming tree failed"),
        (FOUND + "[    0.5] something\n", True, BootOutcome.PANIC, "reset itself after: [    0.5] something"),
        (REFUSED + RUN + NO_INIT, True, BootOutcome.IGNORED, "incompatible with 'kho-v3'"),
        (RUN, True, BootOutcome.IGNORED, "said nothing"),
        ("[    0.000000] Linux version\n", False, BootOutcome.NONE, ""),
        ("", True, BootOutcome.NONE, ""),
    ],
)
def test_verdict(said: str, ended: bool, outcome: BootOutcome, deciding: str) -> None:
    console = Console()
    console.feed(said.encode())
    console.finish(ended)
    assert console.outcome is outcome
    assert deciding in console.deciding


@given(st.integers(1, 40))
def test_a_line_that_the_kernel_breaks_into_is_put_together_again(step: int) -> None:
    text = (
        b"RIG file vm-beta deadbe[    2.870000] liveupdate test: finish was triggered\r\n"
        b"[    2.870117] liveupdate test: again\r\n"
        b"ef size=3000000 pos=1500000 seals=6 crc32=4d01a265\r\nRIG done"
    )
    console = Console()
    said = [line for at in range(0, len(text), step) for line in console.feed(text[at : at + step])] + console.finish(True)
    assert console.files == [
        RetrievedFile(session=SafeText("vm-beta"), token=0xDEADBEEF, size=3000000, pos=1500000, seals=6, crc32=0x4D01A265)
    ]
    assert [line[:16] for line in said] == ["[    2.870000] l", "[    2.870117] l", "RIG file vm-beta", "RIG done"]


def test_a_kernel_that_died_before_its_console_is_judged_by_its_log_buffer() -> None:
    rodata = b"\x00\x016KHO: found kexec handover data.\x00\x010Kernel panic - not syncing: %s\x00"
    found = rodata + b"\x00\x00\x00KHO: found kexec handover data.\x00"
    for image, ended, outcome in (
        (rodata, True, BootOutcome.NONE),
        (found, False, BootOutcome.NONE),
        (found, True, BootOutcome.PANIC),
        (found + b"\x00\x00Kernel panic - not syncing: Attempted to kill the idle task!\x00", False, BootOutcome.PANIC),
    ):
        console = Console()
        console.recover(image, ended)
        assert console.outcome is outcome


@given(st.binary(max_size=3000))
def test_any_console_output_is_safe_to_show(data: bytes) -> None:
    console = Console()
    for line in console.feed(data) + console.finish(True):
        assert line.isprintable()


def fake_qemu(folder: Path, script: str) -> str:
    path = folder / "qemu"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def run_fake(qemu: str, limit: float) -> tuple[Ran, list[SafeText]]:
    placed = place(handed((48 * MIB, 0)), layout(), bzimage(), b"")
    said: list[SafeText] = []
    return run_guest(qemu, GuestOrder(layout(), placed, "console=ttyS0", limit), lambda _ram: None, said.append, Context()), said


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_guest_that_goes_on_is_ended_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    qemu = fake_qemu(tmp_path, f"echo 'KHO: found kexec handover data'; sleep 600 & echo $$ $! > {pids}; wait")
    ran, said = run_fake(qemu, 1.0)
    assert ran.outcome is BootOutcome.TAKEN
    assert not ran.ended
    assert said == ["KHO: found kexec handover data"]
    end = monotonic() + 10
    while (left := [pid for pid in map(int, pids.read_text().split()) if alive(pid)]) and monotonic() < end:
        sleep(0.05)
    assert not left


def test_a_qemu_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did not start: unsupported machine"):
        run_fake(fake_qemu(tmp_path, "echo 'unsupported machine' >&2; exit 1"), 10.0)


def test_a_missing_qemu_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="apt install qemu-system-x86"):
        find_qemu()
