"""Scratch: the areas, and why what is free in them is not usable."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from captures import all_captures, sample
from states.catalogue import STATES
from views.tui.body_stage import load, load_built, loaded_of, on_stage

from kho_tui.layout.platform import Platform
from kho_tui.model.facts import Missing, Status, Unavailable
from kho_tui.model.path import EntityPath
from kho_tui.model.state import ScratchArea
from kho_tui.releases.table import RELEASES
from kho_tui.text import SafeText
from kho_tui.views.tui.navigate import ListSpot, MapPlace, Where
from kho_tui.views.tui.scratch_body import ScratchBody
from kho_tui.views.tui.scratch_text import rounding

TWO_PRE = sample("x86_64-7.3/2-pre")
CAPTURES = all_captures()


def words(text: str) -> str:
    return " ".join(text.split())


async def test_the_areas_with_their_nodes_and_nothing_preserved_in_them() -> None:
    async with on_stage(load(TWO_PRE), ScratchBody) as app:
        rows = [words(line) for line in app.shown[2:6]]
    assert rows == [
        "0 lowmem - 0x3ac00000 0x3ec00000 64 MiB none",
        "1 global - 0x3f400000 0x3f400000 0 bytes none",
        "2 node 0 0x1d000000 0x1f400000 36 MiB none",
        "3 node 1 0x39800000 0x3ac00000 20 MiB none",
    ]


async def test_why_it_is_free_and_yet_not_usable_is_said() -> None:
    async with on_stage(load(TWO_PRE), ScratchBody, (80, 24)) as app:
        said = words(app.text)
    assert "What is free of it counts in MemFree and MemAvailable, yet only movable pages can use it" in said
    assert "7.3 aligns its start and rounds its size up to the largest buddy block" in said
    assert "the table: kho/out/scratch_phys" in said


async def test_enter_and_y_and_step() -> None:
    async with on_stage(load(TWO_PRE), ScratchBody) as app:
        app.body.step(1)
        app.body.step(1)
        await app.press("enter")
        assert app.trips == [MapPlace(side="out", address=0x1D000000, size=36 << 20, subject=EntityPath(("scratch", "2")))]
        assert app.body.selection is not None and app.body.selection.value == 0x1D000000
        assert app.body.trail == ("scratch", "node 0")
        assert app.body.here == ListSpot(Where.SCRATCH, 2)
        assert app.body.command == ("show", "--memory")
        assert "free CMA memory of node 0" in words(app.text)


async def test_preserved_memory_inside_scratch_is_called_wrong() -> None:
    loaded = load(TWO_PRE)
    preserved, scratch = loaded.state.sides["out"].preserved, loaded.state.scratch
    assert not isinstance(preserved, Missing) and not isinstance(scratch, Missing)
    start, _ = preserved.runs.expand(0, 1)
    areas = (ScratchArea("lowmem", None, int(start[0]), 4096), *scratch.areas[1:])
    state = replace(loaded.state, scratch=replace(scratch, areas=areas))
    async with on_stage(loaded_of(state), ScratchBody) as app:
        assert "4 KiB: wrong" in app.text
        assert "the next kernel overwrites them while it boots" in words(app.text)


async def test_what_is_stale_is_not_told_as_nothing() -> None:
    async with on_stage(load(sample("x86_64-7.3/1-post")), ScratchBody) as app:
        assert words(app.shown[2]).endswith("unavailable")
        assert "whether anything preserved lies in it: unavailable" in words(app.text)


async def test_a_table_that_is_not_there_and_one_in_part() -> None:
    loaded = load(TWO_PRE)
    gone = replace(loaded.state, scratch=Unavailable(SafeText("scratch_phys is not in this capture")))
    async with on_stage(loaded_of(gone), ScratchBody) as app:
        assert "unavailable: scratch_phys is not in this capture" in app.text
        await app.press("enter", "down", "G")
        assert app.trips == [] and app.body.selection is None
    assert not isinstance(loaded.state.scratch, Missing)
    part = replace(loaded.state.scratch, status=Status.PARTIAL, reason=SafeText("4 addresses and 3 sizes"))
    async with on_stage(loaded_of(replace(loaded.state, scratch=part)), ScratchBody) as app:
        assert "partial: 4 addresses and 3 sizes" in words(app.text)


async def test_without_a_side_enter_goes_to_the_tree() -> None:
    loaded = load(TWO_PRE)
    async with on_stage(loaded_of(replace(loaded.state, sides={})), ScratchBody) as app:
        await app.press("enter")
        assert app.body.place is None and [spot.where for spot in app.trips] == [Where.TREE]


@pytest.mark.parametrize(
    ("release", "kind", "page_size", "told"),
    [
        ("6.18.15", "lowmem", 4096, ("pageblock", "2 MiB by default", "taken as it is")),
        ("7.1.13", "lowmem", 4096, ("pageblock", "2 MiB by default")),
        ("7.3.4", "node", 4096, ("MAX_PAGE_ORDER", "4 MiB by default")),
        ("7.3.4", "node", 65536, ("MAX_PAGE_ORDER", "512 MiB by default")),
        (None, "node", 4096, ("not known here",)),
    ],
)
def test_each_release_rounds_in_its_own_way(release: str | None, kind: str, page_size: int, told: tuple[str, ...]) -> None:
    said = rounding(kind, RELEASES.of(release), Platform(page_size=page_size))
    assert all(one in said for one in told)
    assert ("taken as it is" in said) is ("taken as it is" in told)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (160, 48)])
@pytest.mark.parametrize("capture", CAPTURES[:4], ids=lambda one: f"{one.parent.name}/{one.name}")
async def test_every_size(capture: Path, size: tuple[int, int]) -> None:
    async with on_stage(load(capture), ScratchBody, size, ascii=True) as app:
        assert app.text.isascii() and "lowmem" in app.text


async def test_a_built_state_of_large_pages(tmp_path: Path) -> None:
    async with on_stage(load_built(STATES["kho-v4-64k"](), tmp_path), ScratchBody) as app:
        assert "512 MiB" in app.text
