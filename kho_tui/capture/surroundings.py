"""A file tree in the layout of a capture as sources."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from kho_tui.capture.boot_record import BootHandover, boot_from_chosen, boot_from_setup_data
from kho_tui.capture.dmesg import parse_dmesg, releases_of, starts_at_boot
from kho_tui.capture.files import FileTree
from kho_tui.capture.hints import architecture, incomplete, platform_hints, why_absent
from kho_tui.capture.live.machine import Machine
from kho_tui.capture.machine_names import SCHEMA, TEXTS
from kho_tui.capture.obstacles import Obstacle, facts_told, machine_facts
from kho_tui.capture.opening import Opening
from kho_tui.capture.proc import (
    IomemEntry,
    parse_addresses,
    parse_cmdline,
    parse_config,
    parse_finalize,
    parse_firmware_entry,
    parse_iomem,
    parse_memblock,
    parse_meminfo,
    parse_version,
    parse_zoneinfo,
)
from kho_tui.capture.reader import LOG_LIMIT, CaptureReader
from kho_tui.capture.sources import NOT_HERE, DebugfsSide, ScratchText, SourceKind, Sources
from kho_tui.capture.unpack import compression_of, unpack
from kho_tui.errors import InputError, KhoError, ReadError
from kho_tui.layout.place import Blob
from kho_tui.layout.platform import PAGE_SIZES
from kho_tui.memory.elf import describe_unsupported, is_elf, open_elf
from kho_tui.memory.kcore import KcoreMemory
from kho_tui.memory.kdump import PARTS_LIMIT, KdumpMemory, is_dump, open_dump
from kho_tui.memory.physical import Absence, MemoryFile
from kho_tui.memory.pieces import Piece
from kho_tui.memory.raw import open_raw
from kho_tui.memory.segmented import SegmentedMemory
from kho_tui.memory.source import ByteSource
from kho_tui.model.facts import Missing, Unavailable
from kho_tui.releases.names import Names
from kho_tui.text import SafeText, visible

_MEMORY_NAMES = ("memory.elf", "memory.elf.gz", "memory.elf.xz", "memory.elf.bz2")
_FIRMWARE_MAP = "firmware-memmap/"
_HEAD = 64
"""Bytes that tell what a file of memory is."""
_RAW_NAME = re.compile(r"memory\.raw|.*\.raw|memory\.img|.*\.dump", re.DOTALL)
_TEXT_NAMES = TEXTS | {"config", "capture.json"}
_LOOKED_AT = 200
"""Files at the top of a capture whose first bytes are looked at for an ELF core."""
_MOST_ABSENCES = 100_000
_LONGEST_REASON = 400
_NAMED = 5
_ADDRESS = re.compile(r"0x[0-9a-f]{1,16}")
_NODE = re.compile(r"node/node(\d{1,9})[./]meminfo")


def open_capture(
    tree: FileTree,
    opening: Opening,
    *,
    path: str,
    kind: SourceKind,
    machine: Machine | None = None,
    running: KcoreMemory | None = None,
) -> Sources:
    """The sources in a tree. ``machine``, ``running``: where they are those of the running machine, it and its memory.

    Raises InputError where nothing of it can be read, Cancelled, BudgetError.
    """
    reader = CaptureReader(tree, opening.context, live=machine is not None)
    names = opening.registry.releases.names
    config_name = next((name for name in ("config.gz", "config") if reader.has(name)), "config.gz")
    config = reader.parsed(config_name, "kernel configuration", parse_config)
    cmdline = reader.parsed("cmdline", "kernel command line", parse_cmdline)
    facts = machine_facts(config, cmdline, machine=machine)
    incoming = _side(reader, "in", names)
    outgoing = _side(reader, "out", names, refused=None if machine is None else facts.obstacle("finalize"))
    scratch = _scratch(reader, names)
    # Before the manifest, which may complain of the tree in words of its own.
    tree_problem = _tree_problem(reader)
    manifest = _manifest(reader)
    memory: MemoryFile | None = running if machine is not None else _memory(reader, opening, manifest)
    boot = _boot(reader, names)
    version = reader.parsed("version", "kernel release", _version)
    dmesg = reader.read("dmesg", "evidence of the kernel's log", LOG_LIMIT)
    release = version if isinstance(version, str) else _manifest_release(manifest)
    banners = frozenset() if isinstance(dmesg, Missing) else releases_of(dmesg)
    others = "" if release is None or release in banners else ", ".join(sorted(banners))
    foreign_log = f"dmesg is the log of {others}, this is {release}" if others else ""
    log = b"" if isinstance(dmesg, Missing) or foreign_log else dmesg
    arch = architecture(memory, config, bool(reader.below("setup_data/")), bool(reader.below("dt-chosen/")), manifest)
    tree_files = reader.below("kho/")
    got_something = incoming is not None or outgoing is not None or scratch is not None
    absent = SafeText("")
    if not got_something:
        absent = _empty_copies(reader, tree_files) or why_absent(facts, manifest, tree_problem)
        if tree_files and memory is None:
            raise InputError(f"{visible(path)}: {absent}")
    iomem = reader.rows("iomem", "physical address ranges", parse_iomem)
    return Sources(
        path=path,
        kind=kind,
        container=tree.kind,
        incoming=incoming,
        outgoing=outgoing,
        scratch=scratch,
        memory=memory,
        running=running,
        machine=machine,
        facts=facts if machine is not None else machine_facts(config, cmdline, told=facts_told((manifest or {}).get("facts"))),
        boot=boot,
        release=release,
        arch=arch,
        cmdline=cmdline,
        config=config,
        iomem=iomem,
        firmware_map=_firmware_map(reader),
        zones=reader.rows("zoneinfo", "zones and nodes", parse_zoneinfo),
        memblock_memory=reader.rows("memblock/memory", "memory and its nodes at boot", parse_memblock),
        memblock_reserved=reader.rows("memblock/reserved", "reservations at boot", parse_memblock),
        meminfo=reader.parsed("meminfo", "memory counters", parse_meminfo),
        node_meminfo=_node_meminfo(reader),
        evidence=parse_dmesg(log, opening.registry),
        log_from_boot=starts_at_boot(log, simulated=(manifest or {}).get("simulated") is True),
        tree_is_whole=_copied_whole(reader, manifest) if machine is None else machine.debugfs.state == "mounted",
        torn=_torn(manifest),
        not_captured=_not_captured(manifest),
        foreign_log=foreign_log,
        hints=platform_hints(
            live=None if machine is None else machine.platform, manifest=manifest, boot=boot, memory=memory, config=config, arch=arch
        ),
        files=reader.account(),
        notes=tuple(reader.notes),
        manifest=manifest,
        absent=absent,
        no_outgoing=_no_outgoing(manifest) if memory is not None else SafeText(""),
        closer=opening.closer,
    )


def _side(reader: CaptureReader, name: str, names: Sequence[Names], refused: Obstacle | None = None) -> DebugfsSide | None:
    """One side of the kho tree; None where it has no file. ``refused``: what keeps a running machine from showing out/finalize."""
    spoken = {"in": "incoming", "out": "outgoing"}[name]
    folder = f"kho/{name}/"
    fdt = reader.blob(reader.called(*(folder + one.fdt for one in names)), f"root FDT, {spoken}")
    subtrees: dict[bytes, Blob] = {}
    for below in dict.fromkeys(f"{folder}{one.sub_fdts}/" for one in names):
        for path in reader.below(below):
            subtree = path[len(below) :]
            blob = reader.blob(path, f"subtree {visible(subtree)}, {spoken}")
            if blob is not None:
                subtrees[subtree.encode("utf-8", "surrogateescape")] = blob
    if name == "out":
        finalize_path = reader.called(*(folder + one.finalize for one in names))
        finalize = reader.parsed(finalize_path, "finalized or not", parse_finalize)
        if refused is not None and isinstance(finalize, Missing) and reader.has(finalize_path):
            finalize = Unavailable(refused.words)
            reader.notes.add(finalize_path, refused.words)
        elif not reader.has(finalize_path):
            finalize = Unavailable(SafeText("no out/finalize in this capture: kernels from 7.1 on have none"))
    else:
        finalize = Unavailable(SafeText("the incoming side has no finalize"))
    if fdt is None and not subtrees and isinstance(finalize, Missing):
        return None
    return DebugfsSide(fdt, subtrees, finalize)


def _scratch(reader: CaptureReader, names: Sequence[Names]) -> ScratchText | None:
    phys_path = reader.called(*(f"kho/out/{one.scratch_phys}" for one in names))
    lengths_path = reader.called(*(f"kho/out/{one.scratch_len}" for one in names))
    phys = reader.parsed(phys_path, "addresses of the scratch areas", parse_addresses)
    lengths = reader.parsed(lengths_path, "sizes of the scratch areas", parse_addresses)
    if isinstance(phys, Missing) and isinstance(lengths, Missing):
        return None
    columns = {phys_path: phys, lengths_path: lengths}
    cut = tuple(path for path, column in columns.items() if not isinstance(column, Missing) and column.cut)
    first, second = (() if isinstance(column, Missing) else column.values for column in columns.values())
    phys_name, lengths_name = (path.removeprefix("kho/out/") for path in columns)
    text = ScratchText(first, second, tuple(path.removeprefix("kho/") for path in cut), (phys_name, lengths_name))
    for path in cut:
        reader.notes.add(path, "it ends within a line: that line is left out")
    if len(text.phys) != len(text.lengths):
        reader.notes.add(lengths_path, f"{len(text.phys)} scratch addresses but {len(text.lengths)} lengths")
    return text


def _manifest(reader: CaptureReader) -> dict[str, object] | None:
    data = reader.read("capture.json", "manifest")
    if isinstance(data, Missing):
        return None
    try:
        manifest = json.loads(data)
    except (ValueError, RecursionError):
        manifest = None
    if not isinstance(manifest, dict):
        reader.notes.add("capture.json", "not a JSON object: not used")
        reader.record("capture.json", len(data), "nothing", "not a JSON object")
        return None
    for path, reasons in _not_captured(manifest).items():
        for reason in reasons:
            reader.notes.add(path, f"could not be captured: {reason}")
    if (why := incomplete(manifest)) is not None:
        reader.notes.add("capture.json", why)
    for name in _list(manifest.get("changed_while_reading")):
        if isinstance(name, str):
            reader.notes.add(name, "changed while it was captured: it may be a mixture of two states")
    if manifest.get("simulated") is True:
        reader.notes.add("", "a simulated capture: capture.json says what a real one would show differently")
    return manifest


def _copied_whole(reader: CaptureReader, manifest: Mapping[str, object] | None) -> bool:
    """Whether the manifest says that all of the kho tree was copied, and all of that is still here."""
    if manifest is None or manifest.get("schema") != SCHEMA or manifest.get("complete") is not True:
        return False
    paths = (_text(entry.get("path")) for entry in _dicts(manifest.get("files")))
    return not any(name.startswith("kho") for name in _not_captured(manifest)) and all(
        reader.has(path) for path in paths if path.startswith("kho/")
    )


def _torn(manifest: Mapping[str, object] | None) -> SafeText:
    changed = [visible(name) for name in _list((manifest or {}).get("changed_while_reading")) if isinstance(name, str)]
    of_two_moments = SafeText(f"{', '.join(changed[:_NAMED])} changed while the capture was taken") if changed else SafeText("")
    return incomplete(manifest) or of_two_moments


def _not_captured(manifest: Mapping[str, object] | None) -> dict[str, tuple[SafeText, ...]]:
    """By name, why files are not in the capture, or only in part."""
    found: dict[str, tuple[SafeText, ...]] = {}
    for entry in _dicts((manifest or {}).get("unreadable")):
        name = _text(entry.get("path"))
        found[name] = (*found.get(name, ()), visible(_text(entry.get("reason")) or "no reason given"))
    return found


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _dicts(value: object) -> list[dict[str, object]]:
    return [one for one in _list(value) if isinstance(one, dict)]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _manifest_release(manifest: dict[str, object] | None) -> str | None:
    release = (manifest or {}).get("kernel")
    return release if isinstance(release, str) and re.fullmatch(r"[!-~]{1,128}", release) else None


def _version(data: bytes) -> str | Missing:
    return parse_version(data) or Unavailable(SafeText("no kernel release in it"))


def _no_outgoing(manifest: dict[str, object] | None) -> SafeText:
    """Why the machine did not show where the outgoing root FDT is when it was captured, as the manifest says it."""
    memory = (manifest or {}).get("memory")
    # Without a reason nothing is missing of it.
    return visible(_text(memory.get("message"))[:_LONGEST_REASON]) if isinstance(memory, dict) and memory.get("reason") else SafeText("")


def _absences(manifest: dict[str, object] | None) -> dict[int, Absence]:
    """Why pages are not in memory.elf, by address, as the manifest says it."""
    memory = (manifest or {}).get("memory")
    entries = _dicts(memory.get("absent"))[:_MOST_ABSENCES] if isinstance(memory, dict) else []
    pairs = ((_text(entry.get("address")), entry) for entry in entries)
    return {
        int(address, 16): Absence(visible(_text(entry.get("reason"))[:_LONGEST_REASON]), moving=entry.get("moving") is True)
        for address, entry in pairs
        if _ADDRESS.fullmatch(address)
    }


def _memory(reader: CaptureReader, opening: Opening, manifest: dict[str, object] | None) -> SegmentedMemory | None:
    """The capture's memory: memory.elf, else the first ELF core or raw image at its top. Only one is used."""
    top = [path for path in reader.paths if "/" not in path]
    named = [name for name in _MEMORY_NAMES if reader.has(name)]
    candidates = dict.fromkeys([*named, *_cores(reader, top), *(name for name in top if _RAW_NAME.fullmatch(name))])
    found: SegmentedMemory | None = None
    parts: Sequence[tuple[str, int]] = ()
    for name in candidates:
        opening.context.step("looking for the memory of the capture")
        if found is not None:
            part = next((size for one, size in parts if one == name), None)
            if part is not None:
                reader.record(name, part, "physical memory", f"part of the same split dump as {visible(found.name)}")
            else:
                reader.record(name, None, "not used", f"{visible(found.name)} is the memory that is read")
            continue
        try:
            source = reader.tree.open(name)
            how = compression_of(source.read_at(0, 16))
            if how is not None:
                source = unpack(source, how, opening.context, reader.notes, opening.closer)
            found = _open_memory(reader, source, opening.base, [one for one in candidates if one != name])
        except (InputError, ReadError) as error:
            reader.failed(name, error)
            continue
        if name in _MEMORY_NAMES and (absences := _absences(manifest)):
            page_size = (manifest or {}).get("page_size")
            found = replace(found, absences=absences, absent_page_size=page_size if page_size in PAGE_SIZES else PAGE_SIZES[0])
        parts = found.part_files if isinstance(found, KdumpMemory) else ()
        reader.record(name, source.size, "physical memory")
        if name not in _MEMORY_NAMES:
            reader.notes.add(name, "taken for the memory of this capture (it is not named memory.elf)")
        for message in found.notes:
            reader.notes.add(name, message)
    return found


