"""The tracker of preserved pages: its structure as it lies in memory, and the runs it stands for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kho_tui.layout.struct import Record
from kho_tui.layout.table import Table
from kho_tui.model.facts import Status
from kho_tui.model.runs import Runs
from kho_tui.text import SafeText


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


@dataclass(frozen=True, eq=False)
class PreservedMap:
    """What is preserved. ``status`` PARTIAL: some of the tracker could not be used, so that counts are lower bounds.

    ``damaged``: some of it was read and is wrong, not only out of reach.
    """

    address: int
    structure: ChunkList | RadixTree
    runs: Runs
    status: Status
    reason: SafeText
    others: tuple[Reading, ...] = ()
    damaged: bool = False


_NOTHING = np.empty(0, np.uint64)
NO_TREE = RadixTree((), (), NodeWords(_NOTHING, _NOTHING, _NOTHING))
"""A tree of which not one node is known."""

UNUSABLE = SafeText("nothing of the tracker could be used")
"""Reason of a Damaged tracker whose pages were there and held no block at all."""
