"""kexec: the model of a booting kernel applied to a state, and the kernel that runs after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from kho_tui.abi.scratch import KHO_SCRATCH
from kho_tui.analysis.receiver.acceptance import ATTACHED
from kho_tui.analysis.receiver.boot import Boot
from kho_tui.analysis.receiver.check import Answer
from kho_tui.analysis.receiver.facet import optional_consumers
from kho_tui.analysis.receiver.handed import Handed as HandedOver
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.analysis.receiver.receive import receive
from kho_tui.analysis.receiver.reception import Reception
from kho_tui.analysis.receiver.reserved import Reserved
from kho_tui.analysis.receiver.target import Target
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.memory.physical import ADDRESS_END, PhysicalMemory
from kho_tui.model.facts import Missing, Unavailable, known
from kho_tui.model.host import MemoryRange
from kho_tui.model.intervals import Intervals, intervals
from kho_tui.model.registry import Registry
from kho_tui.model.state import ScratchArea, Side, State
from kho_tui.model.tracker import ChunkList
from kho_tui.model.unpredictable import Unpredictable
from kho_tui.releases.cmdline import read_cmdline
from kho_tui.releases.table import Finalize, Release
from kho_tui.releases.version import Version
from kho_tui.simulator.aftermath import Aftermath
from kho_tui.simulator.consumers import Handed, receive_all
from kho_tui.simulator.contents import FilledMemory
from kho_tui.simulator.facet import Simulating, idle_task_killed
from kho_tui.simulator.kernel import Config, Kernel
from kho_tui.simulator.machine import Machine
from kho_tui.simulator.running import Arrival, HandedIn, Running
from kho_tui.simulator.unpredicted import after_cold_boot, after_handover, inferred, of_tracker
from kho_tui.text import SafeText

_TABLE_ALIGN = 64 << 10
"""Alignment of the copied scratch table (kernel/kexec_handover.c, kho_fill_kimage)."""
_IMAGE_ALIGN = 2 << 20


@dataclass(frozen=True, eq=False)
class Jump:
    """What the old kernel leaves behind: its state, the side that it hands over, memory, and what is known of contents by rule."""

    state: State
    side: Side
    memory: PhysicalMemory | None
    contents: FilledMemory | None = None


@dataclass(frozen=True, slots=True)
class NextKernel:
    """The kernel that is booted. ``seed`` makes its allocations and the noise repeatable."""

    registry: Registry
    machine: Machine
    release: Release
    cmdline: str
    config: Config = field(default_factory=Config)
    seed: int = 0

    @property
    def target(self) -> Target:
        """As its receiving side sees it."""
        target = Target.in_tree(self.registry, self.release, cmdline=read_cmdline(self.cmdline), version=Version.parse(self.config.uname))
        modules = {name: name in self.config.built for name, option in optional_consumers(self.registry).items() if option.tristate}
        return replace(target, on_by_default=self.config.on_by_default, consumers=modules, page_size=self.machine.page_size)


@dataclass(frozen=True, eq=False)
class Kexec:
    """What came of a kexec. ``running`` is None after a panic; ``message`` is what the kernel says then.

    ``unpredictable``: what of the result another run on a real machine would show differently.
    """

    reception: Reception
    running: Running | None
    message: str
    unpredictable: tuple[Unpredictable, ...]


def kexec(jump: Jump, following: NextKernel, context: Context) -> Kexec:
    """Kexec into ``following``. Raises InputError where the state does not tell what a kernel would need, BudgetError, Cancelled."""
    target = following.target
    reception = receive(HandedOver(jump.state, jump.side, jump.memory, context), target)
    if reception.worst is Outcome.IGNORED:
        return _cold(jump, following, reception)
    context.step("taking over memory")
    memory = jump.memory
    if memory is None:
        raise InputError(f"{jump.state.machine.path}: no memory in this capture; a kexec needs the pages of the state (memory.elf)")
    fdt = _fdt_phys(jump)
    platform = jump.state.machine.platform
    _require_tracker(jump, following)
    if _dies(reception):
        return Kexec(reception, None, panic_line(reception), inferred(following.release))
    reserved, scratch = reception.boot.reserved, _scratch(jump.state)
    tracker = _tracker_memory(jump.side, platform.page_size)
    page = intervals([fdt], [min(fdt + platform.page_size, ADDRESS_END - 1)])
    early = Aftermath(memory, reserved.memory | tracker | page, platform.page_size, following.seed)
    contents = (jump.contents or FilledMemory(platform.page_size)).kept(reserved.memory)
    handed = Handed(reception, scratch, early, contents)
    received = receive_all(handed, following.config.built)
    kernel = Kernel(
        following.registry,
        following.machine,
        following.release,
        following.cmdline,
        seed=following.seed,
        config=following.config,
        incoming=received.incoming,
        memory=contents,
    )
    kernel.give_back(received.freed)
    table = _table(scratch)
    shown = reserved.covers(fdt, platform.page_size)
    handed_in = HandedIn(_fdt_bytes(jump.side, platform.page_size), _blobs(jump.side)) if shown else None
    image = _image(jump.state, scratch, table, following.machine)
    arrival = Arrival(
        fdt=fdt, table=table, image=image, handed_in=handed_in, received=received, reception=reception, before=memory, kept=reserved.memory
    )
    unsure = (*after_handover(kernel), *_of_reserved(reserved), *received.unsure, *of_tracker(jump.state, jump.side))
    return Kexec(reception, Running(kernel, arrival), "", unsure)


def kexec_without_handover(state: State, memory: PhysicalMemory | None, following: NextKernel, why: str) -> Kexec:
    """Kexec from a kernel that runs without KHO, for ``why``: nothing is handed over, and ``following`` boots cold."""
    nothing = Unavailable(SafeText(why))
    side = Side(name="out", root=nothing, finalized=False, preserved=nothing, subtrees=(), subtrees_told=True, writer=None)
    answer = Answer(ATTACHED, False, f"nothing is handed over: {why}", Outcome.IGNORED)
    reception = Reception(Boot(HandedOver(state, side), following.target), Outcome.IGNORED, answer, (answer,))
    return _cold(Jump(state, side, memory), following, reception)


def _dies(reception: Reception) -> bool:
    """Whether the boot ends: what is not preserved is overwritten in a simulation. Who opens or retrieves comes after it."""
    return any(answer.ends and answer.if_overwritten is Outcome.PANIC for answer in reception.answers)


def _of_reserved(reserved: Reserved) -> Iterator[Unpredictable]:
    """What of the memory that is kept cannot be known."""
    if reserved.misread and not reserved.whole:
        told = "bitmaps are read in another size than they were written in, and not all of these bytes are in the capture: taken for empty"
        yield Unpredictable(SafeText(told))
    if reserved.odd_shifts:
        told = "a shift by more than 31 bits has no meaning in C: taken as x86 and arm64 do it, by its lower 5 bits"
        yield Unpredictable(SafeText(told))


def panic_line(reception: Reception) -> str:
    """The last line of the kernel's log."""
    answer = reception.deciding
    consumer = None if answer is None or answer.check.consumer is None else answer.check.consumer
    facet = None if consumer is None else reception.target.registry.facets(Simulating).get(consumer)
    return idle_task_killed(answer) if facet is None or answer is None else facet.panic_line(answer)


