"""Capture the running machine: its files, and of its memory what the state's metadata is made of."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from kho_tui.capture import probe
from kho_tui.capture.archive_writer import is_archive_name, pack, require_place
from kho_tui.capture.files import MappedTree, read_until_eof
from kho_tui.capture.live.devices import device_files
from kho_tui.capture.live.machine import Machine, look_at_machine
from kho_tui.capture.live.page_report import flags_of_pages, scratch_summary
from kho_tui.capture.live.tree import live_tree
from kho_tui.capture.reader import BLOB_LIMIT, LIVE_BLOB_LIMIT, LOG_LIMIT
from kho_tui.capture.writer import new_directory, require_unused, write_capture
from kho_tui.context import Context
from kho_tui.decode.facet import struct_head
from kho_tui.decode.subtrees import is_blob_of_kho
from kho_tui.errors import InputError, ReadError
from kho_tui.layout.place import Blob
from kho_tui.layout.platform import Platform
from kho_tui.memory.kcore import KcoreMemory
from kho_tui.model.facts import Missing, Status
from kho_tui.operations.fingerprint import changed_names, fingerprint
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.text import SafeText, human_size, plural, visible
from kho_tui.version import program_version

MemoryTaken = Literal["metadata", "none"]
"""metadata: pages that the state's structures lie on; contents of preserved pages are never taken."""

_MOST_READINGS = 3
_MOST_PAGES_NAMED = 20
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
    archive = _require_new(output)
    machine = look_at_machine(probe.LIVE_ROOT, memory=memory != "none")
    opened, problem, files, tree = _read_machine(machine, memory, context)
    try:
        running = None if opened is None else opened.sources.running
        say(f"capturing debugfs, /proc, /sys and the kernel log{_pages_in_words(running)}")
        say(f"the capture holds {CONTAINS}")
        left_out = [] if opened is None else _drop_reused(files, opened)
        for name, size in () if opened is None else _cut_to_format(files, opened):
            tree.notes.add(name, f"only the first {len(files[name])} of {size} bytes are kept: its format has no more")
        if running is not None and opened is not None:
            files |= _page_flags(running, opened, tree)
        unread = [(note.path or SafeText("capture"), note.message) for note in tree.notes]
        unread += [] if opened is None else _unread_memory(opened, running)
        if problem:
            unread.append((SafeText("kho"), problem))
        manifest = _manifest(machine, opened, running, problem, files, unread, left_out)
        write = partial(
            write_capture, files=files, memory=running, platform=_platform(machine), machine=os.uname().machine, context=context
        )
        if not archive:
            with new_directory(output) as made:
                write(made, manifest=manifest)
        else:
            with TemporaryDirectory(prefix=f".{output.name}.", dir=output.absolute().parent) as scratch:
                write(Path(scratch), manifest=manifest)
                pack(Path(scratch), output, context)
    except OSError as error:
        raise InputError(f"{visible(str(output))}: {error.strerror or error}") from error
    finally:
        if opened is not None:
            opened.close()
    pages = 0 if running is None else running.pages_read
    return Captured(path=output, files=len(files) + 1 + (running is not None), pages=pages, unread=tuple(unread))


def _require_new(output: Path) -> bool:
    """Whether ``output`` is to be an archive. Raises InputError where that cannot be written."""
    if is_archive_name(output.name):
        require_place(output)
        return True
    require_unused(output)
    return False


def _read_machine(machine: Machine, memory: MemoryTaken, context: Context) -> tuple[Opened | None, SafeText, dict[str, bytes], MappedTree]:
    """The state and the files of one moment: read again where debugfs changed between the two."""
    watched = machine.root / machine.debugfs.tree
    for attempt in range(_MOST_READINGS):
        before = fingerprint(watched)
        opened, problem = _open(memory, context)
        files, tree = _files(machine, context)
        changed = changed_names(before, fingerprint(watched))
        if not changed or attempt == _MOST_READINGS - 1:
            break
        if opened is not None:
            opened.close()
    for name in changed:
        tree.notes.add(f"kho/{name}", "it changed between two readings: it may be of another moment than the rest")
    return opened, problem, files, tree


