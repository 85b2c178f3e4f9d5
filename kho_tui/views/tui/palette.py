"""The palette: one line to type in, and everything that fits it to choose from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import TypeVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from kho_tui.text import NO_TEXT, SafeText, visible
from kho_tui.views.tui.background import Finished, Stoppable
from kho_tui.views.tui.fuzzy import fit_of
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.lines import Line, Role, fit, pad, spans, width_of
from kho_tui.views.tui.paint import Panel, look_of
from kho_tui.views.tui.table_view import TableView

T = TypeVar("T")

_MOST = 200
"""Entries listed; whoever sees more than that types on."""
_ROWS = 12
_NOTE_WIDTH = 18


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to choose. ``note`` stands before it: its key, or what kind of thing it is."""

    words: SafeText
    note: SafeText
    run: Callable[[Palette], None]


@dataclass(frozen=True, slots=True)
class Command:
    """A word with an argument.

    ``argument`` is its name as shown, empty for none. ``run`` gets what was typed behind the word. Where ``choices`` is given, what is
    typed is matched against those instead; they are computed in a thread when the word was typed.
    """

    name: str
    argument: str
    help: str
    run: Callable[[Palette, str], None]
    choices: Callable[[], Sequence[Entry]] | None = None


class EntriesView(TableView):
    """What fits, best first."""

    def __init__(self) -> None:
        super().__init__("", id="palette-list")
        self.can_focus = False
        self.entries: Sequence[Entry] = ()

    def offer(self, title: str, entries: Sequence[Entry]) -> None:
        """Show other entries."""
        self.entries = entries
        self.set_title(SafeText(title))
        self.rows_changed()

    def row_count(self) -> int:
        """Entries."""
        return len(self.entries)

    def lines(self, start: int, count: int, width: int) -> list[Line]:
        """Note and words."""
        ellipsis = look_of(self).glyphs.ellipsis
        notes = min(_NOTE_WIDTH, max((width_of(spans((entry.note, Role.KEY))) for entry in self.entries[:_MOST]), default=0))
        lines = []
        for entry in self.entries[start : start + count]:
            note = fit(spans((entry.note, Role.KEY)), notes, ellipsis)
            blanks = pad("", notes - width_of(note))
            lines.append((*spans((" ", Role.TEXT)), *note, *spans((f"{blanks}  ", Role.TEXT), (entry.words, Role.TEXT))))
        return lines


