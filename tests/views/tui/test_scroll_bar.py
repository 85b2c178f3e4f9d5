"""The scrollbar that lists draw themselves: as long as Textual's, for the mouse as well."""

from __future__ import annotations

from math import ceil

import pytest
from captures import CHECKOUT
from hypothesis import example, given
from hypothesis import strategies as st
from textual.scrollbar import ScrollBarRender
from views.app_user import User, opening, using_state

from kho_tui.views.tui.navigate import ListSpot, Where
from kho_tui.views.tui.scroll_bar import thumb
from kho_tui.views.tui.table_view import TableView

ONE_PRE = "samples/x86_64-7.3/1-pre"


@pytest.fixture(autouse=True)
def from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)


class WholeCells(ScrollBarRender):
    VERTICAL_BARS = [" "]  # noqa: RUF012 - overrides a class variable of Textual


@example(55, 55, 0.5625)
@given(st.integers(1, 60), st.integers(1, 10**6), st.floats(0, 1))
def test_it_is_where_textuals_would_be(height: int, more: int, share: float) -> None:
    total = height + more
    top = int(more * share)
    cells = [segment for segment in WholeCells.render_bar(height, total, height, top).segments if segment.text != "\n"]
    drawn = [y for y, cell in enumerate(cells[:height]) if cell.style is not None and cell.style.reverse]
    assert [y for y in thumb(height, total, top) if y < height] == drawn


@given(st.integers(0, 60), st.integers(0, 60))
def test_there_is_none_where_all_is_in_sight(height: int, less: int) -> None:
    assert not thumb(height, max(height - less, 0), 0.0)


def blocks(user: User) -> TableView:
    return user.app.screen.query_one("#blocks-list", TableView)


async def test_it_is_dragged_and_a_click_beside_it_turns_a_page() -> None:
    async with using_state(opening(ONE_PRE), start=ListSpot(Where.BLOCKS)) as user:
        await user.until(lambda: blocks(user).max_scroll_y > 100)
        await user.stands_still()
        pane = blocks(user)
        edge, height, cursor = pane.inner_width, pane.size.height, pane.cursor
        await user.pilot.mouse_down(pane, offset=(edge, 0))
        await user.pilot.hover(pane, offset=(edge, height // 2))
        await user.pilot.mouse_up(pane, offset=(edge, height // 2))
        assert abs(pane.scroll_offset.y - pane.max_scroll_y // 2) < pane.max_scroll_y // 8
        there = pane.scroll_offset.y
        await user.pilot.hover(pane, offset=(edge, 1))
        assert pane.scroll_offset.y == there
        await user.pilot.click(pane, offset=(edge, height - 1))
        assert pane.scroll_offset.y == there + height
        await user.pilot.click(pane, offset=(edge, 0))
        assert pane.scroll_offset.y == there
        assert pane.cursor == cursor


async def test_its_end_is_at_the_end() -> None:
    assert thumb(10, 1000, 990)[-1] == 9
    assert thumb(10, 11, 1)[-1] >= 9
    assert ceil(thumb(10, 1000, 0)[0]) == 0
