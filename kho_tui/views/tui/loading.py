"""The screen while a state is read, and where it says why it could not be."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.screen import Screen

from kho_tui.context import Context
from kho_tui.text import SafeText
from kho_tui.views.progress import ProgressReport
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.lines import Line, Role, indented, spans, width_of, wrap
from kho_tui.views.tui.paint import Panel

_BAR = 32


def progress_lines(progress: ProgressReport, width: int) -> list[Line]:
    """The latest report of an action: one line, or two where it is too long for ``width`` cells."""
    share = progress.share
    filled = int(_BAR * (share or 0))
    bar = "" if share is None else f"  [{'#' * filled}{'.' * (_BAR - filled)}]"
    line = spans((progress.what, Role.TEXT), (bar, Role.DIM))
    amount = spans((progress.amount, Role.DIM))
    both = (*line, *spans(("  ", Role.DIM)), *amount)
    return [both] if width_of(both) <= width else [line, amount]


class LoadingScreen(Screen[None], inherit_bindings=False):
    """ProgressReport, then either gone or an error line."""

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("escape", "app.cancel_load", "cancel", "load.cancel"),
        key("r", "app.reload", "try again", "load.again"),
        key("q,ctrl+q", "app.leave", "quit", "load.quit"),
    ]

    def __init__(self, title: SafeText, context: Context, progress: ProgressReport) -> None:
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
            lines += [
                *progress_lines(self._progress, width),
                (),
                spans(("Esc", Role.KEY), (" cancel   ", Role.DIM), ("q", Role.KEY), (" quit", Role.DIM)),
            ]
        self.query_one(Panel).show(indented(lines, 2))
