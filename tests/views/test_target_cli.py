"""``check --target`` as a user meets it: the first line, the exit code, and JSON that says why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from captures import SHARED, copy_of, sample

from kho_tui.context import Context
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.views.cli.main import run

KERNELS = SHARED.parent / "kernels"
STATE = sample("x86_64-7.3") / "1-pre"
SAME = "kho=on liveupdate=on reserve_mem=4M:4096:oops_trace reserve_mem=1M:2M:pstore"


def check(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, list[str], str]:
    code = run(["check", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err


def document(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    code, lines, _ = check(capsys, *arguments, "--json")
    return code, json.loads("\n".join(lines))


@pytest.mark.parametrize(
    ("arguments", "code", "first"),
    [
        (("--target", "7.3.4", "--target-cmdline", SAME), 0, "7.3.4 would take this state"),
        (("--target", "7.3"), 0, "7.3 would take this state (assuming the command line of this state, that KHO"),
        (("--target", "7.3", "--strict"), 2, "7.3 would take this state (assuming the command line of this state"),
        (("--target", "7.3", "--assume", "none"), 2, "cannot tell whether 7.3 would take this state: whether KHO is built"),
        (("--target", "7.3", "--target-cmdline", SAME, "--strict"), 2, "7.3 would take this state (assuming that KHO"),
        (("--target", "7.3", "--target-cmdline", "kho=on"), 1, "7.3 would take this state in part: no liveupdate=on on its command line"),
        (("--target", "7.1"), 1, "7.1 would IGNORE this state and boot cold: handed over: kho-v4; this kernel takes only kho-v3"),
        (("--target", "6.12"), 1, "6.12 would IGNORE this state and boot cold: KHO is not in this release: it came with 6.16"),
    ],
)
def test_the_first_line_and_the_exit_code_are_the_verdict(
    arguments: tuple[str, ...], code: int, first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    got, lines, _ = check(capsys, STATE, *arguments)
    assert (got, lines[0][: len(first)]) == (code, first)
    assert any(line.startswith("out: ") for line in lines), "the verdict of the rules comes too"


def test_a_panic_names_the_block(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fault_capture(STATE, "session-block-empty", tmp_path / "broken", Context())
    code, lines, _ = check(capsys, tmp_path / "broken", "--target", "7.3", "--target-cmdline", SAME)
    assert code == 1
    assert lines[0].startswith("7.3 would PANIC: empty LUO block at 0x")


def test_each_file_that_does_not_come_back_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fault_capture(sample("x86_64-7.3") / "2-pre", "memfd-seals", tmp_path / "broken", Context())
    code, lines, _ = check(capsys, tmp_path / "broken", "--target", "7.3", "--target-cmdline", SAME)
    assert code == 1
    assert [line for line in lines if line.startswith("  LUO: file ")] == ["  LUO: file 0xb of vm-alpha2: lost: seals 0x40, known are 0x3f"]


def test_a_state_without_its_root_could_not_be_checked(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = check(capsys, sample("x86_64-7.3") / "1-post", "--target", "7.3")
    assert code == 2
    assert lines[0].startswith("cannot tell whether 7.3 would take this state: ")


def test_json_says_which_check_decides_and_what_becomes_of_each_part(capsys: pytest.CaptureFixture[str]) -> None:
    code, whole = document(capsys, STATE, "--target", "7.3", "--target-cmdline", "kho=on liveupdate=on reserve_mem=4M:4096:oops_trace")
    found = whole["target"]
    assert (code, whole["exit_code"], whole["schema"]) == (1, 1, "kho-tui.check/1")
    assert (found["outcome"], found["loads"], found["deciding"]["check"]) == ("in part", None, "reserve_mem")
    parts = {one["name"]: (one["outcome"], one["reason"]) for one in found["consumers"]}
    assert parts["memblock"] == ("in part", "pstore is not asked for")
    assert parts["LUO"] == ("taken", "")
    assert {one["answer"] for one in found["checks"]} == {"holds", "broken"}
    code, whole = document(capsys, STATE)
    assert (code, whole["target"]) == (0, None)


def test_json_tells_nothing_of_what_cannot_be_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, whole = document(capsys, sample("x86_64-7.3") / "1-post", "--target", "7.3")
    found = whole["target"]
    assert (code, found["outcome"], found["deciding"], found["consumers"]) == (2, None, None, [])
    assert any("root FDT" in reason for reason in found["cannot_tell"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--target-cmdline", "kho=on"), "speak of a --target"),
        (("--target", "7.3", "--assume", "all"), "--assume takes own or none"),
        (("--target", "7.3", "--target-initrd", "/nowhere"), "/nowhere"),
        (("--target", "7.3", "--target-initrd", __file__), "goes with a kernel image"),
        (("--target", ""), "--target is empty"),
        (("--target", "7.9"), "known are 6.16 to 7.3"),
        (("--target", "6.12.0-55.el10.x86_64"), "may have KHO as a backport: unknown"),
        (("--target", __file__), "no kernel image"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused_in_one_line(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines, err = check(capsys, STATE, *arguments)
    assert (code, lines, err.count("\n")) == (2, [], 1)
    assert words in err


@pytest.mark.shared
def test_the_gate_of_the_readme_assumes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    gate = ("--strict", "--target", KERNELS / "bzImage-7.3")
    code, lines, _ = check(capsys, STATE, *gate, "--target-cmdline", SAME)
    assert (code, lines[0]) == (0, "7.3.4 would take this state")
    code, lines, _ = check(capsys, STATE, *gate)
    assert (code, lines[0]) == (2, "7.3.4 would take this state (assuming the command line of this state)")


@pytest.mark.shared
@pytest.mark.parametrize(("release", "code"), [("6.18", 1), ("6.19", 1), ("7.1", 1), ("7.3", 0)])
def test_real_kernel_images_are_judged(release: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--target", KERNELS / f"bzImage-{release}", "--target-initrd", KERNELS / "initrd", "--target-cmdline", SAME)
    got, whole = document(capsys, STATE, *arguments)
    found = whole["target"]
    assert (got, found["loads"], found["kernel"]["series"]) == (code, True, release)
    assert found["kernel"]["kho"] == "KHO is built in and off unless kho=on stands on its command line"
    assert [one["name"] for one in found["loading"]["segments"]] == ["scratch table", "kernel", "initrd"]


def test_a_size_that_cannot_be_right_is_what_the_next_kernel_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """debugfs shows 32 bytes; a real 7.3.4 says "LUO state is too small (0 < 32)" and panics."""
    state = tmp_path / "state"
    copy_of(sample("x86_64-7.3") / "1-pre", state)
    memory = (state / "memory.elf").read_bytes()
    size = bytes.fromhex("00000001") + b"LUO\0" + bytes.fromhex("00000003 00000008 0000002f") + (32).to_bytes(8, "little")
    assert memory.count(size) == 1
    (state / "memory.elf").write_bytes(memory.replace(size, size[:-8] + bytes(8)))
    assert run(["check", str(state), "--target", "7.3"]) == 1
    assert "7.3 would PANIC: 0 bytes of 32" in capsys.readouterr().out


def test_a_state_that_is_accepted_with_errors_does_not_begin_with_good_news_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fault_capture(STATE, "folio-not-preserved", tmp_path / "broken", Context())
    assert run(["check", str(tmp_path / "broken"), "--target", "7.3"]) == 1
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("7.3 would take this state") and "; but the state has 1 error" in first
