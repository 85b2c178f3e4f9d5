"""LUO's sessions, files and folios as a user meets them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from captures import CHECKOUT
from states.catalogue import State as BuiltState
from states.catalogue import hostile_names, kho_v1_inline, luo_struct, luo_v1, many_files, many_sessions, unknown_handler
from views.tui.body_stage import FakeStage, load, load_built, on_stage

from kho_tui.abi.memfd import MEMFD_LUO_FOLIO_SER
from kho_tui.layout.place import Origin, Place
from kho_tui.layout.table import Table, table_of
from kho_tui.model.facts import Unavailable
from kho_tui.model.runs import make_runs, no_runs
from kho_tui.text import SafeText
from kho_tui.views.tui import arranged_pane
from kho_tui.views.tui.luo_body import LuoBody
from kho_tui.views.tui.luo_rows import FolioList
from kho_tui.views.tui.navigate import ListSpot, Location, MapPlace, Where

ONE_PRE = "samples/x86_64-7.3/1-pre"
ONE_POST = "samples/x86_64-7.3/1-post"
TWO_PRE = "samples/x86_64-7.3/2-pre"


@pytest.fixture(autouse=True)
def from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)


async def focus(stage: FakeStage[LuoBody], name: str) -> None:
    stage.screen.set_focus(stage.screen.query_one(f"#luo-{name}"))
    await stage.settle()


async def test_sessions_files_and_folios_at_a_glance() -> None:
    async with on_stage(load(ONE_PRE), LuoBody) as stage:
        for words in ("luo-v5", "live update 1", "sessions at 0x767000", "FLBs at 0x20829000", "3 FLBs", "liveupdate-test-flb-v0"):
            assert words in stage.text
        for name, files, size, folios in (("vm-alpha", 2, "5.004 MiB", 1281), ("vm-beta", 1, "2.861 MiB", 733), ("empty", 0, "0 bytes", 0)):
            assert [name, str(files), *size.split(), str(folios), "decoded"] in [line.split() for line in stage.shown]
        assert "0x2 memfd-v2" in stage.text and "SHRINK|GROW" in stage.text
        assert "folios of 0x1" in stage.text and "1/1280" in stage.text


async def test_the_lists_follow_the_session_and_the_file() -> None:
    async with on_stage(load(ONE_PRE), LuoBody) as stage:
        await stage.press("j")
        assert "files of vm-beta" in stage.text and "folios of 0xdeadbeef" in stage.text and "1/733" in stage.text
        await stage.press("j")
        assert "files of empty" in stage.text and "0xdeadbeef" not in stage.text
        stage.body.step(-1)
        await stage.settle()
        await focus(stage, "folios")
        await stage.press("G")
        assert stage.body.trail == ("out", "vm-beta", "0xdeadbeef", "folio 732")
        assert "every page of the file has a folio" in stage.text
        await stage.press("enter")
        went = stage.trips[-1]
        assert isinstance(went, Location) and (str(went.path), went.row) == ("out/LUO/vm-beta/0xdeadbeef/folios", 732)
        assert stage.body.command == ("show", "--side", "out", "--blocks")
        await focus(stage, "files")
        await stage.press("enter")
        assert str(getattr(stage.trips[-1], "path", "")) == "out/LUO/vm-beta/0xdeadbeef"
        selected = stage.body.selection
        assert selected is not None and selected.value == 0xDEADBEEF


async def test_each_list_is_filtered_and_sorted_by_itself() -> None:
    async with on_stage(load(ONE_PRE), LuoBody) as stage:
        luo = stage.body
        luo.filtered("files>0 and size<4M")
        await stage.settle()
        assert "vm-beta" in stage.text and "vm-alpha" not in stage.text and "folios of 0xdeadbeef" in stage.text
        assert luo.note == "files>0 and size<4M"
        assert luo.stop() and not luo.stop()
        await stage.settle()
        assert "vm-alpha" in stage.text and luo.trail == ("out", "vm-beta")
        luo.step(-1)
        await focus(stage, "folios")
        luo.filtered("index>=1000 and addr>=0x1ff00000")
        await stage.settle()
        assert " 1/" in stage.text and "1280" not in stage.text.split("folios of")[1]
        await stage.press("S", "S")
        assert luo.note == "index>=1000 and addr>=0x1ff00000 · by pfn"
        luo.filtered("index>=")
        await stage.settle()
        assert "expected a number after index>= at column 8" in stage.text


async def test_one_comes_back_to_the_same_folio() -> None:
    there = ListSpot(Where.LUO, 5, "index<100", "pfn", "out:folios:1:0")
    async with on_stage(load(ONE_PRE), LuoBody, spot=there) as stage:
        await focus(stage, "folios")
        assert stage.body.here == there
        assert stage.body.trail == ("out", "vm-beta", "0xdeadbeef", "folio 5")
        place = stage.body.place
        assert place == MapPlace(side="out", address=0x19FC000, size=4096)


async def test_a_bare_row_is_a_session() -> None:
    async with on_stage(load(ONE_PRE), LuoBody, spot=ListSpot(Where.LUO, 1)) as stage:
        assert stage.body.trail == ("out", "vm-beta")


async def test_what_luo_has_not_written_yet_is_said() -> None:
    async with on_stage(load(ONE_POST), LuoBody) as stage:
        text = " ".join(stage.text.split())
        assert "none written: LUO writes sessions, files and FLB counts only inside the reboot call" in text
        await stage.press("j", "S", "enter", "o")
        assert "stale: " in stage.text


async def test_the_stale_side_shows_no_session() -> None:
    async with on_stage(load(TWO_PRE), LuoBody) as stage:
        assert "vm-alpha2" in stage.text
        await stage.press("o")
        assert "stale" in stage.text and "vm-alpha" not in stage.text


@pytest.mark.parametrize(
    ("built", "words"),
    [
        (kho_v1_inline(), "LUO hands over nothing on this side"),
        (luo_v1("6.19"), "luo-v1"),
        (luo_struct(2), "luo-v2"),
        (luo_struct(4), "luo-v4"),
        (unknown_handler(), "unknown"),
        (many_sessions(200), "/200"),
        (many_files(), "files of"),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
async def test_every_format(tmp_path: Path, built: BuiltState, words: str) -> None:
    async with on_stage(load_built(built, tmp_path), LuoBody) as stage:
        assert words in stage.text
        for name in ("sessions", "files", "folios"):
            await focus(stage, name)
            await stage.press("G", "S", "enter")


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (160, 48), (20, 9)])
async def test_hostile_names_and_any_size(tmp_path: Path, size: tuple[int, int]) -> None:
    async with on_stage(load_built(hostile_names(), tmp_path), LuoBody, size, ascii=True) as stage:
        for name in ("sessions", "files", "folios"):
            await focus(stage, name)
            await stage.press("S", "G", "enter", "j", "g", "g")
        stage.body.filtered("[/]")
        await stage.settle()
        assert all(line.isprintable() for line in stage.shown)


def folios(entries: list[tuple[int, int]]) -> Table:
    """Pages and indexes as the entries of an array."""
    data = b"".join((pfn | 3 << 52).to_bytes(8, "little") + index.to_bytes(8, "little") for pfn, index in entries)
    return table_of(MEMFD_LUO_FOLIO_SER, "little", data, 0x1000, Place(Origin.MEMORY, "memory.elf", None, 0x1000))


def test_pages_of_a_file_without_folio_are_named() -> None:
    runs = make_runs(np.array([0x10000, 0x40000], np.uint64), np.array([4, 1]), np.array([0, 2]), 12)
    listing = FolioList(folios([(0x10, 0), (0x11, 2), (0x40, 4), (0, 9), (0x13, 12)]), runs, 12, None)
    assert listing.holes(11 * 4096 - 5) == [(1, 2), (3, 4), (8, 11)]
    assert listing.holes(0) == []
    assert FolioList(folios([]), runs, 12, None).holes(4096) == [(0, 1)]
    assert FolioList(folios([(0x10, 0)]), runs, 12, Unavailable(SafeText("cut"))).holes(4096) is None


def test_folios_that_are_not_preserved_are_called_lost() -> None:
    runs = make_runs(np.array([0x10000], np.uint64), np.array([1]), np.array([0]), 12)
    listing = FolioList(folios([(0x10, 0), (0x99, 1), (0, 2)]), runs, 12, None)
    assert [getattr(row[4], "text", row[4]) for row in listing.cells_of([0, 1, 2])] == [4096, "lost", "skipped"]
    doubt = Unavailable(SafeText("one leaf is not in this capture"))
    assert FolioList(folios([(0x10, 0)]), no_runs(12), 12, None).order(0) is None
    assert FolioList(folios([(0x10, 0)]), no_runs(12), 12, doubt).order(0) is doubt


async def test_what_is_said_of_a_folio_waits_for_the_list_it_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    may_go_on = Event()
    arrange = arranged_pane.arranged

    def slow(listing: arranged_pane.Listing, *rest: Any) -> arranged_pane.Arranged:
        if isinstance(listing, FolioList):
            may_go_on.wait(60)
        return arrange(listing, *rest)

    async with on_stage(load(ONE_PRE), LuoBody) as stage:
        await focus(stage, "folios")
        await stage.press("G")
        assert "byte 5238784 of the file" in stage.text
        monkeypatch.setattr(arranged_pane, "arranged", slow)
        stage.body.step(1)
        async with asyncio.timeout(60):
            while [*stage.body.trail] != ["out", "vm-beta", "0xdeadbeef"]:
                await asyncio.sleep(0.01)
        stage.body.base_changed()
        assert "byte 5238784" not in stage.body.about.shown
        may_go_on.set()
        await stage.settle()
        assert [*stage.body.trail] == ["out", "vm-beta", "0xdeadbeef", "folio 0"]
