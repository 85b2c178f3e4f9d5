"""Open a path: capture, then decode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from kho_tui.capture.probe import open_sources
from kho_tui.capture.sources import Sources
from kho_tui.context import Context
from kho_tui.decode.placement import search_sources
from kho_tui.decode.platform import Overrides
from kho_tui.decode.state import decode_state
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.memory.pieces import Piece
from kho_tui.model.codes import CHANGED_WHILE_READ
from kho_tui.model.finding import Finding
from kho_tui.model.path import EntityPath
from kho_tui.model.registry import Registry
from kho_tui.model.state import State
from kho_tui.operations.fingerprint import changed_names, fingerprint
from kho_tui.subsystems.registry import builtin
from kho_tui.text import NO_TEXT, SafeText, visible

_NAMED = 5
"""Changed files that are called by name."""


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
) -> Opened:
    """The decoded state at ``path``; ``base`` says where the pieces of a raw image lie. Raises InputError, ReadError or Cancelled.

    ``registry``: what is known of kernels, None: what is built in.

    The files are looked at before and after: a state that another one was written over meanwhile is made of two.
    """
    before = fingerprint(path)
    overrides, registry = overrides or Overrides(), registry or builtin()
    sources = open_sources(path, context, registry, base=base)
    try:
        sources, searched = search_sources(sources, context, overrides, registry)
        state = decode_state(sources, context, overrides, registry, searched)
        changed = _in_words(_read_names(state, changed_names(before, fingerprint(path))))
    except BaseException:
        sources.close()
        raise
    if not changed:
        return Opened(state, sources)
    finding = Finding(
        code=CHANGED_WHILE_READ.name, severity=CHANGED_WHILE_READ.severity, message=changed, where=EntityPath(("machine", "files"))
    )
    return Opened(replace(state, findings=(*state.findings, finding)), sources, changed)


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