def _open_memory(reader: CaptureReader, source: ByteSource, base: Sequence[Piece], others: Sequence[str]) -> SegmentedMemory:
    """``others``: the files that may hold memory too, among them parts of the same dump."""
    head = source.read_at(0, _HEAD)
    if is_dump(head):
        if base:
            reader.notes.add(source.name, "its bitmaps say at which addresses its bytes lie: --base is not used")
        return open_dump(source, lambda: _dumps(reader, others))
    if is_elf(head):
        core = open_elf(source)
        # What a core says of addresses counts; one that says nothing lies where the user says.
        if base and core.placed_by == "nothing":
            return replace(core, segments=open_raw(source, base).segments, placed_by="user")
        if base:
            reader.notes.add(source.name, "its program headers say at which addresses its bytes lie: --base is not used")
        return core
    advice = describe_unsupported(head)
    if advice is not None:
        raise InputError(f"{visible(source.name)}: {advice}")
    if _RAW_NAME.fullmatch(source.name) is None:
        raise InputError(f"{visible(source.name)}: not an ELF core")
    reader.notes.add(source.name, "taken for a raw image of memory")
    return open_raw(source, base)


def _dumps(reader: CaptureReader, names: Sequence[str]) -> Iterator[ByteSource]:
    for name in names[:PARTS_LIMIT]:
        try:
            if is_dump(reader.tree.head(name, 16)):
                yield reader.tree.open(name)
        except KhoError:
            continue


