"""The right side: all that is known of the thing selected in the tree."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical

from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Detail, Entity, Value
from kho_tui.text import SafeText
from kho_tui.views.format import Base
from kho_tui.views.tui.detail_panes import FieldsPane, RowsPane, heading, value_info
from kho_tui.views.tui.hex_pane import HexPane
from kho_tui.views.tui.navigate import Location
from kho_tui.views.tui.paint import Panel, look_of
from kho_tui.views.tui.table_view import TableView

_BASES: tuple[Base, ...] = ("natural", "hex", "dec")
_INFO_HEIGHTS = ((22, 3), (36, 4))
_INFO_HEIGHT_TALL = 6
_INFO_HEIGHT_ALONE = 12
_BYTES_BESIDE_ROWS = 22
"""Lines of the right side from which a long list leaves room for the bytes."""


class RightSide(Vertical):
    """Heading, fields, a few lines about the selected one, the long list, the bytes."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.entity: Entity | None = None
        self.base: Base = "natural"
        self.is_settled = True
        """False from new contents until they are laid out."""
        self._detail = Detail()
        self._heading = Panel(id="heading")
        self.fields = FieldsPane(id="fields")
        self._info = Panel(id="info", raised=True)
        self.table = RowsPane(id="rows")
        self.hex = HexPane(id="bytes")

    def compose(self) -> ComposeResult:
        """From most to least decoded."""
        yield self._heading
        yield self.fields
        yield self._info
        yield self.table
        yield self.hex

    def show(self, entity: Entity, detail: Detail, location: Location | None) -> None:
        """Show an entity, with what ``location`` selects in it."""
        self.entity = entity
        self._detail = detail
        self.is_settled = False
        with self.prevent(TableView.Moved):
            self.fields.show_values(detail.values, (location and location.value) or 0)
            self.table.show_rows(detail.table, (location and location.row) or 0)
            self.table.set_title(SafeText(f"{entity.title}"))
            self.hex.show_blobs(detail.blobs)
        self._share_height()
        if location is not None and location.pane is not None:
            self.screen.set_focus(self.screen.query_one(f"#{location.pane}", TableView))
        self.call_after_refresh(self._laid_out)

    def _laid_out(self) -> None:
        """With the final heights: what was jumped to comes to the middle of its list."""
        self.fields.center_cursor()
        self.table.center_cursor()
        self._selection_changed()
        self.hex.center_cursor()
        self.is_settled = True

    def on_resize(self, _event: events.Resize) -> None:
        """Share the new size."""
        self.call_after_refresh(self._resized)

    def _resized(self) -> None:
        self._share_height()
        self._draw_info()

    def _share_height(self) -> None:
        """Share the height: fields as far as they need it, the rest to rows and bytes, some to the info where there are neither."""
        if self.entity is None:
            return
        lines = heading(self.entity, self.size.width, look_of(self).glyphs)
        self._heading.show(lines)
        self._heading.styles.height = len(lines)
        height = next((least for below, least in _INFO_HEIGHTS if self.screen.size.height < below), _INFO_HEIGHT_TALL)
        free = self.size.height - len(lines) - height
        has_rows, has_bytes = self._detail.table is not None, bool(self.hex.blobs)
        show_bytes = has_bytes and (not has_rows or free >= _BYTES_BESIDE_ROWS)
        wanted = len(self._detail.values) + self.fields.head_lines
        for pane, there in ((self.fields, bool(self._detail.values)), (self.table, has_rows), (self.hex, show_bytes)):
            pane.set_class(not there, "absent")
        self._info.styles.height = height if has_rows or show_bytes else max(height, min(_INFO_HEIGHT_ALONE, free + height - wanted))
        if has_rows or show_bytes:
            share = 0.35 if has_rows else 0.55
            self.fields.styles.height = max(2, min(wanted, max(4, int(free * share))))
        else:
            self.fields.styles.height = max(2, min(wanted, free))
        self.hex.styles.height = "1fr" if not has_rows else max(6, free // 4)

    def on_table_view_moved(self, _message: TableView.Moved) -> None:
        """Everything else follows the selection."""
        self._selection_changed()

    def on_descendant_focus(self) -> None:
        """The info speaks of the focused pane."""
        self._selection_changed()

    def on_descendant_blur(self) -> None:
        """The info speaks of the focused pane."""
        self._selection_changed()

    def _selection_changed(self) -> None:
        self._draw_info()
        with self.prevent(TableView.Moved):
            if self._on_rows:
                self.hex.mark(*self.table.row_span())
            elif self.screen.focused is not self.hex and (value := self.fields.value) is not None:
                self.hex.mark(value.place, value.size)

    @property
    def _on_rows(self) -> bool:
        return self.table.row_count() > 0 and (self.screen.focused is self.table or not self._detail.values)

    def _draw_info(self) -> None:
        panel = self._info
        glyphs = look_of(self).glyphs
        height = panel.size.height or _INFO_HEIGHT_TALL
        if self._on_rows:
            panel.show(self.table.row_info(panel.size.width, height, glyphs))
        elif (value := self.fields.value) is not None:
            panel.show(value_info(value, self.base, panel.size.width, height, glyphs))
        else:
            panel.show([])

    @property
    def values(self) -> tuple[Value, ...]:
        """The values of the entity."""
        return self._detail.values

    @property
    def selected(self) -> Value | None:
        """What ``y`` copies: of a row its address, else the value at the cursor."""
        if self._on_rows:
            values = self.table.row_values(self.table.cursor)
            return next((value for value in values if value.unit in (Unit.PHYS, Unit.PFN)), values[0] if values else None)
        return self.fields.value

    def next_base(self) -> Base:
        """Write integers by unit, all hex, all decimal, in turn."""
        self.base = self.fields.base = self.table.base = _BASES[(_BASES.index(self.base) + 1) % len(_BASES)]
        self.fields.contents_changed()
        self.table.contents_changed()
        self._draw_info()
        return self.base
