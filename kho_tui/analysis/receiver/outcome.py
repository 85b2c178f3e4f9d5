"""What becomes of a handover in the next kernel, and when that is decided."""

from __future__ import annotations

from enum import Enum


class Outcome(Enum):
    """What becomes of a state, or of one consumer's part of it. The value is the word shown; ascending by how bad it is."""

    TAKEN = "taken"
    PART = "taken in part"
    IGNORED = "ignored"
    CHANCE = "left to chance"
    """What is read is not preserved: intact, if nothing was put there before it is read."""
    MISREAD = "misread silently"
    OOPS = "oops"
    """A process dies in the kernel, with the locks it held; with oops=panic or panic_on_oops=1 the machine does."""
    WILD = "misread or panic"
    """Unchecked garbage decides: wrong memory is used in silence, or the kernel dies of it."""
    PANIC = "panic"
    """It panics, or hangs before it says a word: it does not boot."""

    @property
    def rank(self) -> int:
        """How bad it is."""
        return list(Outcome).index(self)


class Stage(Enum):
    """When a check is made. The value is the word shown."""

    FIND = "finding the handover"
    ACCEPT = "accepting it"
    MEMORY = "taking over memory"
    CONSUMERS = "consumers"
    OPEN = "opening /dev/liveupdate"
    RETRIEVE = "retrieving files"
