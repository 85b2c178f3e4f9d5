"""Losses that the next kernel's log, command line or release prove, though what it was handed is stale there; and a pair reversed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from altered import altered as with_memory
from captures import capture, copy_of, opened, read
from handovers import KERNELS, altered, fates, logged, lost

from kho_tui.context import Context
from kho_tui.model.change import Fate
from kho_tui.model.entities.state import state_entity
from kho_tui.model.entities.tables import FolioRows
from kho_tui.model.entity import find
from kho_tui.model.path import EntityPath
from kho_tui.operations.diff_states import Compared, diff_states
from kho_tui.views.cli.main import run

SESSIONS = {f"out/LUO/{name}" for name in ("vm-alpha", "vm-alpha/0x1", "vm-alpha/0x2", "vm-beta", "vm-beta/0xdeadbeef", "empty")}
FLBS = {f"out/LUO/FLBs/liveupdate-test-flb-v{number}" for number in range(3)}
REGIONS = ["out/memblock/oops_trace", "out/memblock/pstore"]
ON = "console=ttyS0 reserve_mem=4M:4096:oops_trace reserve_mem=1M:2M:pstore"


def luo_of(handover: str) -> set[str]:
    return SESSIONS | (set() if "6.19" in handover else FLBS)


def without_luo(cmdline: str | None, *lines: str, kept: tuple[str, ...] = (), release: str = "") -> Callable[[Path], None]:
    """The next kernel as it is where LUO does not run: nothing of it in its log but ``kept``, and no subtree. None: no command line."""

    def alter(post: Path) -> None:
        shutil.rmtree(post / "kho/out/sub_fdts/LUO", ignore_errors=True)
        (post / "kho/out/sub_fdts/LUO").unlink(missing_ok=True)
        log = (post / "dmesg").read_text().splitlines(keepends=True)
        words = ("luo: ", "liveupdate test: ")
        told = [line for line in log if not any(word in line for word in words) or any(text in line for text in kept)]
        (post / "dmesg").write_text("".join(told))
        logged(*lines)(post)
        (post / "cmdline").unlink() if cmdline is None else (post / "cmdline").write_text(f"{cmdline}\n")
        if release:
            # The log is of the same kernel: that of another is no evidence.
            words_of = (post / "version").read_text().split()
            for name in ("version", "dmesg"):
                (post / name).write_text((post / name).read_text().replace(f"Linux version {words_of[2]}", f"Linux version {release}"))

    return alter


def checked(old: Path, new: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = run(["check", str(old), "--after", str(new)])
    return code, capsys.readouterr().out


@pytest.mark.parametrize("handover", ["x86_64-6.19/1", "x86_64-7.1/1", "x86_64-7.3/1", "arm64-64k-7.3/1"])
@pytest.mark.parametrize(
    ("cmdline", "kept", "why"),
    [
        ("kho=on liveupdate=off", ("Retrieved live update data",), "liveupdate="),
        ("kho=on liveupdate=on liveupdate=0", ("Retrieved live update data",), "liveupdate="),
        ("kho=on", ("Retrieved live update data",), "liveupdate="),
        ("", (), "liveupdate="),
        ("kho=off liveupdate=on", (), "KHO is switched off"),
    ],
)
def test_where_LUO_is_off_by_the_command_line_what_it_was_handed_is_lost(
    handover: str, cmdline: str, kept: tuple[str, ...], why: str, tmp_path: Path
) -> None:
    found = altered(handover, tmp_path, without_luo(f"{ON} {cmdline}", kept=kept))
    assert set(lost(found)) == luo_of(handover)
    assert found.exit_code(strict=False) == 1
    assert why in found.verdict and why in lost(found)["out/LUO/vm-beta"]
    assert [fates(found)[region] for region in REGIONS] == [Fate.KEPT, Fate.KEPT], "reserve_mem is revived with KHO off too"


@pytest.mark.parametrize("handover", ["x86_64-6.19/1", "x86_64-7.3/1"])
def test_where_the_log_says_that_KHO_is_off_what_LUO_was_handed_is_lost(handover: str, tmp_path: Path) -> None:
    said = "luo: Disabling liveupdate because KHO is disabled"
    found = altered(handover, tmp_path, without_luo(None, said))
    assert set(lost(found)) == luo_of(handover) and said in found.verdict


@pytest.mark.parametrize("kernel", ["x86_64-7.1", "x86_64-7.3", "x86_64-6.19"])
def test_a_kernel_with_KHO_off_shows_no_side_and_has_taken_the_handover(
    kernel: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a 7.3.4 was seen to boot with kho=off: no debugfs, regions revived, no /dev/liveupdate."""

    def off(post: Path) -> None:
        without_luo(f"{ON} kho=off liveupdate=on", "luo: Disabling liveupdate because KHO is disabled")(post)
        shutil.rmtree(post / "kho")
        (post / "memory.elf").unlink()

    found = altered(f"{kernel}/1", tmp_path, off)
    assert set(lost(found)) == luo_of(kernel)
    assert [fates(found)[region] for region in REGIONS] == [Fate.KEPT, Fate.KEPT]
    assert found.fates is not None and not found.fates.onward, "with KHO off nothing is handed on"
    code, said = checked(capture(f"{kernel}/1-pre"), tmp_path / "post", capsys)
    assert code == 1 and "error KHO140" in said and "KHO050: not so" not in said


