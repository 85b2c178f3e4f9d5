"""From a path to sources: what is this, in a fixed order of questions."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

from kho_tui.capture.facet import Side
from kho_tui.capture.files import FileTree, MappedTree, Notes, PartOfTree, directory_tree, read_until_eof, why
from kho_tui.capture.hints import architecture, platform_hints
from kho_tui.capture.live.debugfs import find_debugfs, is_live
from kho_tui.capture.live.machine import look_at_machine
from kho_tui.capture.live.memory import open_kcore
from kho_tui.capture.live.tree import live_tree
from kho_tui.capture.obstacles import machine_facts
from kho_tui.capture.opening import Opening
from kho_tui.capture.reader import BLOB_LIMIT
from kho_tui.capture.roots import Root, find_roots
from kho_tui.capture.sources import NOT_HERE, Hint, SourceFile, SourceKind, Sources
from kho_tui.capture.surroundings import open_capture
from kho_tui.capture.unpack import compression_of, unpack
from kho_tui.context import Context
from kho_tui.errors import InputError, ReadError
from kho_tui.fdt.tree import looks_like_fdt
from kho_tui.layout.place import Blob, Origin, Place
from kho_tui.layout.platform import ByteOrder
from kho_tui.memory.elf import describe_unsupported, is_elf, open_elf
from kho_tui.memory.kcore import KcoreMemory
from kho_tui.memory.kdump import PARTS_LIMIT, KdumpMemory, is_dump, open_dump
from kho_tui.memory.physical import MemoryFile
from kho_tui.memory.pieces import Piece
from kho_tui.memory.raw import open_raw
from kho_tui.memory.source import ByteSource, BytesSource, FileSource, open_file
from kho_tui.model.registry import Registry
from kho_tui.releases.names import Names
from kho_tui.text import NO_TEXT, SafeText, visible

LIVE_ROOT = Path("/")
"""The file system whose kho tree counts as this machine's."""

_HEAD = 4096
_SMALLEST_RAW = 4096
_SCRATCH_ENTRIES = 4096
_LISTED = 12
_MOST_BESIDE = 1000
_MOST_LOOKED_AT = 10_000
"""Files of a directory of which the first bytes are looked at for the other parts of a dump."""
_WANTED = "a capture has kho/ (a copy of /sys/kernel/debug/kho) or memory.elf; kho-tui capture-script prints a script that makes one"


def open_sources(
    path: str | Path,
    context: Context,
    registry: Registry,
    *,
    base: Sequence[Piece] = (),
    even_without_kho: bool = False,
    moving: frozenset[SafeText] = frozenset(),
    memory: bool = True,
) -> Sources:
    """What is at ``path``: a capture (directory or archive), a kho tree, an ELF core, a raw image, an FDT or a scratch table.

    ``base``: take a single file for a raw image of memory whose pieces lie there, whatever it looks like. ``even_without_kho``: the
    running machine is opened too where it shows no kho tree; ``absent`` of the result says why. ``moving``: files of it to leave out, as
    they are shown; ``memory``: whether to open the memory of it. The caller closes the result.
    Raises InputError with one line of advice, ReadError, BudgetError, Cancelled.
    """
    where = Path(path)
    shown = visible(str(path))
    opening = Opening(context, registry, ExitStack(), base, moving, memory)
    try:
        return _open(where, shown, opening, even_without_kho)
    except BaseException as error:
        opening.closer.close()
        if isinstance(error, OSError):
            raise InputError(f"{shown}: {why(error)}") from None
        if isinstance(error, ValueError):
            raise InputError(f"{shown}: cannot be read: {visible(str(error))}") from None
        raise


def is_this_machine(path: str | Path) -> bool:
    """Whether a path stands for the running machine."""
    return is_live(Path(path), LIVE_ROOT)


def path_to_watch(path: str | Path) -> str | Path:
    """What changes where the state at ``path`` does: of a running machine its kho tree, not all of debugfs."""
    return str(LIVE_ROOT / find_debugfs(LIVE_ROOT).tree) if is_this_machine(path) else path


def _open(where: Path, shown: SafeText, opening: Opening, even_without_kho: bool) -> Sources:
    if is_this_machine(where):
        return _open_live(shown, opening, even_without_kho)
    try:
        is_directory = where.is_dir()
    except PermissionError:
        raise InputError(f"{shown}: permission denied; run as root, or copy it to where you may read it") from None
    if not is_directory:
        return _open_path(where, shown, opening)
    next(where.iterdir(), None)
    tree = directory_tree(where)
    opening.closer.callback(tree.close)
    sources = _open_tree(tree, str(where), opening)
    if sources is None:
        raise InputError(f"{shown}: no KHO state in this directory; {_WANTED}")
    return sources


