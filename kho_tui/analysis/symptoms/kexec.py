"""Symptoms of a handover that does not come about: no room for the image, a boot without it, KHO that switches itself off."""

from __future__ import annotations

import re

from kho_tui.abi.root import ROOT_FORMATS
from kho_tui.analysis.symptoms.calls import Call
from kho_tui.analysis.symptoms.case import Case, said
from kho_tui.analysis.symptoms.checks import (
    CMDLINE,
    INCOMING,
    MOST_QUOTED,
    SCRATCH,
    empty_nodes,
    faulty,
    image_too_large,
    in_release,
    kdump_kernel,
    loaded_by_kexec_load,
    logged,
    no_handover_came_in,
    not_finalized,
    not_switched_on,
    scratch_evidence,
    unless_kdump,
    unless_refused_as_incompatible,
)
from kho_tui.analysis.symptoms.kernel_files import CORE, core_of_all
from kho_tui.analysis.symptoms.symptom import Cause, Certainty, Symptom, Weighed, certain, likely, possible, refuted, versions_of, words
from kho_tui.model.facts import Missing
from kho_tui.releases.fixes import KEXEC_UNFINALIZED, MEMORYLESS_NODES
from kho_tui.releases.ranges import Range

LARGER_SCRATCH = (
    "raise kho_scratch= on the command line to what the kernel while it unpacks, its initrd, crashkernel= and the memory map need "
    "(`kho-tui why` lists it); only a boot through the firmware sizes scratch, and it ends what runs on this host: move guests away first"
)
GATE = "before a kexec ask  kho-tui check STATE --strict --target IMAGE --target-cmdline WORDS"
_EFAULT, _EINVAL = rb"revival: -14$", rb"revival: -22$"
"""6.16 to 6.18 say the error: what cannot be mapped is EFAULT, an FDT that is refused EINVAL (kernel/kexec_handover.c, kho_populate)."""
_LOST = "what was handed over is lost: the kernel that booted uses that memory"


def _scratch_is_of_an_earlier_boot(case: Case) -> Weighed:
    if case.state is None or case.cmdline is None:
        return possible(f"{CMDLINE} ; {INCOMING}")
    parameter = case.registry.releases.names_of(case.state.machine.release).kho_scratch
    if not case.cmdline.values(parameter):
        return refuted(case.cmdline_evidence(parameter)) if case.cmdline.whole else possible(f"{CMDLINE} ; {INCOMING}")
    if case.took_over:
        return likely(case.cmdline_evidence(parameter), *case.took_over)
    assert case.sources is not None
    if case.sources.tree_is_whole and case.shows_kho:
        return refuted(said("kho/in", "not there: this boot sized scratch itself"))
    return possible(f"{CMDLINE} ; {INCOMING}")


def _other_root_version(case: Case) -> Weighed:
    lines = case.saying("disabled", pattern=rb"incompatible", side="in")
    if lines:
        return certain(*(line.evidence for line in lines))
    if case.kexec is not None:
        # A release accepts the version that it writes, and no other.
        versions = [(release.name, case.registry.roots.written_by(release).compatible.decode()) for release in case.kexec]
        evidence = said("words given", "kexec from " + " into ".join(f"{name} ({version})" for name, version in versions))
        return refuted(evidence) if versions[0][1] == versions[1][1] else likely(evidence)
    refusing = [(one, one.found) for one in case.kernels if one.found is not None and one.found.outcome is not None]
    bad = [
        (one, found) for one, found in refusing if found.reception.deciding is not None and "handed over:" in found.reception.deciding.met
    ]
    if bad:
        return certain(*(said(one.path, found.verdict) for one, found in bad[:MOST_QUOTED]))
    if case.log_whole and not case.about_to_hand_over:
        return refuted(said(case.log_file, "from its first line on, and no such message"))
    if unmapped := case.saying("disabled", pattern=_EFAULT, side="in"):
        return refuted(unmapped[0].evidence)
    return possible("the log of the kernel that booted (dmesg | grep KHO:), or its image: --images DIR")


def _fdt_damaged(case: Case) -> Weighed:
    if unmapped := case.saying("disabled", pattern=_EFAULT, side="in"):
        return refuted(unmapped[0].evidence)
    return logged("disabled", pattern=rb"is invalid", side="in")(case)


def _not_mapped(case: Case) -> Weighed:
    if refused := case.saying("disabled", pattern=_EINVAL, side="in"):
        return refuted(refused[0].evidence)
    return logged("disabled", pattern=rb"memremap|mark the scratch|" + _EFAULT, side="in")(case)


def _memoryless(case: Case) -> Weighed:
    affected = MEMORYLESS_NODES.affects(case.version, case.registry.releases)
    if affected is False:
        return refuted(case.release_evidence)
    empty = empty_nodes(case)
    if empty and affected:
        return certain(case.release_evidence, said("zoneinfo", f"node {empty[0].node} has no memory"))
    return possible("whether a NUMA node has no memory:  numactl -H  shows one of 0 MB", *((case.release_evidence,) if affected else ()))


