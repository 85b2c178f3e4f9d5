"""Who restores which block first: a mark is cleared when its block is restored, so that a second owner gets nothing (6.18 on)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from kho_tui.layout.arrays import U64s
from kho_tui.text import SafeText


@dataclass(frozen=True, eq=False)
class Owner:
    """Somebody who restores blocks: ``heads`` are their physical addresses. ``early``: before anybody can ask for a file.

    ``frees``: what it only frees when it is done, and does not miss where somebody was there before.
    """

    name: SafeText
    heads: U64s
    early: bool = False
    frees: U64s = field(default_factory=lambda: np.empty(0, np.uint64))


@dataclass(frozen=True, slots=True)
class Contest:
    """A block that is restored twice: its address, and who gets it, by its number among the owners and by name.

    ``settled``: whatever the order in which files are asked for.
    """

    address: int
    owner: int
    winner: SafeText
    settled: bool


@dataclass(frozen=True, eq=False)
class Ledger:
    """Owners in the order of a boot: those of the boot itself, then the first open of /dev/liveupdate, then files as they are listed.

    ``lost``: of each owner the first block that somebody has taken before it, itself included; None where it gets all.
    ``shared``: of each owner the addresses that it shares with others, whoever comes first.
    """

    lost: tuple[Contest | None, ...]
    shared: tuple[frozenset[int], ...]


def settle(owners: Sequence[Owner]) -> Ledger:
    """Let the owners restore their blocks in turn."""
    parts = [part for owner in owners for part in (owner.heads, owner.frees)]
    heads = np.concatenate([np.empty(0, np.uint64), *parts])
    lengths = [len(part) for part in parts]
    whose, missed = np.repeat(np.arange(len(parts)) // 2, lengths), np.repeat(np.arange(len(parts)) % 2 == 0, lengths)
    order = np.argsort(heads, kind="stable")
    heads, whose, missed = heads[order], whose[order], missed[order]
    again = np.flatnonzero(heads[1:] == heads[:-1]) + 1
    lost: list[Contest | None] = [None] * len(owners)
    shared: list[set[int]] = [set() for _ in owners]
    for row in again.tolist():
        first = int(np.searchsorted(heads, heads[row], side="left"))
        loser, winner, address = int(whose[row]), int(whose[first]), int(heads[row])
        if lost[loser] is None and missed[row]:
            lost[loser] = Contest(address, winner, owners[winner].name, settled=owners[winner].early or loser == winner)
        if loser != winner:
            shared[loser].add(address)
            shared[winner].add(address)
    return Ledger(tuple(lost), tuple(frozenset(addresses) for addresses in shared))
