"""The rig itself: a guest boots, holds a state, goes through a kexec and takes the state back."""

from __future__ import annotations

import json
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guests.guest import Guest, GuestError, kernel, why_not

pytestmark = [pytest.mark.qemu, pytest.mark.guest, pytest.mark.shared]

IMAGE = kernel("7.3-server")


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    # Not at import: ../shared may be absent.
    if reason := why_not(IMAGE):
        pytest.skip(reason)
    with Guest(IMAGE, memory_mib=512) as running:
        yield running


def test_a_state_goes_through_a_kexec(guest: Guest, tmp_path: Path) -> None:
    # One story and one boot: each part needs what the one before left.
    assert guest.check("uname -r").strip() == guest.release == "7.3.4"
    assert guest.run("echo out; echo err >&2; exit 3") == (3, "out\n", "err\n")
    assert guest.check("id -u", user=1000) == "1000\n"
    assert guest.run("test -e /sys/kernel/debug/kho/in").status == 1

    guest.check("hold_state hold /share/truth.json")
    truth = read(guest.share / "truth.json")
    assert [each["name"] for each in truth["sessions"]] == ["vm-alpha", "vm-beta", "empty"]
    assert first_word_in_ram(guest, truth["sessions"][0]["files"][0]["pfns"][1]) == 4096 ^ 1 << 40

    guest.kexec()
    assert guest.boots == 2
    assert guest.check("uname -r").strip() == "7.3.4"
    assert guest.run("test -d /sys/kernel/debug/kho/in").status == 0
    guest.check("hold_state retrieve /share/report.json")
    report = read(guest.share / "report.json")
    assert report["pid"] is None
    for was, found in zip(truth["sessions"], report["sessions"], strict=True):
        assert found == {"name": was["name"], "files": [{**each, "same": True} for each in was["files"]], "finished": True}

    guest.dump(tmp_path / "core", "kdump-zlib")
    # Flattened: a page that says so stands before kdump's own header.
    assert (tmp_path / "core").read_bytes()[:12] == b"makedumpfile"


def test_commands_that_take_long_or_say_much(guest: Guest) -> None:
    began = time.monotonic()
    with pytest.raises(GuestError, match="took longer than 1 s; it said 'begun"):
        guest.run("echo begun; sleep 300", timeout=1)
    assert time.monotonic() - began < 60
    # What runs behind a command does not keep it from ending.
    assert guest.check("sleep 300 & echo more") == "more\n"
    assert guest.check("head -c 3000000 /dev/zero | tr '\\0' x") == "x" * 3_000_000


def test_a_kernel_that_panics_is_quoted(tmp_path: Path) -> None:
    if reason := why_not(IMAGE):
        pytest.skip(reason)
    share = tmp_path / "share"
    broken = Guest(IMAGE, memory_mib=512, cmdline="init=/nothing rdinit=/nothing root=/dev/none", share=share)
    with pytest.raises(GuestError, match=r"(?s)the guest (has ended|is gone).*console:.*Kernel panic"), broken:
        pytest.fail(f"{broken.release} came up")
    assert (share / "boot" / "initrd").is_file()


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def first_word_in_ram(guest: Guest, pfn: int) -> int:
    with guest.ram_file.open("rb") as ram:
        word: int
        (word,) = struct.unpack("<Q", os.pread(ram.fileno(), 8, pfn * 4096))
    return word
