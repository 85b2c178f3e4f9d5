"""Sources: the files of the capture and what each gave, and why the rest is taken for what it is."""

from __future__ import annotations

from rich.cells import cell_len

from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Value
from kho_tui.model.facts import Status
from kho_tui.text import SafeText, join_safe
from kho_tui.views.tui.body import Stage
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.lines import STATUS_ROLE, Line, Role, fit_end, indented, pad, spans, wrap
from kho_tui.views.tui.list_body import ListBody
from kho_tui.views.tui.navigate import Spot, Where
from kho_tui.views.tui.paint import look_of
from kho_tui.views.tui.sources_facts import Source, sources

_WHAT = 9
_WHAT_FROM = 100
"""Cells of width from which there is a column for what a row is."""
_SIZE = 10


class SourcesBody(ListBody):
    """What, name, size, what it gave or why it is so; a note where there is something to know before believing it."""

    WHERE = Where.SOURCES
    TITLE = "sources"
    HINTS = (("Enter", "in the tree"), ("]", "next with a note"), ("f", "filter"), ("Bksp", "back"), ("y", "copy name"))
    LEAST_ABOUT = 5

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("f", "filter", "show only rows that hold some words", "sources.filter"),
    ]

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._sources: tuple[Source, ...] = ()
        self._longest = 0

    def on_mount(self) -> None:
        """Collect the rows."""
        self._sources = sources(self.stage.loaded.state, self.stage.loaded.root)
        self._longest = max((cell_len(one.name) for one in self._sources), default=0)

    def row_count(self) -> int:
        """Files, and what was made of them."""
        return len(self._sources)

    def text_of(self, row: int) -> str:
        """All that a row says."""
        one = self._sources[row]
        return " ".join((one.what, one.name, one.gave, one.status.value, *one.notes))

    def is_stop(self, row: int) -> bool:
        """Rows with a note."""
        return bool(self._sources[row].notes)

    def _widths(self, width: int) -> tuple[int, int]:
        """Cells of what a row is, where there is room for it, and of the name."""
        return _WHAT * (width >= _WHAT_FROM), min(self._longest, max(12, width * 2 // 5))

    def heading(self, width: int) -> Line:
        """The names of the columns."""
        what, names = self._widths(width)
        return spans((f" {pad('what', what)}{pad('name', names)} {pad('size', _SIZE, right=True)}  gave", Role.DIM))

    def line(self, row: int, width: int) -> Line:
        """What it gave; notes count more and come first."""
        one = self._sources[row]
        what, names = self._widths(width)
        ellipsis = look_of(self).glyphs.ellipsis
        told = spans(
            (" ", Role.TEXT),
            (pad(one.what, _WHAT) if what else "", Role.DIM),
            (pad(fit_end(one.name, names, ellipsis), names) + " ", Role.NAME),
            (pad(one.size, _SIZE, right=True) + "  ", Role.NUMBER),
        )
        if one.status is not Status.DECODED:
            told += spans((f"{one.status.value}  ", STATUS_ROLE[one.status]))
        for note in one.notes:
            told += spans((f"{note}  ", Role.WARN))
        return (*told, *spans((one.gave, Role.TEXT)))

    def about_lines(self, row: int | None, width: int, height: int) -> list[Line]:
        """Nothing cut: name, notes, what it gave."""
        if row is None:
            return []
        one = self._sources[row]
        inner, ellipsis = width - 4, look_of(self).glyphs.ellipsis
        lines = wrap(join_safe("  ", [text for text in (SafeText(one.what), one.name, one.size) if text]), inner, 2, Role.TITLE, ellipsis)
        if one.status is not Status.DECODED:
            lines.append(spans((one.status.value, STATUS_ROLE[one.status])))
        lines += [line for note in one.notes for line in wrap(note, inner, 3, Role.WARN, ellipsis)]
        lines += wrap(one.gave, inner, 3, Role.TEXT, ellipsis)
        return indented(lines[:height])

    # What the screen asks

    def target(self, row: int) -> Spot | None:
        """The same in the tree."""
        return self._sources[row].spot

    def value_of(self, row: int) -> Value | None:
        """The name."""
        return Value(name="name", unit=Unit.TEXT, value=self._sources[row].name.encode(), status=Status.DERIVED)

    def name_of(self, row: int) -> SafeText:
        """The name."""
        return self._sources[row].name
