"""Symptoms of what the kernel refuses to who asks: loading a kernel, finalizing, reading the state (kernel/kexec_core.c, security/)."""

from __future__ import annotations

from kho_tui.analysis.symptoms.calls import Call
from kho_tui.analysis.symptoms.case import Case, said
from kho_tui.analysis.symptoms.kexec import KHO_OFF, KHO_SWITCHED_ITSELF_OFF
from kho_tui.analysis.symptoms.symptom import Cause, Certainty, Symptom, Weighed, certain, likely, possible, refuted, words


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
SYMPTOMS = (FINALIZE, NOT_PERMITTED)
