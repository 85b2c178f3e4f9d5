"""Checks that several causes share: what they look at in a case, and what it means."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from kho_tui.analysis.symptoms.case import Case, Evidence, Line, quote, said
from kho_tui.analysis.symptoms.symptom import Ask, Weighed, certain, likely, possible, refuted
from kho_tui.model.facts import Missing
from kho_tui.model.host import MemoryRange
from kho_tui.model.sides import outgoing_or_none
from kho_tui.releases.fixes import KDUMP_KEEPS_KHO, Fix
from kho_tui.releases.table import Finalize
from kho_tui.text import human_size, plural

CMDLINE = "cat /proc/cmdline"
SCRATCH = "as root:  cat /sys/kernel/debug/kho/out/scratch_len"
INCOMING = "as root:  ls /sys/kernel/debug/kho/in"
KERNEL_LOG = "the log of that boot from its first line on (dmesg, or the console's):  kho-tui why - < LOG"
OFF_CODES = frozenset({"not-built", "disabled", "not-enabled"})
"""Answers of the table of obstacles that say that KHO is not on."""
KDUMP = rb"kdump kernel"
"""In the message of a kdump kernel that leaves KHO off by design."""
MOST_QUOTED = 3
"""Lines, files or processes that are quoted for one cause."""


def quoted(lines: Iterable[Line]) -> tuple[Evidence, ...]:
    """The first of some lines of the kernel's log as evidence."""
    return tuple(line.evidence for line in islice(lines, MOST_QUOTED))


def logged(*kinds: str, pattern: bytes = rb"", side: str | None = None, absence_counts: bool = True) -> Ask:
    """A message of the log proves it; a log that is whole and does not have it rules it out, where its absence counts."""

    def ask(case: Case) -> Weighed:
        lines = case.saying(*kinds, pattern=pattern, side=side)
        if lines:
            return certain(*quoted(lines))
        if case.log_whole and absence_counts and not case.about_to_hand_over:
            return refuted(said(case.log_file, "from its first line on, and no such message"))
        return possible(KERNEL_LOG)

    return ask


def elsewhere(needs: str) -> Ask:
    """Nothing of a machine or capture shows it."""
    return lambda _case: possible(needs)


def in_release(needs: str) -> Ask:
    """The release decides whether it can be; ``needs``: what would show that it is."""
    return lambda case: possible(needs, case.release_evidence) if case.version is not None else possible(needs)


def faulty(fix: Fix, needs: str, *, writer: bool = False) -> Ask:
    """The kernel has a fault that a fix ended; ``needs``: what would show that it struck. ``writer``: the kernel that handed over."""

    def ask(case: Case) -> Weighed:
        version = case.writer if writer else case.version
        evidence = case.writer_evidence if writer else () if version is None else (case.release_evidence,)
        if version is not None and fix.affects(version, case.registry.releases) is False:
            return refuted(*evidence)
        return possible(needs, *evidence)

    return ask


def unless_kdump(ask: Ask) -> Ask:
    """The same, ruled out where the kernel says that it is a kdump kernel, which leaves KHO off by design."""
    return _unless_disabled(ask, KDUMP, "out")


def unless_refused_as_incompatible(ask: Ask) -> Ask:
    """The same, ruled out where the kernel says that it refused what was handed over for its version."""
    return _unless_disabled(ask, rb"incompatible", "in")


def _unless_disabled(ask: Ask, pattern: bytes, side: str) -> Ask:
    def asked(case: Case) -> Weighed:
        by_another = case.saying("disabled", pattern=pattern, side=side)
        return refuted(by_another[0].evidence) if by_another else ask(case)

    return asked


def kho_is_off(case: Case) -> Weighed:
    """KHO is not built, switched off, or not switched on."""
    off = case.saying("disabled", side="out")
    if off:
        return certain(*quoted(off))
    if case.shows_kho:
        return refuted(case.kho_evidence)
    found = case.facts.obstacle("tree")
    if found is not None and found.code in OFF_CODES:
        return certain(*switch_evidence(case))
    if case.facts.value("switch") == "on" and case.facts.value("config-built") == "yes":
        return refuted(*switch_evidence(case))
    # "found kexec handover data" is said by a kernel with kho=off, too.
    if on := case.saying("revived", "liveupdate", "exec-from"):
        return refuted(on[0].evidence)
    needs = "grep KEXEC_HANDOVER /boot/config-$(uname -r) ; cat /proc/cmdline"
    return possible(needs, *(() if case.cmdline is None else switch_evidence(case)))


def not_switched_on(case: Case) -> Weighed:
    """As ``kho_is_off``, but for a KHO that was on and switched itself off."""
    if off := case.saying("disabled", side="out"):
        return refuted(off[0].evidence)
    return kho_is_off(case)


