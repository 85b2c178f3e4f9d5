"""Symptoms of sessions and files (kernel/liveupdate/luo_*.c, mm/memfd_luo.c, 6.19 on) and of preserving memory."""

from __future__ import annotations

import re

from kho_tui.abi.luo import LUO_FORMATS
from kho_tui.abi.memfd import MEMFD_FORMATS
from kho_tui.analysis.symptoms.calls import Call
from kho_tui.analysis.symptoms.case import Case, said
from kho_tui.analysis.symptoms.checks import (
    KERNEL_LOG,
    elsewhere,
    faulty,
    kho_is_off,
    liveupdate_is_off,
    logged,
    quoted,
    unless_refused_as_incompatible,
)
from kho_tui.analysis.symptoms.kernel_files import CORE, FILE, LUO, LUO_RELEASES, SESSION, core_of_all
from kho_tui.analysis.symptoms.kexec import BY_KEXEC_LOAD, GATE, NOT_FINALIZED, NOTHING_CAME_IN, REFUSED_FDT, REFUSED_VERSION
from kho_tui.analysis.symptoms.symptom import Cause, Symptom, Weighed, certain, likely, possible, refuted, versions_of, words
from kho_tui.releases.fixes import FILE_ERRORS_IGNORED, FOLIO_FLAGS, MEMFD_TWICE
from kho_tui.releases.ranges import Range

_LOSSES = ("session-failed", "session-list-failed", "handler-failed", "file-failed", "folio-failed")


def _sessions_wait(case: Case) -> Weighed:
    lines = case.saying("liveupdate", side="in")
    if not lines:
        return refuted(said(case.log_file, "from its first line on, and LUO took over nothing")) if case.log_whole else possible(KERNEL_LOG)
    if failed := case.saying(*_LOSSES, "luo-failed", "disabled", side="in"):
        return refuted(*quoted(failed))
    return likely(lines[0].evidence)


def _no_luo_in_release(case: Case) -> Weighed:
    if took_over := case.saying("liveupdate", "luo"):
        return refuted(took_over[0].evidence)
    covered = case.within(LUO_RELEASES)
    if covered is None:
        return possible("the kernel's release")
    return refuted(case.release_evidence) if covered else certain(case.release_evidence)


def _no_device(case: Case) -> Weighed:
    there = case.facts.value("liveupdate-device")
    if there == "yes":
        return refuted(said("/dev/liveupdate", "is there"))
    return liveupdate_is_off(case)


def _kho_is_off_for_luo(case: Case) -> Weighed:
    lines = case.saying("disabled", pattern=rb"luo: .*because KHO")
    return certain(*quoted(lines)) if lines else kho_is_off(case)


def _image_is_loaded(case: Case) -> Weighed:
    loaded = case.facts.value("image-loaded")
    if loaded == "unknown":
        return possible("cat /sys/kernel/kexec_loaded")
    evidence = said("/sys/kernel/kexec_loaded", "1" if loaded == "yes" else "0")
    return possible("whether a kexec_file_load runs at this moment", evidence) if loaded == "yes" else likely(evidence)


_PANIC = rb"incoming tree failed to initialize"
_OTHER_VERSION, _DAMAGED = rb"incompatible", rb"too small|failed to retrieve|Unable to get|Failed to deserialize"


def _other_luo_version(case: Case) -> Weighed:
    if lines := case.saying("luo-failed", pattern=_OTHER_VERSION):
        return certain(*quoted(lines))
    if lines := case.saying("luo-failed", pattern=_DAMAGED) or case.saying("crash", pattern=_PANIC + rb".*\[-(?:2|ENOENT)\]"):
        return refuted(*quoted(lines))
    # EINVAL also of a header that is damaged.
    if lines := case.saying("crash", "disabled", pattern=_PANIC):
        return likely(lines[0].evidence)
    return logged("luo-failed", pattern=_OTHER_VERSION)(case)


def _luo_damaged(case: Case) -> Weighed:
    if not case.saying("luo-failed", pattern=_DAMAGED):
        if lines := case.saying("luo-failed", pattern=_OTHER_VERSION):
            return refuted(lines[0].evidence)
        if lines := case.saying("crash", pattern=_PANIC + rb".*\[-(?:2|ENOENT)\]"):
            return likely(lines[0].evidence)
        if lines := case.saying("crash", "disabled", pattern=_PANIC):
            return possible("luo's message before the panic, which names what is wrong", lines[0].evidence)
    return logged("luo-failed", pattern=_DAMAGED, side="in")(case)


