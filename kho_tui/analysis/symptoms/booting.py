"""Symptoms of the kernel that boots on a handover: it panics, or cannot take over the memory (kernel/liveupdate/kexec_handover.c)."""

from __future__ import annotations

import re

from kho_tui.analysis.symptoms.case import Case, said
from kho_tui.analysis.symptoms.checks import elsewhere, logged, memory_taken_by_cmdline, scratch_evidence
from kho_tui.analysis.symptoms.kernel_files import core_of_all
from kho_tui.analysis.symptoms.kexec import GATE, LARGER_SCRATCH
from kho_tui.analysis.symptoms.symptom import Cause, Certainty, Symptom, Weighed, certain, possible, words


def _memory_taken_from_the_next_kernel(case: Case) -> Weighed:
    weighed = memory_taken_by_cmdline(case)
    of_another = case.about_to_hand_over and weighed.certainty is Certainty.REFUTED
    return possible("the command line of the next kernel", *weighed.evidence) if of_another else weighed


def _memory_map_too_large(case: Case) -> Weighed:
    found = [one.found for one in case.kernels if one.found is not None]
    for one in found:
        deciding = one.reception.deciding
        if deciding is not None and "struct pages" in deciding.met:
            return certain(said(one.target.source, deciding.met))
    return possible("the image: --images DIR, and /proc/iomem", *scratch_evidence(case))


PANIC = Symptom(
    name="panic",
    title="the next kernel panics, hangs or oopses",
    phrases=words("panic", "oops", "hang", "crash", "dies", "kernel bug"),
    kinds=frozenset({"crash"}),
    pattern=re.compile(rb"^(?!.*incoming tree failed)"),
    causes=(
        Cause(
            says="panic_on_warn is set: the kernel would have gone on after the WARNING that stands before the panic",
            remedy="ask for the WARNING's cause:  kho-tui why 'LINE' ; without panic_on_warn (kernel.panic_on_warn=0) the host stays up",
            source="kernel/panic.c, check_panic_on_warn, 6.16 to 7.3",
            ask=logged("crash", pattern=rb"panic_on_warn set"),
        ),
        Cause(
            says="LUO refuses what it was handed, which panics, even with liveupdate=off",
            remedy=f"kho=off on the next kernel's command line boots it, without the sessions; {GATE}",
            source="kernel/liveupdate/luo_core.c, luo_early_startup, 6.19 to 7.3",
            ask=logged("luo-failed", side="in"),
        ),
        Cause(
            says="mem= or memmap= on its command line take memory away that was handed over",
            remedy="kexec without mem=, and without a memmap= that names memory which was handed over; one that keeps bad memory "
            "away has to stay",
            source=core_of_all("kho_memory_init (struct pages that do not exist)"),
            ask=_memory_taken_from_the_next_kernel,
        ),
        Cause(
            says="scratch has no room for the memory map (struct pages) beside the image, until memory is taken over",
            remedy=LARGER_SCRATCH,
            source="mm/memblock.c (MEMBLOCK_KHO_SCRATCH), mm/sparse-vmemmap.c, 6.16 to 7.2",
            ask=_memory_map_too_large,
        ),
        Cause(
            says="the tracker or a preserved block points to memory that is not RAM, or is damaged: the walk is unchecked",
            remedy=f"kho-tui check STATE on a capture with memory names the block; {GATE}",
            source=core_of_all("kho_memory_init"),
            ask=elsewhere("a capture with memory from before the kexec: kho-tui check"),
        ),
    ),
)
MISSING_MAP = Symptom(
    name="no-memory-map",
    title="the kernel found no preserved-memory-map, or could not take over the memory",
    phrases=words("failed preserved memory", "preserved-memory-map"),
    kinds=frozenset({"tracker-failed"}),
    causes=(
        Cause(
            says="the root FDT that was handed over names no memory map: the boot goes on and preserves nothing",
            remedy=f"finalize before the image is loaded (6.16 to 6.18); {GATE}",
            source="kernel/kexec_handover.c, kho_mem_deserialize, 6.16 to 6.18",
            ask=logged("tracker-failed", side="in"),
        ),
    ),
)
SYMPTOMS = (PANIC, MISSING_MAP)
