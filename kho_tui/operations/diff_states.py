"""Compare two opened states: as two ends of one handover where evidence shows that, else as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kho_tui.analysis.diff.declared import with_declared
from kho_tui.analysis.diff.evidence import handover_evidence
from kho_tui.analysis.diff.fates import handover_fates
from kho_tui.analysis.diff.log import read_log
from kho_tui.analysis.diff.origins import origins
from kho_tui.analysis.diff.states import diff_states as diff_plain
from kho_tui.analysis.diff.verdict import diff_verdict, fates_verdict, untold_count
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.model.change import Diff, Evidence, Fate, HandoverFates
from kho_tui.model.state import State
from kho_tui.model.tracker import PreservedMap
from kho_tui.text import SafeText

View = Literal["auto", "plain", "handover"]
VIEWS: tuple[View, ...] = ("auto", "plain", "handover")

SAME, DIFFERENT, NOT_TOLD = 0, 1, 2


@dataclass(frozen=True, slots=True)
class NotOne:
    """Why two states are not shown to be one handover; ``told``: whether it is certain that they are none."""

    told: bool
    why: SafeText

    @property
    def text(self) -> SafeText:
        """It as a clause."""
        return SafeText(f"{'not one handover' if self.told else 'cannot tell whether one handover'}: {self.why}")


@dataclass(frozen=True, eq=False, kw_only=True)
class Compared:
    """Two states compared. ``fates`` where it is taken as one handover, ``diff`` where not, or where B shows what came after it.

    ``not_one`` goes with the ``evidence`` that was looked at; None where it is one handover or where nobody asked.
    ``origins``: which copy was compared, where a state holds two that differ.
    """

    old: State
    new: State
    diff: Diff | None
    fates: HandoverFates | None
    not_one: NotOne | None
    evidence: tuple[Evidence, ...]
    origins: tuple[SafeText, ...]

    @property
    def verdict(self) -> SafeText:
        """The first line."""
        if self.fates is not None:
            return fates_verdict(self.fates, self.new.registry.releases.of(self.new.machine.release))
        assert self.diff is not None
        said = diff_verdict(self.diff)
        return said if self.not_one is None else SafeText(f"{said}; {self.not_one.text}")

    def exit_code(self, *, strict: bool) -> int:
        """0 the same, as predicted or no loss, 1 different or a loss, 2 (``strict``) where something cannot be told."""
        bad = bool(self.fates.of(Fate.LOST)) if self.fates is not None else self.diff is not None and not self.diff.as_predicted
        if bad:
            return DIFFERENT
        return NOT_TOLD if strict and untold_count(self.diff, self.fates) else SAME


def diff_states(old: State, new: State, view: View, context: Context) -> Compared:
    """``old`` is A, ``new`` is B. Raises InputError where they cannot be compared, or not as the handover that was asked for; Cancelled."""
    if view == "plain":
        return _compared_plainly(old, new, None, (), context)
    log = read_log(new.log)
    one = handover_evidence(old, new, log)
    if one.shown:
        fates = handover_fates(old, new, one, log, context)
        after = _after(old, new, context)
        ends = [(one.before.name, one.after.name)] if one.before is not None and one.after is not None else []
        told = origins(old, new, [*ends, *(() if after is None else after.sides)])
        return Compared(old=old, new=new, diff=after, fates=fates, not_one=None, evidence=one.evidence, origins=told)
    not_one = NotOne(one.shown is False, one.why)
    if view == "handover":
        raise InputError(not_one.text)
    return _compared_plainly(old, new, not_one, one.evidence, context)


def _compared_plainly(old: State, new: State, not_one: NotOne | None, evidence: tuple[Evidence, ...], context: Context) -> Compared:
    diff = _plain(old, new, context)
    return Compared(old=old, new=new, diff=diff, fates=None, not_one=not_one, evidence=evidence, origins=origins(old, new, diff.sides))


def _plain(old: State, new: State, context: Context) -> Diff:
    return with_declared(diff_plain(old, new, context), old, new)


def _after(old: State, new: State, context: Context) -> Diff | None:
    """What the next kernel hands on against what it was handed, where B tells all of it: B is then the state before a further kexec."""
    onward = new.sides.get("out")
    if onward is None or "out" not in old.sides or not isinstance(onward.preserved, PreservedMap) or "in" not in new.sides:
        return None
    return diff_plain(old.only("out"), new.only("out"), context)
