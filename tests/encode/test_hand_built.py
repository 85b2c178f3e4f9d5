"""States built by an encoder that imports nothing of ours, decoded and written again: the same bytes, for every format they have."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from states.catalogue import STATES, State

from kho_tui.context import Context
from kho_tui.decode.platform import Overrides
from kho_tui.encode.handover import Claimed, written
from kho_tui.errors import InputError
from kho_tui.model.plain import RawBytes
from kho_tui.operations.open_state import open_state
from kho_tui.operations.replay import Replay, replay

NOT_WHOLE = {"unknown-root": "version of the root FDT is not known", "kho-v2-16k": "loses the bit that tells the order"}
SLOW = "vmalloc-exact-fit"
"""It takes seconds to build, and test_bytes_by_hand shows the rule it is for."""
WHOLE = [name for name in STATES if name not in (*NOT_WHOLE, SLOW)]


@cache
def state(name: str) -> State:
    return STATES[name]()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cores")


def replayed(name: str, folder: Path) -> Replay:
    path = folder / name
    state(name).to_elf(path)
    image = state(name).image
    with open_state(path, Context(), Overrides(image.page_size, image.byte_order)) as opened:
        return replay(opened, Context())


def behind_fdts(built: State, one: Replay) -> dict[int, int]:
    """Where the FDTs end, by the address they start at: the hand-built states have no remains of libfdt behind them."""
    ends = {built.root: built.root + len(built.fdt)}
    for name, blob in built.blobs.items():
        if blob.startswith(b"\xd0\x0d\xfe\xed"):
            subtree = one.handover.by_name()[name.encode("utf-8", "surrogateescape")]
            ends[subtree.phys] = subtree.phys + len(blob)
    return ends


@pytest.mark.parametrize("name", WHOLE)
def test_every_structure_comes_out_as_it_was_built(name: str, folder: Path) -> None:
    built, one = state(name), replayed(name, folder)
    ends = behind_fdts(built, one)
    assert one.not_known == ()
    assert [claim.what for claim in written(one.handover, one.registry) if not same(built, one, claim, ends)] == []


def same(built: State, one: Replay, claim: Claimed, ends: dict[int, int]) -> bool:
    size = ends.get(claim.start, claim.start + claim.size) - claim.start
    return one.image.read(claim.start, size) == built.image.read(claim.start, size)


@pytest.mark.parametrize("name", [name for name in WHOLE if name.startswith(("luo", "kho-v4", "sessions", "files", "vmalloc"))])
def test_nothing_that_was_built_is_left_out(name: str, folder: Path) -> None:
    """Beside the scratch table, and folios whose contents are no part of a handover, every page with anything in it is written."""
    built, one = state(name), replayed(name, folder)
    ours = {address for address, _ in one.image.pages()}
    theirs = {address for address, data in built.image.pages.items() if any(data)}
    assert theirs - ours == {built.scratch_address}


@pytest.mark.parametrize("name", NOT_WHOLE)
def test_what_is_not_told_whole_is_refused_with_the_reason(name: str, folder: Path) -> None:
    with pytest.raises(InputError, match=NOT_WHOLE[name]):
        replayed(name, folder)


def test_subtrees_that_nobody_knows_keep_their_bytes_and_nothing_else_does(folder: Path) -> None:
    raw = {one.name for one in replayed("unknown-subtrees", folder).handover.subtrees if isinstance(one.content, RawBytes)}
    assert raw == {b"telemetry", b"memblock"}


def test_a_region_of_another_version_is_not_written_as_one_that_is_known(tmp_path: Path) -> None:
    """The next kernel would not revive it; writing what it would revive were another state."""
    built = STATES["kho-v4-4k"]()
    at = built.truth["subtrees"][0]["phys"] + built.blobs["memblock"].index(b"reserve-mem-v1")
    built.image.write(at, b"reserve-mem-v9")
    built.to_elf(tmp_path / "core")
    with open_state(tmp_path / "core", Context()) as opened:
        one = replay(opened, Context())
    assert [str(lacking.reason) for lacking in one.not_known] == ["unsided/memblock/oops_trace: its compatible is not reserve-mem-v1"]
