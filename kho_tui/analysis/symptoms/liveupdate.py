"""Symptoms of sessions and files (kernel/liveupdate/luo_*.c, mm/memfd_luo.c, 6.19 on) and of preserving memory."""

from __future__ import annotations

import re

from kho_tui.abi.luo import LUO_FORMATS
from kho_tui.abi.memfd import MEMFD_FORMATS
from kho_tui.analysis.symptoms.case import Case, said
from kho_tui.analysis.symptoms.checks import (
    device_is_open,
    elsewhere,
    faulty,
    finalized_now,
    in_release,
    kho_is_off,
    liveupdate_is_off,
    logged,
    unless_refused_as_incompatible,
)
from kho_tui.analysis.symptoms.kexec import BY_KEXEC_LOAD, GATE, KHO_OFF, NOT_FINALIZED, NOTHING_CAME_IN, REFUSED_FDT, REFUSED_VERSION
from kho_tui.analysis.symptoms.symptom import Cause, Symptom, Weighed, certain, likely, possible, refuted, versions_of, words
from kho_tui.releases.fixes import EMPTY_BLOCK, FILE_ERRORS_IGNORED, FOLIO_FLAGS, MEMFD_TWICE
from kho_tui.releases.ranges import Range

_SESSION, _FILE, _LUO = "kernel/liveupdate/luo_session.c", "kernel/liveupdate/luo_file.c", "kernel/liveupdate/luo_core.c"
_CORE = "kernel/liveupdate/kexec_handover.c"
_LUO_RELEASES = Range("6.19")
_LOSSES = ("session-failed", "session-list-failed", "handler-failed", "file-failed", "folio-failed")


def _sessions_wait(case: Case) -> Weighed:
    lines = case.saying("liveupdate", side="in")
    if not lines:
        return (
            refuted(said(case.log_file, "from its first line on, and LUO took over nothing"))
            if case.log_whole
            else possible("the kernel's log")
        )
    if case.saying(*_LOSSES, "luo-failed", "disabled", side="in"):
        return refuted(*(one.evidence for one in case.saying(*_LOSSES, "luo-failed", "disabled", side="in")[:3]))
    return likely(lines[0].evidence)


def _sessions_came_in(case: Case) -> Weighed:
    lines = case.saying("liveupdate", side="in")
    if lines:
        return possible(
            "the names that the agent used in the old kernel: kho-tui show on a capture from before the kexec", lines[0].evidence
        )
    if case.log_whole:
        return certain(said(case.log_file, "from its first line on, and LUO took over nothing"))
    return possible("the kernel's log from its first line on")


def _no_luo_in_release(case: Case) -> Weighed:
    covered = case.within(_LUO_RELEASES)
    if covered is None:
        return possible("the kernel's release")
    return refuted(case.release_evidence) if covered else certain(case.release_evidence)


def _no_device(case: Case) -> Weighed:
    there = case.fact("liveupdate-device")
    if there == "yes":
        return refuted(said("/dev/liveupdate", "is there"))
    return liveupdate_is_off(case)


def _kho_is_off_for_luo(case: Case) -> Weighed:
    lines = case.saying("disabled", pattern=rb"luo: .*because KHO")
    return certain(*(one.evidence for one in lines[:3])) if lines else kho_is_off(case)


def _test_failed(case: Case) -> Weighed:
    return logged("test-restore", pattern=rb"failed", side="in")(case)


