"""What a kernel would be handed, and what of it is unknown."""

from __future__ import annotations

from pathlib import Path

import pytest
from captures import SHARED
from simulator.jumping import captured, story
from simulator.playing import RELEASE

from kho_tui.analysis.receiver.receive import receive
from kho_tui.analysis.receiver.reception import Reception
from kho_tui.analysis.receiver.target import Target
from kho_tui.context import Context
from kho_tui.operations.check_target import handed_over
from kho_tui.operations.kexec_capture import write_running
from kho_tui.operations.open_state import open_state
from kho_tui.releases.cmdline import read_cmdline
from kho_tui.simulator.running import Running
from kho_tui.subsystems.registry import builtin

LINE = read_cmdline("kho=on liveupdate=on reserve_mem=4M:4096:oops_trace reserve_mem=1M:2M:pstore")


def received(path: Path, release: str) -> Reception:
    if not path.is_dir():
        pytest.skip(f"{path.name} of {path.parent.name} is not beside the checkout")
    with open_state(path, Context()) as opened:
        return receive(handed_over(opened, Context()), Target.in_tree(builtin(), RELEASE[release], cmdline=LINE))


def answer(reception: Reception, name: str) -> bool | None:
    return next(one for one in reception.answers if one.check.name == name).holds


@pytest.mark.parametrize("release", ["6.18", "6.19", "7.1", "7.3"])
def test_real_states_at_the_jump_leave_nothing_open(release: str) -> None:
    got = received(SHARED / f"x86_64-{release}" / "1-pre", release)
    assert not got.unknown and got.deciding is None
    assert got.boot.reserved.whole


def test_a_running_kernel_cannot_tell_what_luo_writes_in_the_reboot_call() -> None:
    got = received(SHARED / "x86_64-7.3" / "1-post", "7.3")
    assert got.boot.handed.content(b"LUO") is None or answer(got, "luo-chain") is None


def running(release: str, path: Path, *, finalize: bool) -> Reception:
    user = story(release)
    if finalize:
        user.kernel.write_finalize(1)
    path.mkdir()
    write_running(path, Running(user.kernel), Context(), {})
    return received(path, release)


def test_what_was_not_finalized_is_not_handed_over_by_6_18(tmp_path: Path) -> None:
    assert answer(running("6.18", tmp_path / "no", finalize=False), "attached") is False
    assert answer(running("6.18", tmp_path / "yes", finalize=True), "attached") is True


def test_luo_finalizes_6_19_in_the_reboot_call_so_a_map_of_0_says_nothing(tmp_path: Path) -> None:
    assert answer(running("6.19", tmp_path / "no", finalize=False), "memory-map") is None
    assert answer(running("6.19", tmp_path / "yes", finalize=True), "memory-map") is True


def test_a_6_18_state_is_misread_by_6_17_only_where_a_bit_lies_behind_the_first_4096(tmp_path: Path) -> None:
    """The 512 bytes that 6.17 reads of a bitmap are its first."""
    captured(story("6.18"), tmp_path / "story")
    for path, misread in ((SHARED / "x86_64-6.18" / "1-pre", False), (tmp_path / "story", True)):
        got = received(path, "6.17")
        whole = received(path, "6.18").boot.reserved.runs.blocks
        lost = whole - got.boot.reserved.runs.blocks
        assert bool(lost) is misread
        bitmaps = next(one for one in got.answers if one.check.name == "bitmaps")
        assert bitmaps.holds is not misread
        assert f"{lost} block" in bitmaps.met
