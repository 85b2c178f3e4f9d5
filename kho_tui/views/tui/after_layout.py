"""What depends on the size of a widget: done once it has its new one, or with the one that it will have."""

from __future__ import annotations

from collections.abc import Callable

from textual.geometry import Size
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


def foresee(widget: Widget, size: Size) -> None:
    """Give a widget the size that the coming layout will give it, for whoever has to place something in it before.

    Then all of an answer is in one drawing. A size that turns out to be another comes with the Resize event as any does.
    """
    if widget.outer_size != size:
        widget._size_updated(size, size, widget.container_size, layout=False)