class Palette(ModalScreen[Callable[[], None]]):
    """Over the screen it belongs to; answers with what to do once it is gone."""

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("escape", "close", "close", "palette.close"),
        key("enter", "choose", "do what is chosen", "palette.choose", overtakes=False),
        key("up,ctrl+p", "move(-1)", "up, down", "palette.up"),
        key("down,ctrl+n", "move(1)", "up, down", "palette.down"),
        key("pageup", "move(-10)", "ten up, down", "palette.page_up"),
        key("pagedown", "move(10)", "ten up, down", "palette.page_down"),
    ]

    def __init__(self, entries: Sequence[Entry], commands: Sequence[Command]) -> None:
        super().__init__()
        self._commands = {command.name: command for command in commands}
        self._entries = [*(_entry_of(command) for command in commands), *entries]
        self._choices: dict[str, Sequence[Entry]] = {}
        self._list = EntriesView()
        self._said = Panel(id="palette-said")
        self._work = Stoppable(self)

    def compose(self) -> ComposeResult:
        """The list above the line."""
        with Vertical(id="palette"):
            yield self._list
            yield self._said
            with Horizontal(id="palette-line"):
                yield Panel(id="palette-sign")
                text = Input(id="palette-text", compact=True, select_on_focus=False, max_length=256)
                text.cursor_blink = False
                yield text

    def on_mount(self) -> None:
        """Offer everything."""
        self.query_one("#palette-sign", Panel).show([spans((" : ", Role.KEY))])
        self.set_focus(self.query_one(Input))
        self._match("")

    @property
    def busy(self) -> bool:
        """True while an answer is computed."""
        return self._work.is_running

    @on(Finished)
    def _finished(self, message: Finished) -> None:
        message.stop()
        message.deliver()

    # Matching

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self._work.stop()
        self._match(event.value)

    def _match(self, query: str) -> None:
        self.clear()
        command, argument = self._command_of(query)
        if command is None:
            self._offer_best("everything that can be done here", self._entries, query.strip())
        elif command.choices is None:
            self._list.offer(command.help, [_typed(command, argument)])
        elif command.name in self._choices:
            self._offer_best(command.help, self._choices[command.name], argument)
        else:
            self._fetch(command, command.choices)

    def _command_of(self, query: str) -> tuple[Command | None, str]:
        """The command whose name is typed in full, with what stands behind it."""
        word, blank, argument = query.lstrip().partition(" ")
        command = self._commands.get(word)
        return (command, argument.strip()) if command is not None and command.argument and blank else (None, "")

    def _fetch(self, command: Command, choices: Callable[[], Sequence[Entry]]) -> None:
        def done(found: Sequence[Entry]) -> None:
            self._choices[command.name] = found
            self._match(self.query_one(Input).value)

        self._list.offer(command.help, [])
        self._work.run(f"looking for every {command.name}", lambda _stop: choices(), done, self)

    def _offer_best(self, title: str, entries: Sequence[Entry], query: str) -> None:
        fits = [(fit_of(query, f"{entry.words} {entry.note}"), entry) for entry in entries]
        best = sorted(((fit, entry) for fit, entry in fits if fit is not None), key=lambda one: -one[0])
        self._list.offer(title, [entry for _, entry in best[:_MOST]])
        if not best:
            self.say(f"nothing fits {visible(query)}" if query else "there is none", Role.WARN)
        elif len(best) > _MOST:
            self.say(f"the best {_MOST} of {len(best)}", Role.DIM)

    # Choosing

    def action_move(self, rows: int) -> None:
        """Choose another entry."""
        self._list.cursor += rows

    @on(TableView.Chosen)
    @on(Input.Submitted)
    def _chosen(self, message: TableView.Chosen | Input.Submitted) -> None:
        message.stop()
        self.action_choose()

    @on(TableView.Moved)
    def _moved(self, message: TableView.Moved) -> None:
        message.stop()

    def action_choose(self) -> None:
        """Do what is chosen."""
        if self._list.entries:
            self._list.entries[self._list.cursor].run(self)

    def action_close(self) -> None:
        """Stop what runs, or close."""
        if self._work.is_running:
            self._work.stop()
            self.say("stopped", Role.DIM)
        else:
            self.dismiss(None)

    # What entries and commands may do

    def leave(self, then: Callable[[], None]) -> None:
        """Close, then do something on the screen below."""
        self.dismiss(then)

    def type(self, text: str) -> None:
        """Put other text into the line."""
        line = self.query_one(Input)
        line.value = text
        line.cursor_position = len(text)

    def offer(self, title: str, entries: Sequence[Entry]) -> None:
        """Show an answer to choose from."""
        self.clear()
        self._list.offer(title, entries)

    def beside(self, what: str, work: Callable[[Event], T], done: Callable[[T], None]) -> None:
        """Compute an answer in a thread; Esc stops."""
        self._work.run(what, work, done, self)

    def say(self, text: str, role: Role = Role.TEXT) -> None:
        """A line above the input. The text is ours or safe already."""
        self._said.show([spans((f" {text}", role))])
        self._said.display = True

    def clear(self) -> None:
        """Nothing to say any more."""
        self._said.show([])
        self._said.display = False


def _entry_of(command: Command) -> Entry:
    """A command among all that can be done: without an argument it runs, else its name is put into the line."""
    words = SafeText(f"{command.name} {command.argument}  {command.help}" if command.argument else f"{command.name}  {command.help}")

    def run(palette: Palette) -> None:
        if command.argument:
            palette.type(f"{command.name} ")
        else:
            command.run(palette, "")

    return Entry(words, NO_TEXT, run)


def _typed(command: Command, argument: str) -> Entry:
    """A command with what was typed behind it."""

    def run(palette: Palette) -> None:
        if argument:
            command.run(palette, argument)
        else:
            palette.say(f"{command.name} takes {command.argument}", Role.WARN)

    return Entry(SafeText(f"{command.name} {visible(argument) or command.argument}"), NO_TEXT, run)
