"""The answer to one check: it holds, it fails, or a fact is missing that it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.model.facts import Missing, Unavailable
from kho_tui.text import SafeText


@dataclass(frozen=True, slots=True)
class Holds:
    """Nothing wrong; ``met`` says what was seen. Captured text in it has gone through ``visible``, here as in ``Fails``."""

    met: str


@dataclass(frozen=True, slots=True)
class Fails:
    """Something wrong. ``outcome``: what it leads to, where that is not what the check says. ``warns``: the kernel prints a WARNING."""

    met: str
    outcome: Outcome | None = None
    warns: bool = False


Verdict: TypeAlias = Holds | Fails | Missing


def unknown(needs: str) -> Missing:
    """The answer of a check that lacks what ``needs`` names. Captured text in it has gone through ``visible``."""
    return Unavailable(SafeText(needs))
