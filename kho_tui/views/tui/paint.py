"""Widgets that draw lines of spans themselves: nothing captured ever meets Textual's markup."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from kho_tui.views.tui.lines import CUT, Line, ascii_only, fit, width_of, without_cut
from kho_tui.views.tui.theme import Look

if TYPE_CHECKING:
    from kho_tui.views.tui.app import KhoApp


def look_of(widget: Widget) -> Look:
    """The look of the app the widget lives in."""
    app: KhoApp = widget.app  # type: ignore[assignment]
    return app.look


def paint(line: Line, width: int, look: Look, row: Style | None = None) -> Strip:
    """A line as cells, cut or filled to ``width``. ``row`` is laid under the whole line; a reversing one replaces the roles."""
    palette = look.palette
    base = palette.base if row is None else palette.base + row
    if look.is_ascii:
        line = ascii_only(line)
    elif look.glyphs.ellipsis != CUT:
        line = without_cut(line)
    shown = fit(line, width, look.glyphs.ellipsis)
    if row is not None and row.reverse:
        segments = [Segment(span.text, base) for span in shown]
    else:
        segments = [Segment(span.text, base + palette.roles[span.role]) for span in shown]
    used = width_of(shown)
    if used < width:
        segments.append(Segment(" " * (width - used), base))
    return Strip(segments, width)


class Panel(Widget):
    """A few fixed lines; ``raised`` sets them off from lists beside them."""

    ALLOW_SELECT = False

    class Resized(Message):
        """It has another size, in which other lines may have room."""

    def __init__(self, *, id: str, raised: bool = False) -> None:
        super().__init__(id=id)
        self._raised = raised
        self._lines: tuple[Line, ...] = ()

    def show(self, lines: Sequence[Line]) -> None:
        """Draw these lines from now on; only those that are others than before are drawn."""
        before, self._lines = self._lines, tuple(lines)
        width = self.size.width
        changed = [y for y, (old, new) in enumerate(zip_longest(before, self._lines)) if old != new]
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def on_resize(self) -> None:
        """Tell whoever writes in it."""
        self.post_message(self.Resized())

    @property
    def size(self) -> Size:
        """The size that the widget has, or is about to have (``foresee``)."""
        return self.outer_size - self.styles.gutter.totals

    @property
    def shown(self) -> str:
        """The text of the panel, for tests."""
        return "\n".join("".join(span.text for span in line) for line in self._lines)

    def render_line(self, y: int) -> Strip:
        """One line of the panel."""
        look = look_of(self)
        return paint(self._lines[y] if y < len(self._lines) else (), self.size.width, look, look.palette.raised if self._raised else None)
