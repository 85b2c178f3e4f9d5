"""The tracker of preserved pages: its structure as it lies in memory, and the runs it stands for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kho_tui.layout.struct import Record
from kho_tui.layout.table import Table
from kho_tui.model.facts import Status, Unknown
from kho_tui.model.runs import Runs
from kho_tui.text import SafeText, human_size, plural


@dataclass(frozen=True, eq=False)
class Chunk:
    """One chunk page: its header and the elements in use."""

    header: Record
    elements: Table


@dataclass(frozen=True, eq=False)
class ChunkList:
    """The chain of a kho-v1 tracker. ``bitmap_bytes`` is the size of a bitmap in the reading taken."""

    chunks: tuple[Chunk, ...]
    bitmap_bytes: int


@dataclass(frozen=True, eq=False)
class NodeWords:
    """The words of the inner nodes of a radix tree that are not 0, good or not: where each lies and what it holds, u64 of shape (n,).

    ``nodes``: the inner nodes that were read, so that any other word of theirs is 0.
    """

    address: npt.NDArray[np.uint64]
    value: npt.NDArray[np.uint64]
    nodes: npt.NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class RadixTree:
    """The nodes of a kho-v2 to v4 tracker, level by level from the root down; the last level are the leaves.

    Each level: physical addresses of the nodes and the key prefix that leads there, u64 of shape (n,).
    """

    addresses: tuple[npt.NDArray[np.uint64], ...]
    prefixes: tuple[npt.NDArray[np.uint64], ...]
    words: NodeWords


@dataclass(frozen=True, eq=False)
class Reading:
    """Another reading of the same tracker, where the format leaves it open."""

    bitmap_bytes: int
    runs: Runs
    why: SafeText


@dataclass(frozen=True, eq=False, kw_only=True)
class PreservedMap:
    """What is preserved. ``status`` PARTIAL: some of the tracker could not be used, so that counts are lower bounds.

    ``damaged``: some of it was read and is wrong, not only out of reach. ``ambiguous``: nothing tells that it is not to be read in one of
    the other ways.
    """

    address: int
    structure: ChunkList | RadixTree
    runs: Runs
    status: Status
    reason: SafeText
    others: tuple[Reading, ...] = ()
    damaged: bool = False
    ambiguous: bool = False

    @property
    def words(self) -> SafeText:
        """How much is preserved: a lower bound where not all of the tracker could be used, in every reading where it is ambiguous."""
        bound = "at least " if self.status is not Status.DECODED else ""
        runs = [self.runs, *((other.runs for other in self.others) if self.ambiguous else ())]
        return SafeText(" or ".join(f"{bound}{plural(one.blocks, 'block')}, {human_size(one.bytes)}" for one in runs))

    @property
    def standing(self) -> tuple[Status, SafeText]:
        """How far the blocks can be trusted, and why not."""
        doubt = self.doubt if self.status is Status.DECODED else None
        return (self.status, self.reason) if doubt is None else (doubt.status, doubt.reason)

    @property
    def doubt(self) -> Unknown | None:
        """Why nothing is certain of the blocks; None where the tracker can be read in one way only."""
        if not self.ambiguous or not isinstance(self.structure, ChunkList):
            return None
        sizes = " or ".join(str(size) for size in (self.structure.bitmap_bytes, *(other.bitmap_bytes for other in self.others)))
        return Unknown(SafeText(f"nothing tells whether its bitmaps have {sizes} bytes: {self.words}"))


_NOTHING = np.empty(0, np.uint64)
NO_TREE = RadixTree((), (), NodeWords(_NOTHING, _NOTHING, _NOTHING))
"""A tree of which not one node is known."""

UNUSABLE = SafeText("nothing of the tracker could be used")
"""Reason of a Damaged tracker whose pages were there and held no block at all."""
