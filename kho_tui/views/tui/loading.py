"""The screen while a state is read, and where it says why it could not be."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.screen import Screen

from kho_tui.context import Context
from kho_tui.text import SafeText, visible
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.lines import Line, Role, indented, spans, wrap
from kho_tui.views.tui.paint import Panel

_BAR = 32


class Progress:
    """The latest report of a running action; written by its thread, read by the screen when it draws."""

    def __init__(self) -> None:
        self.latest: tuple[str, int, int | None] = ("opening", 0, None)

    def report(self, what: str, done: int, total: int | None) -> None:
        """Take a report; may be called a million times a second."""
        self.latest = (what, done, total)

    def line(self) -> Line:
        """The latest report as a line."""
        what, done, total = self.latest
        shown = visible(what)
        if not total:
            return spans((shown, Role.TEXT), (f"  {done}" if done else "", Role.DIM))
        filled = min(_BAR, _BAR * done // total)
        return spans((shown, Role.TEXT), (f"  [{'#' * filled}{'.' * (_BAR - filled)}] {done}/{total}", Role.DIM))


class LoadingScreen(Screen[None], inherit_bindings=False):
    """Progress, then either gone or an error line."""

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("escape", "app.cancel_load", "cancel", "load.cancel"),
        key("r", "app.reload", "try again", "load.again"),
        key("q,ctrl+q", "app.leave", "quit", "load.quit"),
    ]

    def __init__(self, title: SafeText, context: Context, progress: Progress) -> None:
        super().__init__()
        self._opened = title
        self._action = context
        self._progress = progress
        self._error: SafeText | None = None

    def compose(self) -> ComposeResult:
        """One panel for all."""
        yield Panel(id="loading")

    def on_mount(self) -> None:
        """Show, and look for news ten times a second."""
        self.set_interval(0.1, self._draw)
        self._draw()

    def on_resize(self) -> None:
        """Break lines anew."""
        self._draw()

    def fail(self, message: SafeText) -> None:
        """Show why there is nothing to show."""
        self._error = message
        self._draw()

    def _draw(self) -> None:
        width = max(self.size.width - 4, 10)
        lines: list[Line] = [(), spans(("kho-tui  ", Role.KEY), (self._opened, Role.TITLE)), ()]
        if self._error is not None:
            lines += wrap(self._error, width, 6, Role.BAD)
            lines += [(), spans(("r", Role.KEY), (" try again   ", Role.DIM), ("q", Role.KEY), (" quit", Role.DIM))]
        elif self._action.cancelled.is_set():
            lines += [spans(("cancelling", Role.TEXT)), (), spans(("q", Role.KEY), (" quit", Role.DIM))]
        else:
            lines += [self._progress.line(), (), spans(("Esc", Role.KEY), (" cancel   ", Role.DIM), ("q", Role.KEY), (" quit", Role.DIM))]
        self.query_one(Panel).show(indented(lines, 2))