def _explicit_scratch(case: Case) -> Weighed:
    if case.cmdline is None:
        return possible(CMDLINE)
    parameter = case.registry.releases.names_of(None if case.state is None else case.state.machine.release).kho_scratch
    evidence = case.cmdline_evidence(parameter)
    if not case.cmdline.values(parameter):
        return refuted(evidence) if case.cmdline.whole else possible(CMDLINE)
    return likely(evidence) if case.saying("disabled", pattern=rb"scratch", side="out") else possible("the kernel's log", evidence)


def _switched_itself_off(case: Case) -> Weighed:
    weighed = unless_kdump(logged("disabled", side="out"))(case)
    # A kernel that gave up has no kho tree (kho_init).
    shown = weighed.certainty is Certainty.POSSIBLE and case.shows_kho
    return refuted(case.kho_evidence) if shown else weighed


def _was_loaded_by_kexec_load(case: Case) -> Weighed:
    """The image of a kexec that is over was loaded by another kernel, whose configuration is not at hand."""
    weighed = loaded_by_kexec_load(case)
    came = case.saying("found", "disabled", side="in")
    return weighed if came or weighed.certainty is not Certainty.REFUTED else possible("the command that loaded it", *weighed.evidence)


def _empty_area(case: Case) -> Weighed:
    if case.state is None or isinstance(case.state.scratch, Missing):
        return possible(SCRATCH)
    empty = [one for one in case.state.scratch.areas if not one.size]
    if empty:
        return possible("the image and its initrd: --images DIR", *scratch_evidence(case))
    return refuted(*scratch_evidence(case))


BY_KEXEC_LOAD = Cause(
    says="the image was loaded by kexec_load, which never carries KHO; only kexec_file_load does",
    remedy="load it again by  kexec -s -l IMAGE --initrd=FILE --reuse-cmdline  (-s is kexec_file_load), then kexec",
    source=f"{core_of_all('kho_fill_kimage')}; its only caller is in kernel/kexec_file.c",
    ask=_was_loaded_by_kexec_load,
    words=frozenset({"kexec_load", "without", "-l"}),
)
NOT_FINALIZED = Cause(
    says="the outgoing side was not finalized: nothing, or a root FDT that the next kernel refuses, is handed over",
    remedy="6.16 to 6.18: write 1 to out/finalize, then load the image; 6.19 and 7.0: boot with liveupdate=on, or write 1 to out/finalize "
    "before the kexec",
    source="kernel/kexec_handover.c, kho_finalize, 6.16 to 6.18; kernel/liveupdate/kexec_handover.c, kho_finalize, 6.19 and 7.0",
    ask=unless_refused_as_incompatible(not_finalized),
    releases=Range("6.16", "7.0"),
    of_writer=True,
    words=frozenset({"finalize", "finalized"}),
)
UNFINALIZED_PAGE = Cause(
    says=KEXEC_UNFINALIZED.effect,
    remedy="write 1 to out/finalize before the image is loaded, or update the kernel that hands over",
    source=KEXEC_UNFINALIZED.source,
    ask=unless_refused_as_incompatible(
        faulty(KEXEC_UNFINALIZED, "which release handed over, and its out/finalize when the image was loaded", writer=True)
    ),
    releases=Range("6.16", "6.17"),
    of_writer=True,
)
REFUSED_VERSION = Cause(
    says="the kernel that booted accepts another version of the root FDT than the one that was handed over: it boots cold",
    remedy=f"{_LOST}. Kexec between kernels of one version ({versions_of(ROOT_FORMATS)}); {GATE}",
    source=core_of_all("kho_populate"),
    ask=_other_root_version,
)
REFUSED_FDT = Cause(
    says="the root FDT was damaged, or never written, when the next kernel read it",
    remedy=f"{_LOST}; {GATE}, on a capture with memory",
    source=core_of_all("kho_populate (fdt_check_header)"),
    ask=_fdt_damaged,
)
KHO_OFF = Cause(
    says="KHO is not on in the kernel that runs",
    remedy="boot a kernel with CONFIG_KEXEC_HANDOVER=y and kho=on on its command line",
    source=core_of_all("kho_is_enabled"),
    ask=not_switched_on,
    words=frozenset({"kho"}),
)
KHO_SWITCHED_ITSELF_OFF = Cause(
    says="KHO was on and switched itself off in this boot: scratch could not be reserved",
    remedy="kho-tui why scratch-failed  has the causes",
    source=core_of_all("kho_reserve_scratch"),
    ask=_switched_itself_off,
)
NOTHING_CAME_IN = Cause(
    says="the kernel that runs was handed nothing: it came up through the firmware, or the image carried no KHO",
    remedy="load by kexec_file_load (kexec -s) while KHO is on, and go into it by  kexec -e  or  systemctl kexec, not by a reboot; "
    "look at the state just before:  kho-tui show",
    source=f"{core_of_all('kho_populate')}; arch/x86/kernel/setup.c, drivers/of/fdt.c",
    ask=no_handover_came_in,
)

