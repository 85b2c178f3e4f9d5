"""ArrangedPane: a list that is filtered and sorted by its columns, beside the screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kho_tui.errors import InputError
from kho_tui.layout.arrays import I64s
from kho_tui.layout.struct import Unit
from kho_tui.model.facts import Missing
from kho_tui.text import NO_TEXT, SafeText, visible
from kho_tui.views.query import Data, Numbers, Query, Words, parse_query
from kho_tui.views.tui.background import Newest
from kho_tui.views.tui.lines import Role
from kho_tui.views.tui.list_pane import Cell, ListColumn, ListPane
from kho_tui.views.tui.paint import look_of
from kho_tui.views.tui.table_view import TableView
from kho_tui.views.tui.theme import Glyphs

_LARGEST_FIRST = frozenset({Unit.BYTES, Unit.COUNT, Unit.ORDER, Unit.PAGES})


class Listing(Protocol):
    """Rows with whole columns to filter and sort by; made when asked for, which may take a while."""

    @property
    def columns(self) -> tuple[ListColumn, ...]:
        """Left to right."""

    def __len__(self) -> int: ...

    def data(self, name: str) -> Data:
        """A whole column."""

    def cells_of(self, rows: list[int]) -> list[tuple[Cell, ...]]:
        """The cells of some rows."""


@dataclass(frozen=True, eq=False)
class Arranged:
    """The rows of a listing that fit a filter, in some order; ``index`` None: all as they stand."""

    listing: Listing
    index: I64s | None

    @property
    def columns(self) -> tuple[ListColumn, ...]:
        """Those of the listing."""
        return self.listing.columns

    def __len__(self) -> int:
        return len(self.listing) if self.index is None else len(self.index)

    def cells(self, start: int, count: int) -> list[tuple[Cell, ...]]:
        """The rows in sight."""
        return self.listing.cells_of([self.row(at) for at in range(start, min(start + count, len(self)))])

    def row(self, at: int) -> int:
        """The row of the listing that stands at a place."""
        return at if self.index is None else int(self.index[at])

    def place_of(self, row: int) -> int | None:
        """Where a row of the listing stands; None where it does not fit the filter."""
        if self.index is None:
            return row if 0 <= row < len(self.listing) else None
        found = np.flatnonzero(self.index == row)
        return int(found[0]) if len(found) else None


def arranged(listing: Listing, query: Query | None, sort: str) -> Arranged:
    """Filter and sort: sizes and counts largest first, what is not known last; ``sort`` empty: as they stand."""
    units = {column.name: column.unit for column in listing.columns}
    index = None
    if query is not None and len(listing):
        index = np.flatnonzero(query.mask({name: listing.data(name) for name in query.columns}))
    if sort in units and len(listing):
        ranks = _ranks(listing.data(sort), largest_first=units[sort] in _LARGEST_FIRST)
        index = np.arange(len(listing)) if index is None else index
        index = index[np.argsort(ranks[index], kind="stable")]
    return Arranged(listing, index)


def _ranks(data: Data, *, largest_first: bool) -> npt.NDArray[np.integer]:
    """Numbers that ascend as the rows are to stand."""
    if isinstance(data, Words):
        texts = np.array([text.casefold() for text in data.texts], np.str_)
        order: I64s = np.argsort(np.argsort(texts, kind="stable"), kind="stable")
        return order[data.numbers] if len(texts) else data.numbers
    values = (data.values if isinstance(data, Numbers) else data).astype(np.uint64)
    top = np.uint64(2**64 - 1)
    ranks = top - np.uint64(1) - np.minimum(values, top - np.uint64(1)) if largest_first else np.minimum(values, top - np.uint64(1))
    return np.where(data.known, ranks, top) if isinstance(data, Numbers) else ranks


def arrangement_note(words: str, order: str, glyphs: Glyphs) -> SafeText:
    """Filter and sort for the bottom line, each empty where there is none."""
    parts = [visible(words)] if words else []
    parts += [SafeText(f"by {order}")] if order else []
    return SafeText(f" {glyphs.dot} ".join(parts))


class ArrangedPane(ListPane):
    """A list with a filter and a sort of its own. ``settled`` is called whenever it has come to show what it was told to."""

    def __init__(self, title: str, units: Mapping[str, Unit], page_size: int, settled: Callable[[], None], *, id: str) -> None:
        super().__init__(title, id=id)
        self.words = ""
        self._units = units
        self._page_size = page_size
        self._settled = settled
        self._listing: Listing | None = None
        self._doubt = NO_TEXT
        self._query: Query | None = None
        self._order = ""
        self._wanted = 0
        self._arranging = Newest(self)

    @property
    def is_arranging(self) -> bool:
        """True until it shows what it was told to."""
        return self._arranging.is_running

    @property
    def order(self) -> str:
        """The column it is sorted by, empty: as the rows stand."""
        return self._order

    @property
    def row(self) -> int | None:
        """The row of the listing at the cursor; None while it still shows another listing."""
        rows = self.rows
        return rows.row(self.cursor) if isinstance(rows, Arranged) and rows.listing is self._listing and len(rows) else None

    @property
    def note(self) -> SafeText:
        """Filter and sort, for the bottom line."""
        return arrangement_note(self.words, self._order, look_of(self).glyphs)

    def take(self, listing: Listing, row: int = 0, doubt: SafeText = NO_TEXT) -> None:
        """Show a listing, with a row of it selected where it fits the filter. ``doubt``: why it may lack rows, empty where it is whole."""
        self._listing, self._wanted, self._doubt = listing, row, doubt
        query, order = self._query, self._order

        def done(result: Arranged) -> None:
            if self._listing is not listing:
                return
            with self.prevent(TableView.Moved):
                if len(listing):
                    self.show(result, result.place_of(self._wanted) or 0, order, is_part=bool(doubt))
                elif doubt:
                    self.show_nothing(doubt, Role.BAD)
                else:
                    self.show_nothing(SafeText("none"))
            self.center_cursor()
            self._settled()

        self._arranging.run(lambda: arranged(listing, query, order), done, self._failed)

    def take_nothing(self, why: Missing | SafeText) -> None:
        """Show why there is no list."""
        self._listing = None
        with self.prevent(TableView.Moved):
            if isinstance(why, Missing):
                self.show_missing(why)
            else:
                self.show_nothing(why)
        self._settled()

    def _failed(self, why: SafeText) -> None:
        self.show_nothing(why, Role.BAD)
        self._settled()

    def rearrange(self, words: str, order: str) -> None:
        """Filter and sort anew; the selected row stays where it can. Raises InputError for a filter that is not understood."""
        self._query = parse_query(words, self._units, self._page_size) if words else None
        self.words = words
        self._order = order if order in self._units else ""
        if self._listing is not None:
            self.take(self._listing, self._wanted if self.row is None else self.row, self._doubt)

    def next_order(self) -> None:
        """Sort by the next column, after the last as the rows stand."""
        orders = ["", *self._units]
        self.rearrange(self.words, orders[(orders.index(self._order) + 1) % len(orders)])

    def remember(self, words: str, order: str) -> None:
        """As ``rearrange``, of a filter that was understood once; another is dropped."""
        try:
            self.rearrange(words, order)
        except InputError:
            self.rearrange("", order)