def test_a_boot_that_was_handed_nothing_is_not_taken_for_one_with_KHO_off(tmp_path: Path) -> None:
    def cold(post: Path) -> None:
        shutil.rmtree(post / "kho")
        (post / "memory.elf").unlink()
        log = (post / "dmesg").read_text().splitlines(keepends=True)
        (post / "dmesg").write_text("".join(line for line in log if "KHO" not in line and "luo" not in line))

    assert altered("x86_64-7.3/1", tmp_path, cold).fates is None


def test_KHO_may_be_off_in_a_release_without_LUO_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its command line says so: that it shows no side is no sign that it refused what it was handed."""
    post = tmp_path / "post"
    copy_of(capture("x86_64-6.18/1-post"), post)
    for shown in ("kho", "setup_data"):
        shutil.rmtree(post / shown)
    (post / "memory.elf").unlink()
    log = (post / "dmesg").read_text().splitlines(keepends=True)
    (post / "dmesg").write_text("".join(line for line in log if "KHO" not in line))
    (post / "cmdline").write_text(f"{ON} kho=off\n")
    _, said = checked(capture("x86_64-6.18/1-pre"), post, capsys)
    assert "whether or not it took the handover" in said and "error KHO050" not in said


def test_a_release_without_LUO_loses_what_LUO_was_handed(tmp_path: Path) -> None:
    found = altered("x86_64-6.19/1", tmp_path, without_luo(f"{ON} kho=on liveupdate=on", release="6.18.15"))
    assert set(lost(found)) == SESSIONS
    assert "6.18 has no LUO" in found.verdict and found.exit_code(strict=False) == 1


def test_a_backport_of_LUO_is_not_taken_for_a_release_without_it(tmp_path: Path) -> None:
    said = "luo: Retrieved live update data, liveupdate number: 1"
    found = altered("x86_64-6.19/1", tmp_path, without_luo(f"{ON} kho=on liveupdate=on", said, release="6.18.15"))
    assert not lost(found) and fates(found)["out/LUO/vm-alpha"] is Fate.UNTOLD


@pytest.mark.parametrize("cmdline", [None, f"{ON} liveupdate=on"])
def test_what_neither_command_line_nor_log_tells_is_unknown(cmdline: str | None, tmp_path: Path) -> None:
    """Without kho= it is the configuration that decides, and no state tells it."""
    found = altered("x86_64-7.3/1", tmp_path, without_luo(cmdline))
    assert not lost(found) and found.exit_code(strict=False) == 0
    assert {fates(found)[path] for path in SESSIONS | FLBS} == {Fate.UNTOLD}


def test_a_kernel_of_no_known_release_is_not_said_to_lose_anything(tmp_path: Path) -> None:
    found = altered("x86_64-7.3/1", tmp_path, without_luo(f"{ON} kho=off liveupdate=off", release="7.9.0"))
    assert not lost(found)


FAILED_RESTORES = [
    "WARNING: kernel/liveupdate/kexec_handover.c:529 at kho_restore_page+0xe7/0x168, CPU#0: init/1",
    "WARNING: CPU: 0 PID: 1 at kernel/kexec_handover.c:237 kho_restore_page+0xe2/0x11c",
    "WARNING: [info.magic != KHO_PAGE_MAGIC] kernel/liveupdate/kexec_handover.c:529 at kho_restore_page.isra.0+0xe7/0x168, CPU#0: init/1",
    "WARNING: kernel/liveupdate/kexec_handover.c:1613 at kho_restore_free+0x38/0x41, CPU#0: swapper/0/1",
    "WARNING: kernel/liveupdate/luo_file.c:792 at luo_file_deserialize+0x38/0x1df, CPU#0: init/1",
    "RIP: 0010:kho_restore_page+0xe7/0x168",
    "pc : kho_restore_page+0xe7/0x168",
]


@pytest.mark.parametrize("line", FAILED_RESTORES)
def test_a_warning_where_the_kernel_restores_proves_a_loss_and_not_which(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = altered("x86_64-7.3/1", tmp_path, logged(line))
    assert found.verdict.startswith(f'at least 1 lost: restore of memory that the log does not name: log: "{line}"')
    assert found.exit_code(strict=False) == 1
    assert set(lost(found)) == {"out"} and fates(found)["out/LUO/vm-beta"] is Fate.UNTOLD
    code, said = checked(capture("x86_64-7.3/1-pre"), tmp_path / "post", capsys)
    assert code == 1 and "error KHO140" in said and line in said
    run(["show", str(tmp_path / "post")])
    shown = capsys.readouterr().out
    assert f"(in)  {line}" in shown and f"KHO117 warning  in: kernel log: {line}" in shown


@pytest.mark.parametrize(
    "line",
    [
        "WARNING: kernel/liveupdate/kexec_handover.c:1233 at kho_preserve_pages+0x34/0xb2, CPU#0: swapper/0/1",
        "WARNING: mm/memfd_luo.c:212 at memfd_luo_freeze+0x34/0xb2, CPU#0: reboot/900",
    ],
)
def test_a_warning_where_the_kernel_preserves_is_a_message_and_no_loss(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not lost(altered("x86_64-7.3/1", tmp_path, logged(line)))
    run(["show", str(tmp_path / "post")])
    assert line in capsys.readouterr().out


def test_a_warning_from_anywhere_else_says_nothing_of_KHO(tmp_path: Path) -> None:
    line = "WARNING: mm/page_alloc.c:7089 at __free_contig_range_common+0x45/0xd3, CPU#0: init/1"
    found = altered("x86_64-7.3/1", tmp_path, logged(line))
    assert not lost(found) and not any(line in str(one.text) for one in found.new.log)


@pytest.mark.parametrize("with_address", [True, False])
def test_a_warning_before_the_line_that_names_what_failed_is_no_second_loss(with_address: bool, tmp_path: Path) -> None:
    named = f"memfd_luo: Unable to restore folio at physical address: {folio_of('x86_64-7.3/1-pre', 'vm-beta/0xdeadbeef'):x}"
    found = altered("x86_64-7.3/1", tmp_path, logged(FAILED_RESTORES[0], named if with_address else "test_kho: KHO restore failed"))
    assert set(lost(found)) == {"out/LUO/vm-beta/0xdeadbeef" if with_address else "out/kho_test/folios"}


def folio_of(name: str, file: str) -> int:
    """Physical address of the first folio of a file."""
    address = folios_of(name, file).target(0)
    assert address is not None
    return address


def folios_of(name: str, file: str) -> FolioRows:
    entity = find(state_entity(opened(name)), EntityPath(("out", "LUO", *file.split("/"), "folios")))
    assert entity is not None
    rows = entity.detail().table
    assert isinstance(rows, FolioRows)
    return rows


def sharing(name: str, to: Path, file: str, other: str) -> Path:
    """A state in which ``other`` lists the first folio of ``file`` in place of its own first one."""
    word = int(folios_of(name, file).table.column("word0")[0])
    at = int(folios_of(name, other).table.addresses[0])
    return with_memory(capture(name), to, {at: word.to_bytes(8, "little")})


@pytest.mark.parametrize("kernel", ["x86_64-6.19", "x86_64-7.1", "x86_64-7.3", "arm64-64k-7.3"])
def test_of_two_files_with_one_folio_one_is_lost_and_nobody_knows_which(kernel: str, tmp_path: Path) -> None:
    old = read(sharing(f"{kernel}/1-pre", tmp_path / "pre", "vm-alpha/0x2", "vm-beta/0xdeadbeef"))
    for lines in ((), (FAILED_RESTORES[0],), (shared_line(kernel),), (FAILED_RESTORES[0], shared_line(kernel))):
        post = tmp_path / f"post-{len(lines)}{len(lines[-1]) if lines else 0}"
        copy_of(capture(f"{kernel}/1-post"), post)
        logged(*lines)(post)
        found = diff_states(old, read(post), "auto", Context())
        assert found.verdict.startswith("1 lost: file vm-alpha/0x2 or vm-beta/0xdeadbeef: ")
        assert set(lost(found)) == {"out/LUO"} and "second file to be retrieved" in lost(found)["out/LUO"]
        assert {fates(found)[f"out/LUO/{file}"] for file in ("vm-alpha/0x2", "vm-beta/0xdeadbeef")} == {Fate.UNTOLD}
        assert found.exit_code(strict=False) == 1


def shared_line(kernel: str) -> str:
    return f"memfd_luo: Unable to restore folio at physical address: {folio_of(f'{kernel}/1-pre', 'vm-alpha/0x2'):x}"


def test_of_two_files_with_one_folio_the_one_that_did_not_arrive_is_lost(tmp_path: Path) -> None:
    """2-pre preserves the folios of vm-alpha/0x1 again, so that was retrieved first."""
    old = read(sharing("x86_64-7.3/1-pre", tmp_path / "pre", "vm-alpha/0x1", "vm-beta/0xdeadbeef"))
    found = diff_states(old, opened("x86_64-7.3/2-pre"), "auto", Context())
    assert fates(found)["out/LUO/vm-alpha/0x1"] is Fate.KEPT
    assert set(lost(found)) == {"out/LUO/vm-beta/0xdeadbeef"}


REVERSED = {
    "x86_64-6.18": "A was handed what B was to hand over",
    "x86_64-6.19": "live update number 2 -> 1",
    "x86_64-7.1": "kexec count 2 -> 1, live update number 2 -> 1",
    "x86_64-7.3": "kexec count 2 -> 1, live update number 2 -> 1",
    "arm64-64k-7.3": "kexec count 2 -> 1, live update number 2 -> 1",
}


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_reversed_pair_is_named_as_such_and_no_loss(kernel: str, capsys: pytest.CaptureFixture[str]) -> None:
    post, pre = (str(capture(f"{kernel}/1-{end}")) for end in ("post", "pre"))
    said = f"B is the state before A: {REVERSED[kernel]}"
    found: Compared = diff_states(opened(f"{kernel}/1-post"), opened(f"{kernel}/1-pre"), "auto", Context())
    assert found.fates is None and found.not_one is not None and found.not_one.told and said in found.verdict
    assert run(["diff", post, pre, "--as", "handover"]) == 2
    assert said in capsys.readouterr().err
    assert run(["check", post, "--after", pre, "--json"]) == 2
    assert said in json.loads(capsys.readouterr().out)["not_after"]


def test_folios_that_only_one_state_could_read_are_unknown_not_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pre = capture("x86_64-7.3/1-pre")
    page = int(folios_of("x86_64-7.3/1-pre", "vm-alpha/0x1").table.addresses[-1]) & ~0xFFF
    with_memory(pre, tmp_path / "cut", without=[page])
    for pair in ((str(pre), str(tmp_path / "cut")), (str(tmp_path / "cut"), str(pre))):
        assert run(["diff", *pair]) == 0
        out = capsys.readouterr().out
        assert out.startswith("no difference seen; cannot tell: ") and "resized" not in out
        assert run(["diff", *pair, "--strict", "-q"]) == 2
