"""What a rule meets, and what it can answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from kho_tui.model.facts import Missing
from kho_tui.model.finding import WORST_FIRST, Severity
from kho_tui.model.path import EntityPath
from kho_tui.text import NO_TEXT, SafeText

T = TypeVar("T")

NAMED = 5
"""Cases of one broken rule that are named; the rest is counted."""
TRACKER = "tracker"
SCRATCH = "scratch table"
SUBTREES = "list of subtrees"
SESSIONS = "LUO sessions"
FLBS = "FLBs"
AFTER = "state after the kexec"
"""Names of inputs that several rules lack."""


class Answer(Enum):
    """What came of a rule. The value is the word shown and used in JSON."""

    HOLDS = "holds"
    BROKEN = "broken"
    CANNOT_TELL = "cannot tell"
    NOT_ASKED = "not asked"
    """The state has nothing that the rule speaks of, or the question was not put (no --after)."""


@dataclass(frozen=True, slots=True)
class Case:
    """One place where a rule is broken. ``where`` leads to the entity, ``address`` to the bytes."""

    message: SafeText
    where: EntityPath
    address: int | None = None


@dataclass(frozen=True, slots=True)
class Lack:
    """An input that a rule needs and does not have: its name, and why."""

    name: str
    reason: SafeText


@dataclass(slots=True, kw_only=True)
class Found:
    """What a rule has met so far. Messages are ours; captured text in them has gone through ``visible``."""

    cases: list[Case] = field(default_factory=list)
    count: int = 0
    worst: Severity | None = None
    """The severity that the cases ask for, where it is not the rule's own."""
    own: bool = False
    """Whether some case has the rule's own severity."""
    consequences: set[str | None] = field(default_factory=set)
    """Of the cases; None: the rule's own."""
    lacks: dict[Lack, None] = field(default_factory=dict)
    nothing: SafeText = NO_TEXT

    def broken(
        self,
        message: str,
        where: EntityPath,
        address: int | None = None,
        *,
        severity: Severity | None = None,
        consequence: str | None = None,
    ) -> None:
        """A case; ``severity`` and ``consequence`` where they are not the rule's own."""
        self.count += 1
        self.consequences.add(consequence)
        if len(self.cases) < NAMED:
            self.cases.append(Case(SafeText(message), where, address))
        self._weigh(severity)

    def _weigh(self, severity: Severity | None) -> None:
        if severity is None:
            self.own = True
        elif self.worst is None or WORST_FIRST.index(severity) < WORST_FIRST.index(self.worst):
            self.worst = severity

    def broken_rows(
        self,
        rows: Iterable[int],
        total: int,
        case: Callable[[int], Case],
        *,
        severity: Severity | None = None,
        consequence: str | None = None,
    ) -> None:
        """``total`` cases of one kind, of which the first few of ``rows`` are named. Nothing is done for the others."""
        if not total:
            return
        self._weigh(severity)
        self.consequences.add(consequence)
        self.count += total
        for row, _ in zip(rows, range(NAMED - len(self.cases)), strict=False):
            self.cases.append(case(row))

    def lack(self, name: str, reason: str) -> None:
        """An input that is not there."""
        self.lacks[Lack(name, SafeText(reason))] = None

    def need(self, fact: T | Missing, name: str) -> T | None:
        """The value of a fact; where it is none, that is noted as a lack."""
        if isinstance(fact, Missing):
            self.lack(name, fact.reason)
            return None
        return fact

    def not_here(self, reason: str) -> None:
        """The state has nothing that the rule speaks of."""
        self.nothing = SafeText(reason)
