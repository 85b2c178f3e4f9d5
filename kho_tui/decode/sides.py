"""Which root FDT belongs to which side: what debugfs, the boot record and memory say together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from kho_tui.abi.luo import LUO_NAME
from kho_tui.abi.memblock import MEMBLOCK_COMPATIBLE, MEMBLOCK_NAME
from kho_tui.abi.metadata import KEXEC_METADATA_NAME
from kho_tui.abi.properties import compatible_of
from kho_tui.abi.root import ROOT_FORMATS
from kho_tui.abi.test_kho import KHO_TEST_COMPATIBLE, KHO_TEST_NAME
from kho_tui.capture.sources import DebugfsSide, Sources
from kho_tui.decode.codes import OTHER_ROOTS
from kho_tui.decode.fdts import is_fdt, view_root
from kho_tui.decode.luo import is_luo_struct
from kho_tui.decode.reader import Reader
from kho_tui.decode.roots import FoundInMemory, RootCandidate, preserves_itself
from kho_tui.decode.side import SideSource, finalized_fact
from kho_tui.layout.place import Blob, Origin, Place
from kho_tui.layout.platform import Platform
from kho_tui.model.facts import Fact, Stale, Unavailable
from kho_tui.model.path import EntityPath
from kho_tui.releases.table import Finalize, Release
from kho_tui.text import SafeText

_NO_IN_STEP = Unavailable(SafeText("not a question for what was handed in"))
_UNTRUSTED = SafeText("its own tracker does not keep its page: most likely what a running kernel was handed and has given back")


def side_sources(reader: Reader, sources: Sources, memory: FoundInMemory, release: Release | None) -> list[SideSource]:
    """The sides that the sources speak of, each with the copies of its root FDT."""
    found: list[SideSource] = []
    left = list(memory.roots)
    keeps = frozenset(c.phys for c in left if preserves_itself(reader, c))
    boot = sources.boot.fdt_phys if sources.boot is not None else None
    if boot is None:
        boot = memory.incoming
    incoming = _incoming(sources, left, boot)
    if incoming is not None:
        found.append(incoming)
        same = {blob.data for blob in incoming.roots}
        left = [c for c in left if c.phys != incoming.phys and c.data not in same]
    outgoing = _outgoing(reader.platform, sources, left, keeps, release, boot)
    if outgoing is not None:
        found.append(outgoing)
        left = [c for c in left if c.phys != outgoing.phys]
    if not found:
        unsided = _unsided(reader.platform, sources, left, keeps, release)
        if unsided is not None:
            found.append(unsided)
            left = [c for c in left if c.phys != unsided.phys]
    for other in left[:20]:
        state = "half-built" if other.half_built else "preserved by its own tracker" if other.phys in keeps else "not preserved"
        reader.findings.add(OTHER_ROOTS, EntityPath(), f"memory holds another root FDT at {other.phys:#x} ({state}): not shown", other.phys)
    return found


def kho_boot_refused(sources: Sources) -> bool:
    """Whether the kernel log says that this boot was offered a handover and did not take it."""
    return any(e.kind == "disabled" and e.side == "in" for e in sources.evidence)


def _incoming(sources: Sources, candidates: Sequence[RootCandidate], boot: int | None) -> SideSource | None:
    debugfs = sources.incoming
    bare = sources.bare if sources.bare_side == "in" and sources.bare is not None and _is_root(sources.bare) else None
    no_tree = debugfs is None and sources.outgoing is None
    if debugfs is None and bare is None and (boot is None or not no_tree or kho_boot_refused(sources)):
        return None
    copies = [b for b in (debugfs.fdt if debugfs is not None else None, bare) if b is not None]
    here = next((c for c in candidates if c.phys == boot), None) if boot is not None else None
    if here is None and copies:
        here = next((c for c in candidates if c.data == copies[0].data), None)
    phys: Fact[int] = (
        boot if boot is not None else here.phys if here is not None else Unavailable(SafeText("no boot record in this capture"))
    )
    if here is not None:
        copies.append(_blob(sources, here))
    no_root = SafeText("in/fdt is not in this capture" if boot is None else f"memory at {boot:#x} is not in this capture")
    return SideSource("in", tuple(copies), phys, debugfs.subtrees if debugfs is not None else {}, no_root, _NO_IN_STEP, None)


def _outgoing(
    platform: Platform,
    sources: Sources,
    candidates: Sequence[RootCandidate],
    keeps: frozenset[int],
    release: Release | None,
    boot: int | None,
) -> SideSource | None:
    """The outgoing side. ``keeps``: addresses of the candidates that their own trackers keep."""
    debugfs = sources.outgoing
    bare = sources.bare if sources.bare_side == "out" and sources.bare is not None and _is_root(sources.bare) else None
    if debugfs is None and bare is None and not _memory_is_outgoing(sources, boot):
        return None
    file = debugfs.finalize if debugfs is not None else Unavailable(SafeText("out/finalize is not in this capture"))
    aborted = release is not None and release.finalize is Finalize.STATEFUL and file is False
    chosen = None if aborted else _choose_outgoing(platform, debugfs, candidates, keeps)
    if debugfs is None and bare is None and chosen is None:
        return None
    copies = [] if chosen is None else [_blob(sources, chosen)]
    copies += [b for b in (debugfs.fdt if debugfs is not None else None, bare) if b is not None]
    phys: Fact[int] = chosen.phys if chosen is not None else Unavailable(SafeText("debugfs does not tell where the root FDT lies"))
    address = None if chosen is None else chosen.map_address(platform.byte_order)
    finalized = file if aborted else finalized_fact(release, file, address)
    subtrees = debugfs.subtrees if debugfs is not None else {}
    return SideSource("out", tuple(copies), phys, subtrees, _no_outgoing_root(sources, release, aborted=aborted), finalized, release)


def _memory_is_outgoing(sources: Sources, boot: int | None) -> bool:
    """Whether what surrounds a memory dump shows that a root FDT in it, other than the one of this boot, is the outgoing one."""
    if boot is not None:
        return True
    return sources.log_from_boot and not any(e.kind == "found" for e in sources.evidence)


def _choose_outgoing(
    platform: Platform, debugfs: DebugfsSide | None, candidates: Sequence[RootCandidate], keeps: frozenset[int]
) -> RootCandidate | None:
    """The candidate that agrees with debugfs and keeps itself; one that is not finalized yet has to agree the more."""
    ranked = sorted((c for c in candidates if not c.half_built), key=lambda c: (c.phys not in keeps, c.phys))
    window = debugfs.fdt.data if debugfs is not None and debugfs.fdt is not None else None
    names = frozenset(debugfs.subtrees) if debugfs is not None else frozenset()
    for one in ranked:
        same_bytes = window is not None and (one.data.startswith(window) or window.startswith(one.data))
        if same_bytes:
            return one
        pending = one.map_address(platform.byte_order) == 0 and one.phys % platform.page_size == 0
        if one.phys in keeps and (names <= one.names or window is not None):
            return one
        if pending and names and names == one.names:
            return one
    return None


def _no_outgoing_root(sources: Sources, release: Release | None, *, aborted: bool) -> SafeText:
    if aborted:
        return SafeText("not finalized: this release builds the root FDT when 1 is written to out/finalize")
    if sources.incoming is not None and not (release is not None and release.finalize is Finalize.STATEFUL):
        return SafeText("a kernel that itself booted through KHO has no out/fdt, and memory with its root FDT is not in this capture")
    return SafeText("out/fdt is not in this capture")


def _unsided(
    platform: Platform, sources: Sources, candidates: Sequence[RootCandidate], keeps: frozenset[int], release: Release | None
) -> SideSource | None:
    unknown_step = Unavailable(SafeText("the side is not known"))
    bare = sources.bare
    if bare is not None and sources.kind in ("fdt", "blob"):
        phys = Unavailable(SafeText("a single file does not tell where it lay"))
        if _is_root(bare):
            return SideSource("unsided", (bare,), phys, {}, SafeText(""), unknown_step, release)
        name = _subtree_name(bare)
        return SideSource(
            sources.bare_side or "unsided", (), phys, {name: bare}, SafeText("a single blob, not a root FDT"), unknown_step, None
        )
    ranked = sorted(candidates, key=lambda c: (c.half_built, c.phys not in keeps, c.phys % platform.page_size != 0, c.phys))
    if not ranked:
        return None
    best = ranked[0]
    finalized: Fact[bool] = best.map_address(platform.byte_order) != 0
    checkable = best.version in ROOT_FORMATS and finalized
    stale = Stale(_UNTRUSTED) if checkable and best.phys not in keeps else None
    return SideSource("unsided", (_blob(sources, best),), best.phys, {}, SafeText(""), finalized, release, stale)


def _blob(sources: Sources, candidate: RootCandidate) -> Blob:
    assert sources.memory is not None
    name, offset = sources.memory.origin(candidate.phys)
    return Blob(candidate.data, Place(Origin.MEMORY, name, offset, candidate.phys))


def _is_root(blob: Blob) -> bool:
    if not is_fdt(blob):
        return False
    node = view_root(blob).tree.root
    return node is None or not any(_names_of(compatible_of(node)))


def _names_of(version: bytes | None) -> Iterator[bytes]:
    if version == MEMBLOCK_COMPATIBLE:
        yield MEMBLOCK_NAME
    if version == KHO_TEST_COMPATIBLE:
        yield KHO_TEST_NAME
    if version is not None and version.startswith(b"luo-v"):
        yield LUO_NAME


def _subtree_name(blob: Blob) -> bytes:
    """The subtree that a single blob is: by its format, else by its file name."""
    node = view_root(blob).tree.root if is_fdt(blob) else None
    by_format = next(_names_of(compatible_of(node)), None) if node is not None else None
    if by_format is None and is_luo_struct(blob.data):
        by_format = LUO_NAME
    name = PurePosixPath(blob.place.source).name.encode("utf-8", "surrogateescape")
    return by_format or (KEXEC_METADATA_NAME if name == KEXEC_METADATA_NAME else name or b"blob")
