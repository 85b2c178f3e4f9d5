"""A kernel that is newer than the table of releases: `show` says so in one line, and nothing of what that kernel would do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from captures import CHECKOUT, copy_of, sample

from kho_tui.views.cli.main import run

CASES = CHECKOUT.parent / "shared" / "cases"
NEWER = ("7.4.0", "7.4.0-rc1", "8.0.1+deb15-amd64")


def show(path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert run(["show", str(path), *options]) == 0
    return capsys.readouterr().out


def booted_by(release: str, to: Path) -> Path:
    """A state that a 7.3.4 kernel hands over, as if a kernel of another release did."""
    copy_of(sample("x86_64-7.3/1-pre"), to)
    version = to / "version"
    version.write_text(version.read_text().replace("7.3.4", release, 1))
    return to


@pytest.mark.parametrize("release", NEWER)
def test_show_says_in_one_line_that_the_running_kernel_is_newer(release: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = show(booted_by(release, tmp_path / "state"), capsys)
    assert [line for line in shown.splitlines() if "newer" in line] == [
        f"  KHO125 info  machine: {release} is newer than what is known here (6.16 to 7.3): "
        "formats are read by their version strings, what this kernel does is unknown"
    ]
    first = shown.splitlines()[0]
    assert first.startswith("out: kho-v4: ") and "would" not in first


@pytest.mark.parametrize("release", ["7.3.4", "7.3.99", "6.12.48", "next"])
def test_show_says_nothing_of_the_kind_of_other_kernels(release: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "newer" not in show(booted_by(release, tmp_path / "state"), capsys)


@pytest.mark.parametrize("release", ["9" * 5000 + ".1", "7." + "9" * 5000, "7.4." + "9" * 5000, "7.4-rc" + "9" * 5000])
def test_a_release_of_thousands_of_digits_is_shown_all_the_same(release: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "kho-v4" in show(booted_by(release, tmp_path / "state"), capsys)


@pytest.mark.parametrize(
    ("case", "unknown"),
    [
        ("kho-v5", "a root FDT of a version that is not known; whether the next kernel accepts it is unknown; kho-v5: "),
        ("fut-luo6-74", "LUO unknown: LUO version luo-v6 is not known"),
        ("fut-memfd3-74", "[unknown: file handler memfd-v3 is not known: its data is shown as it is]"),
    ],
)
def test_what_a_7_4_kernel_wrote_is_unknown_and_no_error(case: str, unknown: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = CASES / case
    if not path.is_dir():
        pytest.skip(f"the case {case} is not beside this checkout")
    shown = show(path, capsys)
    assert unknown in shown and "7.4.0 is newer than what is known here" in shown
    assert not any(word in shown for word in ("would not take", "refuse", "panic", "would hand over"))
    findings = json.loads(show(path, capsys, "--json"))["findings"]
    assert "KHO125" in {finding["code"] for finding in findings}
    assert "error" not in {finding["severity"] for finding in findings}
