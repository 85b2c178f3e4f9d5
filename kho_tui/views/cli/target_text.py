"""``check --target`` as text: the verdict, what becomes of each subsystem's part, and what cannot be told."""

from __future__ import annotations

from collections.abc import Iterator

from kho_tui.analysis.compat import Compatibility, TargetKernel
from kho_tui.releases.receiver import Answer, Outcome
from kho_tui.text import visible


def target_lines(found: Compatibility) -> Iterator[str]:
    """The lines of the answer, the verdict first."""
    yield found.verdict
    yield f"  target: {_kernel(found.target)}"
    if found.loading is not None:
        yield f"  loading: {found.loading.reason}"
    if found.outcome is not None:
        yield from _consumers(found)
        deciding = found.reception.deciding
        if deciding is not None:
            yield from _deciding(deciding)
    for reason in found.open:
        yield f"  cannot be told: {reason}"
    for note in found.notes:
        yield f"  note: {note}"


def _kernel(target: TargetKernel) -> str:
    told = [f"{target.name} ({target.source})"]
    told += [target.arch] if target.arch is not None else []
    told += [target.support.value] if target.support is not None and target.kind != "release" else []
    return ", ".join(told)


def _consumers(found: Compatibility) -> Iterator[str]:
    consumers = found.reception.consumers
    if not consumers or found.outcome is Outcome.IGNORED:
        return
    width = max(len(visible(name)) for name in consumers)
    for name, (outcome, met) in consumers.items():
        yield f"  {visible(name):<{width}}  {outcome.value}" + (f": {visible(met)}" if met else "")


def _deciding(answer: Answer) -> Iterator[str]:
    check = answer.check
    yield f"  decided by {check.name} ({check.stage.value}): {check.question}? {check.consequence}"
    yield f"  source: {check.source}"
