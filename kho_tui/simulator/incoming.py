"""What a kernel that was booted by a KHO kexec got from the one before it, as far as its own outgoing side depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kho_tui.model.state import ScratchArea

Stretch = tuple[int, int]
"""(start, size) in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A taken handover. ``reserved``: (start, size) of every block that the tracker lists.

    ``arrived``: what the consumers made of their subtrees, by name; those that got nothing of theirs are not in it.
    """

    scratch: tuple[ScratchArea, ...]
    reserved: tuple[Stretch, ...]
    arrived: Mapping[bytes, object] = field(default_factory=dict)
