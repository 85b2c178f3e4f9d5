"""Open a path: capture, then decode."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from kho_tui.capture.probe import is_this_machine, open_sources, path_to_watch
from kho_tui.capture.sources import Sources
from kho_tui.context import Context
from kho_tui.decode.placement import search_sources
from kho_tui.decode.platform import Overrides
from kho_tui.decode.roots import FoundInMemory, search_memory
from kho_tui.decode.state import decode_state
from kho_tui.decode.subtrees import is_blob_of_kho
from kho_tui.errors import InputError
from kho_tui.fdt.header import FDT_HEADER
from kho_tui.memory.kcore import KcoreMemory
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.memory.pieces import Piece
from kho_tui.model.codes import CHANGED_WHILE_READ
from kho_tui.model.facts import Status, known
from kho_tui.model.finding import Finding
from kho_tui.model.path import EntityPath
from kho_tui.model.registry import Registry
from kho_tui.model.state import State
from kho_tui.operations.fingerprint import changed_names, fingerprint
from kho_tui.subsystems.registry import builtin
from kho_tui.text import NO_TEXT, SafeText, human_size, plural, visible

_NAMED = 5
"""Changed files or pages that are called by name."""
_READINGS_BEFORE_HOLDING_BACK = 3
_MOST_READINGS = 6


@dataclass(frozen=True, slots=True)
class Opened:
    """A decoded state and the memory it came from, for looking at further bytes. A context manager, or ``close``.

    ``changed``: what changed while it was read, in words; empty where nothing did. The state has a finding that says the same.
    """

    state: State
    sources: Sources
    changed: SafeText = NO_TEXT

    @property
    def memory(self) -> PhysicalMemory | None:
        """Physical memory of the capture, where there is any."""
        return self.sources.memory

    def close(self) -> None:
        """Close every file of the capture."""
        self.sources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_state(
    path: str | Path,
    context: Context,
    overrides: Overrides | None = None,
    *,
    base: Sequence[Piece] = (),
    registry: Registry | None = None,
    search: bool = False,
    even_without_kho: bool = False,
    memory: bool = True,
    warn: Callable[[SafeText], None] | None = None,
) -> Opened:
    """The decoded state at ``path``; ``base`` says where the pieces of a raw image lie. Raises InputError, ReadError or Cancelled.

    ``registry``: what is known of kernels, None: what is built in. ``search``: look through the running machine's RAM for root FDTs that
    nothing names; ``warn`` is told first what that means; memory in files is searched in any case. ``even_without_kho``: a running
    machine is opened too where it shows no kho tree. ``memory``: whether to open its memory.

    The files are looked at before and after: a state that another one was written over meanwhile is made of two. Of a running machine
    all is read twice, and again where the two differ; what goes on changing is held back.
    """
    opening = _Opening(path, context, overrides or Overrides(), tuple(base), registry or builtin(), even_without_kho, memory, warn)
    if search and not is_this_machine(path):
        raise InputError("--search looks through this machine's RAM, and here is none; memory in files is searched in any case")
    reading = opening.read(search=search)
    for attempt in range(_MOST_READINGS):
        running = reading.sources.running
        if running is None or not (reading.changed or reading.differing):
            break
        reading.sources.close()
        held_back, moving = reading.held_back, reading.moving
        if attempt + 1 >= _READINGS_BEFORE_HOLDING_BACK:
            held_back, moving = held_back | reading.differing, moving | frozenset(reading.changed)
        reading = opening.read(named=running.named, held_back=held_back, moving=moving, searched=search)
    if reading.sources.running is not None:
        return Opened(reading.state, reading.sources, _moving(reading))
    changed = _in_words(reading.changed)
    if not changed:
        return Opened(reading.state, reading.sources)
    finding = Finding(
        code=CHANGED_WHILE_READ.name, severity=CHANGED_WHILE_READ.severity, message=changed, where=EntityPath(("machine", "files"))
    )
    return Opened(replace(reading.state, findings=(*reading.state.findings, finding)), reading.sources, changed)


def search_risk() -> SafeText:
    """What ``search`` means on this machine: how much is read, and what may come of it."""
    size = human_size(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    risk = "reading a bad page may panic a machine whose hardware does not report it as recoverable"
    return SafeText(f"--search reads all {size} of this machine's RAM for root FDTs: {risk}; those of its guests may be found, too")


@dataclass(frozen=True, slots=True)
class _Reading:
    """``changed``: files that changed meanwhile; ``differing``: pages that were others the second time; ``held_back``: pages left out."""

    state: State
    sources: Sources
    changed: list[SafeText]
    differing: frozenset[int]
    held_back: frozenset[int]
    moving: frozenset[SafeText]


@dataclass(frozen=True, slots=True)
class _Opening:
    path: str | Path
    context: Context
    overrides: Overrides
    base: tuple[Piece, ...]
    registry: Registry
    even_without_kho: bool = False
    memory: bool = True
    warn: Callable[[SafeText], None] | None = None

    def read(
        self,
        *,
        named: Sequence[int] = (),
        held_back: frozenset[int] = frozenset(),
        moving: frozenset[SafeText] = frozenset(),
        search: bool = False,
        searched: bool = False,
    ) -> _Reading:
        """One reading. ``named``: pages of the running machine to look at for root FDTs; ``held_back``: pages, ``moving``: files not to be
        believed; ``searched``: whether ``named`` has what a search of RAM gave.
        """
        watched = path_to_watch(self.path)
        before = fingerprint(watched)
        sources = open_sources(
            self.path,
            self.context,
            self.registry,
            base=self.base,
            even_without_kho=self.even_without_kho,
            moving=moving,
            memory=self.memory,
        )
        running = sources.running
        try:
            if search and running is None:
                raise InputError(f"--search looks through this machine's RAM, which cannot be read: {sources.no_memory}")
            if running is not None:
                running.hold_back(held_back)
                running.name_pages(named)
                if search:
                    if self.warn is not None:
                        self.warn(search_risk())
                    running.name_pages([root.phys for root in search_memory(running.core, self.registry.roots, self.context).roots])
            sources, found_roots = search_sources(sources, self.context, self.overrides, self.registry)
            if running is not None:
                running.begin([(root.phys, len(root.data)) for root in found_roots.roots])
                sources = _outgoing_said(sources, running, found_roots, was_searched=search or searched)
            state = decode_state(sources, self.context, self.overrides, self.registry, found_roots)
            changed = _read_names(state, changed_names(before, fingerprint(watched)))
            differing: frozenset[int] = frozenset()
            if running is not None:
                _forget_reused(state, running)
                differing = running.differing()
                running.seal()
        except BaseException:
            sources.close()
            raise
        return _Reading(state, sources, changed, differing, held_back, moving)


def _forget_reused(state: State, running: KcoreMemory) -> None:
    """Keep nothing of what the incoming side points at where it is no blob of KHO: freed memory that somebody else uses by now."""
    side = state.sides.get("in")
    for subtree in () if side is None else side.subtrees:
        phys = known(subtree.phys)
        if phys is None or subtree.status is not Status.STALE:
            continue
        there = running.available(phys, FDT_HEADER.size)
        if there and not is_blob_of_kho(state.registry, running.read(phys, there)):
            running.forget(phys, max(known(subtree.size) or running.page_size, there))


def _outgoing_said(sources: Sources, running: KcoreMemory, found: FoundInMemory, *, was_searched: bool) -> Sources:
    """Why the outgoing root FDT is not known, where nothing that the kernel names, or a search gave, is one."""
    handed_in = None if sources.boot is None else sources.boot.fdt_phys
    if any(root.phys != handed_in for root in found.roots):
        return replace(sources, no_outgoing=NO_TEXT) if was_searched else sources
    if was_searched:
        return replace(sources, no_outgoing=SafeText("a search of all RAM that can be read found no root FDT of it"))
    if sources.no_outgoing:
        return sources
    absences = [(page, running.absence(page)) for page in running.outgoing]
    refused = [f"{page:#x}: {absence.reason}" for page, absence in absences if absence is not None]
    why = f" ({'; '.join(refused[:_NAMED])})" if refused else ""
    return replace(sources, no_outgoing=SafeText(f"kho_out of this kernel points at no page that can be read as a root FDT{why}"))


def _moving(reading: _Reading) -> SafeText:
    """What of a running machine was not the same in two readings."""
    pages = sorted(reading.held_back | reading.differing)
    files = sorted({*reading.moving, *reading.changed})
    parts = [] if not pages else [f"{plural(len(pages), 'page')} of memory ({', '.join(f'{page:#x}' for page in pages[:_NAMED])})"]
    parts += files[:_NAMED]
    return SafeText(f"moving, so not shown or of two moments: {', '.join(parts)}") if parts else NO_TEXT


def _read_names(state: State, changed: tuple[str, ...]) -> list[SafeText]:
    """The files of the state among those that changed beside it, as the state calls them: a log in the same directory is none of it."""
    if not changed:
        return []
    files = state.machine.files
    if changed == ("",):
        return [file.path for file in files][:1]
    read = {file.path for file in files}
    found: dict[SafeText, None] = {}
    for name in changed:
        parts = visible(name).split("/")
        ends = ["/".join(parts[at:]) for at in range(len(parts))]
        found |= dict.fromkeys(path for end in ends for path in (SafeText(end), SafeText(f"kho/{end}")) if path in read)
    return list(found)


def _in_words(names: list[SafeText]) -> SafeText:
    if not names:
        return NO_TEXT
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return SafeText(f"changed while being read: {', '.join(names[:_NAMED])}{more}; it may be of two moments, read it again")
