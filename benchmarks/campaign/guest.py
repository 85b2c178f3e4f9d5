"""Boot a real kernel on an altered state, and read what it did from its serial console alone."""

from __future__ import annotations

import atexit
import gzip
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from verdicts import KERNELS, Verdict, came_back

from campaign.bases import Base
from kho_tui.context import Context
from kho_tui.operations.boot_state import BootReport, BootRequest, boot_state
from kho_tui.simulator.qemu.console import BootOutcome

_FILLER = 320 << 20
_MAKING = Lock()
"""functools.cache lets two threads make the same thing."""
_REVIVED = re.compile(r"Revived memory reservation '(.*)' from KHO")
_SESSION = re.compile(r"RIG session (\S+) retrieved")
_FILE = re.compile(r"RIG file (\S+) ([0-9a-f]+) size=(\d+) .*crc32=([0-9a-f]{8})")
_NUMBER = re.compile(r"liveupdate number: (\d+)")
_ERROR = re.compile(r"RIG (?:rfd|retrieve|finish|no|create) .*[A-Za-z]{4}")
_TELLING = re.compile(r"KHO|luo|memfd_luo|test_kho|BUG|Oops|WARNING:|RIP: 0010|[Pp]anic|kernel BUG|reserve_mem|liveupdate")
_TIME = re.compile(r"^\[ *\d+\.\d+\] ")
_USER = "Run /init as init process"
_CALLS = {
    "retrieve": re.compile(r"memfd_luo_|luo_retrieve_file|luo_session_ioctl|luo_session_retrieve|luo_file_finish|luo_session_finish"),
    "open": re.compile(r"luo_open|luo_session_deserialize|luo_ioctl"),
    "consumers": re.compile(r"luo_|liveupdate|test_kho|kho_test|reserve_mem|kho_in_|kexec_metadata|kho_init"),
    "memory": re.compile(r"kho_mem_init|kho_memory_init|kho_mem_deserialize|deserialize_bitmap|kho_radix|kho_preserved_memory"),
}
_LINES_KEPT = 12
_OUTCOMES = {
    BootOutcome.TAKEN: "accepted",
    BootOutcome.PART: "accepted",
    BootOutcome.IGNORED: "refused",
    BootOutcome.PANIC: "panic",
    BootOutcome.NONE: "hang",
}


@dataclass(frozen=True, slots=True)
class Booted:
    """What a guest did. ``outcome``: accepted, refused, panic, hang. ``place``: of a panic, where; empty where the log does not tell.

    ``complete``: init came to its end, so that what it did not get is gone. ``seen``: as in verdicts.jsonl; ``cut``: warnings pushed the
    begin of the log out of the kernel's buffer before the console spoke, so that what it does not say may have been said.
    """

    outcome: str
    place: str
    complete: bool
    seen: dict[str, Any]

    @property
    def back(self) -> set[str]:
        """The regions, sessions and files that came back."""
        return came_back(self.seen)


def boot(base: Base, verdict: Verdict, limit: float, filled: bool = False) -> Booted:
    """Boot the state of ``verdict``, placed as a kexec places its kernel on the unaltered one. ``filled``: init's memory is full of noise.

    Raises InputError where QEMU does not start.
    """
    patches = []
    for patch in verdict.patches:
        if patch.new_page:
            patches.append((patch.address // 4096 * 4096, bytes(4096)))
        patches.append((patch.address, patch.data))
    with _MAKING:
        initrd = _filled_initrd() if filled else KERNELS / "initrd"
    request = BootRequest(kernel=verdict.image, initrd=initrd, limit=limit, cmdline=verdict.cmdline, patches=tuple(patches))
    return read(boot_state(base.path, request, Context()))


@cache
def _filled_initrd() -> Path:
    """The initrd with a file in it that fills most of the guest's memory: what is freed is written over. Gone when this process ends."""
    head = f"070701{1:08x}{0o100644:08x}{0:08x}{0:08x}{1:08x}{0:08x}{_FILLER:08x}{0:08x}{0:08x}{0:08x}{0:08x}{4:08x}{0:08x}pad\0".encode()
    end = f"070701{0:08x}{0:08x}{0:08x}{0:08x}{1:08x}{0:08x}{0:08x}{0:08x}{0:08x}{0:08x}{0:08x}{11:08x}{0:08x}TRAILER!!!\0".encode()
    packed = (KERNELS / "initrd").read_bytes()
    folder = TemporaryDirectory(prefix="campaign-")
    atexit.register(folder.cleanup)
    made = Path(folder.name) / "initrd"
    archive = _padded(head) + b"\xa5" * _FILLER + _padded(end)
    made.write_bytes(_padded(packed) + gzip.compress(archive, 1))
    return made


def _padded(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // 4) * 4, b"\0")


def read(report: BootReport) -> Booted:
    """What the console's lines say."""
    lines = [_TIME.sub("", line) for line in report.lines]
    in_user = any("RIG stage" in line for line in lines)
    outcome = _OUTCOMES[report.outcome]
    if not report.ended and not in_user and outcome == "accepted":
        outcome = "hang"
    seen: dict[str, Any] = {
        "taken": any("KHO: found kexec handover data" in line for line in lines),
        "revived": _all(_REVIVED, lines),
        "sessions": list(dict.fromkeys(_all(_SESSION, lines))),
        "files": [f"{match[1]} {match[2]} size={match[3]} crc32={match[4]}" for line in lines if (match := _FILE.search(line))],
        "luo": next(iter(_all(_NUMBER, lines)), None),
        "test": _said(lines, "KHO restore succeeded", "KHO restore failed"),
        "metadata": any("KHO: exec from" in line for line in lines),
        "cut": bool(lines) and not any("Linux version" in line for line in lines),
        "errors": [line for line in lines if _ERROR.search(line)],
    }
    if outcome in ("panic", "hang"):
        seen["panic"] = str(report.deciding)
        seen["log"] = [line for line in lines if _TELLING.search(line) and "ommand line" not in line][-_LINES_KEPT:]
    place = _place(lines) if outcome == "panic" else ""
    return Booted(outcome, place, any("RIG done" in line for line in lines), {key: value for key, value in seen.items() if value})


def _all(pattern: re.Pattern[str], lines: Iterable[str]) -> list[str]:
    return [match[1] for line in lines if (match := pattern.search(line))]


def _said(lines: Sequence[str], good: str, bad: str) -> str:
    if any(good in line for line in lines):
        return "succeeded"
    return "failed" if any(bad in line for line in lines) else ""


def _place(lines: Sequence[str]) -> str:
    """Where it died: by the functions of the last trace, else by how far it came."""
    start = max((number for number, line in enumerate(lines) if "RIP: 0010" in line or "Call Trace" in line), default=None)
    first = next((number for number, line in enumerate(lines) if re.search(r"BUG|Oops|kernel BUG|[Pp]anic", line)), len(lines))
    trace = "\n".join(lines[min(first, start if start is not None else first) :])
    if not any("Linux version" in line or "Call Trace" in line for line in lines):
        # Only what stood in the log buffer of the kernel's image: it died before its console spoke.
        return "early"
    if _USER not in "\n".join(lines):
        return next((place for place in ("consumers", "memory") if _CALLS[place].search(trace)), "")
    return next((place for place in ("retrieve", "open") if _CALLS[place].search(trace)), "")
