"""Work beside the screen.

Plain daemon threads and not Textual's thread workers: those live in an executor that Python waits for at exit, so a read
that hangs (a dead network file system) would keep the terminal after ``q``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from threading import Event, Lock, Thread
from typing import Protocol, TypeVar

from textual.message import Message
from textual.message_pump import MessagePump

from kho_tui.errors import Cancelled
from kho_tui.text import SafeText
from kho_tui.views.tui.explain import explain
from kho_tui.views.tui.lines import Role

T = TypeVar("T")


class Finished(Message):
    """Background work came to its end; ``deliver`` hands over what it gave."""

    def __init__(self, deliver: Callable[[], None]) -> None:
        super().__init__()
        self.deliver = deliver


def run_beside(
    pump: MessagePump,
    work: Callable[[], T],
    done: Callable[[T], None],
    failed: Callable[[BaseException, SafeText], None],
    patience: float = 0.0,
) -> None:
    """Run ``work`` in a thread, then ``done`` or ``failed`` on the app's own thread (``pump`` handles Finished).

    Work that ends within ``patience`` seconds is waited for: what comes of it is in the same drawing as what asked for it.
    """
    ending = _Ending(pump, is_awaited=patience > 0)

    def body() -> None:
        try:
            result = work()
        except BaseException as error:  # whatever it is, the screen has to learn of it
            problem = error
            ending.give(lambda: failed(problem, explain(problem)))
        else:
            ending.give(lambda: done(result))

    Thread(target=copy_context().run, args=(body,), daemon=True).start()
    ending.take(patience)


class _Ending:
    """Hands over what a thread gave: to who waits for it, else by a message."""

    def __init__(self, pump: MessagePump, *, is_awaited: bool) -> None:
        self._pump = pump
        self._is_awaited = is_awaited
        self._deliver: Callable[[], None] | None = None
        self._given = Event()
        self._lock = Lock()

    def give(self, deliver: Callable[[], None]) -> None:
        """In the thread: it is at its end."""
        with self._lock:
            if self._is_awaited:
                self._deliver = deliver
                self._given.set()
                return
        self._pump.post_message(Finished(deliver))

    def take(self, patience: float) -> None:
        """Deliver now what was given in time; what comes later comes as a message."""
        if patience > 0:
            self._given.wait(patience)
        with self._lock:
            self._is_awaited = False
            deliver = self._deliver
        if deliver is not None:
            deliver()


class Newest:
    """Work that only the newest request of matters: while one runs, what is asked for meanwhile replaces what waits."""

    def __init__(self, pump: MessagePump, patience: float = 0.0) -> None:
        self._pump = pump
        self._patience = patience
        self._waiting: Callable[[], None] | None = None
        self.is_running = False

    def run(self, work: Callable[[], T], done: Callable[[T], None], failed: Callable[[SafeText], None]) -> None:
        """Run ``work``, then ``done`` unless something newer waits."""

        def start() -> None:
            self.is_running = True
            run_beside(self._pump, work, ended, lambda _error, text: self._end(lambda: failed(text)), self._patience)

        def ended(result: T) -> None:
            self._end(lambda: done(result))

        if self.is_running:
            self._waiting = start
        else:
            start()

    def _end(self, deliver: Callable[[], None]) -> None:
        newer, self._waiting = self._waiting, None
        if newer is not None:
            newer()
        else:
            self.is_running = False
            deliver()


class Teller(Protocol):
    """Where the user is told what runs."""

    def say(self, text: str, role: Role) -> None:
        """Tell."""

    def clear(self) -> None:
        """Nothing to tell any more."""


class Stoppable:
    """Walks over the whole state beside the screen, one at a time; the next one stops the one before it."""

    def __init__(self, pump: MessagePump) -> None:
        self._pump = pump
        self._stop: Event | None = None

    @property
    def is_running(self) -> bool:
        """True until the walk has ended or was stopped."""
        return self._stop is not None

    def stop(self) -> None:
        """Forget the walk that runs; its thread ends at its next look at the event."""
        if self._stop is not None:
            self._stop.set()
            self._stop = None

    def run(self, what: str, work: Callable[[Event], T], done: Callable[[T], None], teller: Teller) -> None:
        """Run ``work``, which stops with Cancelled when its event is set, then ``done``."""
        self.stop()
        stop = Event()
        self._stop = stop
        teller.say(f"{what} (Esc stops)", Role.DIM)

        def ended(result: T) -> None:
            if self._stop is stop:
                self._stop = None
                teller.clear()
                done(result)

        def failed(error: BaseException, text: SafeText) -> None:
            if self._stop is not stop:
                return
            self._stop = None
            if isinstance(error, Cancelled):
                teller.clear()
            else:
                teller.say(text, Role.BAD)

        run_beside(self._pump, lambda: work(stop), ended, failed)
