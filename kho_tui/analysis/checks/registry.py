"""All rules, and the anomalies of decoding beside them: one namespace of codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from kho_tui.analysis.checks import (
    blobs,
    blocks,
    boots,
    captured,
    chunks,
    fdts,
    names,
    owners,
    radix,
    root,
    scratch,
    subtrees,
    tracker_pages,
    vmalloc,
)
from kho_tui.analysis.checks.facet import FileJudging, FlbJudging, Judging
from kho_tui.analysis.checks.rule import Rule
from kho_tui.model.codes import CODES
from kho_tui.model.registry import Registry

_OF_KHO = (root, fdts, blobs, subtrees, chunks, radix, blocks, tracker_pages, owners, scratch, vmalloc, names, boots, captured)


def rules_of(registry: Registry) -> Mapping[str, Rule]:
    """The rules of KHO itself, and those of what is declared, by code in order. Raises TypeError for a code that two rules have."""
    rules = [rule for module in _OF_KHO for rule in module.RULES]
    rules += [rule for judging in registry.facets(Judging).values() for rule in judging.rules]
    rules += [rule for judging in registry.facets(FileJudging).values() for rule in judging.rules]
    rules += [rule for judging in registry.facets(FlbJudging).values() for rule in judging.rules]
    twice = [code for code, count in Counter(rule.code for rule in rules).items() if count > 1]
    if twice:
        raise TypeError(f"more than one rule is called {', '.join(twice)}")
    return {rule.code: rule for rule in sorted(rules, key=lambda rule: rule.code)}


def codes_of(registry: Registry) -> tuple[str, ...]:
    """Codes that a report can hold, in order: of rules, and of what decoding meets."""
    return tuple(sorted({*rules_of(registry), *CODES}))
