"""Rules on memblock's regions."""

from __future__ import annotations

from kho_tui.abi.memblock import MEMBLOCK_COMPATIBLE, MEMBLOCK_NAME, RESERVE_MEM_COMPATIBLE, WHOLE_REGIONS
from kho_tui.abi.properties import compatible_of
from kho_tui.analysis.checks.answer import Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.facet import Judging, no_losses, no_names
from kho_tui.analysis.checks.rule import error, rule, warning
from kho_tui.model.facts import Missing, Status, Unknown, known
from kho_tui.model.state import Side, Subtree
from kho_tui.releases.cmdline import read_cmdline
from kho_tui.releases.table import MAX_REGIONS
from kho_tui.subsystems.memblock.content import Memblock
from kho_tui.subsystems.memblock.receive import asked_as
from kho_tui.text import visible

_LONGEST_NAME = 15


@rule(
    "KHO037",
    "memblock's regions are well formed, preserved, and where they were in the boot before",
    error(),
    explanation="memblock-v1 with at most 8 regions, each of reserve-mem-v1 with start and size of 8 bytes, a name of 1 to 15 "
    "characters and a size above 0; every page of it is preserved (from 6.18 on a last page that is not whole is not). A region that was "
    "handed in stands where it stood.",
    consequence="the region is allocated anew, or taken over with contents that somebody else may have overwritten",
    source="mm/memblock.c, prepare_kho_fdt and reserve_mem_kho_revive (6.16 to 7.3)",
)
def regions(evidence: Evidence, found: Found) -> None:
    """Invariant 37."""
    subtree = evidence.subtree(MEMBLOCK_NAME, found)
    if subtree is None:
        return
    if not isinstance(subtree.content, Memblock) or subtree.fdt is None or subtree.fdt.tree.root is None:
        _unread(evidence, subtree, found)
        return
    if len(subtree.content.regions) > MAX_REGIONS:
        found.broken(f"{len(subtree.content.regions)} regions, a kernel has at most {MAX_REGIONS}", subtree.path)
    if subtree.status is not Status.DECODED:
        found.lack("content of memblock", subtree.reason)
    before = _regions(evidence.state.sides.get("in")) if evidence.side.name == "out" else {}
    for node, region in zip(subtree.fdt.tree.root.children, subtree.content.regions, strict=True):
        if compatible_of(node, (RESERVE_MEM_COMPATIBLE,)) != RESERVE_MEM_COMPATIBLE and node.has_all:
            found.broken(f"its compatible is {visible(compatible_of(node) or b'')}", region.path)
        if not 1 <= len(region.name) <= _LONGEST_NAME or not region.name.strip():
            found.broken(f"a name of {len(region.name)} characters", region.path, severity="warning")
        start, size = region.start, region.size
        if isinstance(start, Missing) or isinstance(size, Missing):
            if node.has_all:
                found.broken("start or size is missing or not 8 bytes", region.path)
            else:
                found.lack(f"start and size of {region.path}", "the FDT is cut short")
            continue
        if not size:
            found.broken("its size is 0", region.path, start)
        elif start + size > 2**64:
            found.broken(f"{start:#x} and {size:#x} bytes run past the end of the address space", region.path, start)
        else:
            pages = _kept_bytes(evidence, start, size)
            if pages and not evidence.is_kept(found, start, pages):
                found.broken(f"not all of {start:#x}-{start + size:#x} is preserved", region.path, start)
        if before.get(region.name, (start, size)) != (start, size):
            found.broken(f"it is at {start:#x}, {size:#x} bytes; handed in at {before[region.name][0]:#x}", region.path, start)


def _unread(evidence: Evidence, subtree: Subtree, found: Found) -> None:
    """No regions: another version is wrong where the writer's release is known, and unknown elsewhere."""
    whole = subtree.fdt is not None and not subtree.fdt.tree.salvaged
    if (
        whole
        and isinstance(subtree.content, Unknown)
        and evidence.newer is None
        and evidence.state.registry.releases.of(evidence.writer) is not None
    ):
        said = f"{subtree.reason}: {visible(evidence.writer or '')} writes and takes {visible(MEMBLOCK_COMPATIBLE)}"
        found.broken(said, subtree.path, known(subtree.phys))
    else:
        found.lack("content of memblock", subtree.reason or "not a readable FDT")


