"""What a check of a booting kernel is: when it is made, by which releases, of what, and what a failure leads to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from kho_tui.releases.offered import Offered
from kho_tui.releases.table import Release

FIRST, LAST = "6.16", "99.0"
"""``Check.since`` and ``until`` of a check that every release makes."""


class Outcome(Enum):
    """What becomes of a state, or of one consumer's part of it. The value is the word shown; in the order of ``rank``."""

    TAKEN = "taken"
    PART = "taken in part"
    IGNORED = "ignored"
    MISREAD = "misread silently"
    PANIC = "panic"

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


@dataclass(frozen=True, slots=True)
class Target:
    """The kernel that would take the state. ``built``: with KHO in it. ``page_size`` None: the same as the writer's.

    ``kho`` and ``liveupdate``: what is on once it has read its command line. ``kho=off`` does not stop it from taking a handover but
    switches LUO off. ``luo``: CONFIG_LIVEUPDATE; ``test``: CONFIG_TEST_KEXEC_HANDOVER, as a module too. None: not known; then KHO and LUO
    are taken to be on, so that a panic that is found is one unless they are off.
    """

    release: Release
    kho: bool | None = True
    built: bool = True
    page_size: int | None = None
    asked_regions: tuple[tuple[bytes, int, int], ...] | None = None
    """(name, size, alignment) of each ``reserve_mem=``; None: the command line is not known."""
    luo: bool | None = True
    liveupdate: bool | None = True
    handlers: frozenset[bytes] | None = None
    """Compatible strings of the file handlers in it; None: the release's own."""
    sure_of_handlers: bool = True
    """Whether it is known that ``handlers`` are built in."""
    test: bool | None = True

    @property
    def all_handlers(self) -> frozenset[bytes]:
        """Compatible strings of the file handlers that are taken to be in it."""
        if self.handlers is not None:
            return self.handlers
        return frozenset() if self.release.luo is None else frozenset({self.release.luo.memfd_compatible})


Verdict = tuple[bool | None, str]
"""Whether a check holds (None: cannot be told) and what was met."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a kernel looks at. ``fails`` is what a failure leads to; ``consumer`` None: it decides on the whole handover."""

    name: str
    stage: Stage
    question: str
    fails: Outcome
    consequence: str
    since: str
    until: str
    holds: Callable[[Offered, Target], Verdict]
    consumer: bytes | None = None
    source: str = "kernel/liveupdate/kexec_handover.c, kho_populate"

    def applies(self, release: Release) -> bool:
        """Whether this release makes the check."""
        return key(self.since) <= key(release.name) <= key(self.until)


@dataclass(frozen=True, slots=True)
class Answer:
    """A check as it went."""

    check: Check
    holds: bool | None
    met: str


def key(release: str) -> tuple[int, ...]:
    """By which releases are ordered."""
    return tuple(map(int, release.split(".")))
