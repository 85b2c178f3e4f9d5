"""Same bytes: what a real kernel handed over, decoded, kept as values only, and written again at its own addresses."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from captures import all_captures, sample

from kho_tui.context import Context
from kho_tui.encode.handover import Claimed, written
from kho_tui.errors import InputError
from kho_tui.memory.sparse import SparseImage
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.operations.replay import Replay, compare, replay
from kho_tui.subsystems.kho_test.plain import PlainTest

PlainTest.__test__ = False  # type: ignore[attr-defined]  # the kernel's name, not a test

PRE = [path for path in all_captures() if path.name.endswith("-pre")]


@cache
def opened(path: Path) -> Opened:
    return open_state(path, Context())


@cache
def replayed(path: Path) -> Replay:
    return replay(opened(path), Context())


def captured(path: Path, start: int, size: int) -> bytes:
    memory = opened(path).memory
    assert memory is not None
    return memory.read(start, memory.available(start, size))


def claims(one: Replay) -> list[Claimed]:
    return sorted(written(one.handover, one.registry), key=lambda c: c.start)


def differences(path: Path, image: SparseImage) -> Iterator[str]:
    for claim in claims(replayed(path)):
        there = captured(path, claim.start, claim.size)
        if image.read(claim.start, len(there)) != there:
            yield f"{claim.what} at {claim.start:#x}"


@pytest.mark.parametrize("path", PRE, ids=lambda p: "-".join(p.parts[-2:]))
def test_the_comparison_counts_what_it_saw(path: Path) -> None:
    memory = opened(path).memory
    assert memory is not None
    seen = compare(replayed(path), memory, Context())
    assert seen.differing == ()
    assert seen.claimed - seen.absent == sum(len(captured(path, c.start, c.size)) for c in claims(replayed(path)))


def test_the_comparison_names_what_differs() -> None:
    path = sample("x86_64-7.3/1-pre")
    memory = opened(path).memory
    assert memory is not None
    one = replay(opened(path), Context())
    claim = next(c for c in claims(one) if str(c.what) == "LUO")
    one.image.write(claim.start + 8, b"\x77")
    assert compare(one, memory, Context()).differing == (claim,)


@pytest.mark.parametrize("path", PRE, ids=lambda p: "-".join(p.parts[-2:]))
def test_every_byte_of_every_structure_comes_out_as_it_was_captured(path: Path) -> None:
    one = replayed(path)
    assert one.not_known == ()
    assert list(differences(path, one.image)) == []


@pytest.mark.parametrize("path", PRE, ids=lambda p: "-".join(p.parts[-2:]))
def test_what_fills_a_page_is_claimed_whole(path: Path) -> None:
    """Only two things end inside a page: the test module's FDT (a buffer of 8 bytes a folio and a page) and its list."""
    one = replayed(path)
    page = one.handover.platform.page_size
    parts = {str(c.what) for c in claims(one) if c.start % page or c.size % page}
    assert parts <= {"kho_test", "kho_test/folios/0"}


@pytest.mark.parametrize("path", PRE, ids=lambda p: "-".join(p.parts[-2:]))
def test_the_bytes_that_nothing_claims_are_known(path: Path) -> None:
    """Of the captured memory only the rest of the page behind the test module's list, which vmalloc does not clear, is left over."""
    one, memory = replayed(path), opened(path).memory
    assert memory is not None
    test = one.handover.by_name().get(b"kho_test")
    expected = []
    if test is not None:
        assert isinstance(test.content, PlainTest) and test.content.area is not None
        page, size = int(test.content.area.entries[0]), 8 * len(test.content.folios)
        expected = [(page + size, one.handover.platform.page_size - size)]
    assert unclaimed([(e.start, e.size) for e in memory.extents()], claims(one)) == expected


def unclaimed(extents: list[tuple[int, int]], claimed: list[Claimed]) -> list[tuple[int, int]]:
    """(start, size) of the memory that no claim covers."""
    left = []
    for start, size in extents:
        at, end = start, start + size
        for claim in claimed:
            if claim.start + claim.size <= at or claim.start >= end:
                continue
            if claim.start > at:
                left.append((at, claim.start - at))
            at = claim.start + claim.size
        if at < end:
            left.append((at, end - at))
    return left


@pytest.mark.parametrize("path", PRE, ids=lambda p: "-".join(p.parts[-2:]))
def test_no_structure_of_the_image_lies_in_another(path: Path) -> None:
    found = claims(replayed(path))
    for one, after in pairwise(found):
        assert one.start + one.size <= after.start, (one.what, after.what)


@pytest.mark.parametrize("path", PRE, ids=lambda p: "-".join(p.parts[-2:]))
def test_blobs_read_from_the_image_are_those_of_debugfs(path: Path) -> None:
    one = replayed(path)
    for name, subtree in one.handover.by_name().items():
        shown = (path / "kho/out/sub_fdts" / name.decode()).read_bytes()
        # LUO's counts and its session pointer are written in the reboot call, after debugfs was copied (kernel/liveupdate/luo_session.c).
        assert subtree.size is not None
        same = shown == one.image.read(subtree.phys, subtree.size)
        assert same or name == b"LUO"
        assert len(shown) == subtree.size


@pytest.mark.shared
def test_all_real_captures_are_replayed_where_shared_is_there() -> None:
    assert len(PRE) >= 12