def _cores(reader: CaptureReader, top: list[str]) -> list[str]:
    """Files at the top, under whatever name, that begin as an ELF file or a dump."""
    cores: list[str] = []
    for name in [name for name in top if name not in _TEXT_NAMES][:_LOOKED_AT]:
        try:
            head = reader.tree.head(name, 16)
            if is_elf(head) or is_dump(head):
                cores.append(name)
        except KhoError:
            continue
    return cores


def _firmware_map(reader: CaptureReader) -> tuple[IomemEntry, ...] | Missing:
    """/sys/firmware/memmap; not here where any of it cannot be read: half a map would take memory away."""
    folders = dict.fromkeys(path.rpartition("/")[0] for path in reader.below(_FIRMWARE_MAP))
    entries: list[IomemEntry] = []
    for folder in folders:
        parts = [reader.read(f"{folder}/{name}", "the firmware's memory map") for name in ("start", "end", "type")]
        missing = next((part for part in parts if isinstance(part, Missing)), None)
        if missing is not None:
            return missing
        start, end, kind = (part for part in parts if not isinstance(part, Missing))
        entry = parse_firmware_entry(start, end, kind)
        if entry is None:
            reader.notes.add(folder, "this entry of the firmware's memory map cannot be read")
            return Unavailable(SafeText(f"{visible(folder)} cannot be read"))
        entries.append(entry)
    return tuple(sorted(entries, key=lambda entry: entry.start)) if entries else NOT_HERE


