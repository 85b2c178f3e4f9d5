"""The kho-v2 to v4 tracker: radix tree to runs, level by level, thousands of nodes at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kho_tui.abi.radix import RadixShape
from kho_tui.decode.bitmaps import read_bitmaps
from kho_tui.decode.reader import Reader
from kho_tui.errors import BudgetError
from kho_tui.layout.arrays import U64s
from kho_tui.model.codes import BUDGET, CHAIN_LOOP, KEY_BAD, POINTER_BAD, TRACKER_DAMAGE
from kho_tui.model.facts import Damaged, Missing, Status
from kho_tui.model.path import EntityPath
from kho_tui.model.runs import RunBuilder, Runs
from kho_tui.model.tracker import UNUSABLE, NodeWords, PreservedMap, RadixTree
from kho_tui.text import SafeText

_BATCH_BYTES = 16 << 20


def decode_radix(reader: Reader, root: int, marker_counted: bool, where: EntityPath) -> PreservedMap | Missing:
    """The tree whose root node is at ``root``. ``marker_counted``: depth formula of kho-v3 on."""
    shape = RadixShape(reader.platform.page_shift, marker_counted)
    first = reader.page(root, "radix root")
    if isinstance(first, Missing):
        reader.unreadable(first, where, "root node of the tracker", root)
        return first
    damage = reader.findings.count(*TRACKER_DAMAGE)
    addresses, prefixes = [np.array([root], np.uint64)], [np.zeros(1, np.uint64)]
    seen = addresses[0]
    words = _Words()
    whole = True
    for level in range(shape.depth - 1, 0, -1):
        try:
            below, prefix, complete = _children(reader, shape, level, addresses[-1], prefixes[-1], words, where)
        except BudgetError as error:
            reader.findings.add(BUDGET, where, str(error))
            below, prefix, complete = np.empty(0, np.uint64), np.empty(0, np.uint64), False
        below, prefix, fresh = _unseen(reader, below, prefix, seen, where)
        seen = np.concatenate([seen, below])
        whole = whole and complete and fresh
        addresses.append(below)
        prefixes.append(prefix)
    runs, complete = _leaf_runs(reader, shape, addresses[-1], prefixes[-1], where)
    whole = whole and complete
    damaged = reader.findings.count(*TRACKER_DAMAGE) > damage
    if not runs.blocks and damaged:
        return Damaged(UNUSABLE)
    reason = "" if whole else "part of the tracker could not be used: counts are lower bounds"
    status = Status.DECODED if whole else Status.PARTIAL
    if not shape.holds_order0:
        status, reason = Status.DAMAGED, "kho-v2 on this page size loses the bit that tells the order: addresses and orders are wrong"
        reader.findings.add(KEY_BAD, where, reason, root)
    tree = RadixTree(tuple(addresses), tuple(prefixes), words.all())
    for array in (*addresses, *prefixes, tree.words.address, tree.words.value, tree.words.nodes):
        array.flags.writeable = False
    return PreservedMap(address=root, structure=tree, runs=runs, status=status, reason=SafeText(reason), damaged=damaged)


def radix_preserves(reader: Reader, root: int, page: int, marker_counted: bool) -> bool | None:
    """Whether the tree marks the order-0 block at ``page``: one walk down; None where a node on the way could not be read."""
    shape = RadixShape(reader.platform.page_shift, marker_counted)
    *inner, bit = shape.indexes(shape.key(page, 0))
    node = root
    for slot in inner:
        entry = reader.blob(node + slot * 8, 8)
        if isinstance(entry, Missing):
            return None
        node = int.from_bytes(entry.data, reader.platform.byte_order)
        if node == 0 or node % reader.platform.page_size:
            return False
    word = reader.blob(node + bit // 64 * 8, 8)
    return None if isinstance(word, Missing) else bool(int.from_bytes(word.data, reader.platform.byte_order) >> (bit % 64) & 1)


@dataclass(slots=True)
class _Words:
    """The words of inner nodes while they are read."""

    address: list[U64s] = field(default_factory=list)
    value: list[U64s] = field(default_factory=list)
    nodes: list[U64s] = field(default_factory=list)

    def all(self) -> NodeWords:
        """All of them, by address."""
        address, value, nodes = (np.concatenate([np.empty(0, np.uint64), *parts]) for parts in (self.address, self.value, self.nodes))
        by_address = np.argsort(address, kind="stable")
        return NodeWords(address[by_address], value[by_address], np.sort(nodes))


def _children(
    reader: Reader, shape: RadixShape, level: int, nodes: U64s, prefixes: U64s, words: _Words, where: EntityPath
) -> tuple[U64s, U64s, bool]:
    """Addresses and key prefixes of the nodes below, and whether every node and entry could be read."""
    size = reader.platform.page_size
    batch = max(1, _BATCH_BYTES // size)
    found: list[U64s] = [np.empty(0, np.uint64)]
    found_prefixes: list[U64s] = [np.empty(0, np.uint64)]
    complete = True
    for at in range(0, len(nodes), batch):
        reader.context.step("reading tracker nodes", at, len(nodes))
        data, present = reader.pages(nodes[at : at + batch], size)
        for missing in nodes[at : at + batch][~present].tolist():
            complete = False
            reader.unreadable(reader.absent(missing), where, f"radix node (level {level})", missing)
        entries = reader.words(data)
        node, slot = np.nonzero(entries)
        target = entries[node, slot]
        bad = target % np.uint64(size) != 0
        complete &= not bad.any()
        holder = nodes[at:][node]
        words.nodes.append(nodes[at : at + batch][present])
        words.address.append(holder + (slot.astype(np.uint64) << np.uint64(3)))
        words.value.append(target)
        reader.findings.add_each(
            POINTER_BAD,
            where,
            np.flatnonzero(bad).tolist(),
            lambda wrong, holder=holder, slot=slot, target=target: (  # type: ignore[misc]
                f"entry {int(slot[wrong])} of the radix node at {int(holder[wrong]):#x} (level {level}) is "
                f"{int(target[wrong]):#x}: not page aligned"
            ),
            lambda wrong, holder=holder: int(holder[wrong]),  # type: ignore[misc]
        )
        good = ~bad
        reader.context.spend_entries(int(good.sum()), "tracker nodes")
        found.append(target[good])
        found_prefixes.append(prefixes[at : at + batch][node[good]] + (slot[good].astype(np.uint64) << np.uint64(shape.level_shift(level))))
    return np.concatenate(found), np.concatenate(found_prefixes), complete


def _unseen(reader: Reader, nodes: U64s, prefixes: U64s, seen: U64s, where: EntityPath) -> tuple[U64s, U64s, bool]:
    """The nodes that are reached for the first time."""
    by_address = np.argsort(nodes, kind="stable")
    ordered = nodes[by_address]
    again = np.isin(ordered, seen)
    again[1:] |= ordered[1:] == ordered[:-1]
    twice = ordered[again].tolist()
    reader.findings.add_each(
        CHAIN_LOOP, where, twice, lambda address: f"the radix node at {address:#x} is reached twice; the first time counts", int
    )
    keep = np.sort(by_address[~again])
    return nodes[keep], prefixes[keep], not bool(again.any())


def _leaf_runs(reader: Reader, shape: RadixShape, leaves: U64s, prefixes: U64s, where: EntityPath) -> tuple[Runs, bool]:
    size = reader.platform.page_size
    # By address, which mostly is the order in the file: pages of one batch are then read many at a time, not one by one.
    by_address = np.argsort(leaves)
    leaves, prefixes = leaves[by_address], prefixes[by_address]
    pieces = RunBuilder()
    complete = True
    try:
        for batch in read_bitmaps(reader, leaves, size):
            for missing in leaves[batch.rows][~batch.present].tolist():
                complete = False
                reader.unreadable(reader.absent(missing), where, "radix leaf", missing)
            first, length = _one_marker_each(prefixes[batch.rows][batch.bitmap], batch.first.astype(np.uint64), batch.length)
            blocks, bad = _blocks_of_keys(shape, first, length)
            complete &= not bad.any()
            no_block = first[bad].tolist()
            reader.findings.add_each(KEY_BAD, where, no_block, lambda wrong: f"keys from {wrong:#x} on stand for no block: left out")
            pieces.add(*blocks)
    except BudgetError as error:
        reader.findings.add(BUDGET, where, str(error))
        complete = False
    reader.context.step("sorting preserved blocks")
    return pieces.runs(shape.page_shift), complete


def _blocks_of_keys(
    shape: RadixShape, first: U64s, length: npt.NDArray[np.int64]
) -> tuple[tuple[U64s, npt.NDArray[np.int64], U64s], npt.NDArray[np.bool_]]:
    """(start, count, order) of runs of keys that begin at ``first`` and have one marker bit, and which of the runs stand for no block."""
    bad = (first == 0) | (first >= np.uint64(1) << np.uint64(shape.order0_bit + 1))
    top = _highest_bit(np.where(bad, np.uint64(1), first))
    order = np.where(bad, np.uint64(0), np.uint64(shape.order0_bit) - top)
    bad |= order + np.uint64(shape.page_shift) > np.uint64(63)
    shift = np.where(bad, np.uint64(0), order + np.uint64(shape.page_shift))
    start = (first ^ (np.uint64(1) << top)) << shift
    end = start + (length.astype(np.uint64) << shift)
    bad |= end <= start
    return (start[~bad], length[~bad], order[~bad]), bad


def _one_marker_each(prefix: U64s, bit: U64s, length: npt.NDArray[np.int64]) -> tuple[U64s, npt.NDArray[np.int64]]:
    """First key and length of runs, cut so that all keys of a run have one marker bit.

    The keys of a leaf share the marker in their prefix, but for the one leaf whose prefix is 0: it holds blocks so large that only
    damage, or kho-v2 on 16K pages, makes it.
    """
    low = prefix == 0
    pieces: list[tuple[int, int]] = []
    for key, count in zip(bit[low].tolist(), length[low].tolist(), strict=True):
        end = key + count
        while key < end:
            stop = min(end, 1 << key.bit_length())
            pieces.append((key, stop - key))
            key = stop
    keys = np.array([key for key, _ in pieces], np.uint64)
    counts = np.array([count for _, count in pieces], np.int64)
    return np.concatenate([prefix[~low] | bit[~low], keys]), np.concatenate([length[~low], counts])


def _highest_bit(values: U64s) -> U64s:
    """Index of the highest set bit of each value (values above 0)."""
    filled = values.copy()
    for step in (1, 2, 4, 8, 16, 32):
        filled |= filled >> np.uint64(step)
    return np.bitwise_count(filled).astype(np.uint64) - np.uint64(1)
