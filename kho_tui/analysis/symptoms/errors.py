"""Errors that calls of live update and of KHO answer with, by their names (kernel/liveupdate/luo_*.c, mm/memfd_luo.c, 6.19 on)."""

from __future__ import annotations

from kho_tui.analysis.symptoms.calls import Call
from kho_tui.analysis.symptoms.case import Case, said
from kho_tui.analysis.symptoms.checks import KERNEL_LOG, device_is_open, elsewhere, faulty, finalized_now, in_release
from kho_tui.analysis.symptoms.kernel_files import CORE, FILE, LUO, LUO_RELEASES, SESSION, core_of_all
from kho_tui.analysis.symptoms.kexec import KHO_OFF, KHO_SWITCHED_ITSELF_OFF
from kho_tui.analysis.symptoms.liveupdate import LUO_OFF, NO_HANDLER, RESTORE_FAILED, SESSIONS_NOT_RESTORED, TWICE
from kho_tui.analysis.symptoms.symptom import Cause, Symptom, Weighed, certain, possible, words
from kho_tui.releases.fixes import EMPTY_BLOCK
from kho_tui.releases.ranges import Range


def _sessions_came_in(case: Case) -> Weighed:
    lines = case.saying("liveupdate", side="in")
    if lines:
        return possible(
            "the names that the agent used in the old kernel: kho-tui show on a capture from before the kexec", lines[0].evidence
        )
    if case.log_whole:
        return certain(said(case.log_file, "from its first line on, and LUO took over nothing"))
    return possible(KERNEL_LOG)


