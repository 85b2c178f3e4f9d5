"""The decoded side of a thing: its heading, its fields, and its long list."""

from __future__ import annotations

from kho_tui.layout.place import Place
from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Entity, RowSource, Value
from kho_tui.model.facts import Missing, Status
from kho_tui.text import SafeText, plural
from kho_tui.views.format import Base, format_value, plain_value
from kho_tui.views.tui.lines import STATUS_ROLE, Line, Role, fit, pad, spans, width_of, wrap
from kho_tui.views.tui.navigate import address_of
from kho_tui.views.tui.paint import look_of
from kho_tui.views.tui.reading import explain
from kho_tui.views.tui.table_view import TableView
from kho_tui.views.tui.theme import Glyphs

_NAME_WIDTH = 24
_LEFT_UNITS = frozenset({Unit.TEXT, Unit.OPAQUE})


def unit_role(unit: Unit) -> Role:
    """The role of a value of this unit."""
    if unit in (Unit.PHYS, Unit.PFN):
        return Role.ADDRESS
    return Role.STRING if unit is Unit.TEXT else Role.NUMBER


def place_text(place: Place, size: int, glyphs: Glyphs) -> SafeText:
    """File and offset, physical address, bytes."""
    parts = [place.source if place.offset is None else f"{place.source} +{place.offset:#x}"]
    if place.phys is not None:
        parts.append(f"phys {place.phys:#x}")
    if size:
        parts.append(plural(size, "byte"))
    return SafeText(f" {glyphs.dot} ".join(parts))


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
        lines += [(*spans((" ", Role.TEXT)), *line) for line in told]
    if entity.status is not Status.DECODED:
        role = STATUS_ROLE[entity.status]
        why = SafeText(f"{entity.status.value}: {entity.reason}" if entity.reason else entity.status.value)
        lines += [(*spans((" ", role)), *line) for line in wrap(why, width - 1, 2, role, glyphs.ellipsis)]
    return lines


def value_info(value: Value, base: Base, width: int, height: int, glyphs: Glyphs) -> list[Line]:
    """About the selected value, most important first: meaning, where its bytes lie, why it is doubtful, its declaration."""
    inner = width - 4
    lines = wrap(SafeText(value.meaning or value.unit.value), inner, 2, Role.TEXT, glyphs.ellipsis)
    if value.status not in (Status.DECODED, Status.DERIVED) or isinstance(value.value, Missing):
        shown = value.value if isinstance(value.value, Missing) else None
        why = format_value(shown, value.unit) if shown else SafeText(f"{value.status.value}: not to be taken as fact")
        lines += wrap(why, inner, 3, STATUS_ROLE[value.status if shown is None else shown.status], glyphs.ellipsis)
    elif isinstance(value.value, bytes):
        whole = format_value(value.value, value.unit, base)
        lines += wrap(whole, inner, 2, unit_role(value.unit), glyphs.ellipsis) if len(whole) > inner - _NAME_WIDTH else []
    if value.place is not None:
        lines += wrap(place_text(value.place, value.size, glyphs), inner, 1, Role.ADDRESS, glyphs.ellipsis)
    else:
        lines.append(spans(("derived, no bytes of its own", Role.DIM)))
    if value.source:
        lines += wrap(SafeText(value.source), inner, 1, Role.DIM, glyphs.ellipsis)
    return _indented(lines[:height])


def _indented(lines: list[Line]) -> list[Line]:
    """Lines set off from the list above them."""
    return [(*spans(("   ", Role.TEXT)), *line) for line in lines]


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
        return [_value_line(value, names, width, self.base, glyphs) for value in self.values[start : start + count]]


def _value_line(value: Value, names: int, width: int, base: Base, glyphs: Glyphs) -> Line:
    missing = isinstance(value.value, Missing)
    status = value.value.status if isinstance(value.value, Missing) else value.status
    role = STATUS_ROLE[status] if missing or status not in (Status.DECODED, Status.DERIVED) else unit_role(value.unit)
    line = spans((" " + pad(value.name, names) + "  ", Role.NAME), (format_value(value.value, value.unit, base), role))
    if address_of(value, 1) is not None:
        line += spans((f" {glyphs.follow}", Role.KEY))
    if missing or status is Status.DECODED:
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
        return tuple(Value(column.name, column.unit, cell, place=place) for column, cell in zip(columns, cells, strict=False))

    def row_target(self) -> int | None:
        """The physical address that the row at the cursor speaks of."""
        if self.source is None or not self.row_count():
            return None
        try:
            return self.source.target(self.cursor)
        except Exception:
            return None

    def row_info(self, height: int, glyphs: Glyphs) -> list[Line]:
        """About the row at the cursor: its values with their units, and where it lies."""
        values = self.row_values(self.cursor)
        line: Line = spans((f"row {self.cursor}", Role.DIM))
        for value in values:
            line += spans((f"  {value.name} ", Role.NAME), (format_value(value.value, value.unit, self.base), unit_role(value.unit)))
        place = values[0].place if values else None
        where = spans((place_text(place, 0, glyphs) if place is not None else "derived, no bytes of its own", Role.DIM))
        return _indented([line, where][:height])

    @property
    def _number_width(self) -> int:
        return len(str(max(self.row_count() - 1, 0)))

    def _width(self, column: int) -> int:
        assert self.source is not None
        one = self.source.columns[column]
        return max(one.width, len(one.name))
