"""The app: loads a state beside the screen, shows it, and says by its exit code how that went."""

from __future__ import annotations

import os
import sys

from textual import on
from textual.app import App

from kho_tui.context import Context
from kho_tui.errors import Cancelled, KhoError
from kho_tui.text import SafeText
from kho_tui.views.tui.background import Finished, run_beside
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.loaded import Loaded, Loader
from kho_tui.views.tui.loading import LoadingScreen, Progress
from kho_tui.views.tui.navigate import Spot
from kho_tui.views.tui.reading import explain
from kho_tui.views.tui.state_screen import StateScreen
from kho_tui.views.tui.theme import choose_look
from kho_tui.views.tui.tree_model import TreeModel

_INTERRUPTED = 130
_AROUND_TREE = 5
"""Lines of the screen that are not rows of the tree: title, verdict, the tree's own title, the last line."""


class KhoApp(App[None], inherit_bindings=False):
    """The inspector of one state."""

    TITLE = "kho-tui"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    ESCAPE_TO_MINIMIZE = False

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("ctrl+c", "interrupt", "quit at once", "app.interrupt"),
        key("ctrl+z", "suspend_process", "to the shell (fg returns)", "app.suspend"),
    ]

    def __init__(self, load: Loader, title: SafeText) -> None:
        self.look = choose_look(os.environ)
        # Given now: Textual picks its filter for NO_COLOR before a theme can be set.
        super().__init__(ansi_color=self.look.theme.ansi)
        self.animation_level = "none"
        self.fault: SafeText | None = None
        self._load = load
        self._opened = title
        self._action = Context()
        self._problem: int | None = None
        self._has_state = False

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our variables, needed before our theme is set."""
        return self.look.theme.variables

    def on_mount(self) -> None:
        """Begin to load."""
        self.register_theme(self.look.theme)
        self.theme = self.look.theme.name
        self.load(None)

    def load(self, start: Spot | None) -> None:
        """Load the state, then show it at ``start``."""
        self._action.cancelled.set()
        progress = Progress()
        context = Context(progress=progress.report)
        self._action = context
        self._problem = None
        screen = LoadingScreen(self._opened, context, progress)
        if isinstance(self.screen, LoadingScreen):
            self.switch_screen(screen)
        else:
            self.push_screen(screen)

        height = self.size.height - _AROUND_TREE

        def work() -> tuple[Loaded, TreeModel]:
            loaded = self._load(context)
            model = TreeModel(loaded.root)
            model.open_to_fit(height)
            return loaded, model

        def done(result: tuple[Loaded, TreeModel]) -> None:
            if self._action is context:
                self._show(StateScreen(*result, start))

        def failed(error: BaseException, text: SafeText) -> None:
            if self._action is context:
                cancelled = isinstance(error, Cancelled)
                self._problem = _INTERRUPTED if cancelled else error.exit_code if isinstance(error, KhoError) else KhoError.exit_code
                screen.fail(SafeText("Cancelled.") if cancelled else text)

        run_beside(self, work, done, failed)

    def _show(self, state: StateScreen) -> None:
        if self._has_state:
            self.pop_screen()
        self.switch_screen(state)
        self._has_state = True

    @on(Finished)
    def _finished(self, message: Finished) -> None:
        message.deliver()

    def action_cancel_load(self) -> None:
        """Ask the loader to stop; after it has, go back to the state shown before, if any."""
        if self._problem is None:
            self._action.cancelled.set()
        elif self._has_state:
            self._problem = None
            self.pop_screen()

    def action_reload(self) -> None:
        """Try to load again."""
        if self._problem is not None:
            self.load(None)

    def action_leave(self) -> None:
        """Quit; a state that could not be loaded makes the exit code."""
        self._action.cancelled.set()
        self.exit(return_code=self._problem or 0)

    def action_interrupt(self) -> None:
        """Quit as Ctrl-C does."""
        self._action.cancelled.set()
        self.exit(return_code=_INTERRUPTED)

    def _handle_exception(self, error: Exception) -> None:
        # Textual would print a traceback with the values of all local variables: captured data, to the terminal.
        if self.is_headless:
            super()._handle_exception(error)
            return
        self.fault = explain(error)
        self.exit(return_code=KhoError.exit_code)


def run(load: Loader, title: SafeText) -> int:
    """Show what ``load`` gives until the user leaves; the exit code."""
    app = KhoApp(load, title)
    app.run()
    if app.fault is not None:
        print(f"kho-tui: {app.fault}", file=sys.stderr)
        return KhoError.exit_code
    return app.return_code or 0