LUO_OFF = Cause(
    says="LUO is not on in the kernel that runs: not built (CONFIG_LIVEUPDATE), or without liveupdate=on",
    remedy="boot a kernel with CONFIG_LIVEUPDATE=y, and kho=on liveupdate=on on its command line",
    source=f"{_LUO}, liveupdate_enabled, 6.19 to 7.3",
    ask=liveupdate_is_off,
    words=frozenset({"liveupdate", "luo"}),
)
NO_LUO = Cause(
    says="the kernel is of a release without LUO, which came with 6.19",
    remedy="boot 6.19 or later",
    source=f"{_LUO}, 6.19",
    ask=_no_luo_in_release,
)
SESSIONS_NOT_RESTORED = Cause(
    says="the sessions that came in could not be made again, and every open of /dev/liveupdate answers with that error until the next boot",
    remedy="read the quoted message with  kho-tui why 'MESSAGE' ; reboot to get the device back: the sessions of this boot are lost",
    source=f"{_SESSION}, luo_session_deserialize, 6.19 to 7.3",
    ask=logged(*_LOSSES, side="in"),
    words=frozenset({"open", "device", "liveupdate"}),
)
RESTORE_FAILED = Cause(
    says="memory of a file could not be restored: it is not preserved as the file says, or was restored before",
    remedy=f"that file is lost; kho-tui check on a capture with memory from before the kexec names it; {GATE}",
    source=f"{_CORE}, kho_restore_page (WARNING), 6.18 to 7.3; mm/memfd_luo.c, memfd_luo_retrieve_folios, 6.19 to 7.3",
    # A WARN_ON_ONCE that somebody else used up says nothing of a file.
    ask=logged("restore-failed", "folio-failed", side="in", absence_counts=False),
    words=frozenset({"retrieve", "file", "memfd"}),
)
TWICE = Cause(
    says=MEMFD_TWICE.effect,
    remedy="preserve each memfd once, or update the kernel that hands over to 7.1 or later",
    source=MEMFD_TWICE.source,
    ask=faulty(MEMFD_TWICE, "a capture from before the kexec: kho-tui check finds a folio that two files name", writer=True),
    words=frozenset({"retrieve", "memfd", "twice"}),
)
NO_HANDLER = Cause(
    says="this kernel has no file handler of the version that a file was preserved with",
    remedy="boot the kernel that has the handler (CONFIG_LIVEUPDATE_MEMFD, or its module loaded "
    f"before the first open of /dev/liveupdate); {versions_of(MEMFD_FORMATS)}",
    source=f"{_FILE}, luo_file_deserialize, 6.19 to 7.3",
    ask=logged("handler-failed", side="in"),
    words=frozenset({"handler", "retrieve", "open"}),
)
SESSION_CLOSED = Cause(
    says="the agent closed the session, or was ended, before the reboot call: closing a session's file descriptor unpreserves its files",
    remedy="keep the session's file descriptor open until the jump, whatever ends processes before it: systemd's file descriptor store, or "
    "a process that is not ended at shutdown",
    source=f"{_SESSION}, luo_session_release, 6.19 to 7.3",
    ask=unless_refused_as_incompatible(elsewhere("a capture from just before the reboot call, or the agent's log")),
    words=frozenset({"closed", "agent", "killed"}),
)

