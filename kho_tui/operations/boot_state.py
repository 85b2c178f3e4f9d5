"""Boot a real kernel in QEMU on the outgoing side of a state."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kho_tui.analysis.claims import side_claims
from kho_tui.context import Context
from kho_tui.decode.platform import Overrides
from kho_tui.errors import InputError
from kho_tui.layout.platform import Platform
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.memory.source import open_file
from kho_tui.model.facts import Missing, Status, known
from kho_tui.model.intervals import Intervals, intervals, spans
from kho_tui.model.kinds import KIND_TRACKER
from kho_tui.model.registry import Registry
from kho_tui.model.runs import no_runs
from kho_tui.model.sessions import SessionList
from kho_tui.model.sides import nothing_preserved, outgoing_side
from kho_tui.model.state import Scratch, Side, State
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.releases.cmdline import CommandLine
from kho_tui.simulator.qemu.bzimage import BzImage, parse_bzimage
from kho_tui.simulator.qemu.console import BootOutcome, RetrievedFile
from kho_tui.simulator.qemu.guest import GuestOrder, Report, fill, find_qemu, run_guest
from kho_tui.simulator.qemu.losses import Held, losses
from kho_tui.simulator.qemu.placement import PAGE, Handed, conflict, no_memory, place
from kho_tui.simulator.qemu.ram import GuestRam, RamLayout, ram_layout, ram_size
from kho_tui.text import SafeText, human_size, visible

BASE_CMDLINE = "console=ttyS0 kho=on nokaslr panic=-1 liveupdate=on"
LIMIT_SECONDS = 60.0
_MOST_FILE = 512 << 20
_GROWTH = 32 << 20
"""Memory added above a machine whose own top the firmware needs."""
_NAME = re.compile(rb"[!#-~]{1,15}")
"""A region's name that can stand on a command line: no blank and no quote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootRequest:
    """What to boot and how. ``append`` goes behind the command line, ``limit`` is in seconds.

    ``cmdline``: all of it, instead of ours and the state's. ``patches``: (physical address, bytes) that are written over the state once
    everything has its place, as something may write there between load and jump.
    """

    kernel: Path
    initrd: Path | None = None
    append: str = ""
    limit: float = LIMIT_SECONDS
    cmdline: str | None = None
    patches: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BootReport:
    """What came of it. ``deciding`` is the line of the log that tells, ``notes`` what a user has to know of this boot.

    ``lost``: what of a handover that was taken did not come back. ``files``: what the initrd's user space got back from LUO.
    ``nothing_preserved``: a boot without the handover loses nothing. ``ended``: the guest ended by itself; else it was ended at the limit.
    """

    outcome: BootOutcome
    deciding: SafeText
    lost: tuple[SafeText, ...]
    files: tuple[RetrievedFile, ...]
    lines: tuple[SafeText, ...]
    notes: tuple[SafeText, ...]
    cmdline: SafeText
    nothing_preserved: bool
    ended: bool