LUO_OFF = Cause(
    says="LUO is not on in the kernel that runs: not built (CONFIG_LIVEUPDATE), or without liveupdate=on",
    remedy="boot a kernel with CONFIG_LIVEUPDATE=y, and kho=on liveupdate=on on its command line",
    source=f"{LUO}, liveupdate_enabled, 6.19 to 7.3",
    ask=liveupdate_is_off,
    words=frozenset({"liveupdate", "luo"}),
)
NO_LUO = Cause(
    says="the kernel is of a release without LUO, which came with 6.19",
    remedy="boot 6.19 or later",
    source=f"{LUO}, 6.19",
    ask=_no_luo_in_release,
)
SESSIONS_NOT_RESTORED = Cause(
    says="the sessions that came in could not be made again, and every open of /dev/liveupdate answers with that error until the next boot",
    remedy="read luo's first message (dmesg | grep luo:) with  kho-tui why 'MESSAGE' ; what came in is lost in this boot already, "
    "and only a reboot brings the device back",
    source=f"{SESSION}, luo_session_deserialize, 6.19 to 7.3",
    ask=logged(*_LOSSES, side="in"),
    calls=frozenset({Call.OPEN}),
    words=frozenset({"device", "liveupdate"}),
)
RESTORE_FAILED = Cause(
    says="memory of a file could not be restored: it is not preserved as the file says, or was restored before",
    remedy=f"that file is lost; kho-tui check on a capture with memory from before the kexec names it; {GATE}",
    source=f"{core_of_all('kho_restore_page (WARNING)', '6.18')}; mm/memfd_luo.c, memfd_luo_retrieve_folios, 6.19 to 7.3",
    # A WARN_ON_ONCE that somebody else used up says nothing of a file.
    # The WARNING of luo_file_deserialize is about a list that is missing: no memory was tried.
    ask=logged("restore-failed", "folio-failed", pattern=rb"^(?!.*luo_file_deserialize)", side="in", absence_counts=False),
    calls=frozenset({Call.RETRIEVE_FD}),
    words=frozenset({"retrieve", "file", "memfd"}),
)
TWICE = Cause(
    says=MEMFD_TWICE.effect,
    remedy="preserve each memfd once, or update the kernel that hands over to 7.1 or later",
    source=MEMFD_TWICE.source,
    ask=faulty(MEMFD_TWICE, "a capture from before the kexec: kho-tui check finds a folio that two files name", writer=True),
    calls=frozenset({Call.RETRIEVE_FD}),
    words=frozenset({"retrieve", "memfd", "twice"}),
)
NO_HANDLER = Cause(
    says="this kernel has no file handler of the version that a file was preserved with",
    remedy="boot the kernel that has the handler (CONFIG_LIVEUPDATE_MEMFD, or its module loaded "
    f"before the first open of /dev/liveupdate); {versions_of(MEMFD_FORMATS)}",
    source=f"{FILE}, luo_file_deserialize, 6.19 to 7.3",
    ask=logged("handler-failed", side="in"),
    calls=frozenset({Call.RETRIEVE_FD}),
    words=frozenset({"handler"}),
)
SESSION_CLOSED = Cause(
    says="the agent closed the session, or was ended, before the reboot call: closing a session's file descriptor unpreserves its files",
    remedy="keep the session's file descriptor open until the jump, whatever ends processes before it: systemd's file descriptor store, or "
    "a process that is not ended at shutdown",
    source=f"{SESSION}, luo_session_release, 6.19 to 7.3",
    ask=unless_refused_as_incompatible(elsewhere("a capture from just before the reboot call, or the agent's log")),
    words=frozenset({"closed", "agent", "killed"}),
)

