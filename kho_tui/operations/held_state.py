"""A simulated state that is held in memory: opened, kexeced again and written like any other; no file is made before it is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from kho_tui.analysis.receiver.handed import Handed
from kho_tui.analysis.receiver.receive import receive
from kho_tui.analysis.receiver.reception import Reception
from kho_tui.capture.files import MappedTree, Notes
from kho_tui.capture.opening import Opening
from kho_tui.capture.surroundings import open_capture
from kho_tui.capture.writer import new_directory, write_capture
from kho_tui.context import Context
from kho_tui.decode.platform import Overrides
from kho_tui.decode.state import decode_state
from kho_tui.errors import InputError
from kho_tui.layout.platform import Platform
from kho_tui.memory.elf import open_elf
from kho_tui.memory.elf_writer import write_elf_core
from kho_tui.memory.source import BytesSource
from kho_tui.model.registry import Registry
from kho_tui.model.sides import outgoing_side
from kho_tui.model.state import State
from kho_tui.model.unpredictable import Unpredictable, to_manifest
from kho_tui.operations.kexec_capture import jump_of, next_kernel
from kho_tui.operations.open_state import Opened
from kho_tui.simulator.captured import files_of, manifest_of, memory_of
from kho_tui.simulator.kexec import kexec
from kho_tui.simulator.running import Running
from kho_tui.text import human_size, visible

_MOST_MEMORY = 1 << 30
_MEMORY, _MANIFEST = "memory.elf", "capture.json"


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldState:
    """A capture that is no file yet. ``memory`` is the ELF core; ``path`` is what the state is called, untrusted."""

    registry: Registry
    path: str
    files: Mapping[str, bytes]
    memory: bytes
    manifest: Mapping[str, object]
    platform: Platform
    machine: str

    def open(self, context: Context) -> Opened:
        """The decoded state. Raises as ``open_state``."""
        manifest = json.dumps(self.manifest, default=str).encode()
        contents = {**self.files, _MANIFEST: manifest} | ({_MEMORY: self.memory} if self.memory else {})
        tree, closer = MappedTree(self.path, {}, Notes(), contents), ExitStack()
        sources = open_capture(tree, Opening(context, self.registry, closer), path=self.path, kind="capture")
        return Opened(decode_state(sources, context, Overrides(), self.registry), sources)

    def write(self, directory: str | Path, context: Context) -> None:
        """As a capture directory. Raises InputError where it holds anything or cannot be written."""
        memory = open_elf(BytesSource(self.memory, _MEMORY)) if self.memory else None
        with new_directory(directory) as made:
            write_capture(made, self.files, memory, self.platform, self.machine, self.manifest, context)


@dataclass(frozen=True, eq=False, kw_only=True)
class Simulated:
    """What a kexec came to. ``state`` is None after a panic, whose last line is then ``message``; the rest as ``Kexeced`` has it."""

    reception: Reception
    kernel: str
    state: HeldState | None
    message: str
    unpredictable: tuple[Unpredictable, ...]
    log: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prospect:
    """A kernel that could be booted, by its release (``name``), and what it would make of the state. ``running``: the one that runs now."""

    name: str
    running: bool
    reception: Reception


def prospects(opened: Opened, cmdline: str) -> tuple[Prospect, ...]:
    """Every release, oldest first; of the running kernel's own its full name. Raises InputError where nothing can be handed on."""
    handed = Handed(opened.state, outgoing_side(opened.state), opened.memory)
    known = opened.state.registry.releases
    own = known.of(opened.state.machine.release)
    found = []
    for release in known:
        name = opened.state.machine.release if release is own and opened.state.machine.release is not None else release.name
        following = next_kernel(opened, name, cmdline, 0)
        found.append(Prospect(name, release is own, receive(handed, following.target)))
    return tuple(found)


def simulate_kexec(opened: Opened, release: str, cmdline: str, context: Context, seed: int = 0) -> Simulated:
    """Kexec the outgoing side of an opened state. Raises InputError where it does not tell what is needed, or is too large to be held."""
    following = next_kernel(opened, release, cmdline, seed)
    done = kexec(jump_of(opened), following, context)
    kernel = following.config.uname or f"{following.release.name}.0"
    name = f"{opened.sources.path} > {kernel}"
    held = None if done.running is None else _held(name, done.running, done.unpredictable, context)
    log = () if done.running is None else tuple(done.running.kernel.log)
    return Simulated(reception=done.reception, kernel=kernel, state=held, message=done.message, unpredictable=done.unpredictable, log=log)


def predict(opened: Opened, real: State, context: Context) -> Simulated:
    """Kexec an opened state as ``real``, another machine's or this one's later state, was booted: the same kernel and command line.

    Raises InputError as ``simulate_kexec``, and where ``real`` does not tell its kernel.
    """
    machine = real.machine
    if machine.release is None:
        raise InputError(f"{machine.path}: it does not tell which kernel it shows (version)")
    cmdline = machine.cmdline if machine.cmdline is not None else opened.state.machine.cmdline
    return simulate_kexec(opened, machine.release, (cmdline or b"").decode("utf-8", "replace"), context)


def _held(name: str, running: Running, unpredictable: tuple[Unpredictable, ...], context: Context) -> HeldState:
    shown, memory, machine = files_of(running), memory_of(running), running.kernel.machine
    if memory.total_bytes > _MOST_MEMORY:
        most = f"{human_size(memory.total_bytes)} of memory, more than the {human_size(_MOST_MEMORY)} that are held without a file"
        raise InputError(f"{visible(name)}: {most}: use kho-tui sim kexec")
    core = BytesIO()
    if memory.total_bytes:
        context.step("keeping memory")
        write_elf_core(core, memory, machine.arch, machine.platform.byte_order)
    platform = {"machine": machine.arch, "page_size": machine.page_size, "byte_order": machine.platform.byte_order}
    manifest = platform | manifest_of(running, shown) | {"kexec_of": name.rpartition(" > ")[0]} | to_manifest(unpredictable)
    return HeldState(
        registry=running.kernel.registry,
        path=name,
        files=shown.files,
        memory=core.getvalue(),
        manifest=manifest,
        platform=machine.platform,
        machine=machine.arch,
    )
