"""Where debugfs of the running machine is, or why it is not there."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kho_tui.capture.files import read_until_eof
from kho_tui.capture.machine_names import DEBUGFS

_LONGEST = 4 << 20
_ESCAPED = re.compile(rb"\\([0-7]{3})")


DebugfsState = Literal["mounted", "denied", "not-mounted", "none", "unknown"]
"""none: the kernel offers no debugfs; unknown: /proc does not say."""


@dataclass(frozen=True, slots=True)
class Debugfs:
    """``place``: the mount point below the root of the machine's file system, without a slash in front.

    ``state``: whether it can be entered.
    """

    place: str
    state: DebugfsState

    @property
    def tree(self) -> str:
        """Where its kho tree is, if there is one."""
        return self.of(f"{DEBUGFS}/kho")

    def of(self, path: str) -> str:
        """A path below the usual mount point where it is on this machine; any other path as it is."""
        return self.place + path.removeprefix(DEBUGFS) if path.startswith(f"{DEBUGFS}/") else path


def find_debugfs(root: Path) -> Debugfs:
    """The debugfs of the machine whose file system is ``root``: the usual mount point before others."""
    mounts = mount_points(root)
    shows_kho = next((place for place in (DEBUGFS, *mounts) if os.path.isdir(root / place / "kho")), None)  # noqa: PTH112 - never raises
    if shows_kho is not None:
        return Debugfs(shows_kho, "mounted")
    there = [place for place in mounts if os.path.lexists(root / place)]
    if there:
        place = DEBUGFS if DEBUGFS in there else there[0]
        return Debugfs(place, "mounted" if os.access(root / place, os.R_OK | os.X_OK) else "denied")
    kinds = _read(root / "proc/filesystems")
    if kinds is None:
        return Debugfs(DEBUGFS, "unknown")
    offered = any(line.split()[-1:] == [b"debugfs"] for line in kinds.splitlines())
    return Debugfs(DEBUGFS, "not-mounted" if offered else "none")


def mount_points(root: Path) -> list[str]:
    """Where /proc/mounts says that debugfs is mounted, the first mount first."""
    rows = (line.split() for line in (_read(root / "proc/mounts") or b"").splitlines())
    found = [row[1] for row in rows if len(row) >= 3 and row[2] == b"debugfs"]
    return [os.fsdecode(_ESCAPED.sub(lambda match: bytes((int(match[1], 8) & 255,)), place)).strip("/") for place in found]


def is_live(path: Path, root: Path) -> bool:
    """True where ``path`` names a debugfs, its kho tree or /proc/kcore of the machine whose file system is ``root``, by any link.

    The usual place names it wherever debugfs is mounted.
    """
    places = [Path("/") / DEBUGFS, *(root / place for place in (DEBUGFS, *mount_points(root)))]
    named = [Path("/proc/kcore"), root / "proc/kcore", *(place / below for place in places for below in ("", "kho"))]
    try:
        return {os.path.normpath(path.absolute()), os.path.realpath(path)} & {os.path.normpath(one.absolute()) for one in named} != set()
    except (OSError, ValueError):
        return False


def _read(path: Path) -> bytes | None:
    try:
        return read_until_eof(path, _LONGEST)[0]
    except OSError:
        return None
