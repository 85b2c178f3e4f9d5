"""The bytes of a thing: the selected value's marked by brackets and by style, with a cursor that goes from byte to byte."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from rich.style import Style
from textual import events

from kho_tui.layout.place import Blob, Place
from kho_tui.text import SafeText
from kho_tui.views.format import HexRow, hex_rows
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.lines import Line, Role, Span, pad, spans
from kho_tui.views.tui.table_view import TableView


@dataclass(frozen=True, slots=True)
class HexShape:
    """Columns of a dump. Digits of 0: the column is left out."""

    per_row: int
    offset_digits: int
    phys_digits: int
    with_text: bool

    @property
    def width(self) -> int:
        """Cells of a full row."""
        return self._text + (self.per_row if self.with_text else -1)

    def column_at(self, x: int) -> int | None:
        """The byte of a row whose digits or text stand at a cell; None where neither does."""
        digits = x - self._addresses
        if self.with_text and 0 <= x - self._text < self.per_row:
            return x - self._text
        in_row = 0 <= digits < self.per_row * 3 + (self.per_row > 8)
        return min((digits - (self.per_row > 8 and digits > 8 * 3)) // 3, self.per_row - 1) if in_row else None

    @property
    def _addresses(self) -> int:
        return sum(digits + 2 for digits in (self.offset_digits, self.phys_digits) if digits)

    @property
    def _text(self) -> int:
        """The first cell of the text."""
        return self._addresses + self.per_row * 3 + 2 + (self.per_row > 8)


def choose_shape(width: int, offset_digits: int, phys_digits: int) -> HexShape:
    """The richest shape that fits: text before a second address, 16 a row before both addresses where only that differs."""
    one = (0, phys_digits) if phys_digits else (offset_digits, 0)
    both = (offset_digits, phys_digits)
    shapes = [HexShape(n, *addresses, text) for n, addresses, text in _shapes(one, both)]
    return next((shape for shape in shapes if shape.width <= width), shapes[-1])


def _shapes(one: tuple[int, int], both: tuple[int, int]) -> list[tuple[int, tuple[int, int], bool]]:
    return [(16, both, True), (16, one, True), (8, both, True), (8, one, True), (8, one, False), (4, one, True), (4, one, False)]


def offset_in(blob: Blob, place: Place | None) -> int | None:
    """How far behind the blob's first byte a place lies (bytes, may be negative); None where the two cannot be compared."""
    if place is None:
        return None
    if place.phys is not None and blob.place.phys is not None:
        return place.phys - blob.place.phys
    if place.source == blob.place.source and place.offset is not None and blob.place.offset is not None:
        return place.offset - blob.place.offset
    return None


@dataclass(frozen=True, slots=True)
class Marked:
    """Bytes ``first`` to before ``end`` of a blob (its index)."""

    blob: int
    first: int
    end: int


