"""Which root FDT belongs to which side: what debugfs, the boot record and memory say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from kho_tui.abi.properties import compatible_of
from kho_tui.abi.root import Tracker
from kho_tui.capture.sources import Sources
from kho_tui.decode.consistency import EITHER_WAY
from kho_tui.decode.contenders import (
    Contender,
    contenders,
    counts_of_blobs,
    counts_of_root,
    follows,
    guests_of,
    incoming_by_counts,
    incoming_by_release,
)
from kho_tui.decode.fdts import is_fdt, view_root
from kho_tui.decode.naming import name_by_format
from kho_tui.decode.outgoing import Choice, Keeps, choose_outgoing
from kho_tui.decode.reader import Reader
from kho_tui.decode.roots import FoundInMemory, RootCandidate
from kho_tui.decode.side import SideSource
from kho_tui.errors import InputError
from kho_tui.layout.place import Blob, Origin, Place, agree, resemble
from kho_tui.model.codes import CONTRADICTED, NOT_ONE_BOOT, OTHER_ROOTS, SEVERAL_ROOTS, SOURCE_NOTE, SOURCES_DIFFER
from kho_tui.model.facts import Fact, Missing, Stale, Unavailable, Unknown
from kho_tui.model.path import EntityPath
from kho_tui.releases.table import Finalize, Release
from kho_tui.text import SafeText, visible

_MOST_LISTED = 20
_NO_IN_STEP = Unavailable(SafeText("not a question for what was handed in"))
_UNTRUSTED = SafeText(f"its own tracker does not keep its page: {EITHER_WAY}")


def side_sources(
    reader: Reader, sources: Sources, memory: FoundInMemory, release: Release | None, wanted: int | None = None
) -> list[SideSource]:
    """The sides that the sources speak of, each with the copies of its root FDT.

    ``wanted``: where the root FDT lies that the user wants to see. Raises InputError where memory holds none there.
    """
    found: list[SideSource] = []
    ranked = contenders(reader, memory.roots, placed_by_roots=memory.placed_by_roots)
    boot = sources.boot.fdt_phys if sources.boot is not None else None
    kernel = memory.kernel
    if boot is None:
        boot = memory.incoming if kernel is None else kernel.incoming
    named = None if kernel is None or wanted not in (None, kernel.outgoing) else kernel.outgoing
    # What this boot was handed is no guest's, and with it alone beside another nothing has to be decoded twice.
    shown_in = None if boot is not None or sources.incoming is None else sources.incoming.fdt
    handed_in = None if shown_in is None else shown_in.data
    guests = guests_of(reader, [one for one in ranked if one.root.phys != boot and one.root.data != handed_in], release)
    if wanted is not None and wanted not in {one.root.phys for one in ranked}:
        there = ", ".join(one.words for one in ranked[:_MOST_LISTED])
        raise InputError(f"no root FDT lies at {wanted:#x} in memory; found are: {there or 'none'}")
    left = [one.root for one in ranked if one.root.phys not in guests or one.root.phys == wanted]
    keeps = {one.root.phys: one.kept for one in ranked}
    if boot is None and sources.incoming is None and sources.outgoing is not None:
        boot = _handed_in(reader, sources, [one for one in ranked if one.root in left])
    elif boot is None and sources.incoming is None and kernel is None:
        handed = incoming_by_release([one for one in ranked if one.root in left], sources.release)
        boot = None if handed is None else handed.root.phys
        if handed is not None:
            running = visible(sources.release or "")
            said = f"the root FDT at {boot:#x} was written by {handed.writer}, and {running} runs here: it was handed in"
            reader.findings.add(SOURCE_NOTE, EntityPath(("in",)), said, boot)
    incoming = _incoming(reader, sources, left, boot, release)
    if incoming is not None:
        found.append(incoming)
        same = {blob.data for blob in incoming.roots} if boot is None else set()
        left = [c for c in left if c.phys != boot and c.data not in same]
    if named is not None:
        said = f"the root FDT at {named:#x} is the outgoing one: the kernel's variable kho_out points at it"
        reader.findings.add(SOURCE_NOTE, EntityPath(("out",)), said, named)
    outgoing = _outgoing(reader, sources, left, keeps, release, boot, named=named, wanted=wanted)
    if outgoing is not None:
        found.append(outgoing)
        left = [c for c in left if c.phys != outgoing.phys]
    if not found:
        unsided = _unsided(reader, sources, left, keeps, release, wanted)
        if unsided is not None:
            found.append(unsided)
            left = [c for c in left if c.phys != unsided.phys]
    shown = {source.phys for source in found}
    _report_others(
        reader, [one for one in ranked if one.root.phys not in shown], guests, memory, unsided=bool(found) and found[0].name == "unsided"
    )
    return found


def _report_others(reader: Reader, others: Sequence[Contender], guests: Mapping[int, int], memory: FoundInMemory, *, unsided: bool) -> None:
    """Say which root FDTs of memory are not shown."""
    kept = [one for one in others if one.kept and one.root.phys not in guests]
    for one in kept[:_MOST_LISTED] if unsided else ():
        message = f"memory holds another root FDT at {one.words}; --root {one.root.phys:#x} shows it"
        reader.findings.add(SEVERAL_ROOTS, EntityPath(), message, one.root.phys)
    rest = [one for one in others if not (unsided and one in kept)]
    for one in rest[:_MOST_LISTED]:
        guest = guests.get(one.root.phys)
        why = "not shown" if guest is None else f"a guest's, for a memfd of the root FDT at {guest:#x} owns its page: not shown"
        reader.findings.add(OTHER_ROOTS, EntityPath(), f"memory holds another root FDT at {one.words}: {why}", one.root.phys)
    if len(rest) > _MOST_LISTED or memory.cut:
        more = f"{len(rest) - _MOST_LISTED} more root FDTs" if len(rest) > _MOST_LISTED else "further root FDTs"
        also = "; there are too many to look at each" if memory.cut else ""
        reader.findings.add(OTHER_ROOTS, EntityPath(), f"memory holds {more}, which are not listed{also}")


def _handed_in(reader: Reader, sources: Sources, found: Sequence[Contender]) -> int | None:
    """Where the root FDT lies that this boot was handed, of which nothing but memory and the outgoing side of debugfs tells."""
    assert sources.outgoing is not None
    handed = incoming_by_counts(reader, found, sources.outgoing.subtrees)
    why = "it counts one handover less than the outgoing side"
    if handed is None and any(line.kind == "found" for line in sources.evidence) and sources.outgoing.fdt is None:
        paged = [one for one in found if one.root.phys % reader.platform.page_size == 0]
        # 6.16 to 6.18 have no subtree to hand out before they are finalized, and a tracker that was freed may still keep its root.
        none_yet = not sources.outgoing.subtrees and sources.outgoing.finalize is False
        handed = paged[0] if len(paged) == 1 and (none_yet or paged[0].kept is False) else None
        why = "the kernel log says that there was a handover, and nothing shows that it is handed out"
    if handed is None:
        return None
    reader.findings.add(SOURCE_NOTE, EntityPath(("in",)), f"the root FDT at {handed.root.phys:#x} was handed in: {why}", handed.root.phys)
    return handed.root.phys


def kho_boot_refused(sources: Sources) -> bool:
    """Whether this boot was offered a handover and did not take it: by the kernel log, or by a whole kho tree without ``in``.

    The kernel makes that directory at boot, and only for what it took over (kho_in_debugfs_init, 6.16 to 7.3).
    """
    if any(e.kind == "disabled" and e.side == "in" for e in sources.evidence):
        return True
    taken = any(e.kind == "found" for e in sources.evidence)
    return sources.tree_is_whole and sources.shows_tree and sources.incoming is None and not taken


def _incoming(
    reader: Reader, sources: Sources, candidates: Sequence[RootCandidate], boot: int | None, release: Release | None
) -> SideSource | None:
    debugfs = sources.incoming
    bare = sources.bare if sources.bare_side == "in" and sources.bare is not None and _is_root(reader, sources.bare) else None
    if debugfs is None and bare is None and (boot is None or kho_boot_refused(sources)):
        return None
    copies = [b for b in (debugfs.fdt if debugfs is not None else None, bare) if b is not None]
    here = next((c for c in candidates if c.phys == boot), None) if boot is not None else None
    if boot is None and copies:
        here = next((c for c in candidates if c.data == copies[0].data), None)
    phys: Fact[int] = Unavailable(SafeText(f"no boot record {sources.here}"))
    if boot is not None:
        phys = boot
    elif here is not None:
        phys = here.phys
    if here is not None:
        memory = _blob(sources, here)
        differs = bool(copies) and not agree(memory.data, copies[0].data)
        if differs and resemble(memory.data, copies[0].data):
            said = f"the root FDT at {here.phys:#x} that this boot was told of is not what in/fdt shows: it does not change within a boot"
            reader.findings.add(CONTRADICTED, EntityPath(("in",)), said, here.phys)
        elif differs:
            phys = Unavailable(SafeText(f"in/fdt is not what lies at {here.phys:#x}, where this boot was told to look"))
            message = f"in/fdt is not the root FDT at {here.phys:#x} that this boot was told of, which does not change: in/fdt is shown"
            reader.findings.add(NOT_ONE_BOOT, EntityPath(("in",)), message, here.phys)
        # A copy cut short says less than the page itself.
        copies = (
            [memory, *copies]
            if copies and len(copies[0].data) < len(memory.data) and memory.data.startswith(copies[0].data)
            else [*copies, memory]
        )
    _check_version(reader, copies, release)
    no_root = SafeText(f"in/fdt is not {sources.here}" if boot is None else f"neither in/fdt nor memory at {boot:#x} is {sources.here}")
    return SideSource(
        name="in",
        roots=tuple(copies),
        phys=phys,
        subtrees=debugfs.subtrees if debugfs is not None else {},
        no_root=no_root,
        finalized=_NO_IN_STEP,
        release=None,
    )


def _check_version(reader: Reader, copies: Sequence[Blob], release: Release | None) -> None:
    """An incoming root of a version that the running kernel does not take is not what it booted from."""
    node = view_root(reader.registry.roots, copies[0]).tree.root if copies else None
    version = None if node is None else compatible_of(node, reader.registry.roots)
    if release is not None and version in reader.registry.roots and version != reader.registry.roots.version_of(release):
        message = f"{visible(version or b'')} is not a version that {release.name} takes: not of one boot"
        reader.findings.add(NOT_ONE_BOOT, EntityPath(("in",)), message)


def _outgoing(
    reader: Reader,
    sources: Sources,
    candidates: Sequence[RootCandidate],
    keeps: Keeps,
    release: Release | None,
    boot: int | None,
    *,
    named: int | None,
    wanted: int | None,
) -> SideSource | None:
    """The outgoing side. ``keeps``: whether the candidates' own trackers keep them; ``wanted``: the one that the user chose.

    ``named``: where the kernel's own variable says that its root FDT lies.
    """
    debugfs = sources.outgoing
    bare = sources.bare if sources.bare_side == "out" and sources.bare is not None and _is_root(reader, sources.bare) else None
    if debugfs is None and bare is None:
        if named is None and not _memory_is_outgoing(sources, boot):
            return None
        if boot is None and sources.incoming is not None:
            handed = counts_of_blobs(reader, sources.incoming.subtrees)
            candidates = [one for one in candidates if follows(counts_of_root(reader, one), handed) is not False]
    file: Fact[bool] = debugfs.finalize if debugfs is not None else Unavailable(SafeText(f"out/finalize is not {sources.here}"))
    stateful = release is not None and release.finalize is Finalize.STATEFUL
    if stateful and file is False and debugfs is not None and debugfs.fdt is not None:
        file = Unknown(SafeText("out/finalize says 0, yet out/fdt is there, which it is only while finalized"))
        reader.findings.add(SOURCES_DIFFER, EntityPath(("out",)), str(file.reason))
    # Without a release: nothing is shown that could be handed over.
    aborted = file is False and (stateful or (debugfs is not None and debugfs.fdt is None and not debugfs.subtrees))
    told = next((one for one in candidates if one.phys == (wanted if named is None else named)), None)
    choice = Choice(told) if told is not None else Choice() if aborted else choose_outgoing(reader, debugfs, candidates, keeps, release)
    if choice.root is None and choice.foreign is not None:
        message = f"memory is not of the boot that debugfs was copied from: {choice.foreign}. It is not used for this side"
        reader.findings.add(NOT_ONE_BOOT, EntityPath(("out",)), message)
    chosen = choice.root
    if debugfs is None and bare is None and chosen is None:
        return None
    memory = choice.damaged if chosen is None else _blob(sources, chosen)
    copies = [b for b in (debugfs.fdt if debugfs is not None else None, bare) if b is not None]
    if memory is not None:
        copies = [memory, *copies]
    phys: Fact[int] = Unavailable(sources.no_outgoing or SafeText("debugfs does not tell where the root FDT lies"))
    if memory is not None and memory.place.phys is not None:
        phys = memory.place.phys
    address = None if chosen is None else chosen.map_address(reader.platform.byte_order)
    finalized = file if aborted else finalized_fact(reader, release, chosen, file, address)
    subtrees = debugfs.subtrees if debugfs is not None else {}
    use_memory = choice.foreign is None or chosen is not None
    no_root = _no_outgoing_root(sources, release, boot, aborted=aborted, has_memory=use_memory)
    return SideSource(
        name="out",
        roots=tuple(copies),
        phys=phys,
        subtrees=subtrees,
        no_root=no_root,
        finalized=finalized,
        release=release,
        debugfs_is_memory=sources.debugfs_is_memory,
        use_memory=use_memory,
        none_yet=aborted,
    )


def finalized_fact(
    reader: Reader, release: Release | None, root: RootCandidate | None, file: Fact[bool], map_address: int | None
) -> Fact[bool]:
    """Whether the outgoing side is complete, by the rule of its release, or of its root's version where no release is known."""
    form = reader.registry.roots.get(root.version) if root is not None else None
    if (release is not None and release.finalize is Finalize.NONE) or (form is not None and form.tracker is Tracker.RADIX):
        return Unavailable(SafeText("there is no such step from 7.1 on: always complete"))
    if release is not None and release.finalize is Finalize.STATEFUL:
        # An abort leaves the page of the root FDT as it was, so that only the file tells.
        return file
    return True if map_address and not isinstance(file, Unknown) else file