def _boot(reader: CaptureReader, names: Sequence[Names]) -> BootHandover | None:
    nodes: dict[str, tuple[bytes, bytes]] = {}
    for path in reader.below("setup_data/"):
        folder, _, last = path.rpartition("/")
        if last != "type":
            continue
        kind = reader.read(path, "type of a setup_data node")
        data = reader.read(f"{folder}/data", "payload of a setup_data node")
        if not isinstance(kind, Missing) and not isinstance(data, Missing):
            nodes[f"{folder}/data"] = (kind, data)
    found = boot_from_setup_data(nodes, reader.notes)
    chosen = boot_from_chosen(
        _chosen(reader, (one.chosen_fdt for one in names)), _chosen(reader, (one.chosen_scratch for one in names)), reader.notes
    )
    if found is not None and chosen is not None:
        reader.notes.add("dt-chosen", "setup_data and the device tree both name a state: setup_data is used")
    return found or chosen


def _chosen(reader: CaptureReader, names: Iterable[str]) -> tuple[str, bytes | None]:
    """A property of /chosen by any of its names: its path, and its content where it is there."""
    path = reader.called(*(f"dt-chosen/{name}" for name in names))
    data = reader.read(path, "where the state of this boot is")
    return path, None if isinstance(data, Missing) else data


