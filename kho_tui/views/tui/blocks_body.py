"""The blocks: every preserved block with its owner, to be filtered and sorted."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event

from textual import events, on
from textual.app import ComposeResult
from textual.widget import Widget

from kho_tui.analysis.owned_blocks import NOBODY, OwnedRuns, blocks_of, owned_blocks
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Value
from kho_tui.model.facts import Missing, Status
from kho_tui.model.sides import no_side
from kho_tui.model.tracker import PreservedMap
from kho_tui.text import SafeText, human_size, visible
from kho_tui.views.format import parse_address
from kho_tui.views.query import Query, parse_query
from kho_tui.views.tui.arranged_pane import arrangement_note
from kho_tui.views.tui.background import Newest, Stoppable
from kho_tui.views.tui.blocks_rows import COLUMNS, SORTS, Block, BlockView, OwnedBy
from kho_tui.views.tui.blocks_words import about_block
from kho_tui.views.tui.body import Stage
from kho_tui.views.tui.changes import NO_MEMORY
from kho_tui.views.tui.explain import explain
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.lines import Line, Role, indented
from kho_tui.views.tui.list_pane import ListPane
from kho_tui.views.tui.navigate import ListSpot, Location, MapPlace, Spot, Where
from kho_tui.views.tui.paint import Panel, look_of
from kho_tui.views.tui.sided_body import SidedBody
from kho_tui.views.tui.table_view import TableView


class BlocksBody(SidedBody):
    """The list is there at once; whose the blocks are comes from a thread.

    A ListSpot of this place has the number of the block in the tracker as its row and the side as its pane.
    """

    WHERE = Where.BLOCKS
    HINTS = (("Enter", "owner"), ("f", "filter"), ("S", "sort"), ("]", "next owner"), ("/", "search"), ("m", "map"), ("o", "side"))

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("f", "filter", "show only what fits: size>=2M and owner~vm-alpha", "blocks.filter"),
        key("S", "sort", "sort by address, size, owner", "blocks.sort"),
        key("o", "side", "the blocks of the other side", "blocks.side"),
    ]

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.list = ListPane("blocks", id="blocks-list")
        self.about = Panel(id="blocks-about", raised=True)
        self._owned: OwnedBy | None = None
        self._shown: BlockView | None = None
        """What the list shows of them; what is known of owners meanwhile may already be more."""
        self._words = ""
        self._query: Query | None = None
        self._sort = SORTS[0]
        self._sought = ""
        self._wanted = 0
        self._owners = Stoppable(self)
        self._arranging = Newest(self)

    def compose(self) -> ComposeResult:
        """The list, and words about the selected block."""
        yield self.list
        yield self.about

    # Where one is

    def arrive(self, spot: Spot | None) -> None:
        """Show the list, or go to a block of it."""
        if isinstance(spot, ListSpot):
            self._set_filter(spot.words)
            self._sort = spot.sort if spot.sort in SORTS else SORTS[0]
            side = self.side_for(spot.pane)
            if side == self.side and self._owned is not None:
                self._arrange(spot.row)
            else:
                self.show_side(side, spot.row)
        elif self._owned is None and not self.list.nothing:
            self.show_side(self.side_for(None))
        elif self._owned is not None and self._owned.memory is None and not self._owners.is_running:
            self._collect(self.side)

    @property
    def here(self) -> Spot | None:
        """The selected block, filter, sort and side."""
        return ListSpot(self.WHERE, self._number, self._words, self._sort, self.side)

    @property
    def _number(self) -> int:
        block = self.block
        return self._wanted if block is None else block.number

    @property
    def busy(self) -> bool:
        """True while owners are collected or the list is arranged."""
        return self._owners.is_running or self._arranging.is_running

    @property
    def block(self) -> Block | None:
        """The block at the cursor."""
        shown = self._shown
        return None if shown is None or not len(shown) else next(shown.owned.blocks(shown.pieces, self.list.cursor, 1), None)

    @property
    def trail(self) -> tuple[SafeText, ...]:
        """Side, block, owner."""
        block, shown = self.block, self._shown
        if block is None or shown is None:
            return (SafeText(self.side),) if self.side else ()
        owner = (shown.owned.owner_text(block),) if shown.owned.memory is not None else ()
        return (SafeText(self.side), SafeText(f"block {block.number}"), *owner)

    @property
    def panes(self) -> Sequence[Widget]:
        """The list."""
        return (self.list,)

    @property
    def note(self) -> SafeText:
        """The filter, and a sort that is not by address."""
        return arrangement_note(self._words, self._sort if self._sort != SORTS[0] else "", look_of(self).glyphs)

    @property
    def selection(self) -> Value | None:
        """The address of the block."""
        block = self.block
        return None if block is None else Value(name="address", unit=Unit.PHYS, value=block.address)

    @property
    def place(self) -> MapPlace | None:
        """The block in the map."""
        block = self.block
        return None if block is None else MapPlace(side=self.side, address=block.address, size=block.size)

    @property
    def command(self) -> tuple[str, ...]:
        """``show --blocks`` of the side."""
        return ("show", *self.side_option, "--blocks")

    # What is shown

    def show_side(self, side: str, row: int = 0) -> None:
        """Show a side with the block of this number selected."""
        self.side, self._owned, self._shown, self._wanted = side, None, None, row
        state = self.stage.loaded.state
        if not side:
            self._say_nothing(no_side(state))
            return
        preserved = state.sides[side].preserved
        if isinstance(preserved, Missing):
            self._owners.stop()
            self.list.set_title(SafeText(f"blocks of {side}"))
            self.list.show_missing(preserved)
            self._tell()
            return
        self._owned = OwnedBy(blocks_of(preserved.runs))
        self._arrange(row)
        self._collect(side)

    def _say_nothing(self, why: SafeText) -> None:
        self.list.show_nothing(why)
        self._tell()

    def _collect(self, side: str) -> None:
        preserved = self.stage.loaded.state.sides[side].preserved
        assert isinstance(preserved, PreservedMap)

        def work(stop: Event) -> OwnedBy:
            context = Context(cancelled=stop)
            memory = self.stage.loaded.maps(side, context)
            context.step("owners")
            found = OwnedBy(owned_blocks(memory, preserved.runs), memory)
            _ = found.owners  # made here: there may be many
            return found

        def done(owned: OwnedBy) -> None:
            if side == self.side:
                self._owned = owned
                self._arrange(self._number)

        self._owners.run(f"collecting whose the blocks of {side} are", work, done, self.stage.bottom)

    def _arrange(self, number: int) -> None:
        """Filter and sort anew; the block ``number`` stays selected where it is still shown."""
        owned, sort, query = self._owned, self._sort, self._query
        self._wanted = number
        if owned is None:
            return
        if owned.memory is None:
            # Of owners nothing is known yet: what a filter asks of them would hide everything.
            sort = sort if sort != "owner" else SORTS[0]
            query = query if query is not None and not query.columns & {"owner", "kind"} else None

        def done(view: OwnedRuns) -> None:
            if self._owned is not owned:
                return
            self._shown = BlockView(owned, view, self.stage.changes.preserved if self.side == "out" else NO_MEMORY)
            row = view.row_of(self._wanted)
            with self.prevent(TableView.Moved):
                self.list.show(self._shown, row or 0, sort, is_part=self._is_part)
            self.list.set_title(self._title(owned, view, query))
            self.list.center_cursor()
            self._tell()

        # Also where nothing is to be done: else an older arrangement that still runs would come after it.
        self._arranging.run(lambda: owned.arranged(query, sort), done, lambda text: self.stage.bottom.say(text, Role.BAD))

    @property
    def _is_part(self) -> bool:
        return self.stage.loaded.state.sides[self.side].preserved.status is not Status.DECODED

    def _title(self, owned: OwnedBy, view: OwnedRuns, query: Query | None) -> SafeText:
        bound = "at least " if self._is_part else ""
        part = f"{bound}{view.blocks} of " if query is not None else ""
        return SafeText(f"blocks of {self.side}: {part}{bound}{owned.pieces.blocks}, {human_size(view.bytes)}")

    def on_resize(self, _event: events.Resize) -> None:
        """Share the new size."""
        self.about.styles.height = self._about_height
        self._tell()

    @property
    def _about_height(self) -> int:
        """Asked of the body's own size: the panel may be told before it has the height that it was given."""
        return max(4, self.size.height // 4)

    @on(Panel.Resized)
    def _panel_resized(self, message: Panel.Resized) -> None:
        message.stop()
        self._tell()

    @on(TableView.Moved)
    def _moved(self, message: TableView.Moved) -> None:
        message.stop()
        block = self.block
        if block is not None:
            self._wanted = block.number
        self._tell()

    def base_changed(self) -> None:
        """Write the list anew."""
        self.list.write_in(self.stage.base)

    def _tell(self) -> None:
        block = self.block
        shown = self._shown
        lines: list[Line] = []
        if block is not None and shown is not None:
            state = self.stage.loaded.state
            memory, width = shown.owned.memory, self.size.width - 4
            lines = about_block(block, state, state.sides[self.side], memory, width, look_of(self).glyphs)
        self.about.show(indented(lines[: self._about_height], 2))
        self.stage.moved()

    # Keys

    @on(TableView.Chosen)
    def _chosen(self, message: TableView.Chosen) -> None:
        message.stop()
        block, shown = self.block, self._shown
        if block is None or shown is None:
            return
        owned = shown.owned
        if owned.memory is None:
            self.stage.bottom.say(f"whose it is is not known{' yet' if self._owners.is_running else ''}", Role.DIM)
        elif block.claim == NOBODY:
            sums = owned.memory.sums
            self.stage.bottom.say(sums.reason, Role.WARN)
        else:
            row = owned.owner_row(block)
            path = owned.memory.claims[block.claim].path
            self.stage.travel(Location(path) if row is None else Location(path, row=row, pane="rows"))

    def action_filter(self) -> None:
        """Open the line where a filter is typed."""
        self.stage.bottom.ask("filter", self._words)

    def filtered(self, text: str) -> None:
        """Show only what fits."""
        try:
            query = parse_query(text, COLUMNS, self.stage.loaded.page_size) if text else None
        except InputError as error:
            self.stage.bottom.say(explain(error), Role.WARN)
            return
        self.stage.bottom.clear()
        self._words, self._query = text, query
        self._arrange(self._number)

    def _set_filter(self, words: str) -> None:
        """A filter that was understood once; another is dropped."""
        try:
            self._words, self._query = words, parse_query(words, COLUMNS, self.stage.loaded.page_size) if words else None
        except InputError:
            self._words, self._query = "", None

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._sort = SORTS[(SORTS.index(self._sort) + 1) % len(SORTS)]
        self._arrange(self._number)

    def stop(self) -> bool:
        """Esc: stop collecting owners, else drop the filter."""
        if self._owners.is_running:
            self._owners.stop()
            self.stage.bottom.say("stopped: the owners are not known", Role.DIM)
            return True
        if not self._words:
            return False
        self.filtered("")
        return True

    def search(self, text: str) -> bool:
        """To the next block whose owner has the text in it, or to the one that holds the address."""
        self._sought = text
        try:
            address = parse_address(text, self.stage.loaded.page_size)
        except InputError:
            address = None
        if address is None or not self.show_address(address):
            self.hit(1)
        return True

    def hit(self, direction: int) -> bool:
        """The next or previous owner with the text in it, round and round."""
        if not self._sought or self._shown is None:
            return False
        view, wanted = self._shown.pieces, self._shown.owned.owned_by(self._sought)
        row = view.change(self.list.cursor, direction, wanted)
        if row is None:
            row = view.change(-1 if direction > 0 else view.blocks, direction, wanted)
        if row is None:
            self.stage.bottom.say(f"no owner here matches {visible(self._sought)}", Role.WARN)
        else:
            self._go_to_row(row)
        return True

    def show_address(self, address: int) -> bool:
        """To the block that holds an address."""
        preserved = self.stage.loaded.state.sides[self.side].preserved if self.side else None
        shown = self._shown
        if not isinstance(preserved, PreservedMap) or shown is None:
            return False
        number = preserved.runs.block_at(address)
        if number is None:
            return False
        row = shown.pieces.row_of(number)
        if row is None:
            self.stage.bottom.say(f"the block that holds {address:#x} does not fit the filter", Role.WARN)
        else:
            self._go_to_row(row)
        return True

    def step(self, direction: int) -> bool:
        """To where another owner's blocks begin."""
        if self._shown is None:
            return False
        row = self._shown.pieces.change(self.list.cursor, direction)
        if row is None:
            self.stage.bottom.say("no other owner " + ("below" if direction > 0 else "above"), Role.DIM)
        else:
            self._go_to_row(row)
        return True

    def _go_to_row(self, row: int) -> None:
        self.list.set_cursor(row)
        self.list.center_cursor()
