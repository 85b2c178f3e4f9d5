"""ListPane: a long list in columns, of which only the window in sight is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from textual.strip import Strip

from kho_tui.layout.struct import Unit
from kho_tui.model.facts import Missing
from kho_tui.text import NO_TEXT, SafeText, human_size
from kho_tui.views.format import Base, plain_value
from kho_tui.views.tui.explain import explain
from kho_tui.views.tui.lines import STATUS_ROLE, Line, Role, Span, fit, fit_end, pad, spans, wrap
from kho_tui.views.tui.meaning import unit_role
from kho_tui.views.tui.paint import look_of, paint
from kho_tui.views.tui.table_view import TableView

_ADDRESS_WIDTH = 12
_NARROWEST, _WIDEST = 4, 64
"""Cells of a column that takes what the others leave: further apart the rest of a row cannot be read together with it."""
_LEAST_HEIGHT = 3
_MOST_WORDS = 8
"""Lines of the reason why there are no rows."""


@dataclass(frozen=True, slots=True)
class ListColumn:
    """A column. ``name`` is what a filter calls it; ``width`` in cells, 0: what the others leave.

    ``least``: width of the pane from which on there is room for it. ``is_path``: of what is too long the end is shown.
    """

    name: str
    unit: Unit
    width: int
    least: int = 0
    is_path: bool = False


Cell = int | Missing | Span
"""A number by the unit of its column, why there is none, or words of ours."""


class Rows(Protocol):
    """What a ListPane shows."""

    @property
    def columns(self) -> tuple[ListColumn, ...]:
        """Left to right."""

    def __len__(self) -> int: ...

    def cells(self, start: int, count: int) -> list[tuple[Cell, ...]]:
        """The cells of rows start..start+count-1, all of which exist."""


def number_width(largest: int, unit: Unit) -> int:
    """Cells for numbers of a unit up to the largest, in any base."""
    wide = max(len(f"{largest:#x}"), len(str(largest)))
    return max(wide, _ADDRESS_WIDTH) if unit is Unit.PHYS else wide


class ListPane(TableView):
    """Title, names of the columns with a mark at the one it is sorted by, rows; where there are none, why."""

    head_lines = 2

    def __init__(self, title: str, *, id: str) -> None:
        super().__init__(title, id=id)
        self.rows: Rows | None = None
        self.base: Base = "natural"
        self.sort = ""
        self._nothing = NO_TEXT
        self._nothing_role = Role.DIM

    def show(self, rows: Rows, cursor: int = 0, sort: str = "", *, is_part: bool = False) -> None:
        """Show other rows. ``is_part``: there may be more than could be read."""
        self.rows, self.sort = rows, sort
        none = "nothing fits in what could be read (Esc drops the filter)" if is_part else "nothing fits the filter (Esc drops it)"
        self._nothing = SafeText(none) if not len(rows) else NO_TEXT
        self._nothing_role = Role.DIM
        self.rows_changed(cursor)

    def show_nothing(self, why: SafeText, role: Role = Role.DIM) -> None:
        """Say why there are no rows."""
        self.rows, self.sort = None, ""
        self._nothing, self._nothing_role = why, role
        self.rows_changed(0)

    def show_missing(self, why: Missing) -> None:
        """Say why there are no rows to be had."""
        self.show_nothing(SafeText(f"{why.status.value}: {why.reason}"), STATUS_ROLE[why.status])

    def write_in(self, base: Base) -> None:
        """Write integers in another base."""
        self.base = base
        self.contents_changed()

    @property
    def nothing(self) -> SafeText:
        """Why there are no rows, empty where there are."""
        return self._nothing

    @property
    def needed_height(self) -> int:
        """Lines to show all of it."""
        return max(self.head_lines + self.row_count(), _LEAST_HEIGHT)

    def row_count(self) -> int:
        """Rows in all."""
        return len(self.rows) if self.rows is not None else 0

    def head(self, width: int) -> list[Line]:
        """The names of the columns; the one that the list is sorted by has a mark of its own."""
        if self.rows is None:
            return [()]
        line: Line = spans((" ", Role.DIM))
        mark = look_of(self).glyphs.expanded
        for column, cells in self._laid_out(width):
            sorted_by = column.name == self.sort
            name = f"{mark}{column.name}" if sorted_by else column.name
            line += spans((pad(name, cells, right=column.unit is not Unit.TEXT) + " ", Role.NAME if sorted_by else Role.DIM))
        return [line]

    def lines(self, start: int, count: int, width: int) -> list[Line]:
        """The rows in sight; why not, where they cannot be read."""
        assert self.rows is not None
        try:
            rows = self.rows.cells(start, count)
        except Exception as error:  # an untrusted state must never take the app down
            return [spans((f" cannot be read: {explain(error)}", Role.BAD))] * count
        laid_out = self._laid_out(width)
        numbers = {column.name: index for index, column in enumerate(self.rows.columns)}
        return [
            (
                *spans((" ", Role.TEXT)),
                *(span for column, cells in laid_out for span in self._cell(row[numbers[column.name]], column, cells)),
            )
            for row in rows
        ]

    def draw_line(self, y: int, width: int) -> Strip:
        """A row; where there are none, why."""
        first = self.head_lines if self.rows is not None else 1
        if self.row_count() or y < first:
            return super().draw_line(y, width)
        look = look_of(self)
        lines = wrap(self._nothing, width - 2, _MOST_WORDS, self._nothing_role, look.glyphs.ellipsis)
        line = lines[y - first] if y - first < len(lines) else ()
        return paint((*spans((" ", Role.TEXT)), *line), width, look)

    def _cell(self, cell: Cell, column: ListColumn, width: int) -> Line:
        ellipsis = look_of(self).glyphs.ellipsis
        if isinstance(cell, Span):
            text, role = (fit_end(cell.text, width, ellipsis) if column.is_path else cell.text), cell.role
        elif isinstance(cell, Missing):
            text, role = SafeText(cell.status.value), STATUS_ROLE[cell.status]
        elif column.unit is Unit.BYTES and self.base == "natural":
            text, role = SafeText(human_size(cell)), Role.NUMBER
        else:
            text, role = plain_value(cell, column.unit, self.base), unit_role(column.unit)
        cut = "".join(span.text for span in fit((Span(text, role),), width, ellipsis))
        return spans((pad(cut, width, right=column.unit is not Unit.TEXT) + " ", role))

    def _laid_out(self, width: int) -> list[tuple[ListColumn, int]]:
        """The columns there is room for, each with its cells."""
        assert self.rows is not None
        shown = [column for column in self.rows.columns if column.least <= width]
        # The name of each has room for the mark of the sort.
        cells = [max(column.width, len(column.name) + 1) if column.width else 0 for column in shown]
        elastic = cells.count(0)
        rest = min(max((width - 1 - len(shown) - sum(cells)) // elastic, _NARROWEST), _WIDEST) if elastic else 0
        return [(column, own or rest) for column, own in zip(shown, cells, strict=True)]
