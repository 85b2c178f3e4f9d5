"""Symptoms of loading a kernel and of going into it (kernel/kexec_file.c, kernel/liveupdate/kexec_handover.c)."""

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
    elsewhere,
    empty_nodes,
    faulty,
    image_too_large,
    in_release,
    kdump_kernel,
    loaded_by_kexec_load,
    logged,
    memory_taken_by_cmdline,
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


def _no_finalize_file(case: Case) -> Weighed:
    if case.release is None:
        return possible("the kernel's release")
    return refuted(case.release_evidence) if case.release.has_finalize_file else certain(case.release_evidence)


def _locked_down(case: Case) -> Weighed:
    level = case.facts.value("lockdown")
    if level in ("integrity", "confidentiality"):
        return certain(case.lockdown_evidence())
    return refuted(case.lockdown_evidence()) if level == "none" else possible("cat /sys/kernel/security/lockdown")


def _load_is_locked_down(case: Case) -> Weighed:
    weighed = _locked_down(case)
    if weighed.certainty is not Certainty.CERTAIN:
        return weighed
    if case.option("CONFIG_KEXEC_SIG") is False:
        return possible("whether it was kexec_load: kexec_file_load (kexec -s) takes unsigned images here", *weighed.evidence)
    return likely(*weighed.evidence)


def _memory_is_locked_down(case: Case) -> Weighed:
    if case.facts.value("lockdown") == "integrity":
        return refuted(case.lockdown_evidence())
    return _locked_down(case)


def _finalize_is_locked_down(case: Case) -> Weighed:
    if case.release is not None and not case.release.has_finalize_file:
        return refuted(case.release_evidence)
    return _locked_down(case)


def _signature_forced(case: Case) -> Weighed:
    checked = case.option("CONFIG_KEXEC_SIG")
    if checked is False:
        return refuted(case.option_evidence("CONFIG_KEXEC_SIG"))
    # Without FORCE a signature counts under lockdown and secure boot alone, which answers EPERM; IMA's policy may set sig_enforce.
    forced = case.option("CONFIG_KEXEC_SIG_FORCE")
    evidence = (case.option_evidence("CONFIG_KEXEC_SIG_FORCE"),) if forced else ()
    return possible("dmesg: Enforced kernel signature verification failed", *evidence)


def _appraised(case: Case) -> Weighed:
    if case.option("CONFIG_IMA") is False:
        return refuted(case.option_evidence("CONFIG_IMA"))
    return possible("dmesg | grep -i ima, and /sys/kernel/security/ima/policy")


def _not_root(case: Case) -> Weighed:
    user = case.facts.value("user")
    if user == "unknown":
        return possible("who ran the command")
    if user == "other":
        return likely(said("this process", "is not root"))
    return possible("who ran the command that failed", said("this process", "is root"))