def with_flipped(path: Path, folder: Path, address: int, mask: int = 1) -> Path:
    """A copy of a capture with one bit of its memory changed, and without the debugfs that would contradict it."""
    memory = opened(path).memory
    assert memory is not None
    copy = folder / path.name
    shutil.copytree(path, copy, ignore=shutil.ignore_patterns("kho", "expected.json", "guest-truth.txt"))
    _, offset = memory.origin(address)
    data = bytearray((copy / "memory.elf").read_bytes())
    data[offset] ^= mask
    (copy / "memory.elf").write_bytes(data)
    return copy


def replay_of(state: Opened) -> Replay:
    return replay(state, Context(), "unsided" if "unsided" in state.state.sides else "out")


def again(path: Path) -> Replay:
    with open_state(path, Context()) as state:
        return replay_of(state)


FLIPS = {
    "x86_64-6.18/1-pre": ("preserved/bitmaps", "memblock", "kho_test/folios"),
    "x86_64-7.1/1-pre": ("preserved/leaves", "LUO/sessions/0/array", "LUO/FLBs"),
    "x86_64-7.3/1-pre": ("preserved/leaves", "LUO/blocks/0", "LUO/sessions/0/blocks/0", "LUO/sessions/0/0x1", "kexec-metadata"),
}
LAST_BYTE = {"memblock": 0, "kexec-metadata": 69, "LUO/FLBs": 16 + 48, "LUO/blocks/0": 16, "LUO/sessions/0/blocks/0": 16 + 56}
"""Offset of a byte of the structure whose value any number or name may have: a checksum, a name, a token."""


@pytest.mark.parametrize(("name", "what"), [(name, what) for name, all_of in FLIPS.items() for what in all_of])
def test_a_changed_field_changes_the_output_with_it(name: str, what: str, tmp_path: Path) -> None:
    path = sample(name)
    claim = next(c for c in claims(replayed(path)) if str(c.what).startswith(what))
    data = captured(path, claim.start, claim.size)
    offset = LAST_BYTE.get(what, 0)
    if what == "memblock":
        offset = data.index(b"oops_trace")
    elif what == "LUO/sessions/0/array":
        offset = 56
    elif what.startswith("preserved"):
        offset = next(i for i, value in enumerate(data) if value == 0)
    elif what == "kho_test/folios":
        offset = 3
    changed = again(with_flipped(path, tmp_path, claim.start + offset))
    expected = bytearray(data)
    expected[offset] ^= 1
    assert changed.image.read(claim.start, len(data)) == bytes(expected)
    before = dict(replayed(path).image.pages())
    after = dict(changed.image.pages())
    page = replayed(path).handover.platform.page_size
    assert [address for address in before if before[address] != after.get(address)] == [claim.start // page * page]


FOLLOWS = {
    "x86_64-6.18/1-pre": (("preserved/chunks/0", 0), ("preserved/chunks/0", 12), ("kho_test/area/chunks/0", 0)),
    "x86_64-7.1/1-pre": (("LUO/array", 0), ("LUO/FLBs", 8), ("LUO/sessions/0/0x1/chunks/0", 0), ("LUO/sessions/0/0x1", 24)),
    "x86_64-7.3/1-pre": (("LUO/blocks/0", 0), ("LUO/blocks/0", 8), ("LUO/sessions/0/blocks/0", 0), ("LUO/sessions/0/blocks/0", 8)),
}
"""Offsets of next pointers and counts: num_elms of a chunk, entries of an array, page or block, nr_folios of a memfd."""


@pytest.mark.parametrize(("name", "what", "offset"), [(name, *where) for name, all_of in FOLLOWS.items() for where in all_of])
def test_a_wrong_count_or_next_pointer_is_not_written_again(name: str, what: str, offset: int, tmp_path: Path) -> None:
    """It is no value: encode makes it by the kernel's rule from what is there, so with a wrong one the rest is not known, or it differs."""
    claim = next(c for c in claims(replayed(sample(name))) if str(c.what) == what)
    with open_state(with_flipped(sample(name), tmp_path, claim.start + offset), Context()) as state:
        assert state.memory is not None
        try:
            one = replay_of(state)
        except InputError:
            return
        assert one.not_known or compare(one, state.memory, Context()).differing


def test_a_byte_that_nothing_claims_changes_nothing(tmp_path: Path) -> None:
    path = sample("x86_64-7.3/1-pre")
    memory = opened(path).memory
    assert memory is not None
    ((start, _),) = unclaimed([(e.start, e.size) for e in memory.extents()], claims(replayed(path)))
    changed = again(with_flipped(path, tmp_path, start + 100, 0xFF))
    assert list(changed.image.pages()) == list(replayed(path).image.pages())


def test_the_model_holds_no_captured_page() -> None:
    """Of a real state no field is bytes longer than the longest name of the formats."""
    path = sample("x86_64-7.3/1-pre")
    longest = max(len(value) for value in all_bytes(replayed(path).handover))
    assert longest <= 65


def all_bytes(value: object) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            yield from all_bytes(one)
    elif hasattr(value, "__dataclass_fields__") and not isinstance(value, np.ndarray):
        for name in value.__dataclass_fields__:
            yield from all_bytes(getattr(value, name))


@pytest.mark.parametrize("side", ["in", "out"])
def test_a_running_kernel_has_no_whole_handover_to_write(side: str) -> None:
    with open_state(sample("x86_64-7.3/1-post"), Context()) as state, pytest.raises(InputError) as error:
        replay(state, Context(), side)
    assert str(error.value).startswith(f"{side}")


def test_a_side_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="no side"):
        replay(opened(sample("x86_64-7.3/1-pre")), Context(), "unsided")
