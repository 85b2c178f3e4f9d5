"""Break a capture on purpose: write one like it that has a fault of the simulator's list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kho_tui.capture.files import FileTree, PartOfTree, directory_tree
from kho_tui.capture.reader import BLOB_LIMIT, MOST_BLOBS
from kho_tui.capture.roots import find_roots
from kho_tui.capture.writer import new_directory, new_file, require_unused
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.memory.elf_format import OTHER_MACHINE
from kho_tui.memory.elf_writer import write_elf_core
from kho_tui.memory.overlay import Overlay
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.model.handover import Handover
from kho_tui.model.handover_of import distil
from kho_tui.model.registry import Registry
from kho_tui.model.state import State
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.simulator.faults.case import Case, DoesNotApply
from kho_tui.simulator.faults.catalogue import UNBREAKABLE, fault_named, faults_of
from kho_tui.simulator.faults.fault import Fault, break_state
from kho_tui.subsystems.registry import builtin
from kho_tui.text import NO_TEXT, SafeText, human_size, visible

_MEMORY = "memory.elf"
_CHANGEABLE = ("kho/", "setup_data/", "dt-chosen/", "cmdline")
"""Folders with files that a fault may change. All others are copied as they are."""
_STEP = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultReport:
    """What was written.

    ``patches``: (address, bytes) of captured memory that changed; ``files``: names of other files that did, or are gone. ``placement``: why
    memory is taken to lie at these addresses, where its file did not say so: the file that is written does.
    """

    fault: Fault
    directory: Path
    patches: tuple[tuple[int, int], ...]
    new_pages: int
    files: tuple[str, ...]
    placement: SafeText = NO_TEXT


def list_faults(registry: Registry | None = None) -> tuple[tuple[Fault, ...], tuple[tuple[str, str], ...]]:
    """Every fault, and (code, reason) of the invariants that none can break."""
    return faults_of(registry or builtin()), tuple((f"KHO{number:03d}", reason) for number, reason in UNBREAKABLE.items())


def fault_capture(path: str | Path, name: str, out_dir: str | Path, context: Context, registry: Registry | None = None) -> FaultReport:
    """The capture at ``path`` (a directory, or a bare core) with a fault, written to ``out_dir``, which must be new or empty.

    Raises InputError for an unknown fault, for one that does not apply to this state, and for a place that cannot be written;
    EncodeError, ReadError and Cancelled. Nothing is left half written.
    """
    fault, out = fault_named(name, registry or builtin()), Path(out_dir)
    require_unused(out, path)
    with open_state(path, context, registry=registry) as opened:
        tree = _tree(Path(path), opened)
        try:
            files = {} if tree is None else _files(tree)
            case = broken(opened, fault, dict(files))
            return _write(case, fault, opened, tree, files, out, context)
        finally:
            if tree is not None:
                tree.close()


def broken(opened: Opened, fault: Fault, files: dict[str, bytes]) -> Case:
    """The state with the fault, nothing written. ``files``: those of the capture that a fault may change. Raises as ``fault_capture``."""
    state = opened.state
    side = state.sides.get(fault.side) or (state.sides.get("unsided") if fault.side == "out" else None)
    if side is None:
        meant = "taken over by a KHO boot" if fault.side == "in" else "about to be handed over"
        raise DoesNotApply(f"{state.machine.path}: {fault.name} breaks a state {meant}: this capture has no {fault.side} side")
    if opened.memory is None:
        raise DoesNotApply(f"{state.machine.path}: no memory in this capture (memory.elf), and a fault lies there")
    case = Case(
        state=state,
        side=side,
        whole=_whole(state, side.name),
        image=_changeable(opened.memory, state.machine.platform.page_size),
        files=files,
    )
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


def _changeable(memory: PhysicalMemory, page_size: int) -> Overlay:
    """The captured memory to write on, in the largest pages that every stretch of it fills."""
    edges = page_size
    for one in memory.extents():
        edges |= one.start | one.size
    return Overlay(memory, edges & -edges)


def _tree(path: Path, opened: Opened) -> FileTree | None:
    """The files of a capture directory under their names in the layout; None for a bare core."""
    if opened.sources.container == "file":
        return None
    if opened.sources.container != "directory":
        raise InputError(f"{opened.state.machine.path}: an archive; unpack it first")
    tree = directory_tree(path)
    roots = find_roots(tree.paths(), path.name, opened.state.registry.releases.names)
    root = roots[0] if roots else None
    return tree if root is None else PartOfTree(tree, root.prefix, root.name_in_capture)


def _files(tree: FileTree) -> dict[str, bytes]:
    """The files that a fault may change. Raises InputError where one is larger than what is read of it, or all are."""
    files: dict[str, bytes] = {}
    left = MOST_BLOBS
    for name in tree.paths():
        if name.startswith(_CHANGEABLE):
            data = files[name] = tree.head(name, BLOB_LIMIT + 1)
            left -= len(data)
            if len(data) > BLOB_LIMIT or left < 0:
                most = f"{human_size(MOST_BLOBS)} of such files" if left < 0 else human_size(BLOB_LIMIT)
                raise InputError(f"{visible(name)}: of what debugfs shows at most {most} are read, so nothing of it is changed")
    return files


def _copy(tree: FileTree, name: str, stream: BinaryIO, context: Context) -> None:
    """A file as it is, whatever its size; one of debugfs says that it has none."""
    head = tree.head(name, BLOB_LIMIT)
    stream.write(head)
    if len(head) == BLOB_LIMIT:
        source = tree.open(name)
        for at in range(BLOB_LIMIT, source.size, _STEP):
            context.step("copying the capture", at, source.size, "bytes")
            stream.write(source.read_at(at, _STEP))


def _write(
    case: Case, fault: Fault, opened: Opened, tree: FileTree | None, files: Mapping[str, bytes], out: Path, context: Context
) -> FaultReport:
    """``files``: those that a fault may change, as they were."""
    assert opened.memory is not None
    order, known = case.state.machine.platform.byte_order, opened.state.machine
    # A name that is not known must not tell a page size.
    machine = opened.memory.machine or (known.elf_machine if known.arch is not None else f"{OTHER_MACHINE}0")
    changed = []
    with new_directory(out) as made:
        for name in _others(tree, opened.memory.name):
            assert tree is not None
            context.step("copying the capture")
            if name not in files:
                with new_file(made / name) as stream:
                    _copy(tree, name, stream, context)
                continue
            data = case.files.get(name)
            changed += [name] if data != files[name] else []
            if data is not None:
                with new_file(made / name) as stream:
                    stream.write(data)
        with new_file(made / _MEMORY) as stream:
            write_elf_core(stream, case.image, machine, order, context)
    new = (case.image.total_bytes - opened.memory.total_bytes) // case.page_size
    patches = tuple(sorted({(one.address, len(one.after)) for one in case.written}))
    return FaultReport(
        fault=fault,
        directory=out,
        patches=patches,
        new_pages=new,
        files=tuple(changed),
        placement=opened.sources.placement,
    )


def _others(tree: FileTree | None, memory: str) -> Iterator[str]:
    """Every file but the memory."""
    return (name for name in (() if tree is None else tree.paths()) if name not in (memory, _MEMORY))