def _open_live(shown: SafeText, opening: Opening, even_without_kho: bool) -> Sources:
    machine = look_at_machine(LIVE_ROOT, memory=opening.memory)
    tree = live_tree(LIVE_ROOT, machine.debugfs, opening.moving)
    opening.closer.callback(tree.close)
    running: KcoreMemory | None = None
    refused = machine_facts(NOT_HERE, NOT_HERE, machine=machine).obstacle("memory")
    if opening.memory:
        with suppress(InputError, ReadError):
            running = open_kcore(LIVE_ROOT, machine.platform, machine.symbols.variable, opening.closer)
    if running is None and opening.memory and refused is not None:
        tree.notes.add("kcore", refused.words)
    for message in () if running is None else running.notes:
        tree.notes.add("kcore", message)
    if running is not None and running.flags is None:
        tree.notes.add("kpageflags", "/proc/kpageflags cannot be read: pages of zeros do not count, and user memory is not told from KHO's")
    sources = open_capture(tree, opening, path=str(LIVE_ROOT / machine.debugfs.tree), kind="live", machine=machine, running=running)
    if sources.absent and not even_without_kho:
        raise InputError(f"{shown}: {sources.absent}")
    if running is not None and sources.boot is not None and sources.boot.fdt_phys is not None:
        running.name_pages((sources.boot.fdt_phys,))
    hidden = sources.facts.obstacle("outgoing")
    return replace(
        sources,
        no_memory=refused.words if refused is not None and running is None else NO_TEXT,
        no_outgoing=hidden.words if hidden is not None else NO_TEXT,
    )


def _open_tree(tree: FileTree, path: str, opening: Opening) -> Sources | None:
    """The one capture in a tree, or its only file; None where it holds neither."""
    paths = tree.paths()
    name = Path(os.path.abspath(path)).name  # noqa: PTH100 - resolve() would follow links
    roots = find_roots(paths, name, opening.registry.releases.names)
    if not roots:
        top = [one for one in paths if "/" not in one]
        if len(paths) == 1:
            return _open_bytes(tree.open(paths[0]), path, opening, tree.notes)
        if any(_is_core(tree, one) for one in top[:_LISTED]):
            roots = (Root("", "capture"),)
        else:
            return None
    if len(roots) > 1:
        names = [visible(root.prefix.rstrip("/")) for root in roots]
        advice = "name one" if tree.kind == "directory" else "unpack it and name one"
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        raise InputError(f"{visible(path)}: holds several captures: {', '.join(names[:_LISTED])}{more}; {advice}")
    root = roots[0]
    part: FileTree = PartOfTree(tree, root.prefix, root.name_in_capture)
    if root.tree is not None and root.kind == "capture" and not root.machine and root.tree != root.prefix + "kho/":
        tree.notes.add(root.tree.rstrip("/"), "taken for the copy of /sys/kernel/debug/kho (it is not named kho)")
    if root.kind != "capture" and tree.kind == "directory":
        _note_more(Path(path) / root.prefix, tree.notes)
    kind: SourceKind = "capture" if root.kind == "capture" else "debugfs"
    sources = open_capture(part, opening, path=path, kind=kind)
    return replace(sources, files=(*sources.files, *_outside(paths, root)))


def _outside(paths: Sequence[str], root: Root) -> Iterator[SourceFile]:
    """The files of a tree that lie beside its capture: not read, and not dropped without a word."""
    beside = [one for one in paths if not one.startswith(root.prefix)]
    for one in beside[:_MOST_BESIDE]:
        yield SourceFile(visible(one), None, "not used", SafeText(f"beside the capture, which is {visible(root.prefix.rstrip('/'))}"))
    if len(beside) > _MOST_BESIDE:
        yield SourceFile(SafeText(f"... and {len(beside) - _MOST_BESIDE} more"), None, "not used")


def _is_core(tree: FileTree, path: str) -> bool:
    try:
        head = tree.head(path, 16)
        return is_elf(head) or is_dump(head)
    except (ReadError, InputError):
        return False