def _drop_reused(files: dict[str, bytes], opened: Opened) -> list[str]:
    """Take away what debugfs shows of freed memory that somebody else uses by now; the names.

    The kernel's files of the incoming side go on pointing at blobs whose memory it has freed. One that does not begin as a blob of KHO is
    no longer one.
    """
    side = opened.state.sides.get("in")
    reused = [
        f"kho/in/{names.sub_fdts}/{os.fsdecode(subtree.name)}"
        for subtree in (() if side is None else side.subtrees)
        if subtree.status is Status.STALE and isinstance(subtree.blob, Blob) and not is_blob_of_kho(opened.state.registry, subtree.blob)
        for names in opened.state.registry.releases.names
    ]
    return [name for name in dict.fromkeys(reused) if files.pop(name, None) is not None]


def _cut_to_format(files: dict[str, bytes], opened: Opened) -> Iterator[tuple[str, int]]:
    """Cut blobs whose struct says its size, and that go on for more than the page it is in; their names and what they had."""
    registry = opened.state.registry
    for name, data in files.items():
        head = struct_head(registry, data) if name.startswith("kho/") else None
        if head is not None and len(data) > max(head.size, opened.state.machine.platform.page_size):
            files[name] = data[: head.size]
            yield name, len(data)


def _unread_memory(opened: Opened, running: KcoreMemory | None) -> list[tuple[SafeText, SafeText]]:
    """Pages of the state that could not be read, and what moved; what points at somebody else's memory lacks nothing."""
    lost = [] if running is None else [(page, absence) for page, absence in running.refused() if not absence.outdated]
    unread = [(SafeText(f"memory at {page:#x}"), absence.reason) for page, absence in lost[:_MOST_PAGES_NAMED]]
    if len(lost) > _MOST_PAGES_NAMED:
        unread.append((SafeText("memory"), SafeText(f"{len(lost) - _MOST_PAGES_NAMED} more pages could not be read")))
    return [*unread, (SafeText("state"), opened.changed)] if opened.changed else unread


def _open(memory: MemoryTaken, context: Context) -> tuple[Opened | None, SafeText]:
    """The state of this machine; or why there is none to read."""
    path = probe.LIVE_ROOT / "sys/kernel/debug/kho"
    try:
        return open_state(path, context, memory=memory != "none"), SafeText("")
    except (InputError, ReadError) as error:
        return None, SafeText(str(error).removeprefix(f"{visible(str(path))}: "))


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
            files[path] = tree.read(path, LOG_LIMIT if path == "dmesg" else LIVE_BLOB_LIMIT if path.startswith("kho/") else BLOB_LIMIT)
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
    files: dict[str, bytes] = {}
    scratch = opened.state.scratch
    areas = [] if isinstance(scratch, Missing) else [(area.start, area.size) for area in scratch.areas]
    reports = {
        "kpageflags": partial(flags_of_pages, running.flags, running.used(), running.page_size),
        "scratch-flags": partial(scratch_summary, running.flags, areas, running.page_size),
    }
    for name, report in reports.items():
        try:
            files[name] = report()
        except ReadError as error:
            tree.notes.add(name, str(error))
    return files


def _manifest(
    machine: Machine,
    opened: Opened | None,
    running: KcoreMemory | None,
    problem: SafeText,
    files: Mapping[str, bytes],
    unread: Sequence[tuple[SafeText, SafeText]],
    left_out: Sequence[str],
) -> dict[str, object]:
    memory: dict[str, object] = {"taken": "none" if running is None else "metadata"}
    if running is not None:
        memory |= {"pages": running.pages_read, "bytes": running.used().total_bytes, "named": [f"{page:#x}" for page in running.named]}
        absent = ((page, absence) for page, absence in running.refused())
        memory["no_outgoing"] = None if opened is None else opened.sources.no_outgoing or None
        memory["absent"] = [{"address": f"{page:#x}", "reason": one.reason, "moving": one.moving} for page, one in absent]
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
        "unreadable": [{"path": what, "reason": why} for what, why in unread],
        "left_out": [{"path": name, "reason": "freed memory that somebody else uses by now"} for name in left_out],
    }


def _platform(machine: Machine) -> Platform:
    size, order = machine.platform
    return Platform(order, size)


def _line(path: Path) -> str | None:
    try:
        return read_until_eof(path, 4096)[0].decode("utf-8", "replace").partition("\n")[0]
    except OSError:
        return None
