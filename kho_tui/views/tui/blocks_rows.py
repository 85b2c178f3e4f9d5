"""Preserved blocks as rows with their owners: filtered and sorted in pieces, written for the window in sight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kho_tui.analysis.memory_map import MemoryMap
from kho_tui.analysis.owned_blocks import NOBODY, OwnedRuns
from kho_tui.layout.struct import Unit
from kho_tui.model.intervals import Intervals
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText
from kho_tui.views.query import Data, Query, Words
from kho_tui.views.tui.changes import NO_MEMORY
from kho_tui.views.tui.lines import Role, Span
from kho_tui.views.tui.list_pane import Cell, ListColumn, number_width
from kho_tui.views.tui.map_lanes import kind_role

COLUMNS: Mapping[str, Unit] = {
    "number": Unit.COUNT,
    "addr": Unit.PHYS,
    "order": Unit.ORDER,
    "size": Unit.BYTES,
    "owner": Unit.TEXT,
    "kind": Unit.TEXT,
}
"""What a filter may ask for."""
SORTS = ("addr", "size", "owner")
_NOBODY_TEXT = SafeText("nobody")
_NOT_TOLD_TEXT = SafeText("owner not told")
_NOT_YET = (Span(SafeText("..."), Role.DIM), Span(SafeText("")))
_ROOM_FOR_NUMBERS = 96
_ROOM_FOR_KINDS = 60
_KIND_WIDTH = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block. ``number`` in the tracker, ``size`` in bytes, ``claim`` the owner's number in the map (NOBODY: none), ``others`` how many
    more owners."""

    number: int
    address: int
    order: int
    size: int
    claim: int
    others: int


@dataclass(frozen=True, eq=False)
class OwnedBy:
    """The blocks of a side. ``memory`` is the map whose claims own them; None: not known yet, the pieces tell nothing of owners."""

    pieces: OwnedRuns
    memory: MemoryMap | None = None

    @cached_property
    def owners(self) -> tuple[SafeText, ...]:
        """Each claim's owner in words, and at the end the word for none."""
        claims = () if self.memory is None else self.memory.claims
        is_gap = self.memory is not None and self.memory.owner_gap is not None
        return (*(self._words(claim.path) for claim in claims), _NOT_TOLD_TEXT if is_gap else _NOBODY_TEXT)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Each claim's kind, and at the end that of none."""
        claims = () if self.memory is None else self.memory.claims
        return (*(claim.kind.name for claim in claims), "-")

    def _words(self, path: EntityPath) -> SafeText:
        parts = path.parts[1:] if self.memory is not None and path.parts[:1] == (self.memory.side,) else path.parts
        return SafeText("/".join(parts) or "root FDT")

    def owned_by(self, text: str) -> npt.NDArray[np.bool_]:
        """Which claims have a text in owner or kind, nobody at the end."""
        wanted = text.casefold()
        pairs = zip(self.owners, self.kinds, strict=True)
        return np.array([wanted in owner.casefold() or wanted in kind for owner, kind in pairs], np.bool_)

    def arranged(self, query: Query | None, sort: str) -> OwnedRuns:
        """The blocks that fit a filter, by address, size (largest first) or owner. Raises nothing; takes a while where there is much."""
        found = self.pieces
        if query is not None:
            found = found.split_at([*query.constants("addr"), *self._addresses(query.constants("number"))])
            # A claim of NOBODY, -1, is the last of the texts.
            owner, kind = Words(found.claim, self.owners), Words(found.claim, self.kinds)
            whole: dict[str, Data] = {"number": found.number, "addr": found.start, "order": found.order, "size": found.sizes}
            data: dict[str, Data] = whole | {"owner": owner, "kind": kind}
            found = found.take(query.mask(data))
        if sort == "size":
            return found.take(np.lexsort((found.start, -found.order.astype(np.int16))))
        if sort == "owner":
            texts = np.array([text.casefold() for text in self.owners[:-1]], np.str_)
            rank = np.append(np.argsort(np.argsort(texts, kind="stable"), kind="stable"), len(texts))
            return found.take(np.lexsort((found.start, rank[found.claim])))
        return found

    def _addresses(self, numbers: Sequence[int]) -> Iterator[int]:
        """Where the blocks of these numbers begin, those that there are."""
        for number in numbers:
            row = self.pieces.row_of(number) if number < self.pieces.blocks else None
            if row is not None:
                yield int(self.pieces.expand(row, 1).address[0])

    def blocks(self, view: OwnedRuns, start: int, count: int) -> Iterator[Block]:
        """Rows start..start+count-1 of an arrangement."""
        window = view.expand(start, count)
        columns = (window.number, window.address, window.order, window.claim, window.others)
        for number, address, order, claim, others in zip(*(column.tolist() for column in columns), strict=True):
            yield Block(number=number, address=address, order=order, size=1 << (order + view.page_shift), claim=claim, others=others)

    def owner_row(self, block: Block) -> int | None:
        """The row of the owner's table that claims the block; None for an owner without rows."""
        if self.memory is None or block.claim == NOBODY or not self.memory.claims[block.claim].rows:
            return None
        regions = self.memory.layers[self.memory.claims[block.claim].kind]
        near = regions.within(block.address, block.address + block.size)
        mine = near[regions.owner[near] == block.claim]
        return int(regions.row[mine[0]]) if len(mine) else None

    def owner_text(self, block: Block) -> SafeText:
        """The owner in words with the row, and how many more there are."""
        row = self.owner_row(block)
        number = "" if row is None or self.memory is None else f"[{self.memory.claims[block.claim].path_of(row).parts[-1]}]"
        return SafeText(f"{self.owners[block.claim]}{number}{f' +{block.others}' if block.others else ''}")


