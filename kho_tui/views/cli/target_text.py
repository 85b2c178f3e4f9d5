"""``check --target`` as text: the verdict, what becomes of each subsystem's part, and what cannot be told."""

from __future__ import annotations

from collections.abc import Iterator

from kho_tui.analysis.compat import Compatibility, TargetKernel
from kho_tui.text import plural
from kho_tui.views.reception import arrival_lines, consumer_lines, deciding_lines


def target_lines(found: Compatibility, errors: int) -> Iterator[str]:
    """The lines of the answer, the verdict first. ``errors``: rules that the state breaks; what was accepted may be lost for them."""
    broken = f"; but the state has {plural(errors, 'error')}, and what they name may be lost" if errors else ""
    yield f"{found.verdict}{broken}"
    yield f"  target: {_kernel(found.target)}"
    if found.loading is not None:
        yield f"  loading: {found.loading.reason}"
    if found.outcome is not None:
        yield from consumer_lines(found.reception)
        yield from arrival_lines(found.reception)
        deciding = found.reception.deciding
        if deciding is not None:
            yield from deciding_lines(deciding)
    # Where the root is not known, everything else is not either.
    for reason in found.open if found.outcome is not None else found.open[: len(found.reception.undecided)]:
        yield f"  cannot be told: {reason}"
    for note in found.notes:
        yield f"  note: {note}"


def _kernel(target: TargetKernel) -> str:
    told = [f"{target.name} ({target.source})"]
    told += [target.arch] if target.arch is not None else []
    told += [target.support.value] if target.support is not None and target.kind != "release" else []
    return ", ".join(told)
