"""ListBody: a place of the app that is one list of rows, with lines about the selected one below it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.strip import Strip
from textual.widget import Widget

from kho_tui.model.entity import Value
from kho_tui.text import NO_TEXT, SafeText, plural, visible
from kho_tui.views.tui.body import Body, Stage
from kho_tui.views.tui.lines import Line, Role, spans, wrap
from kho_tui.views.tui.navigate import ListSpot, MapPlace, Spot
from kho_tui.views.tui.paint import Panel, look_of, paint
from kho_tui.views.tui.table_view import TableView


class LineList(TableView):
    """A list whose lines another draws. ``nothing`` stands where there are no rows."""

    def __init__(self, title: str, draw: Callable[[int, int], Line], head: Callable[[int], Line] | None = None, *, id: str) -> None:
        super().__init__(title, id=id)
        self.nothing: Line = ()
        self._draw = draw
        self._head = head
        self._count = 0
        self.head_lines = 1 if head is None else 2

    def show(self, count: int, cursor: int = 0) -> None:
        """Show other rows."""
        self._count = count
        self.rows_changed(cursor)

    def row_count(self) -> int:
        """Rows in all."""
        return self._count

    def head(self, width: int) -> list[Line]:
        """The names of the columns."""
        return [] if self._head is None else [self._head(width)]

    def lines(self, start: int, count: int, width: int) -> list[Line]:
        """The rows in sight."""
        return [self._draw(row, width) for row in range(start, start + count)]

    def draw_line(self, y: int, width: int) -> Strip:
        """A row; where there are none, why."""
        if not self._count and y == self.head_lines:
            return paint((*spans((" ", Role.TEXT)), *self.nothing), width, look_of(self))
        return super().draw_line(y, width)


class ListBody(Body):
    """A list and lines about its selected row. Rows are counted from 0 whether a filter hides them or not."""

    TITLE: ClassVar[str]
    LEAST_ABOUT: ClassVar[int] = 4
    """Lines kept for what is said of the selected row, at 24 lines of screen; more where the list does not need them."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        name = self.WHERE.name.lower()
        self.table = LineList(self.TITLE, lambda at, width: self.line(self._shown[at], width), self.heading, id=f"{name}-list")
        self.about = Panel(id=f"{name}-about", raised=True)
        self.words = ""
        """Only rows that hold all of these words are shown."""
        self._shown: Sequence[int] = ()
        self._start: ListSpot | None = None

    # What subclasses give

    def row_count(self) -> int:
        """Rows, hidden ones too."""
        raise NotImplementedError

    def heading(self, width: int) -> Line:
        """The names of the columns."""
        raise NotImplementedError

    def line(self, row: int, width: int) -> Line:
        """A row."""
        raise NotImplementedError

    def text_of(self, row: int) -> str:
        """What the words of a filter are looked for in."""
        return ""

    def about_lines(self, row: int | None, width: int, height: int) -> list[Line]:
        """What is said of a row, None where there is none."""
        raise NotImplementedError

    def target(self, row: int) -> Spot | None:
        """Where Enter leads."""
        return None

    def follow(self, row: int) -> None:
        """Enter on a row."""
        spot = self.target(row)
        if spot is None:
            self.stage.bottom.say("this row leads nowhere", Role.DIM)
        else:
            self.stage.travel(spot)

    # Rows

    @property
    def row(self) -> int | None:
        """The selected row."""
        return self._shown[self.table.cursor] if self._shown else None

    def rows_changed(self, row: int | None = None) -> None:
        """The rows, or which of them are shown, are others now; ``row`` or the nearest to it is selected."""
        count = self.row_count()
        parts = self.words.split()
        self._shown = [at for at in range(count) if self.matches(at, parts)] if parts else range(count)
        cursor = min(bisect_left(self._shown, row or 0), len(self._shown) - 1)
        if parts and not self._shown:
            self.table.nothing = wrap(SafeText(f"nothing here matches {visible(self.words)} (Esc shows all)"), 200, 1, Role.DIM)[0]
        with self.prevent(TableView.Moved):
            self.table.show(len(self._shown), max(cursor, 0))
        self._share_height()

    def matches(self, row: int, parts: list[str]) -> bool:
        """Whether a row holds all words."""
        text = self.text_of(row).casefold()
        return all(part.casefold() in text for part in parts)

    def filter(self, words: str) -> None:
        """Show only rows that hold all of ``words``; the selected one stays where it can."""
        row = self.row
        self.words = words
        self.rows_changed(row)
        self.stage.moved()

    # The body

    def compose(self) -> ComposeResult:
        """List above, words below."""
        yield self.table
        yield self.about

    def on_mount(self) -> None:
        """Show the rows, and what was asked for before they were there."""
        start, self._start = self._start, None
        self.words = start.words if start is not None else ""
        self.rows_changed(start.row if start is not None else None)

    def on_resize(self, _event: events.Resize) -> None:
        """Share the new size."""
        self._share_height()

    def _share_height(self) -> None:
        height = self.size.height
        least = max(self.LEAST_ABOUT, height * self.LEAST_ABOUT // 20)
        self.table.styles.height = max(3, min(max(len(self._shown), 1) + self.table.head_lines, height - least))
        self.about.styles.height = "1fr"
        self.tell()

    def on_panel_resized(self, message: Panel.Resized) -> None:
        """Other lines have room."""
        message.stop()
        self.tell()

    def tell(self) -> None:
        """Say what is to be said of the selected row."""
        size = self.about.size
        self.about.show(self.about_lines(self.row, size.width, size.height))

    def on_table_view_moved(self, message: TableView.Moved) -> None:
        """Another row."""
        message.stop()
        self.tell()
        self.stage.moved()

    def on_table_view_chosen(self, message: TableView.Chosen) -> None:
        """Enter."""
        message.stop()
        if self.row is not None:
            self.follow(self.row)

    def arrive(self, spot: Spot | None) -> None:
        """Select the row that is asked for."""
        if not isinstance(spot, ListSpot):
            return
        if not self.is_mounted:
            self._start = spot
            return
        self.words = spot.words
        self.rows_changed(spot.row)

    def is_stop(self, row: int) -> bool:
        """Whether ``]`` and ``[`` stop at a row."""
        return True

    def step(self, direction: int) -> bool:
        """To the next or previous row of note, around the ends."""
        stops = [at for at, row in enumerate(self._shown) if self.is_stop(row)]
        here = self.table.cursor
        ahead = [at for at in stops if (at > here if direction > 0 else at < here)]
        if not stops:
            return False
        self.table.set_cursor((ahead or stops)[0 if direction > 0 else -1])
        return True

    def action_filter(self) -> None:
        """Ask for the words that rows have to hold."""
        self.stage.bottom.ask("filter", self.words)

    def filtered(self, text: str) -> None:
        """Show only rows that hold these words."""
        self.filter(text.strip())

    @property
    def here(self) -> Spot | None:
        """The selected row and the filter."""
        return ListSpot(self.WHERE, self.row or 0, self.words)

    @property
    def trail(self) -> tuple[SafeText, ...]:
        """The selected row in its place."""
        name = SafeText(self.WHERE.value)
        return (name,) if self.row is None else (name, self.name_of(self.row))

    def name_of(self, row: int) -> SafeText:
        """A row in the breadcrumb."""
        return SafeText(str(row))

    @property
    def panes(self) -> Sequence[Widget]:
        """The list."""
        return (self.table,)

    @property
    def selection(self) -> Value | None:
        """Of the selected row."""
        return None if self.row is None else self.value_of(self.row)

    def value_of(self, row: int) -> Value | None:
        """What ``y`` copies of a row."""
        return None

    @property
    def place(self) -> MapPlace | None:
        """Of the selected row."""
        return None if self.row is None else self.place_of(self.row)

    def place_of(self, row: int) -> MapPlace | None:
        """Where what a row speaks of lies in memory."""
        return None

    @property
    def note(self) -> SafeText:
        """The filter."""
        return SafeText(f"{visible(self.words)}: {plural(len(self._shown), 'row')}") if self.words else NO_TEXT

    def stop(self) -> bool:
        """Esc ends the filter."""
        if not self.words:
            return False
        self.filter("")
        return True
