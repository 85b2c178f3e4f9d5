"""The decoded side of a thing: its heading, its fields, and its long list."""

from __future__ import annotations

from kho_tui.layout.place import Place
from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Entity, RowSource, Value, WireRows
from kho_tui.model.facts import Missing, Status
from kho_tui.text import SafeText
from kho_tui.views.format import Base, format_value, plain_value
from kho_tui.views.tui.explain import explain
from kho_tui.views.tui.lines import STATUS_ROLE, Line, Role, fit, indented, pad, spans, width_of, wrap
from kho_tui.views.tui.meaning import place_text, shown_value, unit_role
from kho_tui.views.tui.navigate import address_of, path_of
from kho_tui.views.tui.paint import look_of
from kho_tui.views.tui.table_view import TableView
from kho_tui.views.tui.theme import Glyphs

_NAME_WIDTH = 24
_NAMED_UNITS = frozenset({Unit.PFN, Unit.INDEX})
"""Units that the name of a column tells already."""
_LEFT_UNITS = frozenset({Unit.TEXT, Unit.OPAQUE})


def heading(entity: Entity, width: int, glyphs: Glyphs) -> list[Line]:
    """What the entity is, where it lies and why it is not plainly decoded: one to six lines."""
    kind = entity.kind if entity.kind != entity.title else ""
    first = spans((f" {entity.title}", Role.TITLE), (f"  {kind}", Role.DIM))
    facts = [entity.summary] if entity.summary else []
    if entity.address is not None:
        facts.append(SafeText(f"at {entity.address:#x}"))
    if entity.size:
        facts.append(format_value(entity.size, Unit.BYTES))
    lines = [first]
    if facts:
        told = wrap(SafeText(f" {glyphs.dot} ".join(facts)), width - 1, 3, Role.DIM, glyphs.ellipsis)
        lines += indented(told, 1)
    if entity.status is not Status.DECODED:
        role = STATUS_ROLE[entity.status]
        why = SafeText(f"{entity.status.value}: {entity.reason}" if entity.reason else entity.status.value)
        lines += [(*spans((" ", role)), *line) for line in wrap(why, width - 1, 2, role, glyphs.ellipsis)]
    return lines


