"""The scratch table by its form: what is taken for one, what is not, and when nothing tells."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from captures import sample
from expected import shown
from raw_images import segments_of, write_raw

from kho_tui.decode.scratch_search import tables_in

MIB = 1 << 20
AREAS = ((0x2300_0000, 64 * MIB), (0x3F00_0000, 0), (0x1F80_0000, 8 * MIB))
"""As a guest of 1 GiB has them: lowmem, an empty global one, one node."""


def page(areas: tuple[tuple[int, int], ...], behind: bytes = b"") -> bytes:
    return (b"".join(struct.pack("<QQ", *area) for area in areas) + behind).ljust(4096, b"\0")


def test_a_table_is_known_by_its_form() -> None:
    data = bytes(4096) + page(AREAS)
    (table,) = tables_in(0x10_0000, data)
    assert (table.phys, table.areas) == (0x10_1000, AREAS)
    # The memory need not begin at a page.
    (table,) = tables_in(0x10_0000 - 512, bytes(512) + data)
    assert table.phys == 0x10_1000


@pytest.mark.parametrize(
    "data",
    [
        page(AREAS[:2]),
        page((AREAS[0], AREAS[1], (0x2300_0000 + 32 * MIB, 64 * MIB))),
        page((AREAS[0], AREAS[1], (0x1F80_0000, 8 * MIB + 4096))),
        page(((0x2300_0000, 0), *AREAS[1:])),
        page(AREAS, b"\1" * 16),
        page(((0x2300_0000, 1 << 60), *AREAS[1:])),
    ],
    ids=["two areas", "overlapping", "not whole blocks", "no lowmem", "more behind", "beyond all memory"],
)
def test_what_is_no_table(data: bytes) -> None:
    assert not list(tables_in(0, data))


def seen(folder: Path, tables: dict[int, tuple[tuple[int, int], ...]]) -> Any:
    """What is shown of a machine of 1 GiB: the memory of a capture and these tables, as a raw image."""
    segments = [*segments_of(sample("x86_64-7.3/1-pre")), *((address, page(areas)) for address, areas in tables.items())]
    write_raw(folder / "guest.raw", segments, 1 << 30)
    return shown(folder / "guest.raw")


def real_areas() -> tuple[tuple[int, int], ...]:
    areas = shown(sample("x86_64-7.3/1-pre"))["scratch"]
    return tuple((int(area["start"], 16), area["size"]) for area in areas)


def test_the_one_that_fits_is_taken(tmp_path: Path) -> None:
    areas = real_areas()
    # One over the root FDT and one behind the machine's memory cannot be it; a copy says the same.
    wrong = {0x3000_0000: ((2 * MIB, 62 * MIB), *areas[1:]), 0x3000_1000: ((1 << 31, 64 * MIB), *areas[1:])}
    state = seen(tmp_path, {0x3FE7_C000: areas, 0x3FE8_0000: areas, **wrong})
    assert tuple((int(area["start"], 16), area["size"]) for area in state["scratch"]) == areas
    assert any("taken for the scratch table, by its form" in finding["message"] for finding in state["findings"])


def test_two_that_fit_are_none(tmp_path: Path) -> None:
    areas = real_areas()
    state = seen(tmp_path, {0x3FE7_C000: areas, 0x3FE8_0000: (*areas[:2], (areas[0][0] + areas[0][1], 2 * MIB))})
    assert state["scratch"] is None
    assert any("2 arrays in memory have the form" in finding["message"] for finding in state["findings"])
