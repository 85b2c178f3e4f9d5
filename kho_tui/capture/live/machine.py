"""What can be told of the running machine before anything of KHO is read: where debugfs is, what is allowed, what the kernel shows."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kho_tui.capture.files import read_until_eof
from kho_tui.capture.live.debugfs import Debugfs, find_debugfs
from kho_tui.capture.live.holders import Holder, holders_of
from kho_tui.capture.live.symbols import Symbols, find_symbol
from kho_tui.layout.platform import ByteOrder

_OUTGOING = "kho_out"
"""The kernel's variable of the outgoing side (kernel/liveupdate/kexec_handover.c, 6.19 to 7.3). That of 6.16 to 6.18
(kernel/kexec_handover.c) has a pointer to the struct page of the root FDT, which is no address of it."""
_KHO_FUNCTION = "kho_is_enabled"
"""A function of every kernel with KHO (6.16 on)."""

LIVEUPDATE_DEVICE = "dev/liveupdate"
"""LUO's device (kernel/liveupdate/luo_core.c, 6.19 to 7.3). It is looked for and never opened."""

Lockdown = Literal["none", "integrity", "confidentiality", "unknown"]
Kcore = Literal["readable", "denied", "absent", "not-asked"]
Switch = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine whose file system is ``root``."""

    root: Path
    debugfs: Debugfs
    symbols: Symbols
    lockdown: Lockdown
    kcore: Kcore
    image_loaded: Switch = "unknown"
    """Whether a kexec image is loaded (/sys/kernel/kexec_loaded)."""
    load_disabled: Switch = "unknown"
    """Whether loading is switched off until the next boot (/proc/sys/kernel/kexec_load_disabled)."""
    liveupdate_device: Switch = "unknown"
    """Whether there is a /dev/liveupdate."""

    @property
    def liveupdate_holders(self) -> tuple[Holder, ...] | None:
        """The processes that have /dev/liveupdate open, looked for anew; None: not all processes may be looked at."""
        return holders_of(self.root, LIVEUPDATE_DEVICE)

    @property
    def platform(self) -> tuple[int, ByteOrder]:
        """Page size in bytes and byte order: those of the kernel that runs this program."""
        return os.sysconf("SC_PAGE_SIZE"), "little" if sys.byteorder == "little" else "big"

    @property
    def facts(self) -> frozenset[str]:
        """What the table of obstacles is asked with, by the names of ``obstacles.FACTS``; capture-kho.sh gathers the same."""
        kho = self.symbols.kho
        return frozenset(
            {
                "here=yes",
                f"user={'root' if os.geteuid() == 0 else 'other'}",
                f"debugfs={self.debugfs.state}",
                f"lockdown={self.lockdown}",
                f"kcore={self.kcore}",
                f"symbols={self.symbols.shown}",
                f"symbol-built={'unknown' if kho is None else 'yes' if kho else 'no'}",
                f"image-loaded={self.image_loaded}",
                f"load-disabled={self.load_disabled}",
                f"liveupdate-device={self.liveupdate_device}",
            }
        )


def look_at_machine(root: Path, *, memory: bool = True) -> Machine:
    """The machine as it is now. ``memory``: whether /proc/kcore may be opened. Never raises."""
    return Machine(
        root=root,
        debugfs=find_debugfs(root),
        symbols=find_symbol(root, _OUTGOING, _KHO_FUNCTION),
        lockdown=_lockdown(root),
        kcore=_kcore(root / "proc/kcore") if memory else "not-asked",
        image_loaded=_switch(root / "sys/kernel/kexec_loaded"),
        load_disabled=_switch(root / "proc/sys/kernel/kexec_load_disabled"),
        liveupdate_device=_device(root),
    )


def _switch(path: Path) -> Switch:
    """A file that holds 0 or 1."""
    try:
        data, _ = read_until_eof(path, 16)
    except OSError:
        return "unknown"
    words: dict[bytes, Switch] = {b"0": "no", b"1": "yes"}
    return words.get(data.strip(), "unknown")


def _device(root: Path) -> Switch:
    try:
        return "yes" if Path(LIVEUPDATE_DEVICE).name in {entry.name for entry in (root / LIVEUPDATE_DEVICE).parent.iterdir()} else "no"
    except OSError:
        return "unknown"


def _lockdown(root: Path) -> Lockdown:
    """By the word in brackets of securityfs; where it is mounted and has no such file, the kernel has no lockdown."""
    folder = root / "sys/kernel/security"
    try:
        names = {entry.name for entry in folder.iterdir()}
        if "lockdown" not in names:
            return "none" if names else "unknown"
        data, _ = read_until_eof(folder / "lockdown", 4096)
    except OSError:
        return "unknown"
    levels: tuple[Lockdown, ...] = ("none", "integrity", "confidentiality")
    return next((level for level in levels if f"[{level}]".encode() in data), "unknown")


def _kcore(path: Path) -> Kcore:
    if not os.path.exists(path):  # noqa: PTH110 - never raises
        return "absent"
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return "denied"
    return "readable"
