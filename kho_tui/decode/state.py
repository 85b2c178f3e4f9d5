"""The whole decode: sources to State."""

from __future__ import annotations

from dataclasses import replace

from kho_tui.abi.root import RootFormats
from kho_tui.capture.boot_record import boot_of_record
from kho_tui.capture.log_texts import ALARMS
from kho_tui.capture.sources import Sources
from kho_tui.context import Context
from kho_tui.decode.consistency import EITHER_WAY, contradiction
from kho_tui.decode.device_tree import device_tree_words
from kho_tui.decode.fdts import is_fdt, view_root
from kho_tui.decode.host import decode_host
from kho_tui.decode.kernel_variables import kernel_says
from kho_tui.decode.platform import Overrides, decide_platform
from kho_tui.decode.reader import Findings, Reader
from kho_tui.decode.roots import FoundInMemory, search_memory
from kho_tui.decode.scratch import decode_scratch, scratch_in_memory
from kho_tui.decode.side import SideSource, decode_side
from kho_tui.decode.sides import side_sources
from kho_tui.fdt.tree import Node
from kho_tui.layout.platform import Platform
from kho_tui.memory.kcore import KcoreMemory
from kho_tui.model.codes import BUDGET, INFERRED, LOG_EVIDENCE, NEWER, NOT_ONE_BOOT, SOURCE_NOTE, SOURCE_PROBLEM
from kho_tui.model.facts import Missing, Stale
from kho_tui.model.path import EntityPath
from kho_tui.model.registry import Registry
from kho_tui.model.sides import log_of_another_boot
from kho_tui.model.state import FileUse, LogLine, Machine, Side, State
from kho_tui.model.unpredictable import from_manifest
from kho_tui.text import NO_TEXT, SafeText, plural, visible


def decode_state(
    sources: Sources, context: Context, overrides: Overrides, registry: Registry, searched: FoundInMemory | None = None
) -> State:
    """Everything that the sources hold. ``searched``: what their memory holds, where it was searched before.

    Raises Cancelled, and InputError where the root FDT that is to be shown is none; what the state says never raises.
    """
    findings = Findings()
    found = searched
    if found is None:
        found = FoundInMemory() if sources.memory is None else search_memory(sources.memory, registry.roots, context)
    platform, reasons = decide_platform(sources, found.roots, _root_nodes(sources, registry.roots), overrides, registry, context, findings)
    host = decode_host(sources, platform)
    reader = Reader(
        memory=sources.memory,
        platform=platform,
        context=context,
        findings=findings,
        no_memory=sources.no_memory,
        live=sources.machine is not None,
        registry=registry,
        host=host,
    )
    if sources.memory is not None and sources.running is None and sources.incoming is None and sources.outgoing is None:
        # With debugfs beside it the memory may be another boot's.
        found = replace(found, kernel=kernel_says(sources.memory, {root.phys for root in found.roots}))
    if sources.boot is None and (record := found.boot_record) is not None:
        sources = replace(sources, boot=boot_of_record(record))
    scratch = decode_scratch(reader, sources)
    release = registry.releases.of(sources.release)
    tree = device_tree_words(sources.bare, registry.releases.names)
    spoken = [] if tree else side_sources(reader, sources, found, release, overrides.root)
    sides = {source.name: _side(reader, source, sources.running) for source in spoken}
    log = tuple(LogLine(e.kind, e.side, e.time, e.text, e.subject) for e in sources.evidence)
    if isinstance(scratch, Missing) and sources.boot is None and sources.running is None:
        scratch = scratch_in_memory(reader, sources, found, tuple(sides.values())) or scratch
    if why := log_of_another_boot(sides, log):
        unread = replace(sources, evidence=(), log_from_boot=False, foreign_log=f"dmesg is the log of another boot: {why}")
        return decode_state(unread, context, overrides, registry, found)
    _report_sources(sources, findings)
    if release is not None and release.caveat:
        findings.add(INFERRED, EntityPath(), release.caveat)
    if registry.releases.is_newer(sources.release):
        newer = f"{visible(sources.release or '')} is newer than what is known here ({registry.releases.words})"
        what = "formats are read by their version strings, what this kernel does is unknown"
        findings.add(NEWER, EntityPath(("machine",)), f"{newer}: {what}")
    if context.budget.read_bytes < 0:
        findings.add(BUDGET, EntityPath(), "the state points at more memory than the budget allows to read: what is shown is not all of it")
    return State(
        registry=registry,
        machine=_machine(sources, platform, reasons, found.unread),
        host=host,
        scratch=scratch,
        sides=sides,
        log=log,
        findings=findings.all(),
        absent=SafeText("") if sides else tree or _not_searched(found) or sources.absent,
        unpredictable=from_manifest(sources.manifest),
        scratch_shown=sources.outgoing is not None,
        log_from_boot=sources.log_from_boot,
    )


