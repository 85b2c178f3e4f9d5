"""The line at the bottom where a search, an address or a filter is typed."""

from __future__ import annotations

from typing import Literal

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from kho_tui.views.tui.keys import key
from kho_tui.views.tui.lines import Role, spans
from kho_tui.views.tui.paint import Panel

Purpose = Literal["search", "address", "filter"]
_SIGNS: dict[Purpose, str] = {"search": " search / ", "address": " address @ ", "filter": " filter "}


class Prompt(Horizontal):
    """One line of input; hidden while nothing is asked."""

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("escape", "give_up", "close without an answer", "prompt.close"),
    ]

    class Answered(Message):
        """Something was typed and sent. Of a filter empty text is an answer too: none wanted."""

        def __init__(self, purpose: Purpose, text: str) -> None:
            super().__init__()
            self.purpose = purpose
            self.text = text

    class Opened(Message):
        """The prompt takes the keys from what had the focus."""

        def __init__(self, focused: Widget | None) -> None:
            super().__init__()
            self.focused = focused

    class Closed(Message):
        """The prompt went away."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._purpose: Purpose = "search"

    def compose(self) -> ComposeResult:
        """A sign and the input."""
        yield Panel(id="prompt-sign")
        text = Input(id="prompt-text", compact=True, select_on_focus=False, max_length=256)
        text.cursor_blink = False
        yield text

    @property
    def is_open(self) -> bool:
        """True while something is asked."""
        return self.has_class("open")

    def ask(self, purpose: Purpose, value: str = "") -> None:
        """Open with ``value`` to begin from."""
        self._purpose = purpose
        self.query_one(Panel).show([spans((_SIGNS[purpose], Role.KEY))])
        text = self.query_one(Input)
        text.value = value
        text.cursor_position = len(value)
        self.add_class("open")
        self.post_message(self.Opened(self.screen.focused))
        # Not focus(): that waits for the next refresh, and what was typed meanwhile would go to the list.
        self.screen.set_focus(text)

    def action_give_up(self) -> None:
        """Close."""
        self.remove_class("open")
        self.post_message(self.Closed())

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_give_up()
        if event.value.strip() or self._purpose == "filter":
            self.post_message(self.Answered(self._purpose, event.value.strip()))
