"""Findings: what was met while reading, which rules are broken, what each release would do, and what cannot be told."""

from __future__ import annotations

from textual import on

from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Value
from kho_tui.model.facts import Status
from kho_tui.model.sides import sides_meant
from kho_tui.text import SafeText
from kho_tui.views.tui.background import Finished, Newest
from kho_tui.views.tui.body import Stage
from kho_tui.views.tui.check_rows import KINDS, CheckRow, check_rows
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.lines import Line, Role, fit_end, indented, pad, spans, wrap
from kho_tui.views.tui.list_body import ListBody
from kho_tui.views.tui.navigate import MapPlace, Spot, Where, location_of
from kho_tui.views.tui.paint import look_of

_KIND = 8
_CODE = 7
_WHERE_FROM = 100
"""Cells of width from which a row says where."""
_AGAIN = 0.3
"""Seconds after which the progress of the check is told anew."""


class FindingsBody(ListBody):
    """Kind, code, message, where; below the list the whole of the selected one. A filter may begin with a kind."""

    WHERE = Where.FINDINGS
    TITLE = "findings"
    HINTS = (("Enter", "go there"), ("]", "next"), ("f", "filter"), ("Bksp", "back"), ("m", "map"), ("y", "copy message"))
    LEAST_ABOUT = 8

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("f", "filter", "show only some: error, warning, info, target, untold; words", "findings.filter"),
    ]

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._rows: list[CheckRow] = []
        self._unfolded = False
        self._finding = Newest(self)

    def on_mount(self) -> None:
        """Show what reading met; the rest comes when it is known."""
        super().on_mount()
        checking = self.stage.loaded.checking
        checking.ask(self, self._checked)
        if checking.is_running:
            self._clock = self.set_interval(_AGAIN, self._progress)

    def _progress(self) -> None:
        if self.stage.loaded.checking.is_running:
            self.rows_changed(self.row)
        else:
            self._clock.stop()

    def _checked(self) -> None:
        """The rest is known; what was selected stays selected, but who is at the top sees what is worst."""
        before = self._rows[self.row] if self.row else None
        self.rows_changed(self.row)
        if before in self._rows:
            self.rows_changed(self._rows.index(before))
        self.stage.moved()

    @on(Finished)
    def _finished(self, message: Finished) -> None:
        message.stop()
        message.deliver()

    @property
    def busy(self) -> bool:
        """True while the state is checked, or the way to something is looked for."""
        return self.stage.loaded.checking.is_running or self._finding.is_running

    def rows_changed(self, row: int | None = None) -> None:
        """A filter looks through what is folded, too."""
        self._rows = check_rows(self.stage.loaded, unfolded=self._unfolded or bool(self.words))
        super().rows_changed(row)

    def row_count(self) -> int:
        """Findings, broken rules, and what else is said."""
        return len(self._rows)

    def matches(self, row: int, parts: list[str]) -> bool:
        """A kind as the first word is one; every other word is looked for in all that a row says."""
        kind = parts[0].casefold()
        if kind in KINDS:
            return self._rows[row].kind == kind and super().matches(row, parts[1:])
        return super().matches(row, parts)

    def text_of(self, row: int) -> str:
        """Code, message and where."""
        one = self._rows[row]
        return f"{one.code} {one.message} {one.where}"

    def is_stop(self, row: int) -> bool:
        """Findings and broken rules."""
        return self._rows[row].is_fault

    def heading(self, width: int) -> Line:
        """The names of the columns."""
        where = pad("where", width // 4 + 1) if width >= _WHERE_FROM else ""
        return spans((f" {pad('kind', _KIND)} {pad('code', _CODE)} {where}message", Role.DIM))

    def line(self, row: int, width: int) -> Line:
        """A row; its message is whole below the list."""
        one = self._rows[row]
        where = pad(fit_end(one.where.text, width // 4, look_of(self).glyphs.ellipsis), width // 4 + 1) if width >= _WHERE_FROM else ""
        if not one.is_fault and not one.code:
            # The verdict and the like have nothing to stand in the columns.
            return spans((f" {pad(one.kind, _KIND)} ", one.role), (one.message, Role.TEXT))
        return spans(
            (f" {pad(one.kind, _KIND)} ", one.role),
            (pad(one.code, _CODE) + " ", Role.NAME),
            (where, Role.ADDRESS),
            (one.message, Role.TEXT),
        )

    def about_lines(self, row: int | None, width: int, height: int) -> list[Line]:
        """The whole message, where it was met, what follows from it and where that is written down; what matters least is cut."""
        if row is None:
            return []
        one = self._rows[row]
        inner, ellipsis = width - 4, look_of(self).glyphs.ellipsis
        last: list[Line] = []
        if one.is_fault:
            where = f"about {one.where}" if one.where.parts else "about the whole state"
            at = f", met at {one.address:#x}" if one.address is not None else ""
            last = wrap(SafeText(where + at), inner, 2, Role.ADDRESS, ellipsis)
        # Each has one line before any has two.
        each = 2 if height >= 2 * len(one.more) + 3 else 1
        for text in one.more:
            last += wrap(text, inner, max(each, height - len(last) - 1 if len(one.more) == 1 else each), Role.DIM, ellipsis)
        said = wrap(one.message, inner, max(1, height - len(last), 2 if one.is_fault else 1), one.role, ellipsis)
        return indented([*said, *last][:height])

    # What the screen asks

    def follow(self, row: int) -> None:
        """To what it speaks of in the tree, to its address in the map, or to what is folded here."""
        one = self._rows[row]
        if one.folds:
            self._unfolded = not self._unfolded
            self.rows_changed(row)
            self.stage.moved()
        elif one.where.parts:
            root = self.stage.loaded.root
            say = self.stage.bottom.say
            self._finding.run(lambda: location_of(root, one.where), self.stage.travel, lambda text: say(text, Role.BAD))
        else:
            super().follow(row)

    def target(self, row: int) -> Spot | None:
        """Where only the address is known, the map."""
        return self.place_of(row)

    def place_of(self, row: int) -> MapPlace | None:
        """The address where it was met, else the thing that it speaks of."""
        one = self._rows[row]
        sides = sides_meant(self.stage.loaded.state)
        if not sides or (one.address is None and not one.where.parts):
            return None
        own = one.where.parts[0] if one.where.parts and one.where.parts[0] in sides else sides[0]
        return MapPlace(side=own, address=one.address, subject=one.where if one.where.parts else None)

    def value_of(self, row: int) -> Value | None:
        """The message."""
        return Value(name="message", unit=Unit.TEXT, value=self._rows[row].message.encode(), status=Status.DERIVED)

    def name_of(self, row: int) -> SafeText:
        """Its code."""
        one = self._rows[row]
        return SafeText(f"{one.code} {one.kind}" if one.code else one.kind)

    @property
    def command(self) -> tuple[str, ...]:
        """``check``."""
        return ("check",)

    def stop(self) -> bool:
        """Esc ends the filter, then the check."""
        return super().stop() or self.stage.loaded.checking.stop()
