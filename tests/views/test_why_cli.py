"""``why`` as a user and a script meet it."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from captures import SHARED, sample

from kho_tui.errors import InputError
from kho_tui.views.cli.main import run
from kho_tui.views.cli.why_request import read_arguments

PRE, POST = str(sample("x86_64-7.3/1-pre")), str(sample("x86_64-7.3/1-post"))


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = run(("why", *arguments, "--json"))
    parsed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, parsed


def piped(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_the_checkup_of_a_capture(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(("why", PRE)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{PRE}, kernel 7.3.4: nothing amiss was found"
    answers = [line.split("  ")[0] for line in lines[1:] if not line.startswith(" ")]
    assert set(answers) == {"ok", "unknown"}
    assert any(line.startswith("ok       scratch ") and "11.7 % of RAM" in line for line in lines)
    # What is unknown says what would tell, or why nothing can.
    assert any("the kernel shows its segments nowhere" in line for line in lines)


def test_this_machine_is_meant_without_a_path(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = document(capsys)
    assert found["subject"].startswith("this machine, kernel ") and code == found["exit_code"]
    assert {one["question"] for one in found["checkup"]} >= {"built", "on", "liveupdate", "debugfs", "lockdown", "scratch", "kernels"}


def test_a_symptom_has_causes_evidence_remedy_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(("why", "CmaFree", "above", "CmaTotal", PRE)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"evidence from: {PRE}, kernel 7.3.4"
    assert lines[2].startswith("  certain: scratch is CMA")
    for word in ("evidence: meminfo: CmaFree 112 MiB, CmaTotal 0 bytes", "remedy: ", "source: kernel/liveupdate/kexec_handover.c"):
        assert any(line.strip().startswith(word) for line in lines)


def test_an_errno_may_have_a_sign(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(("why", "kexec", "fails", "with", "-99", PRE)) == 2
    assert capsys.readouterr().out.splitlines()[1] == "kexec_file_load fails with EADDRNOTAVAIL"
    assert run(("why", "-EIO", PRE)) == 2
    assert capsys.readouterr().out.splitlines()[1] == "EIO of /dev/liveupdate, or of a retrieve"


def test_json_holds_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = document(capsys, "cma", PRE)
    assert (code, found["schema"], found["asked"], found["exit_code"], found["checkup"]) == (1, "kho-tui.why/1", "cma", 1, [])
    (symptom,) = found["symptoms"]
    assert symptom["name"] == "cma" and symptom["causes"][0]["certainty"] == "certain"
    assert set(symptom["causes"][0]) == {"certainty", "other_call", "other_error", "cause", "evidence", "needs", "remedy", "source"}
    code, found = document(capsys, PRE)
    assert (code, found["symptoms"], found["asked"]) == (0, [], None)
    assert set(found["checkup"][0]) == {"question", "decides", "answer", "says", "evidence", "details", "remedy"}


def test_an_unknown_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(("why", "EBUSSY", PRE)) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "EBUSSY: not a symptom that is known here" and lines[1] == "did you mean:"
    assert lines[2].split()[:3] == ["kho-tui", "why", "ebusy"] and "freeze-failed" in lines[-2]
    assert run(("why", "\x1b[31m\u202e", PRE)) == 2
    assert "\x1b" not in capsys.readouterr().out


def test_a_log_on_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    log = b"Linux version 7.3.4 (gcc)\nKHO: setup: handover FDT (0x1) is incompatible with 'kho-v4': 1\nKHO: disabling KHO revival\n"
    piped(monkeypatch, log)
    assert run(("why", "-")) == 1
    out = capsys.readouterr().out
    assert "evidence: log given: KHO: setup: handover FDT (0x1) is incompatible with 'kho-v4': 1" in out
    # This machine is not the log's.
    assert "this machine" not in out
    piped(monkeypatch, b"\x00\xff\x1b nothing\n")
    assert run(("why", "-")) == 2
    assert capsys.readouterr().out == "log given: there is no KHO message in it\n"


@pytest.mark.shared
def test_a_whole_log_of_a_kernel_that_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    piped(monkeypatch, (SHARED / "upgrades/7.1-to-7.3/1-post/dmesg").read_bytes())
    code, found = document(capsys, "-")
    assert code == 1 and [one["name"] for one in found["symptoms"]] == ["cold"]
    assert [one["certainty"] for one in found["symptoms"][0]["causes"]].count("certain") == 1


def test_a_path_that_exists_wins_over_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_arguments(("EBUSY",), None).words == "EBUSY"
    (tmp_path / "EBUSY").mkdir()
    assert read_arguments(("EBUSY",), None).path == "EBUSY"
    assert read_arguments(("sessions", "EBUSY", "gone"), None).words == "sessions EBUSY gone"
    assert read_arguments((PRE, "sessions", "gone"), None).path == PRE
    request = read_arguments(("sessions", "gone", "-", PRE), None)
    assert (request.words, request.path, request.log) == ("sessions gone", PRE, "-")


def test_a_capture_that_is_not_there_is_no_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("capture.tar.gz", "dmesg.txt", "vm.elf"):
        with pytest.raises(InputError, match="no such file or directory"):
            read_arguments(("sessions gone", name), None)
    # A place of the machine that is not there is what is asked about.
    assert read_arguments(("/sys/kernel/debug/absent", "missing"), None).words == "/sys/kernel/debug/absent missing"


def test_a_log_may_be_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "boot.txt"
    log.write_text("[    0.000000] Linux version 7.3.4 (gcc)\n[    0.1] KHO: setup: handover FDT (0x1) is incompatible with 'kho-v4': 1\n")
    assert run(("why", str(log))) == 1
    assert run(("why", "cold", str(log))) == 1
    assert capsys.readouterr().out.splitlines()[0] == "evidence from: the log given, kernel 7.3.4"


def test_words_on_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    piped(monkeypatch, b"qemu-system-x86_64: VFIO_MAP_DMA failed: Cannot allocate memory\n")
    assert run(("why", "-")) == 2
    assert capsys.readouterr().out.splitlines()[1].startswith("VFIO, RDMA or io_uring cannot pin memory")
    piped(monkeypatch, b"\n")
    assert run(("why", "-")) == 2
    assert capsys.readouterr().out == "log given: standard input is empty\n"


def test_a_device_is_a_word_and_is_never_opened(tmp_path: Path) -> None:
    assert read_arguments(("EIO", "/dev/liveupdate"), None).path is None
    assert read_arguments(("EIO", "/dev/null"), None).words == "EIO /dev/null"
    with pytest.raises(InputError, match="no such file or directory"):
        read_arguments(("EIO", str(tmp_path / "absent")), None)


def test_images_are_a_directory_of_kernels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(("why", PRE, "--images", str(tmp_path / "absent"))) == 2
    assert run(("why", PRE, "--images", str(tmp_path))) == 2
    said = capsys.readouterr().err
    assert "No such file or directory" in said and "no kernel image in it" in said
