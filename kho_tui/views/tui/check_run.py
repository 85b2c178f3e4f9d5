"""The check of the state that is shown: made once, beside the screen, when a place first asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.message_pump import MessagePump

from kho_tui.context import Context
from kho_tui.errors import Cancelled
from kho_tui.text import NO_TEXT, SafeText
from kho_tui.views.progress import ProgressReport
from kho_tui.views.tui.background import Finished, run_beside

if TYPE_CHECKING:
    from kho_tui.operations.judge_state import Judged

_STOPPED = SafeText("not checked: stopped (r reads and checks again)")


class Checking:
    """``judged`` is what came of it, None before, and where ``trouble`` says why there is nothing. Used from the app's own thread."""

    def __init__(self, make: Callable[[Context], Judged] | None = None) -> None:
        self._make = make
        self._progress = ProgressReport("checking")
        self._context = Context(progress=self._progress.report)
        self._listeners: list[tuple[MessagePump, Callable[[], None]]] = []
        self._started = False
        self.judged: Judged | None = None
        self.trouble = NO_TEXT if make is not None else SafeText("not checked")

    @property
    def is_running(self) -> bool:
        """True until it has ended or was stopped."""
        return self._started and self.judged is None and not self.trouble

    @property
    def said(self) -> SafeText:
        """How far it is, or why it came to nothing."""
        amount = f" ({self._progress.amount})" if self._progress.amount else ""
        return self.trouble or SafeText(f"{self._progress.what}{amount} ...")

    def ask(self, pump: MessagePump, told: Callable[[], None]) -> None:
        """Call ``told`` when it has ended, through ``pump`` (which handles Finished, or one above it does); at once where it has."""
        make = self._make
        if make is None or self.judged is not None or self.trouble:
            told()
            return
        self._listeners.append((pump, told))
        if not self._started:
            self._started = True
            run_beside(pump, lambda: make(self._context), lambda judged: self._end(judged, NO_TEXT), self._failed)

    def stop(self) -> bool:
        """Forget it; its thread ends at its next step. False where nothing ran."""
        self._context.cancelled.set()
        if not self.is_running:
            return False
        self._end(None, _STOPPED)
        return True

    def _failed(self, error: BaseException, text: SafeText) -> None:
        self._end(None, _STOPPED if isinstance(error, Cancelled) else SafeText(f"not checked: {text}"))

    def _end(self, judged: Judged | None, trouble: SafeText) -> None:
        if not self.is_running:
            return
        self.judged, self.trouble = judged, trouble
        listeners, self._listeners = self._listeners, []
        for pump, told in listeners:
            pump.post_message(Finished(told))
