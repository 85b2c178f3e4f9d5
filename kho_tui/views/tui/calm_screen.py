"""A screen that draws when what a key set off has come to rest."""

from __future__ import annotations

from textual.screen import Screen

_MOST = 20
"""Times that a drawing is put off, each by one turn of the message loop: what never rests is drawn all the same."""


class CalmScreen(Screen[None], inherit_bindings=False):
    """Textual draws as soon as any widget asks for it. A key in the tree would be two or three drawings: of the row, of its detail.

    Each costs as much as all of them together, so a drawing waits while messages wait in the widgets of the screen.
    """

    def __init__(self) -> None:
        super().__init__()
        self._put_off = 0

    @property
    def _is_calm(self) -> bool:
        return not self.message_queue_size and not any(widget.message_queue_size for widget in self.walk_children())

    def _on_timer_update(self) -> None:
        if self._put_off < _MOST and not self._is_calm and self.is_current:
            self._put_off += 1
            self._update_timer.pause()
            self.call_later(self._on_timer_update)
            return
        self._put_off = 0
        super()._on_timer_update()
