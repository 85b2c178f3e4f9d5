"""What ``check --target`` foretells: real states, releases, captures and kernel images. Boots of real kernels: test_boot_state.py."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

import pytest
from captures import CHECKOUT, SHARED, copy_of, sample
from kernel_images import arm64_image, bzimage
from simulator.jumping import story

from kho_tui.analysis.checks.answer import Answer
from kho_tui.analysis.compat import Compatibility
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.operations.check_state import check_state
from kho_tui.operations.check_target import TargetRequest, check_target, read_target
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.operations.kexec_capture import write_running
from kho_tui.operations.open_state import open_state
from kho_tui.operations.simulate import run_scenario
from kho_tui.releases.table import RELEASES
from kho_tui.simulator.running import Running

SAME = "kho=on liveupdate=on reserve_mem=4M:4096:oops_trace reserve_mem=1M:2M:pstore"
BUILT_IN = " (assuming that KHO and what reads this state are built in)"
STRINGS = b"kho-v4\0luo-v5\0memfd-v2\0kho-test-v1\0"


def foretold(path: Path, target: str | Path, cmdline: str | None = None, initrd: Path | None = None) -> Compatibility:
    kernel = read_target(TargetRequest(str(target), cmdline, initrd), Context())
    with open_state(path, Context()) as opened:
        return check_target(opened, kernel)


def image(tmp_path: Path, strings: bytes = STRINGS, banner: bytes = b"7.3.4", init_size: int = 16 << 20) -> Path:
    body = bytes(16) + strings + b"Linux version " + banner + b" (gcc) #1 SMP\n"
    path = tmp_path / "vmlinuz"
    path.write_bytes(bzimage(gzip.compress(body), init_size))
    return path


T, P, I, M, X = Outcome.TAKEN, Outcome.PART, Outcome.IGNORED, Outcome.MISREAD, Outcome.PANIC  # noqa: E741


@pytest.mark.parametrize(
    ("state", "outcomes"),
    # compatible of the root (kexec_handover.h) and what LUO does on errors (luo_core.c): 6.16, 6.17, 6.18, 6.19, 7.0, 7.1, 7.2, 7.3.
    [
        # No bit behind the first 4096 of its bitmaps is set, so that 6.16 and 6.17 lose only the test's list.
        ("x86_64-6.18", (P, P, T, T, T, I, I, I)),
        ("x86_64-6.19", (M, M, P, T, X, I, I, I)),
        ("x86_64-7.1", (I, I, I, I, I, T, I, I)),
        ("x86_64-7.3", (I, I, I, I, I, I, T, T)),
    ],
)
def test_each_release_does_with_a_real_state_what_its_sources_say(state: str, outcomes: tuple[Outcome, ...]) -> None:
    with open_state(sample(state) / "1-pre", Context()) as opened:
        targets = [read_target(TargetRequest(release.name, SAME), Context()) for release in RELEASES]
        found = tuple(check_target(opened, target).outcome for target in targets)
    assert found == outcomes


@pytest.mark.shared
@pytest.mark.parametrize(("left", "booted"), [("6.18", "6.19"), ("7.1", "7.3")])
def test_real_upgrades_are_foretold_by_the_capture_of_the_kernel_that_came_after(left: str, booted: str) -> None:
    upgrade = SHARED / "upgrades" / f"{left}-to-{booted}"
    found = foretold(upgrade / "1-pre", upgrade / "1-post")
    log = (upgrade / "1-post" / "dmesg").read_text()
    assert found.target.name.startswith(f"{booted}.")
    assert (found.outcome is Outcome.TAKEN) == ("KHO: found kexec handover data" in log)
    assert (found.outcome is Outcome.IGNORED) == ("KHO: disabling KHO revival" in log)
    if found.outcome is Outcome.IGNORED:
        assert f"{found.target.name} would IGNORE this state and boot cold: handed over: kho-v3" in found.verdict


def test_a_command_line_that_asks_for_the_same_leaves_nothing_open() -> None:
    found = foretold(sample("x86_64-7.3") / "1-pre", "7.3.4", SAME)
    assert (found.verdict, found.open, found.taken_whole) == (f"7.3.4 would take this state{BUILT_IN}", (), True)


@pytest.mark.parametrize(
    ("cmdline", "consumer", "outcome", "words"),
    [
        ("kho=on liveupdate=on reserve_mem=8M:4096:oops_trace reserve_mem=1M:2M:pstore", b"memblock", P, "has 0x400000 bytes, asked for"),
        ("kho=on liveupdate=on reserve_mem=4M:4096:oops_trace", b"memblock", P, "pstore is not asked for"),
        (SAME.replace("oops_trace", "oops"), b"memblock", P, "oops_trace is not asked for"),
        (SAME.replace("4M:4096:", "4M:1G:"), b"memblock", P, "not aligned to 0x40000000"),
        (SAME.replace("liveupdate=on", ""), b"LUO", I, "no liveupdate=on"),
        (SAME.replace("kho=on", "kho=off"), b"LUO", I, "KHO is off there"),
    ],
)
def test_what_the_command_line_loses_is_told(cmdline: str, consumer: bytes, outcome: Outcome, words: str) -> None:
    found = foretold(sample("x86_64-7.3") / "1-pre", "7.3", cmdline)
    assert found.outcome is Outcome.PART
    assert found.reception.consumers[consumer][0] is outcome
    assert words in found.reception.consumers[consumer][1]


@pytest.mark.parametrize(
    "words",
    [
        "reserve-mem=4M:4096:oops_trace",
        "reserve_mem=0x400000:0x1000:oops_trace",
        "reserve_mem=4096K::oops_trace",
        "reserve_mem=4M:12288:oops_trace",
        "reserve_mem=4M:3:oops_trace",
        "reserve_mem=4M:4096:oops_trace reserve_mem=8M:4096:oops_trace",
        '"reserve_mem=4M:4096:oops_trace"',
        "reserve_mem=4M:4096:oops_trace liveupdate=off liveupdate=enabled kho=off kho=enable kho=perhaps",
        'reserve_mem=4M:4096:oops_trace x="no end',
    ],
)
def test_words_that_a_booted_7_3_revived_the_regions_with(words: str) -> None:
    """Kernel 7.3.4 in QEMU. The start of oops_trace, 0x3f000000, has none of the bits of 12288 - 1."""
    found = foretold(sample("x86_64-7.3") / "1-pre", "7.3.4", f"kho=on liveupdate=on reserve_mem=1M:2M:pstore {words}")
    assert (found.verdict, found.taken_whole) == (f"7.3.4 would take this state{BUILT_IN}", True)


@pytest.mark.parametrize("words", ["kho=disabled", "kho=disable", "liveupdate=disabled", '"kho=off"', "kho=off -- kho=on"])
def test_words_that_a_booted_7_3_switched_luo_off_with(words: str) -> None:
    found = foretold(sample("x86_64-7.3") / "1-pre", "7.3.4", f"{SAME} {words}")
    assert found.reception.consumers[b"LUO"][0] is I
    assert found.reception.consumers[b"memblock"][0] is T


def test_a_region_that_nobody_handed_over_is_said_to_land_in_scratch() -> None:
    found = foretold(
        sample("x86_64-7.3") / "1-pre",
        "7.3",
        f"{SAME} reserve_mem=2M:4K:fresh kho-scratch=5% reserve_mem=1M:100:odd reserve_mem=1M:100: reserve_mem=2M:4K:fresh",
    )
    said = "\n".join(found.notes)
    assert "reserve_mem fresh, odd is not handed over: it is allocated anew, inside scratch" in said
    assert "kho_scratch= has no effect" in said
    assert "would refuse reserve_mem=1M:100:: no name" in said
    assert "would refuse reserve_mem=2M:4K:fresh: the name is taken" in said


def test_the_command_line_of_the_state_is_assumed_and_said_in_the_first_line(tmp_path: Path) -> None:
    found = foretold(sample("x86_64-7.3") / "1-pre", "7.3")
    assert found.taken_whole is True and not found.open
    assert found.verdict.endswith("(assuming the command line of this state, that KHO and what reads this state are built in)")
    copy_of(sample("x86_64-7.3") / "1-pre", tmp_path / "state")
    (tmp_path / "state" / "cmdline").unlink()
    found = foretold(tmp_path / "state", "7.3")
    assert found.outcome is None and found.taken_whole is None
    assert "cannot tell whether 7.3 would take this state: " in found.verdict
    assert any("--target-cmdline" in note for note in found.notes)


@pytest.mark.parametrize(
    "words", ["mem=512M", "memmap=512M$512M", "memmap=exactmap memmap=512M@0", "mem=944M", "memmap=exactmap memmap=640K@0 memmap=832M@1M"]
)
def test_words_that_take_memory_away_under_the_handover_do_not_let_it_boot(words: str) -> None:
    """Booted, 7.3.4: a panic; mem=944M hangs without a line."""
    found = foretold(sample("x86_64-7.3") / "1-pre", "7.3.4", f"{SAME} {words}")
    assert found.outcome is X and found.taken_whole is False
    assert "its command line takes away" in found.verdict


@pytest.mark.parametrize("words", ["mem=1G", "memmap=exactmap memmap=640K@0 memmap=1023M@1M", "memmap=64K$0x2000"])
def test_words_that_leave_the_memory_that_is_handed_over_change_nothing(words: str) -> None:
    assert foretold(sample("x86_64-7.3") / "1-pre", "7.3.4", f"{SAME} {words}").outcome is Outcome.TAKEN


@pytest.mark.parametrize(("words", "fits"), [("crashkernel=96M", False), ("crashkernel=64M", True), ("crashkernel=32M@16M", False)])
def test_a_crash_kernel_that_scratch_has_no_room_for_is_said(words: str, fits: bool) -> None:
    """Booted, 7.3.4: 64M lies across two areas that touch; of more than the 84 MiB there it says "cannot allocate crashkernel"."""
    found = foretold(sample("x86_64-7.3") / "1-pre", "7.3.4", f"{SAME} {words}")
    assert found.outcome is Outcome.TAKEN
    assert ("kdump will not be armed" in found.verdict) is not fits


@pytest.mark.parametrize(
    ("release", "outcome", "words"),
    [
        ("7.3.4", Outcome.PART, "7.3.4 would take this state in part: KHO is off there, and LUO with it"),
        ("7.3.4-vendor", None, "cannot tell whether 7.3.4-vendor would take this state: whether KHO is on there is not known"),
        ("7.3.2", Outcome.TAKEN, "7.3.2 would take this state"),
    ],
)
def test_a_kdump_kernel_leaves_kho_off(release: str, outcome: Outcome | None, words: str) -> None:
    """7.3.4 booted: "KHO: disabled in the kdump kernel", no /dev/liveupdate, both regions revived. 7.1 and 6.19 take all."""
    found = foretold(sample("x86_64-7.3") / "1-pre", release, f"{SAME} elfcorehdr=0x1000000")
    assert found.outcome is outcome and words in found.verdict


def test_an_init_call_left_out_leaves_it_open() -> None:
    """7.3 booted without kho_init, memfd_luo_init or liveupdate_ioctl_init: each loses the sessions; luo_late_startup does not."""
    found = foretold(sample("x86_64-7.3") / "1-pre", "7.3.4", f"{SAME} initcall_blacklist=liveupdate_ioctl_init")
    assert found.outcome is None and "what initcall_blacklist on its command line changes is not known here" in found.verdict


def test_a_word_whose_effect_on_memory_is_not_known_leaves_it_open() -> None:
    found = foretold(sample("x86_64-7.3") / "1-pre", "7.3.4", f"{SAME} efi_fake_mem=1G@1G:0x10000")
    assert found.outcome is None and "what efi_fake_mem on its command line changes is not known here" in found.verdict


def test_an_image_is_taken_at_its_strings(tmp_path: Path) -> None:
    state = sample("x86_64-7.3") / "1-pre"
    assert foretold(state, image(tmp_path), SAME).outcome is Outcome.TAKEN
    assert foretold(state, image(tmp_path, banner=b"7.1.9"), SAME).outcome is Outcome.TAKEN
    without = foretold(state, image(tmp_path, b"kho-v4\0memfd-v2\0"), SAME)
    assert "LUO is not built into this kernel" in without.reception.consumers[b"LUO"][1]
    handler = foretold(state, image(tmp_path, STRINGS.replace(b"memfd", b"other")), SAME)
    assert "no handler for memfd-v2 is built in" in handler.reception.consumers[b"LUO"][1]
    assert "KHO is not built into this kernel" in foretold(state, image(tmp_path, b""), SAME).verdict
    assert "KHO is not in this release" in foretold(state, image(tmp_path, b"", b"6.1.0"), SAME).verdict
    with pytest.raises(InputError, match="of kho-v9, which is of no release that is known here"):
        foretold(state, image(tmp_path, b"kho-v9\0"))


def test_a_kernel_without_luo_does_not_panic_on_what_it_never_reads(tmp_path: Path) -> None:
    fault_capture(sample("x86_64-7.3") / "1-pre", "session-block-empty", tmp_path / "broken", Context())
    assert "7.3 would PANIC: empty LUO block at 0x" in foretold(tmp_path / "broken", "7.3", SAME).verdict
    assert foretold(tmp_path / "broken", image(tmp_path, b"kho-v4\0kho-test-v1\0"), SAME).outcome is Outcome.PART
    # Whether it is on is not known, so the panic stands and says so.
    copy_of(tmp_path / "broken", tmp_path / "no-cmdline")
    (tmp_path / "no-cmdline" / "cmdline").unlink()
    unsure = foretold(tmp_path / "no-cmdline", image(tmp_path))
    assert unsure.outcome is Outcome.PANIC
    assert any("whether KHO is on there is not known" in one for one in unsure.open)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("session-name-twice", "two sessions are named vm-alpha: every open of /dev/liveupdate fails"),
        ("file-block-empty", "a block of 0 files"),
    ],
)
def test_sessions_that_cannot_be_made_again_are_lost(fault: str, words: str, tmp_path: Path) -> None:
    fault_capture(sample("x86_64-7.3") / "1-pre", fault, tmp_path / "broken", Context())
    found = foretold(tmp_path / "broken", "7.3", SAME)
    assert found.outcome is Outcome.PART
    assert words in found.verdict
    assert found.reception.consumers[b"LUO"][0] is Outcome.IGNORED


def test_a_handler_that_is_not_known_here_may_be_there(tmp_path: Path) -> None:
    """A module or a vendor brings it; only an image without modules that has no such string is known not to have it."""
    fault_capture(sample("x86_64-7.3") / "1-pre", "handler-unknown", tmp_path / "broken", Context())
    for target in ("7.3", "7.3.4-vendor", image(tmp_path)):
        found = foretold(tmp_path / "broken", target, SAME)
        assert found.outcome is None and "whether there is a handler for memfd-v9 is not known" in found.verdict


@pytest.mark.shared
def test_an_image_without_modules_is_known_not_to_have_a_handler(tmp_path: Path) -> None:
    fault_capture(sample("x86_64-7.3") / "1-pre", "handler-unknown", tmp_path / "broken", Context())
    found = foretold(tmp_path / "broken", CHECKOUT.parent / "shared" / "kernels" / "bzImage-7.3", SAME)
    assert found.outcome is Outcome.PART and "no handler for memfd-v9 is built in" in found.verdict


@pytest.mark.parametrize("fault", ["pointer-missing", "blob-size-missing"])
def test_a_subtree_that_its_consumer_cannot_find_is_lost(fault: str, tmp_path: Path) -> None:
    fault_capture(sample("x86_64-7.3") / "1-pre", fault, tmp_path / "broken", Context())
    found = foretold(tmp_path / "broken", "7.3", SAME)
    assert "missing or not 8 bytes" in found.verdict
    assert found.taken_whole is False


def test_a_damaged_tracker_is_not_called_taken(tmp_path: Path) -> None:
    fault_capture(sample("x86_64-7.3") / "1-pre", "map-unaligned", tmp_path / "broken", Context())
    assert foretold(tmp_path / "broken", "7.3", SAME).verdict.startswith("7.3 would MISREAD this state, or PANIC: the tracker is damaged")


def test_an_image_that_fits_nowhere_ends_in_eaddrnotavail(tmp_path: Path) -> None:
    state = sample("x86_64-7.3") / "1-pre"
    assert foretold(state, image(tmp_path), SAME).loads is True
    large = foretold(state, image(tmp_path, init_size=1 << 30), SAME)
    assert (large.loads, large.taken_whole) == (False, False)
    assert "7.3.4 could not be loaded: the kernel needs 1 GiB in one scratch area" in large.verdict
    initrd = tmp_path / "initrd"
    with initrd.open("wb") as file:
        file.truncate(2 << 30)
    assert "the initrd needs 2 GiB" in foretold(state, image(tmp_path), SAME, initrd).verdict
    other = tmp_path / "Image"
    other.write_bytes(arm64_image(STRINGS + b"Linux version 7.3.4 (gcc)\n", 0b010))
    assert "it is a kernel for arm64, this machine is x86_64" in foretold(state, other, SAME).verdict


def test_a_state_whose_root_is_not_there_cannot_be_judged() -> None:
    found = foretold(sample("x86_64-7.3") / "1-post", "7.3", SAME)
    assert (found.outcome, found.taken_whole) == (None, None)
    assert found.verdict.startswith("cannot tell whether 7.3 would take this state: ")


def test_debugfs_alone_leaves_open_what_lies_in_memory() -> None:
    found = foretold(sample("x86_64-7.3") / "1-pre" / "kho", "7.3", SAME)
    assert found.outcome is None and found.reception.deciding is None
    assert any("can the tracker be walked" in one for one in found.open)
    assert any("chain of session blocks" in one for one in found.open)


def test_a_capture_in_an_archive_is_a_target(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "post.tar.gz", "w:gz") as tar:
        tar.add(sample("x86_64-7.1") / "1-post", "post")
    found = foretold(sample("x86_64-7.3") / "1-pre", tmp_path / "post.tar.gz")
    assert found.verdict.startswith("7.1.13 would IGNORE this state")


@pytest.mark.parametrize("target", ["7.9", "8.0.1", "nope", "", "\x1b[31m", "7.3 or so", "/nowhere/vmlinuz", "x" * 5000, "a\0b"])
def test_what_is_no_target_is_refused_in_one_line(target: str) -> None:
    with pytest.raises(InputError) as refused:
        read_target(TargetRequest(target), Context())
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "data", [b"", b"#!/bin/sh\n", bytes(9000), b"\x1f\x8b\x08" + bytes(40), b"MZ" + bytes(600), b"\x7fELF" + bytes(60)]
)
def test_a_file_that_is_neither_kernel_nor_capture_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(InputError) as refused:
        read_target(TargetRequest(str(tmp_path / "file")), Context())
    assert str(refused.value).isprintable()


def test_only_what_is_handed_out_can_be_taken() -> None:
    kernel = read_target(TargetRequest("7.3"), Context())
    with (
        open_state(sample("x86_64-7.3") / "1-post", Context()) as opened,
        pytest.raises(InputError, match="the in side was handed over long ago"),
    ):
        check_target(opened, kernel, "in")


def test_a_map_that_luo_writes_while_it_reboots_is_no_reason_to_ignore_the_state(tmp_path: Path) -> None:
    running = story("6.19")
    (tmp_path / "running").mkdir()
    write_running(tmp_path / "running", Running(running.kernel), Context(), {})
    assert foretold(tmp_path / "running", "6.19", SAME).outcome is None


@pytest.mark.parametrize(("capture", "release"), [("x86_64-6.19", "6.19"), ("x86_64-7.1", "7.1")])
def test_a_map_of_0_behind_the_reboot_call_is_refused_and_an_error(capture: str, release: str, tmp_path: Path) -> None:
    """LUO has written its sessions: nobody fills in the map any more."""
    fault_capture(sample(capture) / "1-pre", "map-zero", tmp_path / "state", Context())
    found = foretold(tmp_path / "state", release, SAME)
    assert found.outcome is Outcome.IGNORED and "never finalized" in found.verdict
    assert "KHO006" in broken(tmp_path / "state")


@pytest.mark.parametrize("fault", ["map-zero", "map-short"])
def test_a_root_without_a_map_is_taken_by_6_18_with_nothing_kept(fault: str, tmp_path: Path) -> None:
    """kernel/liveupdate/kexec_handover.c, kho_memory_init(): an error message, an empty map, and the boot goes on; no tracker is walked."""
    fault_capture(sample("x86_64-6.18") / "1-pre", fault, tmp_path / "state", Context())
    found = foretold(tmp_path / "state", "6.18", SAME)
    assert found.outcome is Outcome.MISREAD and not found.open
    assert "memory-map" in [answer.check.name for answer in found.reception.answers if answer.outcome is Outcome.CHANCE]
    # Booted: memblock revives its regions, which others get too; the test module comes later.
    assert {name: outcome for name, (outcome, _) in found.reception.consumers.items()} == {
        b"memblock": Outcome.MISREAD,
        b"kho_test": Outcome.CHANCE,
    }
    assert "refuses" not in found.verdict
    assert "KHO006" in broken(tmp_path / "state")


def broken(path: Path) -> set[str]:
    with open_state(path, Context()) as opened:
        return {one.code for one in check_state(opened, Context()).report.of(Answer.BROKEN)}


@pytest.mark.parametrize(("content", "words"), [(b"0\n", "out/finalize says 0"), (None, "no out/finalize in this capture")])
@pytest.mark.parametrize("with_memory", [True, False])
def test_whether_6_18_hands_over_at_all_is_told_by_out_finalize_alone(
    content: bytes | None, words: str, with_memory: bool, tmp_path: Path
) -> None:
    """kernel/kexec_handover.c, 6.16 to 6.18: an abort leaves the page of the root FDT as it was; out/fdt may have been copied before it."""
    copy_of(sample("x86_64-6.18") / "1-pre", tmp_path / "state")
    finalize = tmp_path / "state/kho/out/finalize"
    finalize.unlink() if content is None else finalize.write_bytes(content)
    if not with_memory:
        (tmp_path / "state/memory.elf").unlink()
    found = foretold(tmp_path / "state", "6.18", SAME)
    assert found.outcome is None and words in found.verdict


@pytest.mark.parametrize(("size", "outcome"), [("96M", Outcome.PANIC), ("144M", None), ("512M", Outcome.TAKEN)])
def test_a_boot_needs_room_in_scratch_for_its_struct_pages(size: str, outcome: Outcome | None, tmp_path: Path) -> None:
    """7.1 booted with 8 GiB: 96M and 128M panic, 144M and 512M do not; 7.3 extends scratch before."""
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(
        '[machine]\narch = "x86_64"\npage_size = "4K"\nboot_low = "28M"\nboot_total = "28M"\nreserved = [["0", "1M"], ["16M", "32M"]]\n'
        '[[machine.node]]\nmemory = [["0x1000", "0x9e000"], ["1M", "0x7fee0000"], ["4G", "0x17ffe0000"]]\nboot = "28M"\n'
        f'[kernel]\nrelease = "7.1"\ncmdline = "kho=on liveupdate=on kho_scratch={size},0,0"\nseed = 1\n'
        '[[step]]\ndo = "session"\nname = "vm"\n[[step]]\ndo = "kexec"\nrelease = "7.3"\n'
    )
    run_scenario(scenario, tmp_path / "run", Context())
    found = foretold(tmp_path / "run" / "1-pre", "7.1.13")
    assert found.outcome is outcome
    assert ("struct pages and the kernel need" in found.verdict) is (outcome is not Outcome.TAKEN)


def test_a_command_line_that_the_image_does_not_take_cannot_be_loaded(tmp_path: Path) -> None:
    state = sample("x86_64-7.3") / "1-pre"
    assert foretold(state, image(tmp_path), SAME).loads is True
    found = foretold(state, image(tmp_path), f"{SAME} {'x' * 2100}")
    assert found.taken_whole is False and "kexec_file_load fails with EINVAL" in found.verdict


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        ("memmap=64K$0x3e000000", Outcome.TAKEN),
        ("memmap=128M$0x8000000", Outcome.TAKEN),
        ("memmap=64K$0x76e000", Outcome.WILD),
        ("memmap=1M!0x20300000", Outcome.WILD),
        ("memmap=16M$0x20000000", Outcome.PANIC),
    ],
)
def test_memory_that_a_word_reserves_is_not_mapped_but_where_scratch_is(words: str, outcome: Outcome) -> None:
    """Each booted, 7.3.4: whole, whole, an oops at the open, an oops of the test module, and a panic as the tracker is walked."""
    assert foretold(sample("x86_64-7.3") / "1-pre", "7.3.4", f"{SAME} {words}").outcome is outcome


def firmware_map(state: Path, *ranges: tuple[int, int, str]) -> None:
    """/sys/firmware/memmap as a kernel shows it; ``ranges``: (first byte, last byte, type)."""
    for number, (first, last, kind) in enumerate(ranges):
        folder = state / "firmware-memmap" / str(number)
        folder.mkdir(parents=True)
        for name, text in (("start", f"{first:#x}"), ("end", f"{last:#x}"), ("type", kind)):
            (folder / name).write_text(f"{text}\n")


def test_the_firmwares_map_says_what_the_next_kernel_gets_at_boot(tmp_path: Path) -> None:
    """Memory that a hot-plugged DIMM brought has the name of all other in /proc/iomem, and is not in the firmware's map."""
    copy_of(sample("x86_64-7.3") / "1-pre", tmp_path / "whole")
    firmware_map(tmp_path / "whole", (0x100000, 0x3FEDFFFF, "System RAM"), (0, 0x9FBFF, "System RAM"), (0xF0000, 0xFFFFF, "Reserved"))
    assert foretold(tmp_path / "whole", "7.3.4", SAME).outcome is Outcome.TAKEN
    copy_of(sample("x86_64-7.3") / "1-pre", tmp_path / "half")
    firmware_map(tmp_path / "half", (0, 0x9FBFF, "System RAM"), (0x100000, 0x1FFFFFFF, "System RAM"))
    found = foretold(tmp_path / "half", "7.3.4", SAME)
    assert found.outcome is None and "is in memory added since this machine was booted" in found.verdict
    with open_state(tmp_path / "half", Context()) as opened:
        (result,) = [one for one in check_state(opened, Context()).report.results if one.code == "KHO020"]
    assert result.severity == "warning" and "is in memory that was added since this machine was booted" in result.cases[0].message
    copy_of(sample("x86_64-7.3") / "1-pre", tmp_path / "broken")
    firmware_map(tmp_path / "broken", (0, 0x9FBFF, "System RAM"))
    (tmp_path / "broken" / "firmware-memmap" / "0" / "end").write_text("none\n")
    assert foretold(tmp_path / "broken", "7.3.4", SAME).outcome is Outcome.TAKEN


def test_a_scratch_area_that_runs_out_of_the_address_space_is_judged(tmp_path: Path) -> None:
    copy_of(sample("x86_64-7.3") / "1-pre", tmp_path / "state")
    lengths = tmp_path / "state" / "kho" / "out" / "scratch_len"
    lengths.write_text("\n".join(["0xffffffffffffffff", *lengths.read_text().splitlines()[1:]]) + "\n")
    with open_state(tmp_path / "state", Context()) as opened:
        assert check_state(opened, Context()).exit_code(strict=False) == 1
    found = foretold(tmp_path / "state", "7.3.4", f"{SAME} crashkernel=64M")
    assert found.outcome is Outcome.MISREAD and "lies in scratch" in found.verdict
