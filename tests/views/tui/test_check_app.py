"""Check in the app: what is broken, what cannot be told, what each release would do, and the marks on what they speak of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event
from typing import TypeVar

import pytest
from captures import sample
from states.catalogue import hostile_names
from views.app_user import opening, using_state
from views.tui.body_stage import FakeStage, load, load_built, on_stage

from kho_tui.analysis.memory_map import memory_map
from kho_tui.context import Context
from kho_tui.model.entity import find
from kho_tui.model.path import EntityPath
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.operations.judge_state import judge_state
from kho_tui.operations.open_state import open_state
from kho_tui.views.cli.open_app import loaded_of
from kho_tui.views.tui.body import Body
from kho_tui.views.tui.check_rows import check_rows, faults, marks_of
from kho_tui.views.tui.check_run import Checking
from kho_tui.views.tui.findings_body import FindingsBody
from kho_tui.views.tui.lines import Role
from kho_tui.views.tui.loaded import Loaded
from kho_tui.views.tui.navigate import ListSpot, Location, MapPlace, Spot, Where
from kho_tui.views.tui.overview_body import OverviewBody

B = TypeVar("B", bound=Body)
SIZES = [(60, 20), (80, 24), (160, 48)]
SOUND, BLIND = "x86_64-7.3/2-pre", "x86_64-7.3/1-post"


@asynccontextmanager
async def checked(
    path: Path | str, make: type[B], size: tuple[int, int] = (80, 24), spot: Spot | None = None
) -> AsyncIterator[FakeStage[B]]:
    """A place of a state that can be checked, after its check."""
    loaded = loaded_of(open_state(path, Context()), str(path), ())
    try:
        async with on_stage(loaded, make, size, spot) as app:
            yield app
    finally:
        loaded.close()


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A session block that is full of nothing makes 7.3 panic."""
    fault_capture(sample("x86_64-7.3/1-pre"), "session-block-empty", tmp_path / "broken", Context())
    return tmp_path / "broken"


@pytest.mark.parametrize("size", SIZES)
async def test_a_broken_rule_stands_first_and_leads_to_its_evidence(broken: Path, size: tuple[int, int]) -> None:
    async with checked(broken, FindingsBody, size) as app:
        first = check_rows(app.loaded, unfolded=False)[0]
        assert (first.kind, first.code) == ("error", "KHO041") and first.where.parts and first.address is not None
        assert "KHO041" in app.shown[2]
        assert f"about {first.where}" in app.text and "next kernel: " in app.text
        await app.press("enter")
        (spot,) = app.trips
        assert isinstance(spot, Location) and find(app.loaded.root, spot.path) is not None
        assert app.body.place is not None and app.body.place.address == first.address
    if size[1] == 48:
        assert any("source: " in text for text in first.more) and any("checked: " in text for text in first.more)


async def test_each_release_says_what_it_would_do_and_why(broken: Path) -> None:
    async with checked(broken, FindingsBody, (80, 24), ListSpot(Where.FINDINGS, words="target")) as app:
        told = {str(row.code): row.message for row in check_rows(app.loaded, unfolded=False) if row.kind == "target"}
        assert list(told) == ["6.16", "6.17", "6.18", "6.19", "7.0", "7.1", "7.2", "7.3"]
        assert told["6.18"] == "ignored: handed over: kho-v4; this kernel takes only kho-v1"
        assert told["7.3"].startswith("panic: ")
        assert app.body.note == "target: 8 rows" and "decided by " in app.text


async def test_what_cannot_be_told_is_counted_and_unfolds_by_name() -> None:
    async with checked(sample(BLIND), FindingsBody) as app:
        before = app.body.row_count()
        await app.press("G")
        assert "rules cannot be told (Enter shows them)" in app.text
        assert "its root FDT is not in this capture: KHO0" in app.text
        await app.press("enter")
        assert app.loaded.checking.judged is not None
        untold = app.loaded.checking.judged.report.untold
        assert app.body.row_count() == before + len(untold) and untold
        await app.press("j")
        assert f"untold   {untold[0].code}" in app.text and app.trips == []
        await app.press("k", "enter")
        assert app.body.row_count() == before
        app.body.filtered("untold KHO018")
        await app.settle()
        assert app.body.note == "untold KHO018: 1 row"


@pytest.mark.parametrize("size", SIZES)
async def test_the_overview_has_the_verdict_and_all_releases(size: tuple[int, int]) -> None:
    async with checked(sample(SOUND), OverviewBody, size) as app:
        assert "check      out: nothing wrong found" in app.text
        assert "releases   taken: 7.2 to 7.3; ignored: 6.16 to 7.1" in app.text
        assert ("6.19       ignored: handed over: kho-v4" in app.text) == (size[0] == 160)
    async with checked(sample(BLIND), OverviewBody, (160, 48)) as app:
        assert "could not check: the root FDT was not read" in app.text and "cannot tell: 6.16 to 7.3" in app.text