def _load_disabled(case: Case) -> Weighed:
    value = case.facts.value("load-disabled")
    if value == "unknown":
        return possible("/proc/sys/kernel/kexec_load_disabled")
    evidence = said("/proc/sys/kernel/kexec_load_disabled", "1" if value == "yes" else "0")
    return certain(evidence) if value == "yes" else refuted(evidence)


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
FINALIZE = Symptom(
    name="finalize",
    title="out/finalize is missing, or cannot be written",
    phrases=words("out/finalize"),
    calls=frozenset({Call.FINALIZE}),
    causes=(
        Cause(
            says="this release has no out/finalize: the outgoing side is always complete",
            remedy="nothing is to be done: load and kexec",
            source="kernel/liveupdate/kexec_handover_debugfs.c, 7.1 to 7.3",
            ask=_no_finalize_file,
            errors=frozenset({"ENOENT"}),
            words=frozenset({"missing", "no-out/finalize", "no-finalize"}),
        ),
        Cause(
            says="kernel lockdown refuses files of debugfs that can be written",
            remedy="boot without lockdown (no lockdown= on the command line; Secure Boot off where it sets it) to finalize, or a "
            "kernel from 7.1 on, which has no such step; 6.19 and 7.0 with liveupdate=on finalize without it",
            source="fs/debugfs/file.c, debugfs_locked_down, 6.16 to 7.3",
            ask=_finalize_is_locked_down,
            errors=frozenset({"EPERM"}),
            words=frozenset({"lockdown"}),
        ),
        Cause(
            says="only root may write it",
            remedy="run as root",
            source="kernel/liveupdate/kexec_handover_debugfs.c (mode 0600), 6.19 and 7.0; kernel/kexec_handover.c, 6.16 to 6.18",
            ask=_not_root,
            errors=frozenset({"EACCES"}),
            words=frozenset({"denied"}),
        ),
        KHO_OFF,
        KHO_SWITCHED_ITSELF_OFF,
    ),
)
NOT_PERMITTED = Symptom(
    name="eperm",
    title="EPERM, EACCES or a refused signature: loading a kernel, or reading the state, is not permitted",
    errno=("EPERM", "EACCES", "EKEYREJECTED", "ENOKEY", "ENODATA"),
    phrases=words("lockdown", "signature", "secure boot"),
    causes=(
        Cause(
            says="the command did not run as root",
            remedy="run as root",
            source="kernel/kexec_core.c, kexec_load_permitted (CAP_SYS_BOOT); fs/proc/kcore.c (CAP_SYS_RAWIO), 6.16 to 7.3",
            ask=_not_root,
            errors=frozenset({"EPERM", "EACCES"}),
        ),
        Cause(
            says="loading kernels is switched off until the next boot",
            remedy="reboot without whatever sets kernel.kexec_load_disabled=1",
            source="kernel/kexec_core.c, kexec_load_disabled, 6.16 to 7.3",
            ask=_load_disabled,
            calls=frozenset({Call.KEXEC_LOAD}),
            errors=frozenset({"EPERM"}),
            words=frozenset({"load", "kexec"}),
        ),
        Cause(
            says="kernel lockdown refuses kexec_load and, with CONFIG_KEXEC_SIG, unsigned images",
            remedy="load a signed image by kexec_file_load (kexec -s)",
            source="security/lockdown/lockdown.c, kernel/kexec_file.c, kimage_validate_signature, 6.16 to 7.3",
            ask=_load_is_locked_down,
            calls=frozenset({Call.KEXEC_LOAD}),
            errors=frozenset({"EPERM"}),
            words=frozenset({"lockdown", "signature"}),
        ),
        Cause(
            says="kernel lockdown (confidentiality) refuses /proc/kcore to everybody",
            remedy="take the state from debugfs, whose read-only files stay readable, or boot without lockdown=confidentiality",
            source="fs/proc/kcore.c, open_kcore; security/lockdown/lockdown.c, 6.16 to 7.3",
            ask=_memory_is_locked_down,
            calls=frozenset({Call.READ_MEMORY}),
            errors=frozenset({"EPERM"}),
            words=frozenset({"lockdown"}),
        ),
        Cause(
            says="the kernel takes no image without a valid signature, and this one has none (ENODATA), "
            "or one by a key that is not in its keyrings (ENOKEY, EKEYREJECTED)",
            remedy="load an image that the distribution, or a key enrolled in the firmware (mokutil --list-enrolled), signed",
            source="kernel/kexec_file.c, kimage_validate_signature; crypto/asymmetric_keys/verify_pefile.c, 6.16 to 7.3",
            ask=_signature_forced,
            calls=frozenset({Call.KEXEC_LOAD}),
            errors=frozenset({"EKEYREJECTED", "ENOKEY", "ENODATA"}),
            words=frozenset({"signature", "key", "signed"}),
        ),
        Cause(
            says="IMA refuses the image: its policy appraises kernels, or secure boot is on and the image came by kexec_load",
            remedy="load it by kexec_file_load (kexec -s), signed as the policy wants it (evmctl ima_sign); dmesg and the audit log "
            "name the rule",
            source="security/integrity/ima/ima_main.c, ima_load_data and process_measurement, 6.16 to 7.3",
            ask=_appraised,
            calls=frozenset({Call.KEXEC_LOAD}),
            errors=frozenset({"EACCES"}),
            words=frozenset({"ima", "secure", "appraise"}),
        ),
    ),
)
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
SYMPTOMS = (NO_ROOM, BOOTS_COLD, SCRATCH_FAILED, FINALIZE, NOT_PERMITTED, PANIC, MISSING_MAP)
