"""The simulator over the state that is shown: choose kernel and command line, kexec, step on and back, open or write what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from kho_tui.context import Context
from kho_tui.errors import Cancelled, InputError
from kho_tui.text import NO_TEXT, SafeText, visible
from kho_tui.views.progress import ProgressReport
from kho_tui.views.reception import kernel_does, simulated_lines
from kho_tui.views.tui.background import Finished, Newest, run_beside
from kho_tui.views.tui.help import HelpScreen
from kho_tui.views.tui.keys import key, shown_keys
from kho_tui.views.tui.lines import Line, Role, fit, indented, spans, wrap
from kho_tui.views.tui.loaded import Loaded
from kho_tui.views.tui.loading import progress_lines
from kho_tui.views.tui.paint import Panel, look_of
from kho_tui.views.tui.simulator_chain import Chain
from kho_tui.views.tui.simulator_rows import KernelsView
from kho_tui.views.tui.table_view import TableView

if TYPE_CHECKING:
    from kho_tui.operations.held_state import Prospect, Simulated

Asking = Literal["cmdline", "directory"]
_SIGNS: dict[Asking, str] = {"cmdline": " command line ", "directory": " write to "}
_HINTS = (("Enter", "kexec"), ("c", "command line"), ("< >", "step"), ("o", "open"), ("w", "write"), ("?", "keys"), ("Esc", "close"))
_LETTERS = ("edit", "write", "open", "step", "keys")
"""Actions whose keys are letters, or signs, while something is typed."""


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """A state of the chain as it was read, and what each kernel would make of it."""

    loaded: Loaded
    cmdline: str
    prospects: Sequence[Prospect]


class SimulatorScreen(ModalScreen[int | None]):
    """Answers with the number of the state to open, None for none. ``loaded`` is the state of the chain that is shown below."""

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("c", "edit", "type another command line", "simulator.cmdline"),
        key("less_than_sign", "step(-1)", "step back, step on", "simulator.back"),
        key("greater_than_sign", "step(1)", "step back, step on", "simulator.on"),
        key("o", "open", "open this state; there < > switch between them", "simulator.open"),
        key("w", "write", "write this state as a capture", "simulator.write"),
        key("question_mark", "keys", "these keys", "simulator.keys"),
        key("escape", "close", "stop what runs, or close", "simulator.close"),
    ]

    def __init__(self, chain: Chain, loaded: Loaded) -> None:
        super().__init__()
        self._chain = chain
        self._below = chain.here, loaded
        self._at = chain.at
        self._read: _Read | None = None
        self._cmdline: str | None = None
        self._selected: str | None = None
        self._kernels = KernelsView(id="sim-kernels")
        self._said = Panel(id="sim-said")
        self._lines: Sequence[tuple[SafeText, Role]] = ()
        self._asking: Asking | None = None
        self._reading = Newest(self)
        self._job: tuple[Context, ProgressReport] | None = None

    def compose(self) -> ComposeResult:
        """Chain, kernels, command line, what came of it, keys."""
        with Vertical(id="simulator"):
            yield Panel(id="sim-chain")
            yield self._kernels
            yield Panel(id="sim-cmdline")
            with Horizontal(id="sim-line"):
                yield Panel(id="sim-sign")
                text = Input(id="sim-text", compact=True, select_on_focus=False, max_length=4096)
                text.cursor_blink = False
                yield text
            yield self._said
            yield Panel(id="sim-keys")

    def on_mount(self) -> None:
        """Ask every kernel about the state that is shown."""
        self.set_focus(self._kernels)
        self.set_interval(0.1, self._tick)
        self._draw()
        self._ask_kernels()

    def on_resize(self) -> None:
        """Break lines anew."""
        self._draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While something is typed, keys are letters."""
        return not (self._asking is not None and action in _LETTERS)

    @property
    def busy(self) -> bool:
        """True while something is computed beside the screen."""
        return self._reading.is_running or self._job is not None

    @on(Finished)
    def _finished(self, message: Finished) -> None:
        message.stop()
        message.deliver()

    @on(TableView.Moved)
    def _moved(self, message: TableView.Moved) -> None:
        message.stop()
        chosen = self._kernels.chosen
        if chosen is not None and chosen.name != self._selected:
            self._selected = chosen.name
            self._foresee(chosen)

    # What each kernel would do

    def _ask_kernels(self) -> None:
        at, wanted, before = self._at, self._cmdline, self._read

        def work() -> tuple[int, _Read]:
            from kho_tui.operations.held_state import prospects

            below, shown = self._below
            link = self._chain.links[at]
            loaded = before.loaded if before is not None else shown if link is below else link.load(Context())
            if loaded.simulator is None:
                raise InputError("this state cannot be handed to a simulated kernel")
            opened = loaded.simulator.opened
            cmdline = wanted if wanted is not None else (opened.state.machine.cmdline or b"").decode("utf-8", "replace")
            return at, _Read(loaded, cmdline, prospects(opened, cmdline))

        def done(answer: tuple[int, _Read]) -> None:
            if answer[0] != self._at:
                self._forget(answer[1])
            else:
                self._read = answer[1]
                self._kernels.offer(self._read.prospects, self._selected)
                chosen = self._kernels.chosen
                self._selected = chosen.name if chosen is not None else None
                if chosen is not None and not self._lines:
                    self._foresee(chosen)
                self._draw()

        def failed(text: SafeText) -> None:
            self._kernels.offer((), None)
            self._say(text, Role.BAD)

        self._reading.run(work, done, failed)

    # Kexec

    @on(TableView.Chosen)
    def _chosen(self, message: TableView.Chosen) -> None:
        message.stop()
        chosen, read = self._kernels.chosen, self._read
        if self._job is not None or chosen is None or read is None or read.loaded.simulator is None:
            return
        progress = ProgressReport()
        context = Context(progress=progress.report)
        self._job = context, progress
        opened, at, simulator = read.loaded.simulator.opened, self._at, read.loaded.simulator

        def work() -> Simulated:
            from kho_tui.operations.held_state import simulate_kexec

            return simulate_kexec(opened, chosen.name, read.cmdline, context)

        def done(told: Simulated) -> None:
            self._job = None
            if told.state is None:
                self._tell(told)
            else:
                self._go(self._chain.grow(at, told, simulator))

        def failed(error: BaseException, text: SafeText) -> None:
            self._job = None
            self._say(SafeText("stopped") if isinstance(error, Cancelled) else text, Role.DIM if isinstance(error, Cancelled) else Role.BAD)

        run_beside(self, work, done, failed)
        self._tick()

    def _tick(self) -> None:
        if self._job is not None:
            context, progress = self._job
            is_stopping = context.cancelled.is_set()
            lines = [spans(("stopping", Role.DIM))] if is_stopping else progress_lines(progress, max(self.size.width - 2, 10))
            self._said.show([(), *indented(lines, 1)])

    # The chain

    def action_step(self, direction: int) -> None:
        """To the state before or behind this one."""
        there = self._at + direction
        if self._job is not None:
            return
        if 0 <= there < len(self._chain.links):
            self._go(there)
        else:
            self._say("this is what was opened" if there < 0 else "nothing comes after this state yet: Enter kexecs", Role.DIM)

    def _go(self, at: int) -> None:
        self._forget(self._read)
        self._at, self._read, self._cmdline = at, None, None
        told = self._chain.links[at].told
        if told is None:
            self._lines = ()
        else:
            self._tell(told)
        self._draw()
        self._ask_kernels()

    def action_open(self) -> None:
        """Show this state in the app."""
        if self._job is None:
            self.dismiss(self._at)

    # Typing

    def action_edit(self) -> None:
        """Type another command line."""
        if self._read is not None and self._job is None:
            shown = visible(self._read.cmdline)
            # The widget draws what it holds as it stands: a captured line that is more than text is typed on as it is shown.
            is_text = shown.replace("\\\\", "\\") == self._read.cmdline
            self._ask("cmdline", self._read.cmdline if is_text else shown)

    def action_write(self) -> None:
        """Type where this state is to be written."""
        if self._job is not None:
            return
        if self._chain.links[self._at].told is None:
            self._say("this state was opened, not simulated: it is written already", Role.DIM)
        else:
            self._ask("directory", "")

    def _ask(self, asking: Asking, value: str) -> None:
        self._asking = asking
        self.query_one("#sim-sign", Panel).show([spans((_SIGNS[asking], Role.KEY))])
        line = self.query_one(Input)
        line.value, line.cursor_position = value, len(value)
        self.query_one("#sim-line").display = True
        self.set_focus(line)

    def _end_asking(self) -> None:
        self._asking = None
        self.query_one("#sim-line").display = False
        self.set_focus(self._kernels)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        asking, text = self._asking, event.value.strip()
        self._end_asking()
        if asking == "cmdline":
            self._cmdline = text
            self._lines = ()
            self._ask_kernels()
        elif asking == "directory" and text:
            self._write(text)

    def _write(self, directory: str) -> None:
        link = self._chain.links[self._at]
        held = link.told.state if link.told is not None else None
        if held is None:
            return
        progress = ProgressReport()
        context = Context(progress=progress.report)
        self._job = context, progress

        def done(_nothing: None) -> None:
            self._job = None
            link.written = directory
            self._say(SafeText(f"written to {visible(directory)}"), Role.TEXT)

        def failed(_error: BaseException, text: SafeText) -> None:
            self._job = None
            self._say(text, Role.BAD)

        run_beside(self, lambda: held.write(directory, context), done, failed)

    def action_keys(self) -> None:
        """Show the keys."""
        self.app.push_screen(HelpScreen(self))

    # Leaving

    def on_unmount(self) -> None:
        """Close what was read for this screen alone."""
        self._forget(self._read)

    def _forget(self, read: _Read | None) -> None:
        if read is not None and read.loaded is not self._below[1]:
            read.loaded.close()

    def action_close(self) -> None:
        """End typing, stop a kexec that runs, or close."""
        if self._asking is not None:
            self._end_asking()
        elif self._job is not None:
            self._job[0].cancelled.set()
        else:
            # A kexec from an earlier state took the place of the one below.
            self.dismiss(None if self._below[0] in self._chain.links else self._at)

    # Drawing

    def _tell(self, told: Simulated) -> None:
        # What holds of every kexec comes last: it may be cut.
        self._show(
            kernel_does(told.kernel, told.reception), simulated_lines(told.reception, told.message, told.log, told.unpredictable[::-1])
        )

    def _foresee(self, prospect: Prospect) -> None:
        """What would become of the state, before it is tried."""
        reception = prospect.reception
        self._show(SafeText(f"Enter: {kernel_does(prospect.name, reception)}"), simulated_lines(reception, "", (), ()))

    def _show(self, first: SafeText, more: Iterable[SafeText]) -> None:
        rest = ((SafeText(line.strip()), Role.DIM if line.startswith("  cannot") else Role.TEXT) for line in more)
        self._lines = ((first, Role.TITLE), *rest)
        self._draw()

    def _say(self, text: str, role: Role) -> None:
        self._lines = ((SafeText(text), role),)
        self._draw()

    def _draw(self) -> None:
        width = self.size.width
        ellipsis = look_of(self).glyphs.ellipsis
        self.query_one("#sim-chain", Panel).show([fit(self._chain_line(), width, ellipsis)])
        cmdline = visible(self._read.cmdline) if self._read is not None else NO_TEXT
        wrapped = wrap(SafeText(f"command line: {cmdline}"), width - 2, 3, Role.STRING, ellipsis)
        line = self.query_one("#sim-cmdline", Panel)
        line.show([(*spans((" ", Role.TEXT)), *one) for one in wrapped])
        line.styles.height = max(len(wrapped), 1)
        lines: list[Line] = [()]
        for text, role in self._lines:
            for number, piece in enumerate(wrap(text, width - 4, 2, role, ellipsis)):
                lines.append((*spans(("   " if number else " ", Role.TEXT)), *piece))
        self._said.show(lines)
        pieces = [piece for name, what in _HINTS for piece in ((f" {shown_keys(self, name)}", Role.KEY), (f" {what} ", Role.DIM))]
        self.query_one("#sim-keys", Panel).show([fit(spans(*pieces), width, ellipsis)])

    def _chain_line(self) -> Line:
        """The names of the states, this one marked, from the left as far as there is room for the one that is shown."""
        line = spans((" simulator  ", Role.TITLE))
        for number, link in enumerate(self._chain.links):
            role = Role.RULE_FOCUS if number == self._at else Role.DIM
            line += spans((" > " if number else "", Role.DIM), (f" {link.name} ", role))
        return line
