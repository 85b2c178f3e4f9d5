"""Findings: listed, whole below the list, filtered, followed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from captures import sample
from states.catalogue import hostile_names
from views.tui.body_stage import FakeStage, load, load_built, loaded_of, on_stage

from kho_tui.model.finding import Finding
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText
from kho_tui.views.tui.findings_body import FindingsBody
from kho_tui.views.tui.loaded import Loaded
from kho_tui.views.tui.navigate import ListSpot, Location, MapPlace, Where

LONG = "a pointer leads to 0x1000, which is in no segment of the capture: " + "and so on " * 12 + "until the end"


def some() -> Loaded:
    findings = (
        Finding(code="KHO103", severity="warning", message=SafeText(LONG), where=EntityPath(("out", "LUO")), address=0x1000),
        Finding(code="KHO101", severity="error", message=SafeText("the root FDT is damaged"), where=EntityPath(("in",))),
        Finding(code="KHO112", severity="error", message=SafeText("out of budget"), where=EntityPath(), address=0x2000),
        Finding(code="KHO120", severity="info", message=SafeText("an error of nobody"), where=EntityPath()),
    )
    return loaded_of(replace(load(sample("x86_64-7.3/2-pre")).state, findings=findings))


def listed(app: FakeStage[FindingsBody]) -> list[str]:
    """Codes of the rows that have one."""
    return [line.split()[1] for line in app.shown[2 : 2 + app.body.table.row_count()] if "KHO" in line[:20]]


async def test_the_selected_one_is_whole_below_the_list_with_what_its_code_means() -> None:
    async with on_stage(some(), FindingsBody) as app:
        assert listed(app) == ["KHO101", "KHO112", "KHO103", "KHO120"]
        await app.press("j", "j")
        said = " ".join(app.text.split())
        assert LONG in said and "about out/LUO, met at 0x1000" in said
        assert "KHO103: a pointer leads to memory that the capture does not hold" in said


async def test_a_filter_by_severity_is_not_one_by_that_word() -> None:
    async with on_stage(some(), FindingsBody) as app:
        app.body.filtered("error")
        await app.settle()
        assert listed(app) == ["KHO101", "KHO112"] and app.body.note == "error: 2 rows"
        app.body.filtered("error budget")
        await app.settle()
        assert listed(app) == ["KHO112"]
        assert app.body.here == ListSpot(Where.FINDINGS, 1, "error budget")
        app.body.filtered("no such thing")
        await app.settle()
        assert "nothing here matches no such thing" in app.text and app.body.selection is None
        assert app.body.stop() and not app.body.stop()
        await app.settle()
        assert len(listed(app)) == 4


async def test_f_asks_for_a_filter() -> None:
    async with on_stage(some(), FindingsBody) as app:
        await app.press("f")
        assert app.bottom.is_asking


async def test_enter_goes_to_what_it_speaks_of_or_to_its_address_in_the_map() -> None:
    async with on_stage(some(), FindingsBody, spot=ListSpot(Where.FINDINGS, 2)) as app:
        await app.press("enter")
        assert app.trips == [Location(EntityPath(("out", "LUO")))]
        assert app.body.place == MapPlace(side="out", address=0x1000, subject=EntityPath(("out", "LUO")))
        await app.press("k", "enter")
        assert app.trips[1:] == [MapPlace(side="out", address=0x2000)]
        await app.press("j", "j", "enter")
        assert "leads nowhere" in app.text and app.body.place is None
        app.body.step(1)
        assert app.body.row == 0
        app.body.step(-1)
        assert app.body.row == 3


async def test_arriving_at_one() -> None:
    async with on_stage(some(), FindingsBody, spot=ListSpot(Where.FINDINGS, 1)) as app:
        assert app.body.trail == ("findings", "KHO112 error")


async def test_none_found_is_said_without_calling_the_state_sound() -> None:
    async with on_stage(load(sample("x86_64-6.18/1-pre")), FindingsBody) as app:
        assert "not checked" in app.text and "nothing wrong" not in app.text
        await app.press("enter", "G", "k")
        assert app.body.step(1) is False


async def test_hostile_names_are_only_shown(tmp_path: Path) -> None:
    loaded = load_built(hostile_names(), tmp_path)
    for size in ((60, 20), (160, 48)):
        async with on_stage(loaded, FindingsBody, size) as app:
            while app.body.row is not None and app.body.row < app.body.row_count() - 1:
                await app.press("down")
                assert "\x1b" not in app.text