def _node_meminfo(reader: CaptureReader) -> dict[int, dict[str, int]]:
    nodes: dict[int, dict[str, int]] = {}
    for path in reader.below("node/"):
        match = _NODE.fullmatch(path)
        counters = reader.parsed(path, "memory counters of a node", parse_meminfo) if match else None
        if match and counters is not None and not isinstance(counters, Missing):
            nodes[int(match[1])] = dict(counters)
    return nodes


def _empty_copies(reader: CaptureReader, tree_files: tuple[str, ...]) -> SafeText:
    """The kho tree is there, and every file of it is empty: an archiver believed stat."""
    names = {visible(path) for path in tree_files}
    sizes = {file.size for file in reader.account() if file.path in names and file.gave != "not used"}
    if sizes != {0}:
        return SafeText("")
    holder = {"tar": "this tar holds", "zip": "this zip holds"}.get(reader.tree.kind, "this copy holds")
    return SafeText(
        f"stat says 0 for debugfs files: {holder} no bytes of them; "
        "copy with cat (kho-tui capture-script does), do not archive debugfs itself"
    )


def _tree_problem(reader: CaptureReader) -> str:
    """The first note about the kho tree itself, such as a missing permission."""
    return next((note.message for note in reader.notes if note.path == "kho" or note.path.startswith("kho/")), "")
