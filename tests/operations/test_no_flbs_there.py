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


def test_the_diff_says_so_too(handed_over: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    run(["diff", str(handed_over / "1-pre"), str(handed_over / "1-post"), "--json"])
    entities = json.loads(capsys.readouterr().out)["handover"]["entities"]
    flb = next(entity for entity in entities if entity["path"] == "out/LUO/FLBs/liveupdate-test-flb-v0")
    assert (flb["fate"], flb["reason"]) == ("lost", "6.19 has no FLBs")