NO_ROOM = Symptom(
    name="eaddrnotavail",
    title="kexec_file_load fails with EADDRNOTAVAIL",
    errno=("EADDRNOTAVAIL",),
    phrases=words(
        "cannot assign address", "image fit", "not fit scratch", "no room scratch", "scratch small", "scratch full", "kexec load fail"
    ),
    causes=(
        Cause(
            says="no single scratch area has room for the largest segment (the kernel while it unpacks, or the initrd)",
            remedy=f"first try an initrd that holds only this machine's modules (MODULES=dep in /etc/initramfs-tools/initramfs.conf; "
            f"dracut --hostonly), which needs no reboot; else {LARGER_SCRATCH}",
            source=f"{core_of_all('kho_locate_mem_hole')}; kernel/kexec_file.c, kexec_locate_mem_hole",
            ask=image_too_large,
            calls=frozenset({Call.KEXEC_LOAD}),
        ),
        Cause(
            says="scratch was sized by an earlier boot, and kho_scratch= of this command line has no effect on a KHO boot",
            remedy="boot through the firmware with the same command line, which sizes scratch anew; it ends what runs on this host",
            source=core_of_all("kho_memory_init"),
            ask=_scratch_is_of_an_earlier_boot,
        ),
        Cause(
            says="an area of scratch has size 0, so that the image has only the other areas to go to",
            remedy="name all three sizes, kho_scratch=LOWMEM,GLOBAL,PERNODE, each at least what the image needs, at the next "
            "boot through the firmware",
            source=core_of_all("scratch_size_update"),
            ask=_empty_area,
        ),
    ),
)
BOOTS_COLD = Symptom(
    name="cold",
    title="the next kernel boots cold: nothing of the handover arrives",
    phrases=words(
        "boot cold",
        "nothing handed",
        "handover ignored",
        "no handover",
        "nothing arrive",
        "nothing survive",
        "handover lost",
        "kexec lost",
        "kho revival",
        "disabling revival",
        "state lost kexec",
        "handover gone",
        "handover there",
        "know nothing",
        "kexec_load",
        "kexec without",
        "kexec -l",
        "nothing restored",
        "handover fdt incompatible",
        "fdt incompatible",
        "handover fdt invalid",
        "handover refused",
        "kho refused",
    ),
    kinds=frozenset({"disabled"}),
    pattern=re.compile(rb"revival|handover FDT|memremap|mark the scratch"),
    causes=(
        REFUSED_VERSION,
        REFUSED_FDT,
        Cause(
            says="the kernel could not map the root FDT or the scratch table at the address that it was handed, or ran out of memory",
            remedy=f"{_LOST}. Look for mem= and memmap= on the next kernel's command line: they may take that memory away; {GATE}",
            source=core_of_all("kho_populate (early_memremap, memblock_mark_kho_scratch)"),
            ask=_not_mapped,
        ),
        NOT_FINALIZED,
        UNFINALIZED_PAGE,
        BY_KEXEC_LOAD,
        NOTHING_CAME_IN,
    ),
)
SCRATCH_FAILED = Symptom(
    name="scratch-failed",
    title="KHO switches itself off at boot",
    phrases=words(
        "failed reserve scratch",
        "reserve scratch",
        "scratch reserve",
        "disabling kexec handover",
        "scratch fail",
        "kho disabl",
        "kho not work",
        "kho=on not work",
        "disabl kho",
    ),
    kinds=frozenset({"disabled"}),
    pattern=re.compile(rb"KHO: (?!.*revival)(?!.*handover FDT)(?!.*memremap)(?!.*mark the scratch)"),
    causes=(
        Cause(
            says=MEMORYLESS_NODES.effect,
            remedy="boot 6.19 or later, or give the node memory in the firmware's settings",
            source=MEMORYLESS_NODES.source,
            ask=unless_kdump(_memoryless),
            releases=Range("6.16", "6.18"),
        ),
        Cause(
            says="the sizes of kho_scratch= do not fit where they have to be: the first below 4 GiB, one for each NUMA node",
            remedy="free that memory at boot first: crashkernel=SIZE,high instead of low memory, gigantic huge pages on other nodes; "
            "keep each area at least as large as the next image needs",
            source=core_of_all("kho_reserve_scratch"),
            ask=unless_kdump(_explicit_scratch),
        ),
        Cause(
            says="the scaled size of the global area wraps below 0 and asks for more memory than there is",
            remedy="name the sizes: kho_scratch=LOWMEM,GLOBAL,PERNODE, each at least what the next image needs",
            source=core_of_all("scratch_size_update", "6.16", "7.0"),
            ask=unless_kdump(in_release("the sizes that the kernel computed at boot, which it does not print")),
            releases=Range("6.16", "7.0"),
        ),
        Cause(
            says="a kdump kernel leaves KHO off by design",
            remedy="nothing is wrong: the next boot that is no crash has KHO",
            source=f"{CORE}, 7.3.4",
            ask=kdump_kernel,
        ),
    ),
)
SYMPTOMS = (NO_ROOM, BOOTS_COLD, SCRATCH_FAILED)
