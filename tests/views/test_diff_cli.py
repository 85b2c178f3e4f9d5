"""``kho-tui diff``: exit codes, marks, kinds, and the JSON that scripts rely on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from captures import sample

from kho_tui.views.cli.main import run

PRE, POST = str(sample("x86_64-7.1/1-pre")), str(sample("x86_64-7.1/1-post"))

_KINDS = {"added", "removed", "moved", "changed", "resized", "reordered", "carried over"}
_FATES = {"kept", "as it must be", "as it may be", "lost", "cannot tell"}


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(["diff", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    loaded = json.loads(said(capsys, *arguments, "--json")[1])
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((PRE, PRE), 0),
        ((PRE, POST), 0),
        ((PRE, POST, "--strict"), 2),
        ((PRE, POST, "--as", "plain"), 1),
        ((POST, PRE), 1),
        ((POST, PRE, "--as", "handover"), 2),
        ((PRE, PRE, "--as", "handover"), 2),
        ((f"{PRE}:out", f"{POST}:in", "--as", "handover"), 0),
        ((PRE, POST, "--side", "in"), 2),
        ((PRE, POST, "--as", "sideways"), 2),
        ((PRE, POST, "--only", "stolen"), 2),
        ((PRE, "/nowhere"), 2),
    ],
)
def test_exit_codes(arguments: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    found, out, err = said(capsys, *arguments)
    assert found == code
    assert "Traceback" not in err
    assert bool(out) != bool(err)


def test_the_verdict_is_the_first_line_and_evidence_follows(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = said(capsys, PRE, POST)
    lines = out.splitlines()
    assert lines[0] == "no loss seen; cannot tell: 3 sessions, 3 files (stale on a running 7.1)"
    assert lines[1].startswith("evidence: yes: B's root FDT is A's, byte for byte")
    assert "  = reserve_mem out/memblock/pstore: log: \"Revived memory reservation 'pstore' from KHO\"" in lines


def test_quiet_says_nothing_and_stat_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, PRE, POST, "--quiet") == (0, "", "")
    _, out, _ = said(capsys, PRE, POST, "--stat")
    assert out.splitlines()[1] == "? 6 cannot tell"
    assert document(capsys, PRE, POST, "--stat").keys().isdisjoint({"diff", "handover"})


def test_only_one_kind_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = said(capsys, PRE, POST, "--only", "cannot tell")
    listed = [line for line in out.splitlines() if line.startswith("  ")]
    assert len(listed) == 6 and all(line.startswith("  ? ") for line in listed)
    only = document(capsys, PRE, POST, "--only", "lost")
    assert only["handover"]["entities"] == [] and only["counts"]["fates"]["kept"]


def test_json_of_a_handover(capsys: pytest.CaptureFixture[str]) -> None:
    told = document(capsys, PRE, POST)
    assert told["schema"] == "kho-tui.diff/1"
    assert told["view"] == "handover" and told["not_one_handover"] is None and told["diff"] is None
    assert [one["holds"] for one in told["evidence"]] == [True, True, True]
    assert told["handover"]["refused"] is None
    for one in (*told["handover"]["entities"], *told["handover"]["onward"]):
        assert set(one) == {"fate", "entity", "path", "other", "title", "reason", "fields"}
        assert one["fate"] in _FATES and one["reason"]
    assert told["kernels"] == ["7.1.13", "7.1.13"]


def test_json_of_a_plain_diff(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(PRE, other)
    blob = (other / "kho/out/sub_fdts/kexec-metadata").read_bytes()
    memory = (other / "memory.elf").read_bytes()
    assert blob in memory
    (other / "memory.elf").write_bytes(memory.replace(blob, blob[:69] + b"\x09\0\0\0"))
    told = document(capsys, PRE, str(other))
    assert told["view"] == "plain" and told["not_one_handover"]
    assert told["diff"]["sides"] == [["out", "out"]]
    (change,) = told["diff"]["changes"]
    assert set(change) == {"kind", "entity", "path", "other", "title", "note", "declared", "fields", "memory", "consequences"}
    assert change["kind"] in _KINDS and change["path"] == "out/kexec-metadata"
    assert change["fields"] == [{"name": "kexec_count", "unit": "count", "old": 1, "new": 9}]
    assert told["counts"]["roots"] == {"changed": 1}
    assert told["diff"]["memory"] == []


def test_a_change_is_one_line_with_a_mark_and_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = said(capsys, PRE, POST, "--as", "plain")
    lines = out.splitlines()
    at = lines.index("~ changed subtree out/kexec-metadata")
    assert lines[at + 1] == "    kexec_count: 1 -> 2"
    assert any(line.startswith("? cannot tell tracker out/preserved") for line in lines)
