"""A memfd as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field

from kho_tui.abi.memfd import MemfdFormat
from kho_tui.layout.arrays import U64s
from kho_tui.model.plain import Further, Plain, PlainVmalloc


@dataclass(frozen=True, eq=False, kw_only=True)
class PlainMemfd(Plain):
    """A memfd. ``folios``: u64 of shape (n, 3), the columns page frame number, flag bits, page index; ``seals`` None in memfd-v1.

    ``area`` is None for a file of size 0: a descriptor of zeros.
    """

    form: MemfdFormat
    pos: int
    size: int
    seals: int | None
    flags: int
    folios: U64s
    area: PlainVmalloc | None
    more: Further = field(default_factory=dict)
