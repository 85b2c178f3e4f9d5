"""TableView: the one scrolling list. It asks for a window of lines, so that 10^8 rows cost as much as ten."""

from __future__ import annotations

from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from kho_tui.text import SafeText
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.lines import Line, Role, Span, fit, spans, width_of
from kho_tui.views.tui.paint import look_of, paint
from kho_tui.views.tui.scroll_bar import BarredView


class TableView(BarredView, can_focus=True, inherit_bindings=False):
    """A list with a cursor. Subclasses say how many rows there are and give the lines of a window of them.

    The first ``head_lines`` lines stay: a rule with the title, and what ``head`` gives.
    """

    ALLOW_SELECT = False

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("up,k", "move(-1)", "up, down", "list.up"),
        key("down,j", "move(1)", "up, down", "list.down"),
        key("ctrl+u", "move_half(-1)", "half a page up, down", "list.half_up"),
        key("ctrl+d", "move_half(1)", "half a page up, down", "list.half_down"),
        key("pageup,ctrl+b", "move_page(-1)", "page up, down", "list.page_up"),
        key("pagedown,ctrl+f", "move_page(1)", "page up, down", "list.page_down"),
        key("g", "first_chord", "first row (g twice)", "list.first_chord"),
        key("home", "first", "first row (g twice)", "list.first"),
        key("G,end", "last", "last row", "list.last"),
        key("enter", "choose", "follow what is selected", "list.choose"),
    ]

    cursor = reactive(0, repaint=False, init=False)

    class OfView(Message):
        """Something about a list."""

        def __init__(self, view: TableView) -> None:
            super().__init__()
            self.view = view

        @property
        def control(self) -> TableView:
            """The list."""
            return self.view

    class Moved(OfView):
        """The cursor came to another row."""

    class Chosen(OfView):
        """Enter or a double click on the row at the cursor."""

    def __init__(self, title: str, *, id: str) -> None:
        super().__init__(id=id)
        self._title = SafeText(title)
        self._pending_g = False
        self._centered = False
        self._window: tuple[tuple[int, int, int], list[Line]] | None = None

    # What subclasses give

    def row_count(self) -> int:
        """Rows in all."""
        raise NotImplementedError

    def lines(self, start: int, count: int, width: int) -> list[Line]:
        """The lines of rows start..start+count-1, all of which exist."""
        raise NotImplementedError

    def head(self, width: int) -> list[Line]:
        """Lines under the title that do not scroll; always as many as ``head_lines`` less one."""
        return []

    head_lines = 1

    def title_note(self) -> str:
        """What stands at the right end of the title line."""
        count = self.row_count()
        return f"{self.cursor + 1}/{count}" if count > 1 else ""

    # State

    def set_title(self, title: SafeText) -> None:
        """Change the words in the title line."""
        before, self._title = self._title, title
        if title != before:
            self.refresh()

    def rows_changed(self, cursor: int = 0) -> None:
        """There are other rows now."""
        self._window = None
        # Set without its watchers: they ask for a layout, but how many rows there are moves nothing on the screen.
        self.set_reactive(TableView.virtual_size, Size(0, self.row_count() + self.head_lines))
        self.set_cursor(cursor)
        self.refresh()

    def set_cursor(self, row: int) -> None:
        """Put the cursor on a row, or on the nearest there is, and show it."""
        self.cursor = max(0, min(row, self.row_count() - 1))
        self._show_cursor()

    def validate_cursor(self, row: int) -> int:
        """Only rows there are."""
        return max(0, min(row, self.row_count() - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        """Tell whoever shows what the cursor is on."""
        self._pending_g = False
        self._centered = False
        top = self.scroll_offset.y
        self._show_cursor()
        if self.scroll_offset.y == top:
            width, first = self.size.width, self.head_lines - top
            lines = (0, *(first + row for row in (old, new) if row >= top))
            self.refresh(*(Region(0, y, width, 1) for y in lines))
        else:
            self.refresh()
        self.post_message(self.Moved(self))

    def on_resize(self, _event: events.Resize) -> None:
        """Keep the cursor in sight."""
        self._window = None
        if self._centered:
            self.center_cursor()
        else:
            self._show_cursor()

    def on_focus(self) -> None:
        """The title line shows the focus."""
        self.refresh()

    def on_blur(self) -> None:
        """The title line shows the focus."""
        self._pending_g = False
        self.refresh()

    @property
    def page(self) -> int:
        """Rows in sight."""
        return max(1, self.size.height - self.head_lines)

    def _show_cursor(self) -> None:
        top = self.scroll_offset.y
        if self.cursor < top:
            top = self.cursor
        elif self.cursor >= top + self.page:
            top = self.cursor - self.page + 1
        self._scroll_lines_to(top)

    def _scroll_lines_to(self, top: int) -> None:
        top = max(0, min(top, int(self.max_scroll_y)))
        if top != self.scroll_y:
            self.scroll_to(y=top, animate=False, force=True, immediate=True)

    def center_cursor(self) -> None:
        """Show the cursor with rows around it, also at another height, until it moves."""
        self._centered = True
        self._scroll_lines_to(self.cursor - self.page // 2)

    # Keys and mouse

    def action_move(self, rows: int) -> None:
        """Move the cursor by rows."""
        self.cursor += rows

    def action_move_half(self, direction: int) -> None:
        """Move the cursor by half a page."""
        self.cursor += direction * max(1, self.page // 2)

    def action_move_page(self, direction: int) -> None:
        """Move the cursor by a page."""
        self.cursor += direction * max(1, self.page - 1)

    def action_first_chord(self) -> None:
        """The second g of two goes to the first row."""
        self._pending_g = not self._pending_g
        if not self._pending_g:
            self.cursor = 0

    def action_first(self) -> None:
        """Go to the first row."""
        self.cursor = 0

    def action_last(self) -> None:
        """Go to the last row."""
        self.cursor = self.row_count() - 1

    def action_choose(self) -> None:
        """Follow the row at the cursor."""
        if self.row_count():
            self.post_message(self.Chosen(self))

    def on_click(self, event: events.Click) -> None:
        """A click puts the cursor there, a second one follows."""
        row = event.y - self.head_lines + self.scroll_offset.y
        if event.y < self.head_lines or row >= self.row_count() or self.is_on_bar(event):
            return
        self.cursor = row
        if event.chain == 2:
            self.action_choose()

    # Drawing

    def render_line(self, y: int) -> Strip:
        """A line of the widget, with its cell of the scrollbar."""
        return self.with_bar(self.draw_line(y, self.inner_width), y)

    def draw_line(self, y: int, width: int) -> Strip:
        """Title, head, or a row of the window in sight."""
        look = look_of(self)
        if y == 0:
            return paint(self._title_line(width), width, look)
        if y < self.head_lines:
            return paint(self.head(width)[y - 1], width, look)
        row = self.scroll_offset.y + y - self.head_lines
        if row >= self.row_count():
            return paint((), width, look)
        return paint(self._line(row, width), width, look, self._row_style(row))

    def _line(self, row: int, width: int) -> Line:
        start = self.scroll_offset.y
        key = (start, self.size.height, width)
        if self._window is None or self._window[0] != key:
            count = min(self.page, self.row_count() - start)
            self._window = (key, self.lines(start, count, width))
        window = self._window[1]
        return window[row - start] if row - start < len(window) else ()

    def contents_changed(self) -> None:
        """The same rows read otherwise (number base, marks)."""
        self._window = None
        self.refresh()

    def _row_style(self, row: int) -> Style | None:
        if row != self.cursor:
            return None
        palette = look_of(self).palette
        return palette.cursor if self.has_focus else palette.cursor_blurred

    def _title_line(self, width: int) -> Line:
        glyphs = look_of(self).glyphs
        role = Role.RULE_FOCUS if self.has_focus else Role.RULE
        text_role = Role.RULE_FOCUS if self.has_focus else Role.DIM
        note = self.title_note()
        right = f" {note} " if note else ""
        left = fit((Span(SafeText(f" {self._title} "), text_role),), max(0, width - len(right) - 1), glyphs.ellipsis)
        filler = " " if self.has_focus else glyphs.rule
        return (*left, *spans((filler * (width - width_of(left) - len(right)), role), (right, text_role)))
