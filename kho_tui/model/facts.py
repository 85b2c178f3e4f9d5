"""A fact that a state should tell is a value or says why it is not one: never 0. None is left for what may be absent by right."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, TypeAlias, TypeVar

from kho_tui.text import SafeText, plural

T = TypeVar("T")


class Status(Enum):
    """How far something shown can be trusted. The value is the word shown and used in JSON."""

    DECODED = "decoded"
    PARTIAL = "partial"
    DERIVED = "derived"
    STALE = "stale"
    UNAVAILABLE = "unavailable"
    DAMAGED = "damaged"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Missing:
    """Why there is no value."""

    reason: SafeText
    status: ClassVar[Status] = Status.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Stale(Missing):
    """Reached through memory that the kernel has given back: may look right and be wrong."""

    status: ClassVar[Status] = Status.STALE


@dataclass(frozen=True, slots=True)
class Unavailable(Missing):
    """Not in this capture."""

    status: ClassVar[Status] = Status.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class NotWritten(Unavailable):
    """Not there yet: the kernel writes it inside the reboot call."""


@dataclass(frozen=True, slots=True)
class Moving(Unavailable):
    """Changed while it was read: on a running machine that is no fault of the state."""


@dataclass(frozen=True, slots=True)
class Damaged(Missing):
    """Read, and not what the format says."""

    status: ClassVar[Status] = Status.DAMAGED


@dataclass(frozen=True, slots=True)
class Unknown(Missing):
    """Of a version or kind that no release in the registry writes."""

    status: ClassVar[Status] = Status.UNKNOWN


@dataclass(frozen=True, slots=True)
class Count:
    """How many things of a list could be read, and of how many; ``of`` None: not known, but no fewer."""

    read: int
    of: int | None

    @property
    def whole(self) -> bool:
        """Whether these are all there are."""
        return self.read == self.of

    def words(self, noun: str) -> SafeText:
        """``3 files``, ``63 of 100 files``, ``at least 63 files``."""
        if self.of is None:
            return SafeText(f"at least {plural(self.read, noun)}")
        return SafeText(f"{self.read} of {plural(self.of, noun)}" if self.of > self.read else plural(self.read, noun))


Fact: TypeAlias = T | Missing


def known(fact: T | Missing) -> T | None:
    """The value, or None where the fact says why not. For JSON and for optional inputs only."""
    return None if isinstance(fact, Missing) else fact
