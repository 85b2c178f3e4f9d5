"""Check an opened state: is it sound? One side, with the state after the kexec where it is at hand."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.registry import codes_of
from kho_tui.analysis.checks.report import Report, check
from kho_tui.analysis.diff.evidence import handover_evidence
from kho_tui.analysis.diff.log import read_log
from kho_tui.analysis.memory_map import memory_map
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.model.sides import side_meant
from kho_tui.model.state import Side, State
from kho_tui.operations.open_state import Opened
from kho_tui.text import NO_TEXT, SafeText, visible

NOTHING_WRONG, ERRORS, NOT_CHECKED = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Checked:
    """A state with its report. ``after``: what was compared with it; ``not_after``: why that is not the state after this kexec."""

    state: State
    report: Report
    after: State | None
    not_after: SafeText = NO_TEXT

    def exit_code(self, *, strict: bool) -> int:
        """0 nothing wrong found, 1 errors, 2 could not check.

        That is: something of the side was not read, whole or in part, or ``after`` is of another kexec; with ``strict`` also that a rule
        of severity error cannot be told.
        """
        if self.report.broken["error"]:
            return ERRORS
        if not self.report.told or self.report.unread or self.not_after or (strict and not self.report.sound_for_certain):
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
    known = codes_of(opened.state.registry)
    for code in (*only, *skip):
        if code not in known:
            raise InputError(f"there is no code {visible(code[:40])}: see kho-tui check --list")
    state = opened.state
    chosen = _side(state, side)
    not_after = NO_TEXT if after is None else _not_after(state, after)
    evidence = Evidence(
        state=state,
        side=chosen,
        memory=memory_map(state, chosen, context),
        held=opened.memory,
        context=context,
        after=after,
        not_after=not_after,
    )
    return Checked(state, check(evidence, only=only, skip=skip), after, not_after)


def _not_after(state: State, after: State) -> SafeText:
    """Why ``after`` cannot be the state of the kernel that took over; empty where nothing speaks against it."""
    here, there = state.machine, after.machine
    if here.arch is not None and there.arch is not None and here.arch != there.arch:
        return SafeText(f"{there.path} is of {there.arch}, {here.path} of {here.arch}")
    one = handover_evidence(state, after, read_log(after.log))
    why = one.why if one.contradicted else "two states of one boot, whose log they share" if _times(state) & _times(after) else ""
    return SafeText(f"{there.path} is not the state after this kexec: {why}") if why else NO_TEXT


def _times(state: State) -> set[tuple[str | None, bytes]]:
    """Lines of the kernel log with their time since boot, which tells one boot from another once the clock runs."""
    return {(line.time, line.text) for line in state.log if line.time is not None and line.time.strip("0.")}


def _side(state: State, name: str | None) -> Side:
    if name is not None and name not in state.sides:
        raise InputError(f"{state.machine.path} has no side {name!r}; there is: {', '.join(state.sides) or 'none'}")
    return side_meant(state) if name is None else state.sides[name]
