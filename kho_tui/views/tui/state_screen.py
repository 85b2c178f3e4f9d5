"""The main screen: tree, fields, long list and bytes of one state."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widget import Widget

from kho_tui.errors import Cancelled, InputError
from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Detail, Entity, Value, find
from kho_tui.model.facts import Missing
from kho_tui.model.path import parse_path
from kho_tui.text import SafeText, visible
from kho_tui.views.format import Base, parse_address, plain_value
from kho_tui.views.tui.background import Finished, run_beside
from kho_tui.views.tui.clipboard import copy
from kho_tui.views.tui.detail_panes import FieldsPane, RowsPane, heading, value_info
from kho_tui.views.tui.help import HelpScreen
from kho_tui.views.tui.hex_pane import HexPane
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.lines import Line, Role, spans, width_of, wrap
from kho_tui.views.tui.loaded import Loaded
from kho_tui.views.tui.navigate import FINDINGS, History, Location, address_of, locate, search
from kho_tui.views.tui.paint import Panel, look_of
from kho_tui.views.tui.prompt import Prompt, Purpose
from kho_tui.views.tui.reading import explain, read_children, read_detail
from kho_tui.views.tui.table_view import TableView
from kho_tui.views.tui.tree_model import TreeModel
from kho_tui.views.tui.tree_pane import TreePane

if TYPE_CHECKING:
    from kho_tui.views.tui.app import KhoApp

T = TypeVar("T")

_BASES: tuple[Base, ...] = ("natural", "hex", "dec")
_HINTS = (
    ("Enter", "follow"),
    ("Bksp", "back"),
    ("/", "search"),
    ("@", "goto"),
    ("]", "finding"),
    ("y", "copy"),
    ("?", "keys"),
    ("q", "quit"),
)


class StateScreen(Screen[None], inherit_bindings=False):
    """One state. Selecting in the tree reads the entity's detail beside the screen; everything else follows the selection."""

    AUTO_FOCUS = "#tree"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (76, "-normal"), (120, "-wide")]  # noqa: RUF012 - as Textual declares it
    VERTICAL_BREAKPOINTS = [(0, "-low"), (22, "-normal-height"), (36, "-tall")]  # noqa: RUF012

    BINDINGS = [  # noqa: RUF012
        key("tab", "focus_pane(1)", "next, previous pane", "state.next_pane"),
        key("shift+tab", "focus_pane(-1)", "next, previous pane", "state.previous_pane"),
        key("backspace,alt+left", "back", "back to where you were, forward again", "state.back"),
        key("alt+right", "ahead", "back to where you were, forward again", "state.ahead"),
        key("slash", "ask('search')", "search titles, paths, values, addresses", "state.search"),
        key("n", "hit(1)", "next, previous hit of the search", "state.next_hit"),
        key("N", "hit(-1)", "next, previous hit of the search", "state.previous_hit"),
        key("right_square_bracket", "finding(1)", "next, previous finding", "state.next_finding"),
        key("left_square_bracket", "finding(-1)", "next, previous finding", "state.previous_finding"),
        key("at", "ask('address')", "go to an address (0x…, 4G, pfn:0x…)", "state.address"),
        key("x", "base", "number base: by unit, hex, decimal", "state.base"),
        key("y", "copy", "copy the selected value", "state.copy"),
        key("z", "zoom", "the focused pane alone, and back", "state.zoom"),
        key("r", "reload", "read the state again", "state.reload"),
        key("escape", "stop", "stop what runs, end a search", "state.stop"),
        key("question_mark", "keys", "these keys", "state.keys"),
        key("q,ctrl+q", "leave", "quit", "state.quit"),
    ]

    def __init__(self, loaded: Loaded, model: TreeModel, start: Location | None = None) -> None:
        super().__init__()
        self._loaded = loaded
        self._model = model
        self._start = start
        self._history = History()
        self._base: Base = "natural"
        self._hits: list[Location] = []
        self._hit = 0
        self._query = SafeText("")
        self._message: Line = ()
        self._note = ""
        self._typing_from: Widget | None = None
        self._shown: Entity | None = None
        self._detail = Detail()
        self._wanted: tuple[Entity, Location | None] | None = None
        self._reading = False
        self._stop_work: Event | None = None

    def compose(self) -> ComposeResult:
        """Title and verdict above, tree left, detail right, one line below."""
        yield Panel(id="title")
        yield Panel(id="verdict")
        with Horizontal(id="body"):
            yield TreePane(self._model, id="tree")
            with Vertical(id="right"):
                yield Panel(id="heading")
                yield FieldsPane(id="fields")
                yield Panel(id="info", raised=True)
                yield RowsPane(id="rows")
                yield HexPane(id="bytes")
        with Vertical(id="bottom"):
            yield Panel(id="bar")
            yield Prompt(id="prompt")

    # Parts

    @property
    def entities(self) -> TreePane:
        """The tree."""
        return self.query_one(TreePane)

    @property
    def fields(self) -> FieldsPane:
        """The values."""
        return self.query_one(FieldsPane)

    @property
    def table(self) -> RowsPane:
        """The long list."""
        return self.query_one(RowsPane)

    @property
    def hex(self) -> HexPane:
        """The bytes."""
        return self.query_one(HexPane)

    @property
    def busy(self) -> bool:
        """True while something is read beside the screen."""
        return self._reading or self._stop_work is not None or self.entities.busy

    def _panel(self, name: str) -> Panel:
        return self.query_one(f"#{name}", Panel)

    # Showing

    def on_mount(self) -> None:
        """Show the first entity, or where one was before a reload."""
        self.entities.rows_changed()
        start = self._start
        self._select(self.entities.entity, None)
        if start is not None:
            self._go(start)
        self._draw_frame()

    def on_resize(self) -> None:
        """Lay everything out for the new size."""
        self.call_after_refresh(self._draw_all)

    def _draw_all(self) -> None:
        self._draw_frame()
        self._arrange()
        self._draw_info()

    def _draw_frame(self) -> None:
        width = self.size.width
        look = look_of(self)
        self._panel("title").show([spans((" kho-tui  ", Role.KEY), (self._loaded.title, Role.TITLE))])
        verdict = wrap(self._loaded.verdict, width - 2, 2, Role.TEXT, look.glyphs.ellipsis)
        self._panel("verdict").show([(*spans((" ", Role.TEXT)), *line) for line in verdict])
        self._panel("verdict").styles.height = max(1, len(verdict))
        self._draw_bar()

    def _draw_bar(self) -> None:
        if self._message:
            self._panel("bar").show([(*spans((" ", Role.TEXT)), *self._message)])
            return
        line: Line = ()
        if self._hits:
            line += spans((f" {self._note} ", Role.WARN), ("n", Role.KEY), (" next hit ", Role.DIM))
        if self._base != "natural":
            line += spans((f" {self._base} ", Role.WARN))
        for name, what in _HINTS:
            more = spans((f" {name}", Role.KEY), (f" {what} ", Role.DIM))
            if width_of(line) + width_of(more) <= self.size.width:
                line += more
        self._panel("bar").show([line])

    def say(self, text: str, role: Role = Role.TEXT) -> None:
        """One line at the bottom, until the selection changes. The text is ours or safe already."""
        self._message = spans((text, role))
        self._draw_bar()

    def _select(self, entity: Entity | None, location: Location | None) -> None:
        if entity is None:
            return
        self._wanted = (entity, location)
        if not self._reading:
            self._read()

    def _read(self) -> None:
        assert self._wanted is not None
        entity, location = self._wanted
        self._wanted = None
        self._reading = True

        def done(detail: Detail) -> None:
            self._reading = False
            if self._wanted is not None:
                self._read()
            else:
                self._show(entity, detail, location)

        def failed(_error: BaseException, text: SafeText) -> None:
            self._reading = False
            self.say(text, Role.BAD)

        run_beside(self, lambda: read_detail(entity), done, failed)

    @on(Finished)
    def _finished(self, message: Finished) -> None:
        message.stop()
        message.deliver()

    def _show(self, entity: Entity, detail: Detail, location: Location | None) -> None:
        self._shown = entity
        self._detail = detail
        with self.prevent(TableView.Moved):
            self.fields.show_values(detail.values, (location and location.value) or 0)
            self.table.show_rows(detail.table, (location and location.row) or 0)
            self.table.set_title(SafeText(f"{entity.title}"))
            self.hex.show_blobs(detail.blobs)
        self._arrange()
        if location is not None and location.pane is not None:
            self.set_focus(self.query_one(f"#{location.pane}", TableView))
        self.call_after_refresh(self._shown_laid_out)

    def _shown_laid_out(self) -> None:
        """With the final heights: what was jumped to comes to the middle of its list."""
        self.fields.center_cursor()
        self.table.center_cursor()
        self._selection_changed()

    def _arrange(self) -> None:
        """Share the height of the right side: fields as far as they need it, the rest to rows and bytes."""
        if self._shown is None:
            return
        glyphs = look_of(self).glyphs
        right = self.query_one("#right", Vertical).size
        lines = heading(self._shown, right.width, glyphs)
        self._panel("heading").show(lines)
        self._panel("heading").styles.height = len(lines)
        free = right.height - len(lines) - self._panel("info").size.height
        has_rows, has_bytes = self._detail.table is not None, bool(self.hex.blobs)
        show_bytes = has_bytes and (not has_rows or free >= 24)
        share = 0.35 if has_rows else 0.55
        wanted = len(self._detail.values) + 1
        for pane, there in ((self.fields, bool(self._detail.values)), (self.table, has_rows), (self.hex, show_bytes)):
            pane.set_class(not there, "absent")
        if has_rows or show_bytes:
            self.fields.styles.height = max(2, min(wanted, max(4, int(free * share))))
        else:
            self.fields.styles.height = max(2, min(wanted, free))
        self.hex.styles.height = "1fr" if not has_rows else max(6, free // 4)
        if self.focused is not None and not self.focused.display:
            self.set_focus(self.entities)

    @on(TableView.Moved)
    def _moved(self, message: TableView.Moved) -> None:
        message.stop()
        if message.view is self.entities:
            if self.entities.entity is not self._shown:
                self._select(self.entities.entity, None)
        else:
            self._selection_changed()

    def on_descendant_focus(self) -> None:
        """The line about the selection speaks of the focused pane."""
        self._draw_info()

    def _selection_changed(self) -> None:
        self._message = ()
        self._draw_bar()
        self._draw_info()
        self._mark_bytes()

    def _mark_bytes(self) -> None:
        with self.prevent(TableView.Moved):
            if self._on_rows:
                values = self.table.row_values(self.table.cursor)
                self.hex.mark(values[0].place if values else None, 1)
            elif self.focused is not self.hex and (value := self.fields.value) is not None:
                self.hex.mark(value.place, value.size)

    @property
    def _on_rows(self) -> bool:
        return self.table.row_count() > 0 and (self.focused is self.table or not self._detail.values)

    def _draw_info(self) -> None:
        panel = self._panel("info")
        glyphs = look_of(self).glyphs
        height = panel.size.height or 4
        if self._on_rows:
            panel.show(self.table.row_info(height, glyphs))
        elif (value := self.fields.value) is not None:
            panel.show(value_info(value, self._base, panel.size.width, height, glyphs))
        else:
            panel.show([])

    # Moving about

    @property
    def here(self) -> Location | None:
        """Where one is."""
        if self._shown is None:
            return None
        pane = self.focused.id if isinstance(self.focused, TableView) else None
        return Location(self._shown.path, self.fields.cursor, self.table.cursor, pane)

    def _go(self, location: Location, leaving: Location | None = None) -> None:
        """Open the way to a place and show it; ``leaving`` is what Backspace will return to."""

        def opened(_result: None) -> None:
            with self.prevent(TableView.Moved):
                there = self.entities.go(location.path)
            if not there:
                self.say(f"{location.path.text} is not in this state", Role.WARN)
                return
            if leaving is not None:
                self._history.leave(leaving)
            self._select(self.entities.entity, location)

        if self._model.is_way_fetched(location.path):
            opened(None)
        else:
            self._beside(f"opening {location.path.text}", lambda _stop: self._model.fetch_way(location.path), opened)

    def _travel(self, location: Location) -> None:
        """Go somewhere new; Backspace returns."""
        self._go(location, self.here)

    def action_back(self) -> None:
        """Go back."""
        self._step_history(-1)

    def action_ahead(self) -> None:
        """Undo going back."""
        self._step_history(1)

    def _step_history(self, direction: int) -> None:
        here = self.here
        if here is None:
            return
        there = self._history.back(here) if direction < 0 else self._history.ahead(here)
        if there is None:
            self.say("nothing to go back to" if direction < 0 else "nothing ahead", Role.DIM)
        else:
            self._go(there)

    @on(TableView.Chosen)
    def _chosen(self, message: TableView.Chosen) -> None:
        message.stop()
        if message.view is self.entities:
            self._choose_entity()
        elif message.view is self.fields and (value := self.fields.value) is not None:
            self._follow(value)
        elif message.view is self.table:
            target = self.table.row_target()
            if target is None:
                self.say("this row points nowhere", Role.DIM)
            else:
                self._go_to_address(target)

    def _choose_entity(self) -> None:
        entity = self.entities.entity
        if entity is None:
            return
        if entity.path.parent == FINDINGS:
            where = next((value for value in self._detail.values if value.name == "where"), None)
            if where is not None and self._shown is entity:
                self._follow(where)
                return
        if not self.entities.model.rows[self.entities.cursor].leaf:
            self.entities.action_open_or_close()
        else:
            self.action_focus_pane(1)

    def _follow(self, value: Value) -> None:
        address = address_of(value, self._loaded.page_size)
        if address is not None:
            self._go_to_address(address)
        elif value.name == "where" and isinstance(value.value, bytes):
            self._travel(Location(parse_path(value.value.decode("utf-8", "surrogateescape"))))
        else:
            self.say(f"{value.name} points nowhere", Role.DIM)

    def _go_to_address(self, address: int) -> None:
        def done(location: Location | None) -> None:
            if location is None:
                self.say(f"nothing in this state holds {address:#x}", Role.WARN)
            elif self._shown is not None and location.path == self._shown.path and location.row is None:
                self.say(f"{address:#x} lies here", Role.DIM)
            else:
                self._travel(location)

        self._beside(f"looking for {address:#x}", lambda stop: locate(self._loaded.root, address, stop.is_set), done)

    def _beside(self, what: str, work: Callable[[Event], T], done: Callable[[T], None]) -> None:
        """Run a walk over the whole state beside the screen; Esc, or the next one, stops it."""
        if self._stop_work is not None:
            self._stop_work.set()
        stop = Event()
        self._stop_work = stop
        self.say(f"{what} (Esc stops)", Role.DIM)

        def ended(result: T) -> None:
            if self._stop_work is stop:
                self._stop_work = None
                self._message = ()
                self._draw_bar()
                done(result)

        def failed(error: BaseException, text: SafeText) -> None:
            if self._stop_work is stop:
                self._stop_work = None
            if not isinstance(error, Cancelled):
                self.say(text, Role.BAD)

        run_beside(self, lambda: work(stop), ended, failed)

    def action_stop(self) -> None:
        """Stop what runs; where nothing runs, end the search."""
        if self._stop_work is not None:
            self._stop_work.set()
            self._stop_work = None
            self.say("stopped", Role.DIM)
        elif self._hits or self._message:
            self._hits = []
            self._message = ()
            self._draw_bar()

    def action_focus_pane(self, direction: int) -> None:
        """Move the focus to the next or previous pane that is shown."""
        panes = [pane for pane in (self.entities, self.fields, self.table, self.hex) if pane.display]
        at = panes.index(self.focused) if self.focused in panes else 0
        self.set_focus(panes[(at + direction) % len(panes)])

    def action_zoom(self) -> None:
        """Give the focused pane the whole body, or end that."""
        zoom = not self.has_class("-zoomed")
        for pane in self.query(TableView):
            pane.set_class(zoom and pane is self.focused, "zoomed")
        self.set_class(zoom, "-zoomed")
        self.set_class(zoom and self.focused is self.entities, "-zoomed-tree")

    # Asking

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While something is typed, keys are letters."""
        return not self.query_one(Prompt).is_open

    def action_ask(self, purpose: Purpose) -> None:
        """Open the line where a search or an address is typed."""
        self._typing_from = self.focused
        self.query_one(Prompt).ask(purpose)
        self._panel("bar").display = False

    @on(Prompt.Closed)
    def _prompt_closed(self) -> None:
        self._panel("bar").display = True
        self.set_focus(self._typing_from if self._typing_from is not None else self.entities)

    @on(Prompt.Answered)
    def _answered(self, message: Prompt.Answered) -> None:
        text = message.text
        if message.purpose == "address":
            try:
                self._go_to_address(parse_address(text, self._loaded.page_size))
            except InputError as error:
                self.say(explain(error), Role.WARN)
            return
        self._query = visible(text)
        root, page_size = self._loaded.root, self._loaded.page_size
        self._beside(f"searching {self._query}", lambda stop: search(root, text, page_size, stop.is_set), self._found)

    def _found(self, hits: list[Location]) -> None:
        self._hits = hits
        if not hits:
            self.say(f"nothing matches {self._query}", Role.WARN)
            return
        self._hit = -1
        self.action_hit(1)

    def action_hit(self, direction: int) -> None:
        """Go to the next or previous hit."""
        if not self._hits:
            self.say("no search yet: / starts one", Role.DIM)
            return
        self._hit = (self._hit + direction) % len(self._hits)
        self._note = f"{self._hit + 1}/{len(self._hits)} {self._query}"
        self._travel(self._hits[self._hit])

    def action_finding(self, direction: int) -> None:
        """Go to the next or previous finding."""
        holder = find(self._loaded.root, FINDINGS)
        paths = [finding.path for finding in read_children(holder)] if holder is not None else []
        if not paths:
            self.say("no findings", Role.DIM)
            return
        here = self._shown.path if self._shown is not None else None
        at = paths.index(here) + direction if here in paths else 0 if direction > 0 else -1
        self._travel(Location(paths[at % len(paths)]))

    # The selected value

    @property
    def _selected(self) -> Value | None:
        if self._on_rows:
            values = self.table.row_values(self.table.cursor)
            return next((value for value in values if value.unit in (Unit.PHYS, Unit.PFN)), values[0] if values else None)
        if self.focused is self.entities and self._shown is not None and self._shown.address is not None:
            return Value("address", Unit.PHYS, self._shown.address)
        return self.fields.value

    def action_copy(self) -> None:
        """Copy the selected value: of the tree the address, of a row its address."""
        value = self._selected
        if value is None or isinstance(value.value, Missing):
            self.say("nothing to copy here", Role.DIM)
            return
        text = plain_value(value.value, value.unit, self._base)
        self.say(f"copied {text}  {copy(self.app, text)}")

    def action_base(self) -> None:
        """Write integers by unit, all hex, all decimal."""
        self._base = _BASES[(_BASES.index(self._base) + 1) % len(_BASES)]
        self.fields.base = self.table.base = self._base
        self.fields.contents_changed()
        self.table.contents_changed()
        self._draw_info()
        self._draw_bar()

    # The app

    def action_keys(self) -> None:
        """Show the keys of the focused pane and of the screen."""
        active = [one for one in self.active_bindings.values() if one.binding.id]
        # What is peculiar to this screen first, moving about in a list last: everybody tries the arrows anyway.
        active.sort(key=lambda one: one.node is not self)
        self.app.push_screen(HelpScreen([one.binding for one in active]))

    def action_reload(self) -> None:
        """Read the state again and come back here."""
        app: KhoApp = self.app  # type: ignore[assignment]
        app.load(self.here)

    def action_leave(self) -> None:
        """Quit."""
        self.app.exit()