class FieldsPane(TableView):
    """The values of an entity."""

    def __init__(self, *, id: str) -> None:
        super().__init__("fields", id=id)
        self.values: tuple[Value, ...] = ()
        self.base: Base = "natural"

    def show_values(self, values: tuple[Value, ...], cursor: int = 0) -> None:
        """Show other values."""
        self.values = values
        self.rows_changed(cursor)

    @property
    def value(self) -> Value | None:
        """The value at the cursor."""
        return self.values[self.cursor] if self.values else None

    def row_count(self) -> int:
        """Values of the entity."""
        return len(self.values)

    def lines(self, start: int, count: int, width: int) -> list[Line]:
        """Name, value, and a word for what is not plainly decoded."""
        names = min(max((len(value.name) for value in self.values), default=0), _NAME_WIDTH, width // 2)
        glyphs = look_of(self).glyphs
        # Words of ours are seen to be none of the state's, and where no number is decoded the word would tell nothing.
        mixed = any(value.status is Status.DECODED and isinstance(value.value, int) for value in self.values)
        return [_value_line(value, names, width, self.base, glyphs, mixed=mixed) for value in self.values[start : start + count]]


def _value_line(value: Value, names: int, width: int, base: Base, glyphs: Glyphs, *, mixed: bool) -> Line:
    missing = isinstance(value.value, Missing)
    status = value.value.status if isinstance(value.value, Missing) else value.status
    role = STATUS_ROLE[status] if missing or status not in (Status.DECODED, Status.DERIVED) else unit_role(value.unit)
    line = spans((" " + pad(value.name, names) + "  ", Role.NAME), (shown_value(value, base), role))
    if address_of(value, 1) is not None or path_of(value) is not None:
        line += spans((f" {glyphs.follow}", Role.KEY))
    plain = status is Status.DECODED or (status is Status.DERIVED and not (mixed and isinstance(value.value, int)))
    if missing or plain:
        return line
    word = f"  {status.value} "
    shown = fit(line, width - len(word), glyphs.ellipsis)
    return (*shown, *spans((" " * (width - len(word) - width_of(shown)) + word, STATUS_ROLE[status])))


class RowsPane(TableView):
    """The long list of an entity (blocks, folios)."""

    head_lines = 2

    def __init__(self, *, id: str) -> None:
        super().__init__("rows", id=id)
        self.source: RowSource | None = None
        self.base: Base = "natural"

    def show_rows(self, source: RowSource | None, cursor: int = 0) -> None:
        """Show another list."""
        self.source = source
        self.rows_changed(cursor)

    def row_count(self) -> int:
        """Rows of the list."""
        return len(self.source) if self.source is not None else 0

    def head(self, width: int) -> list[Line]:
        """The names of the columns."""
        columns = self.source.columns if self.source is not None else ()
        cells = " ".join(pad(column.name, self._width(i), right=column.unit not in _LEFT_UNITS) for i, column in enumerate(columns))
        return [spans((" " + " " * self._number_width + "  " + cells, Role.DIM))]

    def lines(self, start: int, count: int, width: int) -> list[Line]:
        """Row number and values of the rows in sight; why not, where they cannot be read."""
        assert self.source is not None
        try:
            rows = self.source.rows(start, count)
        except Exception as error:
            return [spans((f" cannot be read: {explain(error)}", Role.BAD))] * count
        columns = self.source.columns
        lines: list[Line] = []
        for number, row in enumerate(rows, start):
            line = spans((f" {number:>{self._number_width}}  ", Role.DIM))
            for i, (cell, column) in enumerate(zip(row, columns, strict=False)):
                text = pad(plain_value(cell, column.unit, self.base), self._width(i), right=column.unit not in _LEFT_UNITS)
                line += spans((text + " ", unit_role(column.unit)))
            lines.append(line)
        return lines

    def row_values(self, row: int) -> tuple[Value, ...]:
        """A row as values, for following, copying and explaining."""
        assert self.source is not None
        try:
            cells = self.source.rows(row, 1)[0]
            place = self.source.place(row)
        except Exception:
            return ()
        columns = self.source.columns
        return tuple(
            Value(name=column.name, unit=column.unit, value=cell, place=place) for column, cell in zip(columns, cells, strict=False)
        )

    def row_target(self) -> int | None:
        """The physical address that the row at the cursor speaks of."""
        if self.source is None or not self.row_count():
            return None
        try:
            return self.source.target(self.cursor)
        except Exception:
            return None

    def row_span(self) -> tuple[Place | None, int]:
        """Where the row at the cursor lies, and its bytes; (None, 0) for a row that is derived."""
        if not isinstance(self.source, WireRows):
            return None, 0
        try:
            return self.source.place(self.cursor), self.source.row_bytes()
        except Exception:
            return None, 0

    def row_holding(self, address: int | None) -> int | None:
        """The row whose own bytes hold a physical address."""
        if address is None or not isinstance(self.source, WireRows):
            return None
        try:
            return self.source.row_holding(address)
        except Exception:
            return None

    def row_info(self, width: int, height: int, glyphs: Glyphs) -> list[Line]:
        """About the row at the cursor: its values with their units, and where it lies."""
        values = self.row_values(self.cursor)
        lines: list[Line] = []
        line: Line = spans((f"row {self.cursor}", Role.DIM))
        for value in values:
            if isinstance(value.value, bytes):
                lines += wrap(plain_value(value.value, value.unit), width - 4, 3, unit_role(value.unit), glyphs.ellipsis)
                continue
            form = plain_value if value.unit in _NAMED_UNITS else format_value
            more = spans((f"  {value.name} ", Role.NAME), (form(value.value, value.unit, self.base), unit_role(value.unit)))
            if width_of(line) + width_of(more) > width - 4:
                lines.append(line)
                line = spans(("     ", Role.TEXT))
            line += more
        place, size = self.row_span()
        where = place_text(place, size, glyphs) if place is not None else SafeText("derived, no bytes of its own")
        lines = [line, *lines] if any(isinstance(value.value, bytes) for value in values) else [*lines, line]
        return indented([*lines, *wrap(where, width - 4, 1, Role.DIM, glyphs.ellipsis)][:height])

    @property
    def _number_width(self) -> int:
        return len(str(max(self.row_count() - 1, 0)))

    def _width(self, column: int) -> int:
        assert self.source is not None
        one = self.source.columns[column]
        return max(one.width, len(one.name))
