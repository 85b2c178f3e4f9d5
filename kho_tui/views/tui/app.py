"""The app: loads a state beside the screen, shows it, and says by its exit code how that went.

Nothing that shows or decodes a state is imported here: the first frame waits for this module, and the thread that loads has time.
"""

from __future__ import annotations

import gc
import os
import sys
from threading import Event, Thread
from time import strftime
from typing import TYPE_CHECKING, TypeGuard

from textual import events, on
from textual.app import App

from kho_tui.context import Context
from kho_tui.errors import Cancelled, KhoError
from kho_tui.text import NO_TEXT, SafeText, sizes_written
from kho_tui.views.progress import ProgressReport
from kho_tui.views.tui.background import Finished, run_beside
from kho_tui.views.tui.config import Config, load_config
from kho_tui.views.tui.explain import explain
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.loading import LoadingScreen
from kho_tui.views.tui.theme import choose_look

if TYPE_CHECKING:
    from kho_tui.operations.held_state import Simulated
    from kho_tui.views.tui.loaded import Loader, Watch
    from kho_tui.views.tui.navigate import Spot
    from kho_tui.views.tui.simulator_chain import Chain, Link
    from kho_tui.views.tui.state_screen import StateScreen
    from kho_tui.views.tui.travel import Journey, Prepared

_INTERRUPTED = 130
_GARBAGE = (5_000, 20, 50)
"""How much is made until Python looks for garbage among what is new, younger, and old: the last takes 30 ms, every 5 million objects."""
_DEFAULTS = Config()


