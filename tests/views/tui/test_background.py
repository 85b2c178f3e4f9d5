"""Work beside the screen: whose result is shown, and whose is forgotten."""

from __future__ import annotations

from queue import Queue
from threading import Event
from typing import cast

from textual.message_pump import MessagePump

from kho_tui.errors import Cancelled, InputError
from kho_tui.views.tui.background import Finished, Newest, Stoppable
from kho_tui.views.tui.lines import Role

_PATIENCE = 60


class Pump:
    """Keeps what threads tell until a test takes it."""

    def __init__(self) -> None:
        self._told: Queue[Finished] = Queue()

    def post_message(self, message: Finished) -> bool:
        self._told.put(message)
        return True

    def deliver(self) -> None:
        """Hand over the result of the next work that ended."""
        self._told.get(timeout=_PATIENCE).deliver()

    @property
    def as_pump(self) -> MessagePump:
        return cast(MessagePump, self)


class Line:
    """Remembers what was said last."""

    def __init__(self) -> None:
        self.text = ""

    def say(self, text: str, role: Role) -> None:
        self.text = text

    def clear(self) -> None:
        self.text = ""


def broken() -> str:
    raise InputError("broken")


def test_only_the_newest_of_many_requests_is_shown_and_those_between_are_never_begun() -> None:
    pump, shown, begun = Pump(), list[str](), list[str]()
    newest = Newest(pump.as_pump)

    def work(name: str) -> str:
        begun.append(name)
        return name

    for name in ("first", "second", "third"):
        newest.run(lambda name=name: work(name), shown.append, shown.append)  # type: ignore[misc]
    pump.deliver()
    assert shown == [] and newest.is_running
    pump.deliver()
    assert shown == ["third"] and begun == ["first", "third"] and not newest.is_running


def test_an_older_request_that_fails_says_nothing() -> None:
    pump, shown, said = Pump(), list[str](), list[str]()
    newest = Newest(pump.as_pump)
    newest.run(broken, shown.append, said.append)
    newest.run(lambda: "new", shown.append, said.append)
    pump.deliver()
    pump.deliver()
    assert shown == ["new"] and said == []
    newest.run(broken, shown.append, said.append)
    pump.deliver()
    assert said == ["broken"] and not newest.is_running


def test_the_next_walk_stops_the_one_before_whose_end_is_not_told() -> None:
    pump, line, shown = Pump(), Line(), list[str]()
    walks = Stoppable(pump.as_pump)
    stops: list[Event] = []

    def walk(stop: Event) -> str:
        stops.append(stop)
        stop.wait(_PATIENCE)
        return "older"

    walks.run("walking", walk, shown.append, line)
    assert line.text == "walking (Esc stops)" and walks.is_running
    walks.run("again", lambda _stop: "newer", shown.append, line)
    pump.deliver()
    pump.deliver()
    assert shown == ["newer"] and line.text == "" and not walks.is_running and stops[0].is_set()


def test_what_goes_wrong_in_a_walk_is_told_unless_it_is_forgotten() -> None:
    pump, line = Pump(), Line()
    walks = Stoppable(pump.as_pump)
    walks.run("walking", lambda _stop: broken(), lambda _result: None, line)
    pump.deliver()
    assert line.text == "broken" and not walks.is_running
    walks.run("walking", lambda _stop: broken(), lambda _result: None, line)
    walks.stop()
    line.say("stopped", Role.DIM)
    pump.deliver()
    assert line.text == "stopped"


def test_a_walk_that_was_cancelled_leaves_no_words() -> None:
    def walk(_stop: Event) -> str:
        raise Cancelled("cancelled")

    pump, line = Pump(), Line()
    walks = Stoppable(pump.as_pump)
    walks.run("walking", walk, lambda _result: None, line)
    pump.deliver()
    assert line.text == "" and not walks.is_running


def test_what_ends_in_time_is_delivered_at_once_and_what_does_not_by_a_message() -> None:
    pump, shown, may_end = Pump(), list[str](), Event()
    patient = Newest(pump.as_pump, patience=_PATIENCE)
    patient.run(lambda: "soon", shown.append, shown.append)
    assert (shown, patient.is_running) == (["soon"], False)
    patient.run(broken, shown.append, shown.append)
    assert shown == ["soon", "broken"]

    def slow() -> str:
        may_end.wait(_PATIENCE)
        return "late"

    hasty = Newest(pump.as_pump, patience=0.001)
    hasty.run(slow, shown.append, shown.append)
    assert (shown, hasty.is_running) == (["soon", "broken"], True)
    may_end.set()
    pump.deliver()
    assert (shown, hasty.is_running) == (["soon", "broken", "late"], False)