BUSY = Symptom(
    name="ebusy",
    title="EBUSY: something is open, preserved or finalized already",
    errno=("EBUSY",),
    phrases=words("device busy", "resource busy"),
    causes=(
        Cause(
            says="another process has /dev/liveupdate open: the device takes one at a time",
            remedy="let that process (the live update agent) do it; to end it unpreserves its sessions: the next kernel does not get them",
            source=f"{LUO}, luo_open, 6.19 to 7.3",
            calls=frozenset({Call.OPEN}),
            ask=device_is_open,
            releases=LUO_RELEASES,
            words=frozenset({"open", "liveupdate", "device"}),
        ),
        Cause(
            says="the file is preserved already, in this session or another: each memfd can be preserved once",
            remedy="keep the token of the first preservation",
            source=f"{FILE}, luo_preserve_file, 7.1 to 7.3",
            calls=frozenset({Call.PRESERVE_FD}),
            ask=in_release("the sessions of the agent"),
            releases=Range("7.1"),
            words=frozenset({"preserve", "file", "memfd", "fd"}),
        ),
        Cause(
            says="nothing more can be preserved while the outgoing side is finalized",
            remedy="preserve before out/finalize is written: in this boot it is too late. Writing 0 drops all that was preserved, "
            "and a second 1 brings back only what drivers preserve in their notifiers",
            source="kernel/kexec_handover.c, kho_preserve_folio, 6.16 to 6.18",
            calls=frozenset({Call.PRESERVE_FD}),
            ask=finalized_now,
            releases=Range("6.16", "6.18"),
            words=frozenset({"preserve", "kho_preserve_folio", "finalize"}),
        ),
        Cause(
            says="a file of the session cannot be finished yet: its handler says so (can_finish); a memfd can always be finished",
            remedy="do what the handler waits for (its driver's documentation), then finish again: nothing of the session is lost",
            source=f"{FILE}, luo_file_finish, 6.19 to 7.3; include/linux/liveupdate.h, struct liveupdate_file_ops",
            calls=frozenset({Call.FINISH}),
            ask=in_release("which handlers the session's files have: kho-tui show"),
            releases=LUO_RELEASES,
        ),
        Cause(
            says="a file handler cannot be registered or unregistered while there are sessions",
            remedy="load modules with file handlers before the first session",
            source=f"{FILE}, liveupdate_register_file_handler, 6.19",
            calls=frozenset({Call.REGISTER}),
            ask=in_release("whether a module was being loaded"),
            releases=Range("6.19", "6.19"),
            words=frozenset({"module", "register", "handler"}),
        ),
        Cause(
            says="another kexec_file_load, kexec_load or crash hotplug runs at this moment",
            remedy="try again when it has ended",
            source="kernel/kexec_file.c, kexec_trylock, 6.16 to 7.3",
            calls=frozenset({Call.KEXEC_LOAD}),
            ask=elsewhere("the call that failed"),
            words=frozenset({"kexec", "load"}),
        ),
    ),
)
IO_ERROR = Symptom(
    name="eio",
    title="EIO of /dev/liveupdate, or of a retrieve",
    errno=("EIO",),
    phrases=words("open liveupdate fail", "io error", "i/o error"),
    causes=(SESSIONS_NOT_RESTORED, RESTORE_FAILED, TWICE),
)
NO_ENTRY = Symptom(
    name="enoent",
    title="ENOENT: no such session, token or file handler",
    errno=("ENOENT",),
    phrases=words("retrieve session", "token not found"),
    causes=(
        Cause(
            says="no session came into this kernel, or none of this name",
            remedy="retrieve by the name that was given before the kexec; if none came in:  kho-tui why sessions-gone",
            source=f"{SESSION}, luo_session_retrieve, 6.19 to 7.3",
            calls=frozenset({Call.RETRIEVE_SESSION}),
            ask=_sessions_came_in,
            releases=LUO_RELEASES,
            words=frozenset({"session", "retrieve"}),
        ),
        NO_HANDLER,
        Cause(
            says="no file handler accepts this kind of file: only a memfd of shmem can be preserved, not hugetlb, VFIO, KVM or eventfd",
            remedy="preserve a memfd without MFD_HUGETLB; load the module that handles the file",
            source=f"{FILE}, luo_preserve_file; mm/memfd_luo.c, memfd_luo_can_preserve, 6.19 to 7.3",
            calls=frozenset({Call.PRESERVE_FD}),
            ask=in_release("the call that failed"),
            releases=LUO_RELEASES,
            words=frozenset({"preserve", "handler", "vfio", "hugetlb", "kvm", "eventfd"}),
        ),
        Cause(
            says="no file of the session has this token, or the session was finished",
            remedy="retrieve by the token that was given before the kexec, before LIVEUPDATE_SESSION_FINISH",
            source=f"{FILE}, luo_retrieve_file, 6.19 to 7.3",
            calls=frozenset({Call.RETRIEVE_FD}),
            ask=in_release("the tokens that the agent used: kho-tui show on a capture from before the kexec"),
            releases=LUO_RELEASES,
            words=frozenset({"token", "file", "retrieve"}),
        ),
        Cause(
            says="out/finalize holds the value 0 already",
            remedy="nothing is to be undone",
            source="kernel/kexec_handover.c, kho_out_finalize_set, 6.16 to 6.18",
            calls=frozenset({Call.FINALIZE}),
            ask=in_release("the call that failed"),
            releases=Range("6.16", "6.18"),
            words=frozenset({"finalize"}),
        ),
    ),
)
NOT_SUPPORTED = Symptom(
    name="eopnotsupp",
    title="EOPNOTSUPP: KHO, LUO or the format does not have it",
    errno=("EOPNOTSUPP", "ENOTSUP", "ENOSYS"),
    causes=(
        Cause(
            says="the memfd has seals that the format does not have, or the vmalloc area has flags that KHO does not preserve",
            remedy="preserve a memfd with no other seals than F_SEAL_SEAL, SHRINK, GROW, WRITE, FUTURE_WRITE and EXEC; "
            "fcntl(fd, F_GET_SEALS) says which it has",
            source=f"mm/memfd_luo.c, memfd_luo_preserve, 6.19 to 7.3; {core_of_all('kho_preserve_vmalloc', '6.18')}",
            calls=frozenset({Call.PRESERVE_FD, Call.RETRIEVE_FD}),
            ask=in_release("the call that failed"),
            releases=Range("6.18"),
            words=frozenset({"seal", "seals", "memfd", "vmalloc", "preserve"}),
        ),
        LUO_OFF,
        KHO_OFF,
        KHO_SWITCHED_ITSELF_OFF,
    ),
)
TOO_BIG = Symptom(
    name="e2big",
    title="E2BIG: too large for the page allocator, or a newer struct",
    errno=("E2BIG",),
    phrases=words("list too long"),
    causes=(
        Cause(
            says="kho_alloc_preserve was called for more than the largest order of the page allocator",
            remedy="allocate in pieces, or preserve a vmalloc area (kho_preserve_vmalloc)",
            source=f"{CORE}, kho_alloc_preserve, 6.19 to 7.3",
            ask=in_release("the driver that called it"),
            releases=LUO_RELEASES,
            words=frozenset({"kho_alloc_preserve", "alloc", "driver"}),
        ),
        Cause(
            says="an ioctl of /dev/liveupdate was given a struct of a newer header, with a field set that this kernel does not have",
            remedy="build the agent with this kernel's include/uapi/linux/liveupdate.h",
            source=f"{LUO}, luo_ioctl (copy_struct_from_user), 6.19 to 7.3",
            ask=in_release("the agent's headers"),
            releases=LUO_RELEASES,
            words=frozenset({"ioctl", "agent", "liveupdate"}),
        ),
    ),
)
INVALID = Symptom(
    name="einval",
    title="EINVAL",
    errno=("EINVAL",),
    causes=(
        Cause(
            says="the session was retrieved before: that works once",
            remedy="use the file descriptor of the first retrieve",
            source=f"{SESSION}, luo_session_retrieve, 6.19 to 7.3",
            calls=frozenset({Call.RETRIEVE_SESSION}),
            ask=in_release("the call that failed"),
            releases=LUO_RELEASES,
            words=frozenset({"retrieve", "session"}),
        ),
        Cause(
            says="the name of the session is empty, or longer than 63 characters",
            remedy="name it with 1 to 63 characters",
            source=f"{SESSION}, luo_session_alloc, 7.1 to 7.3",
            calls=frozenset({Call.CREATE_SESSION}),
            ask=in_release("the call that failed"),
            releases=Range("7.1"),
            words=frozenset({"create", "name", "session"}),
        ),
        Cause(
            says="0 was written to out/finalize: 6.19 and 7.0 cannot undo it",
            remedy="nothing is to be undone: finalizing refuses and freezes nothing in these releases",
            source="kernel/liveupdate/kexec_handover_debugfs.c, 6.19 and 7.0",
            calls=frozenset({Call.FINALIZE}),
            ask=in_release("the call that failed"),
            releases=Range("6.19", "7.0"),
            words=frozenset({"finalize"}),
        ),
        Cause(
            says="the command line for the next kernel is longer than its image allows",
            remedy="give a shorter one: kho-tui check STATE --target IMAGE --target-cmdline WORDS says how long it may be",
            source="arch/x86/kernel/kexec-bzimage64.c, bzImage64_load, 6.16 to 7.3",
            calls=frozenset({Call.KEXEC_LOAD}),
            ask=elsewhere("the call that failed"),
            words=frozenset({"kexec", "load", "cmdline"}),
        ),
        Cause(
            says="memory inside scratch was to be preserved, which kernels with CONFIG_KEXEC_HANDOVER_DEBUG refuse",
            remedy="preserve memory that the page allocator gave out as unmovable",
            source=core_of_all("kho_scratch_overlap", "6.18"),
            calls=frozenset({Call.PRESERVE_FD}),
            ask=in_release("the driver that called it"),
            releases=Range("6.18"),
            words=frozenset({"preserve", "driver", "scratch"}),
        ),
    ),
)
EXISTS = Symptom(
    name="eexist",
    title="EEXIST: the name, token or subtree is in use",
    errno=("EEXIST",),
    phrases=words("already exists"),
    causes=(
        Cause(
            says="there is a session of this name, or a file of this token, already",
            remedy="use another name or token",
            source=f"{SESSION}, luo_session_insert; {FILE}, luo_preserve_file, 6.19 to 7.3",
            calls=frozenset({Call.CREATE_SESSION, Call.PRESERVE_FD}),
            ask=in_release("the call that failed"),
            releases=LUO_RELEASES,
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
            says="a subtree of this name is registered already: the second one is not handed over",
            remedy="let the driver register it under another name, or once",
            source=f"{CORE}, kho_add_subtree, 6.19 to 7.3",
            ask=in_release("the driver that called it"),
            releases=LUO_RELEASES,
            words=frozenset({"subtree", "driver", "kho_add_subtree"}),
        ),
        Cause(
            says="out/finalize holds the value 1 already",
            remedy="nothing is to be done",
            source="kernel/kexec_handover.c, kho_out_finalize_set, 6.16 to 6.18",
            calls=frozenset({Call.FINALIZE}),
            ask=in_release("the call that failed"),
            releases=Range("6.16", "6.18"),
            words=frozenset({"finalize"}),
        ),
    ),
)
FULL = Symptom(
    name="enospc",
    title="ENOSPC, ENOMEM or EFBIG: something is full",
    errno=("ENOSPC", "ENOMEM", "EFBIG"),
    phrases=words("too many sessions", "too many files"),
    causes=(
        Cause(
            says="the session is full: with pages of 4096 bytes it takes 128 files",
            remedy="use another session, or a kernel from 7.2 on",
            source=f"{FILE}, luo_preserve_file (LUO_FILE_MAX), 6.19 to 7.1",
            calls=frozenset({Call.PRESERVE_FD}),
            ask=in_release("how many files the session has"),
            errors=frozenset({"ENOSPC"}),
            releases=Range("6.19", "7.1"),
            words=frozenset({"file", "files", "preserve", "enospc"}),
        ),
        Cause(
            says="the list of sessions is full: with pages of 4096 bytes it takes 819",
            remedy="use fewer sessions with more files, or a kernel from 7.2 on",
            source=f"{SESSION}, luo_session_insert (LUO_SESSION_MAX), 6.19 to 7.1",
            calls=frozenset({Call.CREATE_SESSION}),
            ask=in_release("how many sessions there are"),
            errors=frozenset({"ENOMEM"}),
            releases=Range("6.19", "7.1"),
            words=frozenset({"session", "sessions", "create", "enomem"}),
        ),
        Cause(
            says="memory outside scratch is used up: what KHO needs for itself cannot lie in scratch, even if scratch is free",
            remedy="free memory outside scratch:  kho-tui show --memory  says how much of what is free is scratch",
            source=f"mm/page_alloc.c (MIGRATE_CMA), 6.16 to 7.3; {CORE}, kho_alloc_preserve, 6.19 to 7.3",
            ask=elsewhere("meminfo at that moment: MemFree less CmaFree"),
            errors=frozenset({"ENOMEM"}),
            words=frozenset({"memory", "alloc", "enomem"}),
        ),
        Cause(
            says="the memfd has more pages than fit into 32 bits",
            remedy="preserve it in pieces",
            source="mm/memfd_luo.c, memfd_luo_preserve, 7.1 to 7.3",
            calls=frozenset({Call.PRESERVE_FD}),
            ask=in_release("the size of the memfd"),
            errors=frozenset({"EFBIG"}),
            releases=Range("7.1"),
            words=frozenset({"memfd", "efbig", "large"}),
        ),
    ),
)
SYMPTOMS = (BUSY, IO_ERROR, NO_ENTRY, NOT_SUPPORTED, TOO_BIG, INVALID, EXISTS, FULL)
