"""Doing something once a widget has its new size."""

from __future__ import annotations

from collections.abc import Callable

from textual.widget import Widget


def after_layout(widget: Widget, then: Callable[[], object]) -> None:
    """Call ``then`` when the widget's own screen has been drawn anew; never where that screen is shown no more.

    Textual's ``call_after_refresh`` leaves it to whatever screen is on top by then: under a palette it is lost when that closes, and after
    a reload it speaks to widgets that are gone.
    """

    def is_wanted() -> bool:
        return widget.is_attached and widget.screen in widget.app.screen_stack

    def run() -> None:
        if is_wanted():
            then()

    def ask() -> None:
        if is_wanted():
            widget.screen._invoke_later(run, widget)

    # Through the widget's own queue: what waits there may change sizes too.
    widget.call_later(ask)
