"""``map`` and ``--watch`` in a guest, against what the guest's own program holds and the system calls that strace saw."""

from __future__ import annotations

import json
import re
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guests.guest import Guest, kernel, why_not
from guests.looks import PROGRAM
from guests.terminal import screens

pytestmark = [pytest.mark.qemu, pytest.mark.guest, pytest.mark.shared]

IMAGE = kernel("7.3-server")
SLOW = 400.0
"""Seconds that the program may take under software emulation on a busy host, with each of its system calls traced."""
PAGE = 4096
_PREAD = re.compile(r"^pread64\(.*, (\d+), (\d+)\)\s*= (\d+)", re.MULTILINE)
_SINCE = re.compile(r"(\S.*?) since (\d\d:\d\d:\d\d)")
_SIZE = re.compile(r"([0-9.]+) (KiB|MiB) (preserved|unpreserved)\b")


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    if reason := why_not(IMAGE):
        pytest.skip(reason)
    with Guest(IMAGE, memory_mib=512, project=True) as running:
        running.check("hold_state hold /share/truth.json")
        yield running


def segments(core: bytes) -> list[tuple[int, int, int]]:
    """(file offset, bytes, physical address) of the segments of /proc/kcore that are RAM."""
    offset, count = struct.unpack_from("<Q", core, 32)[0], struct.unpack_from("<H", core, 56)[0]
    rows = [struct.unpack_from("<IIQQQQ", core, offset + 56 * row) for row in range(count)]
    return [(at, size, physical) for kind, _, at, _, physical, size in rows if kind == 1 and physical != (1 << 64) - 1]


def test_the_map_holds_each_page_and_none_was_read(guest: Guest) -> None:
    truth = json.loads((guest.share / "truth.json").read_text())
    held = {pfn for session in truth["sessions"] for file in session["files"] for pfn in file["pfns"]}
    assert len(held) > 2000
    mapped = json.loads(guest.check(f"strace -qq -o /share/calls -P /proc/kcore -e trace=pread64 {PROGRAM} map --json", SLOW))
    sums = mapped["sums"]
    assert sums["hold"] is True and mapped["preserved_state"] == "decoded"
    # LUO writes sessions in liveupdate_reboot() alone (kernel/liveupdate/luo_core.c, 7.3): until then nobody owns their pages.
    assert "sessions not written yet" in sums["unowned_reason"]
    unowned = {page for start, size in sums["unowned_ranges"] for page in range(int(start, 16) // PAGE, (int(start, 16) + size) // PAGE)}
    assert held <= unowned
    owners = [(int(start, 16) // PAGE, size // PAGE, path) for start, size, _, path in mapped["stretches"] if path.startswith("out/")]
    for first, pages, path in owners:
        assert path == "out/preserved" or held.isdisjoint(range(first, first + pages)), (first, path)

    guest.check("dd if=/proc/kcore of=/share/kcore.head bs=4096 count=1")
    ram = segments((guest.share / "kcore.head").read_bytes())
    read = set()
    for _, offset, got in _PREAD.findall((guest.share / "calls").read_text()):
        at, size = int(offset), int(got)
        for start, length, physical in ram:
            if start <= at < start + length:
                first = physical + at - start
                read |= set(range(first // PAGE, (first + size + PAGE - 1) // PAGE))
    assert 10 < len(read) < 400 and not read & held


def test_the_app_says_what_was_preserved_and_what_was_unpreserved_since(guest: Guest) -> None:
    holder = json.loads((guest.share / "truth.json").read_text())["pid"]
    shutil.copy(Path(__file__).with_name("app_on_pty.py"), guest.share)
    output, later = guest.share / "screen", guest.share / "truth.json.later"
    guest.check(f"python3 /share/app_on_pty.py /share/screen {PROGRAM} open --watch --interval 1 >/share/pty.log 2>&1 &")
    wait_for(guest, lambda: "vm-alpha" in last(output) or "sessions" in last(output), lambda: last(output))
    # Until the watch has looked once nothing is a change.
    time.sleep(20)
    assert not list(sentences(output))

    guest.check(f"kill -USR1 {holder}")
    wait_for(guest, later.exists, lambda: last(output))
    size = json.loads(later.read_text())["bytes"]
    wait_for(guest, lambda: told(output)["preserved"] >= size, lambda: f"{told(output)} {last(output)}")
    preserved = told(output)["preserved"]
    # Beside the file's own pages those of KHO's metadata of it.
    assert size <= preserved < size + 128 * 1024 and not told(output)["unpreserved"]

    guest.check(f"kill -USR2 {holder}")
    wait_for(guest, lambda: told(output)["unpreserved"] >= size, lambda: f"{told(output)} {last(output)}")
    assert told(output) == pytest.approx({"preserved": preserved, "unpreserved": preserved}, rel=0.02)
    (guest.share / "screen.quit").touch()
    wait_for(guest, (guest.share / "screen.status").exists, lambda: last(output))
    assert (guest.share / "screen.status").read_text() == "0"


def wait_for(guest: Guest, ready: Callable[[], bool], state: Callable[[], str]) -> None:
    until = time.monotonic() + SLOW
    while not ready():
        assert time.monotonic() < until, state()
        guest.check("sleep 1")


def last(output: Path) -> str:
    """The screen as it is now."""
    text = output.read_bytes().decode(errors="replace") if output.exists() else ""
    *_, lines = screens(text)
    return "\n".join(lines)


def sentences(output: Path) -> dict[str, str]:
    """What the app said has changed since a time, by that time."""
    looked = screens(output.read_bytes().decode(errors="replace"))
    return {since: said for lines in looked for said, since in _SINCE.findall("\n".join(lines))}


def told(output: Path) -> dict[str, float]:
    """Bytes that the app said were preserved, and unpreserved: it may have seen one change of the kernel in several parts."""
    sums = {"preserved": 0.0, "unpreserved": 0.0}
    for said in sentences(output).values():
        for number, unit, word in _SIZE.findall(said):
            sums[word] += float(number) * (1 << {"KiB": 10, "MiB": 20}[unit])
    return sums
