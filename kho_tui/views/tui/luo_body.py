"""LUO: sessions, the files of the selected one, the folios of the selected file."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events, on
from textual.app import ComposeResult
from textual.widget import Widget

from kho_tui.errors import InputError
from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Value
from kho_tui.model.facts import Missing, NotWritten, Status
from kho_tui.model.sessions import File, Session
from kho_tui.model.sides import no_side
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.memfd.content import Memfd
from kho_tui.text import NO_TEXT, SafeText, visible
from kho_tui.views.tui.arranged_pane import ArrangedPane
from kho_tui.views.tui.background import Newest
from kho_tui.views.tui.body import Stage
from kho_tui.views.tui.explain import explain
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.lines import Line, Role, indented
from kho_tui.views.tui.luo_rows import (
    FILE_UNITS,
    FOLIO_UNITS,
    SESSION_UNITS,
    FileRows,
    FolioList,
    SessionRows,
    folio_list,
    luo_of,
)
from kho_tui.views.tui.luo_words import about_file, about_folio, about_session, doubt_of, files_title, head_lines, sessions_title
from kho_tui.views.tui.navigate import ListSpot, Location, MapPlace, Spot, Where
from kho_tui.views.tui.paint import Panel, look_of
from kho_tui.views.tui.sided_body import SidedBody
from kho_tui.views.tui.table_view import TableView
from kho_tui.views.tui.theme import Glyphs

_HEAD_HEIGHT = 2
_LEAST_PANE = 3
"""Title, names of the columns, the selected row."""
_NO_LUO = SafeText("LUO hands over nothing on this side")


class LuoBody(SidedBody):
    """Three lists, of which the one with the focus has most of the height.

    A ListSpot of this place has the row of the pane with the focus as its row, and as its pane ``side:pane:session:file``; a bare one means
    a session of the side that is shown.
    """

    WHERE = Where.LUO
    HINTS = (("Tab", "pane"), ("Enter", "tree"), ("f", "filter"), ("S", "sort"), ("]", "next session"), ("m", "map"), ("o", "side"))

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("f", "filter", "show only what fits: size>=2M and seals~WRITE", "luo.filter"),
        key("S", "sort", "sort by the next column", "luo.sort"),
        key("o", "side", "LUO on the other side", "luo.side"),
    ]

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        page_size = stage.loaded.page_size
        self.head = Panel(id="luo-head", raised=True)
        self.sessions = ArrangedPane("sessions", SESSION_UNITS, page_size, self._sessions_settled, id="luo-sessions")
        self.files = ArrangedPane("files", FILE_UNITS, page_size, self._files_settled, id="luo-files")
        self.folios = ArrangedPane("folios", FOLIO_UNITS, page_size, self._share_height, id="luo-folios")
        self.about = Panel(id="luo-about", raised=True)
        self._luo: Luo | Missing | None = None
        self._current = self.sessions
        self._session: Session | None = None
        self._file: File | None = None
        self._folios: FolioList | None = None
        self._wanted = {"files": 0, "folios": 0}
        self._holes: list[tuple[int, int]] | None = None
        self._looking = Newest(self)

    def compose(self) -> ComposeResult:
        """LUO's header, the lists, words about the selected row."""
        yield self.head
        yield self.sessions
        yield self.files
        yield self.folios
        yield self.about

    # Where one is

    def arrive(self, spot: Spot | None) -> None:
        """Show LUO, or go to a row of it."""
        if not isinstance(spot, ListSpot):
            if self.sessions.rows is None and not self.sessions.nothing:
                self.show_side(self.side_for(None))
            return
        side, name, rows = _read_pane(spot.pane)
        pane = next((pane for pane in self._panes if pane.id == f"luo-{name}"), self.sessions)
        pane.remember(spot.words, spot.sort)
        wanted = [*rows, 0, 0][:2]
        wanted = [spot.row, 0] if pane is self.sessions else [wanted[0], spot.row] if pane is self.files else wanted
        self._wanted = {"files": wanted[1], "folios": spot.row if pane is self.folios else 0}
        self._current = pane
        self.show_side(self.side_for(side), wanted[0])
        if self.is_mounted and self.screen.focused in self._panes:
            self.screen.set_focus(pane)

    @property
    def here(self) -> Spot | None:
        """The selected rows, filter and sort of the pane with the focus."""
        pane = self._current
        name = (pane.id or "").removeprefix("luo-")
        place = f"{self.side}:{name}:{self.sessions.row or 0}:{self.files.row or 0}"
        return ListSpot(self.WHERE, pane.row or 0, pane.words, pane.order, place)

    @property
    def busy(self) -> bool:
        """True while a list is arranged or looked through."""
        return self._looking.is_running or any(pane.is_arranging for pane in self._panes)

    @property
    def _panes(self) -> tuple[ArrangedPane, ...]:
        return (self.sessions, self.files, self.folios)

    @property
    def panes(self) -> Sequence[Widget]:
        """The lists."""
        return [pane for pane in self._panes if pane.display]

    @property
    def trail(self) -> tuple[SafeText, ...]:
        """Side, session, token, folio, as far as the focus has come."""
        parts = [SafeText(self.side)] if self.side else []
        depth = self._panes.index(self._current)
        if self._session is not None:
            parts.append(visible(self._session.name))
        if depth > 0 and self._file is not None:
            parts.append(SafeText(f"{self._file.token:#x}"))
        if depth > 1 and (row := self.folios.row) is not None:
            parts.append(SafeText(f"folio {row}"))
        return tuple(parts)

    @property
    def note(self) -> SafeText:
        """Filter and sort of the pane with the focus."""
        return self._current.note

    @property
    def selection(self) -> Value | None:
        """The session's name, the file's token, the folio's address."""
        if self._current is self.sessions and self._session is not None:
            return Value(name="name", unit=Unit.TEXT, value=self._session.name)
        if self._current is self.files and self._file is not None:
            return Value(name="token", unit=Unit.ID, value=self._file.token)
        row = self.folios.row
        if self._current is self.folios and self._folios is not None and row is not None:
            return Value(name="address", unit=Unit.PHYS, value=self._address(row))
        return None

    @property
    def place(self) -> MapPlace | None:
        """The memory of the selected thing and of all below it."""
        row = self.folios.row
        if self._current is self.folios and self._folios is not None and row is not None:
            order = self._folios.order(row)
            return MapPlace(
                side=self.side, address=self._address(row), size=self.stage.loaded.page_size << (order if isinstance(order, int) else 0)
            )
        one = self._file if self._current is self.files else self._session
        if one is None:
            return None
        return MapPlace(side=self.side, address=one.record.place.phys, size=len(one.record.data), subject=one.path)

    @property
    def command(self) -> tuple[str, ...]:
        """``show`` of the side; with every folio where the folios have the focus."""
        return ("show", *self.side_option, *(("--blocks",) if self._current is self.folios else ()))

    def _address(self, row: int) -> int:
        assert self._folios is not None
        return self._folios.folio(row)[1] * self.stage.loaded.page_size

    # What is shown

    def show_side(self, side: str, row: int = 0) -> None:
        """Show LUO of a side with the session of this row selected."""
        self.side = side
        state = self.stage.loaded.state
        luo = luo_of(state.sides[side]) if side else None
        self._luo = luo
        found = luo.sessions if isinstance(luo, Luo) else luo
        if found is None:
            self.sessions.take_nothing(_NO_LUO if side else no_side(state))
        elif isinstance(found, Missing):
            self.sessions.take_nothing(found.reason if isinstance(found, NotWritten) else found)
        else:
            self.sessions.take(SessionRows(found.sessions), row, doubt_of(found.status, found.reason))

    def _sessions_settled(self) -> None:
        found = self._luo.sessions if isinstance(self._luo, Luo) else None
        row = self.sessions.row
        self._session = None if row is None or found is None or isinstance(found, Missing) else found.sessions[row]
        self.sessions.set_title(sessions_title(self.side, found))
        session, wanted = self._session, self._wanted["files"]
        self._wanted["files"] = 0
        if session is None:
            self.files.set_title(SafeText("files"))
            self.files.take_nothing(NO_TEXT)
            return
        self.files.set_title(files_title(session))
        if isinstance(session.files, Missing):
            self.files.take_nothing(session.files)
        else:
            self.files.take(FileRows(session.files), wanted, doubt_of(session.status, session.reason))

    def _files_settled(self) -> None:
        session, row = self._session, self.files.row
        files = () if session is None or isinstance(session.files, Missing) else session.files
        self._file = files[row] if row is not None and row < len(files) else None
        file, wanted = self._file, self._wanted["folios"]
        self._wanted["folios"] = 0
        self._folios = None
        if file is None:
            self.folios.set_title(SafeText("folios"))
            self.folios.take_nothing(NO_TEXT)
            return
        self.folios.set_title(SafeText(f"folios of {file.token:#x}"))
        memfd = file.content
        if not isinstance(memfd, Memfd):
            self.folios.take_nothing(memfd if isinstance(memfd, Missing) else SafeText("it is no memfd"))
            return
        folios = memfd.folios
        if isinstance(folios, Missing):
            self.folios.take_nothing(folios)
            return
        size = memfd.record.integer("size")
        listing = folio_list(folios.table, self.stage.loaded.state.sides[self.side], self.stage.loaded.page_size)
        self._folios, self._holes = listing, None
        self.folios.take(listing, wanted, doubt_of(folios.status, folios.reason))
        if folios.status is Status.DECODED:
            self._looking.run(lambda: listing.holes(size), self._looked, lambda text: self.stage.bottom.say(text, Role.BAD))

    def _looked(self, holes: list[tuple[int, int]] | None) -> None:
        self._holes = holes
        self._tell()

    @on(TableView.Moved)
    def _moved(self, message: TableView.Moved) -> None:
        message.stop()
        if message.view is self.sessions:
            self._sessions_settled()
        elif message.view is self.files:
            self._files_settled()
        self._tell()

    def on_resize(self, _event: events.Resize) -> None:
        """Share the new size."""
        self._share_height()

    def on_panel_resized(self, message: Panel.Resized) -> None:
        """Other lines have room."""
        message.stop()
        self._tell()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """The pane with the focus grows."""
        pane = next((pane for pane in self._panes if pane is event.widget), None)
        if pane is not None and pane is not self._current:
            self._current = pane
            self._share_height()
        self.stage.moved()

    def _share_height(self) -> None:
        """A few rows of each, then the pane with the focus gets what it needs, then the others from the folios up."""
        height = self.size.height
        about = max(2, height // 6)
        self.head.styles.height, self.about.styles.height = _HEAD_HEIGHT, about
        free = max(height - _HEAD_HEIGHT - about, 0)
        given = dict.fromkeys(self._panes, 0)
        context = max(_LEAST_PANE, 2 + (height - 8) // 6)
        for pane, most in (
            *((pane, context) for pane in self._panes),
            (self._current, free),
            *((pane, free) for pane in reversed(self._panes)),
        ):
            more = max(min(most, pane.needed_height - given[pane], free), 0)
            given[pane] += more
            free -= more
        given[self.folios] += free
        for pane, lines in given.items():
            # As shares of what there is: a pane that is zoomed has it all.
            pane.styles.height = f"{lines}fr"
        self._tell()

    def base_changed(self) -> None:
        """Write the lists anew."""
        for pane in self._panes:
            pane.write_in(self.stage.base)
        self._tell()

    def _tell(self) -> None:
        glyphs = look_of(self).glyphs
        size = self.about.size
        self.head.show([] if self._luo is None else head_lines(self._luo, self.head.size.width, self.stage.base, glyphs))
        self.about.show(indented(self._about(size.width - 4, glyphs)[: size.height], 2))
        self.stage.moved()

    def _about(self, width: int, glyphs: Glyphs) -> list[Line]:
        row = self.folios.row
        if self._current is self.sessions and self._session is not None:
            return about_session(self._session, width, glyphs)
        if self._current is self.files and self._file is not None:
            return about_file(self._file, width, glyphs)
        if self._current is self.folios and self._folios is not None and self._file is not None and row is not None:
            return about_folio(self._folios, row, self._file, self._holes, width, glyphs)
        return []

    # Keys

    @on(TableView.Chosen)
    def _chosen(self, message: TableView.Chosen) -> None:
        message.stop()
        if message.view is self.sessions and self._session is not None:
            self.stage.travel(Location(self._session.path))
        elif message.view is self.files and self._file is not None:
            self.stage.travel(Location(self._file.path))
        elif message.view is self.folios and self._file is not None and (row := self.folios.row) is not None:
            self.stage.travel(Location(self._file.path.child("folios"), row=row, pane="rows"))

    def action_filter(self) -> None:
        """Open the line where a filter of this pane is typed."""
        self.stage.bottom.ask("filter", self._current.words)

    def filtered(self, text: str) -> None:
        """Show only what fits in the pane with the focus."""
        try:
            self._current.rearrange(text, self._current.order)
            self.stage.bottom.clear()
        except InputError as error:
            self.stage.bottom.say(explain(error), Role.WARN)
        self.stage.moved()

    def action_sort(self) -> None:
        """Sort the pane with the focus by its next column."""
        self._current.next_order()
        self.stage.moved()

    def stop(self) -> bool:
        """Esc drops the filter of the pane with the focus."""
        if not self._current.words:
            return False
        self.filtered("")
        return True

    def step(self, direction: int) -> bool:
        """To the next or previous session."""
        at = self.sessions.cursor + direction
        if not 0 <= at < self.sessions.row_count():
            self.stage.bottom.say(f"no session {'after' if direction > 0 else 'before'} this one", Role.DIM)
        else:
            self.sessions.set_cursor(at)
        return True


def _read_pane(text: str | None) -> tuple[str, str, list[int]]:
    """Side, pane, and rows of session and file of a ListSpot's pane."""
    side, _, rest = (text or "").partition(":")
    name, _, rows = rest.partition(":")
    return side, name, [int(part) for part in rows.split(":") if part.isdecimal()]
