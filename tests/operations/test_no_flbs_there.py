"""A kernel without FLBs (6.19) reads none of those that 7.0 hands over in the same luo-v1 (kernel/liveupdate/luo_flb.c is of 7.0)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kho_tui.views.cli.main import run

SCENARIO = Path(__file__).parents[2] / "samples" / "scenarios" / "story-7.0.toml"


@pytest.fixture(scope="module")
def handed_over(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 7.0 with an FLB in use, after its reboot call, and the 6.19 that is kexec'ed from it."""
    folder = tmp_path_factory.mktemp("flbs")
    scenario = SCENARIO.read_text().replace("test = true", "test = true\nflbs = 1")
    first_kexec = scenario.index('do = "kexec"')
    scenario = scenario[: first_kexec + len('do = "kexec"')] + '\nrelease = "6.19"\nuname = "6.19.0"\n'
    (folder / "flbs.toml").write_text(scenario)
    assert run(["sim", "run", str(folder / "flbs.toml"), "-o", str(folder / "states")]) == 1  # 6.19 takes it in part
    return folder / "states"


@pytest.mark.parametrize(("target", "words"), [("6.19", "in part"), ("7.0", "taken")])
def test_the_flb_is_lost_there(handed_over: Path, target: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    run(["check", str(handed_over / "1-pre"), "--target", target, "--json"])
    consumers = json.loads(capsys.readouterr().out)["target"]["consumers"]
    luo = next(consumer for consumer in consumers if consumer["name"] == "LUO")
    assert luo["outcome"] == words
    assert ("6.19 has no FLBs" in luo["reason"]) == (target == "6.19")


def fates(before: Path, after: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, tuple[str, str]]:
    """Fate and reason of each FLB, and the verdict under ``verdict``."""
    capsys.readouterr()
    run(["diff", str(before), str(after), "--json"])
    diff = json.loads(capsys.readouterr().out)
    flbs = {entity["path"]: (entity["fate"], entity["reason"]) for entity in diff["handover"]["entities"] if entity["entity"] == "FLB"}
    return {**flbs, "verdict": ("", diff["verdict"])}


def test_the_diff_says_so_too(handed_over: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = fates(handed_over / "1-pre", handed_over / "1-post", capsys)
    assert told["out/LUO/FLBs/liveupdate-test-flb-v0"] == ("lost", "6.19 has no FLBs")


@pytest.mark.parametrize(
    ("kernel", "reason"),
    [
        (["--kernel", "6.18"], "nobody can retrieve it: 6.18 has no LUO"),
        (
            ["--kernel", "6.19", "--cmdline", "kho=on"],
            "nobody can retrieve it: the next kernel's command line does not switch LUO on (liveupdate=)",
        ),
    ],
)
def test_where_nobody_opens_luo_that_is_the_reason(
    handed_over: Path, kernel: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["sim", "kexec", str(handed_over / "1-pre"), "-o", str(tmp_path / "post"), *kernel])
    told = fates(handed_over / "1-pre", tmp_path / "post", capsys)
    assert told["out/LUO/FLBs/liveupdate-test-flb-v0"] == ("lost", reason)
    assert reason in told["verdict"][1]


def test_a_log_that_found_them_outranks_the_release(handed_over: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A 6.19 to which FLBs were added: its log is that of 7.0."""
    post = tmp_path / "post"
    run(["sim", "kexec", str(handed_over / "1-pre"), "-o", str(post)])
    for name in ("version", "capture.json", "dmesg"):
        (post / name).write_text((post / name).read_text().replace("7.0.0", "6.19.8-bp"))
    told = fates(handed_over / "1-pre", post, capsys)
    fate, reason = told["out/LUO/FLBs/liveupdate-test-flb-v0"]
    assert fate == "kept" and "found flb data from the previous boot" in reason
