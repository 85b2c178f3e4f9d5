"""What the app is given to show. The app takes a loader and so knows no files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING

from kho_tui.analysis.memory_map import MemoryMap
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.layout.platform import Platform
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.model.entity import Entity
from kho_tui.model.facts import Unavailable
from kho_tui.model.host import Host
from kho_tui.model.state import Machine, State
from kho_tui.operations.map_state import Whois
from kho_tui.subsystems.registry import builtin
from kho_tui.text import NO_TEXT, SafeText
from kho_tui.views.tui.check_run import Checking

if TYPE_CHECKING:
    from kho_tui.operations.diff_states import Compared
    from kho_tui.operations.held_state import Simulated
    from kho_tui.operations.open_state import Opened


class Maps:
    """The memory maps of a state by side, each computed when it is first asked for, which may take seconds. Any thread."""

    def __init__(self, make: Callable[[str, Context], MemoryMap]) -> None:
        self._make = make
        self._made: dict[str, MemoryMap] = {}
        self._lock = Lock()

    def __call__(self, side: str, context: Context | None = None) -> MemoryMap:
        """The map of a side, computed once: a second caller waits for the first. Raises Cancelled, and KhoError where there is none."""
        with self._lock:
            found = self._made.get(side)
            if found is None:
                found = self._made[side] = self._make(side, context or Context())
            return found

    def made(self, side: str) -> MemoryMap | None:
        """The map of a side where it is there already."""
        return self._made.get(side)


def _no_map(side: str, _context: Context) -> MemoryMap:
    raise InputError(f"there is no memory map of {side}")


def _no_whois(address: int, _context: Context) -> Whois:
    raise InputError(f"nothing is known of who owns {address:#x}")


def _no_compare(path: str, _context: Context) -> Against:
    raise InputError("this state cannot be compared with another")


def _nothing() -> None:
    """There is nothing to close."""


_UNTOLD = Unavailable(SafeText("not told"))
_NO_STATE = State(
    registry=builtin(),
    machine=Machine(
        path=NO_TEXT, kind="state", release=None, arch=None, platform=Platform(), platform_reasons=(), cmdline=None, files=(), boot=()
    ),
    host=Host(ram=_UNTOLD, kernel=_UNTOLD, nodes=(), meminfo=_UNTOLD, free_cma=_UNTOLD),
    scratch=_UNTOLD,
    sides=MappingProxyType({}),
    log=(),
    findings=(),
    absent=_UNTOLD.reason,
)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Loaded:
    """A state ready to be looked at.

    ``page_size`` in bytes turns page frame numbers into addresses. ``whois`` takes an address and may raise KhoError; any thread. ``path``
    is what was opened as it was typed, ``options`` the words that the commands which print the same must be given with it. ``note`` is a
    warning about the reading itself. ``compare`` opens what lies at a path and compares; it may raise KhoError; any thread. ``against`` is
    the state that is open beside it. ``close`` is called when nobody looks at the state any more. ``with_root`` reads it again with the
    root FDT at an address; it may raise KhoError; any thread.
    """

    title: SafeText
    verdict: SafeText
    root: Entity
    page_size: int = 4096
    maps: Maps = field(default_factory=lambda: Maps(_no_map))
    state: State = _NO_STATE
    memory: PhysicalMemory | None = None
    whois: Callable[[int, Context], Whois] = _no_whois
    path: str = ""
    options: tuple[str, ...] = ()
    note: SafeText = NO_TEXT
    checking: Checking = field(default_factory=Checking)
    close: Callable[[], None] = _nothing
    compare: Callable[[str, Context], Against] = _no_compare
    against: Against | None = None
    simulator: Simulator | None = None
    with_root: Callable[[int, Context], Loaded] | None = None

    def beside(self, path: str, context: Context) -> Loaded:
        """The same state with the one at ``path`` open beside it instead of any before. Raises KhoError, Cancelled."""
        mine = self.close if self.against is None else self.against.close_first
        against = replace(self.compare(path, context), close_first=mine)

        def close() -> None:
            against.loaded.close()
            mine()

        return replace(self, against=against, close=close)


@dataclass(frozen=True, slots=True, eq=False)
class Against:
    """Another state and what the comparison with it gave; ``path`` is how it was typed, ``close_first`` closes the first one alone."""

    path: str
    loaded: Loaded
    compared: Compared
    close_first: Callable[[], None] = _nothing


@dataclass(frozen=True, slots=True, eq=False)
class Simulator:
    """What a kexec is simulated from, and ``show``: what the app is given of another opened state and its path, empty for none.

    ``predict`` kexecs as the state at a path was booted; it may raise KhoError; any thread.
    """

    opened: Opened
    show: Callable[[Opened, str], Loaded]
    predict: Callable[[str, Context], Simulated]


Loader = Callable[[Context], Loaded]
"""Blocking; runs in a thread, reports through the context and stops when it is cancelled."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Something that may become another while one looks at it. ``changed`` blocks and is asked every ``seconds``; any thread."""

    changed: Callable[[], bool]
    seconds: float
