"""Why something is not there, as far as the rest tells: another boot's memory, an earlier copy, a release or version without it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from captures import sample
from operations.test_sources_that_disagree import LUO_73, copy_of, edit_memory, patch

from kho_tui.context import Context
from kho_tui.model.facts import Damaged, Missing, NotWritten, Unavailable
from kho_tui.model.state import State
from kho_tui.model.verdict import verdict
from kho_tui.operations.open_state import open_state
from kho_tui.subsystems.luo.content import Luo
from kho_tui.views.cli.main import run


def opened(path: Path) -> State:
    with open_state(path, Context()) as found:
        return found.state


def luo_of(state: State) -> Luo:
    found = next(one.content for one in state.sides["out"].subtrees if one.name == b"LUO")
    assert isinstance(found, Luo)
    return found


def test_a_6_18_root_without_a_tracker_is_damage(tmp_path: Path) -> None:
    """6.16 to 6.18 make the root at finalize, tracker and all: 0 is no early state there (kernel/kexec_handover.c)."""
    capture = copy_of("x86_64-6.18/1-pre", tmp_path)
    expected = json.loads((capture / "expected.json").read_text())
    (root,) = expected["fdt_phys"]
    data = (capture / "kho/out/fdt").read_bytes()
    at = data.index(expected["map"].to_bytes(8, "little"))
    edit_memory(capture, patch(root + at, bytes(8)))
    for path in (capture, capture / "memory.elf"):
        state = opened(path)
        (side,) = state.sides.values()
        assert isinstance(side.preserved, Damaged), path
        assert "KHO104" in {one.code for one in state.findings}
        assert "not finalized" not in verdict(state)


@pytest.mark.parametrize("finalized", ["0\n", "1\n"])
def test_a_6_19_root_without_a_tracker_is_not_finalized_yet_unless_it_is(finalized: str, tmp_path: Path) -> None:
    capture = copy_of("x86_64-6.19/1-pre", tmp_path)
    expected = json.loads((capture / "expected.json").read_text())
    (root,) = expected["fdt_phys"]
    with open_state(capture, Context()) as found:
        assert found.memory is not None
        at = found.memory.read(root, 4096).index(expected["map"].to_bytes(8, "little"))
    edit_memory(capture, patch(root + at, bytes(8)))
    (capture / "kho/out/finalize").write_text(finalized)
    preserved = opened(capture).sides["out"].preserved
    assert isinstance(preserved, Damaged if finalized == "1\n" else Unavailable)
    assert ("not finalized" in preserved.reason) == (finalized == "0\n")


def test_an_earlier_copy_of_the_luo_struct_does_not_say_that_nothing_was_written(tmp_path: Path) -> None:
    capture = copy_of("x86_64-7.3/1-pre", tmp_path)
    edit_memory(capture, lambda _: None, without=(LUO_73,))
    luo = luo_of(opened(capture))
    assert isinstance(luo.sessions, Missing) and not isinstance(luo.sessions, NotWritten)
    assert "earlier copy" in luo.sessions.reason and "none written" not in luo.sessions.reason


def test_a_release_without_flbs_has_no_count_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(sample("x86_64-6.19/1-pre"))
    assert run(["show", path]) == 0
    text = capsys.readouterr().out
    assert "no FLBs in this release (no luo-flb node" in text and "0 FLBs" not in text
    assert run(["show", path, "--json"]) == 0
    content = next(one for one in json.loads(capsys.readouterr().out)["sides"]["out"]["subtrees"] if one["name"] == "LUO")["content"]
    assert (content["flbs"], content["flbs_state"]) == ([], "absent")


def test_the_verdict_names_a_luo_version_that_nobody_knows(tmp_path: Path) -> None:
    capture = copy_of("x86_64-7.3/1-pre", tmp_path, "sub_fdts")
    edit_memory(capture, patch(LUO_73, b"luo-v6\0\0"))
    assert "LUO version luo-v6 is not known" in verdict(opened(capture))


def test_memory_of_another_boot_is_named_where_it_was_put_aside(tmp_path: Path) -> None:
    capture = copy_of("x86_64-7.3/1-post", tmp_path, "in", "setup_data", "dmesg")
    shutil.copy(sample("x86_64-7.3/1-pre") / "memory.elf", capture / "memory.elf")
    state = opened(capture)
    assert "of another boot" in verdict(state)
    sessions = luo_of(state).flbs
    assert isinstance(sessions, Missing) and sessions.reason == "the memory in this capture is of another boot"
