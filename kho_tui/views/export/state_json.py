"""``show --json``: schema kho-tui.state/1. Addresses and opaque u64 are "0x..." strings, sizes and counts integers, unknown is null."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from kho_tui.layout.place import Blob
from kho_tui.model.content import SubtreeContent
from kho_tui.model.facts import Missing, Status, known
from kho_tui.model.gap import Gap
from kho_tui.model.gaps import gaps
from kho_tui.model.json_value import Json, Rows, address_text, further_fields, hex_text
from kho_tui.model.runs import Runs
from kho_tui.model.state import Root, Scratch, Side, State, Subtree
from kho_tui.model.tracker import PreservedMap
from kho_tui.model.verdict import verdict
from kho_tui.text import visible

SCHEMA = "kho-tui.state/1"
SIDES = ("in", "out", "unsided")
_BATCH = 512
_HEXDUMP_BYTES = 64
_MOST_GAPS = 1000
"""Gaps of a side that are listed; all are counted."""


def state_json(state: State, *, blocks: bool) -> Json:
    """The whole state; ``blocks`` adds every preserved block and every folio."""
    machine = state.machine
    return {
        "schema": SCHEMA,
        "verdict": verdict(state),
        "source": {
            "path": machine.path,
            "kind": machine.kind,
            "kernel": machine.release and visible(machine.release),
            "arch": machine.arch,
            "byte_order": machine.platform.byte_order,
            "page_size": machine.platform.page_size,
            "platform_reasons": list(machine.platform_reasons),
            "files": [{"path": one.path, "size": one.size, "gave": one.gave, "note": one.note} for one in machine.files],
        },
        "scratch": _scratch(state.scratch),
        "sides": {name: _side(state.sides[name], blocks) if name in state.sides else None for name in SIDES},
        "findings": [{"code": f.code, "severity": f.severity, "message": f.message, "where": f.where.text} for f in state.findings],
    }


def _scratch(scratch: Scratch | Missing) -> Json:
    if isinstance(scratch, Missing):
        return None
    return [{"kind": a.kind, "node": a.node, "start": hex_text(a.start), "size": a.size} for a in scratch.areas]


def _side(side: Side, blocks: bool) -> Json:
    root, missing = side.root, gaps(side)
    return {
        "abi": None if isinstance(root, Missing) or root.compatible is None else visible(root.compatible),
        "writer": side.writer,
        "finalized": known(side.finalized),
        "fdt": _fdt(root),
        "preserved": _preserved(side, blocks),
        "subtrees": [_subtree(one, blocks) for one in side.subtrees] if side.subtrees_told else None,
        "more_subtrees": _more(side),
        "gap_count": len(missing),
        "gaps": [_gap(one) for one in missing[:_MOST_GAPS]],
    }


def _gap(one: Gap) -> Json:
    """Something that could not be read; ``read`` of ``of`` entries where that is known."""
    count = one.count
    return {
        "part": one.part,
        "path": one.path.text,
        "state": one.status.value,
        "reason": one.reason,
        "read": None if count is None else count.read,
        "of": None if count is None else count.of,
    }


def _more(side: Side) -> Json:
    """Null where ``subtrees`` are all; else there may be more, surely one where the root FDT ends inside its name."""
    if isinstance(side.root, Missing) or side.root.view.tree.lists_all:
        return None
    return {"name_begins_with": None if side.cut_subtree is None else visible(side.cut_subtree)}


def _fdt(root: Root | Missing) -> Json:
    if isinstance(root, Missing):
        return None
    tree = root.view.tree
    return {
        "phys": address_text(root.phys),
        "total_size": tree.total_size,
        "available": tree.available,
        "origin": root.view.blob.place.origin.value,
        "truncated": tree.truncated,
        "libfdt": root.view.verdict,
        **further_fields(root.more),
    }


def _preserved(side: Side, blocks: bool) -> Json:
    fact = side.preserved
    root_map = None if isinstance(side.root, Missing) else address_text(side.root.map_address)
    if isinstance(fact, Missing):
        return {"state": fact.status.value, "reason": fact.reason, "map": root_map, "blocks": None, "bytes": None, "by_order": None}
    status, reason = fact.standing
    shown: dict[str, Json] = {"state": status.value, "reason": reason, "map": root_map, **_counts(fact.runs)}
    if fact.others:
        shown["other_readings"] = [{"bitmap_bytes": o.bitmap_bytes, "reason": o.why, **_counts(o.runs)} for o in fact.others]
    if blocks:
        shown["block_list"] = Rows(_block_batches(fact))
    return shown


def _counts(runs: Runs) -> dict[str, Json]:
    return {"blocks": runs.blocks, "bytes": runs.bytes, "by_order": {str(order): count for order, count in runs.by_order.items()}}


def _block_batches(fact: PreservedMap) -> Callable[[], Iterator[list[list[str | int]]]]:
    def batches() -> Iterator[list[list[str | int]]]:
        rows: Iterator[list[str | int]] = ([hex_text(address), order] for address, order in fact.runs.ascending())
        while batch := list(islice(rows, _BATCH)):
            yield batch

    return batches


def _subtree(one: Subtree, blocks: bool) -> Json:
    return {
        "name": visible(one.name),
        "phys": address_text(one.phys),
        "size": known(one.size),
        "in_root": one.in_root,
        "compatible": None if one.compatible is None else visible(one.compatible),
        "state": one.status.value,
        "reason": one.reason,
        "origin": one.blob.place.origin.value if isinstance(one.blob, Blob) else None,
        "content": _content(one, blocks),
        "copies": [] if one.status is Status.STALE else [_copy(copy) for copy in one.copies],
    }


def _copy(copy: Blob) -> Json:
    """Another source's bytes of the same thing, where they differ from those that count."""
    return {"origin": copy.place.origin.value, "source": visible(copy.place.source), "hexdump": copy.data[:_HEXDUMP_BYTES].hex()}


def _content(one: Subtree, blocks: bool) -> Json:
    if isinstance(one.content, SubtreeContent):
        return one.content.json(rows=blocks)
    if one.status is Status.STALE or not isinstance(one.blob, Blob):
        return None
    return {"hexdump": one.blob.data[:_HEXDUMP_BYTES].hex()}
