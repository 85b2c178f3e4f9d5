"""The last line: what just happened, else modes and the keys to know; and where something is typed."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical

from kho_tui.text import NO_TEXT, SafeText
from kho_tui.views.tui.keys import shown_keys
from kho_tui.views.tui.lines import Line, Role, spans, width_of
from kho_tui.views.tui.paint import Panel
from kho_tui.views.tui.prompt import Prompt, Purpose

Hint = tuple[str, str]
"""A key and a word for what it does."""
_LAST: tuple[Hint, ...] = (("?", "keys"), ("q", "quit"))


class Bottom(Vertical):
    """One line high. Notice, hits of a search, number base and note of a place are modes: in sight until they end."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._hints: tuple[Hint, ...] = _LAST
        self._message: Line = ()
        self._notice: Line = ()
        self._hits = str(NO_TEXT)
        self._base = str(NO_TEXT)
        self._note = str(NO_TEXT)
        self._bar = Panel(id="bar")
        self._prompt = Prompt(id="prompt")

    def compose(self) -> ComposeResult:
        """The bar, and the prompt that takes its place."""
        yield self._bar
        yield self._prompt

    @property
    def is_asking(self) -> bool:
        """True while something is typed."""
        return self._prompt.is_open

    def say(self, text: str, role: Role = Role.TEXT) -> None:
        """Something that happened, until ``clear``. The text is ours or safe already."""
        self._message = spans((text, role))
        self._draw()

    def clear(self) -> None:
        """Back to modes and keys."""
        if self._message:
            self._message = ()
            self._draw()

    def show_hints(self, hints: Sequence[Hint]) -> None:
        """The keys to know here, dearest first."""
        self._hints = (*hints, *_LAST)
        self._draw()

    def show_note(self, note: SafeText) -> None:
        """A mode of the place that is shown; empty: none."""
        if note != self._note:
            self._note = note
            self._draw()

    def notify_of(self, text: str, role: Role = Role.WARN) -> None:
        """Something about the state as a whole, in sight until it is replaced; empty: nothing."""
        self._notice = spans((text, role))
        self._draw()

    def show_hits(self, text: str) -> None:
        """The search that ``n`` steps through; empty: none."""
        self._hits = text
        self._draw()

    def show_base(self, text: str) -> None:
        """The number base; empty: the usual one."""
        self._base = text
        self._draw()

    def ask(self, purpose: Purpose, value: str = "") -> None:
        """Open the prompt with ``value`` to begin from."""
        self._prompt.ask(purpose, value)
        self._bar.display = False

    @on(Prompt.Closed)
    def _prompt_closed(self) -> None:
        self._bar.display = True

    def on_resize(self, _event: events.Resize) -> None:
        """As many keys as fit."""
        self._draw()

    def _draw(self) -> None:
        if self._message:
            self._bar.show([(*spans((" ", Role.TEXT)), *self._message)])
            return
        line: Line = ()
        if self._notice:
            line += (*spans((" ", Role.TEXT)), *self._notice, *spans((" ", Role.TEXT)))
        if self._note:
            line += spans((f" {self._note} ", Role.WARN))
        if self._hits:
            line += spans((f" {self._hits} ", Role.WARN), ("n", Role.KEY), (" next hit ", Role.DIM))
        if self._base:
            line += spans((f" {self._base} ", Role.WARN))
        hints = [spans((f" {shown_keys(self.screen, name)}", Role.KEY), (f" {what} ", Role.DIM)) for name, what in self._hints]
        free = self.size.width - width_of(line)
        kept = set()
        # The last two get room first: who knows ``?`` finds all the others.
        count = len(self._hints)
        for index in (count - 1, count - 2, *range(count - 2)):
            width = width_of(hints[index])
            if width <= free:
                free -= width
                kept.add(index)
        for index in sorted(kept):
            line += hints[index]
        self._bar.show([line])
