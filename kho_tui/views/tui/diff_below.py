"""What stands below the tree of a comparison: the selected thing's fields, or its bytes, of both states; or the memory of both."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widget import Widget

from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText
from kho_tui.views.tui.background import Finished, Newest
from kho_tui.views.tui.body import Stage
from kho_tui.views.tui.diff_detail import Both, HexRows, Pair, both_of
from kho_tui.views.tui.diff_map import MAPS_HEIGHT, Charts, DiffMap, make_charts
from kho_tui.views.tui.diff_rows import field_heading, hex_bytes, hex_line, pair_line
from kho_tui.views.tui.diff_tree import Node
from kho_tui.views.tui.lines import Line, Role, spans
from kho_tui.views.tui.list_body import LineList
from kho_tui.views.tui.loaded import Against, Loaded
from kho_tui.views.tui.map_body import scratch_names
from kho_tui.views.tui.paint import look_of
from kho_tui.views.tui.table_view import TableView

_LEAST_HEIGHT = 5


class Below(Enum):
    """What is shown. The value is the word shown."""

    FIELDS = "fields"
    BYTES = "bytes"
    MAPS = "maps"


class DiffBelow(Vertical):
    """One of three panes at a time; fields and bytes are read beside the screen."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(id="diff-below")
        self._stage = stage
        self._fields = LineList("fields", self._field_line, lambda width: field_heading(width), id="diff-fields")
        self._hex = LineList("bytes of A beside bytes of B, * where they differ", self._hex_line, id="diff-bytes")
        self.maps = DiffMap(id="diff-maps")
        self._mode = Below.FIELDS
        self._against: Against | None = None
        self._node: Node | None = None
        self.both = Both()
        self._hex_rows: HexRows | None = None
        self._reading = Newest(self)
        self._drawing = Newest(self)

    def compose(self) -> ComposeResult:
        """All three; two are away."""
        yield from self._panes

    def on_mount(self) -> None:
        """Begin with the fields."""
        self._show_one()

    @on(Finished)
    def _finished(self, message: Finished) -> None:
        message.stop()
        message.deliver()

    @property
    def busy(self) -> bool:
        """True while something is read or drawn."""
        return self._reading.is_running or self._drawing.is_running

    @property
    def shown(self) -> Widget:
        """The pane that is in sight."""
        return self._panes[list(Below).index(self._mode)]

    @property
    def _panes(self) -> Sequence[Widget]:
        return (self._fields, self._hex, self.maps)

    @property
    def mode(self) -> Below:
        """Which pane that is."""
        return self._mode

    @mode.setter
    def mode(self, mode: Below) -> None:
        was_focused = self.shown.has_focus
        self._mode = mode
        self._show_one()
        if was_focused:
            self.screen.set_focus(self.shown)
        self.draw_maps()

    def _show_one(self) -> None:
        for pane in self._panes:
            pane.set_class(pane is not self.shown, "absent")

    @property
    def pair(self) -> Pair | None:
        """The selected field, while the cursor is in the fields."""
        return self.both.pairs[self._fields.cursor] if self._fields.has_focus and self._fields.cursor < len(self.both.pairs) else None

    @property
    def found(self) -> tuple[EntityPath | None, EntityPath | None]:
        """Where each of the two states has the selected thing."""
        return self.both.found

    # What is shown

    def take(self, against: Against | None) -> None:
        """Another comparison: nothing of the one before is true any more."""
        self._against = against
        self.maps.show_nothing(())

    def show(self, node: Node | None) -> None:
        """Read what both states say of a row of the tree; None: of nothing."""
        self._node = node
        against = self._against
        if node is None or against is None:
            self._show_both(Both())
            return
        old, new = self._stage.loaded.root, against.loaded.root
        self._reading.run(lambda: both_of(node, old, new), self._show_both, self._not_read)

    def _show_both(self, both: Both) -> None:
        self.both = both
        self._fields.nothing = spans(("no field differs, or there are none" if self._node is not None else "", Role.DIM))
        with self.prevent(TableView.Moved):
            self._fields.show(len(both.pairs))
        self._show_bytes()

    def _not_read(self, why: SafeText) -> None:
        self._show_both(Both())
        self._fields.nothing = spans((why, Role.BAD))

    def _show_bytes(self) -> None:
        both = self.both.bytes
        self._hex.nothing = spans(("neither state shows bytes of its own for this", Role.DIM))
        self._hex_rows = None if both is None or not self.size.width else HexRows(both, hex_bytes(self.size.width))
        with self.prevent(TableView.Moved):
            self._hex.show(0 if self._hex_rows is None else len(self._hex_rows))
            if self._hex_rows is not None:
                self._hex.set_cursor(self._hex_rows.first_change())

    def draw_maps(self) -> None:
        """Add up the memory of both, once, when it is to be seen."""
        against, loaded = self._against, self._stage.loaded
        if against is None or self._mode is not Below.MAPS or self.maps.charts is not None:
            return
        sides = _sides(against)
        if sides is None:
            self.maps.show_nothing(spans(("the two have no side in common", Role.DIM)))
            return
        self.maps.show_nothing(spans(("adding up the memory of both", Role.DIM)))
        self._drawing.run(lambda: _charts(loaded, against, sides), self.maps.show, self._not_drawn)

    def _not_drawn(self, why: SafeText) -> None:
        self.maps.show_nothing(spans((why, Role.BAD)))

    # Lines

    def _field_line(self, at: int, width: int) -> Line:
        return pair_line(self.both.pairs[at], width, self._stage.base)

    def _hex_line(self, at: int, _width: int) -> Line:
        return () if self._hex_rows is None else hex_line(self._hex_rows[at], hex_bytes(self.size.width), look_of(self).glyphs)

    def base_changed(self) -> None:
        """Write the fields anew."""
        self._fields.contents_changed()

    def on_resize(self) -> None:
        """Another width holds other rows of bytes."""
        self._show_bytes()

    def fit(self, height: int, room: int) -> None:
        """Take a share of a body of that height; ``room``: lines that the rest of the body can spare, which the maps may take."""
        share = max(_LEAST_HEIGHT, height * 2 // 5)
        self.styles.height = max(_LEAST_HEIGHT, min(max(share, MAPS_HEIGHT), room)) if self._mode is Below.MAPS else share


def _sides(against: Against) -> tuple[str, str] | None:
    """The sides whose memory is compared: those of the comparison, of one handover what was handed over and what is handed on."""
    diff = against.compared.diff
    if diff is not None and diff.sides:
        return next((pair for pair in diff.sides if pair[0] == "out"), diff.sides[0])
    new = against.compared.new.sides
    return ("out", "out" if "out" in new else "in") if "out" in against.compared.old.sides and new else None


def _charts(loaded: Loaded, against: Against, sides: tuple[str, str]) -> Charts:
    """In a thread. Raises KhoError."""
    if sides[1] not in against.loaded.state.sides:
        raise InputError(f"B has no side {sides[1]}")
    names = scratch_names(loaded.root), scratch_names(against.loaded.root)
    return make_charts(loaded.maps(sides[0], Context()), against.loaded.maps(sides[1], Context()), names)
