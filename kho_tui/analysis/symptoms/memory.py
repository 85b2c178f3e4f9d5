"""Symptoms of memory: scratch is CMA, what is preserved stays reserved, regions of reserve_mem= are found by name (mm/memblock.c)."""

from __future__ import annotations

from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.analysis.symptoms.case import Case, quote, said
from kho_tui.analysis.symptoms.checks import (
    INCOMING,
    OFF_CODES,
    SCRATCH,
    counter,
    counter_evidence,
    elsewhere,
    kho_is_off,
    logged,
    memory_taken_by_cmdline,
    scratch_bytes,
    scratch_evidence,
)
from kho_tui.analysis.symptoms.kernel_files import core_of_all
from kho_tui.analysis.symptoms.kexec import GATE, KHO_OFF, KHO_SWITCHED_ITSELF_OFF
from kho_tui.analysis.symptoms.symptom import Cause, Certainty, Symptom, Weighed, certain, likely, possible, refuted, words
from kho_tui.fdt.tree import lookup_name
from kho_tui.model.facts import Missing
from kho_tui.model.sides import outgoing_or_none
from kho_tui.text import human_size, visible

_SCARCE = 16
"""Memory outside scratch is called scarce where less than this part of RAM is free."""


def _cma_free_is_scratch(case: Case) -> Weighed:
    free, total, scratch = counter(case, "CmaFree"), counter(case, "CmaTotal"), scratch_bytes(case)
    if free is None or total is None:
        return possible("/proc/meminfo of the machine", *scratch_evidence(case))
    evidence = counter_evidence(case, "CmaFree", "CmaTotal")
    if free <= total:
        # Scratch counts in CmaFree whatever CmaTotal is.
        return possible("/proc/meminfo at the moment of the alarm", evidence, *scratch_evidence(case))
    return certain(evidence, *scratch_evidence(case)) if scratch else likely(evidence)


def _pins(case: Case) -> Weighed:
    scratch, free, cma, total = scratch_bytes(case), *(counter(case, name) for name in ("MemFree", "CmaFree", "MemTotal"))
    if scratch is None:
        off = case.facts.obstacle("tree")
        if off is not None and off.code in OFF_CODES:
            return refuted(said("kho/out/scratch_len", off.message))
        return possible(SCRATCH)
    if not scratch:
        return refuted(*scratch_evidence(case))
    if free is None or cma is None or not total:
        return possible("/proc/meminfo at the moment of the failure", *scratch_evidence(case))
    evidence = (counter_evidence(case, "MemFree", "CmaFree"), *scratch_evidence(case))
    outside = max(free - cma, 0)
    if outside * _SCARCE < total:
        return likely(*evidence, said("meminfo", f"free outside scratch and CMA: {human_size(outside)}"))
    return possible("/proc/meminfo at the moment of the failure: MemFree less CmaFree", *evidence)


def _scratch_is_ram(case: Case) -> Weighed:
    scratch = scratch_bytes(case)
    if scratch is None:
        return possible(SCRATCH)
    if not scratch:
        return refuted(*scratch_evidence(case))
    return possible(
        "whether as much is missing after a boot through the firmware too: then it is scratch",
        *scratch_evidence(case),
        said("kho/out/scratch_len", f"{human_size(scratch)} in all"),
    )


def _still_preserved(case: Case) -> Weighed:
    if case.state is None:
        return possible(INCOMING)
    if case.took_over:
        return possible("whether the agent has retrieved and finished all its sessions", *case.took_over)
    nothing = case.sources is not None and case.sources.tree_is_whole
    if not nothing and (case.was_offered or not case.log_whole):
        return possible(INCOMING)
    return refuted(said("kho/in", "not there: nothing came in that could stay reserved"))


def _handed_regions(case: Case) -> dict[bytes, str] | None:
    """Names of the regions that came in; None where that is not known."""
    side = None if case.state is None else case.state.sides.get("in")
    subtree = None if side is None else side.named(MEMBLOCK_NAME)
    regions = None if subtree is None else subtree.region_sizes
    return None if regions is None else {lookup_name(name): visible(name) for name, _ in regions}


def _region_not_asked_for(case: Case) -> Weighed:
    handed = _handed_regions(case)
    if handed is None or case.cmdline is None or case.release is None:
        return possible("kho/in/sub_fdts/memblock and the command line")
    asked = {one.name for one in case.cmdline.options(case.release, case.registry.releases).regions}
    orphans = [name for region, name in handed.items() if region not in asked]
    if orphans:
        return certain(said("kho/in/sub_fdts/memblock", f"region {orphans[0]}"), case.cmdline_evidence("reserve_mem"))
    return refuted(said("kho/in/sub_fdts/memblock", f"{', '.join(handed.values()) or 'no region'}: each is on the command line"))


