"""Sources: what each file gave, and why the state is taken for what it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from captures import all_captures, sample
from states.catalogue import hostile_names
from views.tui.body_stage import FakeStage, load, load_built, loaded_of, on_stage

from kho_tui.model.state import FileUse
from kho_tui.text import SafeText
from kho_tui.views.tui.navigate import ListSpot, Location, Where
from kho_tui.views.tui.sources_body import SourcesBody

TWO_PRE = sample("x86_64-7.3/2-pre")
CAPTURES = all_captures()


async def row_of(app: FakeStage[SourcesBody], name: str) -> str:
    """The line of the row with that name, which becomes the selected one, and what is said below the list."""
    app.body.filtered("")
    await app.settle()
    await app.press("home")
    while app.body.name_of(app.body.row or 0) != name:
        before = app.body.row
        await app.press("j")
        assert app.body.row != before, f"no row {name}"
    shown = " ".join(app.text.split())
    return shown


async def test_files_with_what_they_gave() -> None:
    async with on_stage(load(TWO_PRE), SourcesBody, (120, 40)) as app:
        shown = await row_of(app, "memory.elf")
        assert "file memory.elf 176 KiB physical memory" in shown
        assert "file memory.elf 176 KiB physical memory" in " ".join(app.text.split())
        await app.press("enter")
        spot = app.trips[0]
        assert isinstance(spot, Location) and str(spot.path) == "machine/files"


async def test_a_blob_in_memory_that_was_given_back_is_stale() -> None:
    async with on_stage(load(TWO_PRE), SourcesBody, (120, 40)) as app:
        assert "stale: reached through memory that the running kernel has given back" in await row_of(app, "kho/in/sub_fdts/LUO")


async def test_a_root_cut_by_debugfs_is_said_to_be_cut() -> None:
    async with on_stage(load(sample("x86_64-7.3/1-pre")), SourcesBody, (120, 40)) as app:
        assert "cut: 233 of" in await row_of(app, "kho/out/fdt")


async def test_platform_roots_and_copies_with_their_reasons() -> None:
    async with on_stage(load(TWO_PRE), SourcesBody, (160, 48)) as app:
        shown = " ".join(app.text.split())
        assert "platform page size page size 4096: size of the FDT page that the boot was given" in shown
        assert "root FDT of out" in shown and "from memory.elf at 0x20d46000" in shown
        assert "disagrees with what counts for out/LUO" in shown
    async with on_stage(load(sample("x86_64-7.3/1-post")), SourcesBody, (160, 48)) as app:
        assert "root FDT of out unavailable a kernel that itself booted through KHO has no out/fdt" in " ".join(app.text.split())


async def test_notes_are_stepped_through() -> None:
    async with on_stage(load(TWO_PRE), SourcesBody) as app:
        names = []
        for _ in range(3):
            assert app.body.step(1)
            names.append(str(app.body.name_of(app.body.row or 0)))
        assert names[0] == "kho/in/sub_fdts/LUO" and names[1] == "also in kho/out/sub_fdts/LUO" and names[2] == names[0]


async def test_a_filter_and_the_way_back_to_it() -> None:
    async with on_stage(load(TWO_PRE), SourcesBody) as app:
        app.body.filtered("sub_fdts memblock")
        await app.settle()
        assert app.body.table.row_count() == 2
        here = app.body.here
    assert isinstance(here, ListSpot) and here.where is Where.SOURCES
    async with on_stage(load(TWO_PRE), SourcesBody, spot=here) as app:
        assert app.body.table.row_count() == 2 and app.body.here == here


async def test_a_file_that_could_not_be_read() -> None:
    state = load(TWO_PRE).state
    bad = FileUse(SafeText("iomem"), None, SafeText("could not be read"), SafeText("permission denied"))
    state = replace(state, machine=replace(state.machine, files=(bad,)))
    async with on_stage(loaded_of(state), SourcesBody) as app:
        assert "permission denied could not be read" in " ".join(app.text.split())
        assert " 0 bytes" not in app.text


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (160, 48)])
async def test_hostile_names(tmp_path: Path, size: tuple[int, int]) -> None:
    async with on_stage(load_built(hostile_names(), tmp_path), SourcesBody, size, ascii=True) as app:
        await app.press("G", "g", "g")
        assert "\x1b" not in app.text and "internal error" not in app.text


@pytest.mark.parametrize("capture", CAPTURES, ids=[f"{one.parent.name}/{one.name}" for one in CAPTURES])
async def test_every_capture(capture: Path) -> None:
    async with on_stage(load(capture), SourcesBody) as app:
        await app.press("G")
        assert "internal error" not in app.text
