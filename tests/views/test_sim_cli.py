"""The simulator's commands as a user meets them: the first line, what is written and opens, errors that name what to change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import pytest
from captures import CHECKOUT, sample

from kho_tui.views.cli.main import run

STATE = sample("x86_64-7.3") / "1-pre"
Sim = Callable[..., tuple[int, str, str]]


@pytest.fixture
def sim(capsys: pytest.CaptureFixture[str]) -> Sim:
    def simulate(*arguments: str | Path) -> tuple[int, str, str]:
        code = run(["sim", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return simulate


ASSUMED = " (assuming the command line of this state, that KHO and what reads this state are built in)"


def shown(capsys: pytest.CaptureFixture[str], path: Path) -> Any:
    assert run(["show", str(path), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_new_scenario_runs_and_its_captures_open(sim: Sim, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = sim("new")
    assert code == 0
    scenario = tmp_path / "my.toml"
    scenario.write_text(text)
    code, out, err = sim("run", scenario, "-o", tmp_path / "story")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"played to the end: 3 captures written to {tmp_path / 'story'}"
    assert lines[2] == "  1-post  7.3.0 takes it: 3 subtrees"
    assert any(line.startswith("  cannot be predicted: in/LUO") for line in lines)
    luo = next(one for one in shown(capsys, tmp_path / "story" / "1-pre")["sides"]["out"]["subtrees"] if one["name"] == "LUO")
    assert [one["name"] for one in luo["content"]["sessions"]] == ["vm-alpha"]


def test_the_seed_decides_on_addresses(sim: Sim, tmp_path: Path) -> None:
    scenario = tmp_path / "my.toml"
    scenario.write_text(sim("new")[1])
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        assert sim("run", scenario, "-o", tmp_path / name, "--seed", str(seed))[0] == 0
    memory = {name: (tmp_path / name / "1-post" / "memory.elf").read_bytes() for name in "abc"}
    assert memory["a"] == memory["b"] != memory["c"]


def test_a_kexec_says_what_becomes_of_the_state(sim: Sim, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = sim("kexec", STATE, "-o", tmp_path / "same")
    assert (code, out.splitlines()[0]) == (
        0,
        f"7.3.4 takes it: 4 subtrees{ASSUMED}; written to {tmp_path / 'same'}",
    )
    code, out, _ = sim("kexec", STATE, "-o", tmp_path / "old", "--kernel", "7.1")
    why = "handed over: kho-v4; this kernel takes only kho-v3"
    assert (code, out.splitlines()[0]) == (1, f"7.1.0 ignores it and boots cold: {why}{ASSUMED}; written to {tmp_path / 'old'}")
    assert shown(capsys, tmp_path / "same")["sides"]["in"]["abi"] == "kho-v4"
    assert shown(capsys, tmp_path / "old")["sides"]["in"] is None


def test_json_says_the_same(sim: Sim, tmp_path: Path) -> None:
    code, out, _ = sim("kexec", STATE, "-o", tmp_path / "old", "--kernel", "7.1", "--json")
    told = json.loads(out)
    assert (code, told["schema"], told["outcome"]) == (1, "kho-tui.kexec/1", "ignored")
    assert told["deciding"]["check"] == "root-version"
    assert told["directory"] == str(tmp_path / "old")
    _, out, _ = sim("fault", "--list", "--json")
    faults = {one["name"]: one for one in json.loads(out)["faults"]}
    assert faults["root-magic"]["finding"] == "KHO001"


def test_a_replay_has_the_same_structures(sim: Sim, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = sim("replay", STATE, "-o", tmp_path / "again")
    assert code == 0
    assert out.startswith("written again from the model, all of it: ")
    old, new = (shown(capsys, path)["sides"]["out"]["preserved"] for path in (STATE, tmp_path / "again"))
    assert (old["blocks"], old["bytes"], old["map"]) == (new["blocks"], new["bytes"], new["map"])


def test_a_fault_says_what_it_changed(sim: Sim, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = sim("fault", STATE, "root-magic", "-o", tmp_path / "broken")
    assert code == 0
    assert out.startswith("root-magic (KHO001): the root FDT has no magic; written to ")
    assert run(["check", str(tmp_path / "broken"), "--only", "KHO001"]) == 1
    capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("kexec", f"{STATE}:in", "-o", "OUT"), "only the out side can be handed on"),
        (("kexec", STATE, "-o", "OUT", "--kernel", "7.9"), "did you mean 7.3?"),
        (("kexec", STATE / "memory.elf", "-o", "OUT"), "say which one to kexec into"),
        (("kexec", STATE), "'-o'"),
        (("kexec", STATE, "-o", CHECKOUT / "docs"), "not an empty directory"),
        (("replay", f"{sample('x86_64-7.3') / '1-post'}:in", "-o", "OUT"), "given back"),
        (("fault", STATE, "root-magik", "-o", "OUT"), "root-magic"),
        (("fault", STATE), "sim fault takes PATH NAME -o DIR (or --list)"),
        (("run", CHECKOUT / "nothing.toml", "-o", "OUT"), "No such file"),
    ],
)
def test_what_cannot_be_done_is_one_line(sim: Sim, tmp_path: Path, arguments: tuple[str | Path, ...], words: str) -> None:
    code, out, err = sim(*(tmp_path / "out" if one == "OUT" else one for one in arguments))
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_state_without_memory_cannot_be_kexeced(sim: Sim, tmp_path: Path) -> None:
    state = tmp_path / "bare"
    copytree(STATE, state, ignore=ignore_patterns("memory.elf"))
    code, _, err = sim("kexec", state, "-o", tmp_path / "out")
    assert (code, (tmp_path / "out").exists()) == (2, False)
    assert "memory" in err


def test_a_mistake_in_a_scenario_is_named_by_line_and_key(sim: Sim, tmp_path: Path) -> None:
    scenario = tmp_path / "bad.toml"
    text = sim("new")[1].replace("token = 1", "tokn = 1")
    scenario.write_text(text)
    line = text.splitlines().index("tokn = 1") + 1
    code, _, err = sim("run", scenario, "-o", tmp_path / "out")
    assert (code, err) == (2, f"kho-tui: {scenario}:{line}: tokn: unknown: did you mean token?\n")


MACHINE = '[machine]\n[[machine.node]]\nmemory = [["1M", "511M"]]\n'
ON = 'cmdline = "kho=on liveupdate=on kho_scratch=32M,32M,32M"\n'
SESSION = '[[step]]\ndo = "session"\nname = "vm"\n[[step]]\ndo = "memfd"\nsession = "vm"\ntoken = 1\nsize = "8K"\n'
KEXEC = '[[step]]\ndo = "kexec"\n'


@pytest.mark.parametrize(
    ("release", "steps", "code", "words"),
    [
        ("7.3", ON + SESSION + KEXEC, 0, "7.3.0 takes it: "),
        ("7.3", ON + SESSION, 0, "played to the end"),
        ("7.3", ON + SESSION + KEXEC + 'release = "7.1"\n', 1, "7.1.0 ignores it"),
        ("6.19", ON + SESSION + KEXEC + 'release = "6.18"\n', 1, "6.18.0 takes it in part"),
        ("6.19", ON + SESSION + KEXEC + 'release = "7.0"\n', 1, "the run ended in a panic"),
        ("7.3", 'cmdline = "kho=off"\n' + KEXEC, 0, "7.3.0 ignores it and boots cold: nothing is handed over"),
        ("6.18", ON + KEXEC, 0, "6.18.0 ignores it and boots cold: not finalized"),
        ("6.18", ON + '[[step]]\ndo = "folio"\n' + KEXEC, 1, "6.18.0 ignores it and boots cold: not finalized"),
    ],
)
def test_a_run_ends_with_1_where_something_preserved_is_lost(
    release: str, steps: str, code: int, words: str, sim: Sim, tmp_path: Path
) -> None:
    scenario = tmp_path / "my.toml"
    scenario.write_text(f'{MACHINE}[kernel]\nrelease = "{release}"\n{steps}')
    found, out, err = sim("run", scenario, "-o", tmp_path / "out")
    assert (found, err) == (code, "")
    assert words in out


@pytest.mark.parametrize(
    ("fault", "kernel", "code"), [(None, "7.3", 0), (None, "7.1", 1), ("session-block-empty", "7.3", 1), ("region-version", "7.3", 1)]
)
def test_a_kexec_ends_with_1_where_something_preserved_is_lost(fault: str | None, kernel: str, code: int, sim: Sim, tmp_path: Path) -> None:
    state = STATE
    if fault is not None:
        state = tmp_path / "broken"
        assert sim("fault", STATE, fault, "-o", state)[0] == 0
    assert sim("kexec", state, "-o", tmp_path / "out", "--kernel", kernel)[0] == code


def test_the_group_alone_prints_its_commands(sim: Sim) -> None:
    code, out, err = sim()
    assert (code, err) == (0, "")
    assert all(word in out for word in ("new", "run", "kexec", "replay", "fault", "boot"))
