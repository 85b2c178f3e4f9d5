"""States that were judged wrong once (../shared/cases), against what booted kernels do with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from captures import CHECKOUT
from peak import COMMAND, MIB, peak_of

from kho_tui.views.cli.main import run

CASES = CHECKOUT.parent / "shared" / "cases"
KERNELS = CHECKOUT.parent / "shared" / "kernels"

pytestmark = pytest.mark.shared


def first_line(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = run([str(one) for one in arguments])
    out, err = capsys.readouterr()
    return code, (out or err).splitlines()[0]


@pytest.mark.parametrize(
    ("case", "target", "code", "words"),
    [
        ("root-offstruct-618", "6.18", 1, "would IGNORE this state and boot cold: libfdt finds no root node in it"),
        ("memblock-magic-619", "6.19", 1, "in part: not a readable FDT"),
        ("sub-totalsize-max-73-0.tar.xz", "7.3", 1, "in part: total size 4294967295"),
        ("test-ptr-618", "6.18", 2, "its blob is not in this capture where the next kernel reads it"),
        ("luo-renamed-73.tar.xz", "7.3", 1, "in part: MUO: nobody in the kernel's own tree asks for it"),
        ("root_list_v5_v4.tar.xz", "7.3", 0, "would take this state ("),
        ("ok-thp-aligned.tar.xz", "7.3", 0, "would take this state ("),
        ("folio-index-misaligned", "7.3", 1, "would MISREAD this state, or PANIC: file 0x1 of vm"),
    ],
)
def test_a_target_is_foretold_as_it_boots(case: str, target: str, code: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    got, line = first_line(capsys, "check", CASES / case, "--target", target)
    assert got == code and words in line


@pytest.mark.parametrize(("kernel", "words"), [("7.3", "would OOPS: file 0x1"), ("7.3-server", "would MISREAD this state: file 0x1")])
def test_a_misaligned_folio_oopses_with_debug_vm_only(kernel: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    got, line = first_line(capsys, "check", CASES / "folio-index-misaligned", "--target", KERNELS / f"bzImage-{kernel}")
    assert got == 1 and words in line


@pytest.mark.parametrize(
    ("scenario", "target", "played", "words"),
    [
        ("s5g_again_619.toml", "6.19", 1, "is restored by file 0x1 before, and once only: -EIO"),
        ("s5m_6.19.toml", "6.19", 1, "has order 11, and kho_restore_folio takes none above 10"),
        ("s5m_7.3.toml", "7.3", 0, "would take this state ("),
    ],
)
def test_a_scenario_and_its_state_agree(
    scenario: str, target: str, played: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert first_line(capsys, "sim", "run", CASES / scenario, "-o", tmp_path / "run")[0] == played
    code, line = first_line(capsys, "check", tmp_path / "run" / "1-pre", "--target", target)
    assert (code, words in line) == (played, True)


def test_a_memfd_that_was_preserved_twice_comes_back_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """6.19 booted: the second retrieve fails with -EIO; from 7.1 on the second preserve is refused with -EBUSY."""
    code, line = first_line(capsys, "sim", "run", CASES / "dup-memfd-6.19.toml", "-o", tmp_path / "run")
    assert code == 1 and "step 5 (retrieve): luo_retrieve_file: -EIO" in line
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["1-post", "1-pre"]


def test_a_kexec_into_kho_off_goes_on_cold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, line = first_line(capsys, "sim", "run", CASES / "s6c_next_off.toml", "-o", tmp_path / "run")
    assert code == 1 and line.startswith("played to the end: 4 captures")


def test_a_warning_of_a_failed_restore_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", str(CASES / "dm_restorewarn")]) == 0
    assert "kho_restore_page" in capsys.readouterr().out


def test_a_tracker_of_garbage_is_checked_in_bounded_memory() -> None:
    """3.8 million runs: 612 MiB once."""
    case = str(CASES / "seed2001799.tar.xz")
    for command, expected in ((["check"], "1"), (["diff", case], "0")):
        code, peak = peak_of(COMMAND, *command, case)
        assert code == expected and peak < 500 * MIB