@dataclass(frozen=True, eq=False)
class BlockView:
    """An arrangement of the blocks as the list shows it. ``new``: memory that was not preserved when the state was read before."""

    owned: OwnedBy
    pieces: OwnedRuns
    new: Intervals = NO_MEMORY

    @cached_property
    def columns(self) -> tuple[ListColumn, ...]:
        """Number in the tracker, address, order, size, owner, kind."""
        whole = self.owned.pieces
        highest = int((whole.start + (whole.count.astype(np.uint64) - np.uint64(1)) * whole.sizes).max()) if len(whole) else 0
        return (
            ListColumn("number", Unit.COUNT, max(len(str(whole.blocks)), 6), _ROOM_FOR_NUMBERS),
            ListColumn("addr", Unit.PHYS, number_width(highest, Unit.PHYS)),
            ListColumn("order", Unit.ORDER, 5),
            ListColumn("size", Unit.BYTES, 9),
            ListColumn("owner", Unit.TEXT, 0, is_path=True),
            ListColumn("kind", Unit.TEXT, _KIND_WIDTH, _ROOM_FOR_KINDS),
        )

    def __len__(self) -> int:
        return self.pieces.blocks

    def cells(self, start: int, count: int) -> list[tuple[Cell, ...]]:
        """The blocks in sight."""
        blocks = self.owned.blocks(self.pieces, start, count)
        return [(block.number, block.address, block.order, block.size, *self._owner(block)) for block in blocks]

    def _owner(self, block: Block) -> tuple[Cell, Cell]:
        memory = self.owned.memory
        if memory is None:
            return _NOT_YET
        kind = SafeText(self.owned.kinds[block.claim])
        is_new = bool(len(self.new)) and self.new.clip(block.address, block.address + block.size).bytes > 0
        words = self.owned.owners[NOBODY] if block.claim == NOBODY else self.owned.owner_text(block)
        owner = Span(SafeText(f"+ {words}"), Role.MARK) if is_new else Span(words)
        if block.claim == NOBODY:
            return owner if is_new else Span(words, Role.WARN), Span(kind, Role.DIM)
        return owner, Span(kind, kind_role(memory.claims[block.claim].kind))
