"""Real kernels boot on real states in QEMU and say what was predicted; what cannot be booted is refused with its reason."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from zlib import crc32

import pytest
from captures import CHECKOUT, SHARED
from states.image import Image
from states.luo import File, Folio, Memfd, Session, luo
from states.preserved import Preserved
from states.producers import kexec_metadata, memblock, root_fdt
from states.tracker import radix

from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.analysis.compat import Compatibility
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.context import Context
from kho_tui.errors import Cancelled, InputError
from kho_tui.operations.boot_state import BootReport, BootRequest, boot_state
from kho_tui.operations.check_target import TargetRequest, check_target, read_target
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.operations.open_state import open_state
from kho_tui.simulator.qemu.console import BootOutcome, RetrievedFile
from kho_tui.simulator.qemu.guest import BINARY
from kho_tui.text import SafeText
from kho_tui.views.cli.main import run

KERNELS = CHECKOUT.parent / "shared" / "kernels"

pytestmark = pytest.mark.shared
needs_qemu = pytest.mark.skipif(shutil.which(BINARY) is None, reason=f"{BINARY} is not installed")

RETRIEVE = "khostage=9 luo=vm-alpha:1,vm-alpha:2,vm-beta:deadbeef"
ALPHA, BETA = 5 << 20, 3_000_000


def capture(release: str, step: str = "1-pre") -> Path:
    return SHARED / f"x86_64-{release}" / step


def boot(path: Path, release: str, append: str = "", initrd: bool = False) -> BootReport:
    """The limit is generous: the machine may be busy."""
    request = BootRequest(kernel=KERNELS / f"bzImage-{release}", initrd=KERNELS / "initrd" if initrd else None, append=append, limit=240)
    return boot_state(path, request, Context())


SEEN = {
    Outcome.TAKEN: {BootOutcome.TAKEN},
    Outcome.PART: {BootOutcome.TAKEN, BootOutcome.PART},
    Outcome.MISREAD: {BootOutcome.TAKEN, BootOutcome.PART},
    Outcome.IGNORED: {BootOutcome.IGNORED},
    Outcome.CHANCE: {BootOutcome.TAKEN, BootOutcome.PART, BootOutcome.PANIC},
    Outcome.OOPS: {BootOutcome.PANIC},
    Outcome.WILD: {BootOutcome.TAKEN, BootOutcome.PART, BootOutcome.PANIC},
    Outcome.PANIC: {BootOutcome.PANIC},
}
"""What a booted kernel shows of each outcome: its log does not tell whether it misreads, nor all that it loses."""


def foretold(path: Path, release: str, report: BootReport) -> Compatibility:
    """What ``check --target`` says of the boot that was done; it has to agree with what the kernel did."""
    with open_state(path, Context()) as opened:
        found = check_target(opened, read_target(TargetRequest(str(KERNELS / f"bzImage-{release}"), cmdline=report.cmdline), Context()))
    assert found.outcome is not None
    assert report.outcome in SEEN[found.outcome], found.verdict
    if report.outcome in (BootOutcome.TAKEN, BootOutcome.PART):
        revived = sum("Revived memory reservation" in line for line in report.lines) == 2
        assert (found.reception.consumers[MEMBLOCK_NAME][0] is Outcome.TAKEN) == revived
    return found


def zeros(session: str, token: int, size: int, seals: int) -> RetrievedFile:
    """A file as the guest of the captures made it, but for its content, which the captures do not hold."""
    return RetrievedFile(session=SafeText(session), token=token, size=size, pos=size // 2, seals=seals, crc32=crc32(bytes(size)))


def files(first: int, second: int) -> tuple[RetrievedFile, ...]:
    return zeros("vm-alpha", 1, ALPHA, first), zeros("vm-alpha", 2, 4096, second), zeros("vm-beta", 0xDEADBEEF, BETA, first)


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("release", "retrieved"),
    # memfd-v1 of 6.19 keeps no seals: its files come back with F_SEAL_SEAL alone.
    [("6.18", ()), ("6.19", files(1, 1)), ("7.1", files(0, 6)), ("7.3", files(0, 6))],
)
def test_a_kernel_takes_what_its_own_release_left(release: str, retrieved: tuple[RetrievedFile, ...]) -> None:
    report = boot(capture(release), release, RETRIEVE, initrd=True)
    assert report.outcome is BootOutcome.TAKEN
    assert "found kexec handover data" in report.deciding
    assert report.ended
    said = "\n".join(report.lines)
    assert "Revived memory reservation 'oops_trace' from KHO" in said
    assert "Revived memory reservation 'pstore' from KHO" in said
    assert report.files == retrieved
    assert any("not in this capture: zeros in the guest" in note for note in report.notes)
    found = foretold(capture(release), release, report)
    assert (found.outcome, found.open) == (Outcome.TAKEN, ())


@pytest.mark.qemu
@pytest.mark.parametrize(("left", "booted", "outcome"), [("6.18", "6.19", BootOutcome.TAKEN), ("7.1", "7.3", BootOutcome.IGNORED)])
def test_an_upgrade_goes_as_it_went_on_the_real_machine(left: str, booted: str, outcome: BootOutcome) -> None:
    report = boot(capture(left), booted)
    assert report.outcome is outcome
    real = (SHARED / "upgrades" / f"{left}-to-{booted}" / "1-post" / "dmesg").read_text()
    assert ("found kexec handover data" in real) == (outcome is BootOutcome.TAKEN)
    if outcome is BootOutcome.IGNORED:
        assert "is incompatible with 'kho-v4'" in report.deciding
    foretold(capture(left), booted, report)
    foretold(SHARED / "upgrades" / f"{left}-to-{booted}" / "1-pre", booted, report)


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("left", "booted"),
    [(left, booted) for left in ("6.18", "6.19") for booted in ("7.1", "7.3")]
    + [(left, booted) for left in ("7.1", "7.3") for booted in ("6.18", "6.19")]
    + [("7.3", "7.1")],
)
def test_a_kernel_that_does_not_know_the_root_ignores_it_as_foretold(left: str, booted: str) -> None:
    report = boot(capture(left), booted)
    assert report.outcome is BootOutcome.IGNORED
    deciding = foretold(capture(left), booted, report).reception.deciding
    assert deciding is not None and deciding.check.name == "root-version"


@pytest.mark.qemu
def test_what_an_older_kernel_loses_is_foretold(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    shutil.copytree(capture("6.19"), path, copy_function=shutil.copyfile)
    cmdline = (path / "cmdline").read_text()
    (path / "cmdline").chmod(0o644)
    (path / "cmdline").write_text(cmdline.replace("1M:2M:pstore", "2M:2M:pstore"))
    report = boot(path, "6.18", initrd=True)
    assert report.outcome is BootOutcome.PART
    assert report.lost == ("region pstore was not revived", "no session came back: no /dev/liveupdate: No such file or directory")
    found = foretold(path, "6.18", report)
    assert found.reception.consumers[b"LUO"][0] is Outcome.IGNORED
    assert "pstore has 0x100000 bytes, asked for are 0x200000" in found.reception.consumers[MEMBLOCK_NAME][1]
    said = "\n".join(report.lines)
    assert "Revived memory reservation 'oops_trace' from KHO" in said
    assert "Revived memory reservation 'pstore' from KHO" not in said


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("release", "fault", "words"),
    [
        ("7.1", "luo-flb-node", "the luo-flb node is missing"),
        ("7.3", "session-block-empty", "empty LUO block at 0x"),
        ("7.3", "session-block-cycle", "a loop"),
    ],
)
def test_a_panic_is_foretold(release: str, fault: str, words: str, tmp_path: Path) -> None:
    fault_capture(capture(release), fault, tmp_path / "broken", Context())
    report = boot(tmp_path / "broken", release)
    assert report.outcome is BootOutcome.PANIC
    assert words in foretold(tmp_path / "broken", release, report).verdict


def edited(tmp_path: Path, release: str, old: bytes, new: bytes) -> Path:
    """The capture with the one place in its memory that holds ``old`` changed to ``new``."""
    copy = tmp_path / "capture"
    shutil.copytree(capture(release), copy, copy_function=shutil.copyfile)
    core = copy / "memory.elf"
    data = core.read_bytes()
    assert data.count(old) == 1
    core.chmod(0o644)
    core.write_bytes(data.replace(old, new))
    return copy


@pytest.mark.qemu
def test_a_luo_state_of_an_unknown_version_panics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = edited(tmp_path, "7.3", b"luo-v5\0\0", b"luo-v9\0\0")
    assert run(["sim", "boot", str(path), "--kernel", str(KERNELS / "bzImage-7.3"), "--timeout", "240", "--json"]) == 1
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["schema"] == "kho-tui.boot/1"
    assert document["outcome"] == "panic"
    assert "incoming tree failed to initialize" in document["deciding_line"]
    assert "LUO state is incompatible with 'luo-v5'" in err
    with open_state(path, Context()) as opened:
        found = check_target(opened, read_target(TargetRequest(str(KERNELS / "bzImage-7.3")), Context()))
    assert found.verdict.startswith("7.3.4 would PANIC: version luo-v9; this kernel takes luo-v5")


@pytest.mark.qemu
def test_a_tracker_that_points_nowhere_kills_the_kernel_before_its_console(tmp_path: Path) -> None:
    with open_state(capture("6.18"), Context()) as opened:
        root = opened.state.sides["out"].root
        address = getattr(root, "map_address").to_bytes(8, "little")  # noqa: B009
        fdt = opened.memory.read(getattr(root, "phys"), 4096) if opened.memory else b""  # noqa: B009
    at = fdt.index(address)
    path = edited(tmp_path, "6.18", fdt[at - 16 : at + 8], fdt[at - 16 : at] + (0x3FFF_FFFF_F000).to_bytes(8, "little"))
    report = boot(path, "6.18")
    assert report.outcome is BootOutcome.PANIC
    assert any("BUG: unable to handle page fault" in line for line in report.lines)
    assert any("only FDT and tracker were kept clear" in note for note in report.notes)


SCRATCH = ((0x400_0000, 64 << 20), (0x1000_0000, 0), (0x800_0000, 16 << 20))


def hand_made(folder: Path) -> tuple[Path, bytes]:
    """A state of 7.3 made from the kernel's headers alone, and its one memfd's content: in memory where a bzImage unpacks by itself."""
    image = Image(base=20 << 20)
    preserved = Preserved(image)
    root = preserved.alloc()
    content = b"".join(number.to_bytes(8, "little") for number in range((6 << 12) // 8))
    folios = tuple(Folio(image.alloc(1 << order, align=1 << order), order, index) for order, index in ((2, 0), (0, 4), (0, 5)))
    for folio in folios:
        image.write(folio.phys, content[folio.index << 12 : (folio.index + (1 << folio.order)) << 12])
    sessions = [Session(b"vm-hand", (File(0xABCD, memfd=Memfd(len(content) - 100, folios, pos=77, seals=6)),))]
    region = image.alloc(256, align=256)
    subtrees = [memblock(preserved, [(b"oops_trace", region, 256 << 12)]), luo(preserved, 5, 4, sessions, ())]
    subtrees.append(kexec_metadata(preserved, b"7.3.4", 4))
    fdt = root_fdt(preserved, b"kho-v4", radix(image, preserved.blocks, "v3"), subtrees, "7.3")
    image.write(root, fdt)
    (folder / "kho" / "out").mkdir(parents=True)
    (folder / "kho" / "out" / "fdt").write_bytes(fdt)
    (folder / "kho" / "out" / "scratch_phys").write_text("".join(f"{start:#x}\n" for start, _ in SCRATCH))
    (folder / "kho" / "out" / "scratch_len").write_text("".join(f"{size:#x}\n" for _, size in SCRATCH))
    (folder / "version").write_text("Linux version 7.3.4\n")
    image.to_elf(folder / "memory.elf")
    return folder, content[:-100]


@pytest.mark.qemu
def test_contents_written_by_hand_come_back_from_the_kernel(tmp_path: Path) -> None:
    path, content = hand_made(tmp_path)
    report = boot(path, "7.3", "khostage=9 luo=vm-hand:abcd", initrd=True)
    assert report.outcome is BootOutcome.TAKEN
    assert report.files == (
        RetrievedFile(session=SafeText("vm-hand"), token=0xABCD, size=len(content), pos=77, seals=6, crc32=crc32(content)),
    )
    said = "\n".join(report.lines)
    assert "Revived memory reservation 'oops_trace' from KHO" in said
    assert "KHO: exec from: 7.3.4 (count 4)" in said
    assert not any("zeros in the guest" in note for note in report.notes)


@pytest.mark.qemu
def test_the_limit_without_a_verdict_could_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "sim",
        "boot",
        str(capture("7.3")),
        "--kernel",
        str(KERNELS / "bzImage-7.3"),
        "--timeout",
        "1",
        "--append",
        "initcall_debug",
    ]
    code = run(arguments)
    out = capsys.readouterr().out
    # A fast machine may have come to a verdict by then.
    assert (code, "verdict: no verdict" in out) in ((2, True), (0, False))


@needs_qemu
@pytest.mark.parametrize(
    ("path", "kernel", "words"),
    [
        (SHARED / "arm64-64k-7.3" / "1-pre", "bzImage-7.3", "only x86_64 states"),
        (capture("7.3") / "kho", "bzImage-7.3", "no memory in this capture"),
        (SHARED / "upgrades" / "7.1-to-7.3" / "1-post", "bzImage-7.3", "no memory in this capture"),
        (capture("7.3"), "initrd", "not a bzImage"),
        (capture("7.3"), "bzImage-9", "No such file"),
        (capture("7.3") / "kho" / "out" / "fdt", "bzImage-7.3", "no memory in this capture"),
        (capture("7.3") / "memory.elf", "bzImage-7.3", "no scratch table"),
    ],
)
def test_what_cannot_be_booted_is_refused_in_one_line(path: Path, kernel: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sim", "boot", str(path), "--kernel", str(KERNELS / kernel)]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert words in err
    assert err.count("\n") == 1


def machine_that_ends_at(tmp_path: Path, last: str) -> Path:
    """The capture of 6.18, from a machine whose memory ends earlier than that which it was taken from."""
    copy = tmp_path / "capture"
    shutil.copytree(capture("6.18"), copy, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns("zoneinfo", "node"))
    iomem = copy / "iomem"
    iomem.chmod(0o644)
    iomem.write_text(iomem.read_text().replace("3ffdffff : System RAM", f"{last} : System RAM"))
    return copy


@needs_qemu
def test_memory_is_added_where_the_firmware_needs_the_top_of_the_machine(tmp_path: Path) -> None:
    said: list[SafeText] = []

    def begin(notes: tuple[SafeText, ...]) -> None:
        said.extend(notes)
        raise Cancelled("seen enough")

    path = machine_that_ends_at(tmp_path, "3f3fffff")
    with pytest.raises(Cancelled):
        boot_state(path, BootRequest(kernel=KERNELS / "bzImage-6.18"), Context(), begin=begin)
    assert any("32 MiB more than the machine" in note for note in said)


@needs_qemu
def test_a_state_that_the_guest_has_no_memory_for_is_refused(tmp_path: Path) -> None:
    path = machine_that_ends_at(tmp_path, "1fffffff")
    with pytest.raises(InputError, match=r"0x[0-9a-f]+ .*lies where a guest of 512 MiB has no memory"):
        boot_state(path, BootRequest(kernel=KERNELS / "bzImage-6.18"), Context())


@needs_qemu
@pytest.mark.parametrize(("append", "words"), [("x" * 3000, "this kernel takes 2047"), ("a\nb", "printable ASCII"), ("\x00", "printable")])
def test_a_command_line_that_no_kernel_takes_is_refused(append: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        boot(capture("6.18"), "6.18", append)
