"""Lists that lack rows say so: why there are none, that counts are lower bounds, and the worst of what lies below a row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from captures import sample
from states.catalogue import State as BuiltState
from states.catalogue import kho_v4
from views.tui.body_stage import load, load_built, loaded_of, on_stage

from kho_tui.context import Context
from kho_tui.model.entity import find
from kho_tui.model.facts import Status
from kho_tui.model.path import parse_path
from kho_tui.operations.open_state import open_state
from kho_tui.views.tui.blocks_body import BlocksBody
from kho_tui.views.tui.luo_body import LuoBody
from kho_tui.views.tui.map_cell import cell_lines
from kho_tui.views.tui.map_lanes import make_chart
from kho_tui.views.tui.navigate import Location, search
from kho_tui.views.tui.theme import ASCII

NOWHERE = 0x70_0000_0000


def sessions_at(built: BuiltState) -> int:
    luo = next(one for one in built.truth["subtrees"] if one["name"] == "LUO")
    (block,) = built.image.unpack("Q", built.image.read(luo["phys"] + 16, 8))
    return block


def write(built: BuiltState, address: int, value: int) -> None:
    built.image.write(address, built.image.pack("Q", value))


def lose_folios_of_beta(built: BuiltState) -> None:
    """The page list of vm-beta's folio array is not captured."""
    record = sessions_at(built) + 16 + 2 * 80
    assert built.image.read(record, 7) == b"vm-beta"
    (files,) = built.image.unpack("Q", built.image.read(record + 64, 8))
    (memfd,) = built.image.unpack("Q", built.image.read(files + 16 + 48, 8))
    write(built, memfd + 32, NOWHERE)


async def test_a_damaged_session_list_is_not_none(tmp_path: Path) -> None:
    built = kho_v4()
    write(built, sessions_at(built) + 8, 0)
    async with on_stage(load_built(built, tmp_path), LuoBody) as stage:
        assert "damaged: block at" in stage.text and "count 0" in stage.text
        assert "at least 0" in stage.text


async def test_a_session_is_as_doubtful_as_the_worst_of_its_files(tmp_path: Path) -> None:
    built = kho_v4()
    lose_folios_of_beta(built)
    loaded = load_built(built, tmp_path)
    async with on_stage(loaded, LuoBody) as stage:
        (row,) = [line.split() for line in stage.shown if line.split()[:1] == ["vm-beta"]]
        assert row[-1] == "partial"
    for path in ("unsided/LUO", "unsided/LUO/vm-beta"):
        entity = find(loaded.root, parse_path(path))
        assert entity is not None and entity.status is Status.PARTIAL and "0xdeadbeef" in entity.reason
    whole = find(loaded.root, parse_path("unsided/LUO/vm-alpha"))
    assert whole is not None and whole.status is Status.DECODED


async def test_blocks_without_a_known_owner_are_not_nobodys_and_an_error_goes_when_a_filter_is_right(tmp_path: Path) -> None:
    built = kho_v4()
    lose_folios_of_beta(built)
    async with on_stage(load_built(built, tmp_path), BlocksBody) as stage:
        stage.body.filtered("owner~told")
        await stage.settle()
        assert "owner not told" in stage.text and "nobody" not in stage.text
        stage.body.filtered("size>>")
        await stage.settle()
        assert "expected a number" in stage.text
        stage.body.filtered("order=0")
        await stage.settle()
        assert "expected a number" not in stage.text


async def test_a_filter_over_part_of_a_tracker_gives_lower_bounds(tmp_path: Path) -> None:
    built = kho_v4()
    write(built, next(lowest_nodes(built)), NOWHERE)
    async with on_stage(load_built(built, tmp_path), BlocksBody) as stage:
        stage.body.filtered("order=0")
        await stage.settle()
        assert "at least" in stage.text.split(" of at least ")[0]
        stage.body.filtered("size>=1P")
        await stage.settle()
        assert "nothing fits in what could be read" in stage.text


def lowest_nodes(built: BuiltState) -> Iterator[int]:
    """Slots of the radix tree that point at leaves, the last one first."""
    level = [built.truth["map"]]
    slots: list[int] = []
    for _ in range(5):
        slots = [n + 8 * i for n in level for i, e in enumerate(built.image.unpack("512Q", built.image.read(n, 4096))) if e]
        level = [built.image.unpack("Q", built.image.read(slot, 8))[0] for slot in slots]
    return reversed(slots)


def test_the_map_of_a_stale_side_says_nobody_of_nothing() -> None:
    with open_state(sample("x86_64-7.3/2-pre"), Context()) as opened:
        loaded = loaded_of(opened.state.only("in"))
    chart = make_chart(loaded.maps("in"), {})
    lines = cell_lines(chart, [], 0x10_0000, 0x20_0000, 100, 6, ASCII)
    told = " ".join(span.text for line in lines for span in line)
    assert "cannot be told: stale:" in told and "nobody" not in told


@pytest.mark.parametrize("words", ["KHO", "kexec handover"])
def test_a_search_meets_lines_of_the_kernel_log(words: str) -> None:
    loaded = load(sample("x86_64-7.3/1-post"))
    log = find(loaded.root, parse_path("log"))
    assert log is not None and log.detail is not None
    found = [hit for hit in search(loaded.root, words, 4096, lambda: False) if str(hit.path) == "log" and hit.row is not None]
    table = log.detail().table
    assert table is not None
    wanted = [
        row
        for row, cells in enumerate(table.rows(0, len(table)))
        if any(words.casefold().encode() in c.lower() for c in cells if isinstance(c, bytes))
    ]
    assert [hit.row for hit in found] == wanted
    assert all(isinstance(hit, Location) and hit.pane == "rows" for hit in found)
