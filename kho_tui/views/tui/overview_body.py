"""Overview: what somebody has to see first of a state, on one screen, and the way to each thing in it."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widget import Widget

from kho_tui.model.entity import Value
from kho_tui.text import SafeText
from kho_tui.views.tui.background import Finished, Newest
from kho_tui.views.tui.body import Body, Stage
from kho_tui.views.tui.lines import Role, indented, spans
from kho_tui.views.tui.list_body import LineList
from kho_tui.views.tui.navigate import ListSpot, Location, MapPlace, Spot, Where
from kho_tui.views.tui.overview_facts import Section, overview
from kho_tui.views.tui.overview_rows import Row, full_text, rows_that_fit
from kho_tui.views.tui.paint import Panel, look_of
from kho_tui.views.tui.table_view import TableView

_TWO_COLUMNS = 120
"""Cells of width from which there are two columns."""
_ABOUT_FROM = 28
"""Lines of height from which the whole of a selected line is said below."""
_ABOUT = 3
_SHARE = (11, 9)
"""Widths of the columns to each other."""
_READING = "reading what matters most"


class OverviewBody(Body):
    """Sections of lines, all of which lead somewhere; in two columns where there is room."""

    WHERE = Where.OVERVIEW
    HINTS = (("Enter", "go there"), ("]", "section"), ("m", "map"), ("/", "search"), ("@", "goto"), ("y", "copy"))

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.main = LineList("overview", lambda row, _width: self._rows[0][row].line, id="overview-main")
        self.aside = LineList("machine and evidence", lambda row, _width: self._rows[1][row].line, id="overview-aside")
        self.aside.add_class("absent")
        self.main.styles.width, self.aside.styles.width = f"{_SHARE[0]}fr", f"{_SHARE[1]}fr"
        self.about = Panel(id="overview-about", raised=True)
        self._rows: tuple[Sequence[Row], Sequence[Row]] = ((), ())
        self._sections: Sequence[Section] = ()
        self._start: ListSpot | None = None
        self._reading = Newest(self)
        self._asking = True

    def compose(self) -> ComposeResult:
        """Columns, and the selected line in full."""
        with Horizontal():
            yield self.main
            yield self.aside
        yield self.about

    def on_mount(self) -> None:
        """Read the state beside the screen."""
        self.main.nothing = spans((_READING, Role.DIM))
        loaded = self.stage.loaded
        self._reading.run(lambda: overview(loaded), self._read_first, self._failed)
        self._lay_out()

    def _read_first(self, sections: tuple[Section, ...]) -> None:
        """What is known at once is shown before anything is checked."""
        self._read(sections)
        self._asking = True
        self.call_after_refresh(self._ask)

    def _ask(self) -> None:
        self._asking = False
        self.stage.loaded.checking.ask(self, self._checked)

    def _checked(self) -> None:
        loaded = self.stage.loaded
        self._reading.run(lambda: overview(loaded), self._read, self._failed)

    def _read(self, sections: tuple[Section, ...]) -> None:
        self._sections = sections
        self._lay_out()
        self.stage.moved()

    def _failed(self, text: SafeText) -> None:
        self._asking = False
        self.main.nothing = spans((text, Role.BAD))
        self.main.refresh()

    @on(Finished)
    def _finished(self, message: Finished) -> None:
        message.stop()
        message.deliver()

    @property
    def busy(self) -> bool:
        """True while the state is read or checked."""
        return self._reading.is_running or self._asking or self.stage.loaded.checking.is_running

    def stop(self) -> bool:
        """Esc stops the check."""
        return self.stage.loaded.checking.stop()

    # Layout

    def on_resize(self, _event: events.Resize) -> None:
        """Another size holds other lines."""
        self._lay_out()

    def _lay_out(self) -> None:
        """Make the lines for this size; the selected thing stays selected."""
        width, height = self.size.width, self.size.height
        if not width:
            return
        chosen = self.row
        two, about = width >= _TWO_COLUMNS, height >= _ABOUT_FROM
        self.aside.set_class(not two, "absent")
        self.about.set_class(not about, "absent")
        self.about.styles.height = _ABOUT
        room = height - _ABOUT * about - 1
        numbered = list(enumerate(self._sections))
        glyphs = look_of(self).glyphs
        left = width * _SHARE[0] // sum(_SHARE) if two else width
        self._rows = (
            rows_that_fit([one for one in numbered if not (two and one[1].aside)], left - 1, room, glyphs),
            rows_that_fit([one for one in numbered if two and one[1].aside], width - left - 1, room, glyphs),
        )
        for pane, rows in zip((self.main, self.aside), self._rows, strict=True):
            at = _row_like(rows, chosen) if chosen is not None else None
            with self.prevent(TableView.Moved):
                pane.show(len(rows), at or 0)
            if at is not None and self.has_focus_within:
                self.screen.set_focus(pane)
        if self._sections and self._start is not None:
            start, self._start = self._start, None
            self._go(start)
        self._tell()

    @property
    def _pane(self) -> int:
        return int(self.aside.has_focus)

    @property
    def row(self) -> Row | None:
        """The selected line."""
        rows, pane = self._rows[self._pane], (self.main, self.aside)[self._pane]
        return rows[pane.cursor] if pane.cursor < len(rows) else None

    def _tell(self) -> None:
        row = self.row
        width = self.size.width
        self.about.show(indented(full_text(row.entry, width - 4, _ABOUT, look_of(self).glyphs)) if row is not None else [])

    def on_table_view_moved(self, message: TableView.Moved) -> None:
        """Another line."""
        message.stop()
        self._tell()
        self.stage.moved()

    def on_descendant_focus(self) -> None:
        """Another column."""
        self._tell()
        self.stage.moved()

    def on_table_view_chosen(self, message: TableView.Chosen) -> None:
        """Go where the line leads."""
        message.stop()
        row = self.row
        if row is not None and row.entry.spot is not None:
            self.stage.travel(row.entry.spot)
        else:
            self.stage.bottom.say("this line leads nowhere", Role.DIM)

    # What the screen asks

    def arrive(self, spot: Spot | None) -> None:
        """Select the line of that number."""
        if isinstance(spot, ListSpot):
            if self._sections:
                self._go(spot)
            else:
                self._start = spot

    def _go(self, spot: ListSpot) -> None:
        pane = self.aside if spot.pane == self.aside.id and self._rows[1] else self.main
        with self.prevent(TableView.Moved):
            pane.set_cursor(spot.row)
        if pane is self.aside:
            self.screen.set_focus(pane)
        self._tell()

    @property
    def here(self) -> Spot | None:
        """The column and the line."""
        pane = (self.main, self.aside)[self._pane]
        return self._start or ListSpot(self.WHERE, pane.cursor, pane=pane.id)

    @property
    def trail(self) -> tuple[SafeText, ...]:
        """Where the selected line leads."""
        row = self.row
        if row is not None and isinstance(row.entry.spot, Location):
            return tuple(SafeText(part) for part in row.entry.spot.path.parts)
        return (row.entry.label,) if row is not None and row.entry.label else ()

    @property
    def panes(self) -> Sequence[Widget]:
        """The columns."""
        return (self.main, self.aside) if self._rows[1] else (self.main,)

    def step(self, direction: int) -> bool:
        """To the next or previous section, through both columns."""
        starts = [(pane, at) for pane, rows in enumerate(self._rows) for at, row in enumerate(rows) if _begins(rows, at, row)]
        if not starts:
            return False
        here = (self._pane, (self.main, self.aside)[self._pane].cursor)
        ahead = [one for one in starts if (one > here if direction > 0 else one < here)]
        pane, at = (ahead or starts)[0 if direction > 0 else -1]
        view = (self.main, self.aside)[pane]
        self.screen.set_focus(view)
        view.set_cursor(at)
        return True

    @property
    def selection(self) -> Value | None:
        """Of the selected line."""
        return None if self.row is None else self.row.entry.value

    @property
    def place(self) -> MapPlace | None:
        """Of what the selected line speaks of."""
        return None if self.row is None else self.row.entry.place


def _begins(rows: Sequence[Row], at: int, row: Row) -> bool:
    return at == 0 or rows[at - 1].section != row.section


def _row_like(rows: Sequence[Row], chosen: Row) -> int | None:
    """The row of the same entry, else the first of its section; None where neither is among them."""
    # Entries are made anew when the check is done.
    same = (at for at, row in enumerate(rows) if (row.entry.label, row.entry.spot) == (chosen.entry.label, chosen.entry.spot))
    near = (at for at, row in enumerate(rows) if row.section == chosen.section)
    return next(same, next(near, None))
