"""Check an opened state: is it sound? One side, with the state after the kexec where it is at hand."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.registry import EVERY_CODE
from kho_tui.analysis.checks.report import Report, check
from kho_tui.analysis.memory_map import memory_map
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.model.sides import side_meant
from kho_tui.model.state import Side, State
from kho_tui.operations.open_state import Opened
from kho_tui.text import visible

NOTHING_WRONG, ERRORS, NOT_CHECKED = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Checked:
    """A state with its report. ``after``: what was compared with it."""

    state: State
    report: Report
    after: State | None

    def exit_code(self, *, strict: bool) -> int:
        """0 nothing wrong found, 1 errors, 2 could not check; ``strict``: also 2 where a rule of severity error cannot be told."""
        if self.report.broken["error"]:
            return ERRORS
        if not self.report.told or (strict and not self.report.sound_for_certain):
            return NOT_CHECKED
        return NOTHING_WRONG


def check_state(
    opened: Opened,
    context: Context,
    *,
    side: str | None = None,
    after: State | None = None,
    only: Collection[str] = (),
    skip: Collection[str] = (),
) -> Checked:
    """Ask the rules of one side: the one named, else out, unsided, in. Raises InputError for a side or code that is none, and Cancelled."""
    for code in (*only, *skip):
        if code not in EVERY_CODE:
            raise InputError(f"there is no code {visible(code[:40])}: see kho-tui check --list")
    state = opened.state
    chosen = _side(state, side)
    evidence = Evidence(state, chosen, memory_map(state, chosen, context), opened.memory, context, after)
    return Checked(state, check(evidence, only=only, skip=skip), after)


def _side(state: State, name: str | None) -> Side:
    if name is not None and name not in state.sides:
        raise InputError(f"{state.machine.path} has no side {name!r}; there is: {', '.join(state.sides) or 'none'}")
    return side_meant(state) if name is None else state.sides[name]