def _out_preserved(case: Case) -> Weighed:
    side = None if case.state is None else outgoing_or_none(case.state)
    if side is None or isinstance(side.preserved, Missing):
        return possible("the tracker: a capture with memory")
    evidence = quote("tracker", str(side.preserved.words))
    return likely(evidence) if side.preserved.runs.blocks else refuted(evidence)


def _hidden(case: Case) -> Weighed:
    if (off := kho_is_off(case)).certainty is Certainty.CERTAIN:
        return refuted(*off.evidence)
    found = case.facts.obstacle("tree")
    if case.shows_kho or found is None:
        return refuted(case.kho_evidence)
    if found.code in ("unknown", "not-copied"):
        return possible("as root:  mount | grep debugfs ; grep KEXEC_HANDOVER_DEBUGFS /boot/config-$(uname -r)")
    return certain(said("obstacle", found.words)) if found.code not in OFF_CODES else refuted(said("obstacle", found.words))


CMA = Symptom(
    name="cma",
    title="CmaFree is above CmaTotal, or MemFree looks ample and allocations fail",
    phrases=words(
        "cmafree",
        "cmatotal",
        "cma free",
        "cma total",
        "meminfo",
        "nr_free_cma",
        "memory free allocat fail",
        "cmafree larger",
        "memory usable",
        "memfree",
        "cma",
    ),
    causes=(
        Cause(
            says="scratch is CMA to the page allocator and in no CMA area: its free pages count in CmaFree and MemFree, not in CmaTotal",
            remedy="nothing is wrong: only movable pages can use it;  kho-tui show --memory  says how much of what is free is scratch",
            source=f"{core_of_all('kho_init (init_cma_reserved_pageblock)')}; mm/page_alloc.c",
            ask=_cma_free_is_scratch,
        ),
    ),
)
PINNING = Symptom(
    name="pinning",
    title="VFIO, RDMA or io_uring cannot pin memory (pin_user_pages)",
    phrases=words(
        "vfio",
        "rdma",
        "passthrough",
        "passed-through",
        "pin_user_pages",
        "pin memory",
        "pin fail",
        "pinning",
        "pin pages",
        "longterm pin",
        "dma map fail",
        "iommu map",
        "reg_mr",
    ),
    causes=(
        Cause(
            says="pages in scratch have to be moved out before a long-term pin, and no memory outside scratch is free to move them to",
            remedy="free memory outside scratch on that NUMA node, or give guests huge pages that are reserved at boot; "
            "kho-tui show --memory  says how much of what is free is scratch",
            source="mm/gup.c, check_and_migrate_movable_folios (folio_is_longterm_pinnable), 6.16 to 7.3",
            ask=_pins,
        ),
        Cause(
            says="the process may not lock that much memory (RLIMIT_MEMLOCK), which has nothing to do with KHO",
            remedy="raise the limit: ulimit -l, or LimitMEMLOCK= of its service",
            source="drivers/vfio/vfio_iommu_type1.c, vfio_pin_pages_remote, 6.16 to 7.3",
            ask=elsewhere("ulimit -l of the process, and the log of vfio: RLIMIT_MEMLOCK exceeded"),
            words=frozenset({"memlock", "rlimit", "limit"}),
        ),
    ),
)
MEMORY_MISSING = Symptom(
    name="memory-missing",
    title="memory is missing, or is used by nobody",
    phrases=words(
        "memory missing",
        "ram missing",
        "memory lost",
        "memory gone",
        "less memory",
        "memtotal",
        "memory disappear",
        "where memory",
        "memory used nobody",
        "memory lower",
        "memory owns",
        "memory not free",
        "memory missing kexec",
        "memory lost kexec",
        "memavailable",
        "memory unaccounted",
    ),
    causes=(
        Cause(
            says="memory that came in stays reserved until its owner retrieves it",
            remedy="let the agent retrieve its sessions and finish them (LIVEUPDATE_SESSION_FINISH frees what nobody retrieved)",
            source=core_of_all("kho_memory_init"),
            ask=_still_preserved,
        ),
        Cause(
            says="memory that is preserved for the next kernel is in use: by sessions, reserve_mem= and drivers",
            remedy="nothing is wrong:  kho-tui map  says whose it is; ending a session frees its pages",
            source=core_of_all("kho_preserve_folio"),
            ask=_out_preserved,
        ),
        Cause(
            says="scratch holds it: allocated once at boot, of use to movable pages alone",
            remedy="nothing is wrong: the next kernel needs it to boot;  kho-tui show --memory",
            source=core_of_all("kho_reserve_scratch"),
            ask=_scratch_is_ram,
        ),
        Cause(
            says="a region of reserve_mem= came in that this command line does not name: it stays reserved, and nobody can reach it",
            remedy="boot with the same reserve_mem= words; a power-cycle frees the region",
            source="mm/memblock.c, reserve_mem_kho_revive, 6.16 to 7.3",
            ask=_region_not_asked_for,
        ),
        Cause(
            says="mem= or memmap= on the command line take memory away",
            remedy="boot without mem=; a memmap= that keeps bad memory away has to stay",
            source="arch/x86/kernel/e820.c, arch/arm64/mm/init.c, 6.16 to 7.3",
            ask=memory_taken_by_cmdline,
        ),
    ),
)
REGION = Symptom(
    name="reserve-mem",
    title="a region of reserve_mem= did not come back",
    phrases=words("reserve_mem", "reserve-mem", "pstore", "ramoops", "ramoops lost", "region lost", "revived memory", "region missing"),
    kinds=frozenset({"region-failed", "region-not-found"}),
    causes=(
        Cause(
            says="the region has another size or alignment on this command line than the one that was handed over: it is allocated anew",
            remedy="boot with the reserve_mem= words of the kernel that handed over, the same name, size and alignment",
            source="mm/memblock.c, reserve_mem_kho_revive, 6.16 to 7.3",
            ask=logged("region-failed", side="in"),
        ),
        Cause(
            says="no region of this name was handed over: it is allocated anew, inside scratch",
            remedy="name it on the command line from the first cold boot on; power-cycle before the next kexec, which would preserve "
            "memory in scratch",
            source="mm/memblock.c, reserve_mem_kho_revive, 6.16 to 7.3",
            # A kernel that was handed nothing at all says nothing of it.
            ask=logged("region-not-found", side="in", absence_counts=False),
        ),
        Cause(
            says="this command line does not name a region that was handed over",
            remedy="boot with the same reserve_mem= words; the region stays reserved until then",
            source="mm/memblock.c, reserve_mem_kho_revive, 6.16 to 7.3",
            ask=_region_not_asked_for,
        ),
    ),
)
SUBTREE = Symptom(
    name="subtree-refused",
    title="a subsystem refuses its subtree",
    phrases=words("subtree refused", "broken kho subnode", "subnode", "failed retrieve fdt", "kexec-metadata", "subtree missing"),
    kinds=frozenset({"subtree-failed"}),
    causes=(
        Cause(
            says="the subtree has a version that this kernel does not read, lacks a property, or is damaged: what it names does not arrive",
            remedy=f"kexec between kernels that write and read the same version;  kho-tui check STATE  finds damage; {GATE}",
            source=f"{core_of_all('kho_retrieve_subtree')}; mm/memblock.c, lib/test_kho.c",
            ask=logged("subtree-failed", side="in"),
        ),
    ),
)
NO_DEBUGFS = Symptom(
    name="no-debugfs",
    title="/sys/kernel/debug/kho is not there",
    phrases=words(
        "debugfs",
        "no-kho",
        "kho directory",
        "/sys/kernel/debug/kho",
        "/sys/kernel/debug/kho missing",
        "kho missing",
        "kho tree",
        "/sys/kernel/debug/kho no such file",
        "nothing to show",
        "kho off",
    ),
    causes=(
        KHO_OFF,
        KHO_SWITCHED_ITSELF_OFF,
        Cause(
            says="KHO may be on, and its files in debugfs cannot be seen",
            remedy="mount debugfs (mount -t debugfs debugfs /sys/kernel/debug), be root, and have CONFIG_KEXEC_HANDOVER_DEBUGFS=y; "
            "debugfs=off on the command line hides them:  kho-tui why  on that machine says which",
            source="kernel/liveupdate/kexec_handover_debugfs.c, 6.19 to 7.3; kernel/kexec_handover.c, 6.16 to 6.18; fs/debugfs/inode.c",
            ask=_hidden,
        ),
    ),
)
SYMPTOMS = (CMA, PINNING, MEMORY_MISSING, REGION, SUBTREE, NO_DEBUGFS)
