"""Open a path: capture, then decode."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from kho_tui.capture.probe import open_sources
from kho_tui.capture.sources import Sources
from kho_tui.context import Context
from kho_tui.decode.platform import Overrides
from kho_tui.decode.state import decode_state
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.model.state import State


@dataclass(frozen=True, slots=True)
class Opened:
    """A decoded state and the memory it came from, for looking at further bytes. A context manager, or ``close``."""

    state: State
    sources: Sources

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


def open_state(path: str | Path, context: Context, overrides: Overrides | None = None, *, raw_base: int | None = None) -> Opened:
    """The decoded state at ``path``; ``raw_base`` is the physical address of a raw image. Raises InputError, ReadError or Cancelled."""
    sources = open_sources(path, context, raw_base=raw_base)
    try:
        return Opened(decode_state(sources, context, overrides or Overrides()), sources)
    except BaseException:
        sources.close()
        raise
