"""Work beside the screen.

Plain daemon threads and not Textual's thread workers: those live in an executor that Python waits for at exit, so a read
that hangs (a dead network file system) would keep the terminal after ``q``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from threading import Thread
from typing import TypeVar

from textual.message import Message
from textual.message_pump import MessagePump

from kho_tui.text import SafeText
from kho_tui.views.tui.reading import explain

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
) -> None:
    """Run ``work`` in a thread, then ``done`` or ``failed`` on the app's own thread (``pump`` handles Finished)."""

    def body() -> None:
        try:
            result = work()
        except BaseException as error:  # whatever it is, the screen has to learn of it
            problem = error
            pump.post_message(Finished(lambda: failed(problem, explain(problem))))
        else:
            pump.post_message(Finished(lambda: done(result)))

    Thread(target=copy_context().run, args=(body,), daemon=True).start()
