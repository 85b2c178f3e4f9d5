"""What a check of a booting kernel is: when it is made, by which releases, of what, and what a failure leads to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kho_tui.analysis.receiver.boot import Boot
from kho_tui.analysis.receiver.outcome import Outcome, Stage
from kho_tui.analysis.receiver.target import Target
from kho_tui.analysis.receiver.verdict import Fails, Holds, Verdict
from kho_tui.model.facts import Missing, NotWritten
from kho_tui.releases.ranges import FIRST_WITH_KHO, Range

EVERY = Range(FIRST_WITH_KHO)
"""The releases of a check that every one makes."""

Ask = Callable[[Boot], Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that a kernel looks at, or trips over. ``fails`` is what a failure leads to unless the answer says otherwise.

    ``consumer`` None: it decides on the whole handover.
    """

    name: str
    stage: Stage
    question: str
    fails: Outcome
    consequence: str
    releases: Range
    ask: Ask
    consumer: bytes | None = None
    source: str = "kernel/liveupdate/kexec_handover.c, kho_populate"

    def applies(self, target: Target) -> bool | None:
        """Whether this kernel makes the check; None where its version does not tell."""
        return target.registry.releases.covers(
            self.releases, target.precise_version if self.releases.inside_a_series else target.release.version
        )

    def answer(self, boot: Boot) -> Answer:
        """What comes of the check in one boot. A failure of one that this kernel may not make is unknown."""
        match self.ask(boot):
            case Holds(met):
                return Answer(self, True, met)
            case Fails(met) if self.applies(boot.target) is None:
                return Answer(self, None, f"{met}, if {boot.target.release.name} at this patch level makes the check")
            case Fails(met, outcome, warns):
                return _failed(self, boot, met, outcome or self.fails, warns=warns)
            case Missing(reason) as missing:
                return Answer(self, None, reason, awaits_reboot=isinstance(missing, NotWritten))


@dataclass(frozen=True, slots=True)
class Answer:
    """A check as it went. ``holds`` None: unknown. ``outcome``: what its failure leads to, None where it did not fail.

    ``awaits_reboot``: it is unknown only because the kernel writes what it asks for inside the reboot call.
    """

    check: Check
    holds: bool | None
    met: str
    outcome: Outcome | None = None
    awaits_reboot: bool = False

    @property
    def if_overwritten(self) -> Outcome | None:
        """What its failure leads to where all that is not preserved is overwritten, as it is in a simulation."""
        return self.check.fails if self.outcome is Outcome.CHANCE else self.outcome

    @property
    def ends(self) -> bool:
        """Whether the boot never gets to what stands behind it for its consumer, with all overwritten that is not preserved."""
        at_boot = self.check.stage not in (Stage.OPEN, Stage.RETRIEVE)
        return at_boot and self.if_overwritten in (Outcome.IGNORED, Outcome.PANIC)


def _failed(check: Check, boot: Boot, met: str, outcome: Outcome, *, warns: bool) -> Answer:
    """A failed check, with what this kernel makes of an oops and of a WARNING (kernel/panic.c)."""
    panics = boot.target.panics(check.stage)
    if warns and panics.on_warn:
        return Answer(check, False, f"{met}; the WARNING of it is a panic (panic_on_warn)", Outcome.PANIC)
    if outcome is Outcome.OOPS and check.stage is Stage.CONSUMERS:
        return Answer(check, False, f"{met}: it does so before there is a process to die", Outcome.PANIC)
    if outcome is not Outcome.OOPS:
        return Answer(check, False, met, outcome)
    if panics.on_oops:
        return Answer(check, False, f"{met}; an oops is a panic there", Outcome.PANIC)
    dies = "the process dies with the locks that it holds, so that later opens may hang"
    unless = "" if panics.on_oops is False else ", or the machine panics (panic_on_oops)"
    return Answer(check, False, f"{met}; {dies}{unless}", outcome)
