"""Copying to the user's clipboard from wherever the app runs."""

from __future__ import annotations

import os
import subprocess

from textual.app import App, ComposeResult
from textual.screen import ModalScreen

from kho_tui.text import SafeText
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.lines import Line, Role, wrap
from kho_tui.views.tui.paint import look_of
from kho_tui.views.tui.table_view import TableView

_WITHOUT_CLIPBOARD = ("linux", "dumb", "vt100", "vt102", "vt220", "")
"""Terminals that drop OSC 52."""
_PATIENCE = 1
"""Seconds for tmux, which sits on the same machine."""


def copy(app: App[None], text: SafeText) -> SafeText:
    """Copy and say by which way, in words that follow the text.

    Inside tmux by its buffer, which tmux hands on to the terminal; else by OSC 52, to which a terminal gives no answer, so that nobody can
    promise more than that it was sent. A terminal that is known to drop it is shown the text instead.
    """
    if os.environ.get("TMUX"):
        if _to_tmux(text, "-w"):
            return SafeText("by tmux (buffer and clipboard)")
        if _to_tmux(text):  # before tmux 3.2
            return SafeText("by tmux (its buffer only)")
    if os.environ.get("TERM", "") in _WITHOUT_CLIPBOARD:
        app.push_screen(TextScreen(text))
        return SafeText("by nothing: this terminal takes no copy, select the text")
    app.copy_to_clipboard(text)
    return SafeText("sent by OSC 52")


def _to_tmux(text: SafeText, *options: str) -> bool:
    try:
        subprocess.run(["tmux", "load-buffer", *options, "-"], input=text.encode(), check=True, timeout=_PATIENCE, capture_output=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


class TextView(TableView):
    """The text, whole, at the left edge: what is selected with the mouse brings nothing else along."""

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("escape,q,y,Y", "screen.dismiss", "close", "text.close"),
    ]

    def __init__(self, text: SafeText) -> None:
        super().__init__("to select with the mouse, Shift held (Esc closes)", id="text")
        self._text = text
        self._shown: list[Line] = []

    def on_resize(self, _event: object) -> None:
        """Break the lines anew."""
        glyphs = look_of(self).glyphs
        self._shown = wrap(self._text, self.inner_width, len(self._text), Role.TEXT, glyphs.ellipsis)
        self.rows_changed()

    def row_count(self) -> int:
        """Lines of the text."""
        return len(self._shown)

    def lines(self, start: int, count: int, width: int) -> list[Line]:
        """Some lines of it."""
        return self._shown[start : start + count]

    def title_note(self) -> str:
        """Nothing to count."""
        return ""

    def _row_style(self, row: int) -> None:
        """No cursor: there is nothing to choose."""


class TextScreen(ModalScreen[None]):
    """A text over the whole screen, for terminals that take no copy."""

    def __init__(self, text: SafeText) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """The text."""
        yield TextView(self._text)
