"""What a decoded state offers to the next kernel, and what of it cannot be told."""

from __future__ import annotations

from pathlib import Path

import pytest
from captures import SHARED
from simulator.jumping import captured, story
from simulator.playing import RELEASE

from kho_tui.analysis.offered import offered
from kho_tui.context import Context
from kho_tui.decode.reader import Findings, Reader
from kho_tui.model.sides import outgoing_side
from kho_tui.model.tracker import PreservedMap
from kho_tui.operations.kexec_capture import write_running
from kho_tui.operations.open_state import open_state
from kho_tui.releases.check import Target
from kho_tui.releases.offered import Offered
from kho_tui.releases.receiver import receive
from kho_tui.simulator.reserving import reserve
from kho_tui.simulator.running import Running


def offer(path: Path) -> Offered:
    if not path.is_dir():
        pytest.skip(f"{path.name} of {path.parent.name} is not beside the checkout")
    with open_state(path, Context()) as opened:
        return offered(opened.state, outgoing_side(opened.state))


@pytest.mark.parametrize(
    ("name", "root", "bitmaps", "form", "sessions"),
    [
        ("x86_64-6.18", b"kho-v1", 4096, None, None),
        ("x86_64-6.19", b"kho-v1", 4096, "fdt", None),
        ("x86_64-7.1", b"kho-v3", None, "fdt", None),
        ("x86_64-7.3", b"kho-v4", None, "struct", ""),
    ],
)
def test_real_states_at_the_jump_leave_nothing_open(
    name: str, root: bytes, bitmaps: int | None, form: str | None, sessions: str | None
) -> None:
    one = offer(SHARED / name / "1-pre")
    assert one.attached is True and one.compatibles == (root,) and one.map_length == 8 and one.map_address
    assert one.scratch is True and one.bitmap_bytes == bitmaps and one.page_size == 4096
    assert (one.luo.form if one.luo else None) == form and (one.luo.chain_fault if one.luo else None) == sessions
    assert {region.name: region.size for region in one.regions or ()} == {b"oops_trace": 4 << 20, b"pstore": 1 << 20}
    assert one.test_inline is False
    got = receive(
        one, Target(RELEASE[name.rpartition("-")[2]], asked_regions=((b"oops_trace", 4 << 20, 4096), (b"pstore", 1 << 20, 2 << 20)))
    )
    assert not got.open


def test_a_running_kernel_cannot_tell_what_luo_writes_in_the_reboot_call() -> None:
    one = offer(SHARED / "x86_64-7.3" / "1-post")
    assert one.luo is None or one.luo.chain_fault is None


def running(release: str, path: Path, *, finalize: bool) -> Offered:
    user = story(release)
    if finalize:
        user.kernel.write_finalize(1)
    path.mkdir()
    write_running(path, Running(user.kernel), Context(), {})
    return offer(path)


def test_what_was_not_finalized_is_not_handed_over_by_6_18(tmp_path: Path) -> None:
    assert running("6.18", tmp_path / "no", finalize=False).attached is False
    assert running("6.18", tmp_path / "yes", finalize=True).attached is True


def test_luo_finalizes_6_19_in_the_reboot_call_so_a_map_of_0_says_nothing(tmp_path: Path) -> None:
    one = running("6.19", tmp_path / "no", finalize=False)
    assert one.map_length == 8 and one.map_address is None
    got = receive(one, Target(RELEASE["6.19"]))
    assert "memory-map" in [answer.check.name for answer in got.open]
    assert running("6.19", tmp_path / "yes", finalize=True).map_address


def test_a_simulated_state_offers_its_files_handlers(tmp_path: Path) -> None:
    for release, handler in (("6.19", b"memfd-v1"), ("7.3", b"memfd-v2")):
        captured(story(release), tmp_path / release)
        one = offer(tmp_path / release)
        assert one.luo is not None and one.luo.handlers == frozenset({handler})


def test_a_6_18_state_is_misread_by_6_17_only_where_a_bit_lies_behind_the_first_4096(tmp_path: Path) -> None:
    """kho-abi.md 1.1: the 512 bytes that 6.17 reads of a bitmap are its first; what the simulator reads of them is counted here."""
    real = SHARED / "x86_64-6.18" / "1-pre"
    captured(story("6.18"), tmp_path / "story")
    for path, misread in ((real, False), (tmp_path / "story", True)):
        got = offer(path)
        with open_state(path, Context()) as opened:
            kept = outgoing_side(opened.state).preserved
            assert isinstance(kept, PreservedMap) and opened.memory is not None
            reader = Reader(opened.memory, opened.state.machine.platform, Context(), Findings())
            seen = reserve(kept, RELEASE["6.17"], reader, 1 << 40).runs.blocks
        assert got.blocks_beyond == kept.runs.blocks - seen
        assert bool(got.blocks_beyond) is misread
        answer = next(one for one in receive(got, Target(RELEASE["6.17"])).answers if one.check.name == "bitmaps")
        assert answer.holds is not misread
        assert f"{got.blocks_beyond} block" in answer.met