def boot_state(
    path: str | Path,
    request: BootRequest,
    context: Context,
    report: Report = lambda _line: None,
    overrides: Overrides | None = None,
    begin: Callable[[tuple[SafeText, ...]], None] = lambda _notes: None,
    registry: Registry | None = None,
) -> BootReport:
    """Boot ``request.kernel`` on the state at ``path``; ``begin`` gets the notes before, ``report`` the telling lines as they come.
    ``registry``: what is known of kernels, None: what is built in.

    Raises InputError where the state, the kernel or this machine does not allow it, GapError and ReadError of the capture's memory.
    """
    qemu = find_qemu()
    kernel = parse_bzimage(_content(request.kernel), visible(str(request.kernel)))
    initrd = b"" if request.initrd is None else _content(request.initrd)
    with open_state(path, context, overrides, registry=registry) as opened:
        memory = _memory(opened)
        side = _outgoing(opened.state)
        handed = _handed(opened, side, memory, context)
        layout, grown = _layout(opened.state, handed)
        placed = place(handed, layout, kernel, initrd)
        cmdline = _cmdline(opened, side, request, kernel)
        present = _present(memory)
        notes = _notes(side, handed, layout, present, grown)
        if not initrd:
            notes += (SafeText("no initrd: the kernel will end in a panic for want of a program to run, which does not count"),)
        begin(notes)
        inside = present & layout.ranges.clip(layout.firmware[0].end, 2**64 - 1)
        wanted = list(zip(inside.start.tolist(), inside.end.tolist(), strict=True))

        def prepare(ram: GuestRam) -> None:
            fill(ram, memory, wanted, context)
            for address, data in request.patches:
                ram.write(address, data)

        ran = run_guest(qemu, GuestOrder(layout, placed, cmdline, request.limit), prepare, report, context)
        held = _held(side, cmdline, whole=not (handed.kept - present).bytes)
    lost = losses(ran.lines, held, opened.state.registry, booted=ran.booted) if ran.outcome is BootOutcome.TAKEN else ()
    return BootReport(
        outcome=BootOutcome.PART if lost else ran.outcome,
        deciding=lost[0] if lost else ran.deciding,
        lost=lost,
        files=ran.files,
        lines=ran.lines,
        notes=notes if not ran.message else (*notes, SafeText(f"QEMU: {ran.message}")),
        cmdline=visible(cmdline),
        nothing_preserved=nothing_preserved(side),
        ended=ran.ended,
    )


def _content(path: Path) -> bytes:
    with open_file(path) as source:
        if source.size > _MOST_FILE:
            raise InputError(f"{visible(str(path))}: {human_size(source.size)}; a kernel or initrd has at most {human_size(_MOST_FILE)}")
        return source.read_at(0, source.size)


def _memory(opened: Opened) -> PhysicalMemory:
    if opened.sources.memory is None:
        raise InputError(f"{opened.state.machine.path}: no memory in this capture; a boot needs the pages of the state (memory.elf)")
    return opened.sources.memory


def _outgoing(state: State) -> Side:
    """The side that a kexec would hand over. Raises InputError where this state is none for an x86_64 kernel."""
    machine = state.machine
    if machine.arch not in (None, "x86_64"):
        raise InputError(f"{machine.path}: a state of {visible(machine.arch or '')}; only x86_64 states can be booted")
    if machine.platform != Platform("little", PAGE):
        told = f"{human_size(machine.platform.page_size)} pages, {machine.platform.byte_order}-endian"
        raise InputError(f"{machine.path}: a state with {told}; x86_64 has 4 KiB pages, little-endian")
    return outgoing_side(state)


def _handed(opened: Opened, side: Side, memory: PhysicalMemory, context: Context) -> Handed:
    where = opened.state.machine.path
    if isinstance(side.root, Missing):
        raise InputError(f"{where}: the outgoing root FDT is not known: {side.root.reason}")
    if isinstance(side.root.phys, Missing):
        raise InputError(f"{where}: where the outgoing root FDT lies is not known: {side.root.phys.reason}")
    fdt = side.root.phys
    if memory.available(fdt, PAGE) < PAGE:
        raise InputError(f"{where}: the page of the outgoing root FDT, {fdt:#x}, is not in the captured memory")
    scratch = _scratch(opened.state)
    structure = intervals([fdt], [fdt + PAGE])
    for claim in side_claims(side, opened.state, context):
        if claim.kind is KIND_TRACKER:
            structure |= intervals(claim.start, claim.end)
    runs = no_runs(opened.state.machine.platform.page_shift) if isinstance(side.preserved, Missing) else side.preserved.runs
    return Handed(fdt, tuple((area.start, area.size) for area in scratch.areas), runs, structure)


def _scratch(state: State) -> Scratch:
    if isinstance(state.scratch, Missing):
        raise InputError(f"{state.machine.path}: no scratch table: {state.scratch.reason}")
    if not state.scratch.whole:
        raise InputError(f"{state.machine.path}: the scratch table is not whole: {state.scratch.reason}")
    return state.scratch