def _kept_bytes(evidence: Evidence, start: int, size: int) -> int:
    """Bytes from the first page's start that have to be kept."""
    ragged = all(not WHOLE_REGIONS.covers(release.version) for release in evidence.releases)
    return size // evidence.page_size * evidence.page_size if ragged else size


def _regions(side: Side | None) -> dict[bytes, tuple[int, int]]:
    contents = (one.content for one in side.handed_over if one.lookup_name == MEMBLOCK_NAME) if side is not None else ()
    return {
        one.name: (one.start, one.size)
        for content in contents
        if isinstance(content, Memblock)
        for one in content.regions
        if isinstance(one.start, int) and isinstance(one.size, int)
    }


@rule(
    "KHO038",
    "the next command line asks for the regions that are handed over",
    warning(),
    explanation="Name, size and alignment of each region against reserve_mem= of the next kernel's command line: that of the state after "
    "the kexec where it is at hand, else this kernel's own, as if it were used again.",
    consequence="the region stays reserved and out of reach; one that is asked for otherwise is allocated anew, inside scratch",
    source="mm/memblock.c, reserve_mem and reserve_mem_kho_revive (6.16 to 7.3)",
)
def asked_again(evidence: Evidence, found: Found) -> None:
    """Invariant 38."""
    handed = _regions(evidence.side)
    memblock = evidence.content(MEMBLOCK_NAME, Memblock, found)
    if memblock is None:
        return
    if evidence.side.name == "in":
        found.not_here("a question for what is handed out")
        return
    state = evidence.after or evidence.state
    release = evidence.state.registry.releases.of(state.machine.release) or evidence.release
    if state.machine.cmdline is None or release is None:
        found.lack("command line" if release is not None else "release of the next kernel", f"not {evidence.here}")
        return
    asked = read_cmdline(state.machine.cmdline).options(release, state.registry.releases).regions
    for region in memblock.regions:
        if region.name not in handed:
            found.lack(f"start and size of {region.path}", "they cannot be read")
            continue
        start, size = handed[region.name]
        wanted = asked_as(region, asked)
        if wanted is None and not state.machine.cmdline_whole:
            found.lack("command line", "its end may be cut off")
        elif wanted is None:
            found.broken("no reserve_mem= asks for it again", region.path, start)
        elif wanted.size != size:
            found.broken(f"it has {size:#x} bytes, {wanted.size:#x} are asked for", region.path, start)
        elif not wanted.is_aligned(start):
            found.broken(f"it is at {start:#x}, which is not aligned to {wanted.align:#x} as is asked for", region.path, start)


@rule(
    "KHO135",
    "no reserve_mem region lies in scratch",
    warning(),
    explanation="A region that a KHO boot could not revive is allocated anew, early, and so in scratch. Its blocks are KHO022's; this says "
    "why.",
    consequence="the region is preserved inside memory that the next kernel boots in: its contents are lost",
    source="mm/memblock.c, reserve_mem: allocates what reserve_mem_kho_revive does not find (6.16 to 7.3)",
)
def regions_in_scratch(evidence: Evidence, found: Found) -> None:
    """Gotcha 25."""
    memblock = evidence.content(MEMBLOCK_NAME, Memblock, found)
    if memblock is None:
        return
    scratch = evidence.scratch(found)
    for region in () if scratch is None else memblock.regions:
        start, size = region.start, region.size
        if isinstance(start, Missing) or isinstance(size, Missing):
            found.lack(f"region {region.path}", "its address or size cannot be read")
        elif scratch is not None and any(start < area.start + area.size and area.start < start + size for area in scratch.areas):
            found.broken(f"{start:#x}-{start + size:#x} lies in scratch", region.path, start)


JUDGING = Judging(rules=(regions, regions_in_scratch, asked_again), names=no_names, losses=no_losses, taken_back=False)
