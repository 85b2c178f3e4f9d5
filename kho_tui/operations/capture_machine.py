"""Capture the running machine: its files, and of its memory what the state's metadata is made of."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeAlias

from kho_tui.capture import probe
from kho_tui.capture.archive_writer import is_archive_name, pack, require_place
from kho_tui.capture.files import read_until_eof
from kho_tui.capture.live.devices import device_files
from kho_tui.capture.live.machine import Machine, look_at_machine
from kho_tui.capture.live.page_report import flags_of_pages, scratch_summary
from kho_tui.capture.live.tree import live_tree, not_there, release_of
from kho_tui.capture.machine_names import DEBUGFS, NOT_SHOWN, SCHEMA
from kho_tui.capture.obstacles import MachineFacts, machine_facts
from kho_tui.capture.proc import parse_cmdline, parse_config
from kho_tui.capture.reader import BLOB_LIMIT, LIVE_BLOB_LIMIT, LOG_LIMIT
from kho_tui.capture.sources import NOT_HERE
from kho_tui.capture.writer import new_directory, require_unused, write_capture
from kho_tui.context import Context
from kho_tui.decode.facet import Decoding, declared_size
from kho_tui.decode.incoming import subtree_is_kept
from kho_tui.decode.subtrees import is_blob_of_kho
from kho_tui.errors import InputError, ReadError
from kho_tui.fdt.tree import looks_like_fdt
from kho_tui.layout.platform import Platform
from kho_tui.memory.elf_writer import core_size
from kho_tui.memory.kcore import KcoreMemory
from kho_tui.model.facts import Missing
from kho_tui.operations.fingerprint import changed_names, fingerprint
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.releases.table import Finalize
from kho_tui.text import SafeText, human_size, plural, visible
from kho_tui.version import program_version

MemoryTaken = Literal["metadata", "none"]
"""metadata: pages that the state's structures lie on; contents of preserved pages are never taken."""

_Reading: TypeAlias = tuple[Opened | None, SafeText]
_MOST_READINGS = 3
_SOME_ADDRESS = re.compile(rb"^ *0*[1-9a-f]|^ *0+-0*[1-9a-f]", re.MULTILINE)
"""In /proc/iomem."""
_MOST_PAGES_NAMED = 20
_NOT_TOLD = SafeText(
    "no format of this name is known here, so nothing tells its bytes from those of somebody else who uses freed memory: left out"
)
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


