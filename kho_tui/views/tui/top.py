"""The lines at the top: the places of the app, where in the state one is, and the verdict on it."""

from __future__ import annotations

from textual import events
from textual.message import Message

from kho_tui.text import NO_TEXT, SafeText, join_safe
from kho_tui.views.tui.lines import Line, Role, fit_end, indented, spans, width_of, wrap
from kho_tui.views.tui.navigate import Where
from kho_tui.views.tui.paint import Panel, look_of

_SHORT = {
    Where.OVERVIEW: "over",
    Where.BLOCKS: "blk",
    Where.SCRATCH: "scr",
    Where.FINDINGS: "find",
    Where.SOURCES: "src",
}
_NAME = "kho-tui "
_STEP = " > "
_TALL = 30
"""Lines of a screen from which the verdict may take two."""
_LEAST_PATH = 8


class Top(Panel):
    """Places with their digit keys, the breadcrumb, at most two lines of verdict."""

    class Picked(Message):
        """A place was clicked on."""

        def __init__(self, where: Where) -> None:
            super().__init__()
            self.where = where

    def __init__(self, title: SafeText, verdict: SafeText, *, id: str) -> None:
        super().__init__(id=id)
        self._title = title
        self._verdict = verdict
        self._where = Where.OVERVIEW
        self._trail: tuple[SafeText, ...] = ()
        self.is_pair = False
        """Whether another state is open beside this one: only then there is anything in the place that compares."""

    def tell(self, where: Where, trail: tuple[SafeText, ...]) -> None:
        """Show another place, and the way to what is selected there."""
        self._where, self._trail = where, trail
        self.redraw()

    def on_resize(self) -> None:
        """Break the lines anew."""
        self.redraw()

    def redraw(self) -> None:
        """In the width and height there are now."""
        width = self.size.width
        ellipsis = look_of(self).glyphs.ellipsis
        # The overview begins with the whole verdict, the comparison with its own.
        most = 0 if self._where in (Where.OVERVIEW, Where.DIFF) else 2 if self.screen.size.height >= _TALL else 1
        verdict = wrap(self._verdict, width - 2, most, Role.TEXT, ellipsis) if most else []
        self.show([self._places(width), self._crumbs(width, ellipsis), *indented(verdict, 1)])
        self.styles.height = 2 + len(verdict)

    def _places(self, width: int) -> Line:
        line = tuple(span for _, item in self._items(width) for span in item)
        free = width - width_of(line) - len(_NAME)
        return (*line, *spans((" " * free, Role.TEXT), (_NAME, Role.DIM))) if free >= 1 else line

    def _items(self, width: int) -> list[tuple[Where, Line]]:
        """The places with words as long as fit."""
        items: list[tuple[Where, Line]] = []
        shown = [where for where in Where if where is not Where.DIFF or self.is_pair or where is self._where]
        for names in ({where: where.value for where in Where}, {where: _SHORT.get(where, where.value) for where in Where}, {}):
            items = [(where, self._item(number, where, names)) for number, where in enumerate(shown, 1)]
            if sum(width_of(item) for _, item in items) <= width:
                break
        return items

    def _item(self, number: int, where: Where, names: dict[Where, str]) -> Line:
        here = where is self._where
        name = names.get(where, where.value if here else "")
        text = f" {number} {name} " if name else f" {number} "
        return spans((text, Role.RULE_FOCUS)) if here else spans((text[:2], Role.KEY), (text[2:], Role.DIM))

    def _crumbs(self, width: int, ellipsis: str) -> Line:
        trail = join_safe(_STEP, self._trail) if self._trail else NO_TEXT
        room = width - 2
        after = fit_end(trail, max(room - _LEAST_PATH - len(_STEP), 0), ellipsis)
        title = fit_end(self._title, room - len(after) - (len(_STEP) if after else 0), ellipsis)
        return spans((f" {title}", Role.TITLE), (_STEP if after else "", Role.DIM), (after, Role.TEXT))

    def on_click(self, event: events.Click) -> None:
        """Go to the place under the pointer."""
        if event.y:
            return
        edge = 0
        for where, item in self._items(self.size.width):
            edge += width_of(item)
            if event.x < edge:
                self.post_message(self.Picked(where))
                return