class HexPane(TableView):
    """A dump of the blobs of an entity, one after the other. The row at the cursor has a byte at the cursor."""

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("left,h", "byte(-1)", "a byte to the left, right", "hex.left"),
        key("right,l", "byte(1)", "a byte to the left, right", "hex.right"),
    ]

    def __init__(self, *, id: str) -> None:
        super().__init__("bytes", id=id)
        self.blobs: tuple[Blob, ...] = ()
        self._mark: Marked | None = None
        self._shape = HexShape(16, 4, 0, True)
        self._starts: list[int] = []
        self._column = 0

    def show_blobs(self, blobs: tuple[Blob, ...]) -> None:
        """Show other bytes."""
        self.blobs = tuple(blob for blob in blobs if blob.data)
        self._mark = None
        self._column = 0
        self._lay_out()
        self.rows_changed()
        self._entitle()

    def mark(self, place: Place | None, size: int) -> None:
        """Mark the bytes of a value and go to them; nothing where they are not among the blobs."""
        before, self._mark = self._mark, self._find(place, size)
        if self._mark is not None:
            self._go(self._mark.blob, self._mark.first)
        self._entitle()
        if self._mark != before:
            self.contents_changed()

    def mark_around(self, place: Place | None, size: int) -> None:
        """Mark the bytes of a value around the cursor, which stays; ``place`` None: nothing is marked any more."""
        here = self._at_cursor()
        self._mark = None if here is None else self._within(here[0], place, size)
        self._entitle()
        self.contents_changed()

    @property
    def byte(self) -> tuple[Blob, int] | None:
        """The blob and the offset in it of the byte at the cursor; None where there is none (a heading)."""
        here = self._at_cursor()
        return None if here is None else (self.blobs[here[0]], here[1])

    def raw(self, place: Place | None, size: int) -> bytes | None:
        """The bytes of a value, None where they are not all among the blobs."""
        found = self._find(place, size) if size else None
        if found is None or found.end - found.first < size:
            return None
        return self.blobs[found.blob].data[found.first : found.end]

    def action_byte(self, step: int) -> None:
        """Move the cursor by a byte, over the ends of rows and blobs."""
        here = self._at_cursor()
        if here is None:
            self.action_move(step)
            return
        index, offset = here[0], here[1] + step
        if offset < 0 or offset >= len(self.blobs[index].data):
            index += step
            if not 0 <= index < len(self.blobs):
                return
            offset = 0 if step > 0 else len(self.blobs[index].data) - 1
        before = self.cursor
        self._go(index, offset)
        self.contents_changed()
        if self.cursor == before:
            self.post_message(self.Moved(self))

    def on_click(self, event: events.Click) -> None:
        """A click on digits or on their text puts the cursor there."""
        column = self._shape.column_at(event.x)
        if column is not None:
            self._column = column
        before = self.cursor
        super().on_click(event)
        self.contents_changed()
        if self.cursor == before:
            self.post_message(self.Moved(self))

    def on_focus(self) -> None:
        """The cursor is drawn in the focused pane only."""
        self.contents_changed()

    def on_blur(self) -> None:
        """The cursor is drawn in the focused pane only."""
        super().on_blur()
        self.contents_changed()

    def watch_cursor(self, old: int, new: int) -> None:
        """The byte at the cursor is drawn in another row."""
        self.contents_changed()
        super().watch_cursor(old, new)

    def on_resize(self, _event: events.Resize) -> None:
        """Another width takes another shape."""
        here, centered = self._at_cursor(), self._centered
        old = self._shape.per_row
        self._lay_out()
        if self._shape.per_row != old:
            self.rows_changed(self.cursor)
            if here is not None:
                self._go(*here)
        self._centered = centered

    def _go(self, blob: int, offset: int) -> None:
        row, self._column = divmod(offset, self._shape.per_row)
        self.set_cursor(self._first_row(blob) + row)

    def _at_cursor(self) -> tuple[int, int] | None:
        """Index of the blob and offset of the byte at the cursor."""
        if not self.blobs or self.cursor >= self.row_count():
            return None
        index = bisect_right(self._starts, self.cursor) - 1
        row = self.cursor - self._first_row(index)
        return None if row < 0 else (index, min(row * self._shape.per_row + self._column, len(self.blobs[index].data) - 1))

    def row_count(self) -> int:
        """Rows of all blobs, with a heading each where there are several."""
        return self._starts[-1] if self._starts else 0

    def title_note(self) -> str:
        """How many bytes there are."""
        return f"{sum(len(blob.data) for blob in self.blobs)} bytes" if self.blobs else ""

    def _row_style(self, row: int) -> Style | None:
        """No bar over the row: the byte at the cursor and the marked ones have to stand out."""
        return None

    def lines(self, start: int, count: int, width: int) -> list[Line]:
        """Rows of bytes."""
        return [self._row(row) for row in range(start, start + count)]

    def _find(self, place: Place | None, size: int) -> Marked | None:
        if place is None:
            return None
        # The very source first: a copy of the same memory may stand beside it.
        order = sorted(range(len(self.blobs)), key=lambda index: self.blobs[index].place.source != place.source)
        return next((found for index in order if (found := self._within(index, place, size)) is not None), None)

    def _within(self, index: int, place: Place | None, size: int) -> Marked | None:
        blob = self.blobs[index]
        first = offset_in(blob, place)
        if first is None or not 0 <= first < len(blob.data):
            return None
        return Marked(index, first, min(first + max(size, 1), len(blob.data)))

    def _lay_out(self) -> None:
        longest = max((len(blob.data) for blob in self.blobs), default=0)
        highest = max((blob.place.phys + len(blob.data) for blob in self.blobs if blob.place.phys is not None), default=0)
        self._shape = choose_shape(self.inner_width, max(4, len(f"{longest:x}")), max(8, len(f"{highest:x}")) if highest else 0)
        total = 0
        self._starts = [0]
        for blob in self.blobs:
            total += -(-len(blob.data) // self._shape.per_row) + self._headings
            self._starts.append(total)

    @property
    def _headings(self) -> int:
        return 1 if len(self.blobs) > 1 else 0

    def _first_row(self, blob: int) -> int:
        return self._starts[blob] + self._headings

    def _entitle(self) -> None:
        index = self._mark.blob if self._mark is not None else 0
        if index < len(self.blobs):
            place = self.blobs[index].place
            offset = f" +{place.offset:#x}" if place.offset else ""
            self.set_title(SafeText(f"bytes  {place.source}{offset}"))
        else:
            self.set_title(SafeText("bytes"))

    def _row(self, row: int) -> Line:
        index = bisect_right(self._starts, row) - 1
        blob = self.blobs[index]
        first = row - self._first_row(index)
        if first < 0:
            where = f" at {blob.place.phys:#x}" if blob.place.phys is not None else ""
            return spans((f" {blob.place.source}{where}, {len(blob.data)} bytes", Role.NAME))
        at = first * self._shape.per_row
        dumped = next(hex_rows(blob.data, self._shape.per_row, at))
        mark = self._mark if self._mark is not None and self._mark.blob == index else Marked(index, 0, 0)
        here = self._at_cursor() if row == self.cursor and self.has_focus else None
        marks = _Marks(mark.first, mark.end, Role.MARK_SOFT if self.has_focus else Role.MARK, -1 if here is None else here[1])
        return self._address(blob, at) + _bytes(dumped, self._shape.per_row, marks) + _text(dumped, self._shape, marks)

    def _address(self, blob: Blob, at: int) -> Line:
        shape = self._shape
        line: Line = ()
        if shape.offset_digits:
            line += spans((f" {at:0{shape.offset_digits}x} ", Role.DIM))
        if shape.phys_digits:
            phys = blob.place.phys
            text = "" if phys is None else f"{phys + at:0{shape.phys_digits}x}"
            line += spans((" " + pad(text, shape.phys_digits) + " ", Role.ADDRESS))
        return line


@dataclass(frozen=True, slots=True)
class _Marks:
    """The marked bytes, first to before end, in which style; the byte at the cursor (-1: none)."""

    first: int
    end: int
    role: Role
    cursor: int

    def of(self, offset: int, otherwise: Role) -> Role:
        """The role of a byte."""
        if offset == self.cursor:
            return Role.MARK
        return self.role if self.first <= offset < self.end else otherwise


def _bytes(row: HexRow, per_row: int, marks: _Marks) -> Line:
    """Digits with brackets around the marked bytes, which need no room of their own."""
    line: Line = ()
    for i in range(per_row + 1):
        offset = row.offset + i
        here = marks.first <= offset < marks.end and i < len(row.data)
        before = marks.first <= offset - 1 < marks.end and 0 < i <= len(row.data)
        separator = "[" if here and offset == marks.first else "]" if before and offset == marks.end else " "
        role = marks.role if separator.strip() or (here and before) else Role.TEXT
        gap = " " if i == 8 and per_row > 8 else ""
        gap_role = role if here and before else Role.TEXT
        line += spans((separator, role), (gap, gap_role)) if separator == "]" else spans((gap, gap_role), (separator, role))
        if i < per_row:
            digits = f"{row.data[i]:02x}" if i < len(row.data) else "  "
            quiet = i < len(row.data) and row.data[i] == 0
            line += spans((digits, marks.of(offset, Role.DIM if quiet else Role.TEXT) if i < len(row.data) else Role.TEXT))
    return line


def _text(row: HexRow, shape: HexShape, marks: _Marks) -> Line:
    if not shape.with_text:
        return ()
    line: Line = (Span(SafeText(" ")),)
    for i, char in enumerate(row.text):
        line += spans((char, marks.of(row.offset + i, Role.STRING if char != "." else Role.DIM)))
    return line
