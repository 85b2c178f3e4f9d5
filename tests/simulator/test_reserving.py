"""What a receiver keeps of a tracker as it reads it, and what memory holds after that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from captures import read, sample

from kho_tui.analysis.receiver.handed import Handed
from kho_tui.analysis.receiver.reserved import Reserved, reserve
from kho_tui.analysis.receiver.target import Target
from kho_tui.errors import GapError
from kho_tui.memory.sparse import SparseImage
from kho_tui.model.facts import Status
from kho_tui.model.host import MemoryRange
from kho_tui.model.intervals import intervals
from kho_tui.model.runs import make_runs
from kho_tui.model.tracker import NO_TREE, PreservedMap
from kho_tui.operations.kexec_capture import named_release
from kho_tui.releases.table import RELEASES
from kho_tui.releases.version import Version
from kho_tui.simulator.aftermath import Aftermath
from kho_tui.subsystems.registry import builtin
from kho_tui.text import NO_TEXT, SafeText

from .playing import GIB

PAGE = 4096
SOUND = read(sample("x86_64-7.3") / "1-pre")


def reserved(release: str, *blocks: tuple[int, int, int]) -> Reserved:
    """``blocks``: (address, how many, order)."""
    start, count, order = (np.array(column) for column in zip(*blocks, strict=True))
    runs = make_runs(start.astype(np.uint64), count, order, 12)
    host = replace(SOUND.host, ram=(MemoryRange(0, 64 * GIB, SafeText("System RAM")),), nodes=())
    side = replace(
        SOUND.sides["out"], preserved=PreservedMap(address=0, structure=NO_TREE, runs=runs, status=Status.DECODED, reason=NO_TEXT)
    )
    return reserve(
        Handed(replace(SOUND, host=host), side),
        Target(registry=builtin(), release=named_release(release, RELEASES), version=Version.parse(release)),
    )


def stretches(one: Reserved) -> list[tuple[int, int]]:
    return list(zip(one.memory.start.tolist(), one.memory.end.tolist(), strict=True))


def test_blocks_below_2_gib_are_kept_as_they_are() -> None:
    for release in ("6.18", "7.1", "7.3"):
        assert stretches(reserved(release, (0x1000, 3, 0), (4 * GIB, 1, 18))) == [(0x1000, 0x4000), (4 * GIB, 5 * GIB)]


def test_an_int_of_32_bits_makes_2_gib_negative_and_more_than_that_almost_nothing() -> None:
    """kernel/liveupdate/kexec_handover.c: fixed in 7.2."""
    large, larger = (4 * GIB, 2, 19), (16 * GIB, 2, 20)
    assert stretches(reserved("7.2.6", large, larger)) == [(4 * GIB, 8 * GIB), (16 * GIB, 24 * GIB)]
    unsure = reserved("7.2.3", (0x1000, 1, 0), large)
    assert stretches(unsure) == [(0x1000, 0x2000)] and not unsure.whole, "the patch level does not tell"
    assert stretches(reserved("7.1", large)) == [(4 * GIB, 64 * GIB)]
    got = reserved("7.1", larger)
    assert stretches(got) == [(16 * GIB, 16 * GIB + PAGE), (20 * GIB, 20 * GIB + PAGE)] and got.odd_shifts


def test_a_restore_finds_only_the_head_of_a_block_of_its_order() -> None:
    got = reserved("7.3", (0x10000, 4, 1), (0x100000, 1, 3))
    asked = np.array([0x10000, 0x12000, 0x11000, 0x18000, 0x100000, 0], np.uint64)
    assert got.orders(asked).tolist() == [1, 1, -1, -1, 3, -1]
    assert got.covers(0x100000, 0x8000) and not got.covers(0x100000, 0x8001)


def test_memory_is_kept_or_written_over_or_still_unknown() -> None:
    before = SparseImage(PAGE)
    before.write(0x1000, b"a" * PAGE + b"b" * PAGE)
    before.write(0x5000, b"c" * PAGE)
    top = SparseImage(PAGE)
    top.write(0x9000, b"new")
    after = Aftermath(before, intervals([0x2000], [0x3000]), PAGE, 7, top)
    assert after.read(0x2000, PAGE) == b"b" * PAGE
    assert after.read(0x9000, 4) == b"new\0"
    noise = after.read(0x1000, PAGE)
    assert noise != b"a" * PAGE and after.read(0x1FF0, 0x20) == noise[-0x10:] + b"b" * 0x10
    assert noise == Aftermath(before, intervals([], []), PAGE, 7).read(0x1000, PAGE)
    assert noise != Aftermath(before, intervals([], []), PAGE, 8).read(0x1000, PAGE)
    with pytest.raises(GapError) as gap:
        after.read(0x2000, 2 * PAGE)
    assert gap.value.address == 0x3000
    pages, present = after.read_pages(np.array([0x5000, 0x4000, 0x2000], np.uint64), PAGE)
    assert present.tolist() == [True, False, True] and not pages[1].any()
    assert [(one.start, one.size) for one in after.extents()] == [(0x1000, 0x2000), (0x5000, PAGE), (0x9000, PAGE)]
    assert after.total_bytes == 4 * PAGE
