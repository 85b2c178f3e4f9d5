"""What a kernel that was booted by a KHO kexec got from the one before it, as far as its own outgoing side depends on it."""

from __future__ import annotations

from dataclasses import dataclass, field

from kho_tui.model.contents.memblock import Region
from kho_tui.model.state import ScratchArea
from kho_tui.simulator.memfd import Memfd

Stretch = tuple[int, int]
"""(start, size) in bytes."""


@dataclass(slots=True, kw_only=True)
class IncomingFile:
    """A file of an incoming session. ``memfd`` is its memory, still where it was; None where the handler could not restore it.

    ``pages`` hold what describes it; they are given back when it is retrieved, or finished without that. ``lost``: why it is not restored.
    """

    token: int
    memfd: Memfd | None
    retrieved: bool = False
    pages: tuple[Stretch, ...] = ()
    shared: frozenset[int] = frozenset()
    """Addresses of blocks that another file restores too: whichever is asked for first gets them."""
    lost: str = ""


@dataclass(slots=True)
class IncomingSession:
    """A session as it was handed over. ``pages`` list its files, until it is finished."""

    name: bytes
    files: tuple[IncomingFile, ...]
    retrieved: bool = False
    pages: tuple[Stretch, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A taken handover. ``reserved``: (start, size) of every block that the tracker lists.

    ``has_test``: a kho_test subtree came, so the test module restores it and makes no new one. ``kexec_count`` and
    ``liveupdate_number`` are as received, 0 where nothing was.
    """

    scratch: tuple[ScratchArea, ...]
    reserved: tuple[tuple[int, int], ...]
    regions: tuple[Region, ...] = ()
    has_test: bool = False
    kexec_count: int = 0
    liveupdate_number: int = 0
    sessions: tuple[IncomingSession, ...] = field(default=())
    session_pages: tuple[Stretch, ...] = ()
    """What lists the sessions, until /dev/liveupdate is opened first."""
    sessions_fault: str = ""
    """Why the list cannot be made into sessions, so that every open of /dev/liveupdate fails; empty: it can."""
