"""The kernel agrees: states from scenarios boot the matching real kernel, which takes them and hands everything back."""

from __future__ import annotations

import re
import zlib
from array import array
from collections.abc import Iterable
from pathlib import Path

import pytest
from captures import CHECKOUT
from simulator.playing import SCENARIOS

from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.context import Context
from kho_tui.operations.boot_state import BootReport, BootRequest, boot_state
from kho_tui.operations.kexec_capture import kexec_capture
from kho_tui.operations.simulate import run_scenario
from kho_tui.simulator.qemu.console import BootOutcome, RetrievedFile
from kho_tui.text import SafeText

KERNELS = CHECKOUT.parent / "shared" / "kernels"

pytestmark = [pytest.mark.qemu, pytest.mark.shared]

MIB = 1 << 20

# Of the stories: session, token, size, position, seals, and the tag of the contents: words that count by 8, the tag in their upper 24 bits.
FIRST = (
    ("vm-alpha", 1, 5 * MIB, 2621440, 0, 1),
    ("vm-alpha", 2, 4096, 2048, 6, 2),
    ("vm-beta", 0xDEADBEEF, 3000000, 1500000, 0, 3),
)
SECOND = (("vm-alpha2", 11, 5 * MIB, 2621440, 0, 1), ("vm-gamma", 7, 9 * MIB, 4718592, 0, 7))
Rows = tuple[tuple[str, int, int, int, int, int], ...]


def booted(release: str, stage: str, files: Rows, tmp_path: Path) -> BootReport:
    run = run_scenario(SCENARIOS / f"story-{release}.toml", tmp_path / "run", Context())
    assert not run.panic
    asked = ",".join(f"{name}:{token:x}" for name, token, *_ in files)
    append = f"khostage=9 luo={asked}" if asked else "khostage=9"
    # The limit is generous: the machine may be busy.
    request = BootRequest(kernel=KERNELS / f"bzImage-{release}", initrd=KERNELS / "initrd", append=append, limit=240)
    return boot_state(tmp_path / "run" / stage, request, Context())


def given(files: Rows, *, seals: bool) -> set[RetrievedFile]:
    """What user space has to get. memfd-v1 (6.19) drops seals: the file comes back with that of a file that allows none, F_SEAL_SEAL."""
    found = set()
    for name, token, size, position, sealed, tag in files:
        words = array("Q", (at ^ tag << 40 for at in range(0, size, 8)))
        content = zlib.crc32(words.tobytes()[:size])
        found.add(RetrievedFile(session=SafeText(name), token=token, size=size, pos=position, seals=sealed if seals else 1, crc32=content))
    return found


@pytest.mark.parametrize(
    ("release", "stage", "files", "test"),
    [
        ("6.18", "1-pre", (), True),
        ("6.19", "1-pre", FIRST, True),
        ("7.1", "1-pre", FIRST, True),
        ("7.3", "1-pre", FIRST, True),
        ("7.3", "2-pre", SECOND, False),
    ],
)
def test_a_real_kernel_takes_what_the_scenario_made(release: str, stage: str, files: Rows, test: bool, tmp_path: Path) -> None:
    """``2-pre`` is the state of a kernel that a simulated kexec made."""
    report = booted(release, stage, files, tmp_path)
    assert report.outcome is BootOutcome.TAKEN, report.deciding
    lines = "\n".join(report.lines)
    assert all(f"Revived memory reservation '{name}' from KHO" in lines for name in ("oops_trace", "pstore"))
    assert ("test_kho: KHO restore succeeded" in lines) == test
    assert set(report.files) == given(files, seals=release != "6.19")


def told(lines: Iterable[str]) -> list[str]:
    """What a kernel says of the handover it met, without time stamps."""
    plain = (re.sub(r"^(?:<\d>)?\[ *[\d.]+\] ", "", line) for line in lines)
    return [
        line for line in plain if re.match(r"KHO: (?:found|setup: hand|disabling|exec from)|Revived|luo: Retrieved|test_kho: KHO", line)
    ]


@pytest.mark.parametrize(
    ("writer", "target", "outcome"),
    [("6.18", "6.19", Outcome.TAKEN), ("6.19", "6.18", Outcome.PART), ("7.1", "6.18", Outcome.IGNORED)],
)
def test_a_simulated_upgrade_says_what_the_real_kernel_says(writer: str, target: str, outcome: Outcome, tmp_path: Path) -> None:
    """All pairs of these kernels were run so by hand; the real captures are upgraded in test_boot_state."""
    run_scenario(SCENARIOS / f"story-{writer}.toml", tmp_path / "run", Context())
    pre, post = tmp_path / "run" / "1-pre", tmp_path / "post"
    simulated = kexec_capture(pre, post, Context(), release=target)
    assert simulated.reception.outcome is outcome
    real = boot_state(
        pre, BootRequest(kernel=KERNELS / f"bzImage-{target}", initrd=KERNELS / "initrd", append="khostage=9", limit=240), Context()
    )
    assert (real.outcome is BootOutcome.IGNORED) == (outcome is Outcome.IGNORED)
    assert told((post / "dmesg").read_text().splitlines()) == told(real.lines)
