"""Break a capture on purpose: write one like it that has a fault of the simulator's list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kho_tui.capture.files import FileTree, PartOfTree, directory_tree
from kho_tui.capture.roots import find_roots
from kho_tui.capture.writer import new_directory, new_file, require_unused
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.memory.elf_writer import write_elf_core
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.memory.sparse import SparseImage
from kho_tui.model.handover import Handover
from kho_tui.model.handover_of import distil
from kho_tui.model.state import State
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.simulator.faults.case import Case, DoesNotApply
from kho_tui.simulator.faults.catalogue import FAULTS, UNBREAKABLE, fault_named
from kho_tui.simulator.faults.fault import Fault, break_state
from kho_tui.text import human_size

_MEMORY = "memory.elf"
_CHANGEABLE = ("kho/", "setup_data/", "dt-chosen/", "cmdline")
"""Folders with files that a fault may change. All others are copied as they are."""
_MOST_MEMORY = 2 << 30
_MOST_FILE = 1 << 30
_STEP = 4 << 20


@dataclass(frozen=True, slots=True)
class FaultReport:
    """What was written. ``patches``: (address, bytes) of captured memory that changed; ``files``: names of other files that did, or
    are gone."""

    fault: Fault
    directory: Path
    patches: tuple[tuple[int, int], ...]
    new_pages: int
    files: tuple[str, ...]


def list_faults() -> tuple[tuple[Fault, ...], tuple[tuple[str, str], ...]]:
    """Every fault, and (code, reason) of the invariants that none can break."""
    return FAULTS, tuple((f"KHO{number:03d}", reason) for number, reason in UNBREAKABLE.items())


def fault_capture(path: str | Path, name: str, out_dir: str | Path, context: Context) -> FaultReport:
    """The capture at ``path`` (a directory, or a bare core) with a fault, written to ``out_dir``, which must be new or empty.

    Raises InputError for an unknown fault, for one that does not apply to this state, and for a place that cannot be written;
    EncodeError, ReadError and Cancelled. Nothing is left half written.
    """
    fault, out = fault_named(name), Path(out_dir)
    require_unused(out, path)
    with open_state(path, context) as opened:
        tree = _tree(Path(path), opened)
        case = broken(opened, fault, {} if tree is None else _files(tree), context)
        return _write(case, fault, opened, tree, out, context)


def broken(opened: Opened, fault: Fault, files: dict[str, bytes], context: Context) -> Case:
    """The state with the fault, nothing written. ``files``: those of the capture that a fault may change. Raises as ``fault_capture``."""
    state = opened.state
    side = state.sides.get(fault.side) or (state.sides.get("unsided") if fault.side == "out" else None)
    if side is None:
        meant = "taken over by a KHO boot" if fault.side == "in" else "about to be handed over"
        raise DoesNotApply(f"{state.machine.path}: {fault.name} breaks a state {meant}: this capture has no {fault.side} side")
    if opened.memory is None:
        raise DoesNotApply(f"{state.machine.path}: no memory in this capture (memory.elf), and a fault lies there")
    case = Case(state, side, _whole(state, side.name), _copy(opened.memory, state, context), files)
    try:
        break_state(fault, case)
    except DoesNotApply as error:
        raise DoesNotApply(f"{fault.name} does not apply: {error}") from None
    return case


def _whole(state: State, side: str) -> Handover | InputError:
    try:
        return distil(state, side).handover
    except InputError as error:
        return error


def _copy(memory: PhysicalMemory, state: State, context: Context) -> SparseImage:
    """The captured memory as an image, in the largest pages that every stretch of it fills."""
    if memory.total_bytes > _MOST_MEMORY:
        most, held = human_size(_MOST_MEMORY), human_size(memory.total_bytes)
        raise InputError(f"{state.machine.path}: {held} of memory; a fault is applied to a copy of at most {most}")
    platform = state.machine.platform
    extents = memory.extents()
    edges = platform.page_size
    for one in extents:
        edges |= one.start | one.size
    image = SparseImage(edges & -edges, name=_MEMORY, byte_order=platform.byte_order, machine=memory.machine)
    done = 0
    for one in extents:
        for at in range(one.start, one.start + one.size, _STEP):
            context.step("copying memory", done, memory.total_bytes, "bytes")
            size = min(_STEP, one.start + one.size - at)
            image.write(at, memory.read(at, size))
            done += size
    return image


def _tree(path: Path, opened: Opened) -> FileTree | None:
    """The files of a capture directory under their names in the layout; None for a bare core."""
    if opened.sources.container == "file":
        return None
    if opened.sources.container != "directory":
        raise InputError(f"{opened.state.machine.path}: an archive; unpack it first")
    tree = directory_tree(path)
    roots = find_roots(tree.paths(), path.name)
    root = roots[0] if roots else None
    return tree if root is None else PartOfTree(tree, root.prefix, root.name_in_capture)


def _files(tree: FileTree) -> dict[str, bytes]:
    return {name: tree.read(name, _MOST_FILE) for name in tree.paths() if name.startswith(_CHANGEABLE)}


def _write(case: Case, fault: Fault, opened: Opened, tree: FileTree | None, out: Path, context: Context) -> FaultReport:
    assert opened.memory is not None
    machine, order = opened.memory.machine or opened.state.machine.elf_machine, case.state.machine.platform.byte_order
    changed = []
    with new_directory(out) as made:
        for name in _others(tree, opened.memory.name):
            assert tree is not None
            context.step("copying the capture")
            before = tree.read(name, _MOST_FILE)
            data = case.files.get(name) if name.startswith(_CHANGEABLE) else before
            changed += [name] if data != before else []
            if data is None:
                continue
            with new_file(made / name) as stream:
                stream.write(data)
        with new_file(made / _MEMORY) as stream:
            write_elf_core(stream, case.image, machine, order)
    new = (case.image.total_bytes - opened.memory.total_bytes) // case.page_size
    return FaultReport(fault, out, tuple(sorted({(one.address, len(one.after)) for one in case.written})), new, tuple(changed))


def _others(tree: FileTree | None, memory: str) -> Iterator[str]:
    """Every file but the memory."""
    return (name for name in (() if tree is None else tree.paths()) if name not in (memory, _MEMORY))