def _cold(jump: Jump, following: NextKernel, reception: Reception) -> Kexec:
    """The handover is not taken: a boot like from firmware, but in the old kernel's scratch, and everything handed over is written over."""
    kernel = Kernel(
        following.registry, following.machine, following.release, following.cmdline, seed=following.seed, config=following.config
    )
    assert reception.deciding is not None
    attached = reception.deciding.check is not ATTACHED
    scratch = () if isinstance(jump.state.scratch, Missing) else jump.state.scratch.areas
    table = _table(scratch) if attached and scratch else None
    fdt = None if isinstance(jump.side.root, Missing) else known(jump.side.root.phys)
    image = _image(jump.state, scratch, table, following.machine)
    arrival = Arrival(
        fdt=fdt if table else None,
        table=table,
        image=image,
        handed_in=None,
        received=None,
        reception=reception,
        before=jump.memory,
        kept=intervals([], []),
    )
    return Kexec(reception, Running(kernel, arrival), "", tuple(after_cold_boot(kernel, scratch)))


def _fdt_phys(jump: Jump) -> int:
    where, root = jump.state.machine.path, jump.side.root
    if isinstance(root, Missing):
        raise InputError(f"{where}: the outgoing root FDT is not known: {root.reason}")
    if isinstance(root.phys, Missing):
        raise InputError(f"{where}: where the outgoing root FDT lies is not known: {root.phys.reason}")
    return root.phys


