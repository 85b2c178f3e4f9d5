"""``why``: each symptom on a state that has it and on one that has not; what is asked of the evidence, and what no text may say."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from captures import SHARED, copy_of, sample
from kernel_images import bzimage
from running_machine import HWPOISON, PAGE, RunningMachine, running_machine
from this_machine import Machines

from kho_tui.analysis.checkup.question import Standing
from kho_tui.analysis.checkup.table import QUESTIONS
from kho_tui.analysis.symptoms.symptom import Cause, Certainty
from kho_tui.analysis.symptoms.table import SYMPTOMS
from kho_tui.capture import probe
from kho_tui.capture.dmesg import parse_dmesg
from kho_tui.capture.log_texts import texts_of
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.operations.open_state import open_state
from kho_tui.operations.why import Answer, Checkup, case_of, checkup, explain_log, explain_words
from kho_tui.subsystems.registry import builtin
from kho_tui.views.cli.main import run

PRE, POST = sample("x86_64-7.3/1-pre"), sample("x86_64-7.3/1-post")
BANNER = "[    0.000000] Linux version 7.3.4 (gcc) #1 SMP\n"
BOOT = "".join(f"[    0.{number:06}] ACPI: something of a boot\n" for number in range(120))
"""What makes a log more than an excerpt."""
C, L, P, R = Certainty.CERTAIN, Certainty.LIKELY, Certainty.POSSIBLE, Certainty.REFUTED


def ask(words: str, path: Path | None = None, *, log: str = "", images: Path | None = None) -> Answer:
    with case_of(path, Context(), log=log.encode(), images=images) as case:
        return explain_words(words, case) if words else explain_log(log.encode(), case)


def examine(path: Path, images: Path | None = None) -> Checkup:
    with case_of(path, Context(), images=images, rules=True) as case:
        return checkup(case)


def certainty(answer: Answer, cause: str) -> Certainty:
    """How sure the cause is whose sentence holds ``cause``."""
    found = [one for explained in answer.explained for one in explained.causes if cause in one.cause.says]
    assert found, [one.cause.says for explained in answer.explained for one in explained.causes]
    return found[0].weighed.certainty


def quoted(answer: Answer) -> str:
    return " ".join(f"{seen.file}: {seen.value}" for one in answer.explained for cause in one.causes for seen in cause.weighed.evidence)


def log_of(message: str, release: str = "7.3.4") -> str:
    return f"{BANNER.replace('7.3.4', release)}{BOOT}[    1.000000] {message}\n[    2.000000] Run /init as init process\n"


LOGGED = [
    ("KHO: setup: handover FDT (0x20135000) is incompatible with 'kho-v4': 1", "7.3.4", "cold", "another version of the root FDT"),
    ("KHO: setup: handover FDT (0x20135000) is invalid: -9", "7.3.4", "cold", "damaged, or never written"),
    ("KHO: setup: failed to memremap FDT (0x1000)", "7.3.4", "cold", "could not map"),
    ("KHO: failed to get preserved memory map", "6.18.4", "no-memory-map", "names no memory map"),
    ("KHO: kexec-metadata version 2 not supported", "7.3.4", "subtree-refused", "what it names does not arrive"),
    ("KHO: broken KHO subnode 'memblock'", "7.3.4", "subtree-refused", "what it names does not arrive"),
    ("KHO reserve-mem 'pstore' has wrong size (0x1000)", "7.3.4", "reserve-mem", "another size or alignment"),
    ("FDT 'memblock' has no child 'oops'", "7.3.4", "reserve-mem", "no region of this name"),
    ("luo: No registered handler for compatible 'memfd-v3'", "7.3.4", "files-failed", "no file handler of the version"),
    ("luo: File count mismatch", "7.3.4", "files-failed", "list of files that was handed over is damaged"),
    ("memfd_luo: failed to setup file", "7.3.4", "files-failed", "no memory for the file"),
    ("memfd_luo: Unable to restore folio at physical address: 1000", "7.3.4", "files-failed", "memory of a file could not be restored"),
    ("luo: Failed to deserialize files for session [vm] -5", "7.3.4", "sessions-gone", "could not be made again"),
    ("luo: Failed to insert session [vm] -17", "7.3.4", "sessions-gone", "could not be made again"),
    ("luo: FDT 'LUO' is incompatible with 'luo-v1' [1]", "7.1.13", "luo-refuses", "another version of LUO's state"),
    ("luo: LUO state is too small", "7.3.4", "luo-refuses", "cut short or damaged"),
    ("luo: Disabling liveupdate because KHO is disabled", "7.3.4", "no-device", "switches itself off"),
    ("luo: Freeze failed for token[0x1] handler[memfd-v2] err[-EIO]", "7.3.4", "freeze-failed", "refused to freeze"),
    ("luo: kho_finalize failed -12", "7.0.4", "freeze-failed", "EAGAIN"),
    ("liveupdate test: liveupdate_flb_get_incoming for flb-v0 failed", "7.3.4", "flb-failed", "FLB was not handed over"),
    ("test_kho: KHO restore failed", "7.3.4", "test-failed", "folios of the test module"),
    (
        "WARNING: CPU: 0 PID: 1 at kernel/liveupdate/kexec_handover.c:1 kho_restore_page+0x1/0x2",
        "7.3.4",
        "restore-failed",
        "memory of a file",
    ),
    ("KHO: failed to reserve scratch area, disabling kexec handover", "6.18.4", "scratch-failed", ""),
    ("Kernel panic - not syncing: oh", "7.3.4", "panic", ""),
]


@pytest.mark.parametrize(("message", "release", "name", "cause"), LOGGED, ids=lambda value: str(value)[:40])
def test_a_message_of_the_log_names_its_cause_and_a_log_without_it_rules_it_out(message: str, release: str, name: str, cause: str) -> None:
    typed = ask(message)
    assert name in [one.symptom.name for one in typed.explained]
    piped = ask("", log=log_of(message, release))
    assert name in [one.symptom.name for one in piped.explained]
    without = ask(name, log=log_of("KHO: found kexec handover data.", release))
    if cause:
        assert certainty(piped, cause) is C and piped.exit_code == 1 and message[:60] in quoted(piped)
        assert certainty(typed, cause) is C
        # A WARN_ON_ONCE is said once, LUO's line only with liveupdate=on, and of regions nothing where nothing came in.
        unproven = ("memory of a file", "no region of this name", "switches itself off")
        assert certainty(without, cause) is (P if cause.startswith(unproven) else R)
    assert not without.explained[0].found


def test_every_kind_of_message_that_names_a_cause_is_a_symptom() -> None:
    told = {"found", "revived", "liveupdate", "exec-from", "flb", "scratch", "kho", "luo", "warning"}
    kinds = {text.kind for text, _ in texts_of(builtin()).texts}
    assert kinds - told == set().union(*(one.kinds for one in SYMPTOMS)) - {"luo"}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], RunningMachine]:
    def made(name: str) -> RunningMachine:
        monkeypatch.setattr(probe, "LIVE_ROOT", tmp_path / "root")
        made = running_machine(tmp_path / "root", sample(name))
        made.write("proc/mounts", b"debugfs /sys/kernel/debug debugfs rw 0 0\n")
        made.write("proc/filesystems", b"nodev\tdebugfs\n")
        return made

    return made


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    return Machines(tmp_path / "root", monkeypatch)


def captured(path: Path) -> Path:
    """A capture of this machine at ``path``."""
    run(["capture", "-o", str(path)])
    return path


def image(folder: Path, mib: int, banner: str = "7.3.4") -> Path:
    folder.mkdir(exist_ok=True)
    body = bytes(16) + b"kho-v4\0luo-v5\0memfd-v2\0kho-test-v1\0Linux version " + banner.encode() + b" (gcc) #1 SMP\n"
    (folder / f"vmlinuz-{banner}").write_bytes(bzimage(gzip.compress(body), mib << 20))
    return folder


def with_files(tmp_path: Path, source: Path, **files: str) -> Path:
    copy = tmp_path / "capture"
    copy_of(source, copy)
    for name, text in files.items():
        (copy / name).write_text(f"{text}\n")
    return copy


def unfinalized(tmp_path: Path) -> Path:
    """6.18 before it is finalized: neither out/fdt nor out/sub_fdts (kernel/kexec_handover.c, 6.18)."""
    copy = tmp_path / "open"
    copy_of(sample("x86_64-6.18/1-pre"), copy)
    (copy / "kho/out/finalize").write_text("0\n")
    for path in (copy / "memory.elf", copy / "kho/out/fdt", *(copy / "kho/out/sub_fdts").iterdir()):
        path.unlink()
    return copy


def test_an_image_that_fits_into_no_area(tmp_path: Path) -> None:
    too_large = ask("EADDRNOTAVAIL", PRE, images=image(tmp_path / "large", 70))
    assert certainty(too_large, "largest segment") is C and too_large.exit_code == 1
    assert "70 MiB" in quoted(too_large) and "64 MiB" in quoted(too_large)
    fits = ask("EADDRNOTAVAIL", PRE, images=image(tmp_path / "small", 16))
    assert certainty(fits, "largest segment") is R and not fits.explained[0].found
    assert certainty(ask("EADDRNOTAVAIL", PRE), "largest segment") is P


def test_kho_scratch_on_a_kho_boot_has_no_effect(tmp_path: Path) -> None:
    line = (POST / "cmdline").read_text().strip()
    asked = with_files(tmp_path, POST, cmdline=f"{line} kho_scratch=128M,128M,128M")
    assert certainty(ask("EADDRNOTAVAIL", asked), "sized by an earlier boot") is L
    assert certainty(ask("EADDRNOTAVAIL", POST), "sized by an earlier boot") is R


def test_who_has_the_device_open(machine: Callable[[str], RunningMachine]) -> None:
    fake = machine("x86_64-7.3/1-pre")
    fake.write("dev/liveupdate", b"")
    assert certainty(ask("EBUSY", fake.kho), "another process") is P
    folder = fake.root / "proc/77/fd"
    folder.mkdir(parents=True)
    (fake.root / "proc/77/comm").write_bytes(b"agent\x1b[31m\n")
    (folder / "3").symlink_to("/dev/liveupdate")
    busy = ask("EBUSY open", fake.kho)
    assert certainty(busy, "another process") is L and "agent\\x1b[31m (pid 77)" in quoted(busy)
    assert busy.explained[0].causes[0].cause.says.startswith("another process")


def test_nothing_more_is_preserved_while_finalized(tmp_path: Path) -> None:
    pre = sample("x86_64-6.18/1-pre")
    assert certainty(ask("EBUSY", pre), "while the outgoing side is finalized") is L
    copy = unfinalized(tmp_path)
    assert certainty(ask("EBUSY", copy), "while the outgoing side is finalized") is P
    assert certainty(ask("EBUSY", PRE), "while the outgoing side is finalized") is R
    cold = ask("boots cold", copy)
    assert certainty(cold, "was not finalized") is L and certainty(ask("boots cold", pre), "was not finalized") is P


def test_eio_of_the_device_goes_by_the_log() -> None:
    failing = ask("EIO /dev/liveupdate", log=log_of("luo: Failed to insert session [vm] -17"))
    assert certainty(failing, "every open of /dev/liveupdate") is C
    without = ask("EIO", POST)
    assert certainty(without, "every open of /dev/liveupdate") is R
    # That no WARNING is in the log proves nothing.
    assert certainty(without, "memory of a file could not be restored") is P and without.exit_code == 2


def test_enoent_where_no_session_came_in() -> None:
    assert certainty(ask("ENOENT retrieve session", PRE), "no session came into this kernel") is C
    assert certainty(ask("ENOENT retrieve session", POST), "no session came into this kernel") is P


@pytest.mark.parametrize(
    ("errno", "cause"),
    [
        ("E2BIG", "newer header"),
        ("EINVAL", "retrieved before"),
        ("EEXIST", "session of this name"),
        ("ENOSPC", "session is full"),
        ("ENOMEM", "list of sessions is full"),
        ("EFBIG", "32 bits"),
    ],
)
def test_errors_of_luo_are_ruled_out_by_a_release_without_it(errno: str, cause: str) -> None:
    with_luo = sample("x86_64-7.1/1-pre")
    assert certainty(ask(errno, with_luo), cause) is P
    assert certainty(ask(errno, sample("x86_64-6.18/1-pre")), cause) is R


def test_eopnotsupp_where_kho_or_luo_is_off(tmp_path: Path, machine: Callable[[str], RunningMachine]) -> None:
    assert certainty(ask("EOPNOTSUPP", PRE), "KHO is not on") is R and certainty(ask("EOPNOTSUPP", PRE), "LUO is not on") is R
    fake = machine("x86_64-7.3/1-pre")
    hide_kho(fake, "kho=off")
    off = ask("EOPNOTSUPP", fake.kho)
    assert certainty(off, "KHO is not on") is C and "cmdline: kho=off" in quoted(off)
    assert certainty(off, "LUO is not on") is C and "no liveupdate=" in quoted(off)


def hide_kho(fake: RunningMachine, cmdline: str) -> None:
    """The machine as it is with another command line that leaves KHO off."""

    shutil.rmtree(fake.kho)
    fake.write("proc/cmdline", f"console=ttyS0 {cmdline}\n".encode())
    fake.write("dev/kmsg", b"")


def test_scratch_is_cma(tmp_path: Path) -> None:
    assert certainty(ask("CmaFree above CmaTotal", PRE), "scratch is CMA") is C
    other = with_files(tmp_path, PRE, meminfo="MemTotal: 1000000 kB\nMemFree: 900000 kB\nCmaTotal: 65536 kB\nCmaFree: 100 kB\n")
    answer = ask("CmaFree above CmaTotal", other)
    assert certainty(answer, "scratch is CMA") is P and answer.exit_code == 2


def test_pins_fail_where_only_scratch_is_free(tmp_path: Path) -> None:
    scarce = with_files(tmp_path, PRE, meminfo="MemTotal: 1000000 kB\nMemFree: 118000 kB\nCmaTotal: 0 kB\nCmaFree: 116000 kB\n")
    answer = ask("VFIO pin fails", scarce)
    assert certainty(answer, "moved out before a long-term pin") is L and "free outside scratch and CMA: 1.953 MiB" in quoted(answer)
    assert certainty(ask("rdma registration: pin_user_pages", PRE), "moved out before a long-term pin") is P


def test_pins_have_nothing_to_do_with_kho_where_it_is_off(machine: Callable[[str], RunningMachine]) -> None:
    fake = machine("x86_64-7.3/1-pre")
    hide_kho(fake, "kho=off")
    assert certainty(ask("vfio", fake.kho), "moved out before a long-term pin") is R


def test_sessions_that_wait_are_not_lost() -> None:
    assert certainty(ask("sessions gone", POST), "nothing is lost") is L
    assert certainty(ask("sessions gone", PRE), "nothing is lost") is R
    assert certainty(ask("sessions gone", PRE), "was handed nothing") is L


def test_sessions_are_gone_where_luo_is_off(tmp_path: Path) -> None:
    copy = with_files(tmp_path, POST, cmdline="console=ttyS0 kho=on")
    for path in (copy / "memory.elf", copy / "dmesg", *(copy / "kho/out").rglob("*")):
        if path.is_file():
            path.unlink()
    assert certainty(ask("sessions gone", copy), "LUO was off") is C


@pytest.mark.shared
def test_the_upgrade_that_booted_cold() -> None:
    upgrade = SHARED / "upgrades"
    refused = ask("sessions gone after kexec", upgrade / "7.1-to-7.3/1-post")
    assert certainty(refused, "another version of the root FDT") is C and "incompatible with 'kho-v4'" in quoted(refused)
    assert [one.certainty for one in (cause.weighed for cause in refused.explained[0].causes)].count(C) == 1
    assert examine(upgrade / "7.1-to-7.3/1-post").exit_code == 1
    accepted = ask("handover FDT is incompatible", upgrade / "6.18-to-6.19/1-post")
    assert certainty(accepted, "another version of the root FDT") is R


def test_memory_is_missing(tmp_path: Path) -> None:
    cut = with_files(tmp_path, PRE, cmdline="kho=on mem=512M")
    assert certainty(ask("memory missing", cut), "mem= or memmap=") is L
    assert certainty(ask("memory missing", PRE), "mem= or memmap=") is R
    assert certainty(ask("memory missing", PRE), "scratch holds it") is P
    assert certainty(ask("memory missing", POST), "memory that came in stays reserved") is P


def test_a_region_that_nobody_asks_for(tmp_path: Path) -> None:
    copy = with_files(tmp_path, POST, cmdline="kho=on liveupdate=on reserve_mem=1M:2M:pstore")
    answer = ask("pstore lost: reserve_mem", copy)
    assert certainty(answer, "does not name a region that was handed over") is C and "region oops_trace" in quoted(answer)
    assert certainty(ask("reserve_mem", POST), "does not name a region that was handed over") is R


def test_memoryless_nodes_make_scratch_fail() -> None:
    failed = "KHO: failed to reserve scratch area, disabling kexec handover"
    assert certainty(ask("", log=log_of(failed, "6.18.4")), "online node without memory") is P
    assert certainty(ask("", log=log_of(failed, "7.3.4")), "online node without memory") is R


def test_a_kdump_kernel_leaves_kho_off_by_design(tmp_path: Path) -> None:
    kdump = with_files(tmp_path, PRE, cmdline="kho=on elfcorehdr=0x1000")
    assert certainty(ask("scratch-failed", kdump), "kdump kernel") is L
    assert certainty(ask("scratch-failed", PRE), "kdump kernel") is R


def test_out_finalize_by_release_and_lockdown(machine: Callable[[str], RunningMachine]) -> None:
    assert certainty(ask("out/finalize missing", PRE), "has no out/finalize") is C
    assert certainty(ask("out/finalize missing", sample("x86_64-6.18/1-pre")), "has no out/finalize") is R
    fake = machine("x86_64-6.18/1-pre")
    fake.write("sys/kernel/security/lockdown", b"none [integrity] confidentiality\n")
    assert certainty(ask("finalize", fake.kho), "lockdown") is C
    fake.write("sys/kernel/security/lockdown", b"[none] integrity confidentiality\n")
    assert certainty(ask("finalize", fake.kho), "lockdown") is R


def test_loading_that_is_not_permitted(machine: Callable[[str], RunningMachine]) -> None:
    fake = machine("x86_64-7.3/1-pre")
    fake.write("proc/sys/kernel/kexec_load_disabled", b"1\n")
    assert certainty(ask("EPERM kexec load", fake.kho), "switched off until the next boot") is C
    fake.write("proc/sys/kernel/kexec_load_disabled", b"0\n")
    assert certainty(ask("EPERM kexec load", fake.kho), "switched off until the next boot") is R


def test_panics(tmp_path: Path) -> None:
    cut = with_files(tmp_path, PRE, cmdline="kho=on mem=512M")
    assert certainty(ask("the next kernel panics", cut), "mem= or memmap=") is L
    assert certainty(ask("the next kernel panics", PRE), "mem= or memmap=") is P


def test_contents_and_fixes_go_by_the_kernel_that_handed_over() -> None:
    assert certainty(ask("memfd came back with zeros", POST), "clean or not uptodate") is R
    assert certainty(ask("memfd came back with zeros", sample("x86_64-6.19/1-post")), "clean or not uptodate") is P


def test_no_device(machine: Callable[[str], RunningMachine]) -> None:
    fake = machine("x86_64-7.3/1-pre")
    fake.write("dev/liveupdate", b"")
    assert certainty(ask("no /dev/liveupdate", fake.kho), "LUO is not built") is R
    (fake.root / "dev/liveupdate").unlink()
    hide_kho(fake, "kho=on")
    assert certainty(ask("no /dev/liveupdate", fake.kho), "LUO is not built") is C


def test_no_debugfs(machine: Callable[[str], RunningMachine]) -> None:
    fake = machine("x86_64-7.3/1-pre")
    assert certainty(ask("/sys/kernel/debug/kho", fake.kho), "cannot be seen") is R
    hide_kho(fake, "kho=on")
    fake.write("proc/mounts", b"")
    answer = ask("/sys/kernel/debug/kho", fake.kho)
    assert certainty(answer, "cannot be seen") is C and "debugfs is not mounted" in quoted(answer)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("kexec -s -l: Cannot assign requested address", "eaddrnotavail"),
        ("my sessions are gone after the kexec", "sessions-gone"),
        ("memory is missing after kexec", "memory-missing"),
        ("open(/dev/liveupdate) = -EBUSY", "ebusy"),
        ("errno -16", "ebusy"),
        ("my pstore is gone after the kexec", "reserve-mem"),
        ("open /dev/liveupdate: Input/output error", "eio"),
        ("CmaFree > CmaTotal in /proc/meminfo", "cma"),
        ("VFIO_IOMMU_MAP_DMA failed: vfio pinning", "pinning"),
        ("the new kernel panicked", "panic"),
        ("ioctl: Operation not supported", "eopnotsupp"),
        ("Failed to reserve scratch", "scratch-failed"),
        ("disabling KHO revival", "cold"),
        ("there is no /dev/liveupdate", "no-device"),
        ("handover FDT (0x1) is incompatible with 'kho-v4'", "cold"),
        ("Linux version 7.2.0 KHO: disabling KHO revival", "cold"),
        ("KHO: example frobnicator: no room (-28)", "enospc"),
        ("ls: cannot access /sys/kernel/debug/kho: No such file or directory", "no-debugfs"),
        ("reboot(LINUX_REBOOT_CMD_KEXEC) = -1 EBUSY", "freeze-failed"),
        ("Failed to invoke reboot(): Device or resource busy", "freeze-failed"),
        ("EINVAL finalize", "einval"),
        ("sh: echo: I/O error", "eio"),
        ("memory lost after kexec", "memory-missing"),
        ("kexec -l without -s", "cold"),
        ("kexec_load: Operation not permitted", "eperm"),
        ("kexec -l worked, but the new kernel knows nothing of KHO's sessions", "sessions-gone"),
        ("The incoming tree failed to initialize properly", "luo-refuses"),
        ("KHO does not work at all", "scratch-failed"),
    ],
)
def test_symptoms_as_a_new_user_types_them(words: str, name: str) -> None:
    answer = ask(words)
    assert answer.explained, [symptom.name for symptom in answer.nearest[:4]]
    assert answer.explained[0].symptom.name == name, ([one.symptom.name for one in answer.explained], answer.others)


@pytest.mark.parametrize(
    ("words", "name", "cause"),
    [
        ("kexec_file_load failed: Cannot assign requested address", "eaddrnotavail", "no single scratch area"),
        ("VFIO_MAP_DMA failed: Cannot allocate memory", "pinning", "pages in scratch have to be moved out"),
        ('open("/dev/liveupdate") = -1 EIO (Input/output error)', "eio", "the sessions that came in could not be made again"),
        ("KHO: disabling KHO revival: -22", "cold", "accepts another version of the root FDT"),
        ("KHO: disabling KHO revival: -14", "cold", "could not map the root FDT"),
        ("CmaFree larger than CmaTotal", "cma", "scratch is CMA"),
        ("session ENOENT after kexec", "sessions-gone", "the agent closed the session"),
        ("/sys/kernel/debug/kho missing", "no-debugfs", "KHO is not on"),
        ("finalize Operation not permitted", "finalize", "kernel lockdown refuses"),
        ("PRESERVE_FD EOPNOTSUPP", "eopnotsupp", "the memfd has seals"),
        ("ioctl(LIVEUPDATE_SESSION_PRESERVE_FD) ENOENT", "enoent", "no file handler accepts"),
        ("MemAvailable lower after kexec", "memory-missing", "memory that came in stays reserved"),
        ("systemctl kexec: EBUSY, old kernel still running", "freeze-failed", "a file handler refused to freeze"),
        ("KHO: Failed to reserve scratch array", "scratch-failed", "an online node without memory"),
    ],
)
def test_where_nothing_is_known_of_the_machine_the_likeliest_cause_comes_first(words: str, name: str, cause: str) -> None:
    (explained,) = ask(words).explained
    assert explained.symptom.name == name
    assert cause in explained.causes[0].cause.says, [weighed.cause.says for weighed in explained.causes]
    # Typed or piped, an excerpt of a line gives the same answer.
    (piped,) = ask("", log=f"{words}\n").explained
    assert (piped.symptom.name, piped.causes[0].cause.says) == (name, explained.causes[0].cause.says)


def test_the_panic_of_luo_is_no_panic_of_any_kind() -> None:
    """luo_restore_fail panics with this text, without a prefix (kernel/liveupdate/luo_internal.h, 6.19 to 7.3)."""
    panic = "Kernel panic - not syncing: The incoming tree failed to initialize properly [{}], disabling live update"
    for text in (panic.format("-22"), panic.format("-EINVAL")):
        (explained,) = ask(text).explained
        assert explained.symptom.name == "luo-refuses"
        assert [cause.weighed.certainty for cause in explained.causes] == [L, P] and "another version" in explained.causes[0].cause.says
    missing = ask(panic.format("-ENOENT"))
    assert certainty(missing, "another version") is R and certainty(missing, "cut short or damaged") is L
    told = ask("", log=log_of(f"luo: FDT 'LUO' is incompatible with 'luo-v1' [1]\n[    2.0] {panic.format('-22')}", "7.1.13"))
    assert certainty(told, "another version") is C and certainty(told, "cut short or damaged") is R


def test_words_that_say_nothing_leave_the_word_to_the_log() -> None:
    log = log_of("KHO: Failed to reserve scratch area, disabling kexec handover", "6.18.2")
    answer = ask("it is broken", log=log)
    assert [explained.symptom.name for explained in answer.explained] == ["scratch-failed"] and answer.note
    off = ask("no-debugfs", log=log)
    assert certainty(off, "switched itself off") is C and certainty(off, "KHO is not on") is R


def test_a_release_among_the_words_counts() -> None:
    assert certainty(ask("PRESERVE_FD ENOSPC on kernel 7.3"), "the session is full") is R
    assert certainty(ask("PRESERVE_FD ENOSPC, a 7.1 kernel"), "the session is full") is P
    assert certainty(ask("PRESERVE_FD ENOSPC from kernel 7.1 to kernel 7.3"), "the session is full") is P
    assert certainty(ask("PRESERVE_FD ENOSPC with 6.18 GiB free, libvirt 6.18"), "the session is full") is P


def test_a_log_of_this_boot_says_nothing_of_the_next_kexec() -> None:
    assert certainty(ask("boots cold", PRE), "another version of the root FDT") is P


def test_the_error_number_of_an_older_kernel_decides() -> None:
    """6.16 to 6.18 write it behind the message: kernel/kexec_handover.c, kho_populate."""
    refused, unmapped = ask("KHO: disabling KHO revival: -22"), ask("KHO: disabling KHO revival: -14")
    assert certainty(refused, "could not map") is R and certainty(refused, "another version of the root FDT") is P
    assert certainty(unmapped, "could not map") is C and certainty(unmapped, "another version of the root FDT") is R


def test_causes_of_another_call_are_set_aside() -> None:
    answer = ask("PRESERVE_FD gives ENOENT", sample("x86_64-7.3/1-pre"))
    assert {weighed.cause.says[:22] for weighed in answer.explained[0].causes if weighed.stands} == {"no file handler accept"}
    # That no session came in is certain, and says nothing of a preserve that fails.
    assert certainty(answer, "no session came into this kernel") is C and answer.exit_code == 2


@pytest.mark.parametrize(
    ("words", "causes"),
    [
        ("LIVEUPDATE_SESSION_FINISH gives EBUSY", ["a file of the session cannot be finished yet"]),
        ("kexec_file_load: EKEYREJECTED", ["the kernel takes no image without a valid signature"]),
        ("kexec -s -l: EACCES", ["the command did not run as root", "IMA refuses the image"]),
        ("kexec -s -l: EPERM", ["the command did not run as root", "loading kernels is switched off", "kernel lockdown refuses"]),
        ("ioctl LIVEUPDATE_SESSION_RETRIEVE_FD: E2BIG", ["an ioctl of /dev/liveupdate was given", "kho_alloc_preserve was called"]),
        ("open of /dev/liveupdate: EEXIST", ["sessions", "a subtree of this name"]),
    ],
)
def test_only_causes_of_that_call_with_that_error_stand(words: str, causes: list[str]) -> None:
    standing = [weighed.cause.says for weighed in ask(words).explained[0].causes if weighed.stands]
    assert len(standing) == len(causes) and all(any(cause in says for says in standing) for cause in causes), standing


@pytest.mark.parametrize(
    ("words", "name", "cause", "sure"),
    [
        ("VM memory gone after kexec 7.1 to 7.3", "sessions-gone", "another version of the root FDT", L),
        ("guest memory lost after kexec 7.2 into 7.3", "sessions-gone", "another version of the root FDT", R),
        ("PRESERVE_FD ENOSPC", "enospc", "the session is full", P),
        ("PRESERVE_FD EFBIG", "enospc", "more pages than fit into 32 bits", P),
        ("the 129th PRESERVE_FD fails with ENOSPC on 7.2", "enospc", "the session is full", R),
        ("/sys/kernel/debug/kho/out/finalize: Operation not permitted", "finalize", "lockdown refuses", P),
        ("luo: LUO incoming tree failed to initialize [-22]", "luo-refuses", "another version of LUO's state", L),
    ],
)
def test_symptoms_of_a_third_new_user(words: str, name: str, cause: str, sure: Certainty) -> None:
    answer = ask(words)
    assert answer.explained[0].symptom.name == name and certainty(answer, cause) is sure
    first = answer.explained[0].causes[0]
    assert sure is R or (first.stands and cause in first.cause.says)


def test_a_log_given_with_words_is_heard() -> None:
    answer = ask("MemAvailable is low", log=log_of("KHO: setup: handover FDT (0x20135000) is incompatible with 'kho-v4': 1"))
    assert [one.symptom.name for one in answer.explained] == ["cold", "memory-missing"] and answer.exit_code == 1


def test_what_the_words_say_of_the_command_line_is_evidence() -> None:
    assert certainty(ask("kho=off and /sys/kernel/debug/kho is missing"), "KHO is not on") is C
    assert "command line in the words given: kho=on" in quoted(ask("no /sys/kernel/debug/kho but kho=on"))


def test_a_machine_with_a_kho_tree_did_not_switch_it_off() -> None:
    assert certainty(ask("finalize Operation not permitted", sample("x86_64-6.18/1-pre")), "switched itself off") is R


def test_where_no_cause_of_that_call_is_known_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["why", "RETRIEVE_FD gives EBUSY", str(PRE)]) == 2
    said = capsys.readouterr().out
    assert "no cause of that call with that error is known here" in said and "of another call (LIVEUPDATE_SESSION_PRESERVE_FD)" in said


def test_a_machine_without_kho_is_no_evidence_of_another(machine: Callable[[str], RunningMachine]) -> None:
    fake = machine("x86_64-7.3/1-pre")
    hide_kho(fake, "root=/dev/vda")
    (fake.root / "proc/config.gz").write_bytes(gzip.compress(b"# CONFIG_KEXEC_HANDOVER is not set\n"))
    with case_of(fake.kho, Context(), implied=True) as case:
        answer = explain_words("EIO of /dev/liveupdate", case)
    assert "this one is left out: this kernel is built without KHO" in answer.left_out
    assert certainty(answer, "the sessions that came in could not be made again") is P and answer.exit_code == 2
    # Who names the machine means it.
    assert ask("EOPNOTSUPP", fake.kho).exit_code == 1


def test_an_excerpt_of_a_log_rules_nothing_out() -> None:
    grep = f"{BANNER}[    0.1] KHO: disabling KHO revival\n"
    assert certainty(ask("", log=grep), "another version of the root FDT") is P
    assert certainty(ask("", log=log_of("KHO: disabling KHO revival")), "another version of the root FDT") is R


def test_the_log_says_command_line_and_lockdown() -> None:
    head = "[    0.000000] Linux version 6.18.3\n[    0.000000] Command line: root=/dev/vda {}\n"
    off = ask("no-debugfs", log=head.format("ro"))
    assert certainty(off, "KHO is not on") is P and "command line in the log given: no kho=" in quoted(off)
    assert certainty(ask("EOPNOTSUPP", log=head.format("kho=off")), "KHO is not on") is C
    assert off.subject == "the log given, kernel 6.18.3"
    assert "switched off by kho=off on the kernel command line" in quoted(ask("pinning", log=head.format("kho=off")))
    locked = ask("finalize EPERM", log=head.format("kho=on lockdown=integrity"))
    assert certainty(locked, "kernel lockdown refuses") is C
    assert certainty(ask("scratch-failed", log=head.format("kho=on")), "kdump kernel") is R
    took_over = head.format("kho=on") + "[ 1.0] luo: Retrieved live update data, liveupdate number: 1\n"
    gone = ask("sessions gone", log=took_over)
    assert certainty(gone, "LUO was off") is R and certainty(gone, "was handed nothing") is R


def test_a_message_of_a_failure_that_is_not_known_is_no_good_news() -> None:
    unknown = ask("", log=log_of("luo: Cannot frobnicate session [vm]"))
    assert unknown.exit_code == 2 and "Cannot frobnicate session" in str(unknown.note)


def test_an_unknown_word_lists_what_is_known_nearest_first() -> None:
    answer = ask("EBUSSY")
    assert answer.exit_code == 2 and not answer.explained
    assert answer.nearest[0].name == "ebusy" and len(answer.nearest) < len(SYMPTOMS)
    assert not ask("xyzzy").nearest
    assert ask("\udcff\udce9 \ud800 \x1b[31m").exit_code == 2


def test_a_log_of_nothing_and_a_log_of_nothing_wrong() -> None:
    assert ask("", log="hello\n").exit_code == 2
    assert ask("", log=log_of("KHO: found kexec handover data.")).exit_code == 0


def test_the_last_boot_of_a_log_counts() -> None:
    """A KHO boot, then a cold one of the same kernel: nothing came into the last."""
    kho = log_of("KHO: found kexec handover data.\n[    1.1] luo: Retrieved live update data, liveupdate number: 1")
    cold = log_of("ACPI: nothing of KHO")
    answer = ask("sessions gone", log=kho + cold)
    assert "the last of its 2 boots" in answer.subject
    assert certainty(answer, "was handed nothing") is L and certainty(answer, "nothing is lost") is R


def test_a_log_without_its_end_rules_nothing_out() -> None:
    whole = log_of("KHO: found kexec handover data.")
    assert certainty(ask("RETRIEVE_SESSION ENOENT", log=whole.replace("Run /init", "Ran")), "no session came into this kernel") is P
    assert certainty(ask("RETRIEVE_SESSION ENOENT", log=whole), "no session came into this kernel") is C


def test_a_vendor_may_have_what_a_later_release_has() -> None:
    log = log_of("ACPI: no LUO", "6.18.15-200.azl3")
    assert certainty(ask("no-device", log=log), "release without LUO") is P
    assert certainty(ask("no-device", log=log_of("ACPI: no LUO", "6.18.15")), "release without LUO") is C


def test_a_log_and_a_capture_of_different_kernels_are_not_mixed() -> None:
    with pytest.raises(InputError, match="ask with one of them"):
        ask("sessions gone", POST, log=log_of("KHO: found kexec handover data.", "6.18.15"))


def test_a_warning_of_the_kernel_is_a_failure() -> None:
    warned = ask("", log=log_of("WARNING: kernel/liveupdate/kexec_handover.c:220 at kho_preserve_pages+0x1/0x2, CPU#0: agent/1"))
    assert warned.exit_code == 2 and not warned.sound_log


def test_a_message_of_another_boot_is_not_ruled_out_by_this_log() -> None:
    assert certainty(ask("KHO: disabling KHO revival", PRE), "another version of the root FDT") is P


def test_captured_text_is_made_visible() -> None:
    answer = ask("", log=log_of("luo: Failed to insert session [\x07\u202e] -17"))
    assert "\x07" not in quoted(answer) and "\\x07\\u{202e}" in quoted(answer)


# Doctor.


def standing(found: Checkup, name: str) -> Standing:
    return next(one.finding.standing for one in found.examined if one.question.name == name)


def said_of(found: Checkup, name: str) -> str:
    finding = next(one.finding for one in found.examined if one.question.name == name)
    return " ".join([finding.says, *finding.details, *(f"{one.file}: {one.value}" for one in finding.evidence), finding.remedy])


@pytest.mark.parametrize("name", ["x86_64-7.3/1-pre", "x86_64-7.3/2-pre", "x86_64-7.1/1-pre", "x86_64-6.18/1-pre"])
def test_nothing_is_amiss_with_a_state_about_to_be_handed_over(name: str) -> None:
    found = examine(sample(name))
    assert found.exit_code == 0, [one for one in found.examined if one.finding.standing is Standing.WRONG]
    assert {one.question.name for one in found.examined} == {one.name for one in QUESTIONS}


def test_the_checkup_adds_up(tmp_path: Path) -> None:
    found = examine(PRE, image(tmp_path / "boot", 16))
    assert "120 MiB in 4 areas, 11.7 % of RAM" in said_of(found, "scratch")
    assert "5.047 MiB  LUO/vm-alpha" in said_of(found, "owners")
    assert "kernel while it unpacks 16 MiB" in said_of(found, "scratch-needed")
    assert standing(found, "kernels") is Standing.OK and "1 of 1 image accept" in said_of(found, "kernels")
    assert standing(found, "scratch-used") is Standing.UNKNOWN and standing(found, "loaded") is Standing.UNKNOWN


def test_an_image_that_does_not_fit_and_one_that_boots_cold(tmp_path: Path) -> None:
    large = examine(PRE, image(tmp_path / "boot", 70))
    assert standing(large, "scratch-needed") is Standing.WRONG and large.exit_code == 1
    old = tmp_path / "old"
    old.mkdir()
    body = bytes(16) + b"kho-v1\0luo-v1\0memfd-v1\0Linux version 6.19.11 (gcc) #1 SMP\n"
    (old / "vmlinuz-6.19.11").write_bytes(bzimage(gzip.compress(body), 16 << 20))
    (old / "initrd.img-6.19.11").write_bytes(bytes(5 << 20))
    refused = examine(PRE, old)
    assert standing(refused, "kernels") is Standing.WRONG and "kho-v4" in said_of(refused, "kernels")
    assert "initrd 5 MiB" in said_of(refused, "scratch-needed")


@pytest.mark.parametrize(("fault", "question"), [("root-magic", "owners"), ("session-block-empty", "sound"), ("map-zero", "sound")])
def test_a_broken_state_is_not_called_well(fault: str, question: str, tmp_path: Path) -> None:
    fault_capture(str(PRE), fault, tmp_path / "broken", Context())
    found = examine(tmp_path / "broken")
    assert found.exit_code == 1 and standing(found, question) is Standing.WRONG
    assert standing(examine(PRE), question) is Standing.OK


@pytest.mark.parametrize("lacking", ["memory.elf", "kho/out/scratch_phys"])
def test_a_state_that_was_not_read_whole_is_not_called_well(lacking: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy_of(PRE, tmp_path / "copy")
    (tmp_path / "copy" / lacking).unlink()
    found = examine(tmp_path / "copy")
    assert standing(found, "sound") is Standing.UNKNOWN and "could not check: " in said_of(found, "sound")
    assert found.exit_code == 2
    assert run(["why", str(tmp_path / "copy")]) == 2
    assert "nothing amiss was found, and unknown is what decides: " in (said := capsys.readouterr().out) and "state sound" in said


@pytest.mark.shared
def test_where_check_cannot_check_nothing_is_well() -> None:
    assert examine(SHARED.parent / "cases/2pre-root0-magic-73.tar.xz").exit_code == 2


def test_without_an_outgoing_side_no_handover_depends_on_its_soundness(machine: Callable[[str], RunningMachine]) -> None:
    fake = machine("x86_64-7.3/1-pre")
    hide_kho(fake, "kho=off")
    assert standing(examine(fake.kho), "sound") is Standing.UNKNOWN
    assert not any(one.undecided for one in examine(fake.kho).examined if one.question.name == "sound")


def test_what_a_machine_lacks_has_a_line_each(machine: Callable[[str], RunningMachine]) -> None:
    fake = machine("x86_64-7.3/1-pre")
    fake.write("sys/kernel/security/lockdown", b"none integrity [confidentiality]\n")
    fake.write("sys/kernel/kexec_loaded", b"1\n")
    hide_kho(fake, "kho=off")
    fake.write("proc/mounts", b"")
    found = examine(fake.kho)
    assert found.exit_code == 1 and found.subject.startswith("this machine")
    wrong = {one.question.name for one in found.examined if one.finding.standing is Standing.WRONG}
    assert {"on", "liveupdate", "debugfs", "lockdown"} <= wrong
    assert "cmdline: kho=off" in said_of(found, "on") and "mount -t debugfs" in said_of(found, "debugfs")
    assert standing(found, "built") is Standing.OK
    assert all(one.finding.remedy for one in found.examined if one.finding.standing is Standing.WRONG)


def test_a_running_machine_is_found_well_and_its_boot_directory_is_looked_at(machine: Callable[[str], RunningMachine]) -> None:
    fake = machine("x86_64-7.3/1-pre")
    fake.write("sys/kernel/security/lockdown", b"[none] integrity confidentiality\n")
    fake.write("sys/kernel/kexec_loaded", b"0\n")
    (fake.root / "boot").mkdir()
    image(fake.root / "boot", 16)
    found = examine(fake.kho)
    assert standing(found, "lockdown") is Standing.OK and standing(found, "loaded") is Standing.OK
    assert "vmlinuz-7.3.4" in said_of(found, "kernels")


def test_a_kernel_without_lockdown_is_not_locked_down(machine: Callable[[str], RunningMachine]) -> None:
    """Without CONFIG_SECURITY there is no securityfs either, whose file would say it."""
    fake = machine("x86_64-7.3/1-pre")
    found = examine(fake.kho)
    assert standing(found, "lockdown") is Standing.OK and "no CONFIG_SECURITY_LOCKDOWN_LSM" in said_of(found, "lockdown")
    (fake.root / "proc/config.gz").unlink()
    assert standing(examine(fake.kho), "lockdown") is Standing.UNKNOWN


def test_symbols_that_are_not_listed_are_wrong_where_something_is_missing_for_it(machine: Callable[[str], RunningMachine]) -> None:
    """6.16 to 6.18 show all of the outgoing root FDT once it is finalized, and there is none before (kernel/kexec_handover.c)."""
    fake = machine("x86_64-6.18/1-pre")
    fake.name_root(None, shown="not-listed")
    fake.write_memory()
    assert standing(examine(fake.kho), "memory") is Standing.OK and "all of the outgoing root FDT" in said_of(examine(fake.kho), "memory")
    root, whole = fake.kho / "out/fdt", (fake.kho / "out/fdt").read_bytes()
    root.write_bytes(whole[:152])
    assert standing(examine(fake.kho), "memory") is Standing.WRONG
    root.unlink()
    for blob in (fake.kho / "out/sub_fdts").iterdir():
        blob.unlink()
    (fake.kho / "out/finalize").write_bytes(b"0\n")
    assert standing(examine(fake.kho), "memory") is Standing.OK and "before it is finalized" in said_of(examine(fake.kho), "memory")


@pytest.mark.parametrize("how", ["live", "captured", "by hand"])
def test_the_record_of_a_boot_proves_no_handover(how: str, machines: Machines, tmp_path: Path) -> None:
    """A kernel that refuses makes no kho/in, and the record of setup_data stays (kho_in_debugfs_init, 6.16 to 7.3)."""
    fake = machines("x86_64-7.3/1-post")
    shutil.rmtree(fake.kho / "in")
    fake.write("dev/kmsg", b"6,1,9000000000,-;systemd[1]: hello\n")
    fake.write("proc/cmdline", b"kho=on kho_scratch=64M,0,32M\n")
    path = fake.kho if how == "live" else captured(tmp_path / "capture")
    if how == "by hand":
        (path / "capture.json").unlink()
        (path / "memory.elf").unlink()
    small = ask("eaddrnotavail", path)
    assert certainty(small, "scratch was sized by an earlier boot") is (P if how == "by hand" else R)
    assert "this boot was told of a root FDT" in quoted(ask("cold", path)) and certainty(ask("cold", path), "was handed nothing") is R
    with open_state(path, Context()) as opened:
        assert ("in" in opened.state.sides) == (how == "by hand")


def test_lockdown_is_the_cause_of_what_it_refuses_alone(machines: Machines) -> None:
    fake = machines("x86_64-7.3/1-pre")
    fake.write("sys/kernel/security/lockdown", b"none [integrity] confidentiality\n")
    for words in ("create_session EPERM", "retrieve fd: EPERM", "read of /proc/kcore: EPERM", "writing out/finalize EPERM"):
        answer = ask(words, fake.kho)
        standing = [one.cause.says for one in answer.explained[0].causes if one.stands]
        assert not [says for says in standing if "lockdown" in says] and answer.exit_code == 2, (words, standing)
    # Its configuration has no CONFIG_KEXEC_SIG.
    assert certainty(ask("kexec_file_load: EPERM", fake.kho), "refuses kexec_load") is P
    fake.write("sys/kernel/security/lockdown", b"none integrity [confidentiality]\n")
    assert certainty(ask("read of /proc/kcore: EPERM", fake.kho), "refuses /proc/kcore") is C


@pytest.mark.parametrize("log", ["[    0.000000] KHO: disabled in the kdump kernel\n", log_of("KHO: disabled in the kdump kernel")])
def test_a_kdump_kernel_says_it_itself(log: str) -> None:
    answer = ask("", log=log)
    assert certainty(answer, "a kdump kernel leaves KHO off by design") is C and answer.exit_code == 1
    assert [one.cause.says for one in answer.explained[0].causes if one.stands] == ["a kdump kernel leaves KHO off by design"]


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("EBUSY when I preserve the fd; the memfd is registered", "the file is preserved already"),
        ("LIVEUPDATE_SESSION_RETRIEVE_FD gives EOPNOTSUPP, kernel 7.1", "the memfd has seals"),
        ("writing 1 to out/finalize gives EEXIST on 6.18", "out/finalize holds the value 1 already"),
    ],
)
def test_the_true_cause_of_the_call_stands_first(words: str, cause: str) -> None:
    first = ask(words).explained[0].causes[0]
    assert first.stands and cause in first.cause.says


def test_7_3_has_no_out_finalize_that_could_hold_a_value() -> None:
    assert certainty(ask("kernel 7.3: writing 1 to out/finalize gives EEXIST"), "holds the value 1 already") is R


def test_a_torn_capture_is_not_called_well(machines: Machines, tmp_path: Path) -> None:
    machines("x86_64-7.3/1-pre")
    path = captured(tmp_path / "capture") / "capture.json"
    manifest = json.loads(path.read_bytes())
    for torn in ({"complete": False}, {"changed_while_reading": ["kho/out/fdt"]}):
        path.write_text(json.dumps(manifest | torn))
        assert standing(examine(path.parent), "sound") is Standing.UNKNOWN and examine(path.parent).exit_code == 2


def test_memory_of_another_boot_is_not_called_well(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy_of(PRE, copy)
    shutil.copy(sample("x86_64-7.1/1-pre") / "memory.elf", copy / "memory.elf")
    assert standing(examine(copy), "memory") is Standing.UNKNOWN and "another boot" in said_of(examine(copy), "memory")


def test_a_root_that_kho_out_does_not_point_at_is_missed(machines: Machines, tmp_path: Path) -> None:
    # kho_out points nowhere, and after a kexec debugfs has no root FDT.
    fake = machines("x86_64-7.3/2-pre", "nothing")
    fake.name_root(None)
    fake.write_memory()
    rootless = captured(tmp_path / "rootless")
    for path in (fake.kho, rootless):
        assert standing(examine(path), "memory") is Standing.WRONG and "points at no page" in said_of(examine(path), "memory")


def test_a_root_that_hidden_symbols_would_show_is_missed(machines: Machines, tmp_path: Path) -> None:
    fake = machines("x86_64-7.3/1-pre", "hidden")
    for path in (fake.kho, captured(tmp_path / "lost")):
        assert standing(examine(path), "memory") is Standing.WRONG and "kptr_restrict" in said_of(examine(path), "memory")


def test_a_page_that_was_lost_is_told(machines: Machines, tmp_path: Path) -> None:
    fake = machines("x86_64-7.3/1-pre")
    tracker = json.loads((PRE / "expected.json").read_text())["map"]
    fake.pages[tracker], fake.flags[tracker] = bytes(PAGE), HWPOISON
    fake.write_memory()
    for path in (fake.kho, captured(tmp_path / "capture")):
        assert standing(examine(path), "memory") is Standing.UNKNOWN and f"{tracker:#x}: " in said_of(examine(path), "memory")


def test_a_capture_knows_lockdown_and_loaded_image_of_its_machine(machine: Callable[[str], RunningMachine], tmp_path: Path) -> None:
    fake = machine("x86_64-7.3/1-pre")
    fake.write("sys/kernel/security/lockdown", b"none [integrity] confidentiality\n")
    fake.write("sys/kernel/kexec_loaded", b"0\n")
    run(["capture", "-o", str(tmp_path / "capture"), "--memory", "none"])
    found = examine(tmp_path / "capture")
    assert "lockdown (integrity) refuses kexec_load" in said_of(found, "lockdown")
    assert standing(found, "loaded") is Standing.OK and "no image is loaded" in said_of(found, "loaded")
    # Who took it says nothing of who ran the command that failed.
    assert certainty(ask("EACCES", tmp_path / "capture"), "did not run as root") is P


def test_not_finalized_is_wrong_where_the_release_needs_it(tmp_path: Path) -> None:
    copy = unfinalized(tmp_path)
    found = examine(copy)
    assert standing(found, "finalized") is Standing.WRONG and found.exit_code == 1
    assert standing(examine(sample("x86_64-6.19/1-pre")), "finalized") is Standing.OK


def test_an_image_that_only_kexec_load_can_have_loaded(machine: Callable[[str], RunningMachine]) -> None:
    fake = machine("x86_64-7.3/1-pre")
    fake.write("sys/kernel/kexec_loaded", b"1\n")
    assert standing(examine(fake.kho), "loaded") is Standing.UNKNOWN
    (fake.root / "proc/config.gz").write_bytes(gzip.compress(b"CONFIG_KEXEC=y\n# CONFIG_KEXEC_FILE is not set\n"))
    assert standing(examine(fake.kho), "loaded") is Standing.WRONG
    (fake.root / "proc/config.gz").write_bytes(gzip.compress(b"# CONFIG_KEXEC is not set\nCONFIG_KEXEC_FILE=y\n"))
    assert standing(examine(fake.kho), "loaded") is Standing.OK


# What no text may say.


def texts() -> Iterator[str]:
    for symptom in SYMPTOMS:
        yield symptom.title
        for cause in symptom.causes:
            yield from (cause.says, cause.remedy)


def test_no_advice_costs_a_host_its_boot(tmp_path: Path) -> None:
    found = examine(PRE, image(tmp_path / "boot", 70))
    all_texts = [*texts(), *(str(one.finding.remedy) for one in found.examined)]
    for text in all_texts:
        assert not re.search(
            r"smaller scratch|(reduc|shrink|lower|decreas|less)\w* (the )?(kho_)?scratch|scratch\w* (smaller|down)|kho_scratch=\d|force|"
            r"-f\b",
            text,
            re.IGNORECASE,
        ), text
    allowed = ("raise", "at least", "no effect", "do not fit")
    assert all(any(word in text for word in allowed) for text in texts() if "kho_scratch=" in text)


def test_each_cause_has_a_source_that_can_be_opened() -> None:
    causes: list[Cause] = [cause for symptom in SYMPTOMS for cause in symptom.causes]
    for cause in causes:
        assert re.search(r"[\w-]+/[\w/.-]+\.(c|h)|CVE-", cause.source) and re.search(r"\d\.\d+", cause.source), cause.source
        assert cause.remedy and not cause.says.endswith(".")
    assert len({one.name for one in SYMPTOMS}) == len(SYMPTOMS)


def test_a_line_of_no_kernel_is_no_message() -> None:
    assert not parse_dmesg(b"python: KHO: disabling KHO revival\n", builtin())
