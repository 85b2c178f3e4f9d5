"""What a fault declares: the finding that must name it, and those that may come with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from kho_tui.abi.root import RootFormat, Tracker
from kho_tui.model.registry import Registry
from kho_tui.releases.ranges import Range
from kho_tui.simulator.faults.case import Case, DoesNotApply
from kho_tui.text import visible

Apply = Callable[[Case], None]
"""Breaks one thing. Raises DoesNotApply."""

Needs = Callable[[RootFormat, Registry], bool]
"""Whether a fault can be applied under a version of the root."""


def has_chunks(form: RootFormat, _known: Registry) -> bool:
    """Its tracker is a chunk list."""
    return form.tracker is Tracker.CHUNKS


def has_radix(form: RootFormat, _known: Registry) -> bool:
    """Its tracker is a radix tree."""
    return form.tracker is Tracker.RADIX


def has_size(form: RootFormat, _known: Registry) -> bool:
    """It says how large a blob is."""
    return form.size is not None


def written_in(releases: Range) -> Needs:
    """A release of the range writes it."""

    def needs(form: RootFormat, known: Registry) -> bool:
        return any(releases.covers(release.version) and known.roots.written_by(release) is form for release in known.releases)

    return needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing broken on purpose.

    ``primary`` is the code of the finding that names it (docs/checks.md), ``also`` what may be found
    because of it. ``needs``: under which versions of the root it can be applied, None: all. ``side``: ``out`` for a state about to be
    handed over; ``in`` for one that was taken over, where the fault shows against the state before it, or lies in what the boot was told.
    """

    name: str
    primary: str
    meaning: str
    apply: Apply
    also: frozenset[str] = frozenset()
    needs: Needs | None = None
    side: Literal["out", "in"] = "out"
    needs_before: bool = False
    """Only the state before the kexec shows it: ``check BEFORE --after THIS``."""

    def roots(self, known: Registry) -> frozenset[bytes]:
        """The versions of the root that it is bound to; empty for all."""
        return frozenset() if self.needs is None else frozenset(form.compatible for form in known.roots if self.needs(form, known))


def fault(name: str, primary: str, meaning: str, apply: Apply, also: str = "", needs: Needs | None = None) -> Fault:
    """A fault of the outgoing side. ``also`` names codes by their numbers."""
    return Fault(name=name, primary=primary, meaning=meaning, apply=apply, also=_codes(also), needs=needs)


def later_fault(name: str, primary: str, meaning: str, apply: Apply, also: str = "", *, before: bool = False) -> Fault:
    """A fault of a state that was taken over. ``before``: only against the state before it."""
    return Fault(name=name, primary=primary, meaning=meaning, apply=apply, also=_codes(also), side="in", needs_before=before)


def break_state(one: Fault, case: Case) -> None:
    """Apply a fault. Raises DoesNotApply that names what the state lacks, EncodeError."""
    roots = one.roots(case.state.registry)
    if roots and case.root.compatible not in roots:
        said = visible(case.root.compatible or b"")
        raise DoesNotApply(f"the root is {said}; this fault is one of {', '.join(sorted(visible(name) for name in roots))}")
    one.apply(case)
    case.finish()


def _codes(numbers: str) -> frozenset[str]:
    return frozenset(f"KHO{int(number):03d}" for number in numbers.split())
