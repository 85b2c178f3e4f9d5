"""The lines at the top: what is open, and the verdict on it."""

from __future__ import annotations

from kho_tui.text import SafeText
from kho_tui.views.tui.lines import Role, fit_end, spans, wrap
from kho_tui.views.tui.paint import Panel, look_of

_NAME = " kho-tui  "
_VERDICT_LINES = 2


class Top(Panel):
    """The path, of which the end matters, and at most two lines of verdict."""

    def __init__(self, title: SafeText, verdict: SafeText, *, id: str) -> None:
        super().__init__(id=id)
        self._title = title
        self._verdict = verdict

    def tell(self, verdict: SafeText) -> None:
        """Say something else below the title."""
        self._verdict = verdict
        self.on_resize()

    def on_resize(self) -> None:
        """Break the lines anew."""
        width = self.size.width
        ellipsis = look_of(self).glyphs.ellipsis
        title = fit_end(self._title, width - len(_NAME) - 1, ellipsis)
        verdict = wrap(self._verdict, width - 2, _VERDICT_LINES, Role.TEXT, ellipsis)
        self.show([spans((_NAME, Role.KEY), (title, Role.TITLE)), *((*spans((" ", Role.TEXT)), *line) for line in verdict)])
        self.styles.height = 1 + len(verdict)