def _open_scratch_text(where: Path, names: tuple[str, str], shown: SafeText, opening: Opening) -> Sources:
    """The scratch areas of the two files ``names``: one tells where they begin, the other how long they are."""
    files = {f"kho/out/{name}": str(where.with_name(name)) for name in names}
    absent = [path for path in files.values() if not os.path.isfile(path)]  # noqa: PTH113 - never raises
    if absent:
        raise InputError(f"{shown}: an area is known by its start and its size, and {visible(absent[0])} is not there")
    notes = Notes()
    _note_more(where, notes)
    return open_capture(MappedTree(str(where), files, notes, {}), opening, path=str(where), kind="scratch")


def _open_path(where: Path, shown: SafeText, opening: Opening) -> Sources:
    texts = next((one.scratch_texts for one in opening.registry.releases.names if where.name in one.scratch_texts), None)
    if texts is not None and not opening.base:
        return _open_scratch_text(where, texts, shown, opening)
    source: ByteSource = opening.closer.enter_context(open_file(where))
    notes = Notes()
    if not source.size:
        # Files of debugfs say size 0 and still hold bytes.
        data, cut = read_until_eof(where, BLOB_LIMIT)
        if not data:
            raise InputError(f"{shown}: is empty (files of debugfs have size 0 for tar and cp of some systems: copy them with cat)")
        if cut:
            notes.add(source.name, f"longer than {BLOB_LIMIT} bytes, cut")
        source = BytesSource(data, source.name)
    _note_more(where, notes)
    return _open_bytes(source, str(where), opening, notes)


def _open_bytes(source: ByteSource, path: str, opening: Opening, notes: Notes, unpacked: bool = False) -> Sources:
    """A single file by its first bytes."""
    shown = visible(path)
    head = source.read_at(0, _HEAD)
    if not head:
        raise InputError(f"{shown}: is empty")
    if opening.base or _side_of(Path(path), opening.registry.releases.names) is not None:
        # A blob of debugfs may be recycled memory: whatever it looks like, it is no archive and no core.
        return _open_single(source, head, path, opening, notes)
    how = compression_of(head)
    if how is not None:
        if unpacked:
            raise InputError(f"{shown}: compressed twice; unpack it first")
        return _open_bytes(unpack(source, how, opening.context, notes, opening.closer), path, opening, notes, unpacked=True)
    from kho_tui.capture.archives import TarTree, ZipTree, archive_kind  # tarfile and zipfile: not for a directory

    kind = archive_kind(head)
    if kind is not None and isinstance(source, FileSource):
        archive = (TarTree if kind == "tar" else ZipTree)(source, opening.context, notes, opening.closer)
        sources = _open_tree(archive, path, opening)
        if sources is None:
            raise InputError(f"{shown}: no KHO state in this archive; {_WANTED}")
        return sources
    return _open_single(source, head, path, opening, notes)


def _open_single(source: ByteSource, head: bytes, path: str, opening: Opening, notes: Notes) -> Sources:
    shown = visible(path)
    memory: MemoryFile | None = None
    bare: Blob | None = None
    table_order: ByteOrder | None = None
    kind: SourceKind
    side = _side_of(Path(path), opening.registry.releases.names)
    advice = describe_unsupported(head)
    if opening.base:
        kind, memory = "raw", open_raw(source, opening.base)
    elif looks_like_fdt(head):
        kind, bare = "fdt", _bare(source, side, notes)
    elif side is not None:
        kind, bare = "blob", _bare(source, side, notes)
    elif is_elf(head):
        kind, memory = "core", open_elf(source)
    elif is_dump(head):
        kind, memory = "core", open_dump(source, lambda: _dumps_beside(Path(path), opening))
    elif advice is not None:
        raise InputError(f"{shown}: {advice}")
    elif (table_order := scratch_table_order(head, source)) is not None:
        kind, bare = "scratch", _bare(source, side, notes)
    elif _is_text(head):
        raise InputError(f"{shown}: a text file, not a KHO state; {_WANTED}")
    elif source.size >= _SMALLEST_RAW:
        kind, memory = "raw", open_raw(source)
        notes.add(source.name, "nothing in it says what it is: taken for a raw image of memory")
    else:
        kind, bare = "blob", _bare(source, side, notes)
    for message in memory.notes if memory is not None else ():
        notes.add(source.name, message)
    arch = architecture(memory, {}, False, False, None)
    hints = platform_hints(live=None, manifest=None, boot=None, memory=memory, config={}, arch=arch)
    if table_order is not None:
        hints += (Hint("byte_order", table_order, "the scratch table reads well so", 20),)
    release = memory.vmcoreinfo.get("OSRELEASE") if memory is not None else None
    return Sources(
        path=path,
        kind=kind,
        container="file",
        memory=memory,
        bare=bare,
        bare_side=side,
        release=release if release and re.fullmatch(r"[!-~]{1,128}", release) else None,
        arch=arch,
        hints=hints,
        files=(SourceFile(visible(source.name), source.size, _GAVE[kind]), *_other_parts(memory, source.name)),
        notes=tuple(notes),
        absent=SafeText("its memory holds no root FDT" if memory is not None else "a single file that is no root FDT"),
        closer=opening.closer,
    )


