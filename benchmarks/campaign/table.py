"""The tables of a campaign: predicted against booted, and by kind of field."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from campaign.judgement import BOOTED_CLASSES, CLASSES


def read_runs(path: Path) -> list[dict[str, Any]]:
    """The runs of a results file, the last line of each seed and number."""
    if not path.is_file():
        return []
    runs = (json.loads(line) for line in path.read_text().splitlines())
    return list({(run["seed"], run["number"]): run for run in runs}.values())


def table(runs: Sequence[Mapping[str, Any]]) -> str:
    """Markdown."""
    drawn = [run for run in runs if run["kind"] != "none"]
    results = Counter(run["result"] for run in drawn)
    decided = results["agree"] + results["disagree"]
    share = f"{100 * results['agree'] / decided:.1f} %" if decided else "-"
    unknown = f"{100 * results['unknown'] / len(drawn):.1f} %" if drawn else "-"
    seeds = ", ".join(str(seed) for seed in sorted({run["seed"] for run in drawn}))
    head = f"{len(drawn)} altered states (seeds {seeds}): {share} of what is predicted agrees, {unknown} unknown."
    return "\n\n".join([head, _matrix(drawn), _by(drawn, "kind", "kind of field"), _by(drawn, "kernel", "kernel")])


def _matrix(runs: Sequence[Mapping[str, Any]]) -> str:
    counts = Counter((run["predicted"]["class"], run["came_to"]) for run in runs)
    rows = [f"| {told} | {' | '.join(str(counts[told, booted] or '') for booted in BOOTED_CLASSES)} |" for told in CLASSES]
    return "\n".join([f"| predicted \\ booted | {' | '.join(BOOTED_CLASSES)} |", "|---|" + "---|" * len(BOOTED_CLASSES), *rows])


def _by(runs: Sequence[Mapping[str, Any]], key: str, title: str) -> str:
    counts = Counter((run[key], run["result"]) for run in runs)
    lines = [f"| {title} | runs | agree | unknown | disagree |", "|---|---|---|---|---|"]
    for name in sorted({run[key] for run in runs}):
        agree, unknown, disagree = (counts[name, result] for result in ("agree", "unknown", "disagree"))
        lines.append(f"| {name} | {agree + unknown + disagree} | {agree} | {unknown} | {disagree} |")
    return "\n".join(lines)


def write_between(document: Path, name: str, text: str) -> None:
    """Put a text between the marks of this name in a document."""
    begin, end = f"<!-- {name} table -->", f"<!-- end of the {name} table -->"
    before, _, rest = document.read_text().partition(begin)
    document.write_text(f"{before}{begin}\n\n{text}\n\n{end}{rest.partition(end)[2]}")
