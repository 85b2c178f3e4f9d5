"""Findings: what was met while reading that is worth saying."""

from __future__ import annotations

from kho_tui.layout.struct import Unit
from kho_tui.model.codes import CODES
from kho_tui.model.entities.state import SIDE_ORDER
from kho_tui.model.entity import Value
from kho_tui.model.facts import Status
from kho_tui.model.finding import Finding
from kho_tui.text import SafeText
from kho_tui.views.tui.body import Stage
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.lines import Line, Role, fit_end, pad, spans, wrap
from kho_tui.views.tui.list_body import ListBody
from kho_tui.views.tui.meaning import indented
from kho_tui.views.tui.navigate import Location, MapPlace, Spot, Where
from kho_tui.views.tui.paint import look_of

SEVERITY_ROLE = {"error": Role.BAD, "warning": Role.WARN, "info": Role.TEXT}
_NOTHING = "none while reading; the invariants are not checked here"
_SEVERITY = 8
_CODE = 7
_WHERE_FROM = 100
"""Cells of width from which a row says where."""


class FindingsBody(ListBody):
    """Severity, code, message, where; below the list the whole of the selected one. A filter may begin with a severity."""

    WHERE = Where.FINDINGS
    TITLE = "findings"
    HINTS = (("Enter", "go there"), ("]", "next"), ("f", "filter"), ("Bksp", "back"), ("m", "map"), ("y", "copy message"))
    LEAST_ABOUT = 8

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("f", "filter", "show only some: a severity, words", "findings.filter"),
    ]

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.table.nothing = spans((_NOTHING, Role.TEXT))

    @property
    def _findings(self) -> tuple[Finding, ...]:
        return self.stage.loaded.state.findings

    def row_count(self) -> int:
        """Findings in all."""
        return len(self._findings)

    def matches(self, row: int, parts: list[str]) -> bool:
        """A severity as the first word is one; every other word is looked for in all that a row says."""
        if parts[0].casefold() in SEVERITY_ROLE:
            return self._findings[row].severity == parts[0].casefold() and super().matches(row, parts[1:])
        return super().matches(row, parts)

    def text_of(self, row: int) -> str:
        """Code, message and where."""
        one = self._findings[row]
        return f"{one.code} {one.message} {one.where}"

    def heading(self, width: int) -> Line:
        """The names of the columns."""
        where = pad("where", width // 4 + 1) if width >= _WHERE_FROM else ""
        return spans((f" {pad('severity', _SEVERITY)} {pad('code', _CODE)} {where}message", Role.DIM))

    def line(self, row: int, width: int) -> Line:
        """A finding; its message is whole below the list."""
        one = self._findings[row]
        where = pad(fit_end(one.where.text, width // 4, look_of(self).glyphs.ellipsis), width // 4 + 1) if width >= _WHERE_FROM else ""
        return spans(
            (f" {pad(one.severity, _SEVERITY)} ", SEVERITY_ROLE[one.severity]),
            (pad(one.code, _CODE) + " ", Role.NAME),
            (where, Role.ADDRESS),
            (one.message, Role.TEXT),
        )

    def about_lines(self, row: int | None, width: int, height: int) -> list[Line]:
        """The whole message, what its code means, where it was met."""
        if row is None:
            return []
        one = self._findings[row]
        inner, ellipsis = width - 4, look_of(self).glyphs.ellipsis
        where = f"about {one.where}" if one.where.parts else "about the whole state"
        at = f", met at {one.address:#x}" if one.address is not None else ""
        last = wrap(SafeText(where + at), inner, 2, Role.ADDRESS, ellipsis)
        if one.code in CODES:
            last += wrap(SafeText(f"{one.code}: {CODES[one.code].meaning}"), inner, 2, Role.DIM, ellipsis)
        return indented([*wrap(one.message, inner, max(1, height - len(last)), SEVERITY_ROLE[one.severity], ellipsis), *last])

    # What the screen asks

    def follow(self, row: int) -> None:
        """To what the finding speaks of, or to what holds the address where it was met."""
        one = self._findings[row]
        if not one.where.parts and one.address is not None:
            self.stage.go_to_address(one.address)
        else:
            super().follow(row)

    def target(self, row: int) -> Spot | None:
        """The thing in the tree."""
        where = self._findings[row].where
        return Location(where) if where.parts else None

    def place_of(self, row: int) -> MapPlace | None:
        """The address where it was met, else the thing that it speaks of."""
        one = self._findings[row]
        sides = [name for name in SIDE_ORDER if name in self.stage.loaded.state.sides]
        if not sides or (one.address is None and not one.where.parts):
            return None
        own = one.where.parts[0] if one.where.parts and one.where.parts[0] in sides else sides[0]
        return MapPlace(own, one.address, subject=one.where if one.where.parts else None)

    def value_of(self, row: int) -> Value | None:
        """The message."""
        return Value("message", Unit.TEXT, self._findings[row].message.encode(), status=Status.DERIVED)

    def name_of(self, row: int) -> SafeText:
        """Its code."""
        one = self._findings[row]
        return SafeText(f"{one.code} {one.severity}")
