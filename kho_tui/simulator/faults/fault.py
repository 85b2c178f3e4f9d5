"""What a fault declares: the finding that must name it, and those that may come with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from kho_tui.abi.root import ROOT_FORMATS, Tracker
from kho_tui.simulator.faults.case import Case, DoesNotApply
from kho_tui.text import visible

Apply = Callable[[Case], None]
"""Breaks one thing. Raises DoesNotApply."""

CHUNKS = frozenset(name for name, form in ROOT_FORMATS.items() if form.tracker is Tracker.CHUNKS)
RADIX = frozenset(name for name, form in ROOT_FORMATS.items() if form.tracker is Tracker.RADIX)
SIZED = frozenset(name for name, form in ROOT_FORMATS.items() if form.has_size)
BEFORE_7_2 = CHUNKS | {b"kho-v3"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing broken on purpose.

    ``primary`` is the code of the finding that names it (docs/checks.md), ``also`` what may be found
    because of it. ``roots``: the versions of the root it can be applied to, empty for all. ``side``: ``out`` for a state about to be
    handed over; ``in`` for one that was taken over, where the fault shows against the state before it, or lies in what the boot was told.
    """

    name: str
    primary: str
    meaning: str
    apply: Apply
    also: frozenset[str] = frozenset()
    roots: frozenset[bytes] = frozenset()
    side: Literal["out", "in"] = "out"
    needs_before: bool = False
    """Only the state before the kexec shows it: ``check BEFORE --after THIS``."""


def fault(name: str, primary: str, meaning: str, apply: Apply, also: str = "", roots: frozenset[bytes] = frozenset()) -> Fault:
    """A fault of the outgoing side. ``also`` names codes by their numbers."""
    return Fault(name, primary, meaning, apply, _codes(also), roots)


def later_fault(name: str, primary: str, meaning: str, apply: Apply, also: str = "", *, before: bool = False) -> Fault:
    """A fault of a state that was taken over. ``before``: only against the state before it."""
    return Fault(name, primary, meaning, apply, _codes(also), side="in", needs_before=before)


def break_state(one: Fault, case: Case) -> None:
    """Apply a fault. Raises DoesNotApply that names what the state lacks, EncodeError."""
    if one.roots and case.root.compatible not in one.roots:
        said = visible(case.root.compatible or b"")
        raise DoesNotApply(f"the root is {said}; this fault is one of {', '.join(sorted(visible(name) for name in one.roots))}")
    one.apply(case)
    case.finish()


def _codes(numbers: str) -> frozenset[str]:
    return frozenset(f"KHO{int(number):03d}" for number in numbers.split())
