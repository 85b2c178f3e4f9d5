"""The list of kernels that could be booted on a state, with what each would make of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kho_tui.text import visible
from kho_tui.views.reception import outcome_name, why
from kho_tui.views.tui.check_rows import outcome_role
from kho_tui.views.tui.lines import Line, Role, pad, spans
from kho_tui.views.tui.table_view import TableView

if TYPE_CHECKING:
    from kho_tui.operations.held_state import Prospect

_MOST_NAME = 20


class KernelsView(TableView):
    """Kernel, outcome, why."""

    def __init__(self, *, id: str) -> None:
        super().__init__("kexec into", id=id)
        self.prospects: Sequence[Prospect] = ()

    def offer(self, prospects: Sequence[Prospect], selected: str | None) -> None:
        """Show these; the cursor goes to ``selected``, else to the kernel that runs, else to the newest."""
        self.prospects = prospects
        names = [one.name for one in prospects]
        running = next((row for row, one in enumerate(prospects) if one.running), len(prospects) - 1)
        self.rows_changed(names.index(selected) if selected in names else running)

    @property
    def chosen(self) -> Prospect | None:
        """The one at the cursor."""
        return self.prospects[self.cursor] if self.prospects else None

    def row_count(self) -> int:
        """Kernels."""
        return len(self.prospects)

    def lines(self, start: int, count: int, width: int) -> list[Line]:
        """A line a kernel."""
        name = min(max((len(_name(one)) for one in self.prospects), default=0), _MOST_NAME)
        outcome = max((len(outcome_name(one.reception.outcome)) for one in self.prospects), default=0)
        return [
            spans(
                (f" {pad(_name(one), name)}  ", Role.NAME),
                (pad(outcome_name(one.reception.outcome), outcome) + "  ", outcome_role(one.reception.outcome, Role.NUMBER)),
                (why(one.reception), Role.TEXT),
            )
            for one in self.prospects[start : start + count]
        ]


def _name(one: Prospect) -> str:
    return visible(one.name) + (" (runs)" if one.running else " (inferred)" if one.reception.target.release.inferred else "")