def _memory_is_outgoing(sources: Sources, boot: int | None) -> bool:
    """Whether what surrounds a memory dump shows that a root FDT in it, other than the one of this boot, is the outgoing one."""
    if boot is not None or sources.incoming is not None:
        return True
    return sources.log_from_boot and not any(e.kind == "found" for e in sources.evidence)


def _no_outgoing_root(sources: Sources, release: Release | None, boot: int | None, *, aborted: bool, has_memory: bool) -> SafeText:
    if aborted:
        return SafeText("not finalized: this release builds the root FDT when 1 is written to out/finalize")
    through_kho = sources.incoming is not None or boot is not None or any(e.kind == "found" for e in sources.evidence)
    if through_kho and not (release is not None and release.finalize is Finalize.STATEFUL):
        found = f"memory with its root FDT is not {sources.here}" if sources.memory is None else "no root FDT of it was found in memory"
        lacks = sources.no_outgoing or (found if has_memory else "the memory in this capture is of another boot")
        return SafeText(f"a kernel that itself booted through KHO has no out/fdt, and {lacks}")
    also = "" if has_memory else ", and the memory in it is of another boot"
    return SafeText(f"out/fdt is not {sources.here}{also}")


def _unsided(
    reader: Reader, sources: Sources, candidates: Sequence[RootCandidate], keeps: Keeps, release: Release | None, wanted: int | None
) -> SideSource | None:
    """What a single file holds, or the best of the root FDTs in memory, which are ranked."""
    unknown_step: Missing = Unavailable(SafeText("the side is not known"))
    bare = sources.bare
    if bare is not None and sources.kind in ("fdt", "blob"):
        phys = Unavailable(SafeText("a single file does not tell where it lay"))
        if _is_root(reader, bare):
            return SideSource(
                name="unsided", roots=(bare,), phys=phys, subtrees={}, no_root=SafeText(""), finalized=unknown_step, release=release
            )
        name = _subtree_name(reader, bare)
        no_root = SafeText("a single blob, not a root FDT")
        return SideSource(
            name=sources.bare_side or "unsided",
            roots=(),
            phys=phys,
            subtrees={name: bare},
            no_root=no_root,
            finalized=unknown_step,
            release=None,
        )
    if not candidates:
        return None
    best = next((one for one in candidates if one.phys == wanted), candidates[0])
    address = best.map_address(reader.platform.byte_order)
    finalized = finalized_fact(reader, None, best, address != 0, address)
    stale = Stale(_UNTRUSTED) if address and keeps[best.phys] is False else None
    return SideSource(
        name="unsided",
        roots=(_blob(sources, best),),
        phys=best.phys,
        subtrees={},
        no_root=SafeText(""),
        finalized=finalized,
        release=release,
        stale_tracker=stale,
    )


def _blob(sources: Sources, candidate: RootCandidate) -> Blob:
    assert sources.memory is not None
    name, offset = sources.memory.origin(candidate.phys)
    return Blob(candidate.data, Place(Origin.MEMORY, name, offset, candidate.phys))


def _is_root(reader: Reader, blob: Blob) -> bool:
    if not is_fdt(blob):
        return False
    return name_by_format(reader.registry, blob.data) is None


def _subtree_name(reader: Reader, blob: Blob) -> bytes:
    """The subtree that a single blob is: by its format, else by its file name."""
    name = PurePosixPath(blob.place.source).name.encode("utf-8", "surrogateescape")
    return name_by_format(reader.registry, blob.data) or name or b"blob"
