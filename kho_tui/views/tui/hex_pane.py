"""The bytes of a thing, the selected value's marked by brackets and by style."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from textual import events

from kho_tui.layout.place import Blob, Place
from kho_tui.text import SafeText
from kho_tui.views.format import HexRow, hex_rows
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
        addresses = sum(digits + 2 for digits in (self.offset_digits, self.phys_digits) if digits)
        return addresses + self.per_row * 3 + 1 + (self.per_row > 8) + (self.per_row + 1 if self.with_text else 0)


def choose_shape(width: int, offset_digits: int, phys_digits: int) -> HexShape:
    """The richest shape that fits: text before a second address, 16 a row before both addresses where only that differs."""
    one = (0, phys_digits) if phys_digits else (offset_digits, 0)
    both = (offset_digits, phys_digits)
    shapes = [HexShape(n, *addresses, text) for n, addresses, text in _shapes(one, both)]
    return next((shape for shape in shapes if shape.width <= width), shapes[-1])


def _shapes(one: tuple[int, int], both: tuple[int, int]) -> list[tuple[int, tuple[int, int], bool]]:
    return [(16, both, True), (16, one, True), (8, both, True), (8, one, True), (8, one, False), (4, one, True), (4, one, False)]


class HexPane(TableView):
    """A dump of the blobs of an entity, one after the other."""

    def __init__(self, *, id: str) -> None:
        super().__init__("bytes", id=id)
        self.blobs: tuple[Blob, ...] = ()
        self._mark: tuple[int, int, int] | None = None  # blob, first byte, end
        self._shape = HexShape(16, 4, 0, True)
        self._starts: list[int] = []

    def show_blobs(self, blobs: tuple[Blob, ...]) -> None:
        """Show other bytes."""
        self.blobs = tuple(blob for blob in blobs if blob.data)
        self._mark = None
        self._lay_out()
        self.rows_changed()
        self._entitle()

    def mark(self, place: Place | None, size: int) -> None:
        """Mark the bytes of a value and show them; nothing where they are not among the blobs."""
        self._mark = self._find(place, size)
        if self._mark is not None:
            blob, first, _ = self._mark
            self.set_cursor(self._first_row(blob) + first // self._shape.per_row)
        self._entitle()
        self.contents_changed()

    def on_resize(self, _event: events.Resize) -> None:
        """Another width takes another shape."""
        old, centered = self._shape.per_row, self._centered
        self._lay_out()
        if self._shape.per_row != old:
            self.rows_changed(self.cursor * old // self._shape.per_row)
            if self._mark is not None:
                self.set_cursor(self._first_row(self._mark[0]) + self._mark[1] // self._shape.per_row)
        self._centered = centered

    def row_count(self) -> int:
        """Rows of all blobs, with a heading each where there are several."""
        return self._starts[-1] if self._starts else 0

    def title_note(self) -> str:
        """How many bytes there are."""
        return f"{sum(len(blob.data) for blob in self.blobs)} bytes" if self.blobs else ""

    def lines(self, start: int, count: int, width: int) -> list[Line]:
        """Rows of bytes."""
        return [self._row(row) for row in range(start, start + count)]

    def _find(self, place: Place | None, size: int) -> tuple[int, int, int] | None:
        if place is None:
            return None
        # The very source first: a copy of the same memory may stand beside it.
        for index, blob in sorted(enumerate(self.blobs), key=lambda one: one[1].place.source != place.source):
            if place.phys is not None and blob.place.phys is not None:
                first = place.phys - blob.place.phys
            elif place.source == blob.place.source and place.offset is not None and blob.place.offset is not None:
                first = place.offset - blob.place.offset
            else:
                continue
            if 0 <= first < len(blob.data):
                return index, first, min(first + max(size, 1), len(blob.data))
        return None

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
        index = self._mark[0] if self._mark is not None else 0
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
        marked = self._mark[1:] if self._mark is not None and self._mark[0] == index else (0, 0)
        return self._address(blob, at) + _bytes(dumped, self._shape.per_row, marked) + _text(dumped, self._shape, marked)

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


def _bytes(row: HexRow, per_row: int, marked: tuple[int, int]) -> Line:
    """Digits with brackets around the marked bytes, which need no room of their own."""
    first, end = marked
    line: Line = ()
    for i in range(per_row + 1):
        offset = row.offset + i
        here = first <= offset < end and i < len(row.data)
        before = first <= offset - 1 < end and 0 < i <= len(row.data)
        separator = "[" if here and offset == first else "]" if before and offset == end else " "
        role = Role.MARK if separator.strip() or (here and before) else Role.TEXT
        gap = " " if i == 8 and per_row > 8 else ""
        gap_role = role if here and before else Role.TEXT
        line += spans((separator, role), (gap, gap_role)) if separator == "]" else spans((gap, gap_role), (separator, role))
        if i < per_row:
            digits = f"{row.data[i]:02x}" if i < len(row.data) else "  "
            quiet = i < len(row.data) and row.data[i] == 0
            line += spans((digits, Role.MARK if here else Role.DIM if quiet else Role.TEXT))
    return line


def _text(row: HexRow, shape: HexShape, marked: tuple[int, int]) -> Line:
    if not shape.with_text:
        return ()
    line: Line = (Span(SafeText(" ")),)
    for i, char in enumerate(row.text):
        here = marked[0] <= row.offset + i < marked[1]
        line += spans((char, Role.MARK if here else Role.STRING if char != "." else Role.DIM))
    return line
