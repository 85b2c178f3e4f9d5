"""What a kernel does with a state: the checks as they went, and what becomes of each consumer's part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kho_tui.analysis.receiver.boot import Boot
from kho_tui.analysis.receiver.check import Answer
from kho_tui.analysis.receiver.outcome import Outcome, Stage
from kho_tui.analysis.receiver.target import Target

Fate = tuple[Outcome | None, str]
"""What becomes of a thing (None: unknown), and why."""


@dataclass(frozen=True, eq=False)
class Reception:
    """``worst`` is what becomes of the state as far as that is known, ``deciding`` the check that makes it so, None where all is taken.

    ``consumers``: outcome (None: unknown) and reason by subtree. ``boot`` holds what is reserved and restored.
    """

    boot: Boot
    worst: Outcome
    deciding: Answer | None
    answers: tuple[Answer, ...]
    consumers: Mapping[bytes, Fate] = field(default_factory=dict)

    @property
    def target(self) -> Target:
        """The kernel that boots."""
        return self.boot.target

    @property
    def outcome(self) -> Outcome | None:
        """What becomes of the state; None where that is unknown."""
        return None if self.undecided else self.worst

    @property
    def unknown(self) -> tuple[Answer, ...]:
        """The checks that are unknown."""
        return tuple(answer for answer in self.answers if answer.holds is None)

    @property
    def undecided(self) -> tuple[Answer, ...]:
        """What is unknown and decides: whether the kernel takes any of it, or, where nothing against it was found, whether all of it.

        What LUO writes only in the reboot call is not at fault for that: nobody can look at it before.
        """
        if self.worst in (Outcome.IGNORED, Outcome.PANIC):
            return ()
        first = tuple(one for one in self.unknown if one.check.consumer is None and one.check.stage in (Stage.FIND, Stage.ACCEPT))
        if first or self.worst is not Outcome.TAKEN:
            return first
        return tuple(one for one in self.unknown if not one.awaits_reboot)

    @property
    def garbage(self) -> Answer | None:
        """What makes garbage of all that is handed over, also of what would be taken by itself; None: nothing does."""
        whole = self.deciding is not None and self.deciding.check.consumer is None
        return self.deciding if whole and self.worst is Outcome.WILD else None

    def ending(self, consumer: bytes) -> Answer | None:
        """The check at which the boot leaves a consumer's part, with all overwritten that is not preserved; None: it reads all of it."""
        return next((answer for answer in self.answers if answer.check.consumer == consumer and answer.ends), None)
