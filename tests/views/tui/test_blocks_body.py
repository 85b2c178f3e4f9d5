"""The blocks as a user meets them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from captures import CHECKOUT
from states.catalogue import hostile_names
from views.tui.body_stage import FakeStage, load, load_built, on_stage

from kho_tui.analysis.memory_map import MemoryMap
from kho_tui.analysis.owned_blocks import OwnedRuns, blocks_of
from kho_tui.context import Context
from kho_tui.errors import ReadError
from kho_tui.model.facts import Status
from kho_tui.model.tracker import PreservedMap
from kho_tui.text import SafeText
from kho_tui.views.query import Query, parse_query
from kho_tui.views.tui import blocks_body
from kho_tui.views.tui.blocks_body import BlocksBody
from kho_tui.views.tui.blocks_rows import COLUMNS, BlockView, OwnedBy
from kho_tui.views.tui.loaded import Loaded, Maps
from kho_tui.views.tui.navigate import ListSpot, Location, MapPlace, Where

ONE_PRE = "samples/x86_64-7.3/1-pre"
ONE_POST = "samples/x86_64-7.3/1-post"
TWO_PRE = "samples/x86_64-7.3/2-pre"


@pytest.fixture(autouse=True)
def from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)


async def narrowed(stage: FakeStage[BlocksBody], words: str) -> None:
    stage.body.filtered(words)
    await stage.settle()


def rows(stage: FakeStage[BlocksBody]) -> list[list[str]]:
    """Address, size and owner of the rows in sight."""
    lines = [line.split() for line in stage.shown[2:] if " KiB " in line or " MiB " in line or " bytes " in line]
    return [[line[0], f"{line[2]} {line[3]}", line[4]] for line in lines if line[0].startswith("0x") and len(line) == 6]


async def test_all_blocks_of_a_mebibyte_and_more_with_their_owners() -> None:
    async with on_stage(load(ONE_PRE), BlocksBody) as stage:
        assert "blocks of out: 2056, 20.97 MiB" in stage.text
        await narrowed(stage, "size>=1M")
        assert "blocks of out: 5 of 2056, 12 MiB" in stage.text
        assert rows(stage) == [
            ["0x800000", "2 MiB", "kho_test/folios[6]"],
            ["0x20300000", "1 MiB", "kho_test/folios[9]"],
            ["0x20400000", "4 MiB", "kho_test/folios[7]"],
            ["0x3ee00000", "1 MiB", "memblock/pstore"],
            ["0x3f000000", "4 MiB", "memblock/oops_trace"],
        ]
        assert stage.body.note == "size>=1M"
        await stage.press("S")
        assert [row[0] for row in rows(stage)] == ["0x20400000", "0x3f000000", "0x800000", "0x20300000", "0x3ee00000"]
        await stage.press("S")
        assert [row[2] for row in rows(stage)][-2:] == ["memblock/oops_trace", "memblock/pstore"]
        assert stage.body.stop()
        await stage.settle()
        assert "2056, 20.97 MiB" in stage.text


async def test_which_file_owns_a_page_and_the_way_to_it() -> None:
    async with on_stage(load(ONE_PRE), BlocksBody) as stage:
        assert stage.body.show_address(0x1931ABC)
        await stage.settle()
        assert "LUO/vm-alpha/0x1/folios[1084]" in stage.text
        assert "LUO / vm-alpha / token 0x1 / folios[1084], page 1 of 1 of the" in stage.text
        assert stage.body.place == MapPlace(side="out", address=0x1931000, size=4096)
        selected = stage.body.selection
        assert selected is not None and selected.value == 0x1931000
        assert stage.body.trail[-1] == "LUO/vm-alpha/0x1/folios[1084]"
        await stage.press("enter")
        went = stage.trips[-1]
        assert isinstance(went, Location) and (str(went.path), went.row, went.pane) == ("out/LUO/vm-alpha/0x1/folios", 1084, "rows")


async def test_owner_by_owner_and_by_a_word_in_the_owner() -> None:
    async with on_stage(load(ONE_PRE), BlocksBody) as stage:
        blocks = stage.body
        assert blocks.search("oops")
        await stage.settle()
        assert blocks.block is not None and blocks.block.address == 0x3F000000
        assert blocks.step(-1)
        await stage.settle()
        assert blocks.block.address == 0x3EE00000
        blocks.step(1)
        blocks.step(1)
        await stage.settle()
        assert "no other owner below" in stage.text
        blocks.search("nowhere")
        await stage.settle()
        assert "no owner here matches nowhere" in stage.text


async def test_a_filter_that_is_not_understood_changes_nothing() -> None:
    async with on_stage(load(ONE_PRE), BlocksBody) as stage:
        await narrowed(stage, "size>=")
        assert "expected a number after size>= at column 7" in stage.text and "2056, 20.97 MiB" in stage.text
        await narrowed(stage, "owner~nothing-of-that-name")
        assert "0 of 2056, 0 bytes" in stage.text and "nothing fits the filter" in stage.text
        await narrowed(stage, "addr>=0x3f000000")
        assert "1 of 2056, 4 MiB" in stage.text


async def test_a_filter_that_was_dropped_while_it_ran_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    may_end, arranged = Event(), OwnedBy.arranged

    def hold(self: OwnedBy, query: Query | None, sort: str) -> OwnedRuns:
        if query is not None:
            assert may_end.wait(60)
        return arranged(self, query, sort)

    async with on_stage(load(ONE_PRE), BlocksBody) as stage:
        monkeypatch.setattr(OwnedBy, "arranged", hold)
        stage.body.filtered("size>=1M")
        stage.body.filtered("")
        may_end.set()
        await stage.settle()
        assert stage.body.list.row_count() == 2056 and "blocks of out: 2056, 20.97 MiB" in stage.text
        stage.body.filtered("size>=1M")
        await stage.settle()
        assert stage.body.list.row_count() == 5 and "blocks of out: 5 of 2056, 12 MiB" in stage.text


async def test_esc_ends_the_search_for_owners(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = Event(), Event()

    def never(_side: str, context: Context) -> MemoryMap:
        begun.set()
        try:
            while True:
                context.cancelled.wait(60)
                context.step("map")
        finally:
            ended.set()

    monkeypatch.setattr(blocks_body, "owned_blocks", lambda *_: pytest.fail("the user stopped it"))
    loaded = replace(load(ONE_PRE), maps=Maps(never))
    app = FakeStage(loaded, BlocksBody)
    async with app.run_test(size=(80, 21)):
        app.body.arrive(None)
        assert begun.wait(60)
        assert app.body.stop()
        assert ended.wait(60)
        await app.settle()
        assert "stopped: the owners are not known" in app.text and "blocks of out: 2056" in app.text


def test_what_is_shown_can_be_asked_for() -> None:
    state = load(ONE_PRE).state
    preserved = state.sides["out"].preserved
    assert isinstance(preserved, PreservedMap)
    owned = OwnedBy(blocks_of(preserved.runs))
    assert {column.name: column.unit for column in BlockView(owned, owned.pieces).columns} == COLUMNS
    numbers = {
        "number>=2050": [*range(2050, 2056)],
        "number=7": [7],
        "number<3 or number>2054": [0, 1, 2, 2055],
        "number>0xffffffffffffffff": [],
    }
    for words, expected in numbers.items():
        view = owned.arranged(parse_query(words, COLUMNS, 4096), "addr")
        assert [block.number for block in owned.blocks(view, 0, 100)] == expected


async def test_one_comes_back_to_the_same_block() -> None:
    there = ListSpot(Where.BLOCKS, 2051, "size>=1M", "size", "out")
    async with on_stage(load(ONE_PRE), BlocksBody, spot=there) as stage:
        block = stage.body.block
        assert block is not None and (block.number, block.address) == (2051, 0x20400000)
        assert stage.body.here == there
        assert stage.body.command == ("show", "--side", "out", "--blocks")


async def test_a_stale_tracker_is_no_list() -> None:
    async with on_stage(load(TWO_PRE), BlocksBody) as stage:
        assert "3612" in stage.text
        await stage.press("o")
        assert "blocks of in" in stage.text and "stale: the running kernel has given back" in stage.text
        assert "0 bytes" not in stage.text and stage.body.block is None
        await stage.press("j", "G", "enter", "S", "o")
        assert "3612" in stage.text


async def test_nothing_that_tells_of_blocks() -> None:
    async with on_stage(load(ONE_POST), BlocksBody, (60, 20)) as stage:
        assert "unavailable: " in stage.text


async def test_without_owners_the_list_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise ReadError("the tracker lists the same memory too often to tell whose each block is")

    monkeypatch.setattr(blocks_body, "owned_blocks", refuse)
    async with on_stage(load(ONE_PRE), BlocksBody) as stage:
        assert "lists the same memory too often" in stage.text
        assert rows(stage) == [] and "0x200000" in stage.text and "..." in stage.text
        await narrowed(stage, "size>=4M")
        assert "2 of 2056" in stage.text
        await stage.press("enter")
        assert "whose it is is not known" in stage.text and not stage.trips


async def test_lower_bounds_are_called_so() -> None:
    loaded = load(ONE_PRE)
    side = loaded.state.sides["out"]
    assert isinstance(side.preserved, PreservedMap)
    partial = replace(side, preserved=replace(side.preserved, status=Status.PARTIAL, reason=SafeText("one leaf is not in this capture")))
    doubtful = replace(loaded, state=replace(loaded.state, sides={"out": partial}))
    async with on_stage(doubtful, BlocksBody) as stage:
        assert "at least 2056" in stage.text and "partial: one leaf is not in this capture" in stage.text


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (160, 48), (20, 9)])
async def test_hostile_names_and_any_size(tmp_path: Path, size: tuple[int, int]) -> None:
    async with on_stage(load_built(hostile_names(), tmp_path), BlocksBody, size, ascii=True) as stage:
        await stage.press("S", "S", "G", "enter", "j", "g", "g")
        stage.body.search("[bold")
        await narrowed(stage, "[/]")
        await stage.settle()
        assert all(line.isprintable() for line in stage.shown)


async def test_a_state_without_a_side() -> None:
    nothing = Loaded(title=SafeText("x"), verdict=SafeText("x"), root=load(ONE_PRE).root)
    async with on_stage(nothing, BlocksBody) as stage:
        assert "not told" in stage.text
        await stage.press("o", "S", "enter", "j")
        assert stage.body.place is None and stage.body.selection is None