def capture_machine(output: Path, memory: MemoryTaken, context: Context, say: Callable[[str], None], *, search: bool = False) -> Captured:
    """Write a capture of this machine to ``output``, a new directory or, by its ending, a new archive. ``say`` is told what is in it first.

    ``search``: look through all RAM for root FDTs where the kernel does not say where they are; ``say`` is told what that means.
    Raises InputError where ``output`` exists or cannot be written, EncodeError, Cancelled. A machine without KHO is captured, too: why it
    has none is what such a capture tells.
    """
    archive = _require_new(output)
    machine = look_at_machine(probe.LIVE_ROOT, memory=memory != "none")
    opened, problem, taken = _read_machine(
        machine, partial(_open, memory, context, say, search=search), context, 1 if search else _MOST_READINGS
    )
    try:
        running = None if opened is None else opened.sources.running
        say(f"capturing debugfs, /proc, /sys and the kernel log{_pages_in_words(running)}")
        say(f"the capture holds {CONTAINS}")
        if opened is not None:
            taken.drop_reused(opened)
            taken.cut_to_format(opened)
            taken.unread += _unread_memory(opened)
        if running is not None and opened is not None:
            taken.add_flags(running, opened)
        if problem:
            taken.unread.append((SafeText("kho"), problem))
        facts = taken.facts(machine)
        told = _memory_told(facts, opened, running, memory)
        if opened is not None:
            taken.note_root(opened, told)
        taken.note_missing(machine, facts, running, told)
        manifest = _manifest(machine, facts, problem, running, taken, told)
        write = partial(
            write_capture, files=taken.files, memory=running, platform=_platform(machine), machine=os.uname().machine, context=context
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
    changed = ((visible(name), SafeText("it changed between two readings")) for name in taken.changed)
    pages = 0 if running is None else running.pages_read
    return Captured(path=output, files=len(taken.files) + 1 + (pages > 0), pages=pages, unread=(*taken.unread, *changed))


@dataclass(slots=True)
class _Taken:
    """What goes into the capture, by names in it: ``files``, and where each was read, ``sources``; and what does not go into it.

    ``unread``: what and why; ``absent``: names, where they would be, and what it means that they are not; ``write_only``: files that nobody
    may read; ``changed``: files that may be of another moment than the rest.
    """

    root: Path
    files: dict[str, bytes]
    sources: dict[str, str]
    unread: list[tuple[SafeText, SafeText]]
    write_only: list[str]
    absent: list[tuple[str, str, str]] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def source(self, name: str) -> str | None:
        """Where a file was read, as the machine names it."""
        path = self.sources.get(name)
        return None if path is None else "/" + path.removeprefix(str(self.root)).lstrip("/")

    def facts(self, machine: Machine) -> MachineFacts:
        """What is known of the machine."""
        config = next((parse_config(self.files[name]) for name in ("config.gz", "config") if name in self.files), NOT_HERE)
        cmdline = parse_cmdline(self.files["cmdline"]) if "cmdline" in self.files else NOT_HERE
        return machine_facts(config, cmdline, machine=machine)

    def drop_reused(self, opened: Opened) -> None:
        """Take away what debugfs shows of freed memory that somebody else uses by now.

        The kernel's files of the incoming side go on pointing at blobs whose memory it has freed. One that does not begin as a blob of KHO
        is no longer one, if its format is known; else nobody can tell.
        """
        side, registry = opened.state.sides.get("in"), opened.state.registry
        root = None if side is None or isinstance(side.root, Missing) else side.root.compatible
        folders = {f"kho/in/{names.sub_fdts}" for names in registry.releases.names}
        for name in [name for name in self.files if name.rpartition("/")[0] in folders]:
            subtree = os.fsencode(name.rpartition("/")[2])
            if subtree_is_kept(registry, root, subtree) or is_blob_of_kho(registry, self.files[name]):
                continue
            del self.files[name]
            if subtree in registry.facets(Decoding):
                self.absent.append((name, self.source(name) or "", "freed memory that somebody else uses by now"))
            else:
                self.unread.append((visible(name), _NOT_TOLD))

    def cut_to_format(self, opened: Opened) -> None:
        """Cut blobs whose struct says its size, and that go on for more than the page it is in."""
        for name, data in self.files.items():
            if not name.startswith("kho/") or looks_like_fdt(data):
                continue
            size = declared_size(opened.state.registry, os.fsencode(name.rpartition("/")[2]), data)
            if size is not None and len(data) > max(size, opened.state.machine.platform.page_size):
                self.files[name] = data[:size]
                note = f"only the first {size} of {len(data)} bytes are kept: its format has no more"
                self.unread.append((visible(name), SafeText(note)))

    def add_flags(self, running: KcoreMemory, opened: Opened) -> None:
        """What /proc/kpageflags says of the pages that were read, and of scratch."""
        if running.flags is None:
            if (self.root / "proc/kpageflags").exists():
                self.unread.append((SafeText("kpageflags"), SafeText("/proc/kpageflags cannot be read")))
            else:
                self.absent.append(("kpageflags", "/proc/kpageflags", NOT_SHOWN))
            return
        scratch = opened.state.scratch
        areas = [] if isinstance(scratch, Missing) else [(area.start, area.size) for area in scratch.areas]
        reports = {
            "kpageflags": partial(flags_of_pages, running.flags, running.used(), running.page_size),
            "scratch-flags": partial(scratch_summary, running.flags, areas, running.page_size),
        }
        for name, report in reports.items():
            try:
                self.files[name] = report()
                self.sources[name] = "/proc/kpageflags"
            except ReadError as error:
                self.unread.append((SafeText(name), SafeText(str(error))))

    def note_root(self, opened: Opened, memory: Mapping[str, object]) -> None:
        """An outgoing root FDT that neither memory nor debugfs shows, though there is one. ``memory``: what the manifest says of it."""
        release = opened.state.registry.releases.of(opened.sources.release)
        at_will = release is not None and release.finalize is Finalize.STATEFUL  # then debugfs shows it wherever there is one
        if memory["reason"] is not None and "out" in opened.state.sides and not self.files.get("kho/out/fdt") and not at_will:
            self.unread.append((SafeText("memory.elf"), SafeText(f"{memory['message']}")))

    def note_missing(self, machine: Machine, facts: MachineFacts, running: KcoreMemory | None, memory: Mapping[str, object]) -> None:
        """What this machine does not have, or what keeps it away. ``memory``: what the manifest says of memory."""
        closed = None if machine.debugfs.state == "mounted" else facts.obstacle("tree", "debugfs")
        for row in not_there(machine.root, machine.debugfs, self.files):
            name = row.name.rstrip("/")
            if closed is not None and row.path.startswith(f"{DEBUGFS}/"):
                self.unread.append((SafeText(name), closed.words))
            else:
                self.absent.append((name, f"/{machine.debugfs.of(row.path)}", row.absence))
        if (running is None or not running.pages_read) and all(what != "memory.elf" for what, _ in self.unread):
            reason = "not asked for (--memory none)" if memory["state"] == "off" else f"{memory['message']}"
            if memory["state"] != "off" and (machine.kcore == "denied" or (machine.kcore == "readable" and running is None)):
                self.unread.append((SafeText("memory.elf"), SafeText(reason)))
            else:
                self.absent.append(("memory.elf", "/proc/kcore", reason))


def _require_new(output: Path) -> bool:
    """Whether ``output`` is to be an archive. Raises InputError where that cannot be written."""
    if is_archive_name(output.name):
        require_place(output)
        return True
    require_unused(output)
    return False


def _read_machine(machine: Machine, read: Callable[[], _Reading], context: Context, most: int) -> tuple[Opened | None, SafeText, _Taken]:
    """The state and the files of one moment: read again, ``most`` times in all, where debugfs changed between the two."""
    watched = machine.root / machine.debugfs.tree
    for attempt in range(most):
        before = fingerprint(watched)
        opened, problem = read()
        taken = _files(machine, context)
        changed = changed_names(before, fingerprint(watched))
        if not changed or attempt == most - 1:
            break
        if opened is not None:
            opened.close()
    taken.changed += (f"kho/{name}" for name in changed)
    return opened, problem, taken


def _unread_memory(opened: Opened) -> list[tuple[SafeText, SafeText]]:
    """Pages of the state that could not be read, and what moved. Nothing is lost with a page that is somebody else's now."""
    lost = opened.sources.memory_unread
    unread = [(SafeText("memory.elf"), page) for page in lost[:_MOST_PAGES_NAMED]]
    if len(lost) > _MOST_PAGES_NAMED:
        unread.append((SafeText("memory.elf"), SafeText(f"{len(lost) - _MOST_PAGES_NAMED} more pages could not be read")))
    return [*unread, (SafeText("state"), opened.changed)] if opened.changed else unread


def _open(memory: MemoryTaken, context: Context, say: Callable[[str], None], *, search: bool) -> _Reading:
    """The state of this machine, of memory alone where debugfs does not show it; and why there is no kho tree."""
    path = probe.LIVE_ROOT / "sys/kernel/debug/kho"
    try:
        opened = open_state(path, context, even_without_kho=True, memory=memory != "none", search=search, warn=say)
        return opened, opened.sources.absent
    except (InputError, ReadError) as error:
        return None, SafeText(str(error).removeprefix(f"{visible(str(path))}: "))


def _pages_in_words(running: KcoreMemory | None) -> str:
    if running is None or not running.pages_read:
        return ", no memory"
    size = human_size(running.used().total_bytes)
    return f", and {size} on {plural(running.pages_read, 'page')} of KHO's own structures; no contents of preserved pages"


def _files(machine: Machine, context: Context) -> _Taken:
    """All files of the machine, and what of them could not be read."""
    tree = live_tree(machine.root, machine.debugfs)
    sources = {path: tree.source(path) or "/dev/kmsg" for path in tree.paths()}
    files: dict[str, bytes] = {}
    write_only: list[str] = []
    for path in sources:
        context.step("reading the machine's files")
        try:
            files[path] = tree.read(path, LOG_LIMIT if path == "dmesg" else LIVE_BLOB_LIMIT if path.startswith("kho/") else BLOB_LIMIT)
        except ReadError as error:
            if _is_write_only(sources[path]):
                write_only.append(path)
            else:
                tree.notes.add(path, str(error).removeprefix(f"{visible(path)}: "))
    for name, path in device_files(machine.root).items():
        try:
            files[name] = read_until_eof(path, 4096)[0]
            sources[name] = path
        except OSError:
            continue  # unplugged meanwhile
    unread = [(note.path or SafeText("capture"), note.message) for note in tree.notes]
    if "iomem" in files and not _SOME_ADDRESS.search(files["iomem"]):
        unread.append((SafeText("iomem"), SafeText("every address in it is zero: the kernel hides them from all but root")))
    return _Taken(machine.root, files, sources, unread, write_only)


def _is_write_only(path: str) -> bool:
    """Whether nobody may read a file by its mode, as control files of debugfs: root may open and not read them."""
    try:
        return not os.stat(path).st_mode & 0o444  # noqa: PTH116 - names may be bytes that are no UTF-8
    except OSError:
        return False


def _memory_told(facts: MachineFacts, opened: Opened | None, running: KcoreMemory | None, wanted: MemoryTaken) -> dict[str, object]:
    """What the manifest says of memory."""
    refused = () if running is None else tuple(running.refused())
    why = SafeText("") if opened is None else opened.sources.no_outgoing
    read = opened is None or opened.sources.running is not None
    hidden = facts.obstacle("outgoing" if facts.value("kcore") == "readable" and read else "memory")
    reason: str | None = None
    message: str | None = None
    if wanted == "none":
        state = "off"
    elif running is not None and not why:
        state = "partial" if any(running.lost()) else "taken"
    else:
        state = "none" if running is None or not running.pages_read else "partial"
        reason = "no-root" if hidden is None else hidden.code
        message = why if hidden is None else hidden.words
    return {
        "state": state,
        "reason": reason,
        "message": message or (None if reason is None else "nothing tells where a root FDT lies"),
        "pages": 0 if running is None else running.pages_read,
        "bytes": 0 if running is None else running.used().total_bytes,
        "left_out": [],
        "absent": [{"address": f"{page:#x}", "reason": one.reason, "moving": one.moving} for page, one in refused],
    }


def _manifest(
    machine: Machine, facts: MachineFacts, problem: SafeText, running: KcoreMemory | None, taken: _Taken, memory: Mapping[str, object]
) -> dict[str, object]:
    """As docs/capture.md says; write_capture adds the platform."""
    present = (machine.root / machine.debugfs.tree).is_dir()
    hidden = None if present else facts.obstacle("tree")
    files = [(name, taken.source(name), len(data)) for name, data in sorted(taken.files.items())]
    files += [] if running is None or not running.pages_read else [("memory.elf", "/proc/kcore", core_size(running))]
    sources = {visible(name): taken.source(name) for name in taken.sources} | {"memory.elf": "/proc/kcore"}
    return {
        "schema": SCHEMA,
        "tool": {"name": "kho-tui", "version": program_version()},
        "complete": True,
        "taken": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "hostname": _line(machine.root / "proc/sys/kernel/hostname") or socket.gethostname(),
        "kernel": release_of(machine.root),
        "boot_id": _line(machine.root / "proc/sys/kernel/random/boot_id"),
        "lockdown": _line(machine.root / "sys/kernel/security/lockdown"),
        "uid": os.geteuid(),
        "facts": " ".join(sorted(machine.facts)),
        "kho": {
            "present": present,
            "reason": None if hidden is None else hidden.code,
            "message": problem or None,
        },
        "memory": memory,
        "files": [{"path": name, "source": source, "bytes": size} for name, source, size in files],
        "unreadable": [{"path": what, "source": sources.get(what), "reason": why} for what, why in taken.unread],
        "absent": [{"path": name, "source": source, "reason": why} for name, source, why in taken.absent],
        "write_only": taken.write_only,
        "changed_while_reading": taken.changed,
    }


def _platform(machine: Machine) -> Platform:
    size, order = machine.platform
    return Platform(order, size)


def _line(path: Path) -> str | None:
    try:
        return read_until_eof(path, 4096)[0].decode("utf-8", "replace").partition("\n")[0]
    except OSError:
        return None