def _not_searched(found: FoundInMemory) -> SafeText:
    return SafeText(f"a root FDT may lie in what was not read: {found.unread}") if found.unread else NO_TEXT


def _side(reader: Reader, source: SideSource, running: KcoreMemory | None) -> Side:
    """One side. Of a core alone a tracker that contradicts the rest of its state is not believed: it was given back."""
    if running is not None:
        running.ask_for(live=source.name == "out")
    trial = reader.on_trial()
    side = decode_side(trial, source)
    if side.name == "unsided" and (why := contradiction(side, reader.platform)) is not None:
        stale = Stale(SafeText(f"{why}: {EITHER_WAY}"))
        trial = reader.on_trial()
        side = decode_side(trial, replace(source, stale_tracker=stale))
    if running is not None:
        running.ask_for(live=False)
    reader.findings.extend(trial.findings)
    return side


def _root_nodes(sources: Sources, formats: RootFormats) -> list[Node]:
    sides = (sources.incoming, sources.outgoing)
    blobs = [side.fdt for side in sides if side is not None and side.fdt is not None]
    if sources.bare is not None and is_fdt(sources.bare):
        blobs.append(sources.bare)
    roots = (view_root(formats, blob).tree.root for blob in blobs)
    return [root for root in roots if root is not None]


def _report_sources(sources: Sources, findings: Findings) -> None:
    where = EntityPath(("machine", "files"))
    for note in sources.notes:
        if note.path:
            findings.add(SOURCE_PROBLEM, where, f"{note.path}: {note.message}")
        else:
            findings.add(SOURCE_NOTE, where, note.message)
    if sources.foreign_log:
        findings.add(NOT_ONE_BOOT, where, f"{visible(sources.foreign_log)}: none of its lines is read")
    for line in sources.evidence:
        if line.kind in ALARMS:
            side = EntityPath((line.side,)) if line.side else EntityPath()
            findings.add(LOG_EVIDENCE, side, f"kernel log: {visible(line.text)}")


def _machine(sources: Sources, platform: Platform, reasons: tuple[SafeText, ...], unread: SafeText) -> Machine:
    cmdline, whole = (None, True) if isinstance(sources.cmdline, Missing) else (sources.cmdline.text, sources.cmdline.whole)
    files = tuple(FileUse(f.path, f.size, SafeText(f.gave), f.note) for f in sources.files)
    running = sources.running
    if running is not None:
        gave = f"physical memory: {plural(running.pages_read, 'page')} that debugfs, boot record or kho_out point at"
        files += (FileUse(SafeText("/proc/kcore"), running.used().total_bytes, SafeText(gave), NO_TEXT),)
    boot = () if sources.boot is None else sources.boot.records
    path, cut = visible(sources.path), SafeText("" if sources.memory is None else sources.memory.cut)
    return Machine(
        path=path,
        kind=sources.kind,
        release=sources.release,
        arch=sources.arch,
        platform=platform,
        platform_reasons=reasons,
        cmdline=cmdline,
        files=files,
        boot=boot,
        cmdline_whole=whole,
        memory_cut=cut,
        memory_unread=unread,
    )
