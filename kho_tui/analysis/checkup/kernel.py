"""Questions about the running kernel: what is built, what is on, what it shows and to whom."""

from __future__ import annotations

from dataclasses import replace

from kho_tui.analysis.checkup.question import Finding, Question, ok, unknown, wrong
from kho_tui.analysis.symptoms.case import Case, said
from kho_tui.analysis.symptoms.checks import KDUMP, OFF_CODES, kho_is_off, loaded_by_kexec_load, quoted, switch_evidence
from kho_tui.analysis.symptoms.kernel_files import LUO_RELEASES
from kho_tui.analysis.symptoms.kexec import BY_KEXEC_LOAD
from kho_tui.analysis.symptoms.symptom import Certainty
from kho_tui.capture.dmesg import NO_LOG
from kho_tui.model.facts import Missing
from kho_tui.model.sides import outgoing_or_none
from kho_tui.releases.table import Finalize

_MOST_PAGES = 6
_NONE_YET = "there is no outgoing root FDT before it is finalized"
_DEBUGFS_FACTS = ("here", "debugfs", "config-shows")
_BOOT_ON = "boot with kho=on"
_LOCKDOWN = "CONFIG_SECURITY_LOCKDOWN_LSM"
"""security/lockdown/Kconfig; not listed where CONFIG_SECURITY is off."""


def _built(case: Case) -> Finding:
    config, symbol = case.facts.value("config-built"), case.facts.value("symbol-built")
    if case.shows_kho:
        return ok("KHO is built into this kernel", case.kho_evidence)
    if config == "yes":
        return ok("KHO is built into this kernel", *switch_evidence(case)[:1])
    if config == "no" or (config == "unknown" and symbol == "no"):
        found = case.facts.obstacle("tree", "config-built", "symbol-built")
        return wrong("this kernel is built without KHO", found.remedy if found else _BOOT_ON, *switch_evidence(case)[:1])
    if symbol == "yes":
        return ok("KHO is built into this kernel", *switch_evidence(case)[:1])
    return unknown("neither the configuration nor /proc/kallsyms is at hand", remedy="run this as root, or add config.gz to the capture")


def _on(case: Case) -> Finding:
    if by_design := case.saying("disabled", pattern=KDUMP, side="out"):
        return ok("KHO is off by design: this is a kdump kernel", *quoted(by_design))
    off = case.saying("disabled", side="out")
    if off:
        return wrong("KHO switched itself off in this boot", "kho-tui why scratch-failed", *quoted(off))
    if case.shows_kho:
        return ok("KHO is on", case.kho_evidence, *switch_evidence(case)[1:])
    found = case.facts.obstacle("tree", "config-built", "symbol-built", "switch", "default", "config-shows")
    if found is not None and found.code in OFF_CODES:
        built = found.code == "not-built"
        return wrong("there is no KHO to switch on" if built else found.message, found.remedy, *switch_evidence(case))
    if case.facts.value("switch") == "on":
        return ok("KHO is switched on", *switch_evidence(case))
    if case.facts.value("switch") == "unset" and case.facts.value("default") == "on":
        return ok("KHO is on by default", case.option_evidence("CONFIG_KEXEC_HANDOVER_ENABLE_DEFAULT"), case.cmdline_evidence("kho"))
    return unknown("whether KHO is on is not known", *switch_evidence(case), remedy=f"run this as root; {_BOOT_ON}")