def switch_evidence(case: Case) -> tuple[Evidence, ...]:
    """Configuration and command line, as far as they are known."""
    built: tuple[Evidence, ...] = ()
    if case.facts.value("config-built") != "unknown":
        built = (case.option_evidence("CONFIG_KEXEC_HANDOVER"),)
    elif case.facts.value("symbol-built") in ("yes", "no"):
        built = (said("/proc/kallsyms", "kho_is_enabled" if case.facts.value("symbol-built") == "yes" else "no kho_is_enabled"),)
    return built if case.facts.value("config-built") == "no" or case.cmdline is None else (*built, case.cmdline_evidence("kho"))


def liveupdate_is_off(case: Case) -> Weighed:
    """LUO is not built, not switched on, or KHO is not."""
    if (outgoing := None if case.state is None else outgoing_or_none(case.state)) is not None and any(
        one.sessions is not None for one in outgoing.subtrees
    ):
        return refuted(said("kho/out/sub_fdts", "there is a subtree that keeps sessions"))
    if took_over := case.saying("liveupdate", side="in"):
        return refuted(took_over[0].evidence)
    if case.option("CONFIG_LIVEUPDATE") is False:
        return certain(case.option_evidence("CONFIG_LIVEUPDATE"))
    if case.cmdline is not None and case.cmdline.whole and not case.cmdline.liveupdate:
        return certain(case.cmdline_evidence("liveupdate"))
    if case.cmdline is not None and case.cmdline.liveupdate:
        evidence = case.cmdline_evidence("liveupdate")
        if case.option("CONFIG_LIVEUPDATE"):
            return refuted(evidence, case.option_evidence("CONFIG_LIVEUPDATE"))
        return possible("whether the kernel is built with CONFIG_LIVEUPDATE=y", evidence)
    return possible("grep LIVEUPDATE /boot/config-$(uname -r) ; cat /proc/cmdline")


def no_handover_came_in(case: Case) -> Weighed:
    """The kernel that runs took over nothing and refused nothing: it was handed nothing."""
    refused = case.saying("disabled", side="in")
    if refused:
        return refuted(*quoted(refused))
    if came := case.took_over or case.was_offered:
        return refuted(*came)
    if case.log_whole:
        return likely(said(case.log_file, "from its first line on, and no message of a handover that was found or refused"))
    return possible(KERNEL_LOG)


def not_finalized(case: Case) -> Weighed:
    """The outgoing side is not finalized, in a release that needs it. That is of the next kexec: of the last one nothing is left."""
    needs = "which release handed over, and its out/finalize when the image was loaded"
    if case.state is None or case.handover_came_in:
        return possible(needs)
    side, release = outgoing_or_none(case.state), case.release
    if side is None or release is None or release.finalize is Finalize.NONE:
        return possible(needs)
    if isinstance(side.finalized, Missing):
        return possible(needs)
    evidence = said("kho/out/finalize", "1" if side.finalized else "0")
    if side.finalized:
        return possible("out/finalize when the image was loaded", evidence)
    # With LUO on, 6.19 and 7.0 finalize inside the reboot call.
    if release.finalize is Finalize.SERIALIZE and any(one.sessions is not None for one in side.subtrees):
        return refuted(said("kho/out/sub_fdts", "LUO is on, which finalizes inside the reboot call"))
    return likely(evidence, case.release_evidence)


def loaded_by_kexec_load(case: Case) -> Weighed:
    """Whether the image was loaded by kexec_load(2). The kernel does not say by which of the two calls."""
    if came := case.saying("found", "disabled", side="in"):
        return refuted(came[0].evidence)
    # KEXEC is the option of kexec_load, KEXEC_FILE that of kexec_file_load.
    if case.option("CONFIG_KEXEC_FILE") is False:
        evidence = case.option_evidence("CONFIG_KEXEC_FILE")
        if case.facts.value("image-loaded") == "yes":
            return certain(evidence, said("/sys/kernel/kexec_loaded", "1"))
        return likely(evidence)
    if case.option("CONFIG_KEXEC") is False:
        return refuted(case.option_evidence("CONFIG_KEXEC"))
    # Of a lockdown that begins later than the boot it is not known whether the image was there before.
    if case.facts.value("lockdown") in ("integrity", "confidentiality") and case.cmdline is not None and case.cmdline.values("lockdown"):
        return refuted(said("/sys/kernel/security/lockdown", case.facts.value("lockdown")), case.cmdline_evidence("lockdown"))
    evidences = (said("/sys/kernel/kexec_loaded", "1"),) if case.facts.value("image-loaded") == "yes" else ()
    return possible("the command that loaded it: the kernel does not say by which call an image was loaded", *evidences)


def image_too_large(case: Case) -> Weighed:
    """An image that was looked at finds no room in any single scratch area."""
    told = [(one, one.found) for one in case.kernels if one.found is not None and one.found.loading is not None]
    failing = [(one, found) for one, found in told if found.loading is not None and found.loading.fits is False and found.loading.segments]
    if failing:
        return certain(*(said(one.path, found.loading.reason) for one, found in failing[:MOST_QUOTED] if found.loading is not None))
    fitting = [(one, found) for one, found in told if found.loads]
    if fitting and len(fitting) == len(case.kernels):
        return refuted(*(said(one.path, found.loading.reason) for one, found in fitting[:MOST_QUOTED] if found.loading is not None))
    return possible("the image and its initrd: --images DIR", *scratch_evidence(case))


