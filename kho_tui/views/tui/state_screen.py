"""The main screen: one state, its tree left, the selected thing right, and the ways from one thing to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widget import Widget

from kho_tui.errors import InputError
from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Value
from kho_tui.model.facts import Missing
from kho_tui.text import visible
from kho_tui.views.format import parse_address, plain_value
from kho_tui.views.tui.clipboard import copy
from kho_tui.views.tui.help import HelpScreen
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.lines import Role
from kho_tui.views.tui.loaded import Loaded
from kho_tui.views.tui.navigate import FINDINGS, Hits, Location, Spot, search
from kho_tui.views.tui.prompt import Prompt, Purpose
from kho_tui.views.tui.reading import explain
from kho_tui.views.tui.table_view import TableView
from kho_tui.views.tui.top import Top
from kho_tui.views.tui.travel import TravelScreen
from kho_tui.views.tui.tree_model import TreeModel

if TYPE_CHECKING:
    from kho_tui.views.tui.app import KhoApp


class StateScreen(TravelScreen, inherit_bindings=False):
    """One state. Selecting in the tree reads the entity's detail beside the screen; everything else follows the selection."""

    AUTO_FOCUS = "#tree"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (76, "-normal"), (116, "-wide")]  # noqa: RUF012 - as Textual declares it

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
        key("m", "map", "where it lies: the memory map", "state.map"),
        key("x", "base", "number base: by unit, hex, decimal", "state.base"),
        key("y", "copy", "copy the selected value", "state.copy"),
        key("z", "zoom", "the focused pane alone, and back", "state.zoom"),
        key("r", "reload", "read the state again", "state.reload"),
        key("escape", "stop", "stop what runs, end a search", "state.stop"),
        key("question_mark", "keys", "these keys", "state.keys"),
        key("q,ctrl+q", "leave", "quit", "state.quit"),
    ]

    def __init__(self, loaded: Loaded, model: TreeModel, start: Spot | None = None) -> None:
        super().__init__(loaded, model)
        self._start = start
        self._typing_from: Widget | None = None

    def compose(self) -> ComposeResult:
        """Title and verdict above, tree left, detail right, one line below."""
        yield Top(self._loaded.title, self._loaded.verdict, id="top")
        with Horizontal(id="body"):
            yield self.entities
            yield self.right
        yield self.bottom

    @property
    def busy(self) -> bool:
        """True while something is read beside the screen or not yet laid out."""
        return self._detail.is_running or self._walk.is_running or self.entities.busy or not self.right.is_settled

    # Showing

    def on_mount(self) -> None:
        """Show the first entity, or where one was before a reload."""
        self.entities.rows_changed()
        self._select(self.entities.entity, None)
        if self._start is not None:
            self._go(self._start)

    def on_resize(self) -> None:
        """A pane may have had to go."""
        self.call_after_refresh(self._keep_focus)

    @on(TableView.Moved)
    def _moved(self, message: TableView.Moved) -> None:
        message.stop()
        if message.view is not self.entities:
            self.bottom.clear()
        elif self.entities.entity is not self.right.entity or self._detail.is_running:
            self._select(self.entities.entity, None)

    # Panes

    @on(TableView.Chosen)
    def _chosen(self, message: TableView.Chosen) -> None:
        message.stop()
        right = self.right
        if message.view is self.entities:
            self._choose_entity()
        elif message.view is right.fields and (value := right.fields.value) is not None:
            self._follow(value)
        elif message.view is right.table:
            target = right.table.row_target()
            if target is None:
                self.bottom.say("this row points nowhere", Role.DIM)
            else:
                self._go_to_address(target)

    def _choose_entity(self) -> None:
        entity = self.entities.entity
        if entity is None:
            return
        if entity.path.parent == FINDINGS and self.right.entity is entity:
            where = next((value for value in self.right.values if value.name == "where"), None)
            if where is not None:
                self._follow(where)
                return
        if not self.entities.model.rows[self.entities.cursor].leaf:
            self.entities.action_open_or_close()
        else:
            self.action_focus_pane(1)

    def action_stop(self) -> None:
        """Stop what runs; where nothing runs, end the search."""
        if self._walk.is_running:
            self._walk.stop()
            self.bottom.say("stopped", Role.DIM)
        else:
            self._hits = Hits()
            self.bottom.show_hits("")
            self.bottom.clear()

    def action_focus_pane(self, direction: int) -> None:
        """Move the focus to the next or previous pane that is shown."""
        panes = [pane for pane in (self.entities, self.right.fields, self.right.table, self.right.hex) if pane.display]
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
        return not self.bottom.is_asking

    def action_ask(self, purpose: Purpose) -> None:
        """Open the line where a search or an address is typed."""
        self._typing_from = self.focused
        self.bottom.ask(purpose)

    @on(Prompt.Closed)
    def _prompt_closed(self) -> None:
        self.set_focus(self._typing_from if self._typing_from is not None else self.entities)

    @on(Prompt.Answered)
    def _answered(self, message: Prompt.Answered) -> None:
        text = message.text
        root, page_size = self._loaded.root, self._loaded.page_size
        if message.purpose == "address":
            try:
                self._go_to_address(parse_address(text, page_size))
            except InputError as error:
                self.bottom.say(explain(error), Role.WARN)
            return
        query = visible(text)

        def found(places: list[Location]) -> None:
            if places:
                self._step_through(query, places)
            else:
                self._hits = Hits()
                self.bottom.show_hits("")
                self.bottom.say(f"nothing matches {query}", Role.WARN)

        self._walk.run(f"searching {query}", lambda stop: search(root, text, page_size, stop.is_set), found, self.bottom)

    # The selected value

    def action_copy(self) -> None:
        """Copy the selected value: of the tree the address, of a row its address."""
        entity = self.right.entity
        if self.focused is self.entities and entity is not None and entity.address is not None:
            value: Value | None = Value("address", Unit.PHYS, entity.address)
        else:
            value = self.right.selected
        if value is None or isinstance(value.value, Missing):
            self.bottom.say("nothing to copy here", Role.DIM)
            return
        text = plain_value(value.value, value.unit, self.right.base)
        self.bottom.say(f"copied {text}  {copy(self.app, text)}")

    def action_base(self) -> None:
        """Write integers by unit, all hex, all decimal."""
        base = self.right.next_base()
        self.bottom.show_base("" if base == "natural" else base)

    # The app

    def action_keys(self) -> None:
        """Show the keys of the focused pane and of the screen."""
        self.app.push_screen(HelpScreen(self))

    def action_reload(self) -> None:
        """Read the state again and come back here."""
        app: KhoApp = self.app  # type: ignore[assignment]
        app.load(self.here)

    def action_leave(self) -> None:
        """Quit."""
        self.app.exit()