class KhoApp(App[None], inherit_bindings=False):
    """The inspector of one state. ``note`` is a warning shown with it, ``start`` where it opens (None: the overview).

    ``other`` is the path of a state to compare with; with one it opens where the two are compared.
    """

    TITLE = "kho-tui"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    ESCAPE_TO_MINIMIZE = False

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("ctrl+c", "interrupt", "quit at once", "app.interrupt"),
        key("ctrl+z", "suspend_process", "to the shell (fg returns)", "app.suspend"),
    ]

    def __init__(
        self,
        load: Loader,
        title: SafeText,
        config: Config = _DEFAULTS,
        *,
        note: SafeText = NO_TEXT,
        ascii: bool = False,
        watch: Watch | None = None,
        start: Spot | None = None,
        other: str = "",
    ) -> None:
        self.config = config
        self.look = choose_look(os.environ, config, ascii=ascii)
        # Given now: Textual picks its filter for NO_COLOR before a theme can be set.
        super().__init__(ansi_color=self.look.theme.ansi)
        self.set_keymap(dict(config.keys))
        # For all that runs for this app: its tasks and threads are begun with a copy of this context.
        sizes_written.set(config.sizes)
        self.animation_level = "none"
        self.fault: SafeText | None = None
        self._opened = title
        self._opening = load
        self._chain: Chain | None = None
        """The states to switch between; None before one was simulated."""
        self._shown_link: Link | None = None
        self._note = note
        self._watch = watch
        self._start = start
        self._other = other
        self._action = Context()
        self._problem: int | None = None
        self._shown: StateScreen | None = None
        self._read_at = ""
        self._is_behind = False
        self._leaving = Event()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our variables, needed before our theme is set."""
        return self.look.theme.variables

    def on_mount(self) -> None:
        """Begin to load."""
        self.register_theme(self.look.theme)
        self.theme = self.look.theme.name
        self.load(None)

    # Loading

    def load(self, journey: Journey | None) -> None:
        """Load the state, then show it where ``journey`` says."""
        progress = ProgressReport()
        context = self._new_action(progress)
        screen = LoadingScreen(self._opened if self._chain is None else self._chain.here.title, context, progress)
        if isinstance(self.screen, LoadingScreen):
            self.switch_screen(screen)
        else:
            self.push_screen(screen)

        def done(result: tuple[Prepared, Journey]) -> None:
            if self._action is context:
                self._show(*result, self._note)
                self._import_the_rest()
                self._poll()
            else:
                result[0].loaded.close()

        def failed(error: BaseException, text: SafeText) -> None:
            if self._action is context:
                cancelled = isinstance(error, Cancelled)
                self._problem = _INTERRUPTED if cancelled else error.exit_code if isinstance(error, KhoError) else KhoError.exit_code
                screen.fail(SafeText("Cancelled.") if cancelled else text)

        height = self.size.height
        run_beside(self, lambda: self._read(context, height, journey, None), done, failed)

    def _new_action(self, progress: ProgressReport) -> Context:
        """What ran before is over."""
        self._action.cancelled.set()
        self._action = Context(progress=progress.report)
        self._problem = None
        return self._action

    def _read(self, context: Context, height: int, journey: Journey | None, before: Prepared | None) -> tuple[Prepared, Journey]:
        """In a thread: the state, and what has to be known before it can be shown."""
        if self._watch is not None and not self._is_simulated:
            # What changes from here on is news, also what changes while it is read.
            self._watch.changed()
        loaded = (self._opening if self._chain is None else self._chain.here.load)(context)
        try:
            from kho_tui.views.tui.bodies import body_class
            from kho_tui.views.tui.navigate import ListSpot, Where
            from kho_tui.views.tui.state_screen import prepare
            from kho_tui.views.tui.travel import Journey

            first = self._start or (ListSpot(Where.DIFF) if self._other else None)
            journey = journey or Journey(spot=first, base=self.config.numbers, other=self._other)
            if journey.other:
                loaded = loaded.beside(journey.other, context)
            body_class(journey.spot.where if journey.spot is not None else Where.OVERVIEW)
            return prepare(loaded, height, journey, before, context.cancelled), journey
        except BaseException:
            loaded.close()
            raise

    def _show(self, prepared: Prepared, journey: Journey, notice: SafeText) -> None:
        from kho_tui.views.tui.state_screen import StateScreen

        old, screen = self._shown, StateScreen(prepared, journey, notice)
        self._shown = screen
        self._shown_link = None if self._chain is None else self._chain.here
        self._read_at = strftime("%H:%M:%S")
        self._is_behind = False
        if old is not None and isinstance(self.screen, LoadingScreen):
            self.pop_screen()
        self.switch_screen(screen)
        self._spare_garbage(is_first=old is None)
        if old is not None:
            old.loaded.close()

    def _spare_garbage(self, *, is_first: bool) -> None:
        """Look for garbage now where there may be much, so that no key has to wait for it: a state lives as long as it is shown."""
        if not is_first:
            gc.unfreeze()
            gc.collect()
        gc.freeze()
        gc.set_threshold(*_GARBAGE)

    def _import_the_rest(self) -> None:
        from kho_tui.views.tui.bodies import import_bodies

        Thread(target=import_bodies, daemon=True).start()

    @on(Finished)
    def _finished(self, message: Finished) -> None:
        message.deliver()

    # Simulating

    @property
    def _is_simulated(self) -> bool:
        """Whether the state that is shown, or loaded, is none that was opened."""
        return self._chain is not None and self._chain.at > 0

    def simulate(self) -> None:
        """Open the simulator on the state that is shown."""
        from kho_tui.views.tui.simulator_screen import SimulatorScreen

        if self._shown is None:
            return

        def done(at: int | None) -> None:
            if at is not None:
                self._switch(at)

        self.push_screen(SimulatorScreen(self._begin_chain(), self._shown.loaded), done)

    def show_prediction(self, told: Simulated, other: str) -> None:
        """Show what a kexec of the state that is shown gave, compared with the state at ``other``; ``<`` leads back."""
        from kho_tui.views.tui.navigate import ListSpot, Where
        from kho_tui.views.tui.travel import Journey

        if self._shown is None or self._shown.loaded.simulator is None:
            return
        chain = self._begin_chain()
        chain.at = chain.grow(chain.at, told, self._shown.loaded.simulator)
        self.load(Journey(spot=ListSpot(Where.DIFF), base=self._shown.base, other=other))

    def _begin_chain(self) -> Chain:
        """The chain that what is shown is a state of."""
        from kho_tui.views.tui.simulator_chain import Chain

        if self._chain is None:
            self._chain = Chain(self._opened, self._opening)
            self._shown_link = self._chain.here
        return self._chain

    def show_root(self, address: int) -> None:
        """Show the same path again with the root FDT at an address."""
        if self._shown is None or self._shown.loaded.with_root is None:
            return
        read = self._shown.loaded.with_root
        self._opening, self._chain = (lambda context: read(address, context)), None
        self.load(self._shown.journey_elsewhere)

    def step_chain(self, direction: int) -> None:
        """Show the state before or behind this one."""
        chain = self._chain
        if chain is None or len(chain.links) == 1:
            self._tell_once("there is only this state: s simulates a kexec")
        elif 0 <= chain.at + direction < len(chain.links):
            self._switch(chain.at + direction)
        else:
            self._tell_once("this is what was opened" if direction < 0 else "nothing comes after this state")

    def _switch(self, at: int) -> None:
        """Show another state of the chain, in the place that is shown now."""
        if self._chain is None or self._shown is None:
            return
        self._chain.at = at
        written = self._chain.here.written
        if self._chain.here is not self._shown_link or (written and written != self._shown.loaded.path):
            self.load(self._shown.journey_elsewhere)

    def _tell_once(self, text: str) -> None:
        if self._shown is not None:
            self._shown.bottom.say(text)

    # Watching

    def _poll(self) -> None:
        """Wait for a change in a thread, then read the state again."""
        watch, context = self._watch, self._action
        if watch is None or self._is_simulated:
            return

        def wait() -> bool:
            self._leaving.wait(watch.seconds)
            return not context.cancelled.is_set() and watch.changed()

        def done(is_changed: bool) -> None:
            if self._action is not context:
                return
            self._is_behind |= is_changed
            if self._is_behind and self._may_replace(self._shown):
                self._read_again(self._shown)
            else:
                self._poll()

        def failed(_error: BaseException, text: SafeText) -> None:
            if self._action is context:
                self._tell(SafeText(f"cannot be watched: {text}"))
                self._poll()

        run_beside(self, wait, done, failed)

    def _may_replace(self, shown: StateScreen | None) -> TypeGuard[StateScreen]:
        """False while something is open over the state, or typed: that is not taken away."""
        return shown is not None and self.screen is shown and not shown.bottom.is_asking

    def _read_again(self, shown: StateScreen) -> None:
        """Load beside the screen; what cannot be read leaves the state as it is shown."""
        context = self._new_action(ProgressReport())
        journey, height, since = shown.journey, self.size.height, self._read_at

        def done(result: tuple[Prepared, Journey]) -> None:
            prepared, _ = result
            if self._action is context and self._may_replace(shown):
                self._show(prepared, shown.journey, SafeText(f"{prepared.changes} since {since}"))
            else:
                prepared.loaded.close()
            if self._action is context:
                self._poll()

        def failed(_error: BaseException, text: SafeText) -> None:
            if self._action is context:
                self._tell(SafeText(f"cannot be read now, shown as of {since}: {text}"))
                self._poll()

        run_beside(self, lambda: self._read(context, height, journey, shown.prepared), done, failed)

    def _tell(self, text: SafeText) -> None:
        if self._shown is not None:
            self._shown.bottom.notify_of(text)

    # Leaving

    def action_cancel_load(self) -> None:
        """Ask the loader to stop; after it has, go back to the state shown before, if any."""
        if self._problem is None:
            self._action.cancelled.set()
        elif self._shown is not None:
            self._problem = None
            self.pop_screen()
            self._action = Context()
            if self._chain is not None and self._shown_link in self._chain.links:
                self._chain.at = self._chain.links.index(self._shown_link)
            self._poll()

    def action_reload(self) -> None:
        """Try to load again."""
        if self._problem is not None:
            self.load(self._shown.journey if self._shown is not None else None)

    def action_leave(self) -> None:
        """Quit; a state that could not be loaded makes the exit code."""
        self._end(self._problem or 0)

    def action_interrupt(self) -> None:
        """Quit as Ctrl-C does."""
        self._end(_INTERRUPTED)

    def _end(self, code: int) -> None:
        self._action.cancelled.set()
        self._leaving.set()
        self.exit(return_code=code)

    async def on_event(self, event: events.Event) -> None:
        """Whoever has quit means nothing by the keys that came with it."""
        if not (self._leaving.is_set() and isinstance(event, events.InputEvent)):
            await super().on_event(event)

    def close_state(self) -> None:
        """Nobody looks at the state any more."""
        if self._shown is not None:
            self._shown.loaded.close()

    def _handle_exception(self, error: Exception) -> None:
        # Textual would print a traceback with the values of all local variables: captured data, to the terminal.
        if self.is_headless:
            super()._handle_exception(error)
            return
        self.fault = explain(error)
        self.exit(return_code=KhoError.exit_code)


def run(load: Loader, title: SafeText, *, ascii: bool = False, watch: Watch | None = None, other: str = "") -> int:
    """Show what ``load`` gives until the user leaves; the exit code."""
    config, trouble = load_config(os.environ)
    for name in ("COLUMNS", "LINES"):
        # Textual believes them rather than the terminal: where a shell exports them, a resized window would be drawn at its old size.
        os.environ.pop(name, None)
    app = KhoApp(load, title, config, note=trouble, ascii=ascii, watch=watch, other=other)
    app.run()
    app.close_state()
    if app.fault is not None:
        print(f"kho-tui: {app.fault}", file=sys.stderr)
        return KhoError.exit_code
    return app.return_code or 0