def scratch_evidence(case: Case) -> tuple[Evidence, ...]:
    """The scratch areas, as far as they are known."""
    if case.state is None or isinstance(case.state.scratch, Missing):
        return ()
    areas = case.state.scratch.areas
    sizes = ", ".join(human_size(one.size) for one in areas[:8])
    return (said("kho/out/scratch_len", f"{plural(len(areas), 'area')}: {sizes}{', ...' if len(areas) > 8 else ''}"),)


def scratch_bytes(case: Case) -> int | None:
    """Bytes of all scratch areas; None where the table is not known."""
    if case.state is None or isinstance(case.state.scratch, Missing):
        return None
    return sum(area.size for area in case.state.scratch.areas)


def counter(case: Case, name: str) -> int | None:
    """A counter of /proc/meminfo in bytes; None where it is not known."""
    if case.state is None or isinstance(case.state.host.meminfo, Missing):
        return None
    return case.state.host.meminfo.get(name)


def counter_evidence(case: Case, *names: str) -> Evidence:
    """Counters as /proc/meminfo has them."""
    values = ((name, counter(case, name)) for name in names)
    return said("meminfo", ", ".join(f"{name} {human_size(value)}" for name, value in values if value is not None) or "not known")


def empty_nodes(case: Case) -> tuple[MemoryRange, ...]:
    """NUMA nodes that are known to have no memory."""
    return () if case.state is None else tuple(node for node in case.state.host.nodes if node.node is not None and not node.memory)


def device_is_open(case: Case) -> Weighed:
    """Another process has /dev/liveupdate open."""
    machine = None if case.sources is None else case.sources.machine
    if machine is None:
        return possible("on the machine:  fuser -v /dev/liveupdate")
    if case.facts.value("liveupdate-device") == "no":
        return refuted(said("/dev/liveupdate", "is not there"))
    holders = machine.liveupdate_holders
    if holders is None:
        return possible("as root:  fuser -v /dev/liveupdate")
    if holders:
        # Who has it open now need not be who had it when the call failed, and may be who asks.
        return likely(
            *(said(f"/proc/{one.pid}/fd", f"{one.name} (pid {one.pid}) has /dev/liveupdate open") for one in holders[:MOST_QUOTED])
        )
    return possible("who had it open when the call failed", said("/proc/PID/fd", "no process has /dev/liveupdate open now"))


def finalized_now(case: Case) -> Weighed:
    """6.16 to 6.18 refuse to preserve anything more while they are finalized."""
    side = None if case.state is None else outgoing_or_none(case.state)
    if side is None or isinstance(side.finalized, Missing):
        return possible("out/finalize of the machine")
    evidence = said("kho/out/finalize", "1" if side.finalized else "0")
    return likely(evidence) if side.finalized else possible("out/finalize when the call failed", evidence)


def kdump_kernel(case: Case) -> Weighed:
    """The kernel that runs is a kdump kernel, which leaves KHO off from 7.3.4 on."""
    if by_itself := case.saying("disabled", pattern=KDUMP, side="out"):
        return certain(*quoted(by_itself))
    # That kernel says another sentence, and reserves nothing.
    if failed := case.saying("disabled", pattern=rb"reserve scratch", side="out"):
        return refuted(failed[0].evidence)
    if case.cmdline is None:
        return possible(CMDLINE)
    if case.cmdline.is_kdump:
        if KDUMP_KEEPS_KHO.affects(case.version, case.registry.releases):
            return refuted(case.release_evidence)
        return likely(case.cmdline_evidence("elfcorehdr"))
    # arm64 tells a kdump kernel in /chosen (drivers/of/fdt.c, linux,elfcorehdr).
    told_elsewhere = case.state is not None and case.state.machine.arch == "arm64"
    if told_elsewhere or not case.absent_from_cmdline("elfcorehdr"):
        return possible(f"{CMDLINE} ; ls /proc/device-tree/chosen | grep elfcorehdr")
    return refuted(case.cmdline_evidence("elfcorehdr"))


def memory_taken_by_cmdline(case: Case) -> Weighed:
    """mem= or memmap= take memory away."""
    if case.cmdline is None:
        return possible(CMDLINE)
    # What a value takes away is not computed: memmap= may name a region behind all RAM.
    if named := [name for name in ("mem", "memmap") if case.cmdline.values(name)]:
        return likely(*(case.cmdline_evidence(name) for name in named))
    if not case.absent_from_cmdline("mem", "memmap"):
        return possible("the command line of the kernel that had the trouble")
    return refuted(quote("cmdline", "no mem= and no memmap="))
