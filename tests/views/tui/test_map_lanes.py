"""The lanes of the map, cell by cell, on maps made by hand."""

from __future__ import annotations

import numpy as np

from kho_tui.analysis.memory_map import MemoryMap, Regions, Sums
from kho_tui.model.facts import Unavailable
from kho_tui.model.intervals import intervals
from kho_tui.model.kinds import KIND_ARRAY, KIND_FOLIO, KIND_PRESERVED, Kind
from kho_tui.text import SafeText
from kho_tui.views.tui.map_axis import Axis, whole_axis
from kho_tui.views.tui.map_cell import sums_text
from kho_tui.views.tui.map_draw import lane_line, shade
from kho_tui.views.tui.map_lanes import Chart, make_chart
from kho_tui.views.tui.theme import ASCII, UNICODE

PAGE = 4096
NOTHING = Unavailable(SafeText("not here"))
Pieces = list[tuple[int, int]]


def chart_of(layers: dict[Kind, Pieces], unowned: Pieces | None = None, lost: Pieces | None = None) -> Chart:
    made = {}
    for kind, pieces in layers.items():
        start, end = (np.array(one, np.uint64) for one in zip(*pieces, strict=True))
        made[kind] = Regions(start, end, np.zeros(len(start), np.uint32), np.zeros(len(start), np.int64))
    empty: Pieces = [(0, 0)]
    some, gone = (intervals([start for start, _ in pieces or empty], [end for _, end in pieces or empty]) for pieces in (unowned, lost))
    kept, none = intervals([0], [PAGE]), intervals([], [])
    sums = Sums(
        preserved=PAGE,
        kept=kept,
        owned=0,
        unowned=some,
        lost=gone,
        overlap=0,
        reason=SafeText("possibly a leak"),
        shared=none,
        tracker_whole=False,
        owners_whole=True,
    )
    return make_chart(
        MemoryMap(side="out", page_size=PAGE, claims=(), layers=made, preserved=NOTHING, sums=sums if unowned or lost else NOTHING), {}
    )


def drawn(chart: Chart, name: str, axis: Axis, chosen: str = "", *, ascii_only: bool = False) -> str:
    stop = chart.stops[chart.index(name)]
    line = lane_line(chart, stop, axis, chart.stops[chart.index(chosen or name)], ASCII if ascii_only else UNICODE, unfolded=False)
    text = "".join(span.text for span in line)
    assert len(text) == axis.width
    return text


def test_shades_tell_empty_little_and_all_apart() -> None:
    assert shade(1e-9, UNICODE) == "▁" and shade(1.0, UNICODE) == "█"
    assert shade(0.999, UNICODE) != "█"
    assert [shade(share, ASCII) for share in (1e-9, 0.5, 0.999, 1.0)] == ["1", "5", "8", "9"]


def test_density_of_each_cell() -> None:
    chart = chart_of({KIND_PRESERVED: [(0, 4 * PAGE), (8 * PAGE, 9 * PAGE), (15 * PAGE, 16 * PAGE)]})
    axis = whole_axis(0, 16 * PAGE, PAGE, 4)
    assert drawn(chart, "preserved", axis) == "█ ▂▂"
    assert drawn(chart, "preserved", axis, ascii_only=True) == "9 33"


def test_the_densest_owner_has_the_cell_unless_one_is_chosen() -> None:
    chart = chart_of({KIND_FOLIO: [(0, 3 * PAGE), (4 * PAGE, 5 * PAGE)], KIND_ARRAY: [(3 * PAGE, 4 * PAGE), (5 * PAGE, 7 * PAGE)]})
    axis = whole_axis(0, 8 * PAGE, PAGE, 2)
    assert drawn(chart, "owners", axis) == "Fa"
    assert drawn(chart, "owners", axis, "array") == "aa"
    assert drawn(chart, "owners", whole_axis(0, 8 * PAGE, PAGE, 8), "array") == "···a·aa "


def test_what_nobody_owns_and_what_will_be_lost_have_lanes_of_their_own() -> None:
    chart = chart_of({KIND_FOLIO: [(0, PAGE)]}, unowned=[(PAGE, 2 * PAGE)], lost=[(0, PAGE)])
    axis = whole_axis(0, 2 * PAGE, PAGE, 2)
    assert (drawn(chart, "unowned", axis), drawn(chart, "lost", axis)) == (" █", "█ ")
    lost = chart.stops[chart.index("lost")]
    assert lost.first_in(0, 2 * PAGE) == 0 and lost.following(0, 1) is None
    assert (
        sums_text(chart.memory)
        == "preserved at least 4 KiB = at least 0 owned + perhaps 4 KiB unowned, lost at most 4 KiB, overlaps at least 0"
    )


def test_at_the_end_of_all_addresses_cells_stay_where_the_axis_has_them() -> None:
    last = 2**64 - 2 * PAGE
    chart = chart_of({KIND_PRESERVED: [(0, PAGE), (last, last + PAGE)]})
    axis = whole_axis(*chart.memory.extent, PAGE, 66)
    assert axis.low + axis.cell * axis.width > 2**64
    line = drawn(chart, "preserved", axis)
    assert {column for column, cell in enumerate(line) if cell != " "} == {0, axis.column(last)}