def _scratch(state: State) -> tuple[ScratchArea, ...]:
    if isinstance(state.scratch, Missing):
        raise InputError(f"{state.machine.path}: no scratch table: {state.scratch.reason}")
    if not state.scratch.whole:
        raise InputError(f"{state.machine.path}: the scratch table is not whole: {state.scratch.reason}")
    return state.scratch.areas


def _require_tracker(jump: Jump, following: NextKernel) -> None:
    """Raises InputError where what is preserved is not known, and the kernel would know."""
    preserved, root = jump.side.preserved, jump.side.root
    nothing = not isinstance(root, Missing) and known(root.map_address) in (0, None) and following.release.finalize is Finalize.STATEFUL
    if isinstance(preserved, Missing) and not nothing:
        raise InputError(f"{jump.state.machine.path}: what is preserved is not known: {preserved.reason}")


def _tracker_memory(side: Side, page_size: int) -> Intervals:
    """The tracker's own pages, which are read before anything is written over."""
    if isinstance(side.preserved, Missing):
        return intervals([], [])
    structure = side.preserved.structure
    found = intervals([], [])
    if isinstance(structure, ChunkList):
        places = [chunk.header.place.phys or 0 for chunk in structure.chunks]
        found |= intervals(places, [place + page_size for place in places])
        for chunk in structure.chunks:
            bitmaps = chunk.elements.column("bitmap")
            found |= intervals(bitmaps, bitmaps + chunk.elements.column("bitmap").dtype.type(structure.bitmap_bytes))
        return found
    for level in structure.addresses:
        found |= intervals(level, level + level.dtype.type(page_size))
    return found


def _fdt_bytes(side: Side, page_size: int) -> bytes:
    assert not isinstance(side.root, Missing)  # asked before
    data = side.root.view.blob.data
    header = side.root.view.tree.header
    return data if header is None else data[: min(header.integer("totalsize"), page_size)]


def _blobs(side: Side) -> tuple[tuple[bytes, int, int], ...]:
    """What debugfs makes files of: subnodes with an address, and a size from ``blob-size`` or from the blob's own FDT header."""
    found = []
    for one in side.handed_over:
        phys, size = known(one.phys), known(one.size)
        if size is None and one.fdt is not None:
            size = len(one.fdt.blob.data)
        if phys and size:
            found.append((one.name, phys, size))
    return tuple(found)


def _table(scratch: tuple[ScratchArea, ...]) -> tuple[int, int]:
    """Where the copy of the table goes: from the top down in the first area that has room."""
    size = KHO_SCRATCH.size * len(scratch)
    for area in scratch:
        at = (area.start + area.size - size) // _TABLE_ALIGN * _TABLE_ALIGN
        if area.size and at >= area.start:
            return at, size
    raise InputError(f"no scratch area has room for the table of {size} bytes: the real kexec-load fails with -EADDRNOTAVAIL")


def _image(state: State, scratch: tuple[ScratchArea, ...], table: tuple[int, int] | None, machine: Machine) -> tuple[MemoryRange, ...]:
    """The kernel's own ranges, as large as those of the one before: top down below the table on x86, at the start of scratch on arm64."""
    old = known(state.host.kernel) or ()
    if not old:
        return ()
    low, high = min(one.start for one in old), max(one.start + one.size for one in old)
    for area in scratch:
        top = table[0] if table is not None and area.start <= table[0] < area.start + area.size else area.start + area.size
        at = (top - (high - low)) // _IMAGE_ALIGN * _IMAGE_ALIGN if machine.arch == "x86_64" else area.start
        if at >= area.start and at + high - low <= top:
            return tuple(MemoryRange(one.start - low + at, one.size, one.name, one.node) for one in old)
    return ()
