"""The keys of a screen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen, Screen

from kho_tui.views.tui.keys import key, key_name
from kho_tui.views.tui.lines import Line, Role, pad, spans
from kho_tui.views.tui.table_view import TableView


class KeysView(TableView):
    """Keys with what they do."""

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("escape,q,question_mark", "screen.dismiss", "close", "help.close"),
    ]

    def __init__(self, bindings: Iterable[Binding], *, id: str) -> None:
        super().__init__("keys of this screen (Esc closes)", id=id)
        described: dict[str, list[str]] = {}
        for binding in bindings:
            described.setdefault(binding.description, []).extend(key_name(one) for one in binding.key.split(","))
        self._rows = [(" ".join(dict.fromkeys(names)), description) for description, names in described.items()]

    def row_count(self) -> int:
        """Keys."""
        return len(self._rows)

    def lines(self, start: int, count: int, width: int) -> list[Line]:
        """Key and what it does."""
        return [spans((" " + pad(names, 28) + " ", Role.KEY), (text, Role.TEXT)) for names, text in self._rows[start : start + count]]


class HelpScreen(ModalScreen[None]):
    """A list of keys over the screen they belong to."""

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        active = [one for one in screen.active_bindings.values() if one.binding.id]
        # What is peculiar to the screen first, moving about in a list last: everybody tries the arrows anyway.
        active.sort(key=lambda one: one.node is not screen)
        self._listed = [one.binding for one in active]

    def compose(self) -> ComposeResult:
        """The list."""
        yield KeysView(self._listed, id="help")

    def on_mount(self) -> None:
        """Give the list its rows."""
        self.query_one(KeysView).rows_changed()