BUSY = Symptom(
    name="ebusy",
    title="EBUSY",
    errno=("EBUSY",),
    phrases=words("device busy", "resource busy"),
    causes=(
        Cause(
            says="another process has /dev/liveupdate open: the device takes one at a time",
            remedy="use that process (the live update agent), or end it; its sessions are unpreserved when it closes them",
            source=f"{_LUO}, luo_open, 6.19 to 7.3",
            ask=device_is_open,
            releases=_LUO_RELEASES,
            words=frozenset({"open", "liveupdate", "device"}),
        ),
        Cause(
            says="the file is preserved already, in this session or another: each memfd can be preserved once",
            remedy="keep the token of the first preservation",
            source=f"{_FILE}, luo_preserve_file, 7.1 to 7.3",
            ask=in_release("the sessions of the agent"),
            releases=Range("7.1"),
            words=frozenset({"preserve", "file", "memfd", "fd"}),
        ),
        Cause(
            says="nothing more can be preserved while the outgoing side is finalized",
            remedy="write 0 to out/finalize, preserve again everything that a driver preserved before, then finalize and load",
            source="kernel/kexec_handover.c, kho_preserve_folio, 6.16 to 6.18",
            ask=finalized_now,
            releases=Range("6.16", "6.18"),
            words=frozenset({"preserve", "kho_preserve_folio", "finalize"}),
        ),
        Cause(
            says="a file handler cannot be registered or unregistered while there are sessions",
            remedy="load modules with file handlers before the first session",
            source=f"{_FILE}, liveupdate_register_file_handler, 6.19",
            ask=in_release("whether a module was being loaded"),
            releases=Range("6.19", "6.19"),
            words=frozenset({"module", "register", "handler"}),
        ),
        Cause(
            says="another kexec_file_load, kexec_load or crash hotplug runs at this moment",
            remedy="try again when it has ended",
            source="kernel/kexec_file.c, kexec_trylock, 6.16 to 7.3",
            ask=elsewhere("the call that failed"),
            words=frozenset({"kexec", "load"}),
        ),
    ),
)
IO_ERROR = Symptom(
    name="eio",
    title="EIO of /dev/liveupdate, or of a retrieve",
    errno=("EIO",),
    phrases=words("input/output error", "open liveupdate fail", "io error"),
    causes=(SESSIONS_NOT_RESTORED, RESTORE_FAILED, TWICE),
)
NO_ENTRY = Symptom(
    name="enoent",
    title="ENOENT: no such session, file or handler",
    errno=("ENOENT",),
    phrases=words("no such file", "retrieve session", "session not found", "no such session", "token not found"),
    causes=(
        Cause(
            says="no session came into this kernel, or none of this name",
            remedy="retrieve by the name that was given before the kexec; if none came in:  kho-tui why sessions gone",
            source=f"{_SESSION}, luo_session_retrieve, 6.19 to 7.3",
            ask=_sessions_came_in,
            releases=_LUO_RELEASES,
            words=frozenset({"session", "retrieve"}),
        ),
        NO_HANDLER,
        Cause(
            says="no file handler accepts this kind of file: memfds of shmem alone can be preserved, no hugetlb, VFIO, KVM or eventfd",
            remedy="preserve a memfd without MFD_HUGETLB; load the module that handles the file",
            source=f"{_FILE}, luo_preserve_file; mm/memfd_luo.c, memfd_luo_can_preserve, 6.19 to 7.3",
            ask=in_release("the call that failed"),
            releases=_LUO_RELEASES,
            words=frozenset({"preserve", "handler", "vfio", "hugetlb"}),
        ),
        Cause(
            says="no file of the session has this token, or the session was finished",
            remedy="retrieve by the token that was given before the kexec, before LIVEUPDATE_SESSION_FINISH",
            source=f"{_FILE}, luo_retrieve_file, 6.19 to 7.3",
            ask=in_release("the tokens that the agent used: kho-tui show on a capture from before the kexec"),
            releases=_LUO_RELEASES,
            words=frozenset({"token", "file", "retrieve"}),
        ),
        Cause(
            says="out/finalize holds the value 0 already",
            remedy="nothing is to be undone",
            source="kernel/kexec_handover.c, kho_out_finalize_set, 6.16 to 6.18",
            ask=in_release("the call that failed"),
            releases=Range("6.16", "6.18"),
            words=frozenset({"finalize"}),
        ),
    ),
)
NOT_SUPPORTED = Symptom(
    name="eopnotsupp",
    title="EOPNOTSUPP",
    errno=("EOPNOTSUPP", "ENOTSUP", "ENOSYS"),
    phrases=words("operation not supported", "not supported"),
    causes=(
        KHO_OFF,
        LUO_OFF,
        Cause(
            says="the memfd has seals that the format does not have, or the vmalloc area has flags that KHO does not preserve",
            remedy="preserve a memfd with seals out of F_SEAL_SEAL, SHRINK, GROW, WRITE, FUTURE_WRITE and EXEC",
            source=f"mm/memfd_luo.c, memfd_luo_preserve; {_CORE}, kho_preserve_vmalloc, 6.18 to 7.3",
            ask=in_release("the call that failed"),
            releases=Range("6.18"),
            words=frozenset({"seal", "seals", "memfd", "vmalloc", "preserve"}),
        ),
    ),
)
TOO_BIG = Symptom(
    name="e2big",
    title="E2BIG",
    errno=("E2BIG",),
    phrases=words("argument list too long", "list too long"),
    causes=(
        Cause(
            says="kho_alloc_preserve was called for more than the largest order of the page allocator",
            remedy="allocate in pieces, or preserve a vmalloc area (kho_preserve_vmalloc)",
            source=f"{_CORE}, kho_alloc_preserve, 6.19 to 7.3",
            ask=in_release("the driver that called it"),
            releases=Range("6.19"),
            words=frozenset({"kho_alloc_preserve", "alloc", "driver"}),
        ),
        Cause(
            says="an ioctl of /dev/liveupdate was given a struct of a newer header, with a field set that this kernel does not have",
            remedy="build the agent with this kernel's include/uapi/linux/liveupdate.h",
            source=f"{_LUO}, luo_ioctl (copy_struct_from_user), 6.19 to 7.3",
            ask=in_release("the agent's headers"),
            releases=Range("6.19"),
            words=frozenset({"ioctl", "agent", "liveupdate"}),
        ),
    ),
)
INVALID = Symptom(
    name="einval",
    title="EINVAL",
    errno=("EINVAL",),
    phrases=words("invalid argument"),
    causes=(
        Cause(
            says="the session was retrieved before: that works once",
            remedy="use the file descriptor of the first retrieve",
            source=f"{_SESSION}, luo_session_retrieve, 6.19 to 7.3",
            ask=in_release("the call that failed"),
            releases=_LUO_RELEASES,
            words=frozenset({"retrieve", "session"}),
        ),
        Cause(
            says="the name of the session is empty, or longer than 63 characters",
            remedy="name it with 1 to 63 characters",
            source=f"{_SESSION}, luo_session_alloc, 7.1 to 7.3",
            ask=in_release("the call that failed"),
            releases=Range("7.1"),
            words=frozenset({"create", "name", "session"}),
        ),
        Cause(
            says="0 was written to out/finalize: 6.19 and 7.0 cannot undo it",
            remedy="nothing is to be undone: finalizing refuses and freezes nothing in these releases",
            source="kernel/liveupdate/kexec_handover_debugfs.c, 6.19 and 7.0",
            ask=in_release("the call that failed"),
            releases=Range("6.19", "7.0"),
            words=frozenset({"finalize"}),
        ),
        Cause(
            says="the command line for the next kernel is longer than its image allows",
            remedy="give a shorter one: kho-tui check STATE --target IMAGE --target-cmdline WORDS says how long it may be",
            source="arch/x86/kernel/kexec-bzimage64.c, bzImage64_load, 6.16 to 7.3",
            ask=elsewhere("the call that failed"),
            words=frozenset({"kexec", "load", "cmdline"}),
        ),
        Cause(
            says="memory inside scratch was to be preserved, which kernels with CONFIG_KEXEC_HANDOVER_DEBUG refuse",
            remedy="preserve memory that the page allocator gave out as unmovable",
            source=f"{_CORE}, kho_scratch_overlap, 6.18 to 7.3",
            ask=in_release("the driver that called it"),
            releases=Range("6.18"),
            words=frozenset({"preserve", "driver", "scratch"}),
        ),
    ),
)
EXISTS = Symptom(
    name="eexist",
    title="EEXIST",
    errno=("EEXIST",),
    phrases=words("file exists", "already exists"),
    causes=(
        Cause(
            says="there is a session of this name, or a file of this token, already",
            remedy="use another name or token",
            source=f"{_SESSION}, luo_session_insert; {_FILE}, luo_preserve_file, 6.19 to 7.3",
            ask=in_release("the call that failed"),
            releases=_LUO_RELEASES,
            words=frozenset({"session", "token", "name", "create"}),
        ),
        Cause(
            says=EMPTY_BLOCK.effect,
            remedy="before the kexec ask  kho-tui check : it finds the empty block, and a kernel with the fix does not make it",
            source=EMPTY_BLOCK.source,
            ask=faulty(EMPTY_BLOCK, "how many sessions there are: kho-tui show"),
            releases=Range("7.2", "7.3"),
            words=frozenset({"session"}),
        ),
        Cause(
            says="out/finalize holds the value 1 already, or a subtree of this name is registered",
            remedy="nothing is to be done",
            source="kernel/kexec_handover.c, kho_out_finalize_set, 6.16 to 6.18; kho_add_subtree, 6.19 to 7.3",
            ask=in_release("the call that failed"),
            words=frozenset({"finalize", "subtree", "driver"}),
        ),
    ),
)
FULL = Symptom(
    name="enospc",
    title="ENOSPC, ENOMEM or EFBIG: something is full",
    errno=("ENOSPC", "ENOMEM", "EFBIG"),
    phrases=words("no space left", "cannot allocate memory", "file too large", "too many sessions", "too many files"),
    causes=(
        Cause(
            says="the session is full: with pages of 4096 bytes it takes 128 files",
            remedy="use another session, or a kernel from 7.2 on",
            source=f"{_FILE}, luo_preserve_file (LUO_FILE_MAX), 6.19 to 7.1",
            ask=in_release("how many files the session has"),
            releases=Range("6.19", "7.1"),
            words=frozenset({"file", "files", "preserve", "enospc"}),
        ),
        Cause(
            says="the list of sessions is full: with pages of 4096 bytes it takes 819",
            remedy="use fewer sessions with more files, or a kernel from 7.2 on",
            source=f"{_SESSION}, luo_session_insert (LUO_SESSION_MAX), 6.19 to 7.1",
            ask=in_release("how many sessions there are"),
            releases=Range("6.19", "7.1"),
            words=frozenset({"session", "sessions", "create", "enomem"}),
        ),
        Cause(
            says="memory outside scratch is used up: what KHO needs for itself cannot lie in scratch, however much of that is free",
            remedy="free memory outside scratch:  kho-tui show --memory  says how much of what is free is scratch",
            source=f"{_CORE}, kho_alloc_preserve; mm/page_alloc.c (MIGRATE_CMA), 6.16 to 7.3",
            ask=elsewhere("meminfo at that moment: MemFree less CmaFree"),
            words=frozenset({"memory", "alloc", "enomem"}),
        ),
        Cause(
            says="the memfd has more pages than fit into 32 bits",
            remedy="preserve it in pieces",
            source="mm/memfd_luo.c, memfd_luo_preserve, 7.1 to 7.3",
            ask=in_release("the size of the memfd"),
            releases=Range("7.1"),
            words=frozenset({"memfd", "efbig", "large"}),
        ),
    ),
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
        "no session",
        "memfd gone",
        "memfd lost",
        "file gone",
        "session empty",
        "vm lost",
        "session not there",
        "where session",
    ),
    kinds=frozenset({"session-failed", "session-list-failed"}),
    causes=(
        REFUSED_VERSION,
        REFUSED_FDT,
        NOT_FINALIZED,
        Cause(
            says="LUO was off in the kernel that booted: it takes over no sessions then",
            remedy="what came in cannot be reached in this boot; kexec into a kernel with kho=on liveupdate=on next time",
            source=f"{_LUO}, liveupdate_enabled, 6.19 to 7.3",
            ask=liveupdate_is_off,
        ),
        Cause(
            says="the sessions could not be made again when /dev/liveupdate was opened first",
            remedy="read the quoted message with  kho-tui why 'MESSAGE' ; those sessions are lost in this boot",
            source=f"{_SESSION}, luo_session_deserialize, 6.19 to 7.3",
            ask=logged(*_LOSSES, side="in"),
        ),
        Cause(
            says="nothing is lost: LUO took the sessions over, and they wait to be retrieved by their names through /dev/liveupdate",
            remedy="let the agent retrieve each session by its name; what nobody retrieves stays reserved",
            source=f"{_SESSION}, luo_session_retrieve, 6.19 to 7.3",
            ask=_sessions_wait,
        ),
        BY_KEXEC_LOAD,
        NOTHING_CAME_IN,
        SESSION_CLOSED,
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
    errno=("ENODEV", "ENXIO"),
    phrases=words(
        "/dev/liveupdate missing", "no /dev/liveupdate", "/dev/liveupdate not", "liveupdate missing", "no liveupdate", "liveupdate device"
    ),
    kinds=frozenset({"disabled"}),
    pattern=re.compile(rb"luo: .*because KHO"),
    causes=(
        NO_LUO,
        Cause(
            says="KHO is not on, and LUO switches itself off without it",
            remedy="boot a kernel with CONFIG_KEXEC_HANDOVER=y and kho=on liveupdate=on on its command line",
            source=f"{_LUO}, luo_early_startup, 6.19 to 7.3",
            ask=_kho_is_off_for_luo,
        ),
        Cause(
            says="LUO is not built (CONFIG_LIVEUPDATE), or liveupdate=on is not on the command line",
            remedy="boot a kernel with CONFIG_LIVEUPDATE=y, and kho=on liveupdate=on on its command line",
            source=f"{_LUO}, liveupdate_ioctl_init, 6.19 to 7.3",
            ask=_no_device,
        ),
    ),
)
LUO_REFUSES = Symptom(
    name="luo-refuses",
    title="LUO refuses what it was handed, and the kernel panics",
    phrases=words("luo incompatible", "luo state", "luo panic", "live update failed initialize", "disabling live update"),
    kinds=frozenset({"luo-failed", "disabled"}),
    pattern=re.compile(rb"luo: (?!.*because KHO)"),
    causes=(
        Cause(
            says="the kernel that booted reads another version of LUO's state than the one that was handed over",
            remedy="kho=off on its command line boots it, without the sessions. Kexec between kernels of one version "
            f"({versions_of(LUO_FORMATS)}); {GATE}",
            source=f"{_LUO}, luo_early_startup, 6.19 to 7.3",
            ask=logged("luo-failed", "disabled", pattern=rb"luo: .*(?:incompatible|failed to initialize)", side=None),
        ),
        Cause(
            says="LUO's state is cut short or damaged",
            remedy=f"kho=off on its command line boots it, without the sessions; {GATE}, on a capture with memory",
            source=f"{_LUO}, luo_early_startup; {_SESSION}, luo_session_setup_incoming, 6.19 to 7.3",
            ask=logged("luo-failed", pattern=rb"too small|failed to retrieve|Unable to get|Failed to deserialize", side="in"),
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
            source=f"{_FILE}, luo_file_deserialize, 7.2 and 7.3",
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
    phrases=words("freeze fail", "reboot fail", "kexec not happen", "reboot call", "kexec -e fail", "eagain"),
    errno=("EAGAIN",),
    kinds=frozenset({"luo"}),
    pattern=re.compile(rb"Freeze failed|kho_finalize failed"),
    causes=(
        Cause(
            says="a file handler refused to freeze its file in the reboot call, which undoes all of it: the old kernel runs on",
            remedy="nothing is lost: unpreserve the file that the message names by its token, and kexec again",
            source=f"{_FILE}, luo_file_freeze, 6.19 to 7.3",
            ask=logged("luo", pattern=rb"Freeze failed"),
        ),
        Cause(
            says="KHO could not write the memory map (no memory, or memory in scratch), and answers EAGAIN",
            remedy="free memory outside scratch and kexec again:  kho-tui show --memory",
            source=f"{_LUO}, liveupdate_reboot; {_CORE}, kho_finalize, 6.19 and 7.0",
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
            ask=_test_failed,
        ),
    ),
)
SYMPTOMS = (
    SESSIONS_GONE,
    BUSY,
    IO_ERROR,
    NO_ENTRY,
    NOT_SUPPORTED,
    TOO_BIG,
    INVALID,
    EXISTS,
    FULL,
    ZEROS,
    NO_DEVICE,
    LUO_REFUSES,
    FILES_FAILED,
    RESTORE,
    FREEZE,
    FLB_FAILED,
    TEST_FAILED,
)