async def test_every_line_of_the_overview_leads_to_the_row_it_speaks_of(broken: Path) -> None:
    async with checked(broken, OverviewBody, (160, 48)) as app:
        rows = check_rows(app.loaded, unfolded=False)
        met = 0
        for pane in app.body.panes:
            app.screen.set_focus(pane)
            await app.press("home")
            for _ in range(40):
                row = app.body.row
                if row is not None and isinstance(row.entry.spot, ListSpot) and row.entry.spot.where is Where.FINDINGS:
                    meant = rows[row.entry.spot.row]
                    if row.entry.label.split()[0] in ("error", "warning", "info"):
                        assert row.entry.text == meant.message
                        met += 1
                    elif row.entry.label[0].isdigit():
                        assert row.entry.label == meant.code and row.entry.text == meant.message
                        met += 1
                app.body.panes[0].refresh()
                await app.press("down")
        assert met >= 9


async def test_the_selected_line_stays_when_the_check_comes() -> None:
    loaded, go = slow(sample(SOUND))
    app = FakeStage(loaded, OverviewBody)
    async with app.run_test(size=(80, 21)):
        app.screen.set_focus(app.body.main)
        await seen(app, "checking")
        while app.body.trail[-1:] != ("vm-gamma",):
            app.body.main.set_cursor(app.body.main.cursor + 1)
            await seen(app, "checking")
        go.set()
        await app.settle()
        assert "nothing wrong found" in app.text and app.body.trail[-1] == "vm-gamma"
    loaded.close()


async def test_before_the_check_is_done_findings_are_there_and_escape_stops_it() -> None:
    loaded, go = slow(sample(SOUND))
    app = FakeStage(loaded, FindingsBody)
    async with app.run_test(size=(80, 21)):
        app.screen.set_focus(app.body.table)
        await seen(app, "checking")
        assert "KHO109" in app.text and "nothing wrong" not in app.text
        assert app.body.stop() and not app.body.stop()
        go.set()
        await app.settle()
        assert "not checked: stopped" in app.text and "nothing wrong" not in app.text
    loaded.close()


async def test_a_check_that_fails_says_so() -> None:
    def fail(_context: Context) -> None:
        raise OSError(5, "Input/output error", "memory.elf")

    loaded = with_check(sample(SOUND), Checking(fail))  # type: ignore[arg-type]
    async with on_stage(loaded, FindingsBody) as app:
        assert "not checked: memory.elf: Input/output error" in app.text
    loaded.close()


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_wrong_is_marked_in_the_tree_also_above_a_closed_row(broken: Path, size: tuple[int, int]) -> None:
    with open_state(broken, Context()) as opened:
        path = faults(loaded_of(opened, "", ()))[0].where
    async with using_state(opening(str(broken)), size, start=Location(path)) as user:
        pane = user.tree.entities

        def mark_of(path: EntityPath) -> list[tuple[str, Role]]:
            node = next(row for row in pane.model.rows if row.entity.path == path)
            return [(span.text, span.role) for span in pane._mark(node)]

        assert mark_of(path) == [("! ", Role.BAD)] and mark_of(EntityPath(("out",))) == []
        pane.go(EntityPath(("out",)))
        pane.action_collapse()
        assert mark_of(EntityPath(("out",))) == [("! ", Role.DIM)] and mark_of(EntityPath(("machine",))) == []


async def test_the_map_marks_what_is_wrong_in_a_cell(broken: Path) -> None:
    async with using_state(opening(str(broken)), start=MapPlace(side="out", address=0x588000)) as user:
        await user.until(lambda: not user.state.loaded.checking.is_running)
        await user.settle()
        assert "! out/LUO" in user.cell


async def test_targets_in_the_palette_lead_to_the_releases() -> None:
    async with using_state(opening(str(sample(SOUND)))) as user:
        await user.press("colon", *"targets", "enter")
        assert user.where is Where.FINDINGS and user.state.body is not None
        assert user.state.body.note == "target: 8 rows"


def test_marks_are_of_errors_and_warnings_the_worst_of_each(broken: Path) -> None:
    loaded = load(broken)
    rows = [row for row in faults(loaded) if row.kind == "info"]
    assert not marks_of(rows).at
    marks = marks_of(faults(loaded))
    assert all(EntityPath(path.parts[:1]) in marks.above for path in marks.at if len(path.parts) > 1)


@pytest.mark.parametrize("size", SIZES)
async def test_hostile_names_are_only_shown(tmp_path: Path, size: tuple[int, int]) -> None:
    load_built(hostile_names(), tmp_path)
    async with checked(tmp_path, FindingsBody, size) as app:
        for _ in range(app.body.row_count()):
            assert "\x1b" not in app.text and "internal error" not in app.text
            await app.press("down")


def with_check(path: Path, checking: Checking) -> Loaded:
    from dataclasses import replace

    return replace(loaded_of(open_state(path, Context()), str(path), ()), checking=checking)


def slow(path: Path) -> tuple[Loaded, Event]:
    """A state whose check waits for the event."""
    go = Event()

    def make(context: Context) -> object:
        go.wait(60)
        with open_state(path, context) as opened:
            state = opened.state
            return judge_state(opened, lambda side, _context: memory_map(state, state.sides[side], context), context)

    return with_check(path, Checking(make)), go  # type: ignore[arg-type]


async def seen(app: FakeStage[B], text: str) -> None:
    """Until the words are on the screen; ``settle`` would wait for the check."""
    import asyncio

    async with asyncio.timeout(60):
        while text not in app.text:
            await asyncio.sleep(0.01)
