"""Who claims which memory: stretches, arrays of them at a time, as the things of a state name them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kho_tui.context import Context
from kho_tui.layout.arrays import U64s
from kho_tui.layout.table import Table
from kho_tui.model.kinds import Kind
from kho_tui.model.path import EntityPath
from kho_tui.model.runs import Runs


@dataclass(frozen=True, eq=False, kw_only=True)
class Claim:
    """Stretches [start, end) that one entity claims, u64 of shape (n,), in the order of the entity's rows.

    ``rows``: whether stretch i is row i of the entity's table (folios), so that the number of the row's entry belongs to the path;
    ``numbers`` are these, int64 of shape (n,), where they are not 0..n-1.
    """

    kind: Kind
    path: EntityPath
    start: U64s
    end: U64s
    rows: bool = False
    numbers: npt.NDArray[np.int64] | None = None

    def path_of(self, row: int) -> EntityPath:
        """The path of a stretch."""
        return self.path if not self.rows else self.path.child(str(row if self.numbers is None else int(self.numbers[row])))


@dataclass(slots=True)
class ClaimCollector:
    """The claims of a side as its entities make them. ``runs``: its preserved blocks, None: not known; ``page_size`` in bytes."""

    page_size: int
    runs: Runs | None
    context: Context
    claims: list[Claim] = field(default_factory=list)

    def add(self, kind: Kind, path: EntityPath, start: U64s, end: U64s, rows: Table | None = None) -> None:
        """Stretches; ``rows``: the table of which they are the rows."""
        self.context.step("collecting owners", len(self.claims))
        if len(start):
            self.claims.append(
                Claim(kind=kind, path=path, start=start, end=end, rows=rows is not None, numbers=None if rows is None else rows.numbers)
            )

    def span(self, kind: Kind, path: EntityPath, address: int, size: int) -> None:
        """Any stretch of bytes as it is."""
        if size > 0 and address >= 0 and address + size < 2**64:
            self.add(kind, path, np.array([address], np.uint64), np.array([address + size], np.uint64))

    def pages(self, kind: Kind, path: EntityPath, address: int, size: int) -> None:
        """All pages that hold ``size`` bytes at ``address``; the whole block where one starts there, for that is what was allocated."""
        first = address // self.page_size * self.page_size
        end = -(-(address + max(size, 1)) // self.page_size) * self.page_size
        if self.runs is not None:
            block = self.runs.block_at(first)
            if block is not None:
                start, order = self.runs.expand(block, 1)
                if int(start[0]) == first:
                    end = max(end, first + (self.page_size << int(order[0])))
        self.span(kind, path, first, end - first)

    def each_page(self, kind: Kind, path: EntityPath, addresses: Iterable[int] | U64s) -> None:
        """Single pages."""
        start = np.asarray(addresses if isinstance(addresses, np.ndarray) else list(addresses), np.uint64)
        keep = start < np.uint64(2**64 - self.page_size)
        self.add(kind, path, start[keep], start[keep] + np.uint64(self.page_size))


def block_orders(runs: Runs | None, addresses: U64s) -> U64s:
    """Order of the preserved block that starts at each address, 0 where none does: the folio array does not tell."""
    if runs is None or not len(runs):
        return np.zeros(len(addresses), np.uint64)
    at = np.searchsorted(runs.start, addresses, side="right") - 1
    run = np.maximum(at, 0)
    order = runs.order[run].astype(np.uint64)
    size = np.uint64(1) << (order + np.uint64(runs.page_shift))
    offset = addresses - runs.start[run]
    starts_here = (at >= 0) & (offset % size == 0) & (addresses < runs.ends[run])
    return np.where(starts_here, order, np.uint64(0))
