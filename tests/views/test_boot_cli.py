"""``sim boot`` as a user meets it: what a guest says decides on verdict and exit code. The guest is a script that says it."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from captures import copy_of, sample

from kho_tui.views.cli.main import run

STATE = sample("x86_64-7.3") / "1-pre"

FOUND = "KHO: found kexec handover data."
REVIVED = ["Revived memory reservation 'oops_trace' from KHO", "Revived memory reservation 'pstore' from KHO"]
RUN = "Run /init as init process"
BACK = [
    "RIG session vm-alpha retrieved",
    "RIG file vm-alpha 1 size=5242880 pos=2621440 seals=0 crc32=00000000",
    "RIG session vm-beta retrieved",
    "RIG file vm-beta deadbeef size=3000000 pos=1500000 seals=0 crc32=00000000",
]
WARNING = "WARNING: kernel/liveupdate/kexec_handover.c:529 at kho_restore_page+0xe7/0x168, CPU#0: init/1"
PRESERVE = "WARNING: kernel/liveupdate/kexec_handover.c:1233 at kho_preserve_pages+0x34/0xb2, CPU#0: swapper/0/1"
REFUSED = ["KHO: setup: handover FDT (0xf51000) is incompatible with 'kho-v3': 1", "KHO: disabling KHO revival"]
PANIC = "Kernel panic - not syncing: The incoming tree failed to initialize properly [-22], disabling live update"

Boot = Callable[..., tuple[int, dict[str, Any], str]]


def small_kernel() -> bytes:
    """Documentation/arch/x86/boot.rst: a relocatable bzImage of protocol 2.15 that needs 12 MiB."""
    data = bytearray(1024 + 2048)
    data[0x1F1] = 1
    data[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", data, 0x206, 0x20F)
    struct.pack_into("<I", data, 0x22C, 0x7FFF_FFFF)
    struct.pack_into("<IB", data, 0x230, 2 << 20, True)
    struct.pack_into("<HI", data, 0x236, 0x63, 2047)
    struct.pack_into("<QQI", data, 0x250, 0, 16 << 20, 12 << 20)
    return bytes(data)


@pytest.fixture
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Boot:
    """Boot a state on a guest that says these lines and ends: exit code, JSON, and what stderr says."""
    (tmp_path / "bin").mkdir()
    guest = tmp_path / "bin" / "qemu-system-x86_64"
    guest.write_text(f"#!/bin/sh\ncat {tmp_path}/said\n")
    guest.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    (tmp_path / "bzImage").write_bytes(small_kernel())

    def simulate(*said: str, state: Path = STATE) -> tuple[int, dict[str, Any], str]:
        (tmp_path / "said").write_text("".join(f"{line}\n" if line.startswith("RIG") else f"[    0.000000] {line}\n" for line in said))
        code = run(["sim", "boot", str(state), "--kernel", str(tmp_path / "bzImage"), "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else {}, err

    return simulate


@pytest.mark.parametrize(
    ("said", "code", "outcome", "lost"),
    [
        ([FOUND, *REVIVED, RUN, *BACK], 0, "taken", []),
        ([FOUND, *REVIVED, RUN], 0, "taken", []),
        ([FOUND, *REVIVED, PRESERVE, RUN, *BACK], 0, "taken", []),
        # The capture does not hold the contents of the test module's folios, so that their sum cannot be right in the guest.
        ([FOUND, *REVIVED, "test_kho: KHO restore failed", RUN, *BACK], 0, "taken", []),
        ([FOUND, REVIVED[0], RUN, *BACK], 1, "in part", ["region pstore was not revived"]),
        ([FOUND, *REVIVED, WARNING, RUN, *BACK], 1, "in part", [f"[    0.000000] {WARNING}"]),
        (
            [
                FOUND,
                *REVIVED,
                RUN,
                BACK[0],
                "memfd_luo: Unable to restore folio at physical address: 15e2000",
                "RIG rfd 1: Input/output error",
            ],
            1,
            "in part",
            [
                "file 0x1 of vm-alpha was not retrieved: Input/output error",
                "[    0.000000] memfd_luo: Unable to restore folio at physical address: 15e2000",
            ],
        ),
        (
            [FOUND, *REVIVED, RUN, "RIG retrieve vm-beta: No such file or directory", "RIG session vm-beta missing"],
            1,
            "in part",
            ["session vm-beta was not retrieved: No such file or directory"],
        ),
        (
            [FOUND, *REVIVED, RUN, "RIG no /dev/liveupdate: No such file or directory"],
            1,
            "in part",
            ["no session came back: no /dev/liveupdate: No such file or directory"],
        ),
        # What the state does not hold cannot be missed.
        ([FOUND, *REVIVED, RUN, "RIG retrieve gone: No such file or directory", BACK[0], "RIG rfd 77: No such file"], 0, "taken", []),
        ([*REFUSED, RUN], 1, "ignored", []),
        ([FOUND, *REVIVED, PANIC], 1, "panic", []),
        ([FOUND], 1, "panic", []),
    ],
)
def test_what_the_guest_says_decides(said: list[str], code: int, outcome: str, lost: list[str], boot: Boot) -> None:
    found, document, _ = boot(*said)
    assert (found, document["outcome"], document["lost"]) == (code, outcome, lost)


def test_a_guest_that_says_nothing_is_no_verdict(boot: Boot) -> None:
    code, document, _ = boot("Linux version 7.3")
    assert (code, document["outcome"]) == (2, None)


def test_each_loss_is_printed(boot: Boot, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    boot(FOUND, RUN)
    assert run(["sim", "boot", str(STATE), "--kernel", str(tmp_path / "bzImage")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["verdict: in part: region oops_trace was not revived", "  also: region pstore was not revived"]


def on_machine_that_ends_at(tmp_path: Path, last: str) -> Path:
    copy_of(STATE, tmp_path / "state")
    for name in ("zoneinfo", "node", "meminfo"):
        path = tmp_path / "state" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    iomem = tmp_path / "state" / "iomem"
    iomem.write_text(iomem.read_text().replace("3ffdffff : System RAM", f"{last} : System RAM"))
    return tmp_path / "state"


@pytest.mark.parametrize(("last", "what"), [("3effffff", "0x3f000000 of order 10"), ("3dffffff", "0x3ee00000 of order 8")])
def test_no_memory_is_made_up_below_what_is_handed_over(last: str, what: str, boot: Boot, tmp_path: Path) -> None:
    code, _, err = boot(FOUND, *REVIVED, RUN, state=on_machine_that_ends_at(tmp_path, last))
    assert code == 2 and err.count("\n") == 1
    assert f"the preserved block {what} lies where the machine has no memory (memory is 0x1000-0x9fbff, 0x100000-0x{last})" in err