SESSIONS_GONE = Symptom(
    name="sessions-gone",
    title="sessions, or files of sessions, are not there after the kexec",
    phrases=words(
        "session gone",
        "session lost",
        "session missing",
        "session disappear",
        "session vanish",
        "no-session",
        "session no such file",
        "session enoent",
        "session not found",
        "memfd gone",
        "memfd lost",
        "file gone",
        "session empty",
        "vm lost",
        *(f"{whose} memory {fate}" for whose in ("vm", "vms", "guest", "guests") for fate in ("gone", "lost", "kexec")),
        "session not there",
        "where session",
        "know nothing session",
    ),
    kinds=frozenset({"session-failed", "session-list-failed"}),
    causes=(
        SESSION_CLOSED,
        BY_KEXEC_LOAD,
        Cause(
            says="LUO was off in the kernel that booted: it takes over no sessions then",
            remedy="what came in cannot be reached in this boot; kexec into a kernel with kho=on liveupdate=on next time",
            source=f"{LUO}, liveupdate_enabled, 6.19 to 7.3",
            ask=liveupdate_is_off,
        ),
        REFUSED_VERSION,
        Cause(
            says="nothing is lost: LUO took the sessions over, and they wait to be retrieved by their names through /dev/liveupdate",
            remedy="let the agent retrieve each session by its name; what nobody retrieves stays reserved",
            source=f"{SESSION}, luo_session_retrieve, 6.19 to 7.3",
            ask=_sessions_wait,
        ),
        Cause(
            says="the sessions could not be made again when /dev/liveupdate was opened first",
            remedy="read luo's first message (dmesg | grep luo:) with  kho-tui why 'MESSAGE' ; those sessions are lost in this boot",
            source=f"{SESSION}, luo_session_deserialize, 6.19 to 7.3",
            ask=logged(*_LOSSES, side="in"),
        ),
        NOTHING_CAME_IN,
        NOT_FINALIZED,
        REFUSED_FDT,
        Cause(
            says=FILE_ERRORS_IGNORED.effect,
            remedy="update the kernel that boots to 7.1 or later, which reports it",
            source=FILE_ERRORS_IGNORED.source,
            ask=faulty(FILE_ERRORS_IGNORED, "the kernel's log: a message of luo about a handler or a session"),
            releases=Range("6.19", "7.0"),
        ),
    ),
)
ZEROS = Symptom(
    name="contents-wrong",
    title="a file came back with zeros, or with other contents",
    phrases=words("zero", "contents wrong", "contents other", "data corrupt", "corrupted", "memfd wrong", "wrong contents"),
    causes=(
        Cause(
            says=FOLIO_FLAGS.effect,
            remedy="update the kernel that hands over, and the one that boots",
            source=f"{FOLIO_FLAGS.source}, {FOLIO_FLAGS.affected[0]}",
            ask=faulty(FOLIO_FLAGS, "the flags of the folios in a capture from before the kexec: kho-tui check", writer=True),
        ),
        Cause(
            says="memory that the file names was not preserved, and was used by the booting kernel",
            remedy=f"kho-tui check on a capture with memory from before the kexec; {GATE}",
            source="mm/memfd_luo.c, memfd_luo_retrieve_folios, 6.19 to 7.3",
            ask=elsewhere("a capture with memory from before the kexec"),
        ),
    ),
)
NO_DEVICE = Symptom(
    name="no-device",
    title="/dev/liveupdate is not there",
    phrases=words(
        "/dev/liveupdate missing",
        "no-/dev/liveupdate",
        "/dev/liveupdate not there",
        "/dev/liveupdate no such file",
        "/dev/liveupdate enoent",
        "liveupdate missing",
        "no-liveupdate",
        "/dev/liveupdate no such device",
        "enodev",
        "enxio",
    ),
    kinds=frozenset({"disabled"}),
    pattern=re.compile(rb"luo: .*because KHO"),
    causes=(
        NO_LUO,
        Cause(
            says="KHO is not on, and LUO switches itself off without it",
            remedy="boot a kernel with CONFIG_KEXEC_HANDOVER=y and kho=on liveupdate=on on its command line",
            source=f"{LUO}, luo_early_startup, 6.19 to 7.3",
            ask=_kho_is_off_for_luo,
        ),
        Cause(
            says="LUO is not built (CONFIG_LIVEUPDATE), or liveupdate=on is not on the command line",
            remedy="boot a kernel with CONFIG_LIVEUPDATE=y, and kho=on liveupdate=on on its command line",
            source=f"{LUO}, liveupdate_ioctl_init, 6.19 to 7.3",
            ask=_no_device,
        ),
    ),
)
LUO_REFUSES = Symptom(
    name="luo-refuses",
    title="LUO refuses what it was handed, and the kernel panics",
    phrases=words("luo incompatible", "luo state", "luo panic", "incoming tree failed", "disabling live update"),
    kinds=frozenset({"luo-failed", "disabled", "crash"}),
    pattern=re.compile(rb"luo: (?!.*because KHO)|incoming tree failed to initialize"),
    causes=(
        Cause(
            says="the kernel that booted reads another version of LUO's state than the one that was handed over",
            remedy="kho=off on its command line boots it, without the sessions. Kexec between kernels of one version "
            f"({versions_of(LUO_FORMATS)}); {GATE}",
            source=f"{LUO}, luo_early_startup, 6.19 to 7.3",
            ask=_other_luo_version,
        ),
        Cause(
            says="LUO's state is cut short or damaged",
            remedy=f"kho=off on its command line boots it, without the sessions; {GATE}, on a capture with memory",
            source=f"{LUO}, luo_early_startup; {SESSION}, luo_session_setup_incoming, 6.19 to 7.3",
            ask=_luo_damaged,
        ),
    ),
)
FILES_FAILED = Symptom(
    name="files-failed",
    title="files of a session could not be made again",
    phrases=words("no registered handler", "file failed", "unable restore folio", "shmem failed", "file count mismatch", "retrieve fail"),
    kinds=frozenset({"handler-failed", "file-failed", "folio-failed"}),
    causes=(
        NO_HANDLER,
        Cause(
            says="the list of files that was handed over is damaged, or does not have the number of files that its session says",
            remedy=f"kho-tui check on a capture with memory from before the kexec; {GATE}",
            source=f"{FILE}, luo_file_deserialize, 7.2 and 7.3",
            ask=logged("file-failed", pattern=rb"^luo: ", side="in"),
        ),
        Cause(
            says="the kernel had no memory for the file, or could not set its seals or add its folios",
            remedy="free memory outside scratch before the agent retrieves; a retrieve that failed frees the rest of the file's folios",
            source="mm/memfd_luo.c, memfd_luo_retrieve, 6.19 to 7.3",
            ask=logged("file-failed", pattern=rb"^memfd_luo: ", side="in"),
        ),
        RESTORE_FAILED,
        TWICE,
    ),
)
RESTORE = Symptom(
    name="restore-failed",
    title="a WARNING in kho_restore_page, or in the restore of a subsystem",
    phrases=words("kho_restore_page", "kho_restore_folio", "warning kho_restore", "restore warning", "restore fail"),
    kinds=frozenset({"restore-failed"}),
    causes=(RESTORE_FAILED, TWICE),
)
FREEZE = Symptom(
    name="freeze-failed",
    title="the reboot call returns an error, and the kexec does not happen",
    phrases=words(
        "freeze fail",
        "freeze",
        "kexec not happen",
        "old kernel still runn",
        "kexec comes back",
        "eagain",
        "resource temporarily unavailable",
    ),
    calls=frozenset({Call.REBOOT}),
    kinds=frozenset({"luo"}),
    pattern=re.compile(rb"Freeze failed|kho_finalize failed"),
    causes=(
        Cause(
            says="a file handler refused to freeze its file in the reboot call, which undoes all of it: the old kernel runs on",
            remedy="no session is lost: luo's message (dmesg | grep 'Freeze failed') names the file's token and handler; let the agent "
            "unpreserve that file, and kexec again. On 6.19 and 7.0 make the sessions anew first: after a kexec that failed their files "
            "go over with data 0",
            source=f"{FILE}, luo_file_freeze, 6.19 to 7.3",
            ask=logged("luo", pattern=rb"Freeze failed"),
        ),
        Cause(
            says="no image is loaded (EINVAL), or a load runs at this moment (EBUSY)",
            remedy="nothing is lost: cat /sys/kernel/kexec_loaded ; load the image by  kexec -s -l  and kexec again",
            source="kernel/kexec_core.c, kernel_kexec, 6.16 to 7.3",
            ask=_image_is_loaded,
        ),
        Cause(
            says="KHO could not write the memory map (no memory, or memory in scratch), and answers EAGAIN",
            remedy="free memory outside scratch and kexec again:  kho-tui show --memory",
            source=f"{LUO}, liveupdate_reboot; {CORE}, kho_finalize, 6.19 and 7.0",
            ask=logged("luo", pattern=rb"kho_finalize failed"),
            releases=Range("6.19", "7.0"),
        ),
    ),
)
FLB_FAILED = Symptom(
    name="flb-failed",
    title="file-lifecycle-bound data (FLB) did not arrive",
    phrases=words("flb", "liveupdate_flb_get_incoming"),
    kinds=frozenset({"flb-failed"}),
    causes=(
        Cause(
            says="the FLB was not handed over, or its data are of another version",
            remedy="an FLB is handed over only while a file of its handler is preserved; kho-tui show lists them",
            source="kernel/liveupdate/luo_flb.c, luo_flb_retrieve_one, 7.0 to 7.3",
            ask=logged("flb-failed", side="in"),
            releases=Range("7.0"),
        ),
    ),
)
TEST_FAILED = Symptom(
    name="test-failed",
    title="test_kho: KHO restore failed",
    phrases=words("test_kho fail", "test_kho"),
    kinds=frozenset({"test-restore"}),
    pattern=re.compile(rb"failed"),
    causes=(
        Cause(
            says="the folios of the test module did not arrive, or with other contents",
            remedy="the kernel that handed over or the one that booted has a fault: kho-tui check and kho-tui diff on captures of both",
            source="lib/test_kho.c, kho_test_restore_data, 6.16 to 7.3",
            ask=logged("test-restore", pattern=rb"failed", side="in"),
        ),
    ),
)
SYMPTOMS = (
    SESSIONS_GONE,
    ZEROS,
    NO_DEVICE,
    LUO_REFUSES,
    FILES_FAILED,
    RESTORE,
    FREEZE,
    FLB_FAILED,
    TEST_FAILED,
)
