"""What a booting kernel checks and does with a state that it is handed, stage by stage.

One model of one boot: ``check --target``, the simulator's kexec and the app's prospects all run it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import replace

from kho_tui.analysis.receiver.acceptance import ACCEPTANCE
from kho_tui.analysis.receiver.boot import Boot
from kho_tui.analysis.receiver.check import EVERY, Answer, Check
from kho_tui.analysis.receiver.facet import Receiving, in_turn
from kho_tui.analysis.receiver.handed import Handed
from kho_tui.analysis.receiver.memory import MEMORY
from kho_tui.analysis.receiver.outcome import Outcome, Stage
from kho_tui.analysis.receiver.reception import Fate, Reception
from kho_tui.analysis.receiver.target import Target
from kho_tui.analysis.receiver.verdict import Fails, Holds, Verdict, unknown
from kho_tui.model.facts import Missing
from kho_tui.model.registry import Registry
from kho_tui.model.state import Subtree
from kho_tui.releases.ranges import Range
from kho_tui.text import visible

_FATAL = (Outcome.IGNORED, Outcome.PANIC)
_UNMET: Fate = None, ""
_ONLY_IN_DEBUGFS = "only debugfs shows it, and whether the root FDT names it is not captured"
_UNASKED = "nobody in the kernel's own tree asks for it; its memory stays reserved"


def _asked_for(boot: Boot) -> Verdict:
    if isinstance(boot.handed.subtrees, Missing):
        return boot.handed.subtrees
    in_tree = boot.target.registry.facets(Receiving)
    doubtful = [visible(subtree.name) for subtree in boot.handed.subtrees if _may_not_be_handed(subtree, in_tree)]
    names = [subtree.lookup_name for subtree in boot.handed.subtrees if not _may_not_be_handed(subtree, in_tree)]
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        return Fails(f"two subtrees are named {visible(twice)}: its consumer finds the first one only")
    root = boot.handed.root
    stop = root.view.tree.stops_at if root is not None and root.handed is root.view.blob else None
    if stop is not None:
        return Fails(f"the root FDT is damaged at {stop:#x}: no subtree behind that is found")
    strange = [visible(name) for name in names if name not in in_tree]
    if strange and boot.target.is_vendors:
        return unknown(f"whether a vendor's kernel asks for {', '.join(strange)} is not known")
    if strange:
        return Fails(f"{', '.join(strange)}: {_UNASKED}")
    if doubtful:
        return unknown(f"{', '.join(doubtful)}: {_ONLY_IN_DEBUGFS}")
    return Holds("every subtree has a consumer in the kernel's own tree")


def _may_not_be_handed(subtree: Subtree, in_tree: Container[bytes]) -> bool:
    """Whether nothing but a file of debugfs speaks of a subtree that no kernel is known to write."""
    return subtree.in_root is None and subtree.lookup_name not in in_tree


def _root_restored(boot: Boot) -> Verdict:
    """6.18 gives the page of the root FDT back; kho_restore_page warns of one that is not preserved, before the console speaks (booted)."""
    root = boot.handed.root
    if root is None or isinstance(root.phys, Missing):
        return unknown("where the root FDT lies is not at hand")
    if boot.reserved.lost(root.phys):
        return Fails("the page of the root FDT is not preserved", warns=True)
    return Holds("the page of the root FDT is preserved") if boot.reserved.whole else unknown("not all preserved blocks are at hand")


_BEFORE_CONSUMERS: tuple[Check, ...] = (
    *ACCEPTANCE,
    *MEMORY,
    Check(
        name="root-restored",
        stage=Stage.MEMORY,
        question="is the page of the root FDT preserved",
        fails=Outcome.CHANCE,
        consequence="whether it still stands there by the time that consumers look into it is luck",
        releases=Range("6.18", "6.18"),
        ask=_root_restored,
        source="kernel/kexec_handover.c, kho_restore_page",
    ),
)
_BEHIND_CONSUMERS: tuple[Check, ...] = (
    Check(
        name="subtrees",
        stage=Stage.CONSUMERS,
        question="does somebody ask for every subtree",
        fails=Outcome.PART,
        consequence="what such a subtree holds is lost, its memory stays reserved",
        releases=EVERY,
        ask=_asked_for,
        source="kernel/liveupdate/kexec_handover.c, kho_retrieve_subtree",
    ),
)


def checks_of(registry: Registry) -> tuple[Check, ...]:
    """All checks, in the order in which a kernel meets them."""
    consumers = (check for receiving in in_turn(registry).values() for check in receiving.checks)
    return (*_BEFORE_CONSUMERS, *consumers, *_BEHIND_CONSUMERS)


def receive(handed: Handed, target: Target) -> Reception:
    """Run the stages in the kernel's order; a check that ends the boot, or decides on the whole handover, ends them where it fails.

    Example: ``receive(Handed(state, side, memory), Target.in_tree(state.registry, state.registry.releases.newest)).outcome``.
    Raises BudgetError and Cancelled.
    """
    boot = Boot(handed, target)
    answers: list[Answer] = []
    consumers: dict[bytes, Fate] = {}
    worst: Answer | None = None
    for check in checks_of(target.registry):
        consumer = check.consumer
        if check.applies(target) is False or (consumer is not None and handed.subtree(consumer) is None):
            continue
        if consumer is not None and consumers.get(consumer, _UNMET)[0] in _FATAL:
            continue
        answer = check.answer(boot)
        answers.append(answer)
        outcome = answer.outcome
        if outcome is None:
            if consumer is not None and answer.holds is None and not answer.awaits_reboot:
                consumers.setdefault(consumer, (None, answer.met))
            continue
        if worst is None or _weight(answer) > _weight(worst):
            worst = answer
        if consumer is None and outcome in _FATAL:
            return Reception(boot, outcome, answer, tuple(answers), _all_lost(handed, outcome, answer.met))
        if consumer is not None:
            before = consumers.get(consumer, _UNMET)[0]
            if before is None or outcome.rank > before.rank:
                consumers[consumer] = outcome, answer.met
            if outcome is Outcome.PANIC and answer.ends:
                return Reception(boot, Outcome.PANIC, answer, tuple(answers), consumers)
    subtrees = handed.subtrees
    for subtree in () if isinstance(subtrees, Missing) else subtrees:
        consumers.setdefault(subtree.lookup_name, _untouched(subtree, target))
    reception = Reception(boot, Outcome.TAKEN if worst is None else _overall(worst), worst, tuple(answers), consumers)
    if reception.garbage is None:
        return reception
    return replace(reception, consumers=_all_lost(handed, Outcome.WILD, reception.garbage.met))


def _overall(answer: Answer) -> Outcome:
    """What a failure makes of the whole: a consumer's state that is ignored is a part of it."""
    assert answer.outcome is not None  # it failed
    return Outcome.PART if answer.outcome is Outcome.IGNORED else answer.outcome


def _weight(answer: Answer) -> tuple[int, bool, int]:
    """By which the check is chosen that is named as deciding: of equal ones the one that speaks of the whole."""
    assert answer.outcome is not None  # it failed
    return _overall(answer).rank, answer.check.consumer is None, answer.outcome.rank


def _all_lost(handed: Handed, outcome: Outcome, met: str) -> dict[bytes, Fate]:
    subtrees = handed.subtrees
    return {subtree.lookup_name: (outcome, met) for subtree in (() if isinstance(subtrees, Missing) else subtrees)}


def _untouched(subtree: Subtree, target: Target) -> Fate:
    in_tree = target.registry.facets(Receiving)
    if subtree.lookup_name in in_tree:
        return Outcome.TAKEN, ""
    if _may_not_be_handed(subtree, in_tree):
        return None, _ONLY_IN_DEBUGFS
    return (None, "whether a vendor's kernel asks for it is not known") if target.is_vendors else (Outcome.PART, _UNASKED)
