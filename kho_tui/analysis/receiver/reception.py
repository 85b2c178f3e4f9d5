"""What a kernel does with a state: the checks as they went, and what becomes of each consumer's part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kho_tui.analysis.receiver.boot import Boot
from kho_tui.analysis.receiver.check import Answer
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.analysis.receiver.target import Target


@dataclass(frozen=True, eq=False)
class Reception:
    """``deciding`` is the check that made the outcome, None where all is taken; ``open`` are checks that are unknown.

    ``consumers``: outcome and reason by subtree. ``boot`` holds what is reserved and restored.
    """

    boot: Boot
    outcome: Outcome
    deciding: Answer | None
    answers: tuple[Answer, ...]
    consumers: Mapping[bytes, tuple[Outcome, str]] = field(default_factory=dict)

    @property
    def target(self) -> Target:
        """The kernel that boots."""
        return self.boot.target

    @property
    def open(self) -> tuple[Answer, ...]:
        """What is unknown; with any of these, "taken" means "nothing against it was found"."""
        return tuple(answer for answer in self.answers if answer.holds is None)

    def ending(self, consumer: bytes) -> Answer | None:
        """The check at which the boot leaves a consumer's part, with all overwritten that is not preserved; None: it reads all of it."""
        return next((answer for answer in self.answers if answer.check.consumer == consumer and answer.ends), None)