def _other_parts(memory: MemoryFile | None, opened: str) -> Iterator[SourceFile]:
    """The files of a split dump that are read beside the one that was opened."""
    for name, size in memory.part_files if isinstance(memory, KdumpMemory) else ():
        if name != opened:
            yield SourceFile(visible(name), size, "physical memory", SafeText(f"part of the same split dump as {visible(opened)}"))


def _dumps_beside(where: Path, opening: Opening) -> Iterator[ByteSource]:
    """The dumps in the directory of a file, itself left out: the other parts of one that makedumpfile has split may be among them."""
    found = 0
    for one in sorted(islice(where.parent.iterdir(), _MOST_LOOKED_AT)):
        if found == PARTS_LIMIT:
            return
        try:
            if not one.is_file() or one.samefile(where):
                continue
            source = open_file(one)
        except (InputError, OSError):
            continue
        if is_dump(source.read_at(0, 16)):
            found += 1
            yield opening.closer.enter_context(source)
        else:
            source.close()


_GAVE: dict[SourceKind, str] = {
    "core": "physical memory",
    "raw": "physical memory",
    "fdt": "an FDT",
    "scratch": "a scratch table",
    "blob": "an unknown blob",
}


def _bare(source: ByteSource, side: Side | None, notes: Notes) -> Blob:
    if source.size > BLOB_LIMIT:
        notes.add(source.name, f"{source.size} bytes, cut to {BLOB_LIMIT}")
    origin = Origin.DEBUGFS if side is not None else Origin.FILE
    return Blob(source.read_at(0, BLOB_LIMIT), Place(origin, source.name, 0, None))


def scratch_table_order(head: bytes, source: ByteSource) -> ByteOrder | None:
    """The byte order in which a file reads as an array of (address, size) of scratch areas; None where it does in neither.

    Whole entries only, at most 4096, all multiples of 4096, sizes below 2^48 and not all zero. Round numbers read well both ways:
    then the order with the smaller areas, for the other one means areas of terabytes.
    """
    if source.size % 16 or not 16 <= source.size <= 16 * _SCRATCH_ENTRIES:
        return None
    data = head if len(head) == source.size else source.read_at(0, source.size)
    orders: tuple[ByteOrder, ByteOrder] = ("little", "big")
    fitting: list[tuple[int, ByteOrder]] = []
    for order in orders:
        words = [int.from_bytes(data[at : at + 8], order) for at in range(0, len(data) - len(data) % 16, 8)]
        if all(word % 4096 == 0 for word in words) and max(words[::2]) < 1 << 52 and 0 < max(words[1::2]) < 1 << 48:
            fitting.append((max(words[1::2]), order))
    return min(fitting, key=lambda one: one[0])[1] if fitting else None


def _is_text(head: bytes) -> bool:
    try:
        text = head[: len(head) - 3 if len(head) == _HEAD else None].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(char.isprintable() or char in "\n\t\r" for char in text)


def _side_of(path: Path, names: Sequence[Names]) -> Side | None:
    """The side of a file of a kho tree by where it lies."""
    parts = Path(os.path.abspath(path)).parts  # noqa: PTH100 - resolve() would follow links
    if len(parts) >= 4 and parts[-2] in {one.sub_fdts for one in names}:
        parts = parts[:-1]
    elif len(parts) < 2 or parts[-1] not in {file for one in names for file in one.side_files}:
        return None
    folder = parts[-2]
    return "in" if folder == "in" else "out" if folder == "out" else None


def _note_more(where: Path, notes: Notes) -> None:
    """Say so where what is opened is only a part of a capture: a file at its top, or something in its kho tree."""
    here = Path(os.path.abspath(where))  # noqa: PTH100 - resolve() would follow links
    for parent in here.parents[:4]:
        tree = parent / "kho"
        beside = here.parent == parent and (os.path.isdir(tree) or os.path.isfile(parent / "capture.json"))  # noqa: PTH112, PTH113 - never raise
        if beside or here.is_relative_to(tree):
            notes.add("", f"opened alone; {visible(str(parent))} has more")
            return
