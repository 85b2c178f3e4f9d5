"""The files of the running machine under their names in a capture: debugfs, /proc, /sys and the kernel log."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from kho_tui.capture.files import MappedTree, Notes, directory_tree, read_until_eof, why
from kho_tui.capture.live.debugfs import Debugfs
from kho_tui.capture.machine_names import CONFIGS, FILES, FOLDERS, ROWS, Row
from kho_tui.text import SafeText, visible

_RECORD = re.compile(rb"(\d{1,9}),\d+,(\d{1,18}),[^;]*;(.*)")
_LOG_READS = 200_000
_LOG_BYTES = 64 << 20
_MOST_OVERRUNS = 100
"""How often records may be overwritten before they are read until this log is left as it is: it may go on for ever."""


def live_tree(root: Path, debugfs: Debugfs, without: frozenset[SafeText] = frozenset()) -> MappedTree:
    """The files of the machine whose file system is ``root``. ``without``: names, as they are shown, of files to leave out."""
    notes = Notes()
    files = {name: str(root / path) for name, path in FILES.items() if os.path.isfile(root / path)}  # noqa: PTH113 - never raises
    for under, folder in FOLDERS.items():
        here = root / debugfs.of(folder)
        # /proc/device-tree is a symlink, and only the link is allowed to lead out of where it lies.
        part = directory_tree(Path(os.path.realpath(here)))
        files |= {under + path: os.path.join(part.name, path) for path in part.paths()}  # noqa: PTH118 - names may be any bytes
        if os.path.exists(here):  # noqa: PTH110 - never raises
            for note in part.notes:
                notes.add(under + note.path, note.message)
    for node in sorted((root / "sys/devices/system/node").glob("node[0-9]*"))[:4096]:
        files[f"node/{node.name}.meminfo"] = str(node / "meminfo")
    if "config.gz" not in files:
        places = (root / place.format(release=release_of(root)) for place in CONFIGS)
        config = next((str(place) for place in places if os.path.isfile(place)), None)  # noqa: PTH113 - never raises
        files |= {} if config is None else {"config": config}
    files = {name: path for name, path in files.items() if visible(name) not in without} if without else files
    return MappedTree(str(root / debugfs.tree), files, notes, {"dmesg": log} if (log := _kernel_log(root / "dev/kmsg", notes)) else {})


def release_of(root: Path) -> str:
    """The release of the machine's kernel."""
    try:
        return read_until_eof(root / "proc/sys/kernel/osrelease", 4096)[0].decode("utf-8", "replace").strip() or os.uname().release
    except OSError:
        return os.uname().release


def not_there(root: Path, debugfs: Debugfs, taken: Iterable[str]) -> Iterator[Row]:
    """What this machine does not have of what a capture may hold. ``taken``: the names of what is in it."""
    names = tuple(taken)
    for row in ROWS:
        # Of what is special any form will do: a configuration is packed or not.
        there = any(name.startswith(row.name) for name in names) if row.special else os.path.lexists(root / debugfs.of(row.path))
        if row.absence and not there:
            yield row


def _kernel_log(device: Path, notes: Notes) -> bytes:
    """/dev/kmsg from its oldest record on, as dmesg prints it; reading takes nothing away."""
    lines: list[bytes] = []
    size = overruns = 0
    try:
        fd = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        notes.add("dmesg", why(error))
        return b""
    try:
        for _ in range(_LOG_READS):
            if size >= _LOG_BYTES or overruns > _MOST_OVERRUNS:
                notes.add("dmesg", "not read to its end: it grows faster than it is read, or is too long")
                break
            try:
                record = os.read(fd, 16384)
            except BlockingIOError:
                break
            except BrokenPipeError:
                # The next read goes on after those that are gone.
                overruns += 1
                continue
            if not record:
                break
            match = _RECORD.match(record)
            if match is not None:
                micros = int(match[2])
                lines.append(b"<%d>[%5d.%06d] %s\n" % (int(match[1]), micros // 1_000_000, micros % 1_000_000, match[3]))
                size += len(lines[-1])
        else:
            notes.add("dmesg", f"not read to its end: only its first {_LOG_READS} records")
        if overruns:
            notes.add("dmesg", "records were overwritten before they were read: lines are missing in it")
    except OSError as error:
        notes.add("dmesg", why(error))
    finally:
        os.close(fd)
    return b"".join(lines)
