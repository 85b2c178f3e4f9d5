"""Rules on the scratch areas, and on how this boot was told of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kho_tui.abi.boot import KHO_DATA, KHO_FDT_PROPERTY, KHO_SCRATCH_PROPERTY
from kho_tui.abi.scratch import FIRST_NODE_ENTRY, KHO_SCRATCH, LOW_LIMIT, TABLE_ALIGNMENT
from kho_tui.analysis.checks.answer import Found
from kho_tui.analysis.checks.counted import booted_cold
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.rule import error, info, rule, warning
from kho_tui.analysis.early import without_room
from kho_tui.decode.scratch import fewer_than_nodes
from kho_tui.model.intervals import spans
from kho_tui.model.path import EntityPath
from kho_tui.releases.cmdline import read_cmdline
from kho_tui.text import human_size, plural

_WHERE = EntityPath(("scratch",))
_BOOT = EntityPath(("machine", "boot"))
_HALF = "this boot took a handover, so it was told of both; the capture has one of them"


@rule(
    "KHO027",
    "scratch areas are aligned, and there are two and one for each node with memory",
    warning(),
    explanation="Addresses, and sizes that the kernel rounds, against its alignment as configured by default: a pageblock (2 MiB with 4K "
    "pages), from 7.2 on a block of MAX_PAGE_ORDER (4 MiB). Areas of size 0 are exempt, before 7.1 also explicit lowmem and "
    "global sizes. A table is inherited over all kexecs that hand something over: another number of areas is a warning only where the boot "
    "is known to be cold, else info.",
    consequence="part of an area cannot be given to the page allocator; a kernel built with another alignment is no fault",
    source="kernel/liveupdate/kexec_handover.c, kho_reserve_scratch and scratch_size_node (6.19 to 7.3; kernel/kexec_handover.c before)",
)
def shape(evidence: Evidence, found: Found) -> None:
    """Invariant 27."""
    scratch = evidence.scratch(found)
    if scratch is None:
        return
    if evidence.newer:
        found.lack("alignment of scratch areas", evidence.newer)
        return
    largest = all(release.scratch.aligned_to_max_order for release in evidence.releases)
    align = evidence.page_size << (evidence.max_order if largest else evidence.pageblock_order)
    rounded = all(release.scratch.rounds_explicit for release in evidence.releases)
    for number, area in enumerate(scratch.areas):
        path = _WHERE.child(str(number))
        if not area.size:
            continue
        if area.start % align:
            found.broken(f"{area.kind} begins at {area.start:#x}: not aligned to {human_size(align)}", path, area.start)
        if area.size % align and (rounded or number >= FIRST_NODE_ENTRY):
            found.broken(f"{area.kind} has {area.size:#x} bytes: no multiple of {human_size(align)}", path, area.start)
    nodes = evidence.state.host.boot_nodes
    if not nodes:
        found.lack("zoneinfo or memblock", f"nothing {evidence.here} tells how many nodes there are")
    elif evidence.state.host.nodes_bound:
        found.lack("zoneinfo or memblock", evidence.state.host.nodes_bound)
    elif len(scratch.areas) != FIRST_NODE_ENTRY + len(nodes) and scratch.reason in ("", fewer_than_nodes(len(scratch.areas), len(nodes))):
        said = f"{len(scratch.areas)} areas where {plural(len(nodes), 'node')} ask for {FIRST_NODE_ENTRY + len(nodes)}"
        missing = ", or lines of its files are missing" if scratch.reason else ""
        if booted_cold(evidence.state):
            found.broken(f"{said}{missing}", _WHERE)
        else:
            said = f"{said}: the table may be inherited from a boot with other nodes{missing}"
            found.broken(
                said, _WHERE, severity="info", consequence="none by itself: a kernel that took a handover keeps the table that it was given"
            )


@rule(
    "KHO028",
    "scratch areas do not overlap and lie inside RAM",
    error(),
    explanation="The areas in the order of their addresses, and against System RAM of /proc/iomem. An area larger than the machine comes "
    "from a global size that wrapped below 0 (6.16 to 7.0). Areas of size 0 are exempt.",
    consequence="the next kernel boots in memory that does not exist, or counts memory twice",
    source="kernel/liveupdate/kexec_handover.c, kho_populate: memblock_add of each area, not checked (6.19 to 7.3; kernel/kexec_handover.c "
    "before)",
)
def disjoint(evidence: Evidence, found: Found) -> None:
    """Invariant 28."""
    scratch = evidence.scratch(found)
    if scratch is None:
        return
    areas = sorted((area.start, area.start + area.size, number) for number, area in enumerate(scratch.areas) if area.size)
    reach = 0
    for start, end, number in areas:
        if start < reach:
            found.broken(f"{scratch.areas[number].kind} at {start:#x} lies in the area before it", _WHERE.child(str(number)), start)
        reach = max(reach, end)
    ram = found.need(evidence.state.host.whole_ram, "/proc/iomem")
    if ram is None:
        return
    whole = spans(ram)
    for start, end, number in areas:
        low, high = np.array([min(start, 2**64 - 1), min(end, 2**64 - 1)], np.uint64)
        below = whole.below(np.array([low, high], np.uint64))
        if end > 2**64 or int(below[1] - below[0]) != end - start:
            said = f"{scratch.areas[number].kind} {start:#x}-{end:#x} is not all System RAM"
            found.broken(said, _WHERE.child(str(number)), start)


@rule(
    "KHO029",
    "the lowmem area ends below 4 GiB on x86",
    warning(),
    explanation="The first entry of the table; exempt where its size is 0. The limit of arm64 depends on the machine, so it is not looked "
    "at.",
    consequence="early code of the next kernel that needs low memory finds none",
    source="kernel/liveupdate/kexec_handover.c, kho_reserve_scratch: ARCH_LOW_ADDRESS_LIMIT (6.19 to 7.3; kernel/kexec_handover.c before)",
)
def lowmem(evidence: Evidence, found: Found) -> None:
    """Invariant 29."""
    scratch = evidence.scratch(found)
    if scratch is None or not scratch.areas:
        return
    if evidence.state.machine.arch is None:
        found.lack("architecture", f"nothing {evidence.here} tells it")
    elif evidence.state.machine.arch != "x86_64":
        found.not_here("the limit of this architecture depends on the machine")
    elif scratch.areas[0].size and scratch.areas[0].start + scratch.areas[0].size > LOW_LIMIT:
        found.broken(f"it ends at {scratch.areas[0].start + scratch.areas[0].size:#x}", _WHERE.child("0"), scratch.areas[0].start)


@dataclass(frozen=True, slots=True)
class _Passed:
    """What this boot was told, in bytes: (address, size) of the root FDT and of the scratch table."""

    fdt: tuple[int, int] | None
    table: tuple[int, int] | None


def _passed(evidence: Evidence, found: Found) -> _Passed | None:
    fdt = table = None
    for record in evidence.state.machine.boot:
        if record.layout is KHO_DATA:
            fdt = record.integer("fdt_addr"), record.integer("fdt_size")
            table = record.integer("scratch_addr"), record.integer("scratch_size")
        elif record.layout is KHO_FDT_PROPERTY:
            fdt = record.integer("address"), record.integer("size")
        elif record.layout is KHO_SCRATCH_PROPERTY:
            table = record.integer("address"), record.integer("size")
    if (fdt is not None or table is not None) and "in" not in evidence.state.sides:
        found.not_here("this boot did not take the handover that it was told of")
        return None
    if fdt is not None or table is not None:
        return _Passed(fdt, table)
    if "in" in evidence.state.sides:
        found.lack("setup_data or dt-chosen", "this boot was handed a state, and the capture does not say where it was told to look")
    else:
        found.not_here("this boot was told of no handover")
    return None


@rule(
    "KHO031",
    "the scratch table that was passed lies in one scratch area, 64 KiB aligned, and holds whole entries",
    error(),
    explanation="Address and length in setup_data (x86) or /chosen (arm64), against the areas that the table itself names.",
    consequence="the table is overwritten while it is in use, or part of it is ignored: boot memory lands in preserved memory",
    source="kernel/liveupdate/kexec_handover.c, kho_fill_kimage: kexec_add_buffer with SZ_64K (6.19 to 7.3); arch/x86/kernel/kexec-"
    "bzimage64.c; drivers/of/kexec.c",
)
def passed_table(evidence: Evidence, found: Found) -> None:
    """Invariant 31."""
    passed = _passed(evidence, found)
    if passed is None:
        return
    if passed.table is None:
        found.lack("passed scratch table", _HALF)
        return
    address, size = passed.table
    if address % TABLE_ALIGNMENT:
        found.broken(f"it lies at {address:#x}: not 64 KiB aligned", _BOOT, address)
    if size % KHO_SCRATCH.size or not size:
        found.broken(f"its length {size} is no multiple of {KHO_SCRATCH.size}", _BOOT, address)
    scratch = evidence.scratch(found)
    if scratch is None:
        return
    if not any(area.start <= address and address + size <= area.start + area.size for area in scratch.areas) and not scratch.reason:
        found.broken(f"{address:#x} and {size} bytes lie in no scratch area", _BOOT, address)
    elif size // KHO_SCRATCH.size != len(scratch.areas) and not scratch.reason:
        found.broken(f"{size // KHO_SCRATCH.size} entries were passed, the kernel has {len(scratch.areas)}", _BOOT, address)


@rule(
    "KHO032",
    "the size of the root FDT that was passed is the page size",
    warning(),
    explanation="fdt_size in setup_data or /chosen against the page size: kernels pass the page, not totalsize (65536 with 64K pages).",
    consequence="too small: the next kernel cannot read the whole FDT; another page size: it misreads everything",
    source="arch/x86/kernel/kexec-bzimage64.c, setup_kho; drivers/of/kexec.c: PAGE_SIZE (6.16 to 7.3)",
)
def passed_fdt(evidence: Evidence, found: Found) -> None:
    """Invariant 32."""
    passed = _passed(evidence, found)
    if passed is None:
        return
    if passed.fdt is None:
        found.lack("passed root FDT", _HALF)
        return
    address, size = passed.fdt
    if size != evidence.page_size:
        found.broken(f"{size} bytes, a page has {evidence.page_size}", _BOOT, address)
    if address % evidence.page_size:
        found.broken(f"it lies at {address:#x}: not page aligned", _BOOT, address)


@rule(
    "KHO134",
    "no scratch area has size 0",
    info(),
    explanation="On a machine whose memory is all below 4 GiB the global entry comes out with size 0 and any address; the per-node entries "
    "carry the weight.",
    consequence="none: an empty entry is harmless",
    source="kernel/liveupdate/kexec_handover.c, scratch_size_update (6.19 to 7.3; kernel/kexec_handover.c before)",
)
def empty(evidence: Evidence, found: Found) -> None:
    """Gotcha 20."""
    scratch = evidence.scratch(found)
    for number, area in enumerate(() if scratch is None else scratch.areas):
        if not area.size:
            found.broken(f"{area.kind} at {area.start:#x} has size 0", _WHERE.child(str(number)), area.start)


@rule(
    "KHO150",
    "what the next command line reserves early fits into scratch",
    warning(),
    explanation="crashkernel=, cma= and huge pages of 1 GiB of the next kernel's command line: that of the state after the kexec where it "
    "is at hand, else this kernel's own, as if it were used again. Until a kernel has taken over what is preserved, memblock gives it "
    "scratch alone. Only what does not fit into any area is named: the kernel's image, its initrd and its early boot need room there too.",
    consequence="the next kernel takes the handover and does without that memory: where crashkernel= has no room kdump is not armed",
    source="mm/memblock.c, choose_memblock_flags: MEMBLOCK_KHO_SCRATCH (6.16 to 7.3); kernel/crash_reserve.c, reserve_crashkernel_generic",
)
def early_reservations(evidence: Evidence, found: Found) -> None:
    """Of what certainly does not fit the kernel says "cannot allocate crashkernel", and goes on (7.3 booted)."""
    if evidence.side.name == "in":
        found.not_here("a question for what is handed out")
        return
    if evidence.scratch(found) is None or found.need(evidence.state.host.whole_ram, "/proc/iomem") is None:
        return
    following = (evidence.after or evidence.state).machine
    release = evidence.state.registry.releases.of(following.release) or evidence.release
    if following.cmdline is None or release is None:
        found.lack("command line" if release is not None else "release of the next kernel", f"not {evidence.here}")
        return
    for lacking in without_room(evidence.state, release, read_cmdline(following.cmdline), None):
        found.broken(f"{lacking.word} fits into no area: {lacking.consequence}", _WHERE)


RULES = (shape, disjoint, lowmem, passed_table, passed_fdt, empty, early_reservations)
