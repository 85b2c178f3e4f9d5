"""Which processes of the running machine have a file open, by the links below /proc/PID/fd. The file itself is never opened."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kho_tui.capture.files import read_until_eof
from kho_tui.text import SafeText, visible

_MOST_PROCESSES = 1 << 16
_MOST_FILES = 1 << 16
"""Open files of one process that are looked at."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process: its number and the name that it gives itself (/proc/PID/comm)."""

    pid: int
    name: SafeText


def holders_of(root: Path, file: str) -> tuple[Holder, ...] | None:
    """The processes that have ``file`` (without a slash in front) open; None where some may not be looked at. Never raises."""
    target = f"/{file}"
    found: list[Holder] = []
    complete = True
    try:
        processes = [entry.name for entry in os.scandir(root / "proc") if entry.name.isdecimal()]
    except OSError:
        return None
    for process in processes[:_MOST_PROCESSES]:
        folder = root / "proc" / process / "fd"
        try:
            links = [entry.path for entry in os.scandir(folder)]
        except FileNotFoundError:
            continue  # it has ended
        except OSError:
            complete = False
            continue
        if any(_leads_to(link, target) for link in links[:_MOST_FILES]):
            found.append(Holder(int(process), _name(root / "proc" / process / "comm")))
    return tuple(found) if found or complete else None


def _leads_to(link: str, target: str) -> bool:
    try:
        return str(Path(link).readlink()) == target
    except OSError:
        return False


def _name(path: Path) -> SafeText:
    try:
        data, _ = read_until_eof(path, 64)
    except OSError:
        return SafeText("?")
    return visible(data.rstrip(b"\n"))
