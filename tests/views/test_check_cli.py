"""``check`` as a user and a script meet it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from captures import sample

from kho_tui.context import Context
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.views.cli.main import run

PRE, POST = str(sample("x86_64-7.3/1-pre")), str(sample("x86_64-7.3/1-post"))


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("faults") / "empty-block"
    fault_capture(PRE, "session-block-empty", out, Context())
    return str(out)


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = run(("check", *arguments, "--json"))
    parsed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, parsed


def test_the_verdict_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(("check", PRE, "--strict")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "out: nothing wrong found; 1 rule cannot be told: contents of the test module's folios: not in this capture"
    assert any(line.startswith("cannot be told, for want of contents of the test module's folios: KHO049") for line in lines)
    assert lines[-1] == "restoring it costs: 2056 blocks, 5369 pages, 43 tracker pages, 3 sessions, 3 files, 2014 folios"


def test_a_state_that_panics_the_next_kernel_is_an_error_with_place_and_consequence(
    broken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(("check", broken)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("out: 2 errors")
    at = next(number for number, line in enumerate(lines) if line.startswith("error KHO041"))
    assert lines[at + 1].startswith("  out/LUO 0x") and "empty block at 0x" in lines[at + 1]
    assert "panics at boot" in lines[at + 2]


def test_json_names_every_rule_its_answer_and_what_it_lacks(broken: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = document(capsys, broken)
    assert (code, found["schema"], found["exit_code"], found["side"]) == (1, "kho-tui.check/1", 1, "out")
    assert found["counts"]["errors"] == 2
    rules = {one["code"]: one for one in found["rules"]}
    assert rules["KHO041"]["answer"] == "broken" and rules["KHO041"]["severity"] == "error" and rules["KHO041"]["by"] == "rule"
    assert rules["KHO106"]["by"] == "decoding"
    case = rules["KHO041"]["evidence"][0]
    assert case["where"] == "out/LUO" and case["address"].startswith("0x")
    assert rules["KHO049"]["answer"] == "cannot tell"
    assert rules["KHO049"]["missing"] == [{"input": "contents of the test module's folios", "reason": "not in this capture"}]
    assert {"input": "contents of the test module's folios", "reason": "not in this capture", "rules": ["KHO049"]} in found["missing"]
    assert rules["KHO013"]["answer"] == "not asked" and rules["KHO013"]["reason"]
    assert sum(found["counts"][name] for name in ("errors", "warnings", "infos", "holds", "cannot_tell", "not_asked")) == len(rules)
    assert found["cost"]["blocks"] > 2000


def test_the_missing_inputs_of_a_capture_without_memory_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(PRE, copy, ignore=shutil.ignore_patterns("memory.elf"))
    code, found = document(capsys, str(copy), "--strict")
    assert (code, found["exit_code"], found["strict"]) == (2, 2, True)
    inputs = {one["input"]: one["rules"] for one in found["missing"]}
    assert {"KHO020", "KHO021", "KHO022"} <= set(inputs["tracker"])
    assert found["cost"]["blocks"] is None


def test_after_asks_the_rules_on_two_boots(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = document(capsys, PRE, "--after", POST, "--only", "KHO030", "--only", "kho050", "--only", "KHO138")
    assert code == 0 and found["after"] == POST
    assert {one["code"]: one["answer"] for one in found["rules"]} == dict.fromkeys(("KHO030", "KHO050", "KHO138"), "holds")
    _, found = document(capsys, PRE, "--only", "KHO030")
    assert found["rules"][0]["answer"] == "not asked" and "--after" in found["rules"][0]["reason"]


def test_a_side_is_picked(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(("check", f"{POST}:in")) == 0
    assert capsys.readouterr().out.startswith("in: nothing wrong found; ")


def test_codes_are_listed_and_explained_without_a_state(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(("check", "--list")) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed[0].startswith("KHO001  error") and listed == sorted(listed)
    assert any(line.startswith("KHO106  error    decoding: ") for line in listed)
    assert run(("check", "--explain", "KHO041")) == 0
    said = capsys.readouterr().out
    assert "severity: error, 7.2 on" in said and "panics" in said and "source: " in said
    assert run(("check", "--explain", "KHO106")) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", PRE, "--only", "KHO999"), "there is no code KHO999"),
        (("check", "--explain", "\x1b[31mred"), "there is no code \\x1b[31mred"),
        (("check", PRE, "--side", "in"), "no side 'in'"),
        (("check", PRE, "--after", "/nowhere/at/all"), "/nowhere/at/all"),
    ],
)
def test_a_request_that_makes_no_sense_is_one_line_and_two(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and said in captured.err and len(captured.err.splitlines()) == 1
