"""The overview: what is to be seen first, on one screen, each line a way to the thing it speaks of."""

from __future__ import annotations

from pathlib import Path

import pytest
from captures import all_captures, sample
from states.catalogue import STATES, hostile_names
from views.tui.body_stage import load, load_built, on_stage

from kho_tui.model.entity import find
from kho_tui.model.path import EntityPath
from kho_tui.views.tui.navigate import Location, Where
from kho_tui.views.tui.overview_body import OverviewBody

TWO_PRE = sample("x86_64-7.3/2-pre")
CAPTURES = all_captures()


async def test_one_screen_says_what_would_be_handed_over_and_what_is_stale() -> None:
    async with on_stage(load(TWO_PRE), OverviewBody) as app:
        text = app.text
        for told in ("a kexec now would hand over kho-v4", "7.3.4, x86_64, 4 KiB pages, little-endian", "3612 blocks, 19.1 MiB"):
            assert told in text
        for told in ("session vm-alpha2 1 file, 5 MiB", "4 areas, 120 MiB", "16 lines speak of KHO: 10 flb", "info KHO109"):
            assert told in text
        assert "stale: the running kernel has given back" in text
        assert len(app.body.panes) == 1
        assert app.body.main.row_count() <= app.body.main.page


async def test_what_is_stale_or_not_there_has_a_reason_and_no_number() -> None:
    async with on_stage(load(sample("x86_64-7.3/1-post")), OverviewBody, (160, 48)) as app:
        preserved = [line for line in app.shown if " preserved  " in line]
        assert "unavailable: its root FDT is not in this capture" in preserved[0]
        assert "stale: the running kernel has given back" in preserved[1]
        assert "block" not in preserved[0].split("│")[0][:80] + preserved[1][:80]


async def test_warnings_come_before_the_machine() -> None:
    async with on_stage(load(sample("x86_64-7.3/1-post")), OverviewBody) as app:
        assert app.text.index("warning KHO103") < app.text.index("machine ")


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (160, 48)])
async def test_every_line_leads_to_something_that_is_there(size: tuple[int, int]) -> None:
    loaded = load(TWO_PRE)
    async with on_stage(loaded, OverviewBody, size) as app:
        for pane in (app.body.main, app.body.aside)[: len(app.body.panes)]:
            app.screen.set_focus(pane)
            await app.press("home")
            for _ in range(pane.row_count()):
                await app.press("enter", "down")
        assert len(app.trips) == app.body.main.row_count() + app.body.aside.row_count()
        assert {one.where for one in app.trips} == {Where.TREE, Where.SCRATCH, Where.FINDINGS, Where.SOURCES} - (
            {Where.SOURCES} if size[0] < 120 else set()
        )
        for spot in app.trips:
            assert not isinstance(spot, Location) or find(loaded.root, spot.path) is not None


async def test_sections_are_stepped_through_also_into_the_second_column_and_around() -> None:
    async with on_stage(load(TWO_PRE), OverviewBody, (160, 48)) as app:
        met = []
        for _ in range(9):
            app.body.step(1)
            await app.settle()
            assert app.body.row is not None
            met.append(str(app.body.row.entry.label))
        assert met == [
            "check",
            "out (for the next kernel)",
            "in (handed to this kernel)",
            "machine",
            "scratch",
            "kernel log",
            "findings",
            "",
            met[0],
        ]
        app.body.step(-1)
        await app.settle()
        assert app.body.row is not None and app.body.row.entry.label == ""


async def test_what_was_selected_stays_selected_when_the_size_changes() -> None:
    async with on_stage(load(TWO_PRE), OverviewBody) as app:
        while "vm-gamma" not in app.body.trail:
            await app.press("j")
        place = app.body.place
        assert place is not None and place.subject == EntityPath(("out", "LUO", "vm-gamma")) and place.address
        for size in ((110, 45), (160, 45), (60, 17)):
            await app.resize(size)
            assert app.body.place == place
        await app.press("G")
        assert app.body.trail == ("info KHO109",)
        await app.resize((160, 45))
        assert app.body.trail == ("info KHO109",) and app.body.aside.has_focus
        await app.resize((80, 21))
        assert app.body.trail == ("info KHO109",) and app.body.main.has_focus


async def test_here_brings_back_the_line() -> None:
    async with on_stage(load(TWO_PRE), OverviewBody) as app:
        await app.press("j", "j", "j", "j", "j", "j")
        here, trail = app.body.here, app.body.trail
    async with on_stage(load(TWO_PRE), OverviewBody, spot=here) as app:
        assert app.body.trail == trail


async def test_many_sessions_are_counted_and_the_first_shown(tmp_path: Path) -> None:
    async with on_stage(load_built(STATES["sessions-120"](), tmp_path), OverviewBody) as app:
        assert app.text.count("  session ") >= 2
        shown = app.text.count("  session ")
        assert f"{120 - shown} more" in app.text


@pytest.mark.parametrize("size", [(60, 20), (160, 48)])
async def test_hostile_names_are_only_shown(tmp_path: Path, size: tuple[int, int]) -> None:
    async with on_stage(load_built(hostile_names(), tmp_path), OverviewBody, size, ascii=True) as app:
        assert app.text.isascii() or "宽" in app.text
        assert "\x1b" not in app.text and "internal error" not in app.text
        assert all(len(line) <= size[0] for line in app.shown if line.isascii())


@pytest.mark.parametrize("capture", CAPTURES, ids=[f"{one.parent.name}/{one.name}" for one in CAPTURES])
async def test_every_capture_has_an_overview(capture: Path) -> None:
    async with on_stage(load(capture), OverviewBody) as app:
        assert "internal error" not in app.text and "machine " in app.text and "findings " in app.text
