"""What LUO finds when it makes the sessions of a handover again, at the first open of /dev/liveupdate (kho-abi.md 5.4, 5.5).

luo_session_deserialize (kernel/liveupdate/luo_session.c): what fails there fails every open, so one session decides on all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from kho_tui.abi.block import block_of
from kho_tui.abi.luo import LUO_FILE_SER, LUO_SESSION_SER
from kho_tui.releases.table import LuoRules
from kho_tui.text import visible


class SessionFault(Enum):
    """Why sessions cannot be made again. The value is what it is called."""

    LIST = "the list of sessions is damaged"
    NAME_TWICE = "a name is there twice"
    BLOCK = "a block of files holds none or too many"
    FILES = "the list of its files is damaged"
    HANDLER = "a file has no handler"


@dataclass(frozen=True, slots=True)
class OfferedSession:
    """A session as its reader meets it.

    ``blocks``: the count of each block of its files. ``handlers``: compatible strings of the files in their order, None where they cannot
    be read. ``damage``: what is wrong with the list of files, empty for nothing.
    """

    name: bytes
    has_list: bool
    blocks: tuple[int, ...]
    handlers: tuple[bytes, ...] | None
    damage: str

    @property
    def made_as(self) -> bytes:
        """The name that it gets: strscpy of luo_session_alloc cuts one that has no NUL."""
        return made_as(self.name)


def made_as(name: bytes) -> bytes:
    """The name under which a receiver makes a session again."""
    return name[: LUO_SESSION_SER.span("name")[1] - 1]


@dataclass(frozen=True, slots=True)
class OfferedSessions:
    """All sessions in their order. ``damage``: what is wrong with what lists them, empty for nothing. ``whole``: these are all."""

    sessions: tuple[OfferedSession, ...]
    damage: str = ""
    whole: bool = True

    @property
    def handlers(self) -> frozenset[bytes] | None:
        """Compatible strings of all files; None where not all can be read."""
        told = [one.handlers for one in self.sessions]
        if not self.whole or None in told:
            return None
        return frozenset(handler for one in told if one is not None for handler in one)


@dataclass(frozen=True, slots=True)
class Unmade:
    """What fails the open, and in words what was met."""

    fault: SessionFault
    met: str


def unmade(offered: OfferedSessions, rules: LuoRules, handlers: frozenset[bytes], page_size: int) -> Unmade | None:
    """The first thing that fails the open in a kernel with these ``handlers``; None: nothing that is known."""
    names: set[bytes] = set()
    for session in offered.sessions:
        shown = visible(session.made_as)
        if session.made_as in names:
            return Unmade(SessionFault.NAME_TWICE, f"two sessions are named {shown}")
        names.add(session.made_as)
        found = _files(session, rules, handlers, page_size) if session.has_list and rules.checks_files else None
        if found is not None:
            return Unmade(found.fault, f"session {shown}: {found.met}")
    return Unmade(SessionFault.LIST, f"the list of sessions: {offered.damage}") if offered.damage else None


def _files(session: OfferedSession, rules: LuoRules, handlers: frozenset[bytes], page_size: int) -> Unmade | None:
    capacity = block_of(LUO_FILE_SER).capacity(page_size)
    wrong = next((count for count in session.blocks if not 1 <= count <= capacity), None)
    if wrong is not None:
        return Unmade(SessionFault.BLOCK, f"a block of {wrong} files")
    strange = without_handler(session.handlers or (), handlers)
    if strange:
        return Unmade(SessionFault.HANDLER, strange)
    return Unmade(SessionFault.FILES, session.damage) if session.damage else None


def without_handler(wanted: Iterable[bytes], handlers: frozenset[bytes]) -> str:
    """Which of the wanted handlers are not there, in words; empty: all are."""
    missing = sorted(set(wanted) - handlers)
    return f"no handler for {', '.join(visible(one) for one in missing)} is built in" if missing else ""
