"""The base of all values that encode may see: what a kernel wrote, without a captured byte and without what follows from the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from kho_tui.layout.arrays import U64s

Further: TypeAlias = Mapping[str, int | bytes]
"""Values of fields that a version has more than those that are named here."""


@dataclass(frozen=True)
class Plain:
    """Values of one content. Counts, ``next`` pointers and leaf bits are left out, so that encoding proves the rules."""


@dataclass(frozen=True)
class RawBytes(Plain):
    """Of something nobody knows: its bytes are its value."""

    data: bytes


@dataclass(frozen=True, eq=False)
class PlainVmalloc(Plain):
    """A preserved vmalloc area: the pages of its chunk chain, and the ``entries`` (u64 of shape (n,)) of 2^order pages each."""

    chunks: tuple[int, ...]
    entries: U64s
    total_pages: int
    flags: int
    order: int


@dataclass(frozen=True, eq=False)
class PlainFile(Plain):
    """One file of a session. ``data`` is the handler's u64, ``content`` what lies there, None for a handler nobody knows."""

    compatible: bytes
    data: int
    token: int
    content: Plain | None
    more: Further = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class PlainSession(Plain):
    """One session. ``pages``: where its list of files lies, one array or the blocks of a chain; none for a session without files."""

    name: bytes
    pages: tuple[int, ...]
    files: tuple[PlainFile, ...]
    more: Further = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlainFlb(Plain):
    """One piece of file-lifecycle-bound data. ``content``: what lies at its data, None where nobody declares that."""

    name: bytes
    data: int
    count: int
    content: Plain | None = None


@dataclass(frozen=True, slots=True)
class PlainFlbPage(Plain):
    """The FLB page. ``pgcnt`` is written at boot, the entries in the reboot call."""

    phys: int
    pgcnt: int
    flbs: tuple[PlainFlb, ...]
