"""What the app is given to show. The app takes a loader and so knows no files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kho_tui.analysis.memory_map import MemoryMap
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.model.entity import Entity
from kho_tui.text import SafeText

Maps = Callable[[str], MemoryMap]
"""The memory map of a side; computed when it is first asked for, which may take seconds. Any thread."""


def no_maps(side: str) -> MemoryMap:
    """Of a state whose map is not known."""
    raise InputError(f"there is no memory map of {side}")


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A state ready to be looked at. ``page_size`` in bytes turns page frame numbers into addresses."""

    title: SafeText
    verdict: SafeText
    root: Entity
    page_size: int = 4096
    maps: Maps = no_maps


Loader = Callable[[Context], Loaded]
"""Blocking; runs in a thread, reports through the context and stops when it is cancelled."""
