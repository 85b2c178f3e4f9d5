"""The test module's state as plain values."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.model.plain import Plain, PlainVmalloc


@dataclass(frozen=True, eq=False)
class PlainTest(Plain):
    """The test module's state: (address, order) of each folio, and the area that holds the list (None: the list stands in the FDT)."""

    magic: int
    folios: tuple[tuple[int, int], ...]
    csum: int
    area: PlainVmalloc | None