def _liveupdate(case: Case) -> Finding:
    release, luo = case.release, case.within(LUO_RELEASES)
    if luo is False:
        return ok("this release has no LUO, which came with 6.19: no sessions, no /dev/liveupdate", case.release_evidence)
    built, line = case.option("CONFIG_LIVEUPDATE"), case.cmdline
    if built is False:
        return wrong(
            "LUO is not built: no sessions, no /dev/liveupdate; what else KHO preserves does not need it",
            "boot a kernel with CONFIG_LIVEUPDATE=y, if sessions are wanted",
            case.option_evidence("CONFIG_LIVEUPDATE"),
        )
    if line is not None and line.liveupdate:
        return ok("LUO is switched on", case.cmdline_evidence("liveupdate"))
    if case.state is not None and any(one.sessions is not None for side in case.state.sides.values() for one in side.subtrees):
        return ok("LUO is on", said("kho/out/sub_fdts", "there is a subtree that keeps sessions"))
    if line is None or not line.whole or luo is None:
        return unknown("whether LUO is on is not known", case.release_evidence if release is None else case.cmdline_evidence("liveupdate"))
    return wrong(
        "LUO is off: no sessions, no /dev/liveupdate; what else KHO preserves does not need it",
        "boot with liveupdate=on beside kho=on, if sessions are wanted",
        case.cmdline_evidence("liveupdate"),
    )


def _debugfs(case: Case) -> Finding:
    if case.sources is not None and case.sources.shows_tree:
        return ok("debugfs shows the kho tree", said("kho/", "is there"))
    if case.live:
        found = case.facts.obstacle("tree", *_DEBUGFS_FACTS)
        seen = said(case.facts.debugfs, case.facts.value("debugfs"))
        if case.facts.value("debugfs") == "mounted" and case.facts.value("config-shows") != "no":
            if kho_is_off(case).certainty is Certainty.CERTAIN:
                return ok("debugfs is mounted; it shows a kho tree once KHO is on", seen)
            return unknown("debugfs is mounted and shows no kho tree, although nothing found here forbids it", seen)
        if found is not None and found.code != "unknown":
            return wrong(found.message, found.remedy, seen)
        return unknown("why there is no kho tree in debugfs is not known", seen)
    absent = "" if case.sources is None else str(case.sources.absent)
    if case.shows_kho:
        return ok("the state comes from memory, not from debugfs", case.kho_evidence)
    if kho_is_off(case).certainty is Certainty.CERTAIN:
        return unknown("KHO is not on, so there is no kho tree to copy")
    return unknown(absent or "no copy of debugfs in this capture", remedy="as root:  kho-tui capture-script | sh")


def _memory(case: Case) -> Finding:
    sources = case.sources
    if sources is None or case.memory is None:
        if not case.live:
            says = "the capture has no memory, so what is preserved cannot be determined"
            return unknown(says, remedy="capture with memory.elf, or a dump")
        refused = case.facts.obstacle("memory")
        assert refused is not None  # the last row of the question needs no facts
        evidence = said("/proc/kcore", case.facts.value("kcore")), said("user", case.facts.value("user"))
        return wrong(refused.message, refused.remedy, *evidence)
    readable = "/proc/kcore can be read" if case.live else "the capture has memory"
    shown = case.facts.value("symbols")
    symbols = () if shown == "unknown" else (said("/proc/kallsyms", shown),)
    outgoing = _outgoing_root(case) if sources.no_outgoing else "the kernel shows where the outgoing root FDT is" if case.live else ""
    if outgoing is None:
        hidden = case.facts.obstacle("outgoing")
        if hidden is None:
            return wrong(sources.no_outgoing, "kho-tui show --search  looks through RAM for it", *symbols)
        return wrong(hidden.message, hidden.remedy, *symbols)
    if unread := sources.memory_unread:
        says = f"{readable}, but not all that the state needs"
        return unknown(says, remedy="kho-tui show  says what is missing", details=unread[:_MOST_PAGES])
    side = None if case.state is None else outgoing_or_none(case.state)
    if side is not None and isinstance(side.preserved, Missing) and outgoing != _NONE_YET:
        return unknown(f"{readable}, but what is preserved could not be read: {side.preserved.reason}")
    return ok(f"{readable}, and {outgoing}" if outgoing else readable, *symbols)