def _layout(state: State, handed: Handed) -> tuple[RamLayout, bool]:
    """The guest's memory; True: more than the machine had. Raises InputError that names block and conflict.

    Memory that only the guest has holds nothing of the state: on the machine the kernel would not find it there.
    """
    ram, nodes = known(state.host.ram) or (), state.host.nodes
    tops = [one.start + one.size for one in (*ram, *nodes)]
    if not tops:
        # Room above the highest block for what the firmware keeps there.
        tops = [int((handed.kept | handed.areas).end[-1]) + _GROWTH]
    size = ram_size(max(tops))
    starts = sorted((node.start, node.node) for node in nodes if node.node is not None)
    layout = ram_layout(size, starts)
    wrong, grown = conflict(handed, layout), False
    if wrong is not None:
        larger = ram_layout(size + _GROWTH, starts)
        if larger.low > layout.low and conflict(handed, larger) is None:
            layout, wrong, grown = larger, None, True
    machine = known(state.host.whole_ram)
    if wrong is None and machine:
        memory = spans(machine)
        wrong = no_memory(handed, memory, "the machine")
    if wrong is not None:
        raise InputError(f"{state.machine.path}: {wrong}")
    return layout, grown


def _cmdline(opened: Opened, side: Side, request: BootRequest, kernel: BzImage) -> str:
    """The guest's command line: ours, the state's reserve_mem=, then what the user adds; or the user's own."""
    known = opened.state.registry.releases
    release = known.of(opened.state.machine.release) or known.newest
    asked = () if isinstance(opened.sources.cmdline, Missing) else opened.sources.cmdline.options(release, known).regions
    regions = {region.name: (region.size, region.align) for region in asked}
    for subtree in side.handed_over:
        for name, size in subtree.region_sizes or ():
            if not isinstance(size, Missing):
                regions.setdefault(name, (size, PAGE))
    words = [f"reserve_mem={size}:{align}:{name.decode()}" for name, (size, align) in regions.items() if _NAME.fullmatch(name)]
    own = " ".join([BASE_CMDLINE, *words, *([request.append] if request.append else [])])
    cmdline = own if request.cmdline is None else request.cmdline
    if not cmdline.isprintable() or not cmdline.isascii():
        raise InputError("--append takes printable ASCII on one line")
    if len(cmdline) > kernel.cmdline_size:
        raise InputError(f"a command line of {len(cmdline)} characters; this kernel takes {kernel.cmdline_size}")
    return cmdline


def _held(side: Side, cmdline: str, *, whole: bool) -> Held:
    """What of a side would be missed in a guest with this command line."""
    asked = {(value or "").rpartition(":")[2].encode() for value in CommandLine(cmdline.encode()).values("reserve_mem")}
    regions: list[bytes] = []
    sessions: dict[bytes, frozenset[int]] = {}
    for subtree in side.handed_over:
        regions += [name for name, _ in subtree.region_sizes or () if name in asked]
        if isinstance(subtree.sessions, SessionList):
            for session in subtree.sessions.sessions:
                sessions[session.name] = frozenset(file.token for file in known(session.files) or ())
    return Held(tuple(regions), sessions, whole)


def _present(memory: PhysicalMemory) -> Intervals:
    """Whole pages that are captured."""
    held = spans(memory.extents())
    page = np.uint64(PAGE)
    return intervals((held.start + page - np.uint64(1)) // page * page, held.end // page * page)


def _notes(side: Side, handed: Handed, layout: RamLayout, present: Intervals, grown: bool) -> tuple[SafeText, ...]:
    notes = [f"a guest of {human_size(layout.size)}, {len(layout.nodes)} NUMA node{'s' if len(layout.nodes) > 1 else ''}"]
    if grown:
        notes.append(f"it has {human_size(_GROWTH)} more than the machine, because the firmware needs its top where the state lies")
    absent = (handed.kept - present).bytes
    if absent:
        notes.append(f"{human_size(absent)} of {human_size(handed.kept.bytes)} that are kept are not in this capture: zeros in the guest")
    if isinstance(side.preserved, Missing):
        notes.append(f"what is preserved is not known ({side.preserved.reason}), so only FDT and tracker were kept clear of what is loaded")
    elif side.preserved.status is not Status.DECODED:
        notes.append(f"the tracker was read in part ({side.preserved.reason}): blocks that it hides were not kept clear of what is loaded")
    return tuple(SafeText(note) for note in notes)
