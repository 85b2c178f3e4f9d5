"""What a booting kernel checks and does with a state that it is handed, stage by stage (kho-abi.md 1.1, 5.8 and section 9).

Declared once: the simulator's kexec and the question whether another kernel would take a state both run these stages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kho_tui.abi.luo import LUO_NAME
from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.abi.metadata import KEXEC_METADATA_NAME
from kho_tui.abi.test_kho import KHO_TEST_NAME
from kho_tui.releases.acceptance import ACCEPTANCE
from kho_tui.releases.check import Answer, Check, Outcome, Stage, Target
from kho_tui.releases.luo_checks import LUO
from kho_tui.releases.offered import Offered
from kho_tui.releases.subtrees import SUBTREES

CHECKS: tuple[Check, ...] = (*ACCEPTANCE, *LUO, *SUBTREES)
"""In the order in which a kernel meets them."""

_IN_TREE = frozenset({LUO_NAME, MEMBLOCK_NAME, KEXEC_METADATA_NAME, KHO_TEST_NAME})


@dataclass(frozen=True, slots=True)
class Reception:
    """What a target does with a state: the checks as they went, in order, and what becomes of each consumer's part.

    ``deciding`` is the check that made the outcome, None where all is taken. ``open`` are checks that cannot be told.
    """

    target: Target
    outcome: Outcome
    deciding: Answer | None
    answers: tuple[Answer, ...]
    consumers: Mapping[bytes, tuple[Outcome, str]] = field(default_factory=dict)

    @property
    def open(self) -> tuple[Answer, ...]:
        """What cannot be told; with any of these, "taken" means "nothing against it was found"."""
        return tuple(one for one in self.answers if one.holds is None)

    def read_at_boot(self, consumer: bytes) -> bool:
        """Whether the boot itself takes a consumer's part, whatever becomes of it when somebody asks for it."""
        return not any(one.holds is False and one.check.consumer == consumer and _ends(one.check) for one in self.answers)


def receive(offered: Offered, target: Target) -> Reception:
    """Run the stages in the kernel's order. A check that decides on the whole handover ends them where it fails."""
    answers: list[Answer] = []
    consumers: dict[bytes, tuple[Outcome, str]] = {}
    worst: Answer | None = None
    for check in CHECKS:
        if not check.applies(target.release) or (check.consumer is not None and _is_absent(offered, check.consumer)):
            continue
        if check.consumer in consumers and consumers[check.consumer][0] in (Outcome.IGNORED, Outcome.PANIC):
            continue
        holds, met = check.holds(offered, target)
        answer = Answer(check, holds, met)
        answers.append(answer)
        if holds is not False:
            continue
        if worst is None or _weight(check) > _weight(worst.check):
            worst = answer
        if check.consumer is None and check.fails in (Outcome.IGNORED, Outcome.PANIC):
            return Reception(target, check.fails, answer, tuple(answers), _all_lost(offered, check.fails, met))
        if check.consumer is not None:
            consumers[check.consumer] = check.fails, met
            if check.fails is Outcome.PANIC:
                return Reception(target, Outcome.PANIC, answer, tuple(answers), consumers)
    for subtree in offered.subtrees or ():
        consumers.setdefault(subtree.name, _untouched(subtree.name))
    return Reception(target, Outcome.TAKEN if worst is None else _overall(worst.check), worst, tuple(answers), consumers)


def _ends(check: Check) -> bool:
    return check.stage not in (Stage.OPEN, Stage.RETRIEVE) and check.fails in (Outcome.IGNORED, Outcome.PANIC)


def _overall(check: Check) -> Outcome:
    """What a failure makes of the whole: a consumer's state that is ignored is a part of it."""
    return Outcome.PART if check.fails is Outcome.IGNORED else check.fails


def _weight(check: Check) -> tuple[int, bool, int]:
    """By which the check is chosen that is named as deciding: of equal ones the one that speaks of the whole."""
    return _overall(check).rank, check.consumer is None, check.fails.rank


def _all_lost(offered: Offered, outcome: Outcome, met: str) -> dict[bytes, tuple[Outcome, str]]:
    return {one.name: (outcome, met) for one in offered.subtrees or ()}


def _untouched(name: bytes) -> tuple[Outcome, str]:
    if name in _IN_TREE:
        return Outcome.TAKEN, ""
    return Outcome.PART, "nobody in the kernel's own tree asks for it; its memory stays reserved"


def _is_absent(offered: Offered, consumer: bytes) -> bool:
    return offered.subtrees is not None and offered.subtree(consumer) is None
