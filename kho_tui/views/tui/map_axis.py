"""The address axis of the map: which stretch of memory each cell of a line stands for. Arithmetic only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kho_tui.memory.physical import ADDRESS_END

_TOP = ADDRESS_END - 1
_BESIDE = 2
"""Blanks between two addresses on the axis."""
_SHARE = 2
"""What is zoomed to fills at most one part of this many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """``width`` cells of ``cell`` bytes from ``low``, moving over memory from ``start`` to below ``end``; ``page`` is the smallest cell."""

    start: int
    end: int
    page: int
    width: int
    cell: int
    low: int

    @property
    def high(self) -> int:
        """First address behind the window, at most the last one there is."""
        return min(self.low + self.cell * self.width, _TOP)

    @property
    def is_whole(self) -> bool:
        """True where all memory is in the window."""
        return self.cell >= _fitting(self.start, self.end, self.page, self.width)

    def column(self, address: int) -> int:
        """The cell that holds an address; beside 0..width-1 where the window does not show it."""
        return (address - self.low) // self.cell

    def cell_of(self, address: int) -> tuple[int, int]:
        """First and last but one address of the cell that holds an address."""
        low = self.low + self.column(address) * self.cell
        return low, min(low + self.cell, _TOP)

    def clamped(self, address: int) -> int:
        """The nearest address there is."""
        return min(max(address, self.start), max(self.end - 1, self.start))

    def resized(self, width: int, address: int) -> Axis:
        """The same place with another number of cells; what was whole stays so."""
        if self.is_whole:
            return whole_axis(self.start, self.end, self.page, width)
        return replace(self, width=width).showing(address)

    def zoomed(self, direction: int, address: int) -> Axis:
        """Cells half (1) or twice (-1) as large, at powers of two; ``address`` stays where it is on the screen."""
        pages = self.cell // self.page
        whole = whole_axis(self.start, self.end, self.page, self.width)
        larger = 1 << pages.bit_length()
        smaller = 1 << max((pages - 1).bit_length() - 1, 0)
        cell = (smaller if direction > 0 else larger) * self.page
        return whole if cell >= whole.cell else self._with_cell(cell, address, self.column(address))

    def around(self, low: int, high: int) -> Axis:
        """Zoomed so that [low, high) lies in the middle and a good part of the window shows what is beside it."""
        pages = max(1, -(-(high - low) * _SHARE // (self.width * self.page)))
        cell = (1 << (pages - 1).bit_length()) * self.page
        whole = whole_axis(self.start, self.end, self.page, self.width)
        if cell >= whole.cell:
            return whole
        return self._with_cell(cell, low + (high - low) // 2, self.width // 2)

    def panned(self, cells: int) -> Axis:
        """The window moved by cells, as far as there is memory."""
        return replace(self, low=self._bounded(self.low + cells * self.cell))

    def showing(self, address: int) -> Axis:
        """The window moved as little as it takes to show an address; to its middle where that lies far away."""
        column = self.column(address)
        if 0 <= column < self.width:
            return replace(self, low=self._bounded(self.low))
        near = -self.width // 4 <= column < self.width + self.width // 4
        beside = (column if column < 0 else column - self.width + 1) if near else column - self.width // 2
        return self.panned(beside)

    def ticks(self) -> Iterator[tuple[int, str]]:
        """Column and address of round addresses, as many as have room beside each other."""
        room = len(hex(self.high)) + _BESIDE
        step = 1 << (self.cell * room - 1).bit_length()
        address = -(-self.low // step) * step
        while address < self.high:
            yield self.column(address), hex(address)
            address += step

    def _with_cell(self, cell: int, address: int, column: int) -> Axis:
        new = replace(self, cell=cell)
        return replace(new, low=new._bounded(address // cell * cell - column * cell))

    def _bounded(self, low: int) -> int:
        first = self.start // self.cell * self.cell
        last = -(-self.end // self.cell) * self.cell - self.width * self.cell
        return max(first, min(low, last))


def whole_axis(start: int, end: int, page: int, width: int) -> Axis:
    """All memory from ``start`` to below ``end`` in one window."""
    width = max(width, 1)
    cell = _fitting(start, end, page, width)
    return Axis(start=start, end=end, page=page, width=width, cell=cell, low=start // cell * cell)


def _fitting(start: int, end: int, page: int, width: int) -> int:
    """The smallest cell with which all of it fits: of the sizes that have three binary digits at most."""
    return next(size for size in _sizes(page) if -(-end // size) - start // size <= width)


def _sizes(page: int) -> Iterator[int]:
    yield from (page * pages for pages in range(1, 4))
    scale = page
    while True:
        yield from (scale * digits for digits in range(4, 8))
        scale *= 2
