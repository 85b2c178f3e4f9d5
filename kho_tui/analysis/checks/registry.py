"""All rules, and the anomalies of decoding beside them: one namespace of codes."""

from __future__ import annotations

from collections.abc import Mapping

from kho_tui.analysis.checks import (
    blobs,
    blocks,
    boots,
    captured,
    chunks,
    fdts,
    luo,
    luo_lists,
    memblock,
    memfd,
    metadata,
    names,
    owners,
    radix,
    root,
    scratch,
    sessions,
    subtrees,
    test_module,
    tracker_pages,
    vmalloc,
)
from kho_tui.analysis.checks.rule import Rule
from kho_tui.model.codes import CODES

_ALL = (
    *(root, fdts, blobs, subtrees, chunks, radix, blocks, tracker_pages, owners, scratch, vmalloc),
    *(memblock, metadata, test_module, luo, luo_lists, sessions, names, memfd, boots, captured),
)

RULES: tuple[Rule, ...] = tuple(sorted((one for module in _ALL for one in module.RULES), key=lambda one: one.code))
"""By code."""

BY_CODE: Mapping[str, Rule] = {one.code: one for one in RULES}

EVERY_CODE = tuple(sorted({*BY_CODE, *CODES}))
"""Codes that a report can hold: of rules, and of what decoding meets."""
