"""Capture the running machine: its files, and of its memory what the state's metadata is made of."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from kho_tui.capture import probe
from kho_tui.capture.archive_writer import is_archive_name, pack
from kho_tui.capture.files import MappedTree, read_until_eof
from kho_tui.capture.live.devices import device_files
from kho_tui.capture.live.machine import Machine, look_at_machine
from kho_tui.capture.live.page_report import flags_of_pages, scratch_summary
from kho_tui.capture.live.tree import live_tree
from kho_tui.capture.reader import BLOB_LIMIT, LOG_LIMIT
from kho_tui.capture.writer import new_directory, require_unused, write_capture
from kho_tui.context import Context
from kho_tui.errors import InputError, ReadError
from kho_tui.layout.platform import Platform
from kho_tui.memory.kcore import KcoreMemory
from kho_tui.model.facts import Missing
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.text import SafeText, human_size, plural, visible
from kho_tui.version import program_version

MemoryTaken = Literal["metadata", "none"]
"""metadata: pages that the state's structures lie on; contents of preserved pages are never taken."""

CONTAINS = SafeText("kernel addresses, the kernel's command line and log, session names: keep it private")


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What was written. ``path``: directory or archive; ``files``: how many; ``pages``: of memory; ``unread``: (what, why) of the rest."""

    path: Path
    files: int
    pages: int
    unread: tuple[tuple[SafeText, SafeText], ...]


def default_name() -> str:
    """``kho-HOST-DATE-TIME.tar.gz``."""
    host = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "_" for char in socket.gethostname())
    return f"kho-{host}-{datetime.now():%Y%m%d-%H%M%S}.tar.gz"


def capture_machine(output: Path, memory: MemoryTaken, context: Context, say: Callable[[str], None]) -> Captured:
    """Write a capture of this machine to ``output``, a new directory or, by its ending, a new archive. ``say`` is told what is in it first.

    Raises InputError where ``output`` exists or cannot be written, EncodeError, Cancelled. A machine without KHO is captured, too: why it
    has none is what such a capture tells.
    """
    archive = is_archive_name(output.name)
    if not archive:
        require_unused(output)
    elif output.exists() or output.is_symlink():
        raise InputError(f"{visible(str(output))} exists: name another one")
    machine = look_at_machine(probe.LIVE_ROOT)
    opened, problem = _open(context)
    try:
        running = None if opened is None or memory == "none" else opened.sources.running
        say(f"capturing debugfs, /proc, /sys and the kernel log{_pages_in_words(running)}")
        say(f"the capture holds {CONTAINS}")
        files, tree = _files(machine, context)
        if running is not None and opened is not None:
            files |= _page_flags(running, opened, tree)
        manifest = _manifest(machine, opened, running, problem, files, tree)
        if not archive:
            with new_directory(output) as made:
                write_capture(made, files, running, _platform(machine), os.uname().machine, manifest, context)
        else:
            with TemporaryDirectory(prefix=f".{output.name}.", dir=output.absolute().parent) as made:
                write_capture(Path(made), files, running, _platform(machine), os.uname().machine, manifest, context)
                pack(Path(made), output, context)
    except OSError as error:
        raise InputError(f"{visible(str(output))}: {error.strerror or error}") from error
    finally:
        if opened is not None:
            opened.close()
    unread = [(note.path or SafeText("capture"), note.message) for note in tree.notes]
    if problem:
        unread.append((SafeText("kho"), problem))
    return Captured(
        path=output, files=len(files) + 1 + (running is not None), pages=0 if running is None else running.pages_read, unread=tuple(unread)
    )


def _open(context: Context) -> tuple[Opened | None, SafeText]:
    """The state of this machine; or why there is none to read."""
    try:
        return open_state(probe.LIVE_ROOT / "sys/kernel/debug/kho", context), SafeText("")
    except (InputError, ReadError) as error:
        return None, SafeText(str(error).partition(": ")[2])


def _pages_in_words(running: KcoreMemory | None) -> str:
    if running is None:
        return ", no memory"
    size = human_size(running.used().total_bytes)
    return f", and {size} on {plural(running.pages_read, 'page')} of KHO's own structures; no contents of preserved pages"


def _files(machine: Machine, context: Context) -> tuple[dict[str, bytes], MappedTree]:
    """All files of the capture by their names; what could not be read is among the notes of the tree."""
    tree = live_tree(machine.root, machine.debugfs)
    files: dict[str, bytes] = {}
    for path in tree.paths():
        context.step("reading the machine's files")
        try:
            files[path] = tree.read(path, LOG_LIMIT if path == "dmesg" else BLOB_LIMIT)
        except ReadError as error:
            tree.notes.add(path, str(error).removeprefix(f"{visible(path)}: "))
    for name, path in device_files(machine.root).items():
        try:
            files[name] = read_until_eof(path, 4096)[0]
        except OSError:
            continue  # unplugged meanwhile
    return files, tree


def _page_flags(running: KcoreMemory, opened: Opened, tree: MappedTree) -> dict[str, bytes]:
    if running.flags is None:
        tree.notes.add("kpageflags", "/proc/kpageflags cannot be read")
        return {}
    files = {"kpageflags": flags_of_pages(running.flags, running.used(), running.page_size)}
    scratch = opened.state.scratch
    if not isinstance(scratch, Missing):
        areas = [(area.start, area.size) for area in scratch.areas]
        try:
            files["scratch-flags"] = scratch_summary(running.flags, areas, running.page_size)
        except ReadError as error:
            tree.notes.add("scratch-flags", str(error))
    return files


def _manifest(
    machine: Machine,
    opened: Opened | None,
    running: KcoreMemory | None,
    problem: SafeText,
    files: Mapping[str, bytes],
    tree: MappedTree,
) -> dict[str, object]:
    moving = "" if opened is None else opened.changed
    memory: dict[str, object] = {"taken": "none" if running is None else "metadata"}
    if running is not None:
        memory |= {"pages": running.pages_read, "bytes": running.used().total_bytes, "named": [f"{page:#x}" for page in running.named]}
    if moving:
        memory["moving"] = moving
    return {
        "schema": "kho-tui.capture/1",
        "tool": {"name": "kho-tui", "version": program_version()},
        "complete": True,
        "taken": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "hostname": _line(machine.root / "proc/sys/kernel/hostname") or socket.gethostname(),
        "kernel": _line(machine.root / "proc/sys/kernel/osrelease") or os.uname().release,
        "boot_id": _line(machine.root / "proc/sys/kernel/random/boot_id"),
        "lockdown": _line(machine.root / "sys/kernel/security/lockdown"),
        "uid": os.geteuid(),
        "facts": " ".join(sorted(machine.facts)),
        "kho": {"present": opened is not None, "reason": None, "message": problem or None},
        "memory": memory,
        "files": [{"path": name, "bytes": len(data)} for name, data in sorted(files.items())],
        "unreadable": [{"path": note.path, "reason": note.message} for note in tree.notes],
    }


def _platform(machine: Machine) -> Platform:
    size, order = machine.platform
    return Platform(order, size)


def _line(path: Path) -> str | None:
    try:
        return read_until_eof(path, 4096)[0].decode("utf-8", "replace").partition("\n")[0]
    except OSError:
        return None
