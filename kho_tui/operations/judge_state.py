"""All that can be judged of an opened state without being asked for more: its rules, and what each release would do with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.report import Report, check
from kho_tui.analysis.compat import Compatibility
from kho_tui.analysis.memory_map import MemoryMap
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.model.sides import sides_meant
from kho_tui.operations.check_state import check_state
from kho_tui.operations.check_target import check_releases
from kho_tui.operations.open_state import Opened
from kho_tui.text import NO_TEXT, SafeText, visible


@dataclass(frozen=True, eq=False)
class Judged:
    """The report on the side that counts, and the answer of each release, oldest first.

    ``not_asked``: why there is no answer of any release, empty where there are answers.
    """

    report: Report
    releases: tuple[Compatibility, ...]
    not_asked: SafeText


def judge_state(opened: Opened, map_of: Callable[[str, Context], MemoryMap], context: Context) -> Judged:
    """Ask all rules of out, else unsided, else in; then what each release would do with what would be handed over. Raises Cancelled.

    ``map_of`` gives the memory map of a side, which whoever shows the state may have already.
    """
    state = opened.state
    name = next(iter(sides_meant(state)), None)
    if name is None:
        report = check_state(opened, context).report
    else:
        report = check(
            Evidence(state=state, side=state.sides[name], memory=map_of(name, context), held=opened.memory, context=context, after=None)
        )
    context.step("asking every release")
    try:
        return Judged(report, check_releases(opened, context), NO_TEXT)
    except InputError as error:
        return Judged(report, (), visible(str(error)))
