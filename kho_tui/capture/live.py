"""The state of this machine as a file tree in the layout of a capture. Only files of debugfs, /proc and /sys are read."""

from __future__ import annotations

import os
import re
from pathlib import Path

from kho_tui.capture.files import MappedTree, Notes, directory_tree, why
from kho_tui.capture.machine_names import FOLDERS, LIVE_KHO, PROC

_RECORD = re.compile(rb"(\d{1,9}),\d+,(\d{1,18}),[^;]*;(.*)")
_LOG_RECORDS = 200_000
_LOG_BYTES = 64 << 20


def is_live(path: Path, root: Path) -> bool:
    """True where ``path`` names the kho debugfs tree of the machine whose file system is ``root``."""
    return os.path.normpath(path.absolute()) == os.path.normpath((root / LIVE_KHO).absolute())


def live_tree(root: Path) -> MappedTree:
    """The files of the machine under their names in a capture."""
    notes = Notes()
    files = {name: str(root / "proc" / name) for name in PROC if os.path.isfile(root / "proc" / name)}  # noqa: PTH113 - never raises
    for under, folder in FOLDERS.items():
        here = root / folder
        # /proc/device-tree is a symlink, and only the link is allowed to lead out of where it lies.
        part = directory_tree(Path(os.path.realpath(here)))
        files |= {under + path: os.path.join(part.name, path) for path in part.paths()}  # noqa: PTH118 - names may be any bytes
        if os.path.exists(here):  # noqa: PTH110 - never raises
            for note in part.notes:
                notes.add(under + note.path, note.message)
    for node in sorted((root / "sys/devices/system/node").glob("node[0-9]*"))[:4096]:
        files[f"node/{node.name}.meminfo"] = str(node / "meminfo")
    if "config.gz" not in files:
        release = os.uname().release
        for place in (f"boot/config-{release}", f"lib/modules/{release}/config"):
            if os.path.isfile(root / place):  # noqa: PTH113 - never raises
                files["config"] = str(root / place)
                break
    return MappedTree(str(root / LIVE_KHO), files, notes, {"dmesg": log} if (log := _kernel_log(root / "dev/kmsg", notes)) else {})


def why_no_tree(root: Path) -> str:
    """Why the kho tree of a running machine cannot be listed, as far as debugfs itself shows it; "" where it does not."""
    debugfs = root / "sys/kernel/debug"
    try:
        entries = [entry.name for entry in debugfs.iterdir()]
        if "kho" in entries:
            next((debugfs / "kho").iterdir(), None)
    except PermissionError:
        return "permission denied: run as root"
    except OSError as error:
        return f"no debugfs ({why(error)})"
    return "" if entries else "debugfs is not mounted: run mount -t debugfs none /sys/kernel/debug"


def _kernel_log(device: Path, notes: Notes) -> bytes:
    """/dev/kmsg from its oldest record on, as dmesg prints it; reading takes nothing away."""
    lines: list[bytes] = []
    size = 0
    try:
        fd = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        notes.add("dmesg", why(error))
        return b""
    try:
        while len(lines) < _LOG_RECORDS and size < _LOG_BYTES:
            try:
                record = os.read(fd, 16384)
            except BlockingIOError:
                break
            except BrokenPipeError:
                # Records were overwritten meanwhile; the next read goes on after them.
                continue
            if not record:
                break
            match = _RECORD.match(record)
            if match is not None:
                micros = int(match[2])
                lines.append(b"<%d>[%5d.%06d] %s\n" % (int(match[1]), micros // 1_000_000, micros % 1_000_000, match[3]))
                size += len(lines[-1])
    except OSError as error:
        notes.add("dmesg", why(error))
    finally:
        os.close(fd)
    return b"".join(lines)
