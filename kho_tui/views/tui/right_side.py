"""The right side: all that is known of the thing selected in the tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.geometry import Size
from textual.widget import Widget

from kho_tui.layout.place import Blob
from kho_tui.layout.platform import Platform
from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Detail, Entity, Value
from kho_tui.text import SafeText
from kho_tui.views.format import Base
from kho_tui.views.tui.after_layout import after_layout, foresee
from kho_tui.views.tui.detail_panes import FieldsPane, RowsPane, heading
from kho_tui.views.tui.hex_pane import HexPane, offset_in
from kho_tui.views.tui.meaning import byte_info, value_info, word_at
from kho_tui.views.tui.navigate import Location, address_of
from kho_tui.views.tui.paint import Panel, look_of
from kho_tui.views.tui.table_view import TableView

_INFO_HEIGHTS = ((22, 4), (36, 6))
_INFO_HEIGHT_TALL = 7
_INFO_HEIGHT_ALONE = 12
_INFO_HEIGHT_BESIDE_ROWS = 5
_MAY_POINT = frozenset({Unit.OPAQUE, Unit.ID})
"""Units of eight bytes that may hold an address without being declared as one."""
Subject = Literal["value", "row", "byte"]
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
        self.platform = Platform()
        """Byte order and page size of what is shown."""
        self.owner_of: Callable[[int], SafeText | None] = lambda _address: None
        """What lies at a physical address, as far as that is known already; asked at every move, so it must not compute a map."""
        self._detail = Detail()
        self._held_by: Subject = "value"
        """What holds the byte at the cursor of the dump; until that moves, what was selected before."""
        self._absent = set[Widget]()
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
        self._share_height()
        with self.prevent(TableView.Moved):
            self.fields.show_values(detail.values, (location and location.value) or 0)
            self.table.show_rows(detail.table, (location and location.row) or 0)
            self.table.set_title(SafeText(f"{entity.title}"))
            self.hex.show_blobs(detail.blobs)
        if location is not None and location.pane is not None:
            self.screen.set_focus(self.screen.query_one(f"#{location.pane}", TableView))
        if self.size:
            self._arrive()
        else:
            self.is_settled = False
            after_layout(self, self._arrive)

    def _arrive(self) -> None:
        """With the final heights: what was jumped to comes to the middle of its list."""
        self.fields.center_cursor()
        self.table.center_cursor()
        self._selection_changed()
        self.hex.center_cursor()
        self.is_settled = True

    def on_resize(self, _event: events.Resize) -> None:
        """Share the new size."""
        after_layout(self, self._resized)

    def _resized(self) -> None:
        self._share_height()
        self._draw_info()

    def _share_height(self) -> None:
        """Share the height: fields as far as they need it, the rest to rows and bytes, some to the info where there are neither."""
        if self.entity is None:
            return
        width = self.size.width
        lines = heading(self.entity, width, look_of(self).glyphs)
        self._heading.show(lines)
        height = next((least for below, least in _INFO_HEIGHTS if self.screen.size.height < below), _INFO_HEIGHT_TALL)
        has_rows, has_bytes = self._detail.table is not None, any(blob.data for blob in self._detail.blobs)
        height = min(height, _INFO_HEIGHT_BESIDE_ROWS) if has_rows else height
        free = self.size.height - len(lines) - height
        show_bytes = has_bytes and (not has_rows or free >= _BYTES_BESIDE_ROWS)
        wanted = len(self._detail.values) + self.fields.head_lines
        if has_rows or show_bytes:
            fields = max(2, min(wanted, max(4, int(free * (0.35 if has_rows else 0.55)))))
        else:
            fields = max(2, min(wanted, free))
            height = max(height, min(_INFO_HEIGHT_ALONE, free + height - wanted))
        fields = fields if self._detail.values else 0
        beside_rows = max(6, free // 4) if has_rows and show_bytes else 0
        rest = self.size.height - len(lines) - fields - height - beside_rows
        self._heading.styles.height = len(lines)
        self.fields.styles.height = fields
        self._info.styles.height = height
        self.hex.styles.height = beside_rows or "1fr"
        for pane, lines_of_pane in (
            (self._heading, len(lines)),
            (self.fields, fields),
            (self._info, height),
            (self.table, rest if has_rows else 0),
            (self.hex, beside_rows or (rest if show_bytes else 0)),
        ):
            self._show_pane(pane, lines_of_pane)

    def _show_pane(self, pane: Widget, height: int) -> None:
        """Show a pane, which is going to have that height; none: it is absent."""
        if not height:
            # By a rule of its own and not by a class, for which Textual would match all rules anew.
            pane.styles.display = "none"
            self._absent.add(pane)
            return
        if pane in self._absent:
            self._absent.remove(pane)
            pane.styles.clear_rule("display")
            self.refresh(layout=True)
        if self.size and height > 0:
            foresee(pane, Size(self.size.width, height))

    def on_table_view_moved(self, message: TableView.Moved) -> None:
        """Everything else follows the selection."""
        if message.view is self.hex and self.screen.focused is self.hex:
            with self.prevent(TableView.Moved):
                self._select_what_holds_byte()
        self._selection_changed()

    def on_descendant_focus(self) -> None:
        """The info speaks of the focused pane."""
        self._selection_changed()

    def on_descendant_blur(self) -> None:
        """The info speaks of the focused pane."""
        self._selection_changed()

    def _selection_changed(self) -> None:
        # In the dump itself the bytes were marked before the focus came, or by the move.
        if self.screen.focused is not self.hex:
            self._held_by = self._subject
            with self.prevent(TableView.Moved):
                if self._held_by == "row":
                    self.hex.mark(*self.table.row_span())
                elif (value := self.fields.value) is not None:
                    self.hex.mark(value.place, value.size)
        self._draw_info()

    @property
    def _subject(self) -> Subject:
        """What the info speaks of, and what is copied."""
        focused = self.screen.focused
        if focused is self.hex and self.hex.byte is not None:
            return self._held_by
        is_row = self.table.row_count() > 0 and (focused is self.table or not self._detail.values)
        return "row" if is_row else "value"

    def _select_what_holds_byte(self) -> None:
        """Select the field, else the row, that holds the byte at the cursor of the dump. The cursor stays where it is."""
        here = self.hex.byte
        if here is None:
            return
        blob, offset = here
        phys = None if blob.place.phys is None else blob.place.phys + offset
        if (index := self._value_holding(blob, offset)) is not None:
            self._held_by = "value"
            self.fields.set_cursor(index)
            self.hex.mark_around(self._detail.values[index].place, self._detail.values[index].size)
        elif (row := self.table.row_holding(phys)) is not None:
            self._held_by = "row"
            self.table.set_cursor(row)
            self.hex.mark_around(*self.table.row_span())
        else:
            self._held_by = "byte"
            self.hex.mark_around(None, 0)

    def _value_holding(self, blob: Blob, offset: int) -> int | None:
        """The value of fewest bytes around a byte; of several the selected one (parts of a packed field), else the first."""
        held = []
        for index, value in enumerate(self._detail.values):
            first = offset_in(blob, value.place)
            if first is not None and first <= offset < first + value.size:
                held.append((value.size, index != self.fields.cursor, index))
        return min(held)[2] if held else None

    def _draw_info(self) -> None:
        panel = self._info
        glyphs = look_of(self).glyphs
        width, height = panel.size.width, panel.size.height or _INFO_HEIGHT_TALL
        here = self.hex.byte
        if self._subject == "row":
            panel.show(self.table.row_info(width, height, glyphs))
        elif self._subject == "byte" and here is not None:
            panel.show(byte_info(*here, self.platform.byte_order, self._owner_of_word(*here), width, height, glyphs))
        elif (value := self.fields.value) is not None:
            raw = self.hex.raw(value.place, value.size)
            panel.show(value_info(value, self.base, width, height, glyphs, raw, self._owner_of_value(value, raw)))
        else:
            panel.show([])

    def _owner_of_value(self, value: Value, raw: bytes | None) -> SafeText | None:
        """Of what a pointer points at; of a number of eight bytes only where it happens to be an address."""
        address = address_of(value, self.platform.page_size)
        if address is None and raw is not None and len(raw) == 8 and isinstance(value.value, int) and value.unit in _MAY_POINT:
            address = value.value or None
        return None if address is None else self.owner_of(address)

    def _owner_of_word(self, blob: Blob, offset: int) -> SafeText | None:
        _, raw = word_at(blob, offset)
        address = int.from_bytes(raw, self.platform.byte_order)
        return self.owner_of(address) if len(raw) == 8 and address else None

    @property
    def values(self) -> tuple[Value, ...]:
        """The values of the entity."""
        return self._detail.values

    @property
    def selected(self) -> Value | None:
        """What ``y`` copies and Enter follows: of a row its address, of a byte without a field its own, else the selected value."""
        here = self.hex.byte
        if self._subject == "byte" and here is not None:
            place = here[0].place.at(here[1])
            return None if place.phys is None else Value(name="address", unit=Unit.PHYS, value=place.phys)
        if self._subject == "row":
            values = self.table.row_values(self.table.cursor)
            return next((value for unit in (Unit.PHYS, Unit.PFN) for value in values if value.unit is unit), values[0] if values else None)
        return self.fields.value

    def set_base(self, base: Base) -> None:
        """Write integers in this base."""
        self.base = self.fields.base = self.table.base = base
        self.fields.contents_changed()
        self.table.contents_changed()
        if self.entity is not None:
            self._draw_info()
