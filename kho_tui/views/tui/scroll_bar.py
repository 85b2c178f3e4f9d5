"""A list with a scrollbar that it draws itself.

Textual's scrollbars are widgets of their own: each time one comes, goes or changes its length the whole screen is laid out and drawn once
more, which took most of the time of an answer to a key.
"""

from __future__ import annotations

from math import ceil

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from kho_tui.views.tui.paint import look_of

_BAR = Style(bold=False)
"""Keeps the cells of a bar apart from text of the same colours, in pictures of the screen too."""


def thumb(height: int, total: int, top: float) -> range:
    """The cells of a bar of ``height`` cells that stand for what is in sight of ``total`` lines; none where all of them are."""
    if not 0 < height < total:
        return range(0)
    # In the order in which Textual divides: at the half of a cell another one rounds to the next.
    length = max(1.0, height / (total / height))
    start = int((height - length) * (top / (total - height)))
    return range(start, start + ceil(length))


class BarredView(ScrollView, inherit_bindings=False):
    """Its last column is the scrollbar's, also where there is none. Subclasses put ``bar_cell`` at the end of each line."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._is_bar_held = False
        self._grabbed: tuple[int, int] | None = None
        """Line of the screen and of the list where the bar was taken hold of."""

    @property
    def size(self) -> Size:
        """The size that the widget has, or is about to have (``foresee``)."""
        return self.outer_size - self.styles.gutter.totals

    @property
    def inner_width(self) -> int:
        """Cells of a line beside the scrollbar."""
        return max(0, self.size.width - 1)

    @property
    def allow_vertical_scroll(self) -> bool:
        """For the wheel: where there is more than is in sight."""
        return self.max_scroll_y > 0

    @property
    def _thumb(self) -> range:
        return thumb(self.size.height, self.virtual_size.height, self.scroll_y)

    def with_bar(self, strip: Strip, y: int) -> Strip:
        """A line with its cell of the scrollbar."""
        palette, cells = look_of(self).palette, self._thumb
        style = palette.gutter if y not in cells else palette.bar_held if self._is_bar_held else palette.bar
        if cells:
            style += _BAR
        return Strip([*strip, Segment(" ", style)], strip.cell_length + 1)

    def is_on_bar(self, event: events.MouseEvent) -> bool:
        """Whether the pointer is at the scrollbar."""
        return event.x == self.inner_width and bool(self._thumb)

    def _hold_bar(self, is_held: bool) -> None:
        if self._is_bar_held != is_held:
            self._is_bar_held = is_held
            self.refresh(Region(self.inner_width, 0, 1, self.size.height))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the bar, or go on by a page beside it."""
        if not self.is_on_bar(event):
            return
        cells = self._thumb
        if event.y in cells:
            self._grabbed = event.screen_y, self.scroll_offset.y
            self.capture_mouse()
        else:
            pages = -1 if event.y < cells.start else 1
            self.scroll_to(y=self.scroll_offset.y + pages * self.size.height, animate=False, force=True, immediate=True)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """The lines follow the bar."""
        if self._grabbed is None:
            self._hold_bar(self.is_on_bar(event))
            return
        line, top = self._grabbed
        moved = (event.screen_y - line) * self.virtual_size.height / max(self.size.height, 1)
        self.scroll_to(y=top + moved, animate=False, force=True, immediate=True)

    def on_mouse_up(self) -> None:
        """Let the bar go."""
        if self._grabbed is not None:
            self._grabbed = None
            self.release_mouse()

    def on_leave(self) -> None:
        """The pointer is elsewhere."""
        if self._grabbed is None:
            self._hold_bar(False)