def _outgoing_root(case: Case) -> str | None:
    """How the outgoing root FDT is known although the kernel does not show where it is; None: it is not."""
    side = None if case.state is None else case.state.sides.get("out")
    at_will = case.release is not None and case.release.finalize is Finalize.STATEFUL
    if at_will and side is not None and isinstance(side.root, Missing) and side.subtrees_told and not side.subtrees:
        return _NONE_YET
    if side is not None and not isinstance(side.root, Missing) and not side.root.view.tree.truncated:
        return "debugfs shows all of the outgoing root FDT but its address"
    return None


def _signed(case: Case) -> str:
    """What lockdown asks of an image (kernel/kexec_file.c, kimage_validate_signature, which CONFIG_KEXEC_SIG builds)."""
    checked = case.option("CONFIG_KEXEC_SIG")
    if checked is None:
        return "with CONFIG_KEXEC_SIG an image has to be signed to be loaded"
    return "an image has to be signed to be loaded" if checked else "kexec_file_load takes unsigned images (no CONFIG_KEXEC_SIG)"


def _lockdown(case: Case) -> Finding:
    level = case.facts.value("lockdown")
    seen = said("/sys/kernel/security/lockdown", level)
    if level == "unknown" and case.option(_LOCKDOWN) is False:
        return ok("this kernel is built without lockdown", case.option_evidence(_LOCKDOWN))
    if level == "unknown":
        where = "" if case.live else ": a capture does not have it"
        return unknown(f"whether the kernel is locked down is not known{where}", remedy="as root:  cat /sys/kernel/security/lockdown")
    if level == "none":
        return ok("the kernel is not locked down", seen)
    needs_file = case.release is not None and case.release.finalize is Finalize.STATEFUL
    if needs_file:
        found = case.facts.obstacle("finalize")
        assert found is not None  # both levels have a row
        return wrong(found.message, found.remedy, seen)
    if level == "confidentiality":
        found = case.facts.obstacle("memory", "lockdown")
        assert found is not None
        return wrong(f"{found.message}; {_signed(case)}", found.remedy, seen)
    return ok(f"lockdown (integrity) refuses kexec_load; {_signed(case)}", seen)


def _loaded(case: Case) -> Finding:
    if case.facts.value("load-disabled") == "yes":
        return wrong(
            "loading kernels is switched off until the next boot",
            "reboot without whatever sets kernel.kexec_load_disabled=1",
            said("/proc/sys/kernel/kexec_load_disabled", "1"),
        )
    image = case.facts.value("image-loaded")
    if image == "no":
        return ok(
            "no image is loaded; load it by kexec_file_load (kexec -s): kexec_load never carries KHO", said("/sys/kernel/kexec_loaded", "0")
        )
    weighed = loaded_by_kexec_load(replace(case, given=NO_LOG, state=None))
    if weighed.certainty is Certainty.CERTAIN:
        return wrong(BY_KEXEC_LOAD.says, BY_KEXEC_LOAD.remedy, *weighed.evidence)
    if weighed.certainty is Certainty.REFUTED and image == "yes":
        return ok("the loaded image was loaded by kexec_file_load, which carries KHO", *weighed.evidence)
    if image == "yes":
        return unknown(
            "whether the loaded image carries KHO: the kernel does not say by which call it was loaded, and kexec_load never carries KHO",
            *weighed.evidence,
            remedy="load it again by  kexec -s -l IMAGE --initrd=FILE --reuse-cmdline",
        )
    where = "/sys/kernel/kexec_loaded cannot be read" if case.live else "a capture does not have it"
    return unknown(f"whether an image is loaded: {where}", remedy="" if case.live else "on the machine:  kho-tui why")


QUESTIONS = (
    Question(name="built", title="KHO built in", ask=_built, decides=True),
    Question(name="on", title="KHO on", ask=_on, decides=True),
    Question(name="liveupdate", title="LUO on", ask=_liveupdate),
    Question(name="debugfs", title="debugfs", ask=_debugfs),
    Question(name="memory", title="memory", ask=_memory),
    Question(name="lockdown", title="lockdown", ask=_lockdown),
    Question(name="loaded", title="image loaded", ask=_loaded),
)
